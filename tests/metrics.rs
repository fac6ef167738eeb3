//! Metrics against scikit-learn, SciPy and seqeval; `tests/fixtures/metrics.py` makes the numbers.

use autolora::train::metrics::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixtures {
    classes: Vec<Classes>,
    numbers: Vec<Numbers>,
    entities: Vec<Entities>,
}

#[derive(Deserialize)]
struct Classes {
    predictions: Vec<u32>,
    labels: Vec<u32>,
    accuracy: f64,
    matthews: f64,
    f1: f64,
    f1_micro: f64,
    f1_macro: f64,
}

#[derive(Deserialize)]
struct Numbers {
    /// None: not a number.
    predictions: Vec<Option<f64>>,
    truth: Vec<f64>,
    pearson: Option<f64>,
    spearman: Option<f64>,
}

/// Scores are precision, recall, F1.
#[derive(Deserialize)]
struct Entities {
    predictions: Vec<Vec<String>>,
    truth: Vec<Vec<String>>,
    default: [f64; 3],
    default_kinds: BTreeMap<String, [f64; 3]>,
    /// None for tags that are not IOB2, which seqeval refuses.
    strict: Option<[f64; 3]>,
    strict_kinds: Option<BTreeMap<String, [f64; 3]>>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap()
}

#[test]
fn figures_of_classes_are_those_of_scikit_learn() {
    let cases = fixtures().classes;
    assert_eq!(cases.len(), 10);
    for case in cases {
        let (p, l) = (&case.predictions, &case.labels);
        for (name, seen, expected) in [
            ("accuracy", accuracy(p, l), case.accuracy),
            ("Matthews", matthews_correlation(p, l), case.matthews),
            ("f1", f1_binary(p, l), case.f1),
            ("f1_micro", f1_micro(p, l), case.f1_micro),
            ("f1_macro", f1_macro(p, l), case.f1_macro),
        ] {
            assert!((seen - expected).abs() < 1e-12, "{name} {seen}, scikit-learn {expected}: {p:?} {l:?}");
        }
    }
}

#[test]
fn correlations_are_those_of_scipy() {
    let cases = fixtures().numbers;
    assert_eq!(cases.len(), 11);
    for Numbers { predictions, truth, pearson: p, spearman: s } in cases {
        let predictions: Vec<f64> = predictions.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        for (name, seen, expected) in
            [("Pearson", pearson(&predictions, &truth), p), ("Spearman", spearman(&predictions, &truth), s)]
        {
            let equal = match (seen, expected) {
                (Some(seen), Some(expected)) => (seen - expected).abs() < 1e-12,
                (seen, expected) => seen == expected,
            };
            assert!(equal, "{name} {seen:?}, SciPy {expected:?}: {predictions:?} {truth:?}");
        }
    }
}

#[test]
fn entities_are_counted_as_seqeval_counts_them() {
    let cases = fixtures().entities;
    assert_eq!(cases.len(), 11);
    for case in &cases {
        fn tags(rows: &[Vec<String>]) -> Vec<Vec<&str>> {
            rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect()
        }
        let (predictions, truth) = (tags(&case.predictions), tags(&case.truth));
        let check = |scheme, expected: [f64; 3], kinds: &BTreeMap<String, [f64; 3]>| {
            let (all, of_kinds) = entity_scores(&predictions, &truth, scheme);
            let same = |seen: &EntityScores, expected: &[f64; 3]| {
                let seen = [seen.precision, seen.recall, seen.f1];
                seen.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
            };
            assert!(same(&all, &expected), "{scheme:?} {all:?}, seqeval {expected:?}: {predictions:?} {truth:?}");
            assert_eq!(of_kinds.len(), kinds.len(), "{of_kinds:?} {kinds:?}");
            for (kind, expected) in kinds {
                assert!(same(&of_kinds[kind], expected), "{scheme:?} {kind} {:?} {expected:?}", of_kinds[kind]);
            }
        };
        check(Scheme::Default, case.default, &case.default_kinds);
        if let (Some(strict), Some(kinds)) = (case.strict, &case.strict_kinds) {
            check(Scheme::StrictIob2, strict, kinds);
        }
    }
    assert_eq!(cases.iter().filter(|case| case.strict.is_some()).count(), 10);
}

#[test]
fn no_rows_score_nothing() {
    assert_eq!((accuracy(&[], &[]), matthews_correlation(&[], &[]), f1_macro(&[], &[])), (0.0, 0.0, 0.0));
    assert_eq!((pearson(&[], &[]), spearman(&[1.0], &[1.0])), (None, None));
    assert_eq!(entity_scores(&[], &[], Scheme::Default).0, EntityScores { precision: 0.0, recall: 0.0, f1: 0.0 });
}

#[test]
fn the_majority_is_chosen_on_the_training_rows() {
    assert_eq!(majority(&[2, 1, 1, 0], &[1, 2, 2, 1, 0]), (1, 0.4));
    assert_eq!(majority(&[3, 1, 3, 1], &[3]), (1, 0.0), "the lowest id wins a tie");
}
