//! A home of its own for a run that is only tried, and that goes with it.

use crate::experiment::home::{NoHome, home};
use crate::run::file::FileError;
use crate::run::lock::hostname;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::path::{Path, PathBuf};

/// Names of such folders: `.preflight-{pid}-{host}`.
const PREFIX: &str = ".preflight-";

/// A hidden folder in AutoLoRA's home, removed when this is dropped. Where a process is killed before it can, the next
/// one removes what it left.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// A home that was not there before, to be taken away again.
    made: Option<PathBuf>,
}

/// The folder cannot be had: where no file can be made, no run can be.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error(transparent)]
    NoHome(#[from] NoHome),
    #[error(transparent)]
    File(#[from] FileError),
}

impl Scratch {
    /// Makes it, and takes away what killed ones of this machine left.
    ///
    /// # Errors
    /// [`ScratchError`]: no home, or the disk refuses.
    pub fn make() -> Result<Scratch, ScratchError> {
        Ok(Scratch::make_in(&home()?)?)
    }

    /// Takes away what killed ones of this machine left in the user's home.
    pub fn clear_abandoned() {
        if let Ok(home) = home() {
            clear(&home);
        }
    }

    fn make_in(home: &Path) -> Result<Scratch, FileError> {
        clear(home);
        let made = (!home.exists()).then(|| home.to_owned());
        let path = home.join(format!("{PREFIX}{}-{}", std::process::id(), hostname()));
        fs::create_dir_all(&path).map_err(FileError::at("cannot make", &path))?;
        Ok(Scratch { path, made })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder, as dropping it does; for a handler of signals, which has only the path.
    pub fn remove(path: &Path) {
        // A file may be made while the folder is being emptied.
        for _ in 0..3 {
            if fs::remove_dir_all(path).is_ok() {
                return;
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        Scratch::remove(&self.path);
        if let Some(home) = &self.made {
            // Something else may have come into it: then it stays.
            let _ = fs::remove_dir(home);
        }
    }
}

/// Removes the folders of processes of this machine that are not there any more.
fn clear(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some((pid, _)) = owner.filter(|(_, host)| *host == hostname()) else { continue };
        let pid = pid.parse().ok().and_then(Pid::from_raw);
        if pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            Scratch::remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_it_nor_of_a_killed_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        drop(Scratch::make_in(&home).unwrap());
        assert!(!home.exists(), "the home was not there before");

        let (killed, elsewhere) = (format!(".preflight-{}-{}", i32::MAX, hostname()), ".preflight-1-another.host");
        fs::create_dir_all(home.join(&killed).join("runs")).unwrap();
        fs::create_dir_all(home.join(elsewhere)).unwrap();
        let scratch = Scratch::make_in(&home).unwrap();
        assert!(scratch.path().is_dir() && !home.join(&killed).exists() && home.join(elsewhere).exists());
        drop(scratch);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    }
}
