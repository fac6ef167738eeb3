//! Presets from files and to files, and what one says that another does not.

use super::atomic::write_atomic;
use super::files::near_name;
use super::preset::read_source;
use super::{Experiment, Place, PresetDoc, PresetError, Presets, Problem, Problems, check, check_files, diff, read};
use std::path::{Path, PathBuf};

/// A preset that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    pub name: String,
    /// Where it is kept.
    pub path: PathBuf,
    /// What it lacks before it can be run here: settings that are not said, files that are not there.
    pub lacks: Vec<Problem>,
}

/// The settings in which two experiments differ: (key, in the first, in the second), in the order of the registry.
pub type Difference = Vec<(&'static str, String, String)>;

impl Presets {
    /// Saves the preset of a file under `name`, or under the file's own name without its ending, comments and order kept. A saved
    /// one that is a link stays one: what it names is replaced, as saving from the form does.
    ///
    /// # Errors
    /// [`PresetError`]: not readable, wrong ([`PresetError::Problems`], all of them), a bad name, or one that a saved preset
    /// has and `replace` does not allow. Nothing is saved then.
    pub fn import(&self, file: &Path, name: Option<&str>, replace: bool) -> Result<Imported, PresetError> {
        let source = read_source(file).map_err(|error| match error {
            PresetError::Read { path, error } if error.kind() == std::io::ErrorKind::NotFound => {
                let near = std::path::absolute(&path).ok().and_then(|path| near_name(&path));
                let help = near.unwrap_or_else(|| "there is no such file".into());
                PresetError::NotFound { name: path.display().to_string(), help }
            }
            error => error,
        })?;
        // A wrong value is not taken in. What is missing may be said later, and files may come.
        let (lacks, wrong): (Vec<_>, Vec<_>) =
            read(&source, &[], &[check]).problems.into_iter().partition(|problem| problem.place == Place::Unsaid);
        let all = read(&source, &[], &[check, check_files]).problems;
        if !wrong.is_empty() {
            // Then all that `preset check` tells: who mends it mends it once.
            return Err(Problems::new(&source.name, &source.text, all).into());
        }
        let doc = PresetDoc::open(&source)?;
        let files = all.into_iter().filter(|problem| !lacks.contains(problem));
        let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = name.map(String::from).or_else(stem).unwrap_or_default();
        let lacks = lacks.iter().cloned().chain(files).collect();
        let path = if replace { self.save(&name, &doc)? } else { self.create(&name, &doc)? };
        Ok(Imported { name, path, lacks })
    }

    /// Writes a preset into a file, to the byte as it is kept.
    ///
    /// # Errors
    /// [`PresetError`]: no such preset, not writable, or there is a file and `replace` does not allow to write over it.
    pub fn export(&self, preset: &str, file: &Path, replace: bool) -> Result<(), PresetError> {
        let found = self.find(preset)?;
        if file.is_dir() {
            let error = std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder");
            return Err(PresetError::Write { action: "write", path: file.into(), error });
        }
        if file.exists() && !replace {
            return Err(PresetError::FileExists { path: file.into() });
        }
        write_atomic(file, found.source.text.as_bytes()).map_err(|error| PresetError::Write {
            action: "write",
            path: file.into(),
            error,
        })
    }

    /// From the defaults to a preset, or from the preset to `other`. What is wrong in a preset counts as not said.
    ///
    /// # Errors
    /// As [`Presets::find`], and where a text is not TOML.
    pub fn difference(&self, preset: &str, other: Option<&str>) -> Result<Difference, PresetError> {
        let of = |name: &str| -> Result<Experiment, PresetError> {
            let doc = self.load(name)?;
            Ok(read(&doc.source(), &[], &[]).experiment)
        };
        let preset = of(preset)?;
        Ok(match other {
            Some(other) => diff(&preset, &of(other)?),
            None => diff(&Experiment::default(), &preset),
        })
    }
}

/// The same of a preset that is being edited, against the defaults.
pub fn difference_of(doc: &PresetDoc) -> Difference {
    diff(&Experiment::default(), &read(&doc.source(), &[], &[]).experiment)
}
