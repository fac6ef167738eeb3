//! CIDEr (Vedantam et al. 2015).

use super::ngrams::Ngrams;
use super::rows;
use super::treebank::caption_tokens;
use std::collections::{HashMap, HashSet};

const ORDERS: usize = 4;

/// Standard deviation of the penalty on a difference in length, in bigrams.
const SIGMA: f64 = 6.0;

/// CIDEr of the caption evaluation of MS COCO, which is the paper's CIDEr-D on unstemmed words: ten times the mean, over rows,
/// orders 1 to 4 and references, of the cosine between the n-grams of hypothesis and reference, weighted by tf-idf.
///
/// Documents of the idf are the rows: an n-gram weighs ln(rows / rows with it in a reference). A hypothesis counts no n-gram more
/// often than the reference does, and a difference of d bigrams in length costs exp(-d² / 72).
///
/// 0 to 10. 0 for a single row, whose n-grams all weigh nothing, and without rows.
pub fn cider(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let rows: Vec<(Vec<String>, Vec<Vec<String>>)> = rows(hypotheses, references)
        .map(|(text, references)| (caption_tokens(text), references.iter().map(|text| caption_tokens(text)).collect()))
        .collect();
    let mut documents: HashMap<&[String], u32> = HashMap::new();
    for (_, references) in &rows {
        let ngrams = references.iter().flat_map(|reference| (1..=ORDERS).flat_map(|order| reference.windows(order)));
        for ngram in ngrams.collect::<HashSet<_>>() {
            *documents.entry(ngram).or_default() += 1;
        }
    }
    let all = (rows.len() as f64).ln();
    // One that no reference has weighs as one that a single row has.
    let idf = |ngram: &[String]| all - documents.get(ngram).map_or(0.0, |rows| f64::from(*rows).ln());
    let mut sum = 0.0;
    for (hypothesis, references) in &rows {
        let hypothesis = Weighted::new(hypothesis, idf);
        let similarities = references.iter().map(|reference| hypothesis.similarity(&Weighted::new(reference, idf)));
        sum += similarities.sum::<f64>() / references.len() as f64;
    }
    if rows.is_empty() { 0.0 } else { 10.0 * sum / rows.len() as f64 }
}

/// A text as one vector an order.
struct Weighted<'a> {
    /// Of ascending n-grams.
    weights: Vec<Vec<(&'a [String], f64)>>,
    norms: Vec<f64>,
    bigrams: usize,
}

impl<'a> Weighted<'a> {
    fn new(tokens: &'a [String], idf: impl Fn(&[String]) -> f64) -> Self {
        let of_order =
            |order| Ngrams::of(tokens, order).iter().map(|(ngram, tf)| (ngram, tf as f64 * idf(ngram))).collect();
        let weights: Vec<Vec<(&[String], f64)>> = (1..=ORDERS).map(of_order).collect();
        let norm =
            |weights: &Vec<(&[String], f64)>| weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        Self { norms: weights.iter().map(norm).collect(), weights, bigrams: tokens.len().saturating_sub(1) }
    }

    /// Mean over the orders.
    fn similarity(&self, reference: &Self) -> f64 {
        let mut sum = 0.0;
        for order in 0..ORDERS {
            let other = &reference.weights[order];
            let mut product = 0.0;
            for (ngram, weight) in &self.weights[order] {
                if let Ok(at) = other.binary_search_by(|(candidate, _)| candidate.cmp(ngram)) {
                    product += weight.min(other[at].1) * other[at].1;
                }
            }
            let norms = self.norms[order] * reference.norms[order];
            sum += if norms > 0.0 { product / norms } else { 0.0 };
        }
        let difference = self.bigrams.abs_diff(reference.bigrams) as f64;
        sum / ORDERS as f64 * (-difference * difference / (2.0 * SIGMA * SIGMA)).exp()
    }
}
