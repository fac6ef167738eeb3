//! Which words of the hypothesis METEOR matches with which of the reference.

use super::Word;
use std::cmp::Reverse;

/// Partial alignments that are kept at each word.
const BEAM: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Exact = 0,
    Stem = 1,
}

/// Of one word of the reference.
#[derive(Clone, Copy)]
pub(super) struct Match {
    /// Which word of the hypothesis.
    pub(super) hypothesis: usize,
    pub(super) module: Module,
}

/// An alignment of the reference so far. The order of the fields is the rank, the lowest being the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    /// Stem matches do not count: the program rounds their half down to 0.
    exact_matches: Reverse<usize>,
    chunks: usize,
    distance: usize,
}

#[derive(Clone, Copy)]
struct State {
    rank: Path,
    /// Past the word of the hypothesis that the last word of the reference matches.
    open: Option<usize>,
    /// Its last match, in the list of all that were tried.
    last: Option<usize>,
}

impl State {
    fn with(mut self, matched: Match) -> Self {
        self.rank.exact_matches.0 += usize::from(matched.module == Module::Exact);
        self.rank.chunks += usize::from(self.open.is_some_and(|at| at != matched.hypothesis));
        self.open = Some(matched.hypothesis + 1);
        self
    }

    fn with_gap(mut self) -> Self {
        self.rank.chunks += usize::from(self.open.take().is_some());
        self
    }
}

/// A match that was tried, and the one before it on the same path.
struct Tried {
    reference: usize,
    matched: Match,
    before: Option<usize>,
}

/// For each word of the reference, its match.
///
/// A beam search from left to right for the most exact matches, then the fewest chunks, then the least distance between matched
/// words, all as METEOR 1.5 counts them.
pub(super) fn align(hypothesis: &[Word], reference: &[Word]) -> Vec<Option<Match>> {
    let candidates = candidates(hypothesis, reference);
    let mut uses = vec![0; hypothesis.len()];
    for matched in candidates.iter().flatten() {
        uses[matched.hypothesis] += 1;
    }
    // Words that match each other and no other.
    let fixed = |at: usize| match candidates[at].as_slice() {
        [matched] if uses[matched.hypothesis] == 1 => Some(*matched),
        _ => None,
    };
    let mut tried: Vec<Tried> = Vec::new();
    let start = Path { exact_matches: Reverse(0), chunks: 0, distance: 0 };
    let mut states = vec![State { rank: start, open: None, last: None }];
    for (at, candidates) in candidates.iter().enumerate() {
        states.sort_by_key(|state| state.rank);
        states.truncate(BEAM);
        if let Some(matched) = fixed(at) {
            for state in &mut states {
                *state = state.with(matched);
                state.rank.distance += at.abs_diff(matched.hypothesis);
            }
            continue;
        }
        let mut next = Vec::with_capacity(states.len() * (candidates.len() + 1));
        for mut state in states {
            for matched in candidates {
                if is_used(&tried, state.last, matched.hypothesis) {
                    continue;
                }
                next.push(State { last: Some(tried.len()), ..state.with(*matched) });
                tried.push(Tried { reference: at, matched: *matched, before: state.last });
                // The program adds it to the path that goes on without the match, and so to the ones tried after it.
                state.rank.distance += at.abs_diff(matched.hypothesis);
            }
            next.push(state.with_gap());
        }
        states = next;
    }
    states.sort_by_key(|state| state.rank);
    states.truncate(BEAM);
    let best = states.into_iter().map(State::with_gap).min_by_key(|state| state.rank);
    let mut matches: Vec<Option<Match>> = (0..reference.len()).map(fixed).collect();
    let mut last = best.and_then(|state| state.last);
    while let Some(at) = last {
        let Tried { reference, matched, before } = tried[at];
        matches[reference] = Some(matched);
        last = before;
    }
    matches
}

/// For each word of the reference, its possible matches, the exact ones first.
fn candidates(hypothesis: &[Word], reference: &[Word]) -> Vec<Vec<Match>> {
    let same_text = hypothesis == reference;
    let of = |word: &Word| {
        let matching = |module, matches: &dyn Fn(&Word) -> bool| {
            let found = hypothesis.iter().enumerate().filter(|(_, other)| matches(other));
            found.map(|(hypothesis, _)| Match { hypothesis, module }).collect::<Vec<_>>()
        };
        let mut all = matching(Module::Exact, &|other| other.id == word.id);
        if !same_text {
            all.extend(matching(Module::Stem, &|other| other.id != word.id && other.stem == word.stem));
        }
        all
    };
    reference.iter().map(of).collect()
}

/// Whether the path that ends with `last` matches the word. Fixed matches need no look: their words have no other match.
fn is_used(tried: &[Tried], mut last: Option<usize>, word: usize) -> bool {
    while let Some(at) = last {
        if tried[at].matched.hypothesis == word {
            return true;
        }
        last = tried[at].before;
    }
    false
}
