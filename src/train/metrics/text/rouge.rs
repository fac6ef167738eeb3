//! ROUGE-L (Lin 2004).

use super::rows;
use super::treebank::caption_tokens;

/// Recall counts this many times as much as precision.
const BETA: f64 = 1.2;

/// ROUGE-L of the caption evaluation of MS COCO: the mean over the rows of the F score of the longest common subsequence with
/// the hypothesis, as percentage. Precision and recall are each the highest over the references, which need not be the same one.
///
/// 0 to 100. A text without words is one empty word, so an empty hypothesis scores 100 where a reference is empty as well, else 0.
/// 0 without rows.
pub fn rouge_l(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let rows = rows(hypotheses, references);
    let count = rows.len();
    let sum: f64 = rows.map(|(hypothesis, references)| score(&tokens(hypothesis), references)).sum();
    if count == 0 { 0.0 } else { 100.0 * sum / count as f64 }
}

fn score(hypothesis: &[String], references: &[String]) -> f64 {
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in references {
        let reference = tokens(reference);
        let common = longest_common_subsequence(hypothesis, &reference) as f64;
        precision = precision.max(common / hypothesis.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    let weight = BETA * BETA;
    if precision == 0.0 { 0.0 } else { (1.0 + weight) * precision * recall / (recall + weight * precision) }
}

fn tokens(text: &str) -> Vec<String> {
    let tokens = caption_tokens(text);
    if tokens.is_empty() { vec![String::new()] } else { tokens }
}

/// Its length.
fn longest_common_subsequence(left: &[String], right: &[String]) -> usize {
    // Of the words of `left` so far with each start of `right`.
    let mut lengths = vec![0; right.len() + 1];
    for word in left {
        let mut diagonal = 0;
        for (at, other) in right.iter().enumerate() {
            let above = lengths[at + 1];
            lengths[at + 1] = if word == other { diagonal + 1 } else { above.max(lengths[at]) };
            diagonal = above;
        }
    }
    lengths[right.len()]
}
