//! `autolora datasets`

use super::CliError;
use super::out::{say, table};
use crate::data::hub::{Download, Hub, Watch};
use crate::data::profile::{Profile, UNCUT, parts, profile};
use crate::data::sources::{Sources, locate};
use crate::data::{Counted, DataError, Dataset, DialogueEncoder, Encode, Part, TextEncoder};
use crate::experiment::catalogue::{self, CATALOGUE};
use crate::experiment::problem::printable;
use crate::experiment::{BUILTIN_DEMO, BUILTIN_GENERATION, Choice, DataSettings, Task};
use crate::model::source::tokenizer;
use crate::train::metrics::{Scheme, entities};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

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
    /// An id of the catalogue, owner/name of the hub, or a file
    dataset: String,
    /// Count tokens as this model does: a folder, a hub id, or builtin:demo
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
        Some(Verb::Show(args)) => show(args, out),
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
            writeln!(out, "{line}")?;
        }
        rows.push(vec![entry.id.into(), task.into(), metric.into(), entry.about.into()]);
    }
    if !json {
        table(out, &rows)?;
        writeln!(out, "\nAny other dataset of the hub goes by owner/name. `autolora datasets show ID` reads one.")?;
    }
    Ok(0)
}

fn show(args: &ShowArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let hub = Hub::from_env();
    let mut told = Instant::now();
    let mut progress = move |Download { file, done, total }: Download| {
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            say(format!("downloading {}: {:.1} of {:.1} MB", printable(file), done as f64 / 1e6, total as f64 / 1e6));
        }
        ControlFlow::Continue(())
    };
    let (settings, sources) = find(args, &hub, &mut progress).map_err(failed)?;
    let (commit, about) = (sources.commit.clone(), sources.about.clone());
    let dataset = Dataset::load(&settings, sources, None).map_err(failed)?;
    let writes = dataset.task == Task::Generation;
    let model = args.model.as_deref().unwrap_or(if writes { BUILTIN_GENERATION } else { BUILTIN_DEMO });
    let (file, notice) = tokenizer(model, None, &hub, &mut progress).map_err(|error| CliError::new(1, error, None))?;
    notice.into_iter().for_each(|notice| say(printable(&notice)));
    let encoder = |length| -> Result<Box<dyn Encode>, CliError> {
        Ok(match writes {
            true => {
                Box::new(DialogueEncoder::new(&file.name, &file.bytes, (None, length, Counted::Reply)).map_err(failed)?)
            }
            false => Box::new(TextEncoder::new(&file.name, &file.bytes, length).map_err(failed)?),
        })
    };
    let (whole, cut) = (encoder(UNCUT)?, encoder(args.max_length)?);
    let kinds = |tags: &[&str]| entities(tags, Scheme::Default).into_iter().map(|(kind, _)| kind.to_owned()).collect();
    let mut seen: Vec<(String, &Part, Profile)> = Vec::new();
    for (name, part) in parts(&dataset) {
        seen.push((
            name,
            part,
            profile(part, &dataset.labels, whole.as_ref(), cut.as_ref(), args.max_length, kinds).map_err(failed)?,
        ));
    }
    if args.json {
        writeln!(out, "{}", as_json(args, &dataset, model, commit, &seen))?;
        return Ok(0);
    }
    if !about.is_empty() {
        writeln!(out, "{}, commit {}", printable(&about), commit.unwrap_or_default())?;
    }
    let columns = &dataset.columns;
    for (what, column) in
        [("text", Some(&columns.text)), ("pair", columns.pair.as_ref()), ("label", Some(&columns.label))]
    {
        if let Some(column) = column {
            let guessed = if column.guessed { " (by its name)" } else { "" };
            writeln!(out, "{what:6} {}{guessed}", printable(&column.name))?;
        }
    }
    let default = if args.model.is_some() { "" } else { " (--model counts as another model does)" };
    writeln!(out, "task   {}\ntokens of {}{default}", dataset.task, printable(model))?;
    for doubt in dataset.doubts() {
        writeln!(out, "note   {}", printable(&doubt))?;
    }
    for (name, part, profile) in &seen {
        writeln!(out)?;
        write_part(name, part, profile, args.max_length, out)?;
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
        None => vec![Task::Classification, Task::Tagging, Task::Regression],
    };
    let mut first = None;
    for task in tasks {
        let settings = DataSettings { task, ..base.clone() };
        match locate(&settings, hub, progress) {
            Ok(sources) => return Ok((settings, sources)),
            // The columns are those of another task.
            Err(error @ DataError::NoGuess { .. }) | Err(error @ DataError::Format { .. }) => {
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

fn write_part(name: &str, part: &Part, seen: &Profile, max_length: usize, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{name}: {} rows, {}", seen.rows, printable(&part.file))?;
    if part.bad.count > 0 {
        writeln!(out, "  {} broken rows; the first: {}", part.bad.count, printable(&part.bad.first[0].to_string()))?;
    }
    let share = |count: usize, all: usize| 100.0 * count as f64 / all.max(1) as f64;
    if let Some((min, mean, max)) = seen.scores {
        writeln!(out, "  scores from {min} to {max}, mean {mean:.3}")?;
    }
    if seen.words > 0 {
        writeln!(out, "  {} words", seen.words)?;
        for (kind, count) in &seen.entities {
            writeln!(out, "  {count:>9}  entities {}", printable(kind))?;
        }
    } else {
        for (label, count) in &seen.labels {
            writeln!(out, "  {count:>9}  {:4.1} %  {}", share(*count, seen.rows), printable(label))?;
        }
    }
    let l = &seen.lengths;
    let (median, p95) = (l.quantile(0.5), l.quantile(0.95));
    writeln!(out, "  tokens: min {}, median {median}, 95 % up to {p95}, max {}", l.min(), l.max())?;
    let bins = l.histogram(8);
    let most = bins.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (end, count) in bins {
        let bar = "#".repeat((count * 40).div_ceil(most));
        writeln!(out, "  {end:>9}  {bar:40} {count}")?;
    }
    let long = l.longer_than(max_length);
    writeln!(out, "  longer than {max_length} tokens: {long} rows ({:.2} %)", share(long, seen.rows))?;
    if seen.cuts.split > 0 {
        let (moved, rows) = (seen.cuts.moved_words, seen.cuts.split);
        writeln!(out, "  no word is lost: {moved} words of {rows} sentences go on in further rows")?;
    }
    Ok(())
}

fn as_json(
    args: &ShowArgs,
    dataset: &Dataset,
    model: &str,
    commit: Option<String>,
    seen: &[(String, &Part, Profile)],
) -> Value {
    let column = |column: &crate::data::columns::Chosen| json!({"name": column.name, "guessed": column.guessed});
    let parts: Vec<Value> =
        seen.iter().map(|(name, part, seen)| part_json(name, part, seen, args.max_length)).collect();
    json!({
        "dataset": args.dataset,
        "commit": commit,
        "task": dataset.task.name(),
        "columns": {
            "text": column(&dataset.columns.text),
            "text_pair": dataset.columns.pair.as_ref().map(column),
            "label": column(&dataset.columns.label),
        },
        "tokenizer": model,
        "max_length": args.max_length,
        "parts": parts,
    })
}

fn part_json(name: &str, part: &Part, seen: &Profile, max_length: usize) -> Value {
    let l = &seen.lengths;
    let long = l.longer_than(max_length);
    let labels: serde_json::Map<String, Value> =
        seen.labels.iter().map(|(label, count)| (label.clone(), json!(count))).collect();
    let first: Vec<String> = part.bad.first.iter().map(ToString::to_string).collect();
    json!({
        "part": name,
        "file": part.file,
        "sha256": part.sha256,
        "rows": seen.rows,
        "bad_rows": {"count": part.bad.count, "first": first},
        "labels": labels,
        "scores": seen.scores.map(|(min, mean, max)| json!({"min": min, "mean": mean, "max": max})),
        "words": (seen.words > 0).then_some(seen.words),
        "entities": (seen.words > 0).then_some(&seen.entities),
        "lengths": {
            "min": l.min(), "median": l.quantile(0.5), "p95": l.quantile(0.95), "max": l.max(),
            "histogram": l.histogram(8).iter().map(|(end, count)| json!({"up_to": end, "rows": count})).collect::<Vec<_>>(),
        },
        "truncated": long,
        "truncated_share": long as f64 / seen.rows.max(1) as f64,
        "moved_words": seen.cuts.moved_words,
    })
}
