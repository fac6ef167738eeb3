//! `autolora notifier DIR`: what a worker starts to tell the user how it ended.

use super::CliError;
use super::frame::Snapshot;
use crate::run::companion::{LIMIT, notify, wait_for_worker};
use crate::run::directory::RunDir;
use crate::run::state::state;
use crate::run::view::State;
use clap::Args;
use std::io::stdin;
use std::path::PathBuf;

/// Wait for the worker at the other end of the standard input to end, then run notify.command
#[derive(Debug, Args)]
pub struct NotifierArgs {
    /// The directory of a run
    dir: PathBuf,
}

pub fn run(args: &NotifierArgs) -> Result<u8, CliError> {
    let dir = RunDir::open(&args.dir)?;
    let word = wait_for_worker(&mut stdin().lock())
        .map_err(|error| CliError::new(1, format!("cannot wait for the worker: {error}"), None))?;
    let end = match word {
        Some(end) => end,
        // It died, perhaps after its last line.
        None => Some(state(&dir)?).filter(|state| is_end(*state)).unwrap_or(State::Crashed),
    };
    let Some(command) = dir.experiment()?.notify.command else { return Ok(0) };
    let mut shown = Snapshot::of(dir)?;
    // Another worker may have the run by now.
    (shown.status.state, shown.status.holder) = (end, None);
    let score = shown.view.metrics.get("score").map_or(String::new(), f64::to_string);
    let error = match (&shown.view.error, end) {
        (Some((error, _)), State::Failed) => error.clone(),
        (_, State::Crashed) => format!("the worker died in {}", shown.view.place()),
        _ => String::new(),
    };
    let variables = [
        ("AUTOLORA_RUN", shown.run.id().to_string()),
        ("AUTOLORA_NAME", shown.run.info().name.clone()),
        ("AUTOLORA_STATE", end.name().into()),
        ("AUTOLORA_DIR", shown.run.path().display().to_string()),
        ("AUTOLORA_SCORE", score),
        ("AUTOLORA_ERROR", error),
    ];
    notify(&command, &variables, &shown.json().to_string(), LIMIT)
        .map(|()| 0)
        .map_err(|error| CliError::new(1, format!("notify.command failed: {error}"), None))
}

fn is_end(state: State) -> bool {
    matches!(state, State::Paused | State::Stopped | State::Failed | State::Finished)
}
