//! Which candidates a typed text means, best first.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A text that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its place among those that were given.
    pub place: usize,
    /// The characters that matched, in rising order.
    pub marks: Vec<u32>,
}

/// The texts that hold the letters of `typed` in their order, words of it in any order; all of them in theirs where nothing
/// is typed. The same text as typed comes first, then the best.
pub fn matching<'a>(typed: &str, texts: impl Iterator<Item = &'a str>) -> Vec<Match> {
    let typed = typed.trim();
    if typed.is_empty() {
        return texts.enumerate().map(|(place, _)| Match { place, marks: Vec::new() }).collect();
    }
    let pattern = Pattern::new(typed, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut found = Vec::new();
    for (place, text) in texts.enumerate() {
        let mut marks = Vec::new();
        let score = pattern.indices(Utf32Str::new(text, &mut buffer), &mut matcher, &mut marks);
        if let Some(score) = score {
            marks.sort_unstable();
            marks.dedup();
            found.push((text != typed, std::cmp::Reverse(score), Match { place, marks }));
        }
    }
    found.sort_by_key(|(other, score, found)| (*other, *score, found.place));
    found.into_iter().map(|(_, _, found)| found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(typed: &str, texts: &[&'a str]) -> Vec<&'a str> {
        matching(typed, texts.iter().copied()).into_iter().map(|found| texts[found.place]).collect()
    }

    #[test]
    fn letters_in_their_order_are_enough_and_the_best_comes_first() {
        let models = ["google-bert/bert-base-cased", "FacebookAI/roberta-base", "openai-community/gpt2"];
        assert_eq!(found("robase", &models), ["FacebookAI/roberta-base"]);
        assert_eq!(found("base bert", &models)[0], "google-bert/bert-base-cased");
        assert_eq!(found("", &models), models);
        assert_eq!(found("xyz", &models), [""; 0]);
        assert_eq!(found("gpt2", &["gpt2-medium", "gpt2"]), ["gpt2", "gpt2-medium"]);
        assert_eq!(matching("gp2", ["gpt2"].into_iter())[0].marks, [0, 1, 3]);
    }

    #[test]
    fn what_is_typed_is_no_pattern() {
        assert_eq!(found("!a", &["!a", "b"]), ["!a"]);
        assert_eq!(found("a$", &["a", "a$"]), ["a$"]);
    }
}
