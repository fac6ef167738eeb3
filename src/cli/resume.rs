//! `autolora resume RUN`

use super::CliError;
use super::out::{called, find, say};
use super::run::{began, crowd, lasts, started_once};
use crate::run::lifecycle::{self, When};
use clap::Args;

/// Go on with a paused, stopped, crashed or failed run in the background, from its last checkpoint
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Wait in the background until a slot of its device is free
    #[arg(long)]
    queue: bool,
}

pub fn run(args: &ResumeArgs) -> Result<u8, CliError> {
    started_once()?;
    let run = find(&args.run)?;
    let when = if args.queue { When::InTurn } else { When::Now };
    let crowd = crowd(&run, when);
    lifecycle::resume_when(&run, when)?;
    if let Some(crowd) = crowd {
        say(format!("{crowd}; autolora stop {0}, then autolora resume {0} --queue waits for a free slot", run.id()));
    }
    if let Err(error) = lasts(&run) {
        // A worker took the run, which is what was asked; what came of it is the run's state, and is said.
        error.report();
        return Ok(0);
    }
    say(format!("run {} {}; autolora watch {} shows it", called(&run), began(&run, "goes on")?, run.id()));
    Ok(0)
}
