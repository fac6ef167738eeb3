//! METEOR (Denkowski and Lavie 2014), with the matches that need no data but a stemmer.

mod align;
mod words;

use super::rows;
use super::treebank::caption_tokens;
use align::{Module, align};
use rust_stemmers::{Algorithm, Stemmer};
use std::collections::HashMap;
use words::{is_function_word, normalised};

/// Of precision against recall: 1 would be recall alone.
const ALPHA: f64 = 0.85;

/// Exponent of the fragmentation.
const BETA: f64 = 0.2;

/// Of the highest penalty.
const GAMMA: f64 = 0.6;

/// Of content words against function words.
const DELTA: f64 = 0.75;

/// Of matches of equal words and of equal stems.
const WEIGHTS: [f64; 2] = [1.0, 0.6];

/// METEOR 1.5 restricted to its modules `exact` and `stem`, with that version's English parameters: alpha 0.85, beta 0.2, gamma
/// 0.6, delta 0.75, and the module weights 1.0 and 0.6.
///
/// **Not the METEOR of published tables.** Those come from the Java program with two modules more, `synonym` (WordNet, weight 0.8)
/// and `paraphrase` (a table of phrases, weight 0.6), which match words that this one does not. Compare it with itself only. It is
/// what the program gives with `-l en -norm -m "exact stem" -w "1.0 0.6"` for the tokens of MS COCO's caption evaluation, which the
/// E2E NLG Challenge runs it on.
///
/// 0 to 100: the score of the counts of all rows, each against the reference that scores best. 0 where no word matches.
pub fn meteor(hypotheses: &[String], references: &[Vec<String>]) -> f64 {
    let mut vocabulary = Vocabulary::new();
    let mut sum = Counts::default();
    for (hypothesis, references) in rows(hypotheses, references) {
        let hypothesis = vocabulary.text(hypothesis);
        let mut best: Option<(f64, Counts)> = None;
        for reference in references {
            let counts = Counts::of(&hypothesis, &vocabulary.text(reference));
            let score = counts.score();
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, counts));
            }
        }
        if let Some((_, counts)) = best {
            sum.add(&counts);
        }
    }
    100.0 * sum.score()
}

/// A word as the aligner needs it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word {
    id: usize,
    stem: usize,
    is_function_word: bool,
}

/// Numbers for words and stems.
struct Vocabulary {
    ids: HashMap<String, usize>,
    words: HashMap<String, Word>,
    stemmer: Stemmer,
}

impl Vocabulary {
    fn new() -> Self {
        Self { ids: HashMap::new(), words: HashMap::new(), stemmer: Stemmer::create(Algorithm::English) }
    }

    fn text(&mut self, text: &str) -> Vec<Word> {
        normalised(&caption_tokens(text)).into_iter().map(|word| self.word(word)).collect()
    }

    fn word(&mut self, text: String) -> Word {
        if let Some(word) = self.words.get(&text) {
            return *word;
        }
        let stem = self.stemmer.stem(&text).into_owned();
        let word = Word { id: self.id(&text), stem: self.id(&stem), is_function_word: is_function_word(&text) };
        self.words.insert(text, word);
        word
    }

    fn id(&mut self, text: &str) -> usize {
        let next = self.ids.len();
        *self.ids.entry(text.to_owned()).or_insert(next)
    }
}

/// What a score is made of, for one side of the alignment.
#[derive(Clone, Copy, Default)]
struct Side {
    content_words: f64,
    function_words: f64,
    /// Matches of each module.
    content_matches: [f64; 2],
    function_matches: [f64; 2],
}

impl Side {
    fn of(words: &[Word]) -> Self {
        let function_words = words.iter().filter(|word| word.is_function_word).count();
        Self {
            content_words: (words.len() - function_words) as f64,
            function_words: function_words as f64,
            ..Self::default()
        }
    }

    fn add_match(&mut self, word: Word, module: Module) {
        let matches = if word.is_function_word { &mut self.function_matches } else { &mut self.content_matches };
        matches[module as usize] += 1.0;
    }

    fn add(&mut self, other: &Self) {
        self.content_words += other.content_words;
        self.function_words += other.function_words;
        for module in 0..2 {
            self.content_matches[module] += other.content_matches[module];
            self.function_matches[module] += other.function_matches[module];
        }
    }

    fn words(&self) -> f64 {
        self.content_words + self.function_words
    }

    fn matches(&self) -> f64 {
        self.content_matches.iter().chain(&self.function_matches).sum()
    }

    /// Weighted share of the words that are matched.
    fn share(&self) -> f64 {
        let weigh = |content: f64, function: f64| DELTA * content + (1.0 - DELTA) * function;
        let matches = self.content_matches.iter().zip(self.function_matches).zip(WEIGHTS);
        let matches: f64 = matches.map(|((content, function), weight)| weight * weigh(*content, function)).sum();
        matches / weigh(self.content_words, self.function_words)
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    hypothesis: Side,
    reference: Side,
    /// Runs of matches that are next to each other, in the same order, in both texts.
    chunks: f64,
}

impl Counts {
    fn of(hypothesis: &[Word], reference: &[Word]) -> Self {
        let mut counts = Self { hypothesis: Side::of(hypothesis), reference: Side::of(reference), chunks: 0.0 };
        let mut next = None;
        for (at, matched) in align(hypothesis, reference).into_iter().enumerate() {
            if let Some(matched) = matched {
                counts.hypothesis.add_match(hypothesis[matched.hypothesis], matched.module);
                counts.reference.add_match(reference[at], matched.module);
                counts.chunks += if next == Some(matched.hypothesis) { 0.0 } else { 1.0 };
            }
            next = matched.map(|matched| matched.hypothesis + 1);
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.hypothesis.add(&other.hypothesis);
        self.reference.add(&other.reference);
        self.chunks += if other.is_complete() { 0.0 } else { other.chunks };
    }

    /// Whether the texts are the same to METEOR, so that their one chunk is no fragment.
    fn is_complete(&self) -> bool {
        let is_matched = |side: &Side| side.matches() == side.words();
        is_matched(&self.hypothesis) && is_matched(&self.reference) && self.chunks == 1.0
    }

    /// 0 to 1.
    fn score(&self) -> f64 {
        let matches = (self.hypothesis.matches() + self.reference.matches()) / 2.0;
        if matches == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (self.hypothesis.share(), self.reference.share());
        let mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall);
        let fragmentation = if self.is_complete() { 0.0 } else { self.chunks / matches };
        mean * (1.0 - GAMMA * fragmentation.powf(BETA))
    }
}
