//! Translation edit rate (Snover et al. 2006).

use super::edits::{Alignment, EditTable};
use super::rows;
use super::tokenize::words;
use std::collections::HashMap;

/// Bounds of Tercom on the shifts that are tried: words in one, distance between its ends in both texts.
const MAX_SHIFT_WORDS: usize = 10;
const MAX_SHIFT_DISTANCE: usize = 50;

/// A bound of sacreBLEU on the shifts tried for one hypothesis and reference. Past it the last round of shifts is undone.
const MAX_CANDIDATES: usize = 1000;

/// TER of sacreBLEU with its default settings: lowercased words between whitespace, punctuation kept. Edits are insertions,
/// deletions, substitutions, and shifts of words within the hypothesis, found greedily as Tercom does.
///
/// As percentage: 100 times the edits against the reference with the fewest, over the mean length of the references, both summed
/// over the rows. 0 and up, lower is better, above 100 where there are more edits than words. Where all references are empty, 100,
/// or 0 if all hypotheses are as well.
pub fn ter(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let (mut edits, mut length) = (0, 0.0);
    for (hypothesis, references) in rows(hypotheses, references) {
        let mut ids = HashMap::new();
        let hypothesis = word_ids(hypothesis, &mut ids);
        let references: Vec<Vec<usize>> = references.iter().map(|text| word_ids(text, &mut ids)).collect();
        edits += references.iter().map(|reference| fewest_edits(&hypothesis, reference)).min().unwrap_or(0);
        length += references.iter().map(Vec::len).sum::<usize>() as f64 / references.len() as f64;
    }
    match edits {
        0 => 0.0,
        _ if length > 0.0 => 100.0 * f64::from(edits) / length,
        _ => 100.0,
    }
}

fn word_ids(text: &str, ids: &mut HashMap<String, usize>) -> Vec<usize> {
    let text = text.to_lowercase();
    let id = |word: &str| {
        let next = ids.len();
        *ids.entry(word.to_owned()).or_insert(next)
    };
    words(&text).map(id).collect()
}

fn fewest_edits(hypothesis: &[usize], reference: &[usize]) -> u32 {
    if reference.is_empty() {
        return hypothesis.len() as u32;
    }
    let mut words = hypothesis.to_vec();
    let (mut shifts, mut candidates) = (0, 0);
    loop {
        let table = EditTable::new(&words, reference);
        let best = best_shift(&words, reference, &table, &mut candidates);
        match best {
            Some(shift) if shift.gain > 0 && candidates < MAX_CANDIDATES => {
                shift.apply(&mut words);
                shifts += 1;
            }
            _ => return shifts + table.cost(),
        }
    }
}

/// Words of the hypothesis that move. The order of the fields is the rank of a shift, the highest being the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shift {
    /// Edits fewer.
    gain: i64,
    words: usize,
    start: std::cmp::Reverse<usize>,
    target: std::cmp::Reverse<usize>,
}

impl Shift {
    /// A target within or just after the words that move is counted without them, as Tercom does.
    fn apply(self, words: &mut [usize]) {
        let (start, target, end) = (self.start.0, self.target.0, self.start.0 + self.words);
        if target < start {
            words[target..end].rotate_right(self.words);
        } else {
            let target = if target > end { target } else { target + self.words };
            let last = target.min(words.len());
            words[start..last].rotate_left(self.words);
        }
    }
}

/// The best of the shifts that bring words of the hypothesis, of which one is wrong, to the same words of the reference, of which
/// one is not matched.
fn best_shift(words: &[usize], reference: &[usize], table: &EditTable, candidates: &mut usize) -> Option<Shift> {
    let alignment = table.alignment();
    let mut best = None;
    let mut shifted = words.to_vec();
    for (start, reference_start, length) in common_phrases(words, reference) {
        if !is_useful(&alignment, start, reference_start, length) {
            continue;
        }
        let mut previous = None;
        for offset in 0..=length {
            // Before the reference's phrase, and after each of its words: where these stand in the hypothesis.
            let Some(target) = alignment.position_after(reference_start + offset) else { break };
            if previous.replace(target) == Some(target) {
                continue;
            }
            let mut shift =
                Shift { gain: 0, words: length, start: std::cmp::Reverse(start), target: std::cmp::Reverse(target) };
            shifted.copy_from_slice(words);
            shift.apply(&mut shifted);
            shift.gain = i64::from(table.cost()) - i64::from(table.cost_of(words, &shifted));
            *candidates += 1;
            best = best.max(Some(shift));
        }
        if *candidates >= MAX_CANDIDATES {
            break;
        }
    }
    best
}

fn is_useful(alignment: &Alignment, start: usize, reference_start: usize, length: usize) -> bool {
    let wrong = |errors: &[bool], from: usize| errors[from..from + length].contains(&true);
    // Words that stand after word `n - 1` are aligned with word `n`.
    let aligned = alignment.position_after(reference_start + 1).map(|after| after.wrapping_sub(1));
    wrong(&alignment.hypothesis_errors, start)
        && wrong(&alignment.reference_errors, reference_start)
        && aligned.is_none_or(|at| !(start..start + length).contains(&at))
}

/// Phrases that both texts have: where in `words`, where in `reference`, and how many words.
fn common_phrases<'a>(words: &'a [usize], reference: &'a [usize]) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    (0..words.len()).flat_map(move |start| {
        let near = start.saturating_sub(MAX_SHIFT_DISTANCE)..reference.len().min(start + MAX_SHIFT_DISTANCE + 1);
        near.flat_map(move |reference_start| {
            let pairs = words[start..].iter().zip(&reference[reference_start..]);
            let longest = pairs.take(MAX_SHIFT_WORDS).take_while(|(word, other)| word == other).count();
            (1..=longest).map(move |length| (start, reference_start, length))
        })
    })
}
