//! `autolora rm RUN...`

use super::CliError;
use super::out::{Json, bytes, called, find, say};
use crate::experiment::problem::printable;
use crate::run::directory::RunDir;
use crate::run::lifecycle::{self, LifecycleError};
use crate::run::referring::{Referrer, referrers, words};
use crate::run::store::Store;
use crate::run::view::State;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

/// Delete runs with their checkpoints and their adapters, without a question
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Ids, unique beginnings of them, names, or `last`
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Stop those first that are at work
    #[arg(long)]
    force: bool,
    /// One JSON object a run: id, dir, freed_bytes, referred_by
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RmArgs, out: &mut impl Write) -> Result<u8, CliError> {
    // All are found, and none is at work, before the first one goes.
    let mut runs: Vec<RunDir> = Vec::new();
    for wanted in &args.runs {
        let run = find(wanted)?;
        if !runs.iter().any(|known| known.id() == run.id()) {
            runs.push(run);
        }
    }
    for run in runs.iter().filter(|_| !args.force) {
        let status = lifecycle::settled(run)?;
        if status.has_worker() {
            let advice = "stop it first, or use --force";
            let waits = status.state == State::Queued;
            return Err(LifecycleError::Busy { id: run.id().into(), waits, holder: status.holder, advice }.into());
        }
    }
    let (mut total, store) = (0, Store::of_user()?);
    for run in &runs {
        let mut refer = referrers(run, &store)?;
        refer.retain(|one| !runs.iter().any(|gone| gone.id() == one.id));
        let freed = lifecycle::remove(run, args.force, |text| say(text))?;
        total += freed;
        if args.json {
            writeln!(out, "{}", Json(of_json(run, freed, &refer)))?;
        } else {
            say(format!("run {} is deleted: {} freed", called(run), bytes(freed)));
        }
        words(&refer).iter().for_each(|words| say(printable(words)));
    }
    if !args.json && runs.len() > 1 {
        say(format!("{} runs are deleted: {} freed", runs.len(), bytes(total)));
    }
    Ok(0)
}

fn of_json(run: &RunDir, freed: u64, referrers: &[Referrer]) -> Value {
    let one = |one: &Referrer| json!({"id": one.id, "name": one.name, "reads": one.reads});
    let referred_by: Vec<Value> = referrers.iter().map(one).collect();
    json!({"id": run.id(), "dir": run.path(), "freed_bytes": freed, "referred_by": referred_by})
}
