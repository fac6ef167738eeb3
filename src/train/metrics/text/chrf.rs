//! chrF (Popović 2015) and chrF++ (Popović 2017), on the scale 0 to 100.

use super::ngrams::Ngrams;
use super::rows;
use super::tokenize::{is_space, words};

const CHARACTER_ORDERS: usize = 6;

/// Recall counts this many times as much as precision.
const BETA: f64 = 2.0;

/// chrF2 of sacreBLEU with its default settings: character n-grams up to 6 without whitespace, with case, and the reference that
/// scores best in each row.
///
/// 0 to 100: the F score of the mean precision and the mean recall over the orders that both sides of the corpus have. 0 where no
/// character matches.
pub fn chrf(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    corpus(hypotheses, references, 0)
}

/// chrF++ of sacreBLEU, which is [`chrf`] with word n-grams up to 2 besides. Punctuation at the end of a word, or else at its
/// start, is a word of its own.
pub fn chrf_plus_plus(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    corpus(hypotheses, references, 2)
}

/// Of one order.
#[derive(Clone, Copy, Default)]
struct Counts {
    hypothesis: u64,
    reference: u64,
    matched: u64,
}

impl Counts {
    fn of<T: Ord>(hypothesis: &Ngrams<T>, reference: &Ngrams<T>) -> Self {
        Self {
            // N-grams that the reference is too short to match are not counted against the hypothesis.
            hypothesis: if reference.is_empty() { 0 } else { hypothesis.total() },
            reference: reference.total(),
            matched: hypothesis.clipped(std::slice::from_ref(reference)).map(|(_, hits)| hits).sum(),
        }
    }
}

fn corpus(hypotheses: &[String], references: &[Vec<String>], word_orders: usize) -> f64 {
    let mut sum = vec![Counts::default(); CHARACTER_ORDERS + word_orders];
    for (hypothesis, references) in rows(hypotheses, references) {
        let hypothesis = Text::new(hypothesis);
        let hypothesis = hypothesis.ngrams(word_orders);
        let mut best: Option<(f64, Vec<Counts>)> = None;
        for reference in references {
            let reference = Text::new(reference);
            let reference = reference.ngrams(word_orders);
            let characters = hypothesis.0.iter().zip(&reference.0).map(|(a, b)| Counts::of(a, b));
            let words = hypothesis.1.iter().zip(&reference.1).map(|(a, b)| Counts::of(a, b));
            let counts: Vec<Counts> = characters.chain(words).collect();
            let score = f_score(&counts);
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, counts));
            }
        }
        for (sum, counts) in sum.iter_mut().zip(best.iter().flat_map(|(_, counts)| counts)) {
            sum.hypothesis += counts.hypothesis;
            sum.reference += counts.reference;
            sum.matched += counts.matched;
        }
    }
    f_score(&sum)
}

fn f_score(counts: &[Counts]) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for of_order in counts.iter().filter(|counts| counts.hypothesis > 0 && counts.reference > 0) {
        precision += of_order.matched as f64 / of_order.hypothesis as f64;
        recall += of_order.matched as f64 / of_order.reference as f64;
        orders += 1.0;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    let weight = BETA * BETA;
    100.0 * (1.0 + weight) * precision * recall / (weight * precision + recall)
}

struct Text<'a> {
    /// Without whitespace.
    characters: Vec<char>,
    words: Vec<&'a str>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            characters: text.chars().filter(|c| !is_space(*c)).collect(),
            words: words(text).flat_map(without_punctuation).filter(|word| !word.is_empty()).collect(),
        }
    }

    fn ngrams(&self, word_orders: usize) -> (Vec<Ngrams<'_, char>>, Vec<Ngrams<'_, &'a str>>) {
        (
            (1..=CHARACTER_ORDERS).map(|order| Ngrams::of(&self.characters, order)).collect(),
            (1..=word_orders).map(|order| Ngrams::of(&self.words, order)).collect(),
        )
    }
}

/// `word` in two where it ends or starts with punctuation of ASCII, else with an empty second.
fn without_punctuation(word: &str) -> [&str; 2] {
    let mut characters = word.chars();
    match (characters.next(), characters.next_back()) {
        (Some(_), Some(last)) if last.is_ascii_punctuation() => word.split_at(word.len() - 1).into(),
        (Some(first), Some(_)) if first.is_ascii_punctuation() => word.split_at(1).into(),
        _ => [word, ""],
    }
}
