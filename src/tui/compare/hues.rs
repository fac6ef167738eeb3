//! Which colour a run has: the same one in every comparison, as long as no other run there has it.

use crate::tui::palette::SERIES;

/// Runs that are remembered; then the oldest are forgotten.
const MOST: usize = 64;

/// The colours of runs that were compared, by their place in the palette; the newest run last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hues(Vec<(String, usize)>);

impl Hues {
    /// The colours of runs that stand beside each other, no two alike where there are no more runs than colours.
    pub fn of<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<usize> {
        let ids: Vec<&str> = ids.collect();
        let mut hues: Vec<Option<usize>> = vec![None; ids.len()];
        for (at, id) in ids.iter().enumerate() {
            let kept = self.0.iter().rev().find(|(run, _)| run == id).map(|(_, hue)| *hue);
            hues[at] = kept.filter(|hue| !hues.contains(&Some(*hue)));
        }
        for at in 0..hues.len() {
            if hues[at].is_none() {
                let free = |hue: &usize| !hues.contains(&Some(*hue));
                // One that is nobody's yet, so that both can keep theirs when they meet.
                let nobodys = |hue: &usize| free(hue) && !self.0.iter().any(|(_, kept)| kept == hue);
                hues[at] = (0..SERIES).find(nobodys).or_else(|| (0..SERIES).find(free)).or(Some(at % SERIES));
            }
        }
        hues.into_iter().flatten().collect()
    }

    /// Remembers the colours that runs have now; `false` where they had them before.
    pub fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a str> + Clone) -> bool {
        let before = self.clone();
        let hues = self.of(ids.clone());
        for (id, hue) in ids.zip(hues) {
            // Who had to take another colour this once keeps the own one.
            if !self.0.iter().any(|(run, _)| run == id) {
                self.0.push((id.to_owned(), hue));
            }
        }
        self.forget_oldest();
        *self != before
    }

    /// Remembers those of another as well; what is known stays as it is.
    pub fn join(&mut self, other: &Hues) {
        let new = |(id, _): &&(String, usize)| !self.0.iter().any(|(known, _)| known == id);
        let new: Vec<(String, usize)> = other.0.iter().filter(new).cloned().collect();
        self.0.extend(new);
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// As words for a file: `ID:HUE`.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(id, hue)| format!("{id}:{hue}"))
    }

    /// From such words; what is none is left out.
    pub fn from_words<'a>(words: impl Iterator<Item = &'a str>) -> Hues {
        let of = |word: &str| {
            let (id, hue) = word.rsplit_once(':')?;
            Some((id.to_owned(), hue.parse().ok().filter(|hue| *hue < SERIES)?))
        };
        let mut hues = Hues(words.filter_map(of).collect());
        hues.forget_oldest();
        hues
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compared(hues: &mut Hues, ids: &[&str]) -> Vec<usize> {
        let found = hues.of(ids.iter().copied());
        hues.keep(ids.iter().copied());
        found
    }

    #[test]
    fn a_run_keeps_its_colour_whoever_stands_beside_it() {
        let mut hues = Hues::default();
        assert_eq!(compared(&mut hues, &["a", "b"]), [0, 1]);
        assert_eq!(compared(&mut hues, &["b", "c"]), [1, 2], "b is second no more, and is as it was");
        assert_eq!(compared(&mut hues, &["c", "b", "a"]), [2, 1, 0]);
        assert_eq!(compared(&mut hues, &["d", "e", "f", "g", "h"]), [3, 4, 5, 6, 7]);
        assert_eq!(compared(&mut hues, &["a", "i"]), [0, 1], "when none is left, one that is free here");
        assert_eq!(compared(&mut hues, &["b", "i"]), [1, 0], "of two with one colour the first has it");
        assert_eq!(compared(&mut hues, &["i", "c"]), [1, 2]);
        assert!(!hues.keep(["i", "c"].into_iter()), "there is nothing to write");
        let words: Vec<String> = hues.words().collect();
        assert_eq!(Hues::from_words(words.iter().map(String::as_str)), hues);
        assert_eq!(Hues::from_words(["x", "y:9", "z:-1"].into_iter()), Hues::default());
    }

    proptest! {
        #[test]
        fn no_two_of_eight_runs_look_alike(sets in prop::collection::vec(prop::collection::btree_set(0u8..30, 1..=8), 1..20)) {
            let mut hues = Hues::default();
            for set in sets {
                let ids: Vec<String> = set.iter().map(u8::to_string).collect();
                let mut found = compared(&mut hues, &ids.iter().map(String::as_str).collect::<Vec<_>>());
                found.sort_unstable();
                found.dedup();
                prop_assert_eq!(found.len(), ids.len());
            }
        }
    }
}
