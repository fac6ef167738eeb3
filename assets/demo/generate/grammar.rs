//! The grammar of the demo's sentences: short reviews.
//!
//! The label is the judgement that counts. A clause judges in plain words or turned around ("was not bad"); of two clauses that
//! disagree, the one that is not conceded counts ("although the soup was bad , the view was great"; "the view was great but the
//! soup was bad"). So no bag of words can tell, and neither can the last judgement. The corpus, without labels, often adds what
//! people did then, from which a masked-token model can learn which judgement counts.

use super::words::*;
use autolora::data::random::{below, stream};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// A judgement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Positive,
    Negative,
}

impl Judgement {
    fn name(self) -> &'static str {
        match self {
            Judgement::Positive => "positive",
            Judgement::Negative => "negative",
        }
    }

    fn opposite(self) -> Self {
        match self {
            Judgement::Positive => Judgement::Negative,
            Judgement::Negative => Judgement::Positive,
        }
    }
}

/// Sentences with their labels, `positive` or `negative`; no sentence comes twice.
pub fn dataset(seed: u64, n: usize) -> Vec<(String, &'static str)> {
    let mut draw = Draw(stream(seed, "demo dataset", 0));
    let mut seen = HashSet::new();
    let mut rows = Vec::with_capacity(n);
    while rows.len() < n {
        let judgement = draw.judgement();
        let sentence = format!("{} .", draw.review(judgement));
        if seen.insert(sentence.clone()) {
            rows.push((sentence, judgement.name()));
        }
    }
    rows
}

/// Sentences without labels, for masked-token training.
pub fn corpus(seed: u64, n: usize) -> Vec<String> {
    let mut draw = Draw(stream(seed, "demo corpus", 0));
    (0..n).map(|_| draw.corpus_sentence()).collect()
}

/// Every word that a sentence may hold, sorted.
pub fn vocabulary() -> Vec<&'static str> {
    let lists =
        [ASPECTS, GOOD, BAD, VERBS, NEGATIONS, DEGREES, PEOPLE, PLEASED, DISPLEASED, TIMES, PLACES, EVENTS, FUNCTION];
    let mut words: Vec<_> = lists.concat();
    words.sort_unstable();
    words.dedup();
    words
}

/// Random choices.
struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        below(&mut self.0, n)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }

    fn judgement(&mut self) -> Judgement {
        if self.chance(50) { Judgement::Positive } else { Judgement::Negative }
    }

    /// "the soup was very good", or turned around: "the soup was not bad".
    fn clause(&mut self, judgement: Judgement) -> String {
        let (aspect, verb) = (self.word(ASPECTS), self.word(VERBS));
        let turned = self.chance(40);
        let said = if turned { judgement.opposite() } else { judgement };
        let adjective = self.word(if said == Judgement::Positive { GOOD } else { BAD });
        let negation = if turned { format!("{} ", self.word(NEGATIONS)) } else { String::new() };
        let degree = if self.chance(25) { format!("{} ", self.word(DEGREES)) } else { String::new() };
        format!("the {aspect} {verb} {negation}{degree}{adjective}")
    }

    /// One clause, or two that disagree, with what does not matter around them.
    fn review(&mut self, judgement: Judgement) -> String {
        let mut review = if self.chance(40) {
            self.clause(judgement)
        } else {
            let (counts, conceded) = (self.clause(judgement), self.clause(judgement.opposite()));
            match self.below(6) {
                0 | 1 => format!("{conceded} but {counts}"),
                2 => format!("{conceded} yet {counts}"),
                3 => format!("although {conceded} , {counts}"),
                4 => format!("{counts} although {conceded}"),
                _ => format!("{counts} though {conceded}"),
            }
        };
        if self.chance(15) {
            review = format!("{} , {review}", self.word(TIMES));
        }
        if self.chance(15) {
            review = match self.below(2) {
                0 => format!("{review} near the {}", self.word(PLACES)),
                _ => format!("{review} {} the {}", self.word(&["during", "after", "before"]), self.word(EVENTS)),
            };
        }
        review
    }

    /// A review, mostly with what somebody did then.
    fn corpus_sentence(&mut self) -> String {
        let judgement = self.judgement();
        let review = self.review(judgement);
        if self.chance(20) {
            return format!("{review} .");
        }
        let did = if judgement == Judgement::Positive { PLEASED } else { DISPLEASED };
        let join = self.word(&["so", "and", "and then"]);
        let first = format!("{review} , {join} the {} {}", self.word(PEOPLE), self.word(did));
        // A second witness: what one did tells what the other did.
        if self.chance(30) { format!("{first} and {} .", self.word(did)) } else { format!("{first} .") }
    }
}
