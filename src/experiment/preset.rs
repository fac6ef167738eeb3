//! Presets by name: the shipped ones inside the program, the saved ones in a folder, and files anywhere.

use super::atomic::write_atomic;
use super::home::{NoHome, presets_folder};
use super::nearest::{nearest, ranked};
use super::parse::{Source, parse_with_files};
use super::preset_error::PresetError;
use super::problem::steers;
use super::regular;
use super::{Experiment, PresetDoc};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The files of `presets/` with these names.
macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/presets/", $name, ".toml")))),+]
    };
}

/// Name and text of every preset in the program.
const SHIPPED: &[(&str, &str)] = shipped![
    "bc2gm",
    "bc5cdr",
    "conll2003",
    "demo",
    "demo-generation",
    "glue-cola",
    "glue-mnli",
    "glue-mrpc",
    "glue-qnli",
    "glue-qqp",
    "glue-rte",
    "glue-sst2",
    "glue-stsb",
    "glue-wnli",
    "gpt2-medium-dart",
    "gpt2-medium-e2e",
    "gpt2-medium-webnlg",
    "jnlpba",
    "ncbi-disease",
    "qwen3-0.6b-messages",
    "smollm2-135m-messages",
];

/// What runs without a network or a file, and is where one begins.
const DEMOS: [&str; 2] = ["demo", "demo-generation"];

/// A preset is read whole; what is larger is something else.
const LARGEST: u64 = 1 << 20;

/// Where a preset comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Inside the program.
    Shipped,
    /// Saved by the user, in this file.
    Saved(PathBuf),
    /// A file that the user named.
    File(PathBuf),
}

/// A preset that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its text and how errors call it.
    pub source: Source,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether a shipped preset of the same name was passed over: the saved one wins.
    pub shadows_shipped: bool,
}

/// One line of the list of presets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name to say.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// The first line of the comment that the preset begins with, or empty.
    pub summary: String,
}

/// The presets that have a name.
#[derive(Clone, Debug)]
pub struct Presets {
    folder: Result<PathBuf, NoHome>,
}

/// Finds PRESET and reads it with `--set` arguments, files looked at: what `run` starts from.
///
/// # Errors
/// [`PresetError`], its [`PresetError::Problems`] with all that is wrong at once.
pub fn resolve(preset: &str, sets: &[String]) -> Result<(Found, Experiment), PresetError> {
    let found = Presets::open().find(preset)?;
    let experiment = parse_with_files(&found.source, sets)?;
    Ok((found, experiment))
}

impl Presets {
    /// The shipped presets and those saved in AutoLoRA's folder; without a folder, the shipped ones.
    pub fn open() -> Presets {
        Presets { folder: presets_folder() }
    }

    /// The shipped presets and those saved in `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Presets {
        Presets { folder: Ok(folder.into()) }
    }

    /// Every preset, the demos first, then by name; a saved one is in the place of the shipped one of the same name.
    pub fn list(&self) -> Vec<Listed> {
        let mut list: Vec<Listed> = SHIPPED
            .iter()
            .map(|(name, text)| Listed { name: name.to_string(), origin: Origin::Shipped, summary: summary(text) })
            .collect();
        let files = self.folder.as_ref().ok().and_then(|folder| fs::read_dir(folder).ok());
        for file in files.into_iter().flatten().flatten() {
            let path = file.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if path.extension().is_none_or(|extension| extension != "toml") || !is_name(name) || !path.is_file() {
                continue;
            }
            let summary = read_source(&path).map(|source| summary(&source.text)).unwrap_or_default();
            list.retain(|listed| listed.name != name);
            list.push(Listed { name: name.into(), origin: Origin::Saved(path.clone()), summary });
        }
        let first = |name: &str| DEMOS.iter().position(|demo| *demo == name).unwrap_or(DEMOS.len());
        list.sort_by(|a, b| first(&a.name).cmp(&first(&b.name)).then_with(|| a.name.cmp(&b.name)));
        list
    }

    /// Whether the program has a preset of this name inside: a saved one hides it.
    pub fn is_shipped(name: &str) -> bool {
        SHIPPED.iter().any(|(shipped, _)| *shipped == name)
    }

    /// PRESET as the command line means it: what looks like a path is a file; a bare name is a saved preset, else a
    /// shipped one, else a file of that name.
    ///
    /// # Errors
    /// [`PresetError`]: not found, not readable, no preset.
    pub fn find(&self, preset: &str) -> Result<Found, PresetError> {
        let path = super::home::expand_tilde(preset);
        let looks_like_file = preset.contains('/') || preset.ends_with(".toml");
        if !looks_like_file && let Some(found) = self.named(preset)? {
            return Ok(found);
        }
        if path.exists() {
            let source = Source { name: preset.into(), ..read_source(&path)? };
            return Ok(Found { source, origin: Origin::File(path), shadows_shipped: false });
        }
        let names: Vec<String> = self.list().into_iter().map(|listed| listed.name).collect();
        let near = ranked(preset.trim_end_matches(".toml"), names.iter().map(String::as_str));
        let help = match (near.as_slice(), looks_like_file) {
            ([], true) => "there is no such file; `autolora preset list` shows the presets that have a name".into(),
            ([], false) => format!("there are: {}", names.join(", ")),
            (near, _) => format!("did you mean {}?", near.join(" or ")),
        };
        Err(PresetError::NotFound { name: preset.into(), help })
    }

    fn named(&self, name: &str) -> Result<Option<Found>, PresetError> {
        let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
        if let Ok(path) = self.path(name)
            && path.exists()
        {
            let source = Source { name: name.into(), ..read_source(&path)? };
            return Ok(Some(Found { source, origin: Origin::Saved(path), shadows_shipped: shipped.is_some() }));
        }
        Ok(shipped.map(|(name, text)| Found {
            source: Source { name: name.to_string(), text: text.to_string(), folder: None },
            origin: Origin::Shipped,
            shadows_shipped: false,
        }))
    }

    /// Opens PRESET for editing.
    ///
    /// # Errors
    /// As [`Presets::find`], and where it is not TOML.
    pub fn load(&self, preset: &str) -> Result<PresetDoc, PresetError> {
        Ok(PresetDoc::open(&self.find(preset)?.source)?)
    }

    /// Saves under a name, over the saved preset of that name; relative paths become absolute where they start elsewhere.
    ///
    /// # Errors
    /// [`PresetError`]: a bad name, no folder, not writable. What was saved before is then as it was.
    pub fn save(&self, name: &str, preset: &PresetDoc) -> Result<PathBuf, PresetError> {
        let path = self.path(name)?;
        let mut preset = preset.clone();
        if preset.folder.as_deref() != path.parent() {
            preset.anchor();
        }
        write_atomic(&path, preset.text().as_bytes()).map_err(|error| PresetError::Write {
            action: "save the preset as",
            path: path.clone(),
            error,
        })?;
        Ok(path)
    }

    /// Saves under a name that no saved preset has yet.
    ///
    /// # Errors
    /// As [`Presets::save`], and [`PresetError::Exists`].
    pub fn create(&self, name: &str, preset: &PresetDoc) -> Result<PathBuf, PresetError> {
        if self.path(name)?.exists() {
            return Err(PresetError::Exists { name: name.into() });
        }
        self.save(name, preset)
    }

    /// Deletes a saved preset.
    ///
    /// # Errors
    /// [`PresetError`]: no such saved preset, or the file system says no.
    pub fn delete(&self, name: &str) -> Result<(), PresetError> {
        let path = self.saved(name)?;
        fs::remove_file(&path).map_err(|error| PresetError::Write { action: "delete", path, error })
    }

    /// Gives a saved preset another name.
    ///
    /// # Errors
    /// [`PresetError`]: no such saved preset, the new name bad or taken, or the file system says no.
    pub fn rename(&self, name: &str, new: &str) -> Result<PathBuf, PresetError> {
        let (from, to) = (self.saved(name)?, self.path(new)?);
        if to.exists() {
            return Err(PresetError::Exists { name: new.into() });
        }
        fs::rename(&from, &to).map_err(|error| PresetError::Write { action: "rename", path: from, error })?;
        Ok(to)
    }

    /// The file of a saved preset that exists.
    fn saved(&self, name: &str) -> Result<PathBuf, PresetError> {
        let path = self.path(name)?;
        if path.exists() {
            return Ok(path);
        }
        let help = match self.find(name) {
            Ok(Found { origin: Origin::Shipped, .. }) => return Err(PresetError::Shipped { name: name.into() }),
            Ok(_) => "it is a file, not a saved preset".to_owned(),
            Err(PresetError::NotFound { .. }) => self.saved_names(name),
            Err(error) => return Err(error),
        };
        Err(PresetError::NotFound { name: name.into(), help })
    }

    /// Which saved presets may be meant: the shipped ones are not the user's to change.
    fn saved_names(&self, name: &str) -> String {
        let saved = self.list().into_iter().filter(|listed| matches!(listed.origin, Origin::Saved(_)));
        let names: Vec<String> = saved.map(|listed| listed.name).collect();
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => "no preset is saved yet; autolora preset new NAME saves one".into(),
            None => format!("saved presets are: {}", names.join(", ")),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, PresetError> {
        if !is_name(name) {
            return Err(PresetError::BadName { name: name.into() });
        }
        Ok(self.folder.clone()?.join(format!("{name}.toml")))
    }
}

/// Whether a text can be a preset's name: a file name on every system, and never a path or an option.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.ends_with(".toml")
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The first line of the comment that a text begins with.
fn summary(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    first.strip_prefix('#').unwrap_or_default().trim().chars().filter(|c| !steers(*c)).collect()
}

/// Reads a preset's file.
///
/// # Errors
/// [`PresetError::Read`], and [`PresetError::NotAPreset`] for what is too large or not UTF-8.
pub fn read_source(path: &Path) -> Result<Source, PresetError> {
    let no_preset = |why: String| PresetError::NotAPreset { path: path.into(), why };
    let mut bytes = Vec::new();
    regular::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(|error| match error
        .kind()
    {
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => no_preset(error.to_string()),
        _ => PresetError::Read { path: path.into(), error },
    })?;
    if bytes.len() as u64 > LARGEST {
        return Err(no_preset(format!("it is larger than {} KiB", LARGEST / 1024)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        no_preset(format!("line {line} is not UTF-8 text"))
    })?;
    Ok(Source { name: path.display().to_string(), text, folder: path.parent().map(Path::to_path_buf) })
}
