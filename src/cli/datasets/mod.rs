//! `autolora datasets`

mod example;
mod json;
mod show;

use super::CliError;
use super::out::{Json, table};
use crate::data::DataError;
use crate::data::hub::{Hub, Watch};
use crate::data::sources::{Sources, locate};
use crate::experiment::catalogue::{self, CATALOGUE};
use crate::experiment::{Choice, DataSettings, Task};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// List the datasets of the catalogue, or show what one is like
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DatasetsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read a dataset: rows, columns, labels, lengths in tokens
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// An id of the catalogue, owner/name of the hub, a file, or a folder of WebNLG's XML
    dataset: String,
    /// Count tokens as this model does, and render conversations with its template: a folder, a hub id, or builtin:demo
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// What the labels are; unset: as the columns look
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Task::NAMES))]
    task: Option<String>,
    /// Column of the text, or of the words: its name, or its number where the file has no header; unset: by its name
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// Column of the second text of a pair
    #[arg(long, value_name = "COLUMN")]
    text_pair: Option<String>,
    /// Column of the label
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Configuration of a hub dataset
    #[arg(long)]
    config: Option<String>,
    /// Branch, tag or commit of a hub dataset
    #[arg(long)]
    revision: Option<String>,
    /// Rows are cut to so many tokens
    #[arg(long, value_name = "N", default_value_t = DataSettings::default().max_length)]
    max_length: usize,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DatasetsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    match &args.verb {
        Some(Verb::Show(args)) => show::show(args, out),
        None => list(args.json, out),
    }
}

fn list(json: bool, out: &mut impl Write) -> Result<u8, CliError> {
    let mut rows = vec![["id", "task", "score", ""].map(String::from).to_vec()];
    for entry in CATALOGUE {
        let (task, metric) = (entry.task.name(), entry.metric.name());
        if json {
            let line = json!({
                "id": entry.id, "task": task, "metric": metric, "about": entry.about, "licence": entry.licence,
                "text": entry.text, "text_pair": entry.pair, "label": entry.label,
            });
            writeln!(out, "{}", Json(line))?;
        }
        rows.push(vec![entry.id.into(), task.into(), metric.into(), entry.about.into()]);
    }
    if !json {
        table(out, &rows)?;
        writeln!(out, "\nAny other dataset of the hub goes by owner/name. `autolora datasets show ID` reads one.")?;
    }
    Ok(0)
}

/// The settings that the arguments are, with the task as the columns look, and where the rows are.
fn find(args: &ShowArgs, hub: &Hub, progress: &mut Watch) -> Result<(DataSettings, Sources), DataError> {
    let entry = catalogue::dataset(&args.dataset);
    let path = Path::new(&args.dataset);
    let said_as_path = ["/", "./", "../", "~"].iter().any(|start| args.dataset.starts_with(start));
    let one_name = path.extension().is_some_and(|_| !args.dataset.contains('/'));
    let is_file = entry.is_none() && (path.exists() || said_as_path || one_name);
    // What is broken is shown, however much it is.
    let base = DataSettings {
        max_bad_share: 1.0,
        max_length: args.max_length,
        text: args.text.clone(),
        text_pair: args.text_pair.clone(),
        label: args.label.clone(),
        ..DataSettings::default()
    };
    let base = match is_file {
        true => DataSettings { train: Some(path.to_owned()), ..base },
        false => DataSettings {
            id: Some(args.dataset.clone()),
            config: args.config.clone(),
            revision: args.revision.clone(),
            ..base
        },
    };
    let said = args.task.as_deref().map(|name| match name {
        "regression" => Task::Regression,
        "tagging" => Task::Tagging,
        "generation" => Task::Generation,
        _ => Task::Classification,
    });
    let tasks = match said.or(entry.map(|entry| entry.task)) {
        Some(task) => vec![task],
        None => vec![Task::Classification, Task::Tagging, Task::Regression, Task::Generation],
    };
    let mut first = None;
    for task in tasks {
        let settings = DataSettings { task, ..base.clone() };
        match locate(&settings, hub, progress) {
            Ok(sources) => return Ok((settings, sources)),
            // The columns are those of another task.
            Err(error @ (DataError::NoGuess { .. } | DataError::Format { .. } | DataError::OnlyWritten { .. })) => {
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or(DataError::NoTraining))
}

fn failed(error: DataError) -> CliError {
    let missing = matches!(error, DataError::UnknownDataset { .. } | DataError::NotFound { .. });
    CliError::new(if missing { 3 } else { 1 }, error, None)
}
