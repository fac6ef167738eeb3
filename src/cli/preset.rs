//! `autolora preset`: what can be said to a run, and the presets that say it.

use super::out::{Json, table};
use crate::experiment::kind::seen;
use crate::experiment::problem::printable;
use crate::experiment::schema::{json_schema, setting_json};
use crate::experiment::{
    Choice, Experiment, Listed, Origin, Place, PresetDoc, PresetError, Presets, Problem, Problems, SETTINGS, check,
    check_files, parse, read, resolved_toml,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Arguments of `autolora preset`.
#[derive(Debug, Args)]
pub struct PresetArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the shipped and the saved presets
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print a preset
    Show {
        /// A file, or the name of a saved or shipped preset
        preset: String,
        /// Change a setting, KEY=VALUE; shows the resolved settings
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Print every setting, resolved, and not only what the preset says
        #[arg(long)]
        resolved: bool,
        /// One JSON object: name, origin, text, resolved settings
        #[arg(long)]
        json: bool,
    },
    /// Tell everything that is wrong with a preset
    Check {
        /// A file, or the name of a saved or shipped preset
        preset: String,
        /// Change a setting, KEY=VALUE
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// One JSON object: valid, problems
        #[arg(long)]
        json: bool,
    },
    /// Save a new preset
    New {
        /// Name to save it under
        name: String,
        /// Start from this preset, with its comments, and not from an empty one
        #[arg(long, value_name = "PRESET")]
        from: Option<String>,
        /// Say a setting, KEY=VALUE; KEY= takes it back
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Delete a saved preset
    Delete {
        /// Name of a saved preset
        name: String,
    },
    /// Give a saved preset another name
    Rename {
        /// Name of a saved preset
        name: String,
        /// Its new name
        new: String,
    },
    /// Tell in what a preset differs from the defaults, or from another preset
    Diff {
        /// A file, or the name of a saved or shipped preset
        preset: String,
        /// What to compare with; without it, the defaults
        other: Option<String>,
        /// One JSON object a line: key, from, to
        #[arg(long)]
        json: bool,
    },
    /// Save the preset of a file; everything that is wrong with it is told at once
    Import {
        /// The file
        file: PathBuf,
        /// Name to save it under; without it, the file's own
        name: Option<String>,
        /// Replace a saved preset of that name
        #[arg(long)]
        force: bool,
    },
    /// Write a preset into a file, comments and all
    Export {
        /// A file, or the name of a saved or shipped preset
        preset: String,
        /// The file, or - for standard output; without it, NAME.toml in the working directory
        file: Option<PathBuf>,
        /// Write over a file that is there
        #[arg(long)]
        force: bool,
    },
    /// List every setting: default, what is allowed, what it does
    Settings {
        /// One JSON object a line
        #[arg(long, conflicts_with = "schema")]
        json: bool,
        /// JSON Schema of a preset, for editors
        #[arg(long)]
        schema: bool,
    },
}

/// Why `autolora preset` failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PresetVerbError {
    /// The preset, its place or what it says.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Preset(#[from] PresetError),
    /// Standard output does not take the answer.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

impl PresetVerbError {
    /// The exit code of the verb.
    pub fn exit_code(&self) -> u8 {
        match self {
            PresetVerbError::Preset(error) => error.exit_code(),
            PresetVerbError::Output(_) => 1,
        }
    }
}

impl From<Problems> for PresetVerbError {
    fn from(problems: Problems) -> Self {
        PresetVerbError::Preset(problems.into())
    }
}

/// Runs the verb: data to `out`, talk to `talk`.
///
/// # Errors
/// [`PresetVerbError`], to be shown by miette; its exit code ends the program.
pub fn run(
    args: &PresetArgs,
    presets: &Presets,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), PresetVerbError> {
    match &args.verb {
        Verb::List { json } => list(presets, *json, out)?,
        Verb::Show { preset, set, resolved, json } => {
            show(presets, preset, set, *resolved || !set.is_empty(), *json, out)?
        }
        Verb::Check { preset, set, json } => check_preset(presets, preset, set, *json, out, talk)?,
        Verb::New { name, from, set } => new(presets, name, from.as_deref(), set, out, talk)?,
        Verb::Delete { name } => presets.delete(name)?,
        Verb::Rename { name, new } => {
            writeln!(out, "{}", presets.rename(name, new)?.display())?;
            tell_of_hidden(new, talk)?;
        }
        Verb::Diff { preset, other, json } => difference(presets, preset, other.as_deref(), *json, out, talk)?,
        Verb::Import { file, name, force } => import(presets, file, name.as_deref(), *force, out, talk)?,
        Verb::Export { preset, file, force } => export(presets, preset, file.as_deref(), *force, out)?,
        Verb::Settings { schema: true, .. } => writeln!(out, "{:#}", json_schema())?,
        Verb::Settings { json: true, .. } => {
            for setting in SETTINGS {
                writeln!(out, "{}", Json(setting_json(setting)))?;
            }
        }
        Verb::Settings { .. } => settings(out)?,
    }
    out.flush()?;
    Ok(())
}

fn origin(origin: &Origin) -> (&'static str, Option<String>) {
    match origin {
        Origin::Shipped => ("shipped", None),
        Origin::Saved(path) => ("saved", Some(path.display().to_string())),
        Origin::File(path) => ("file", Some(path.display().to_string())),
    }
}

fn list(presets: &Presets, json: bool, out: &mut impl Write) -> io::Result<()> {
    let list = presets.list();
    let width = list.iter().map(|listed| listed.name.len()).max().unwrap_or_default();
    for Listed { name, origin: place, summary } in list {
        let (origin, path) = origin(&place);
        if json {
            writeln!(out, "{}", Json(json!({"name": name, "origin": origin, "path": path, "summary": summary})))?;
        } else {
            writeln!(out, "{}", format!("{name:width$}  {origin:7}  {summary}").trim_end())?;
        }
    }
    Ok(())
}

fn show(
    presets: &Presets,
    preset: &str,
    sets: &[String],
    resolved: bool,
    json: bool,
    out: &mut impl Write,
) -> Result<(), PresetVerbError> {
    let found = presets.find(preset)?;
    if json {
        let experiment = parse(&found.source, sets)?;
        let (origin, path) = origin(&found.origin);
        let text = &found.source.text;
        writeln!(
            out,
            "{}",
            Json(json!({"name": preset, "origin": origin, "path": path, "text": text, "experiment": experiment}))
        )?;
    } else if resolved {
        write!(out, "{}", resolved_toml(&parse(&found.source, sets)?))?;
    } else if io::stdout().is_terminal() {
        write!(out, "{}", printable(&found.source.text))?;
    } else {
        write!(out, "{}", found.source.text)?;
    }
    Ok(())
}

fn check_preset(
    presets: &Presets,
    preset: &str,
    sets: &[String],
    json: bool,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), PresetVerbError> {
    let found = presets.find(preset)?;
    let reading = read(&found.source, sets, &[check, check_files]);
    let problems = Problems::new(&found.source.name, &found.source.text, reading.problems);
    let valid = problems.list().is_empty();
    if json {
        let list: Vec<_> = problems.list().iter().map(|problem| problem_json(&found.source.name, problem)).collect();
        writeln!(out, "{}", Json(json!({"preset": found.source.name, "valid": valid, "problems": list})))?;
    }
    if !valid {
        return Err(problems.into());
    }
    let Experiment { model, search, allocation, lora, .. } = &reading.experiment;
    let (selection, rule) = (search.selection.name(), allocation.rule.name());
    let summary = format!("{}, rank {} at first, selection {selection}, rule {rule}", model.id, lora.rank);
    writeln!(talk, "{} is right: {}", printable(preset), printable(&summary))?;
    Ok(())
}

fn problem_json(file: &str, problem: &Problem) -> Value {
    let (line, column, argument) = match &problem.place {
        Place::Text { line, column, .. } => (Some(line), Some(column), None),
        Place::Set(argument) => (None, None, Some(argument)),
        Place::Unsaid => (None, None, None),
    };
    json!({
        "key": problem.key,
        "file": line.map(|_| file),
        "line": line,
        "column": column,
        "set": argument,
        "message": problem.message,
        "help": problem.help,
    })
}

fn new(
    presets: &Presets,
    name: &str,
    from: Option<&str>,
    sets: &[String],
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), PresetVerbError> {
    let mut doc = match from {
        Some(preset) => presets.load(preset)?,
        None => PresetDoc::empty(name),
    };
    doc.apply(sets)?;
    doc.name = name.into();
    // A wrong value is not saved. What is still missing may be said later, or by `run --set`.
    let source = doc.source();
    let (wrong, missing): (Vec<_>, Vec<_>) =
        read(&source, &[], &[check]).problems.into_iter().partition(|problem| problem.place != Place::Unsaid);
    if !wrong.is_empty() {
        return Err(Problems::new(&source.name, &source.text, wrong).into());
    }
    writeln!(out, "{}", presets.create(name, &doc)?.display())?;
    tell_of_hidden(name, talk)?;
    for problem in missing {
        writeln!(talk, "not yet complete: {problem}")?;
    }
    Ok(())
}

/// Says so where a preset that was just saved hides one of the program.
fn tell_of_hidden(name: &str, talk: &mut impl Write) -> io::Result<()> {
    if Presets::is_shipped(name) {
        writeln!(talk, "from now on {name} means this preset, and the one of the program is hidden")?;
    }
    Ok(())
}

/// A value as TOML writes it, in JSON; null where it is unset.
fn as_json(value: &str) -> serde_json::Value {
    let said = format!("value = {value}").parse::<toml::Table>().ok();
    said.and_then(|mut table| serde_json::to_value(table.remove("value")?).ok()).unwrap_or_default()
}

fn difference(
    presets: &Presets,
    preset: &str,
    other: Option<&str>,
    json: bool,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), PresetVerbError> {
    let rows = presets.difference(preset, other)?;
    if json {
        for (key, from, to) in rows {
            let row = json!({"key": key, "from": as_json(&from), "to": as_json(&to)});
            writeln!(out, "{}", Json(row))?;
        }
        return Ok(());
    }
    let (first, second) = match other {
        Some(other) => (printable(preset), printable(other)),
        None => ("default".to_owned(), printable(preset)),
    };
    if rows.is_empty() {
        writeln!(talk, "{second} says nothing else than {}", other.map_or("the defaults", |_| &first))?;
        return Ok(());
    }
    let head = vec!["setting".to_owned(), first, second];
    let rows = rows.into_iter().map(|(key, from, to)| vec![key.to_owned(), printable(&from), printable(&to)]);
    table(out, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
    Ok(())
}

fn import(
    presets: &Presets,
    file: &Path,
    name: Option<&str>,
    force: bool,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> Result<(), PresetVerbError> {
    let imported = presets.import(file, name, force)?;
    writeln!(out, "{}", imported.path.display())?;
    tell_of_hidden(&imported.name, talk)?;
    for problem in imported.lacks {
        writeln!(talk, "not yet complete: {}", printable(&problem.to_string()))?;
    }
    Ok(())
}

fn export(
    presets: &Presets,
    preset: &str,
    file: Option<&Path>,
    force: bool,
    out: &mut impl Write,
) -> Result<(), PresetVerbError> {
    if file == Some(Path::new("-")) {
        write!(out, "{}", presets.find(preset)?.source.text)?;
        return Ok(());
    }
    let stem = Path::new(preset).file_stem().map_or(preset.into(), |stem| stem.to_string_lossy().into_owned());
    let file = file.map_or_else(|| PathBuf::from(format!("{stem}.toml")), Path::to_path_buf);
    presets.export(preset, &file, force)?;
    writeln!(out, "{}", file.display())?;
    Ok(())
}

fn settings(out: &mut impl Write) -> io::Result<()> {
    let mut group = "";
    for setting in SETTINGS {
        if setting.group() != group {
            writeln!(out, "{}[{}]", if group.is_empty() { "" } else { "\n" }, setting.group())?;
            group = setting.group();
        }
        let default = (setting.default)().map_or_else(|| "unset".to_string(), |value| seen(&value));
        let unit = if setting.unit.is_empty() { String::new() } else { format!(" [{}]", setting.unit) };
        writeln!(out, "{} = {default}{unit}", setting.name())?;
        writeln!(out, "    {}", setting.help)?;
        writeln!(out, "    {}", setting.kind.allowed())?;
    }
    Ok(())
}
