//! Selection values and ranks over a search. Ranks are kept as their changes, every one of them; values of every step for the
//! last few, of ever fewer before: the log has them all, and its places are known.

use std::collections::VecDeque;

/// Numbers that are kept, at most; then every second snapshot goes.
const MOST_NUMBERS: usize = 400_000;
/// Newest snapshots that are kept whatever their place.
const RECENT: usize = 32;

/// Selection values and energies of all modules after one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Counts the snapshots of the search from 0.
    pub index: usize,
    pub step: usize,
    /// [module][k], one module after the other.
    values: Box<[f32]>,
    /// The same; empty where the log has none.
    energy: Box<[f32]>,
    k: usize,
}

impl Snapshot {
    /// Selection values of a module.
    pub fn values(&self, module: usize) -> &[f32] {
        slice(&self.values, module, self.k)
    }

    /// Energies of a module's terms; empty where they are not known.
    pub fn energy(&self, module: usize) -> &[f32] {
        slice(&self.energy, module, self.k)
    }
}

fn slice(all: &[f32], module: usize, k: usize) -> &[f32] {
    all.get(module * k..(module + 1) * k).unwrap_or_default()
}

/// A change of a module's rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    /// The snapshot that shows the new rank.
    pub index: u32,
    pub module: u32,
    /// None: undecided.
    pub rank: Option<u16>,
}

/// All snapshots of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshots {
    k: usize,
    steps: Vec<u32>,
    /// Bytes of the log before each snapshot's line.
    places: Vec<Option<u64>>,
    flips: Vec<Flip>,
    /// Those whose index is a multiple of the stride.
    sparse: Vec<Snapshot>,
    stride: usize,
    recent: VecDeque<Snapshot>,
    /// Ranks after the last one.
    ranks: Vec<Option<u16>>,
}

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots {
            k: 0,
            steps: Vec::new(),
            places: Vec::new(),
            flips: Vec::new(),
            sparse: Vec::new(),
            stride: 1,
            recent: VecDeque::new(),
            ranks: Vec::new(),
        }
    }
}

impl Snapshots {
    /// Adds a snapshot; what is there of this step or later ones gives way. `values`, `energy`: one row a module, `energy`
    /// without rows where it is not known.
    pub fn push(
        &mut self,
        step: usize,
        place: Option<u64>,
        values: &[&[f32]],
        energy: &[&[f32]],
        ranks: &[Option<usize>],
    ) {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        self.keep(self.steps.partition_point(|known| *known < step));
        if self.steps.is_empty() {
            self.k = values.iter().map(|row| row.len()).max().unwrap_or(0);
        }
        let index = self.steps.len();
        self.steps.push(step);
        self.places.push(place);
        self.ranks.resize(ranks.len().max(self.ranks.len()), None);
        for (module, rank) in ranks.iter().enumerate() {
            let rank = rank.map(|rank| u16::try_from(rank).unwrap_or(u16::MAX));
            if self.ranks[module] != rank {
                self.ranks[module] = rank;
                self.flips.push(Flip { index: index as u32, module: module as u32, rank });
            }
        }
        let snapshot = Snapshot {
            index,
            step: step as usize,
            values: flat(values, self.k),
            energy: flat(energy, self.k),
            k: self.k,
        };
        if index.is_multiple_of(self.stride) {
            self.sparse.push(snapshot.clone());
            let numbers = self.sparse.len() * (snapshot.values.len() + snapshot.energy.len());
            if numbers > MOST_NUMBERS && self.sparse.len() > 2 {
                self.stride *= 2;
                self.sparse.retain(|kept| kept.index.is_multiple_of(self.stride));
            }
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(snapshot);
    }

    /// Drops what is after `step`.
    pub fn truncate_after(&mut self, step: usize) {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        self.keep(self.steps.partition_point(|known| *known <= step));
    }

    fn keep(&mut self, len: usize) {
        if len >= self.steps.len() {
            return;
        }
        self.steps.truncate(len);
        self.places.truncate(len);
        self.flips.truncate(self.flips.partition_point(|flip| (flip.index as usize) < len));
        self.sparse.retain(|kept| kept.index < len);
        self.recent.retain(|kept| kept.index < len);
        if len == 0 {
            *self = Snapshots::default();
        } else {
            self.ranks = self.narrow_ranks(len - 1);
        }
    }

    /// Snapshots of the search.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step of a snapshot.
    pub fn step(&self, index: usize) -> Option<usize> {
        self.steps.get(index).map(|step| *step as usize)
    }

    /// The last snapshot at or before a step.
    pub fn index_at(&self, step: usize) -> Option<usize> {
        self.steps.partition_point(|known| *known as usize <= step).checked_sub(1)
    }

    /// Bytes of the log before a snapshot's line, where they are known.
    pub fn place(&self, index: usize) -> Option<u64> {
        self.places.get(index).copied().flatten()
    }

    /// The snapshot itself where it is kept, else the last kept one before it.
    pub fn at(&self, index: usize) -> Option<&Snapshot> {
        if let Some(found) = self.recent.iter().rev().find(|kept| kept.index <= index) {
            return Some(found);
        }
        self.sparse.get(self.sparse.partition_point(|kept| kept.index <= index).checked_sub(1)?)
    }

    /// The kept snapshots, oldest first.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &Snapshot> {
        let first_recent = self.recent.front().map_or(usize::MAX, |kept| kept.index);
        let sparse = self.sparse.partition_point(|kept| kept.index < first_recent);
        self.sparse[..sparse].iter().chain(&self.recent)
    }

    /// Every rank after a snapshot; none where it is undecided.
    pub fn ranks_at(&self, index: usize) -> Vec<Option<usize>> {
        self.narrow_ranks(index).into_iter().map(|rank| rank.map(usize::from)).collect()
    }

    fn narrow_ranks(&self, index: usize) -> Vec<Option<u16>> {
        let mut ranks = vec![None; self.ranks.len()];
        for flip in self.flips_until(index) {
            ranks[flip.module as usize] = flip.rank;
        }
        ranks
    }

    fn flips_until(&self, index: usize) -> &[Flip] {
        &self.flips[..self.flips.partition_point(|flip| flip.index as usize <= index)]
    }

    /// The changes of rank after one snapshot, up to and with another.
    pub fn flips_between(&self, after: usize, until: usize) -> &[Flip] {
        let first = self.flips.partition_point(|flip| flip.index as usize <= after);
        self.flips_until(until).get(first..).unwrap_or_default()
    }

    /// The step of the last change of a rank at or before a snapshot.
    pub fn last_change(&self, index: usize) -> Option<usize> {
        self.flips_until(index).last().and_then(|flip| self.step(flip.index as usize))
    }

    /// Changes of rank in the last `steps` steps at a snapshot.
    pub fn flips_in(&self, index: usize, steps: usize) -> usize {
        let Some(now) = self.step(index) else { return 0 };
        let within = |flip: &&Flip| self.step(flip.index as usize).is_some_and(|at| at + steps > now);
        self.flips_until(index).iter().rev().take_while(within).count()
    }
}

/// Rows one after the other, each of `k` numbers.
fn flat(rows: &[&[f32]], k: usize) -> Box<[f32]> {
    let padded = |row: &&[f32]| (0..k).map(|i| row.get(i).copied().unwrap_or(f32::NAN)).collect::<Vec<_>>();
    rows.iter().flat_map(padded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push(snapshots: &mut Snapshots, step: usize, rank: usize) {
        let values = [step as f32, 1.0];
        snapshots.push(step, Some(step as u64 * 10), &[&values, &values], &[], &[Some(rank), None]);
    }

    #[test]
    fn ranks_are_those_of_every_step_and_flips_are_counted() {
        let mut snapshots = Snapshots::default();
        for (step, rank) in [(1, 2), (2, 2), (3, 5), (4, 5), (9, 2)] {
            push(&mut snapshots, step, rank);
        }
        let ranks: Vec<Option<usize>> = (0..5).map(|i| snapshots.ranks_at(i)[0]).collect();
        assert_eq!(ranks, [Some(2), Some(2), Some(5), Some(5), Some(2)]);
        assert_eq!(snapshots.ranks_at(4)[1], None);
        assert_eq!((snapshots.last_change(3), snapshots.last_change(4)), (Some(3), Some(9)));
        assert_eq!((snapshots.flips_in(4, 100), snapshots.flips_in(4, 7), snapshots.flips_in(4, 6)), (3, 2, 1));
        assert_eq!(snapshots.flips_between(1, 3).len(), 1);
        assert_eq!((snapshots.index_at(0), snapshots.index_at(8), snapshots.index_at(99)), (None, Some(3), Some(4)));
        assert_eq!(snapshots.place(4), Some(90));
        snapshots.truncate_after(3);
        assert_eq!((snapshots.len(), snapshots.ranks_at(2)[0]), (3, Some(5)));
        push(&mut snapshots, 4, 5);
        assert_eq!(snapshots.flips_between(2, 3), [], "the rank was 5 before");
    }

    #[test]
    fn a_long_search_is_thinned_and_its_end_is_whole() {
        let mut snapshots = Snapshots::default();
        let rows = vec![[0.5f32; 8]; 24];
        for step in 1..=10_000 {
            let values: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|x| x * step as f32).collect()).collect();
            let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            snapshots.push(step, None, &values, &values, &[Some(step % 3); 24]);
        }
        assert!(snapshots.sparse.len() * 384 <= MOST_NUMBERS);
        assert!(snapshots.sparse.len() * 384 > MOST_NUMBERS / 4, "not thinner than need be");
        for index in [9_999, 9_990] {
            assert_eq!(snapshots.at(index).unwrap().step, index + 1);
        }
        let early = snapshots.at(5_001).unwrap();
        assert!(early.index <= 5_001 && early.index + snapshots.stride > 5_001);
        assert_eq!(early.values(23)[7], 0.5 * early.step as f32);
        assert_eq!(snapshots.ranks_at(5_001)[7], Some(5_002 % 3), "ranks are exact");
        let kept: Vec<usize> = snapshots.kept().map(|kept| kept.index).collect();
        assert!(kept.is_sorted() && kept.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(kept.last(), Some(&9_999));
    }

    proptest! {
        #[test]
        fn what_is_cut_off_and_done_again_is_as_if_it_had_been_done_once(
            ranks in prop::collection::vec(0usize..4, 1..80),
            cuts in prop::collection::vec((0usize..80, 0usize..80), 0..4),
        ) {
            let mut straight = Snapshots::default();
            ranks.iter().enumerate().for_each(|(i, rank)| push(&mut straight, i + 1, *rank));
            let mut cut = Snapshots::default();
            for (reached, back) in cuts {
                let reached = reached.min(ranks.len());
                (cut.len()..reached).for_each(|i| push(&mut cut, i + 1, ranks[i]));
                cut.truncate_after(back);
            }
            (cut.len()..ranks.len()).for_each(|i| push(&mut cut, i + 1, ranks[i]));
            prop_assert_eq!(&cut.steps, &straight.steps);
            prop_assert_eq!(&cut.flips, &straight.flips);
            for index in 0..ranks.len() {
                prop_assert_eq!(cut.ranks_at(index), straight.ranks_at(index));
                prop_assert_eq!(cut.at(index), straight.at(index));
            }
        }
    }
}
