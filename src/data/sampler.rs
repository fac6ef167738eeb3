//! Which rows make the batch of a training step.

use super::random::permutation;
use super::rows::Rows;
use crate::experiment::Experiment;

/// Batches of a pool within which rows are sorted by length, at most: Hugging Face's `group_by_length` takes as many.
const POOL: usize = 50;

/// The rows of each training step: a pure function of the step, so that a resumed run draws what it would have drawn.
///
/// Position p = step * batch_size + i is row p mod n of pass p / n, each pass in an order of its own. No row is dropped: a
/// batch may run over the end of a pass.
#[derive(Clone, Debug)]
pub struct Sampler {
    rows: usize,
    batch_size: usize,
    order: Order,
    /// Orders of the passes in use; no more than two are of use to one batch of a set larger than a batch.
    orders: Vec<(usize, Vec<usize>)>,
}

/// The order of the rows in a pass.
#[derive(Clone, Debug)]
enum Order {
    /// As they come.
    Consecutive,
    /// Shuffled by this key; with lengths, batches are of rows of like length.
    Shuffled { seed: u64, purpose: &'static str, lengths: Option<Vec<usize>> },
}

/// Steps of `epochs` passes over `rows` rows, rounded up.
pub fn steps_of(epochs: f64, rows: usize, batch_size: usize) -> usize {
    (epochs * rows as f64 / batch_size.max(1) as f64).ceil() as usize
}

impl Sampler {
    fn new(rows: usize, batch_size: usize, order: Order) -> Self {
        Self { rows: rows.max(1), batch_size: batch_size.max(1), order, orders: Vec::new() }
    }

    /// Consecutive batches of `rows` rows (at least one), wrapping around.
    pub fn consecutive(rows: usize, batch_size: usize) -> Self {
        Self::new(rows, batch_size, Order::Consecutive)
    }

    /// A shuffle for each pass. `purpose` names the stream: two samplers of one seed must not share it.
    pub fn shuffled(rows: usize, batch_size: usize, seed: u64, purpose: &'static str) -> Self {
        Self::new(rows, batch_size, Order::Shuffled { seed, purpose, lengths: None })
    }

    /// A shuffle for each pass in which a batch holds rows of like length, so that little is padding: the shuffled rows
    /// are sorted in pools of up to 50 batches, and the batches of a pool are shuffled. `lengths` has one entry a row.
    pub fn by_length(lengths: Vec<usize>, batch_size: usize, seed: u64, purpose: &'static str) -> Self {
        Self::new(lengths.len(), batch_size, Order::Shuffled { seed, purpose, lengths: Some(lengths) })
    }

    /// What `data.shuffle` and `data.group_by_length` say, seeded by `runtime.seed`.
    pub fn of(rows: &Rows, batch_size: usize, experiment: &Experiment, purpose: &'static str) -> Self {
        let (data, seed) = (&experiment.data, experiment.runtime.seed);
        // Rows are repeated within a batch only where the order is the user's own.
        let batch_size = if data.shuffle { batch_size.min(rows.len()) } else { batch_size };
        match (data.shuffle, data.group_by_length) {
            (false, _) => Self::consecutive(rows.len(), batch_size),
            (true, false) => Self::shuffled(rows.len(), batch_size, seed, purpose),
            (true, true) => Self::by_length(rows.lengths(), batch_size, seed, purpose),
        }
    }

    /// Steps of `epochs` passes, rounded up.
    pub fn steps(&self, epochs: f64) -> usize {
        steps_of(epochs, self.rows, self.batch_size)
    }

    /// Passes that `steps` steps make.
    pub fn epochs(&self, steps: usize) -> f64 {
        (steps * self.batch_size) as f64 / self.rows as f64
    }

    /// The rows of step `step`, which counts from 0. What it remembers saves time and changes no result.
    pub fn indices(&mut self, step: usize) -> Vec<usize> {
        let first = step * self.batch_size;
        (first..first + self.batch_size).map(|position| self.row(position / self.rows, position % self.rows)).collect()
    }

    fn row(&mut self, pass: usize, within: usize) -> usize {
        let place = self.orders.iter().position(|(known, _)| *known == pass).unwrap_or_else(|| {
            if self.orders.len() == 2 {
                self.orders.remove(0);
            }
            self.orders.push((pass, self.pass(pass)));
            self.orders.len() - 1
        });
        self.orders[place].1[within]
    }

    /// The order of a pass.
    fn pass(&self, pass: usize) -> Vec<usize> {
        let Order::Shuffled { seed, purpose, lengths } = &self.order else { return (0..self.rows).collect() };
        let mut order = permutation(*seed, purpose, pass as u64, self.rows);
        let Some(lengths) = lengths else { return order };
        // The first rows fill the last batch of the pass before: the groups begin where the batches do.
        let begun = (self.rows * pass) % self.batch_size;
        let head = if begun == 0 { 0 } else { (self.batch_size - begun).min(self.rows) };
        // At least four pools, so that rows of a rare length do not always meet; but no pool of less than a batch.
        let pool = (self.rows / (self.batch_size * 4)).clamp(1, POOL) * self.batch_size;
        let groups = format!("{purpose}/groups");
        for (index, pool) in order[head..].chunks_mut(pool).enumerate() {
            // Stable: rows of one length stay shuffled.
            pool.sort_by_key(|row| lengths[*row]);
            let (whole, rest) = pool.split_at(pool.len() - pool.len() % self.batch_size);
            let batches: Vec<&[usize]> = whole.chunks(self.batch_size).collect();
            let key = ((pass as u64) << 32) | index as u64;
            let mut shuffled = Vec::with_capacity(pool.len());
            for batch in permutation(*seed, &groups, key, batches.len()) {
                shuffled.extend_from_slice(batches[batch]);
            }
            shuffled.extend_from_slice(rest);
            pool.copy_from_slice(&shuffled);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths from 5 to 35 in no order.
    fn lengths(rows: usize) -> Vec<usize> {
        (0..rows).map(|row| 5 + row * 7919 % 31).collect()
    }

    #[test]
    fn rows_of_a_step_do_not_depend_on_what_was_asked_before() {
        for new in [|| Sampler::shuffled(10, 4, 3, "train"), || Sampler::by_length(lengths(10), 4, 3, "train")] {
            let mut straight = new();
            let all: Vec<Vec<usize>> = (0..20).map(|step| straight.indices(step)).collect();
            for step in [19, 0, 7, 7, 3, 12, 1] {
                assert_eq!(new().indices(step), all[step]);
                assert_eq!(straight.indices(step), all[step]);
            }
        }
    }

    #[test]
    fn every_pass_takes_every_row_once_in_its_own_order() {
        for rows in [10, 33, 500] {
            for mut sampler in
                [Sampler::shuffled(rows, 4, 3, "train"), Sampler::by_length(lengths(rows), 4, 3, "train")]
            {
                let positions: Vec<usize> = (0..rows).flat_map(|step| sampler.indices(step)).collect();
                for pass in positions.chunks(rows) {
                    let mut sorted = pass.to_vec();
                    sorted.sort_unstable();
                    assert_eq!(sorted, (0..rows).collect::<Vec<_>>());
                }
                assert_ne!(positions[..rows], positions[rows..2 * rows]);
            }
        }
        let first = Sampler::shuffled(10, 4, 3, "train").indices(0);
        assert_ne!(Sampler::shuffled(10, 4, 4, "train").indices(0), first);
        assert_ne!(Sampler::shuffled(10, 4, 3, "validation").indices(0), first);
    }

    #[test]
    fn rows_of_like_length_share_a_batch_in_every_pass() {
        let (rows, lengths) = (1003, lengths(1003));
        let mut sampler = Sampler::by_length(lengths.clone(), 8, 3, "train");
        let spread = |batch: Vec<usize>| {
            let lengths = batch.into_iter().map(|row| lengths[row]);
            lengths.clone().max().unwrap_or(0) - lengths.min().unwrap_or(0)
        };
        let steps = sampler.steps(5.0);
        let wide = (0..steps).filter(|step| spread(sampler.indices(*step)) > 4).count();
        // The batches where a pass begins or ends, and no others.
        assert!(wide <= 10, "{wide} of {steps}");
        let starts: Vec<usize> = (0..20).map(|step| lengths[sampler.indices(step)[0]]).collect();
        assert!(!starts.is_sorted(), "the batches come in no order of length: {starts:?}");
        let mut plain = Sampler::shuffled(rows, 8, 3, "train");
        assert!((0..steps).filter(|step| spread(plain.indices(*step)) > 4).count() > steps / 2);
    }

    #[test]
    fn without_shuffle_rows_wrap_around() {
        let mut sampler = Sampler::consecutive(3, 2);
        assert_eq!((0..3).map(|s| sampler.indices(s)).collect::<Vec<_>>(), [[0, 1], [2, 0], [1, 2]]);
        assert_eq!(Sampler::consecutive(2, 5).indices(1), [1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_batch_larger_than_the_set_draws_whole_passes() {
        for mut sampler in [Sampler::shuffled(2, 8, 3, "train"), Sampler::by_length(lengths(2), 8, 3, "train")] {
            let mut rows = sampler.indices(0);
            rows.sort_unstable();
            assert_eq!(rows, [0, 0, 0, 0, 1, 1, 1, 1]);
        }
    }

    #[test]
    fn steps_round_up() {
        let sampler = Sampler::consecutive(10, 4);
        assert_eq!((sampler.steps(1.0), sampler.steps(2.0), sampler.steps(0.1)), (3, 5, 1));
    }
}
