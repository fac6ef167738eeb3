//! The directory that is a run: which file is what, and who it is.

use super::file::{FileError, write_atomically};
use crate::experiment::{Experiment, regular};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Who a run is: `run.json`, written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Date, time and a fraction of the second of its making, UTC: sorts by age.
    pub id: String,
    /// What the user calls it; several runs may share a name.
    pub name: String,
    /// The run that this one goes on from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// RFC 3339, UTC.
    pub created: String,
    /// Version of the program that made it.
    pub version: String,
}

/// A run on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
    info: RunInfo,
    damage: Option<String>,
}

/// The folder of the adapter in a run's directory.
pub fn adapter_in(run: &Path) -> PathBuf {
    run.join("adapter")
}

impl RunDir {
    /// Whether a folder is a run's.
    pub fn is_at(path: &Path) -> bool {
        path.join("run.json").is_file()
    }

    /// The run in a directory. One whose `run.json` cannot be read is still a run: it is called by its folder, see
    /// [`RunDir::damage`].
    ///
    /// # Errors
    /// [`DirError::NotARun`] where there is nothing of a run, [`FileError`] where the disk refuses.
    pub fn open(path: &Path) -> Result<RunDir, DirError> {
        // A worker is told the directory by any relative path; its files must stay where they are.
        let path = std::path::absolute(path).map_err(FileError::at("cannot find", path))?;
        let reason = match regular::read_to_string(&path.join("run.json")) {
            Ok(text) if text.trim().is_empty() => "run.json is empty".to_owned(),
            Ok(text) => match serde_json::from_str::<RunInfo>(&text) {
                Ok(info) => {
                    let info = RunInfo { id: id_of(&path).unwrap_or(info.id), ..info };
                    return Ok(RunDir { path, info, damage: None });
                }
                Err(error) => format!("run.json is broken: {error}"),
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                let reason = "it has no run.json".to_owned();
                if !["experiment.toml", "events.jsonl"].iter().any(|name| path.join(name).is_file()) {
                    return Err(DirError::NotARun { path, reason });
                }
                reason
            }
            Err(error) => format!("run.json cannot be read: {error}"),
        };
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let created = made_at(&id).unwrap_or_default();
        let info = RunInfo { name: id.clone(), id, parent: None, created, version: String::new() };
        Ok(RunDir { path, info, damage: Some(reason) })
    }

    pub(super) fn new(path: PathBuf, info: RunInfo) -> RunDir {
        RunDir { path, info, damage: None }
    }

    /// What is wrong with its `run.json`; its name and its parent are not known then.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who it is.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Short for `info().id`.
    pub fn id(&self) -> &str {
        &self.info.id
    }

    /// `experiment.toml`: every setting, resolved.
    pub fn experiment_path(&self) -> PathBuf {
        self.path.join("experiment.toml")
    }

    /// `preset.toml`: what the user said, comments and all.
    pub fn preset_path(&self) -> PathBuf {
        self.path.join("preset.toml")
    }

    /// `events.jsonl`: the truth about the run.
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// `control.jsonl`: what viewers ask of the worker.
    pub fn control_path(&self) -> PathBuf {
        self.path.join("control.jsonl")
    }

    /// `notes.json`: what the user keeps about the run.
    pub fn notes_path(&self) -> PathBuf {
        self.path.join("notes.json")
    }

    /// `notes.lock`: held for the moment in which the notes are changed.
    pub fn notes_lock_path(&self) -> PathBuf {
        self.path.join("notes.lock")
    }

    /// `lock`: held by the worker, and names it.
    pub fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// `heartbeat`: touched by the worker every 10 s.
    pub fn heartbeat_path(&self) -> PathBuf {
        self.path.join("heartbeat")
    }

    /// `checkpoints/`.
    pub fn checkpoints_path(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `adapter/`: what PEFT loads.
    pub fn adapter_path(&self) -> PathBuf {
        adapter_in(&self.path)
    }

    /// `predictions.jsonl`: what the run's model said of every held-out row; `further`: of a further set of that name.
    pub fn predictions_path(&self, further: Option<&str>) -> PathBuf {
        self.path.join(further.map_or("predictions.jsonl".into(), |set| format!("predictions-{set}.jsonl")))
    }

    /// `worker.log`: what the worker's code says, for people.
    pub fn worker_log_path(&self) -> PathBuf {
        self.path.join("worker.log")
    }

    /// The settings of the run.
    ///
    /// # Errors
    /// [`DirError::Experiment`] where the file does not hold an experiment, with the line.
    pub fn experiment(&self) -> Result<Experiment, DirError> {
        let path = self.experiment_path();
        let text = regular::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
        toml::from_str(&text).map_err(|source| DirError::Experiment { path, source: Box::new(source) })
    }

    /// Replaces the settings of the run, e.g. once revisions are resolved to commits.
    ///
    /// # Errors
    /// [`FileError`]; the old file stays then.
    pub fn write_experiment(&self, experiment: &Experiment) -> Result<(), FileError> {
        write_atomically(&self.experiment_path(), crate::experiment::resolved_toml(experiment).as_bytes())
    }

    /// Bytes of everything in the directory.
    pub fn size(&self) -> u64 {
        size_of(&self.path)
    }
}

/// A run is its directory: of two that say the same of themselves, one is a copy, and goes by the name of its folder.
fn id_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str().filter(|name| !name.starts_with('.')).map(String::from)
}

/// The time in an id, RFC 3339.
fn made_at(id: &str) -> Option<String> {
    let (date, time) = (id.get(..8)?, id.get(9..15)?);
    let made = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("{date}{time}")).ok()?;
    Some(format!("{made}Z"))
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A directory is not a run that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    #[error("{} is not a run: {reason}", path.display())]
    NotARun { path: PathBuf, reason: String },
    #[error("{} does not hold an experiment: {source}", path.display())]
    Experiment { path: PathBuf, source: Box<toml::de::Error> },
    #[error(transparent)]
    File(#[from] FileError),
}
