//! From what the user said, a preset's text and `--set` arguments, to an [`Experiment`] or to every problem at once.

use super::check::check;
use super::home::expand_tilde;
use super::layer::{Entry, Layer, put};
use super::problem::{Place, Problem, Problems};
use super::{Experiment, Kind, SETTINGS, Setting};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toml::Value;

/// A preset's text and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// What errors call it: the path as the user gave it, or the preset's name.
    pub name: String,
    /// The TOML text.
    pub text: String,
    /// Where relative paths of the text start; `None`: the working directory.
    pub folder: Option<PathBuf>,
}

/// What reading gives, also where there are problems: the form shows both.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The settings; those with a problem, and those nobody said, at their defaults.
    pub experiment: Experiment,
    /// Everything that is wrong, in no particular order.
    pub problems: Vec<Problem>,
}

/// Reads a preset and `--set KEY=VALUE` arguments, the latter winning, later ones over earlier ones.
///
/// Where two settings exclude each other, an argument also unsets what the preset said of the other: `data.train` the
/// preset's `data.id` and the reverse, `search.epochs` its `search.steps`, another `allocation.rule` its threshold and budget.
///
/// # Errors
/// [`Problems`] with all of them: syntax, keys, types, ranges, and settings that do not go together. The file system
/// is not looked at: see [`super::check_files`].
pub fn parse(source: &Source, sets: &[String]) -> Result<Experiment, Problems> {
    let Reading { experiment, problems } = read(source, sets, &[check]);
    if problems.is_empty() { Ok(experiment) } else { Err(Problems::new(&source.name, &source.text, problems)) }
}

/// As [`parse`], and looks whether the files that the settings name exist.
///
/// # Errors
/// [`Problems`] with all of them.
pub fn parse_with_files(source: &Source, sets: &[String]) -> Result<Experiment, Problems> {
    let Reading { experiment, problems } = read(source, sets, &[check, super::check_files]);
    if problems.is_empty() { Ok(experiment) } else { Err(Problems::new(&source.name, &source.text, problems)) }
}

/// A complaint about settings that are each right on their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The settings it is about, the one to change first.
    pub keys: Vec<&'static str>,
    /// What is wrong, to follow the first key.
    pub message: String,
    /// What to write instead, where that can be known.
    pub help: Option<String>,
}

/// A check of a whole experiment.
pub type Check = fn(&Experiment) -> Vec<Complaint>;

/// Reads as far as possible, then runs the checks and drops those of their complaints that touch a setting which
/// already has a problem: they would speak of its default.
pub fn read(source: &Source, sets: &[String], checks: &[Check]) -> Reading {
    let working = std::env::current_dir().unwrap_or_default();
    let folder = source.folder.as_deref().map_or_else(|| working.clone(), |folder| working.join(folder));
    let mut layer = Layer::from_text(&source.text);
    layer.entries.retain_mut(|entry| fit(entry, &folder, &mut layer.problems));
    let arguments = Layer::from_arguments(sets);
    layer.problems.extend(arguments.problems);
    for mut entry in arguments.entries {
        if fit(&mut entry, &working, &mut layer.problems) {
            override_with(&mut layer.entries, entry);
        }
    }

    let mut table = toml::Table::new();
    for entry in layer.entries.iter().filter(|entry| !entry.is_unset()) {
        put(&mut table, entry.setting.key, entry.value.clone());
    }
    let Layer { entries, mut problems, torn } = layer;
    let experiment = Experiment::deserialize(table).unwrap_or_else(|error| {
        // The kinds of the registry and the types of the fields disagree; say it rather than run with defaults.
        problems.push(Problem { key: String::new(), place: Place::Unsaid, message: error.to_string(), help: None });
        Experiment::default()
    });

    let broken: BTreeSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    let touches_broken = |complaint: &Complaint| complaint.keys.iter().any(|key| broken.contains(*key));
    // After a syntax error anything may be missing, so that nothing can be said of the whole.
    let complaints = checks.iter().filter(|_| !torn).flat_map(|check| check(&experiment));
    problems
        .extend(complaints.filter(|complaint| !touches_broken(complaint)).map(|complaint| placed(complaint, &entries)));
    Reading { experiment, problems }
}

/// Brings a value into the form of its kind, paths made absolute; on a misfit says so and is false.
fn fit(entry: &mut Entry, folder: &Path, problems: &mut Vec<Problem>) -> bool {
    if entry.is_unset() {
        return true;
    }
    match entry.setting.kind.fit(&entry.value) {
        Ok(value) => {
            entry.value = located(entry.setting, value, folder);
            true
        }
        Err(misfit) => {
            problems.push(Problem {
                key: entry.setting.key.into(),
                place: entry.place.clone(),
                message: misfit.message,
                help: misfit.help,
            });
            false
        }
    }
}

/// A path made absolute from `folder`. `model.id` is one where it looks like one or is a folder there: a run's
/// worker may stand elsewhere than the user.
fn located(setting: &Setting, value: Value, folder: &Path) -> Value {
    let Value::String(text) = &value else { return value };
    let path = folder.join(expand_tilde(text));
    let is_path = match setting.kind {
        Kind::Path => true,
        _ => setting.key == "model.id" && (looks_like_path(text) || path.is_dir()),
    };
    if !is_path {
        return value;
    }
    let tidy: PathBuf = path.components().collect();
    tidy.into_os_string().into_string().map_or(value, Value::String)
}

/// Whether a model id can only be meant as a folder.
pub(crate) fn looks_like_path(id: &str) -> bool {
    ["/", "./", "../", "~/"].iter().any(|start| id.starts_with(start)) || [".", "..", "~"].contains(&id)
}

/// Puts an argument over what was said before, with what it excludes.
fn override_with(entries: &mut Vec<Entry>, new: Entry) {
    let before = entries.iter().find(|entry| entry.setting.key == new.setting.key);
    let excluded = excluded_by(&new, before.map(|entry| &entry.value));
    // What other arguments said stays: two arguments that exclude each other are a problem to report.
    entries.retain(|entry| {
        let from_preset = matches!(entry.place, Place::Text { .. });
        entry.setting.key != new.setting.key && !(from_preset && excluded.contains(&entry.setting.key))
    });
    entries.push(new);
}

/// The settings of a preset that lose their sense when an argument says `new`.
pub(crate) fn excluded_by(new: &Entry, before: Option<&Value>) -> &'static [&'static str] {
    match new.setting.key {
        _ if new.is_unset() => &[],
        "data.id" => &["data.train", "data.validation", "data.test"],
        "data.train" => &["data.id"],
        "search.epochs" => &["search.steps"],
        "allocation.rule" if before != Some(&new.value) => &["allocation.threshold", "allocation.budget"],
        _ => &[],
    }
}

/// A complaint at the place of the first of its settings that was said.
fn placed(complaint: Complaint, entries: &[Entry]) -> Problem {
    let said = |key: &&str| entries.iter().find(|entry| entry.setting.key == *key).map(|entry| entry.place.clone());
    Problem {
        place: complaint.keys.iter().find_map(said).unwrap_or(Place::Unsaid),
        key: complaint.keys.first().copied().unwrap_or_default().into(),
        message: complaint.message,
        help: complaint.help,
    }
}

/// The setting of a key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
