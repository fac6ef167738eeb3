//! What is done where a GPU's memory does not hold a batch: fewer rows at once, and on.

use super::job::{Fault, Job};
use crate::ops::is_out_of_memory;
use crate::run::event::Phase;
use candle_core::Error;

/// What keeps its own number of rows at once: a pass back takes more than one forward alone.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    Training,
    Evaluation,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Training => "training",
            Work::Evaluation => "evaluation",
        }
    }

    /// The setting that would have it so from the first.
    fn setting(self) -> &'static str {
        match self {
            Work::Training => "runtime.micro_batch",
            Work::Evaluation => "evaluate.batch_size",
        }
    }
}

impl Job<'_, '_> {
    /// [`Job::in_room`] of a step that moves a state: where it fails, the state is as it was.
    pub fn step_in_room<S: Clone, T>(
        &mut self,
        kind: (Phase, Work),
        rows: usize,
        state: &mut S,
        step: impl FnMut(&mut S, Option<usize>) -> candle_core::Result<T>,
    ) -> Result<T, Fault> {
        self.step_until(is_out_of_memory, kind, rows, state, step)
    }

    fn step_until<S: Clone, T>(
        &mut self,
        is_full: fn(&Error) -> bool,
        kind: (Phase, Work),
        rows: usize,
        state: &mut S,
        mut step: impl FnMut(&mut S, Option<usize>) -> candle_core::Result<T>,
    ) -> Result<T, Fault> {
        let (moved, report) = self.work_until(is_full, kind, rows, |most| {
            let mut moved = state.clone();
            let report = step(&mut moved, most)?;
            Ok((moved, report))
        })?;
        *state = moved;
        Ok(report)
    }

    /// Does `work` with a batch of `rows` rows, which is told how many of them it may have in memory at once: all, where none.
    /// Where the memory does not suffice it is done again with at most half as many, which the log says and the run keeps to;
    /// so `work` must leave nothing half done.
    ///
    /// # Errors
    /// What `work` fails with, of one row too.
    pub fn in_room<T>(
        &mut self,
        kind: (Phase, Work),
        rows: usize,
        work: impl FnMut(Option<usize>) -> candle_core::Result<T>,
    ) -> Result<T, Fault> {
        self.work_until(is_out_of_memory, kind, rows, work)
    }

    fn work_until<T>(
        &mut self,
        is_full: fn(&Error) -> bool,
        (phase, kind): (Phase, Work),
        rows: usize,
        mut work: impl FnMut(Option<usize>) -> candle_core::Result<T>,
    ) -> Result<T, Fault> {
        let settings = &self.ctx.experiment().runtime;
        let set = match kind {
            Work::Training => settings.micro_batch.unwrap_or(rows).min(rows),
            Work::Evaluation => rows,
        };
        loop {
            let most = self.carried.rows_at_once.get(kind.name()).copied();
            let error = match work(most) {
                Err(error) if is_full(&error) => error,
                other => return Ok(other?),
            };
            let tried = most.unwrap_or(set).min(set);
            let Some(half) = Some(tried / 2).filter(|half| *half > 0) else { return Err(error.into()) };
            self.carried.rows_at_once.insert(kind.name().into(), half);
            let (name, setting) = (kind.name(), kind.setting());
            self.say(phase, "warning", format!(
                "CUDA out of memory: {name} goes on with {half} of {rows} rows at once in the place of {tried}, the same \
                 batches; {setting} = {half} begins so"
            ))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::Event;
    use crate::run::event::{Metrics, Ranks, Timing};
    use crate::run::follow::Follower;
    use crate::run::queue::Turn;
    use crate::run::signals::Signals;
    use crate::run::store::{NewRun, Store};
    use crate::run::worker::{Context, JobEnd, work};

    const TRAINING: (Phase, Work) = (Phase::Search, Work::Training);

    fn full() -> Error {
        Error::Cuda("CUDA_ERROR_OUT_OF_MEMORY".into())
    }

    // The driver's own error, which is_out_of_memory knows, is there in builds with CUDA alone.
    fn is_full(error: &Error) -> bool {
        matches!(error, Error::Cuda(_))
    }

    /// What `check` does with a run in work, and the warnings of its log.
    fn in_run(check: impl FnOnce(&mut Job) + Send) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
        work(&run, &Signals::none(), &Turn::Apart, |context: &mut Context| {
            check(&mut Job::new(context));
            Ok(JobEnd::Finished { ranks: Ranks::new(), metrics: Metrics::new(), timing: Timing::new() })
        })
        .unwrap();
        let events = Follower::new(&run.events_path()).read_all().unwrap();
        let warnings = events.into_iter().filter_map(|record| match record.event {
            Event::Log { level, message, .. } if level == "warning" => Some(message),
            _ => None,
        });
        warnings.collect()
    }

    #[test]
    fn a_step_that_does_not_fit_is_done_again_with_half_the_rows_and_moves_once() {
        let warnings = in_run(|job| {
            let mut state = 10;
            let step = |state: &mut i32, most: Option<usize>| {
                // What fails has moved something already.
                *state += 1;
                if most.is_none_or(|most| most > 5) { Err(full()) } else { Ok(most) }
            };
            assert_eq!(job.step_until(is_full, TRAINING, 16, &mut state, step).unwrap(), Some(4));
            assert_eq!(state, 11);
            // The next step begins where the last one ended; evaluation has its own room.
            assert_eq!(job.in_room(TRAINING, 16, Ok).unwrap(), Some(4));
            assert_eq!(job.in_room((Phase::Search, Work::Evaluation), 16, Ok).unwrap(), None);
        });
        let ends = [
            "goes on with 8 of 16 rows at once in the place of 16",
            "goes on with 4 of 16 rows at once in the place of 8",
        ];
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for (warning, end) in warnings.iter().zip(ends) {
            assert!(
                warning.starts_with(&format!("CUDA out of memory: training {end}, the same batches; ")),
                "{warning}"
            );
        }
    }

    #[test]
    fn one_row_that_does_not_fit_and_every_other_error_end_it() {
        let warnings = in_run(|job| {
            let fault = job.work_until(is_full, TRAINING, 3, |_| Err::<(), _>(full())).unwrap_err();
            assert!(fault.message.contains("CUDA_ERROR_OUT_OF_MEMORY"), "{}", fault.message);
            let other = job.in_room(TRAINING, 3, |_| Err::<(), _>(Error::Msg("no".into()))).unwrap_err();
            assert_eq!(other.message, "no");
        });
        assert_eq!(warnings.len(), 1, "3 rows, then 1: {warnings:?}");
    }
}
