//! Metrics against scikit-learn's; `tests/fixtures/metrics.py` makes the numbers.

use autolora::train::metrics::{accuracy, majority, matthews_correlation};

#[derive(serde::Deserialize)]
struct Case {
    predictions: Vec<u32>,
    labels: Vec<u32>,
    accuracy: f64,
    matthews: f64,
}

#[test]
fn figures_are_those_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    assert_eq!(cases.len(), 10);
    for Case { predictions, labels, accuracy: a, matthews: m } in cases {
        let (seen_a, seen_m) = (accuracy(&predictions, &labels), matthews_correlation(&predictions, &labels));
        assert!((seen_a - a).abs() < 1e-12, "accuracy {seen_a}, scikit-learn {a}: {predictions:?} {labels:?}");
        assert!((seen_m - m).abs() < 1e-12, "Matthews {seen_m}, scikit-learn {m}: {predictions:?} {labels:?}");
    }
}

#[test]
fn no_rows_score_nothing() {
    assert_eq!((accuracy(&[], &[]), matthews_correlation(&[], &[])), (0.0, 0.0));
}

#[test]
fn the_majority_is_chosen_on_the_training_rows() {
    assert_eq!(majority(&[2, 1, 1, 0], &[1, 2, 2, 1, 0]), (1, 0.4));
    assert_eq!(majority(&[3, 1, 3, 1], &[3]), (1, 0.0), "the lowest id wins a tie");
}
