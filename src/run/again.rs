//! The scores of a run that has trained, made again: in a run of its own that is gone afterwards, so that nothing of the run
//! changes.

use super::checkpoint::{CheckpointError, Checkpoints};
use super::directory::{DirError, RunDir};
use super::event::Event;
use super::export::{ExportError, Learned};
use super::file::FileError;
use super::follow::Follower;
use super::pipeline::Fault;
use super::pipeline::again::{Trained, evaluate_again};
use super::preflight::Scratch;
use super::queue::Turn;
use super::signals::Signals;
use super::state::{last_event, state};
use super::store::{NewRun, Store, StoreError};
use super::view::RunView;
use super::worker::{WorkerError, work};
use candle_core::Device;

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// Nothing was trained yet, or what was trained cannot be read.
    #[error(transparent)]
    Export(Box<ExportError>),
    #[error("{message}")]
    Failed { message: String, advice: String },
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<ExportError> for AgainError {
    fn from(error: ExportError) -> Self {
        AgainError::Export(Box::new(error))
    }
}

impl From<Fault> for AgainError {
    fn from(Fault { message, advice }: Fault) -> Self {
        AgainError::Failed { message, advice }
    }
}

/// What a run has trained: its adapter as it was handed over; of one that was left after its retraining, what its checkpoint
/// holds.
///
/// # Errors
/// [`ExportError::NotYet`] where nothing is trained to its end.
pub fn trained(run: &RunDir) -> Result<Trained, AgainError> {
    if run.adapter_path().is_dir() {
        let learned = Learned::of_run(run)?;
        // Parts of a layer that were joined for PEFT are apart in the checkpoint alone.
        if !learned.modules.iter().any(|module| module.joined) {
            let Learned { facts, weights, .. } = learned;
            return Ok(Trained { weights, ranks: facts.ranks, inputs: facts.sha256 });
        }
    }
    let newest = Checkpoints::new(&run.checkpoints_path(), 1).newest(&Device::Cpu)?;
    match newest.as_ref().map(Trained::of).transpose()?.flatten() {
        Some(trained) => Ok(trained),
        None => Err(ExportError::NotYet { run: run.id().into(), state: state(run)? }.into()),
    }
}

/// Scores it on the run's held-out rows, on the run's device or another; gives what the log of that says.
///
/// # Errors
/// [`AgainError::Failed`] with advice where the scoring came to an end before.
pub fn evaluate(
    run: &RunDir,
    trained: &Trained,
    device: Option<&str>,
    scratch: &Scratch,
) -> Result<RunView, AgainError> {
    let mut experiment = run.experiment()?;
    // Nobody is to be told, and the search is done.
    (experiment.notify.command, experiment.search.from) = (None, None);
    if let Some(device) = device {
        experiment.runtime.device = device.into();
    }
    let new = NewRun { name: "evaluate", parent: None, experiment, preset: "" };
    let dir = Store::new(scratch.path()).create(new)?;
    work(&dir, &Signals::none(), &Turn::Apart, |ctx| evaluate_again(ctx, trained))?;
    if let Some(Event::Failed { error, advice, .. }) = last_event(&dir)? {
        return Err(AgainError::Failed { message: error, advice });
    }
    Ok(RunView::of(&Follower::new(&dir.events_path()).read_all()?))
}
