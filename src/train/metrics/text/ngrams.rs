//! Counted n-grams.

/// N-grams of one order, in ascending order, each with how often it occurs.
///
/// Sorted, so that a sum over them adds in the same order on every run.
pub(super) struct Ngrams<'a, T>(Vec<(&'a [T], u64)>);

impl<'a, T: Ord> Ngrams<'a, T> {
    /// Of `order`, which is at least 1. None where `tokens` are fewer.
    pub(super) fn of(tokens: &'a [T], order: usize) -> Self {
        let mut all: Vec<&[T]> = tokens.windows(order).collect();
        all.sort_unstable();
        Self(all.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [T], u64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Occurrences of `ngram`.
    pub(super) fn count(&self, ngram: &[T]) -> u64 {
        self.0.binary_search_by(|(other, _)| (*other).cmp(ngram)).map_or(0, |at| self.0[at].1)
    }

    /// Occurrences of all.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Each n-gram with its occurrences, no more than the most in any one of `references`. Those in none are left out.
    pub(super) fn clipped<'b>(&'b self, references: &'b [Self]) -> impl Iterator<Item = (&'a [T], u64)> + 'b {
        self.iter().filter_map(|(ngram, count)| {
            let most = references.iter().map(|reference| reference.count(ngram)).max().unwrap_or(0);
            let hits = count.min(most);
            (hits > 0).then_some((ngram, hits))
        })
    }
}
