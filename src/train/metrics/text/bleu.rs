//! BLEU (Papineni et al. 2002), on the scale 0 to 100, as two programs compute it.

use super::ngrams::Ngrams;
use super::rows;
use super::tokenize::{tokens_13a, tokens_mteval};

const ORDERS: usize = 4;

/// Whether upper and lower case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Texts are compared as they are.
    Mixed,
    /// Texts are lowercased first.
    Lower,
}

/// What BLEU needs of a corpus.
#[derive(Default)]
struct Counts {
    /// Clipped matches of each order.
    matched: [u64; ORDERS],
    /// N-grams of the hypotheses, of each order.
    total: [u64; ORDERS],
    /// Length less order plus one of the hypotheses, which is below 0 for short ones.
    signed_total: [i64; ORDERS],
    hypothesis_length: u64,
    reference_length: u64,
}

impl Counts {
    fn of(hypotheses: &[String], references: &[Vec<String>], tokens: impl Fn(&str) -> Vec<String>) -> Self {
        let mut counts = Self::default();
        for (hypothesis, references) in rows(hypotheses, references) {
            let hypothesis = tokens(hypothesis);
            let references: Vec<Vec<String>> = references.iter().map(|text| tokens(text)).collect();
            counts.add(&hypothesis, &references);
        }
        counts
    }

    fn add(&mut self, hypothesis: &[String], references: &[Vec<String>]) {
        for order in 1..=ORDERS {
            let of_references: Vec<_> = references.iter().map(|reference| Ngrams::of(reference, order)).collect();
            let ngrams = Ngrams::of(hypothesis, order);
            self.matched[order - 1] += ngrams.clipped(&of_references).map(|(_, hits)| hits).sum::<u64>();
            self.total[order - 1] += ngrams.total();
            self.signed_total[order - 1] += hypothesis.len() as i64 - order as i64 + 1;
        }
        self.hypothesis_length += hypothesis.len() as u64;
        // The closest, and the shorter of two as close.
        let lengths = references.iter().map(Vec::len);
        let closest = lengths.min_by_key(|length| (length.abs_diff(hypothesis.len()), *length));
        self.reference_length += closest.unwrap_or(0) as u64;
    }

    /// 1 where the hypotheses are as long as the references, `empty` where they are empty and the references are not.
    fn brevity_penalty(&self, empty: f64) -> f64 {
        let (length, reference) = (self.hypothesis_length as f64, self.reference_length as f64);
        match () {
            () if length >= reference => 1.0,
            () if length > 0.0 => (1.0 - reference / length).exp(),
            () => empty,
        }
    }
}

/// Corpus BLEU of sacreBLEU (Post 2018) with its default settings: tokenizer `13a`, n-grams up to 4, the closest reference length,
/// and exponential smoothing: the k-th order without a match counts as 1 / 2^k matches.
///
/// 0 to 100. 0 where no word matches, and where no hypothesis is long enough for an n-gram of order 4: sacreBLEU takes the
/// precisions of such orders for 0. `case` is its option `lowercase`.
pub fn bleu(hypotheses: &[String], references: &[Vec<String>], case: Case) -> f64 {
    let counts = Counts::of(hypotheses, references, |text| match case {
        Case::Mixed => tokens_13a(text),
        Case::Lower => tokens_13a(&text.to_lowercase()),
    });
    if counts.matched.iter().all(|matched| *matched == 0) || counts.total.contains(&0) {
        return 0.0;
    }
    let mut unmatched_order = 1.0;
    let mut log_precisions = 0.0;
    for (matched, total) in counts.matched.iter().zip(counts.total) {
        let matched = if *matched == 0 {
            unmatched_order /= 2.0;
            unmatched_order
        } else {
            *matched as f64
        };
        log_precisions += (matched / total as f64).ln();
    }
    100.0 * counts.brevity_penalty(0.0) * (log_precisions / ORDERS as f64).exp()
}

/// Corpus BLEU of the E2E NLG Challenge: n-grams up to 4, the closest reference length, case ignored, and no smoothing but a floor
/// of 1e-15 matches and 1e-9 n-grams.
///
/// 0 to 100, nearly: as in the challenge's script, a text without words is one empty word that matches its like, and a hypothesis
/// too short for an order takes from the n-grams of that order, so a corpus of such texts can exceed 100. 0 without rows.
pub fn e2e_bleu(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let counts = Counts::of(hypotheses, references, tokens_mteval);
    if counts.hypothesis_length == 0 {
        return 0.0;
    }
    let log_precision = |(matched, total): (&u64, i64)| ((*matched as f64).max(1e-15) / (total as f64).max(1e-9)).ln();
    let log_precisions: f64 = counts.matched.iter().zip(counts.signed_total).map(log_precision).sum();
    100.0 * counts.brevity_penalty(0.0) * (log_precisions / ORDERS as f64).exp()
}
