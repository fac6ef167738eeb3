//! `autolora ls`

use super::CliError;
use super::frame::{Snapshot, place};
use super::out::table;
use crate::experiment::Experiment;
use crate::experiment::problem::printable;
use crate::run::store::Store;
use clap::Args;
use std::io::Write;

/// List the runs, oldest first
#[derive(Debug, Args)]
pub struct LsArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let mut rows = vec![["id", "name", "state", "phase", "score"].map(String::from).to_vec()];
    for run in Store::of_user()?.list()? {
        let snapshot = Snapshot::of(run)?;
        if args.json {
            writeln!(out, "{}", snapshot.short_json())?;
        }
        let info = snapshot.run.info();
        let score = snapshot.view.metrics.get("score").map_or(String::new(), |score| format!("{score:.4} "));
        // Which figure it is: runs of other tasks may stand beside it.
        let named = |experiment: Experiment| experiment.evaluate.metric.resolve(experiment.data.task).to_string();
        let figure = if score.is_empty() { None } else { snapshot.run.experiment().ok().map(named) };
        let score = score + figure.as_deref().unwrap_or_default();
        rows.push(vec![
            info.id.clone(),
            printable(&info.name),
            snapshot.status.state.name().into(),
            match snapshot.queue_place() {
                Some(place) => format!("place {place} in the queue"),
                None => place(&snapshot.view).unwrap_or_default(),
            },
            score,
        ]);
    }
    if !args.json && rows.len() > 1 {
        table(out, &rows)?;
    }
    Ok(0)
}
