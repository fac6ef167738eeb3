//! `autolora stop RUN`

use super::CliError;
use super::out::{called, find, say};
use crate::run::lifecycle;
use crate::run::view::State;
use clap::Args;

/// Make a checkpoint and end the run; `resume` could still go on
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
}

pub fn run(args: &StopArgs) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    let state = lifecycle::stop(&run, "asked by stop", |text| say(text))?;
    say(format!("run {} is {}", called(&run), state.name()));
    // It may have finished before it heard; a crash or a failure is not what was asked for.
    Ok(if matches!(state, State::Stopped | State::Finished) { 0 } else { 1 })
}
