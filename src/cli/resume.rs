//! `autolora resume RUN`

use super::CliError;
use super::out::{called, find, say};
use super::run::started_once;
use crate::run::lifecycle;
use clap::Args;

/// Go on with a paused, stopped, crashed or failed run in the background, from its last checkpoint
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
}

pub fn run(args: &ResumeArgs) -> Result<u8, CliError> {
    started_once()?;
    let run = find(&args.run)?;
    lifecycle::resume(&run)?;
    say(format!("run {} goes on; autolora watch {} shows it", called(&run), run.id()));
    Ok(0)
}
