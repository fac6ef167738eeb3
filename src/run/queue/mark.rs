//! A file that says who waits or works, and holds true as long as its process keeps it locked.

use crate::experiment::regular;
use crate::run::file::FileError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Who waits or works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Id and name of the run.
    pub run: String,
    pub name: String,
    pub dir: PathBuf,
    pub pid: u32,
    /// RFC 3339, UTC: since when it waits, or works.
    pub since: String,
    /// The devices that it may take, or the one that it has.
    pub devices: Vec<String>,
}

impl Entry {
    /// One process, one file: a copy of a run's folder has the same id.
    pub(super) fn file_name(&self) -> String {
        format!("{}.{}", file_name(&self.run), self.pid)
    }
}

/// A word as the name of a file.
pub(super) fn file_name(word: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    match word.chars().map(safe).collect::<String>() {
        name if name.starts_with('.') => format!("_{name}"),
        name => name,
    }
}

/// A file of this process, locked; gone when dropped.
#[derive(Debug)]
pub struct Mark {
    /// Holds the lock.
    _file: File,
    folder: PathBuf,
    /// What the name ends with: others may put an order before it.
    name: String,
}

impl Mark {
    /// Makes it under a hidden name, locked and whole before anyone sees it.
    pub(super) fn make(folder: &Path, name: &str, entry: &Entry) -> Result<Mark, FileError> {
        fs::create_dir_all(folder).map_err(FileError::at("cannot make", folder))?;
        let (hidden, path) = (folder.join(format!(".new-{name}")), folder.join(name));
        let made = OpenOptions::new().create(true).truncate(true).write(true).open(&hidden).and_then(|mut file| {
            file.try_lock().map_err(std::io::Error::from)?;
            file.write_all(&serde_json::to_vec(entry)?)?;
            fs::rename(&hidden, &path)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Mark { _file: file, folder: folder.into(), name: entry.file_name() }),
            Err(error) => {
                // Hidden, so that nobody reads it where it stays.
                let _ = fs::remove_file(&hidden);
                Err(FileError::at("cannot write", &path)(error))
            }
        }
    }

    /// Whether a file is this one, whatever order it was given.
    pub(super) fn is(&self, name: &str) -> bool {
        name == self.name || name.strip_suffix(&self.name).is_some_and(|order| order.ends_with('-'))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in names.filter(|entry| entry.file_name().to_str().is_some_and(|name| self.is(name))) {
            // Where it stays, it is a file that nobody holds, and the next who looks removes it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file whose process is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Present {
    pub path: PathBuf,
    pub entry: Entry,
}

impl Present {
    /// Those of a folder by name. Removes what nobody holds, so the caller has the right to change the queue.
    pub fn in_folder(folder: &Path) -> Result<Vec<Present>, FileError> {
        let present = |path: PathBuf| match is_held(&path) {
            Some(true) => Present::read(path),
            Some(false) => {
                if let Err(error) = fs::remove_file(&path) {
                    tracing::warn!("cannot remove {}: {error}", path.display());
                }
                None
            }
            None => None,
        };
        Ok(paths(folder)?.into_iter().filter_map(present).collect())
    }

    /// Those of a folder by name, and nothing changed.
    pub fn seen_in(folder: &Path) -> Result<Vec<Present>, FileError> {
        // One that is being made is not to be touched: a look is a lock.
        let visible = paths(folder)?.into_iter().filter(|path| !is_hidden(path));
        Ok(visible.filter(|path| is_held(path) == Some(true)).filter_map(Present::read).collect())
    }

    fn read(path: PathBuf) -> Option<Present> {
        let entry = serde_json::from_slice(&regular::read(&path).ok()?).ok()?;
        (!is_hidden(&path)).then_some(Present { path, entry })
    }

    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Of a ticket: its number in the order.
    pub fn order(&self) -> u64 {
        self.name().split_once('-').and_then(|(order, _)| order.parse().ok()).unwrap_or(0)
    }
}

/// The files of a folder by name; none where it is not there.
fn paths(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::at("cannot read", folder)(error)),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether a process keeps the file locked; `None` where that cannot be told or the file is gone.
fn is_held(path: &Path) -> Option<bool> {
    // Shared: those who look do not see each other.
    match regular::open(path).ok()?.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}
