//! What viewers ask of a worker: `control.jsonl`, one request a line.

use super::file::{FileError, timestamp};
use crate::experiment::{AllocationSettings, Budget, Rule, regular};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A wish that a worker ends: it makes a checkpoint first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// End as `paused`.
    Pause,
    /// End as `stopped`.
    Stop { reason: String },
}

/// What a line asks.
#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Asked {
    Pause,
    Stop { reason: String },
    Allocation { rule: Rule, threshold: Option<f64>, budget: Option<Budget> },
}

#[derive(Serialize)]
struct Line {
    time: String,
    #[serde(flatten)]
    asked: Asked,
}

/// Asks the worker of a run to end.
///
/// # Errors
/// [`FileError`].
pub fn ask(path: &Path, request: &Request) -> Result<(), FileError> {
    let asked = match request.clone() {
        Request::Pause => Asked::Pause,
        Request::Stop { reason } => Asked::Stop { reason },
    };
    write(path, asked)
}

/// Asks the worker of a run to allocate by another rule, where that is still to come.
///
/// # Errors
/// [`FileError`].
pub fn ask_allocation(path: &Path, choice: &AllocationSettings) -> Result<(), FileError> {
    let &AllocationSettings { rule, threshold, budget } = choice;
    write(path, Asked::Allocation { rule, threshold, budget })
}

fn write(path: &Path, asked: Asked) -> Result<(), FileError> {
    let error = || FileError::at("cannot write", path);
    let mut line = serde_json::to_vec(&Line { time: timestamp(), asked }).map_err(|e| error()(e.into()))?;
    line.push(b'\n');
    OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(&line)).map_err(error())
}

/// The worker's ear.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    /// Bytes that are read.
    seen: u64,
    /// The strongest request so far.
    request: Option<Request>,
    /// The last choice of an allocation that is not taken.
    allocation: Option<AllocationSettings>,
}

impl Control {
    /// Forgets what was asked of an earlier worker. To be called with the lock held and before it is signed: whoever
    /// asks a worker whose name is in the lock file is heard.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn clear(path: &Path) -> Result<Control, FileError> {
        File::create(path).map_err(FileError::at("cannot clear", path))?;
        Ok(Control { path: path.into(), seen: 0, request: None, allocation: None })
    }

    /// The end that is asked for, if one is. Cheap: looks at the file's length. A stop outweighs a pause; neither is
    /// withdrawn.
    pub fn poll(&mut self) -> Option<&Request> {
        self.look();
        self.request.as_ref()
    }

    /// Takes the newest choice of an allocation, if one was made.
    pub fn take_allocation(&mut self) -> Option<AllocationSettings> {
        self.look();
        self.allocation.take()
    }

    fn look(&mut self) {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > self.seen => self.read(),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("cannot look at {}: {error}", self.path.display()),
        }
    }

    fn read(&mut self) {
        let text = match regular::read(&self.path) {
            Ok(text) => text,
            Err(error) => return tracing::warn!("cannot read {}: {error}", self.path.display()),
        };
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Asked::Stop { reason }) => self.request = Some(Request::Stop { reason }),
                Ok(Asked::Pause) => {
                    self.request.get_or_insert(Request::Pause);
                }
                Ok(Asked::Allocation { rule, threshold, budget }) => {
                    self.allocation = Some(AllocationSettings { rule, threshold, budget });
                }
                Err(error) => tracing::warn!("a request is not understood: {error}"),
            }
        }
        self.seen = whole as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop() -> Request {
        Request::Stop { reason: "asked".into() }
    }

    #[test]
    fn a_worker_hears_what_is_asked_after_it_cleared_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.jsonl");
        ask(&path, &stop()).unwrap();
        let mut control = Control::clear(&path).unwrap();
        assert_eq!(control.poll(), None);
        ask(&path, &Request::Pause).unwrap();
        assert_eq!(control.poll(), Some(&Request::Pause));
        assert_eq!(control.poll(), Some(&Request::Pause));
    }

    #[test]
    fn a_stop_outweighs_a_pause_in_either_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.jsonl");
        for requests in [[Request::Pause, stop()], [stop(), Request::Pause]] {
            let mut control = Control::clear(&path).unwrap();
            for request in requests {
                ask(&path, &request).unwrap();
            }
            assert_eq!(control.poll(), Some(&stop()));
        }
    }

    #[test]
    fn the_newest_choice_of_an_allocation_is_taken_once_and_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.jsonl");
        let mut control = Control::clear(&path).unwrap();
        let choice =
            |mean| AllocationSettings { rule: Rule::Budget, threshold: None, budget: Some(Budget::MeanRank(mean)) };
        for mean in [2.0, 3.0] {
            ask_allocation(&path, &choice(mean)).unwrap();
        }
        assert_eq!(control.poll(), None);
        assert_eq!(control.take_allocation(), Some(choice(3.0)));
        assert_eq!(control.take_allocation(), None);
    }

    #[test]
    fn lines_that_are_torn_or_not_understood_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.jsonl");
        let mut control = Control::clear(&path).unwrap();
        fs::write(&path, "nonsense\n{\"request\":\"pa").unwrap();
        assert_eq!(control.poll(), None);
        fs::write(&path, "nonsense\n{\"request\":\"pause\"}\n").unwrap();
        assert_eq!(control.poll(), Some(&Request::Pause));
        fs::remove_file(&path).unwrap();
        assert_eq!(control.poll(), Some(&Request::Pause));
    }
}
