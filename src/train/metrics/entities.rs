//! Entity-level scores of tagged sentences, counted as seqeval 1.2.2 counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What makes an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// seqeval's default, which is conlleval's: an `I-X` after anything but its own kind begins an entity too.
    Default,
    /// `mode="strict", scheme=IOB2`: an entity begins with `B-X` and goes on with `I-X` of the same kind.
    StrictIob2,
}

/// Entities of one sentence: kind and words.
pub fn entities<'a>(tags: &[&'a str], scheme: Scheme) -> Vec<(&'a str, Range<usize>)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut previous = (Prefix::Outside, "");
    for (place, tag) in tags.iter().enumerate() {
        let (prefix, kind) = parse(tag);
        let (ends, begins) = match scheme {
            Scheme::Default => (ends(previous, (prefix, kind)), begins(previous, (prefix, kind))),
            Scheme::StrictIob2 => {
                let goes_on = prefix == Prefix::Inside && open.is_some_and(|(open, _)| open == kind);
                (!goes_on, prefix == Prefix::Begin)
            }
        };
        if ends && let Some((kind, first)) = open.take() {
            found.push((kind, first..place));
        }
        if begins {
            open = Some((kind, place));
        }
        previous = (prefix, kind);
    }
    if let Some((kind, first)) = open {
        found.push((kind, first..tags.len()));
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Begin,
    Inside,
    End,
    Single,
    Outside,
}

/// A tag's prefix and kind; a tag without a kind has the kind `_`, as in seqeval.
fn parse(tag: &str) -> (Prefix, &str) {
    let prefix = match tag.as_bytes().first() {
        Some(b'B') => Prefix::Begin,
        Some(b'I') => Prefix::Inside,
        Some(b'E') => Prefix::End,
        Some(b'S') => Prefix::Single,
        _ => return (Prefix::Outside, "_"),
    };
    let rest = tag.get(1..).unwrap_or("");
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (prefix, if kind.is_empty() { "_" } else { kind })
}

/// Whether an entity that reached the word before ends there.
fn ends((before, before_kind): (Prefix, &str), (prefix, kind): (Prefix, &str)) -> bool {
    let cut = matches!(prefix, Prefix::Begin | Prefix::Single | Prefix::Outside);
    match before {
        Prefix::End | Prefix::Single => true,
        Prefix::Begin | Prefix::Inside => cut || before_kind != kind,
        Prefix::Outside => false,
    }
}

/// Whether an entity begins at this word.
fn begins((before, before_kind): (Prefix, &str), (prefix, kind): (Prefix, &str)) -> bool {
    match prefix {
        Prefix::Begin | Prefix::Single => true,
        Prefix::Outside => false,
        Prefix::Inside | Prefix::End => {
            matches!(before, Prefix::End | Prefix::Single | Prefix::Outside) || before_kind != kind
        }
    }
}

/// Scores over all entities of all kinds (seqeval's `average="micro"`); 0 where a share has no denominator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityScores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl EntityScores {
    fn of(right: usize, predicted: usize, truly: usize) -> EntityScores {
        let share = |all: usize| if all == 0 { 0.0 } else { right as f64 / all as f64 };
        let (precision, recall) = (share(predicted), share(truly));
        let sum = precision + recall;
        EntityScores { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }
}

/// Scores of predicted tags against true ones, sentence by sentence; over all kinds, and of each kind that occurs.
///
/// An entity is right where kind, first and last word are.
pub fn entity_scores(
    predictions: &[Vec<&str>],
    truth: &[Vec<&str>],
    scheme: Scheme,
) -> (EntityScores, BTreeMap<String, EntityScores>) {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (predicted, truly) in predictions.iter().zip(truth) {
        let key = |(kind, words): &(&'_ str, Range<usize>)| (kind.to_string(), words.start, words.end);
        let (predicted, truly) = (entities(predicted, scheme), entities(truly, scheme));
        let known: BTreeSet<_> = truly.iter().map(key).collect();
        for entity in &predicted {
            let count = counts.entry(entity.0).or_default();
            count[0] += usize::from(known.contains(&key(entity)));
            count[1] += 1;
        }
        for (kind, _) in &truly {
            counts.entry(kind).or_default()[2] += 1;
        }
    }
    let sum = counts.values().fold([0; 3], |sum, count| std::array::from_fn(|i| sum[i] + count[i]));
    let scores = |[right, predicted, truly]: [usize; 3]| EntityScores::of(right, predicted, truly);
    (scores(sum), counts.into_iter().map(|(kind, count)| (kind.to_owned(), scores(count))).collect())
}
