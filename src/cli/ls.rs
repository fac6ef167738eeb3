//! `autolora ls`

use super::CliError;
use super::frame::{Snapshot, place};
use super::out::{Json, say, table, warn_of_damage};
use crate::experiment::Experiment;
use crate::experiment::problem::printable;
use crate::run::store::Store;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// List the runs, oldest first
#[derive(Debug, Args)]
pub struct LsArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let mut rows = vec![["id", "name", "state", "phase", "score", "tags"].map(String::from).to_vec()];
    for run in Store::of_user()?.list()? {
        let info = run.info().clone();
        warn_of_damage(&run);
        let snapshot = match Snapshot::of(run) {
            Ok(snapshot) => snapshot,
            Err(CliError::ReaderGone) => return Err(CliError::ReaderGone),
            // One run that cannot be read hides no other.
            Err(CliError::Told { report, .. }) => {
                say(format!("run {}: {report}", info.id));
                if args.json {
                    writeln!(out, "{}", Json(json!({"id": info.id, "name": info.name, "error": report.to_string()})))?;
                }
                let unread = ["unreadable", "", "", ""].map(String::from);
                rows.push([info.id, printable(&info.name)].into_iter().chain(unread).collect());
                continue;
            }
        };
        if args.json {
            writeln!(out, "{}", Json(snapshot.short_json()))?;
        }
        let star = snapshot.notes.star.then(|| "*".to_owned());
        let tags: Vec<String> = star.into_iter().chain(snapshot.notes.tags.iter().map(|tag| printable(tag))).collect();
        rows.push(vec![
            info.id.clone(),
            printable(&info.name),
            snapshot.status.state.name().into(),
            match snapshot.queue_place() {
                Some(place) => format!("place {place} in the queue"),
                None => place(&snapshot.view).unwrap_or_default(),
            },
            figure(&snapshot),
            tags.join(" "),
        ]);
    }
    if rows.iter().skip(1).all(|row| row[5].is_empty()) {
        rows.iter_mut().for_each(|row| row.truncate(5));
    }
    if !args.json && rows.len() > 1 {
        table(out, &rows)?;
    }
    Ok(0)
}

/// The score, or the best validation loss of a run that has none yet, with its name: runs of other tasks may stand
/// beside it.
fn figure(snapshot: &Snapshot) -> String {
    let named = |experiment: Experiment| experiment.evaluate.metric.resolve(experiment.data.task).to_string();
    match (snapshot.view.metrics.get("score"), snapshot.best()) {
        (Some(score), _) => {
            let name = snapshot.run.experiment().map(named).unwrap_or_default();
            format!("{score:.4} {name}").trim_end().to_owned()
        }
        (None, Some((_, loss))) => format!("{loss:.4} val loss"),
        (None, None) => String::new(),
    }
}
