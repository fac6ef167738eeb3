//! Writing that survives a crash: whole or not at all.

use crate::experiment::atomic::write_atomic;
pub(crate) use crate::experiment::atomic::write_synced;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of a run could not be read or written; says which and why.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk, the quota or a limit of the shell (`ulimit -f`) leaves no space.
    #[error("no space left to write {}; free some and try again", path.display())]
    Full { path: PathBuf },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl FileError {
    /// Turns an error of the system into ours; `doing` completes "... PATH: reason", e.g. "cannot read".
    pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                FileError::Full { path: path.into() }
            }
            _ => FileError::Io { doing, path: path.into(), source },
        }
    }

    /// Whether the file or folder is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// [`write_atomic`] with our errors.
///
/// # Errors
/// [`FileError`]; the temporary file is gone then, and a file that was there before is as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic(path, bytes).map_err(FileError::at("cannot write", path))
}

/// Locks a file, and waits so long at most for who has it: where all hold it for moments only, everyone's turn comes.
///
/// # Errors
/// [`TryLockError::WouldBlock`] where somebody has it still, [`TryLockError::Error`] where it cannot be locked.
pub fn lock_within(file: &File, patience: Duration) -> Result<(), TryLockError> {
    const LOOK: Duration = Duration::from_millis(5);
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => std::thread::sleep(LOOK),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            locked => return locked,
        }
    }
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
/// [`FileError`] where the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::at("cannot sync", folder))
}

/// Now, as events and `run.json` write times: RFC 3339, UTC, milliseconds.
pub fn timestamp() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_as_such() {
        let error = FileError::at("cannot write", Path::new("/x"))(io::Error::from_raw_os_error(28));
        assert!(matches!(error, FileError::Full { .. }));
    }

    #[test]
    fn times_have_milliseconds_and_utc() {
        let time = timestamp();
        assert_eq!(time.len(), "2026-11-23T20:33:12.123Z".len());
        assert!(time.ends_with('Z'));
    }
}
