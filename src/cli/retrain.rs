//! `autolora retrain RUN`

use super::CliError;
use super::out::{called, find, say};
use super::run::{Going, go, preset_error, started_once};
use crate::run::retrain::{LATER, RetrainError, retrain};
use crate::run::store::Store;
use clap::Args;
use std::io::Write;

/// Make a new run from the search of a run, as it is: allocate by other settings, retrain, evaluate, export
#[derive(Debug, Args)]
pub struct RetrainArgs {
    /// Id, unique beginning of one, name, or `last`; its search must have ended
    run: String,
    /// Change a setting of allocation, retrain, evaluate, baseline, runtime or notify; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What to call the new run; without it, as RUN is called
    #[arg(long)]
    name: Option<String>,
    /// Leave once the run is at work in the background; prints its id
    #[arg(long)]
    detach: bool,
    /// Wait until a slot of its device is free; autolora queue shows who waits
    #[arg(long)]
    queue: bool,
    /// Print the events as they come, one JSON object a line; with --detach one object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RetrainArgs, out: &mut impl Write) -> Result<u8, CliError> {
    started_once()?;
    let parent = find(&args.run)?;
    let run = retrain(&Store::of_user()?, &parent, &args.set, args.name.as_deref())?;
    if !args.json {
        say(format!("from the search of run {}", called(&parent)));
    }
    go(run, &Going { detach: args.detach, queue: args.queue, json: args.json }, out)
}

impl From<RetrainError> for CliError {
    fn from(error: RetrainError) -> Self {
        match error {
            RetrainError::Earlier { key } => {
                let groups = LATER.join(".*, ");
                let advice = format!("retrain changes {groups}.* alone; a run with another {key} searches anew");
                CliError::new(2, format!("{key} made the search, which stays as it is"), Some(advice))
            }
            RetrainError::Said(problems) => preset_error(*problems),
            RetrainError::Store(error) => error.into(),
            RetrainError::File(error) => error.into(),
        }
    }
}
