//! Figures of single-label classification, as scikit-learn defines them. Predictions and labels are class ids of the same rows.

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

/// Right, predicted as, and truly of a class.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: f64,
    predicted: f64,
    truly: f64,
}

impl Counts {
    /// 2 right / (predicted + truly), which is F1; 0 where the class neither is nor is predicted.
    fn f1(self) -> f64 {
        let all = self.predicted + self.truly;
        if all > 0.0 { 2.0 * self.right / all } else { 0.0 }
    }
}

fn counts(predictions: &[u32], labels: &[u32]) -> Vec<Counts> {
    let classes = predictions.iter().chain(labels).max().map_or(0, |most| *most as usize + 1);
    let mut counts = vec![Counts::default(); classes];
    for (p, l) in predictions.iter().zip(labels) {
        counts[*p as usize].predicted += 1.0;
        counts[*l as usize].truly += 1.0;
        counts[*l as usize].right += f64::from(u8::from(p == l));
    }
    counts
}

/// F1 of class 1 against the rest: `f1_score(average="binary")`. 0 where class 1 neither occurs nor is predicted.
pub fn f1_binary(predictions: &[u32], labels: &[u32]) -> f64 {
    counts(predictions, labels).get(1).map_or(0.0, |class| class.f1())
}

/// F1 of the counts of all classes together, `f1_score(average="micro")`: with one label a row, it is the accuracy.
pub fn f1_micro(predictions: &[u32], labels: &[u32]) -> f64 {
    let sum = counts(predictions, labels).into_iter().fold(Counts::default(), |sum, class| Counts {
        right: sum.right + class.right,
        predicted: sum.predicted + class.predicted,
        truly: sum.truly + class.truly,
    });
    sum.f1()
}

/// Mean F1 of the classes that occur among labels or predictions, `f1_score(average="macro")`.
pub fn f1_macro(predictions: &[u32], labels: &[u32]) -> f64 {
    let classes = counts(predictions, labels);
    let present: Vec<f64> =
        classes.into_iter().filter(|class| class.predicted + class.truly > 0.0).map(Counts::f1).collect();
    if present.is_empty() { 0.0 } else { present.iter().sum::<f64>() / present.len() as f64 }
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
