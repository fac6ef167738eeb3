//! One worker a run: an advisory lock that the kernel frees when its holder dies, however it dies.

use super::file::{FileError, lock_within, timestamp};
use crate::experiment::regular;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A viewer that looks at the lock holds it, shared, for a moment; a worker that starts then tries again for so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who holds a lock: the content of the lock file. It says nothing once the lock is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    pub pid: u32,
    /// `/proc/sys/kernel/random/boot_id`; empty where the system has none.
    pub boot_id: String,
    /// RFC 3339, UTC.
    pub since: String,
}

impl Holder {
    /// This process, from now on.
    pub fn this_process() -> Holder {
        Holder { host: hostname(), pid: std::process::id(), boot_id: boot_id(), since: timestamp() }
    }

    /// Whether the holder ran on this machine, in this boot or an earlier one.
    pub fn is_here(&self) -> bool {
        self.host == hostname()
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

/// Name of this machine.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or(String::new(), |id| id.trim().into())
}

/// The lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone else has it.
    #[error("{} is at work on this run", holder.as_ref().map_or("another worker".into(), ToString::to_string))]
    Held { holder: Option<Holder> },
    #[error(transparent)]
    File(#[from] FileError),
}

/// The lock of a run, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock. The file names nobody yet, see [`Lock::sign`].
    ///
    /// # Errors
    /// [`LockError::Held`] where another process keeps it for longer than a look takes.
    pub fn acquire(path: &Path) -> Result<Lock, LockError> {
        let open = |path| OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path);
        let file = open(path).map_err(FileError::at("cannot open", path))?;
        lock_within(&file, PATIENCE).map_err(|error| match error {
            TryLockError::WouldBlock => LockError::Held { holder: read_holder(path) },
            TryLockError::Error(error) => FileError::at("cannot lock", path)(error).into(),
        })?;
        // What a former holder wrote must not pass for the new one.
        file.set_len(0).map_err(FileError::at("cannot write", path))?;
        Ok(Lock { file, path: path.into() })
    }

    /// Writes into the lock file that this process holds it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn sign(&mut self) -> Result<Holder, FileError> {
        let holder = Holder::this_process();
        let text = serde_json::to_vec(&holder).map_err(|e| FileError::at("cannot write", &self.path)(e.into()))?;
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(&text))
            .map_err(FileError::at("cannot write", &self.path))?;
        Ok(holder)
    }
}

/// What a look at the lock of a run shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nobody holds it; `last` held it last, if anyone did and said so.
    Free { last: Option<Holder> },
    /// Held; the holder is unknown for the first moments.
    Held { holder: Option<Holder> },
}

/// Looks at a lock without keeping it: shared, so that viewers do not see each other, and at once released.
///
/// # Errors
/// [`FileError`] where the file is there and cannot be opened or locked.
pub fn probe(path: &Path) -> Result<Probe, FileError> {
    let file = match regular::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Probe::Free { last: None }),
        Err(error) => return Err(FileError::at("cannot open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let last = read_holder(path);
            drop(file);
            Ok(Probe::Free { last })
        }
        Err(TryLockError::WouldBlock) => Ok(Probe::Held { holder: read_holder(path) }),
        Err(TryLockError::Error(error)) => Err(FileError::at("cannot look at the lock", path)(error)),
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    regular::open(path).and_then(|mut file| file.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_second_worker_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut lock = Lock::acquire(&path).unwrap();
        assert_eq!(probe(&path).unwrap(), Probe::Held { holder: None });
        let holder = lock.sign().unwrap();
        assert_eq!(probe(&path).unwrap(), Probe::Held { holder: Some(holder.clone()) });
        let error = Lock::acquire(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        assert_eq!(probe(&path).unwrap(), Probe::Free { last: Some(holder) });
    }

    #[test]
    fn a_lock_is_free_before_anyone_took_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(probe(&folder.path().join("lock")).unwrap(), Probe::Free { last: None });
    }

    #[test]
    fn viewers_that_keep_looking_never_stop_a_worker_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        drop(Lock::acquire(&path).unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        probe(&path).unwrap();
                        std::thread::sleep(Duration::from_micros(200));
                    }
                });
            }
            let taken: Vec<bool> = (0..50).map(|_| Lock::acquire(&path).is_ok()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(taken.iter().all(|ok| *ok));
        });
    }
}
