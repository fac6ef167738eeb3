//! Which rows make a batch, and the batch.

use super::random::permutation;
use super::tokens::Encoded;

/// The rows of each training step: a pure function of the step, so that a resumed run draws what it would have drawn.
///
/// Position p = step * batch_size + i is row p mod n of pass p / n, each pass in an order of its own. No row is dropped: a
/// batch may run over the end of a pass. Without shuffle the rows are consecutive and wrap around.
#[derive(Clone, Debug)]
pub struct Sampler {
    rows: usize,
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    purpose: &'static str,
    /// Orders of the passes in use; no more than two are of use to one batch of a set larger than a batch.
    orders: Vec<(usize, Vec<usize>)>,
}

impl Sampler {
    /// Draws from `rows` rows (at least one). `purpose` names the stream: two samplers of one seed must not share it.
    pub fn new(rows: usize, batch_size: usize, shuffle: bool, seed: u64, purpose: &'static str) -> Self {
        Self { rows: rows.max(1), batch_size: batch_size.max(1), shuffle, seed, purpose, orders: Vec::new() }
    }

    /// Steps of `epochs` passes, rounded up.
    pub fn steps(&self, epochs: f64) -> usize {
        (epochs * self.rows as f64 / self.batch_size as f64).ceil() as usize
    }

    /// The rows of step `step`, which counts from 0. What it remembers saves time and changes no result.
    pub fn indices(&mut self, step: usize) -> Vec<usize> {
        let first = step * self.batch_size;
        (first..first + self.batch_size).map(|position| self.row(position / self.rows, position % self.rows)).collect()
    }

    fn row(&mut self, epoch: usize, within: usize) -> usize {
        if !self.shuffle {
            return within;
        }
        let place = self.orders.iter().position(|(known, _)| *known == epoch).unwrap_or_else(|| {
            if self.orders.len() == 2 {
                self.orders.remove(0);
            }
            self.orders.push((epoch, permutation(self.seed, self.purpose, epoch as u64, self.rows)));
            self.orders.len() - 1
        });
        self.orders[place].1[within]
    }
}

/// Rows of equal length, row-major: `ids`, `type_ids` and `mask` are (rows, length).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Places of the rows in their set.
    pub rows: Vec<usize>,
    /// Tokens of the longest row.
    pub length: usize,
    pub ids: Vec<u32>,
    /// Segments; 0 where padded.
    pub type_ids: Vec<u32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<u8>,
    /// Class ids, one a row.
    pub labels: Vec<u32>,
}

impl Batch {
    /// The rows `rows` of `set`, padded with `pad_id` to the longest of them.
    pub fn collate(set: &[Encoded], rows: &[usize], pad_id: u32) -> Self {
        let length = rows.iter().map(|row| set[*row].ids.len()).max().unwrap_or(0);
        let cells = rows.len() * length;
        let mut batch = Self {
            rows: rows.to_vec(),
            length,
            ids: vec![pad_id; cells],
            type_ids: vec![0; cells],
            mask: vec![0; cells],
            labels: rows.iter().map(|row| set[*row].label).collect(),
        };
        for (place, row) in rows.iter().map(|row| &set[*row]).enumerate() {
            let cells = place * length..place * length + row.ids.len();
            batch.ids[cells.clone()].copy_from_slice(&row.ids);
            batch.type_ids[cells.clone()].copy_from_slice(&row.type_ids);
            batch.mask[cells].fill(1);
        }
        batch
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of tokens that are not padding.
    pub fn tokens(&self) -> usize {
        self.mask.iter().filter(|m| **m == 1).count()
    }
}

/// The rows of each batch of an evaluation; every row once. With `by_length`, rows of like length share a batch, which
/// saves padding: put results back by [`Batch::rows`]. Else in the order of the set.
pub fn evaluation_batches(set: &[Encoded], batch_size: usize, by_length: bool) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    if by_length {
        order.sort_by_key(|row| set[*row].ids.len());
    }
    order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(ids: &[u32], label: u32) -> Encoded {
        Encoded { ids: ids.to_vec(), type_ids: vec![1; ids.len()], label }
    }

    #[test]
    fn rows_of_a_step_do_not_depend_on_what_was_asked_before() {
        let mut straight = Sampler::new(10, 4, true, 3, "train");
        let all: Vec<Vec<usize>> = (0..20).map(|step| straight.indices(step)).collect();
        for step in [19, 0, 7, 7, 3, 12, 1] {
            assert_eq!(Sampler::new(10, 4, true, 3, "train").indices(step), all[step]);
            assert_eq!(straight.indices(step), all[step]);
        }
    }

    #[test]
    fn every_pass_takes_every_row_once_in_its_own_order() {
        let mut sampler = Sampler::new(10, 4, true, 3, "train");
        let positions: Vec<usize> = (0..5).flat_map(|step| sampler.indices(step)).collect();
        for pass in positions.chunks(10) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(positions[..10], positions[10..]);
        assert_ne!(Sampler::new(10, 4, true, 4, "train").indices(0), positions[..4]);
        assert_ne!(Sampler::new(10, 4, true, 3, "validation").indices(0), positions[..4]);
    }

    #[test]
    fn without_shuffle_rows_wrap_around() {
        let mut sampler = Sampler::new(3, 2, false, 3, "train");
        assert_eq!((0..3).map(|s| sampler.indices(s)).collect::<Vec<_>>(), [[0, 1], [2, 0], [1, 2]]);
        assert_eq!(Sampler::new(2, 5, false, 3, "train").indices(1), [1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_batch_larger_than_the_set_draws_whole_passes() {
        let mut rows = Sampler::new(2, 8, true, 3, "train").indices(0);
        rows.sort_unstable();
        assert_eq!(rows, [0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn steps_round_up() {
        let sampler = Sampler::new(10, 4, true, 0, "train");
        assert_eq!((sampler.steps(1.0), sampler.steps(2.0), sampler.steps(0.1)), (3, 5, 1));
    }

    #[test]
    fn a_batch_is_padded_to_its_longest_row() {
        let set = [encoded(&[5, 6, 7, 8], 0), encoded(&[5], 1), encoded(&[5, 6], 2)];
        let batch = Batch::collate(&set, &[2, 1], 9);
        assert_eq!((batch.length, batch.len(), batch.tokens()), (2, 2, 3));
        assert_eq!(batch.ids, [5, 6, 5, 9]);
        assert_eq!(batch.type_ids, [1, 1, 1, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 0]);
        assert_eq!((batch.labels, batch.rows), (vec![2, 1], vec![2, 1]));
    }

    #[test]
    fn an_evaluation_covers_every_row() {
        let set = [encoded(&[5, 6, 7], 0), encoded(&[5], 1), encoded(&[5, 6], 2)];
        assert_eq!(evaluation_batches(&set, 2, false), [vec![0, 1], vec![2]]);
        assert_eq!(evaluation_batches(&set, 2, true), [vec![1, 2], vec![0]]);
        assert!(evaluation_batches(&[], 2, true).is_empty());
    }
}
