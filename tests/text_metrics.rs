//! Metrics of generated texts against sacreBLEU and the E2E NLG Challenge's programs; `tests/fixtures/text_metrics.py` makes the
//! numbers.

use autolora::train::metrics::text::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    bleu: f64,
    bleu_lowercase: f64,
    ter: f64,
    chrf: f64,
    chrf_plus_plus: f64,
    e2e_bleu: f64,
    nist: f64,
    rouge_l: f64,
    /// None where the program finds no n-gram in any reference.
    cider: Option<f64>,
    meteor: f64,
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("fixtures/text_metrics.json")).unwrap()
}

/// Checks that `metric` is what the fixtures say to within `tolerance`, and that they say something else than 0 of `scored` cases.
fn check(
    scored: usize,
    tolerance: f64,
    metric: impl Fn(&[String], &[Vec<String>]) -> f64,
    expected: impl Fn(&Fixture) -> Option<f64>,
) {
    let cases = fixtures();
    assert_eq!(cases.iter().filter(|case| expected(case).is_some_and(|figure| figure != 0.0)).count(), scored);
    let mut furthest = 0.0_f64;
    let mut wrong = Vec::new();
    for case in &cases {
        let seen = metric(&case.hypotheses, &case.references);
        assert!(seen.is_finite(), "{} {seen}", case.name);
        if let Some(expected) = expected(case) {
            furthest = furthest.max((seen - expected).abs());
            if (seen - expected).abs() > tolerance {
                wrong.push(format!("{}: {seen}, not {expected}", case.name));
            }
        }
    }
    println!("furthest {furthest:e}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn bleu_is_that_of_sacrebleu() {
    check(26, 1e-9, |h, r| bleu(h, r, Case::Mixed), |case| Some(case.bleu));
}

#[test]
fn bleu_without_case_is_that_of_sacrebleu() {
    check(28, 1e-9, |h, r| bleu(h, r, Case::Lower), |case| Some(case.bleu_lowercase));
}

#[test]
fn ter_is_that_of_sacrebleu() {
    check(32, 1e-9, ter, |case| Some(case.ter));
}

#[test]
fn chrf_is_that_of_sacrebleu() {
    check(33, 1e-9, chrf, |case| Some(case.chrf));
}

#[test]
fn chrf_plus_plus_is_that_of_sacrebleu() {
    check(33, 1e-9, chrf_plus_plus, |case| Some(case.chrf_plus_plus));
}

#[test]
fn bleu_of_e2e_is_that_of_its_script() {
    check(40, 1e-9, e2e_bleu, |case| Some(case.e2e_bleu));
}

#[test]
fn nist_is_that_of_e2e() {
    check(26, 1e-9, |h, r| nist(h, r, 5), |case| Some(case.nist));
}

#[test]
fn rouge_l_is_that_of_coco() {
    check(34, 1e-9, rouge_l, |case| Some(case.rouge_l));
}

#[test]
fn cider_is_that_of_coco() {
    check(6, 1e-9, cider, |case| case.cider);
}

#[test]
fn meteor_is_that_of_the_java_program_with_exact_and_stem() {
    check(32, 1e-9, meteor, |case| Some(case.meteor));
}

#[test]
fn rows_without_references_have_an_empty_one() {
    let hypotheses = ["the cat sat on the mat".to_owned(), "so it did".to_owned()];
    let without = [vec!["the cat sat on the mat".to_owned()], Vec::new()];
    let empty = [without[0].clone(), vec![String::new()]];
    for (seen, expected) in all(&hypotheses, &without).into_iter().zip(all(&hypotheses, &empty)) {
        assert_eq!(seen, expected);
    }
}

#[test]
fn no_rows_score_nothing_and_the_longer_list_is_cut() {
    let hypotheses = ["a b c d e".to_owned(), "f".to_owned()];
    let references = [vec!["a b c d f".to_owned()]];
    assert_eq!(all(&[], &references), [0.0; 9]);
    assert_eq!(all(&hypotheses, &[]), [0.0; 9]);
    assert_eq!(all(&hypotheses, &references), all(&hypotheses[..1], &references));
}

fn all(hypotheses: &[String], references: &[Vec<String>]) -> [f64; 9] {
    [
        bleu(hypotheses, references, Case::Mixed),
        ter(hypotheses, references),
        chrf(hypotheses, references),
        chrf_plus_plus(hypotheses, references),
        e2e_bleu(hypotheses, references),
        nist(hypotheses, references, 5),
        rouge_l(hypotheses, references),
        cider(hypotheses, references),
        meteor(hypotheses, references),
    ]
}
