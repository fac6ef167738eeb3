//! The grammar of the demo's sentences: short reviews.
//!
//! The label is the judgement that counts. A clause judges in plain words or turned around ("was not bad"); of two clauses that
//! disagree, the one that is not conceded counts ("although the soup was bad , the view was great"; "the view was great but the
//! soup was bad"). So no bag of words can tell, and neither can the last judgement. The corpus, without labels, has more plain
//! judgements and adds what people did then, from which a masked-token model can learn which words judge, and which judgement
//! counts.

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
    let neutral = [ASPECTS, VERBS, NEGATIONS, DEGREES, PEOPLE, TIMES, PLACES, EVENTS, FUNCTION].concat();
    let mut words = [neutral, telling_words()].concat();
    words.sort_unstable();
    words.dedup();
    words
}

/// The words that are good or bad: each tells something about the others of its sentence.
pub fn telling_words() -> Vec<&'static str> {
    [GOOD, BAD, HAPPY, UNHAPPY, PLEASED, DISPLEASED].concat()
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

    /// "the soup was very good", or, in `turned` of 100, turned around: "the soup was not bad".
    fn clause(&mut self, judgement: Judgement, turned: u64) -> String {
        let (aspect, verb) = (self.word(ASPECTS), self.word(VERBS));
        let turned = self.chance(turned);
        let said = if turned { judgement.opposite() } else { judgement };
        let adjective = self.word(if said == Judgement::Positive { GOOD } else { BAD });
        let negation = if turned { format!("{} ", self.word(NEGATIONS)) } else { String::new() };
        let degree = if self.chance(25) { format!("{} ", self.word(DEGREES)) } else { String::new() };
        format!("the {aspect} {verb} {negation}{degree}{adjective}")
    }

    /// Two clauses that disagree; `judgement` is that of the one that counts.
    fn contrast(&mut self, judgement: Judgement, turned: u64) -> String {
        let (counts, conceded) = (self.clause(judgement, turned), self.clause(judgement.opposite(), turned));
        match self.below(6) {
            0 | 1 => format!("{conceded} but {counts}"),
            2 => format!("{conceded} yet {counts}"),
            3 => format!("although {conceded} , {counts}"),
            4 => format!("{counts} although {conceded}"),
            _ => format!("{counts} though {conceded}"),
        }
    }

    /// A sentence with what does not matter around it.
    fn framed(&mut self, mut sentence: String) -> String {
        if self.chance(15) {
            sentence = format!("{} , {sentence}", self.word(TIMES));
        }
        match self.below(100) {
            0..=7 => format!("{sentence} near the {}", self.word(PLACES)),
            8..=15 => format!("{sentence} {} the {}", self.word(&["during", "after", "before"]), self.word(EVENTS)),
            _ => sentence,
        }
    }

    /// A labelled sentence.
    fn review(&mut self, judgement: Judgement) -> String {
        let review = if self.chance(40) { self.clause(judgement, 30) } else { self.contrast(judgement, 30) };
        self.framed(review)
    }

    /// A sentence of the corpus.
    fn corpus_sentence(&mut self) -> String {
        let judgement = self.judgement();
        let (adjectives, feelings, acts) = match judgement {
            Judgement::Positive => (GOOD, HAPPY, PLEASED),
            Judgement::Negative => (BAD, UNHAPPY, DISPLEASED),
        };
        let review = match self.below(100) {
            0..=21 => {
                let mut words = |list| self.word(list);
                let (feeling, person) = (words(feelings), words(PEOPLE));
                let (did, also, first, second) = (words(acts), words(acts), words(adjectives), words(adjectives));
                let (one, other) = (words(ASPECTS), words(ASPECTS));
                return format!(
                    "the {feeling} {person} {did} and {also} at the {first} {one} and the {second} {other} ."
                );
            }
            22..=34 => self.clause(judgement, 0),
            35..=44 => format!("{} and {}", self.clause(judgement, 0), self.clause(judgement, 0)),
            45..=56 => self.clause(judgement, 60),
            57..=64 => format!("{} and {}", self.clause(judgement, 40), self.clause(judgement, 40)),
            _ => self.contrast(judgement, 25),
        };
        let review = self.framed(review);
        if self.chance(10) {
            return format!("{review} .");
        }
        let join = self.word(&["so", "and", "and then"]);
        let feeling = if self.chance(60) { format!("{} ", self.word(feelings)) } else { String::new() };
        let also = if self.chance(40) { format!(" and {}", self.word(acts)) } else { String::new() };
        format!("{review} , {join} the {feeling}{} {}{also} .", self.word(PEOPLE), self.word(acts))
    }
}
