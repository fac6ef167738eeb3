//! Correlations of predicted with true numbers, as SciPy defines them.

/// Pearson's correlation (`scipy.stats.pearsonr`); none where one side is constant or there are fewer than two rows: it is
/// not defined there.
pub fn pearson(predictions: &[f64], truth: &[f64]) -> Option<f64> {
    let rows = predictions.len().min(truth.len());
    if rows < 2 {
        return None;
    }
    let (p, t) = (centred(&predictions[..rows])?, centred(&truth[..rows])?);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let r = dot(&p, &t) / (dot(&p, &p) * dot(&t, &t)).sqrt();
    Some(r.clamp(-1.0, 1.0)).filter(|r| r.is_finite())
}

/// Deviations from the mean, the largest 1, so that squares neither vanish nor overflow; none where all values are equal.
fn centred(values: &[f64]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let largest = deviations.iter().fold(0.0, |most: f64, d| most.max(d.abs()));
    let constant = values.iter().all(|value| *value == values[0]);
    (!constant && largest > 0.0).then(|| deviations.iter().map(|d| d / largest).collect())
}

/// Spearman's rank correlation (`scipy.stats.spearmanr`): Pearson's of the ranks, ties at their mean rank. None where
/// [`pearson`] of the ranks is none, or a number is NaN.
pub fn spearman(predictions: &[f64], truth: &[f64]) -> Option<f64> {
    let numbers = predictions.iter().chain(truth).all(|value| !value.is_nan());
    if numbers { pearson(&ranks(predictions), &ranks(truth)) } else { None }
}

/// Ranks from 1; equal values share the mean of their places.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        for place in tied {
            ranks[*place] = before as f64 + (tied.len() + 1) as f64 / 2.0;
        }
        before += tied.len();
    }
    ranks
}
