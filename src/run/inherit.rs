//! A run that takes the search of another as it is (`search.from`): it allocates anew, and retrains. It begins with a
//! copy of what it needs, so that it goes on without the other run.

use super::checkpoint::CheckpointError;
use super::directory::{DirError, RunDir};
use super::event::{AllTerms, Event, Phase, Record, SCHEMA, Selected, Step};
use super::file::FileError;
use super::follow::Follower;
use super::pipeline::before_allocation;
use crate::experiment::{Experiment, diff, regular};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of a run that was not searched itself.
const FILE: &str = "search.json";

/// Whether a setting makes the search, so that it stays as it is where the search of another run is taken.
pub fn makes_the_search(key: &str) -> bool {
    ["model.", "data.", "lora.", "search."].iter().any(|group| key.starts_with(group))
}

/// What a worker writes into `experiment.toml` where it was left open: left open again it comes to the same, or the data
/// and the model are found to be others.
const PINNED: [&str; 6] =
    ["model.revision", "data.revision", "data.text", "data.text_pair", "data.label", "lora.targets"];

/// The search of another run cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    #[error("the search of run {run} has not ended: {}", place.map_or("it has not begun", Phase::name))]
    NotSearched { run: String, place: Option<Phase> },
    #[error(
        "the log of run {run} is of an earlier version and does not hold what the ranks are made from; run its preset again"
    )]
    NoTerms { run: String },
    #[error("the search of run {run} was made with other settings: {}", differences.join("; "))]
    Differs { run: String, differences: Vec<String> },
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("{} is broken: {source}", path.display())]
    Broken { path: PathBuf, source: serde_json::Error },
}

/// A search that has ended, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// Id of the run that searched.
    pub run: String,
    dir: PathBuf,
    terms: AllTerms,
    /// SHA-256 of what it read: the run that goes on must find the same.
    inputs: BTreeMap<String, String>,
    /// What tells the search.
    events: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct SearchFile {
    run: String,
    dir: PathBuf,
    terms: AllTerms,
}

impl Inherited {
    /// The search of the run in `dir`, for a run of `experiment`.
    ///
    /// # Errors
    /// [`InheritError`]: no run is there, its search has not ended, or was made with other settings.
    pub fn of(dir: &Path, experiment: &Experiment) -> Result<Inherited, InheritError> {
        let from = RunDir::open(dir)?;
        let run = from.id().to_string();
        let differences: Vec<String> = diff(&from.experiment()?, experiment)
            .into_iter()
            .filter(|(key, ..)| *key != "search.from" && makes_the_search(key))
            .filter(|(key, _, here)| !(PINNED.contains(key) && here == "unset"))
            .map(|(key, there, here)| format!("{key} is {there} there, {here} here"))
            .collect();
        if !differences.is_empty() {
            return Err(InheritError::Differs { run, differences });
        }
        let mut kept = Kept::default();
        Follower::new(&from.events_path()).read_all()?.into_iter().for_each(|record| kept.take(record));
        match kept.terms {
            None => Err(InheritError::NotSearched { run, place: kept.place }),
            Some(terms) if terms.is_empty() => Err(InheritError::NoTerms { run }),
            Some(terms) => {
                let dir = from.path().to_path_buf();
                Ok(Inherited { run, dir, terms, inputs: kept.inputs, events: kept.events })
            }
        }
    }

    /// The files that a run begins with, by their names in its directory: its log so far, what its ranks are made from,
    /// and the checkpoint that says where to go on.
    ///
    /// # Errors
    /// [`InheritError`] where something has no form on disk, which does not happen.
    pub fn files(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, InheritError> {
        let broken = |source| InheritError::Broken { path: FILE.into(), source };
        let file = SearchFile { run: self.run.clone(), dir: self.dir.clone(), terms: self.terms.clone() };
        let search = serde_json::to_vec(&file).map_err(broken)?;
        let time = self.events.last().map_or_else(super::file::timestamp, |last| last.time.clone());
        let program = concat!("autolora ", env!("CARGO_PKG_VERSION")).to_string();
        let schema = Event::Schema { version: SCHEMA, program };
        let dir = self.dir.display().to_string();
        let from = Event::Inherited { phase: Phase::Search, run: self.run.clone(), dir };
        let first = self.events.first().map_or_else(|| time.clone(), |first| first.time.clone());
        let copied = self.events.iter().map(|record| (record.time.clone(), record.event.clone()));
        let all = std::iter::once((first, schema)).chain(copied).chain([(time, from)]);
        let mut log = Vec::new();
        for (seq, (time, event)) in all.enumerate() {
            serde_json::to_writer(&mut log, &Record { seq: seq as u64, time, event }).map_err(broken)?;
            log.push(b'\n');
        }
        let checkpoint = before_allocation(self.inputs.clone());
        let name = Path::new("checkpoints").join(checkpoint.file_name(0));
        Ok(vec![("events.jsonl".into(), log), (FILE.into(), search), (name, checkpoint.to_bytes()?)])
    }
}

/// Whether a run has a copy of the search of another.
pub fn has_copy(dir: &RunDir) -> bool {
    dir.path().join(FILE).is_file()
}

/// What the ranks of a run are made from that took the search of another; `None` where a run searches itself.
///
/// # Errors
/// [`InheritError`] where the file is there and cannot be read.
pub fn terms_of(dir: &RunDir) -> Result<Option<AllTerms>, InheritError> {
    let path = dir.path().join(FILE);
    let text = match regular::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at("cannot read", &path)(error).into()),
    };
    let file: SearchFile = serde_json::from_slice(&text).map_err(|source| InheritError::Broken { path, source })?;
    Ok(Some(file.terms))
}

/// What of a log tells its search, without what a worker that went on did again.
#[derive(Default)]
struct Kept {
    place: Option<Phase>,
    terms: Option<AllTerms>,
    inputs: BTreeMap<String, String>,
    events: Vec<Record>,
}

impl Kept {
    fn take(&mut self, record: Record) {
        match &record.event {
            Event::Resumed { phase, step } if *phase <= Phase::Search => {
                let kept = if *phase < Phase::Search { 0 } else { *step };
                self.events.retain(|known| step_of(&known.event).is_none_or(|step| step <= kept));
                (self.place, self.terms) = (Some(*phase), None);
            }
            Event::Allocated { terms, .. } => self.terms = Some(terms.clone()),
            Event::Inputs { sha256, .. } => self.inputs.clone_from(sha256),
            Event::Phase { phase, .. } => {
                self.place = Some(*phase);
                if *phase == Phase::Search {
                    self.events.push(record);
                }
            }
            Event::Prepared { .. }
                if !self.events.iter().any(|known| matches!(known.event, Event::Prepared { .. })) =>
            {
                self.events.push(record);
            }
            // What its ranks were allocated by.
            Event::Log { phase: Phase::Search, .. } | Event::Allocation { .. } => self.events.push(record),
            event if step_of(event).is_some() => self.events.push(record),
            _ => {}
        }
    }
}

/// The step of a search that an event tells of.
fn step_of(event: &Event) -> Option<usize> {
    match event {
        Event::Step(Step { phase: Phase::Search, step, .. })
        | Event::Selection(Selected { phase: Phase::Search, step, .. })
        | Event::Stable { phase: Phase::Search, step, .. } => Some(*step),
        _ => None,
    }
}

#[cfg(test)]
#[path = "inherit_tests.rs"]
mod tests;
