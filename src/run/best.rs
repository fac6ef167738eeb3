//! The best and the latest validation loss of a search, as its log goes on: a fold that keeps next to nothing.

use super::event::Phase;

/// A loss and the step that had it.
pub type At = (usize, f64);

/// More improvements than this are thinned: the oldest go. A worker goes back to one of its newest checkpoints, whose best
/// loss is kept.
const MOST_LOWS: usize = 1024;

/// The fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validation {
    /// Every loss that was lower than all before it, in their order; before the last checkpoint only the lowest of each
    /// stretch between two checkpoints, since a worker goes on from one.
    lows: Vec<At>,
    /// How many of them were there at the last checkpoint.
    settled: usize,
    last: Option<At>,
}

impl Validation {
    /// The lowest loss so far; of equal ones the first.
    pub fn best(&self) -> Option<At> {
        self.lows.last().copied()
    }

    /// The latest loss.
    pub fn last(&self) -> Option<At> {
        self.last
    }

    /// A step of the search had this validation loss.
    pub fn step(&mut self, step: usize, loss: f64) {
        self.last = Some((step, loss));
        if loss.is_finite() && self.best().is_none_or(|(_, best)| loss < best) {
            self.lows.push((step, loss));
        }
        if self.lows.len() > MOST_LOWS {
            self.lows.drain(..MOST_LOWS / 2);
            self.settled = self.settled.saturating_sub(MOST_LOWS / 2);
        }
    }

    /// A checkpoint was made.
    pub fn checkpoint(&mut self) {
        if self.lows.len() > self.settled + 1 {
            self.lows.drain(self.settled..self.lows.len() - 1);
        }
        self.settled = self.lows.len();
    }

    /// A worker goes on after `step` of `phase`: what was logged of the search after that is void.
    pub fn resumed(&mut self, phase: Phase, step: usize) {
        let kept = match phase.cmp(&Phase::Search) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => step,
            std::cmp::Ordering::Greater => return,
        };
        self.lows.retain(|(at, _)| *at <= kept);
        self.settled = self.settled.min(self.lows.len());
        self.last = self.last.filter(|(at, _)| *at <= kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_kept_where_the_last_is_worse() {
        let mut validation = Validation::default();
        for (step, loss) in [(1, 0.9), (2, 0.4), (3, f64::NAN), (4, 0.4), (5, 0.6)] {
            validation.step(step, loss);
        }
        assert_eq!((validation.best(), validation.last()), (Some((2, 0.4)), Some((5, 0.6))));
    }

    #[test]
    fn what_a_resumed_worker_does_again_does_not_count() {
        let mut validation = Validation::default();
        for step in 1..=10 {
            validation.step(step, 1.0 / step as f64);
            if step % 4 == 0 {
                validation.checkpoint();
            }
        }
        assert_eq!(validation.best(), Some((10, 0.1)));
        validation.resumed(Phase::Retrain, 3);
        assert_eq!(validation.best(), Some((10, 0.1)), "the search is done");
        validation.resumed(Phase::Search, 8);
        assert_eq!((validation.best(), validation.last()), (Some((8, 0.125)), None));
        // The newest checkpoint was broken: the one before it.
        validation.resumed(Phase::Search, 4);
        assert_eq!(validation.best(), Some((4, 0.25)));
        validation.resumed(Phase::Prepare, 0);
        assert_eq!(validation.best(), None);
    }

    #[test]
    fn a_loss_that_falls_at_every_step_takes_no_memory() {
        let mut validation = Validation::default();
        for step in 1..=100_000 {
            validation.step(step, -(step as f64));
            if step % 50 == 0 {
                validation.checkpoint();
            }
        }
        assert!(validation.lows.len() <= MOST_LOWS);
        assert_eq!(validation.best(), Some((100_000, -100_000.0)));
        validation.resumed(Phase::Search, 99_950);
        assert_eq!(validation.best(), Some((99_950, -99_950.0)));
    }
}
