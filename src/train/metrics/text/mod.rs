//! Figures that compare generated texts with reference texts, each as the program that papers report defines it.
//!
//! Every figure is of a whole corpus. It takes one hypothesis a row and any number of references of that row, which may differ
//! from row to row. Rows are paired in order, and the longer of the two lists is cut to the shorter. A row without references is
//! scored against one empty reference.
//!
//! [`bleu`], [`ter`], [`chrf`] and [`chrf_plus_plus`] are those of sacreBLEU with its default settings. [`e2e_bleu`], [`nist`],
//! [`meteor`], [`rouge_l`] and [`cider`] are those of the E2E NLG Challenge (Dušek et al. 2020): the first two its own port of
//! `mteval-v13a.pl`, the other three the caption evaluation of MS COCO (Chen et al. 2015), which tokenises as the Penn Treebank,
//! lowercases, and drops punctuation.

mod bleu;
mod chrf;
mod cider;
mod edits;
mod meteor;
mod ngrams;
mod nist;
mod rouge;
mod ter;
mod tokenize;
mod treebank;

pub use bleu::{Case, bleu, e2e_bleu};
pub use chrf::{chrf, chrf_plus_plus};
pub use cider::cider;
pub use meteor::meteor;
pub use nist::nist;
pub use rouge::rouge_l;
pub use ter::ter;

static NO_REFERENCE: [String; 1] = [String::new()];

/// Each hypothesis with its references, of which there is at least one.
fn rows<'a>(
    hypotheses: &'a [String],
    references: &'a [Vec<String>],
) -> impl ExactSizeIterator<Item = (&'a str, &'a [String])> {
    hypotheses.iter().zip(references).map(|(hypothesis, references)| {
        let references = if references.is_empty() { &NO_REFERENCE } else { references.as_slice() };
        (hypothesis.as_str(), references)
    })
}
