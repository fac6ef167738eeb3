//! What a run learned, for others: an adapter in PEFT's format, a merged model, or the ranks alone. Whatever is written is
//! read back from the disk and compared with the run before it takes its name.

pub mod base;
pub mod card;
pub mod facts;
pub mod learned;
pub mod merged;
pub mod passport;
pub mod readback;

pub use facts::Facts;
pub use learned::{Learned, Scale};
pub use merged::merged;
pub use passport::{Entry, Verdict};
pub use readback::Readback;

use crate::experiment::Task;
use crate::experiment::atomic::write_folder;
use crate::model::{ModelError, SourceError, builtin};
use crate::run::adapter::{self, AdapterError, LoraConfig};
use crate::run::directory::{DirError, RunDir};
use crate::run::file::FileError;
use crate::run::view::State;
use candle_core::Tensor;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The sidecar: facts of the run and of the export, and the mark of a folder that an export may replace.
pub const SIDECAR: &str = "autolora.json";

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("run {run} is {}: it has no adapter yet", state.name())]
    NotYet { run: String, state: State },
    #[error("{file} is not what the run wrote: {problem}")]
    Changed { file: String, problem: String },
    #[error("{} holds something else than an earlier export: {}", folder.display(), found.join(", "))]
    Occupied { folder: PathBuf, found: Vec<String> },
    #[error("{} is inside of a run, whose only weights and log are there; choose a folder elsewhere", .0.display())]
    InsideRun(PathBuf),
    #[error("{} holds another export ({found}), which would be lost; remove it, or choose another folder", folder.display())]
    OtherExport { folder: PathBuf, found: String },
    #[error(
        "{model} is not what it was when the run was trained (SHA-256 differs): merged, it would be another model; restore its files"
    )]
    OtherBase { model: String },
    #[error("{} is a file; an export is a folder", .0.display())]
    IsFile(PathBuf),
    #[error("{} was written and does not hold what the run learned: {fault}", folder.display())]
    Mismatch { folder: PathBuf, fault: String },
    #[error("the folder could not be written: {0}")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Tensors(#[from] candle_core::Error),
    #[error("tensors cannot be stored: {0}")]
    Store(#[from] safetensors::SafeTensorError),
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Exported {
    pub folder: PathBuf,
    /// Names below the folder, sorted.
    pub files: Vec<String>,
    /// None where no weights were written.
    pub readback: Option<Readback>,
    /// Empty where no weights were written.
    pub passport: Vec<Entry>,
}

/// Writes an adapter for PEFT: `adapter_config.json`, `adapter_model.safetensors`, `README.md`, `autolora.json`,
/// `passport.json`, and for a built-in model `base/`, which nobody could fetch.
///
/// # Errors
/// [`ExportError::Occupied`] where `folder` holds anything else than an earlier export. [`ExportError::Mismatch`] where what
/// was read back is not what the run learned: the folder stays for a look.
pub fn peft(learned: &Learned, scale: Scale, folder: &Path) -> Result<Exported, ExportError> {
    check_free(learned, "peft", folder)?;
    write_peft(learned, scale, folder)
}

/// [`peft`] for the run's own `adapter/`, replacing what is there.
///
/// # Errors
/// As [`peft`].
pub fn of_run(learned: &Learned, dir: &RunDir) -> Result<Exported, ExportError> {
    write_peft(learned, Scale::Native, &dir.adapter_path())
}

fn write_peft(learned: &Learned, scale: Scale, folder: &Path) -> Result<Exported, ExportError> {
    let config = learned.config(scale);
    let encoder = learned.facts.experiment.data.task != Task::Generation;
    let passport = passport::of_adapter(&config, encoder);
    write(learned, folder, json!({"format": "peft", "scale": scale.name()}), passport, |at, passport| {
        write_json(at, adapter::CONFIG, &config.to_json())?;
        let prefixed = |(name, tensor)| (format!("{}{name}", adapter::PREFIX), tensor);
        let tensors = learned.tensors(scale)?.into_iter().map(prefixed).collect();
        write_tensors(&at.join(adapter::TENSORS), tensors)?;
        if let Some(files) = builtin::find(&learned.facts.experiment.model.id) {
            base::write_builtin(&files, &at.join("base"))?;
        }
        let readback = readback::of_adapter(at, learned, scale == Scale::Folded)?;
        fs::write(at.join("README.md"), card::text(learned, card::Of::Adapter(scale), &readback, passport))?;
        write_json(at, "passport.json", &passport::to_json(passport))?;
        Ok(Some(readback))
    })
}

/// Writes what another training needs to start from the ranks: PEFT's configuration, ready to train, and `ranks.json`.
///
/// # Errors
/// As [`peft`].
pub fn config(learned: &Learned, folder: &Path) -> Result<Exported, ExportError> {
    check_free(learned, "config", folder)?;
    let config = LoraConfig { inference_mode: false, ..learned.config(Scale::Native) };
    write(learned, folder, json!({"format": "config"}), Vec::new(), |at, _| {
        write_json(at, adapter::CONFIG, &config.to_json())?;
        write_json(at, "ranks.json", &learned.facts.to_json()["ranks"])?;
        Ok(None)
    })
}

/// Writes a folder of what `fill` writes, with the sidecar beside it.
fn write(
    learned: &Learned,
    folder: &Path,
    mut said: Value,
    passport: Vec<Entry>,
    fill: impl FnOnce(&Path, &[Entry]) -> Result<Option<Readback>, ExportError>,
) -> Result<Exported, ExportError> {
    let (mut files, mut readback) = (Vec::new(), None);
    write_folder(folder, |at| {
        readback = fill(at, &passport)?;
        files = files_below(at, "")?;
        files.push(SIDECAR.into());
        files.sort_unstable();
        said["files"] = json!(files);
        said["program"] = json!(concat!("autolora ", env!("CARGO_PKG_VERSION")));
        let mut sidecar = learned.facts.to_json();
        sidecar["export"] = said;
        sidecar["readback"] = readback.as_ref().map_or(Value::Null, Readback::to_json);
        Ok(write_json(at, SIDECAR, &sidecar)?)
    })
    .map_err(|error| match error {
        ExportError::Folder(source) => FileError::at("cannot write", folder)(source).into(),
        other => other,
    })?;
    match readback.as_ref().and_then(Readback::fault) {
        Some(fault) => Err(ExportError::Mismatch { folder: folder.into(), fault }),
        None => Ok(Exported { folder: folder.into(), files, readback, passport }),
    }
}

/// Whether an export may be written to `folder`: it is not there, empty, or holds an earlier export of the same run in the
/// same format and nothing else, and is not inside of a run.
fn check_free(learned: &Learned, format: &str, folder: &Path) -> Result<(), ExportError> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let resolved = absolute.ancestors().find_map(|at| at.canonicalize().ok());
    if resolved.is_some_and(|at| at.ancestors().any(RunDir::is_at)) {
        return Err(ExportError::InsideRun(folder.into()));
    }
    if !folder.exists() {
        return Ok(());
    }
    if !folder.is_dir() {
        return Err(ExportError::IsFile(folder.into()));
    }
    let present = files_below(folder, "").map_err(FileError::at("cannot read", folder))?;
    let sidecar = fs::read(folder.join(SIDECAR)).unwrap_or_default();
    let sidecar: Value = serde_json::from_slice(&sidecar).unwrap_or_default();
    let ours = sidecar["export"]["files"].as_array();
    let ours: Vec<&str> = ours.into_iter().flatten().filter_map(Value::as_str).collect();
    const MOST: usize = 5;
    let found: Vec<String> = present.into_iter().filter(|name| !ours.contains(&name.as_str())).take(MOST).collect();
    if !found.is_empty() {
        return Err(ExportError::Occupied { folder: folder.into(), found });
    }
    let (run, before) = (sidecar["run"]["id"].as_str(), sidecar["export"]["format"].as_str());
    match (run, before) {
        (Some(run), Some(before)) if run != learned.facts.id || before != format => {
            Err(ExportError::OtherExport { folder: folder.into(), found: format!("{before} of run {run}") })
        }
        _ => Ok(()),
    }
}

/// The files below a folder, by their names from there.
fn files_below(folder: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => names.extend(files_below(&entry.path(), &format!("{name}/"))?),
            false => names.push(name),
        }
    }
    Ok(names)
}

fn write_json(folder: &Path, name: &str, value: &Value) -> io::Result<()> {
    fs::write(folder.join(name), format!("{value:#}\n"))
}

/// A safetensors file that says, as PyTorch's do, whose layout it has.
fn write_tensors(path: &Path, tensors: Vec<(String, Tensor)>) -> Result<(), ExportError> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    // The library makes files for their owner alone; those of an export are as readable as any other.
    let permissions = fs::File::create(path)?.metadata()?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), path)?;
    Ok(fs::set_permissions(path, permissions)?)
}

#[cfg(test)]
mod tests;
