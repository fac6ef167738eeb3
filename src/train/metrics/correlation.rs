//! Correlations of predicted with true numbers, as SciPy defines them.

/// Pearson's correlation (`scipy.stats.pearsonr`); none where one side is constant or there are fewer than two rows: it is
/// not defined there.
pub fn pearson(predictions: &[f64], truth: &[f64]) -> Option<f64> {
    let rows = predictions.len().min(truth.len());
    if rows < 2 {
        return None;
    }
    let mean = |values: &[f64]| values[..rows].iter().sum::<f64>() / rows as f64;
    let (p_mean, t_mean) = (mean(predictions), mean(truth));
    let (mut product, mut p_square, mut t_square) = (0.0, 0.0, 0.0);
    for (p, t) in predictions.iter().zip(truth) {
        product += (p - p_mean) * (t - t_mean);
        p_square += (p - p_mean).powi(2);
        t_square += (t - t_mean).powi(2);
    }
    // Square roots one by one: the product of two tiny sums would vanish.
    let spread = p_square.sqrt() * t_square.sqrt();
    let constant = |values: &[f64]| values[..rows].iter().all(|value| *value == values[0]);
    let defined = spread > 0.0 && !constant(predictions) && !constant(truth);
    defined.then(|| (product / spread).clamp(-1.0, 1.0)).filter(|r| r.is_finite())
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
