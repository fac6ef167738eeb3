//! `autolora worker DIR`: what `run`, the screen and a batch scheduler start.

use super::CliError;
use crate::run::directory::RunDir;
use crate::run::lock::LockError;
use crate::run::queue::{Queue, Turn};
use crate::run::signals::Signals;
use crate::run::worker::{Outcome, WorkerError, work};
use crate::run::{pipeline, process, threads};
use clap::Args;
use std::path::PathBuf;

/// Work on a run until it is done or told to end; goes on from its last checkpoint
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The directory of a run
    dir: PathBuf,
    /// Wait for a free slot of its device first
    #[arg(long)]
    queue: bool,
}

pub fn run(args: &WorkerArgs) -> Result<u8, CliError> {
    let dir = RunDir::open(&args.dir)?;
    // A broken experiment is for the work itself to report.
    let threads = dir.experiment().ok().and_then(|experiment| experiment.runtime.threads);
    // SAFETY: the first thread of the process, and it has started no other.
    unsafe { threads::tell_candle(threads) };
    process::become_worker(&dir)?;
    let signals =
        Signals::install().map_err(|error| CliError::new(1, format!("cannot listen to signals: {error}"), None))?;
    let turn = match (Queue::of_user(), args.queue) {
        (Ok(queue), true) => Turn::Waits(queue),
        (Ok(queue), false) => Turn::Now(queue),
        (Err(error), true) => return Err(CliError::new(1, error, None)),
        (Err(_), false) => Turn::Apart,
    };
    match work(&dir, &signals, &turn, pipeline::run) {
        Ok(Outcome::Finished | Outcome::Paused) => Ok(0),
        Ok(Outcome::Stopped) => Ok(130),
        Ok(Outcome::Failed) => Ok(1),
        Err(error) => {
            let code = if matches!(error, WorkerError::Lock(LockError::Held { .. })) { 4 } else { 1 };
            tracing::error!("{error}");
            Err(CliError::new(code, error, None))
        }
    }
}
