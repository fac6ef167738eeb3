//! NIST (Doddington 2002).

use super::ngrams::Ngrams;
use super::rows;
use super::tokenize::tokens_mteval;
use std::collections::HashMap;

/// Tokens of a hypothesis and of its references.
type Row = (Vec<String>, Vec<Vec<String>>);

/// NIST of the E2E NLG Challenge, with n-grams up to `orders` (5 in the challenge). Case is ignored.
///
/// The sum over the orders of the information, in bits, of the matched n-grams, divided by the number of n-grams of the hypotheses,
/// times a penalty that is 0.5 where the hypotheses have 2/3 of the mean length of their references. The information of an n-gram is
/// log2 of how often its first words occur in all references over how often it does.
///
/// 0 and up. As in the challenge's script, a text without words is one empty word, and a hypothesis too short for an order takes
/// from the n-grams of that order. 0 without rows, and where such hypotheses leave no n-grams of an order: the script divides by 0
/// there.
pub fn nist(hypotheses: &[String], references: &[Vec<String>], orders: usize) -> f64 {
    let rows: Vec<Row> = rows(hypotheses, references)
        .map(|(text, references)| (tokens_mteval(text), references.iter().map(|text| tokens_mteval(text)).collect()))
        .collect();
    let occurrences = occurrences(&rows, orders);
    let reference_words: usize = rows.iter().flat_map(|(_, references)| references).map(Vec::len).sum();
    let bits = |ngram: &[String]| match (occurrences.get(ngram), &ngram[..ngram.len() - 1]) {
        (None, _) => 0.0,
        (Some(all), []) => (reference_words as f64 / *all as f64).log2(),
        (Some(all), first) => (occurrences.get(first).copied().unwrap_or(0) as f64 / *all as f64).log2(),
    };
    let mut sum = 0.0;
    for order in 1..=orders {
        let mut information = 0.0;
        let mut total = 0;
        for (hypothesis, references) in &rows {
            let references: Vec<_> = references.iter().map(|reference| Ngrams::of(reference, order)).collect();
            let ngrams = Ngrams::of(hypothesis, order);
            information += ngrams.clipped(&references).map(|(ngram, hits)| bits(ngram) * hits as f64).sum::<f64>();
            total += hypothesis.len() as i64 - order as i64 + 1;
        }
        if total == 0 {
            return 0.0;
        }
        sum += information / total as f64;
    }
    sum * length_penalty(&rows)
}

/// How often each n-gram occurs in all references of all rows.
fn occurrences(rows: &[Row], orders: usize) -> HashMap<&[String], u64> {
    let mut occurrences = HashMap::new();
    for reference in rows.iter().flat_map(|(_, references)| references) {
        for ngram in (1..=orders).flat_map(|order| reference.windows(order)) {
            *occurrences.entry(ngram).or_default() += 1;
        }
    }
    occurrences
}

/// exp(-b ln²(ratio)) for a ratio of the lengths below 1, with b such that it is 0.5 at 2/3.
fn length_penalty(rows: &[Row]) -> f64 {
    let length: usize = rows.iter().map(|(hypothesis, _)| hypothesis.len()).sum();
    let mean =
        |references: &[Vec<String>]| references.iter().map(Vec::len).sum::<usize>() as f64 / references.len() as f64;
    let reference_length: f64 = rows.iter().map(|(_, references)| mean(references)).sum();
    let ratio = length as f64 / reference_length;
    if ratio < 1.0 { (-std::f64::consts::LN_2 * (ratio.ln() / 1.5_f64.ln()).powi(2)).exp() } else { 1.0 }
}
