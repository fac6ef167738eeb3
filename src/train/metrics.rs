//! Figures of classification, as scikit-learn defines them.

/// Share of predictions that are right; 0 without rows.
///
/// `predictions` and `labels` are class ids of the same rows.
pub fn accuracy(predictions: &[u32], labels: &[u32]) -> f64 {
    let right = predictions.iter().zip(labels).filter(|(p, l)| p == l).count();
    if labels.is_empty() { 0.0 } else { right as f64 / labels.len() as f64 }
}

/// Matthews correlation, for any number of classes (Gorodkin 2004, the form of scikit-learn's `matthews_corrcoef`):
/// (c s - sum_k p_k t_k) / sqrt((s² - sum_k p_k²)(s² - sum_k t_k²)), with s rows, c right ones, p_k predicted as and t_k truly of
/// class k. 0 where the predictions or the labels are all of one class.
pub fn matthews_correlation(predictions: &[u32], labels: &[u32]) -> f64 {
    let classes = predictions.iter().chain(labels).max().map_or(0, |most| *most as usize + 1);
    let mut predicted = vec![0.0_f64; classes];
    let mut truly = vec![0.0_f64; classes];
    let mut right = 0.0_f64;
    for (p, l) in predictions.iter().zip(labels) {
        predicted[*p as usize] += 1.0;
        truly[*l as usize] += 1.0;
        right += f64::from(u8::from(p == l));
    }
    let rows = labels.len() as f64;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let spread = (rows * rows - dot(&predicted, &predicted)) * (rows * rows - dot(&truly, &truly));
    if spread > 0.0 { (right * rows - dot(&predicted, &truly)) / spread.sqrt() } else { 0.0 }
}

/// The class id that most rows have, and accuracy when it is predicted for `labels` (the majority baseline).
///
/// The class is chosen on `train`; the lowest id wins a tie.
pub fn majority(train: &[u32], labels: &[u32]) -> (u32, f64) {
    let classes = train.iter().max().map_or(0, |most| *most as usize + 1);
    let mut counts = vec![0usize; classes];
    for label in train {
        counts[*label as usize] += 1;
    }
    let class = (0..classes).rev().max_by_key(|class| counts[*class]).unwrap_or(0) as u32;
    (class, accuracy(&vec![class; labels.len()], labels))
}
