//! `autolora retrain RUN`

use super::CliError;
use super::out::{called, find, say};
use super::run::{Going, go, preset_error, started_once};
use crate::run::inherit::makes_the_search;
use crate::run::retrain::{RetrainError, retrain};
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
    #[command(flatten)]
    going: Going,
}

/// The groups of settings that come after the search.
const LATER: [&str; 6] = ["allocation", "retrain", "evaluate", "baseline", "runtime", "notify"];

pub fn run(args: &RetrainArgs, out: &mut impl Write) -> Result<u8, CliError> {
    started_once()?;
    only_later(&args.set)?;
    let parent = find(&args.run)?;
    let run = retrain(&parent, &args.set, args.name.as_deref())?;
    if !args.going.json {
        say(format!("from the search of run {}", called(&parent)));
    }
    go(run, &args.going, out)
}

/// What made the search cannot be another afterwards.
fn only_later(sets: &[String]) -> Result<(), CliError> {
    let key = |set: &str| set.split_once('=').map_or(set, |(key, _)| key).trim().to_owned();
    let Some(key) = sets.iter().map(|set| key(set)).find(|key| makes_the_search(key)) else { return Ok(()) };
    let message = format!("{key} made the search, which stays as it is");
    let advice = format!("retrain changes {}.* alone; a run with another {key} searches anew", LATER.join(".*, "));
    Err(CliError::new(2, message, Some(advice)))
}

impl From<RetrainError> for CliError {
    fn from(error: RetrainError) -> Self {
        match error {
            RetrainError::Problems(problems) => preset_error(problems),
            RetrainError::Problem(problem) => CliError::new(1, problem, None),
            RetrainError::File(error) => error.into(),
            RetrainError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_search_are_refused_with_the_reason() {
        let check = |sets: &[&str]| only_later(&sets.iter().map(|set| set.to_string()).collect::<Vec<_>>());
        assert!(check(&["allocation.rule=energy", "retrain.lr=0.1", "runtime.seed=3", "notify.command=x"]).is_ok());
        for earlier in ["lora.rank=4", "search.epochs = 2", "data.train=x.tsv", "model.id=y"] {
            let Err(CliError::Told { code: 2, report }) = check(&["retrain.lr=0.1", earlier]) else {
                panic!("{earlier}")
            };
            assert!(report.to_string().contains("made the search"), "{report:?}");
        }
        // What is no setting is for the reading to say.
        assert!(check(&["retrian.lr=3", "nonsense"]).is_ok());
    }
}
