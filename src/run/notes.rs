//! What a user keeps about a run, for themselves: a star, tags, a note. `notes.json` in the run's directory; no worker
//! reads or writes it.

use super::directory::RunDir;
use super::file::{FileError, lock_within, write_atomically};
use crate::experiment::regular;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most characters of a tag, and the most tags of a run.
const LONGEST_TAG: usize = 40;
const MOST_TAGS: usize = 32;
/// The most characters of a note.
const LONGEST_NOTE: usize = 1000;

/// How long another program that changes the same notes is waited for: it needs a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Star, tags and note of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    #[serde(default)]
    pub star: bool,
    /// Words, each once, in the order in which they were given.
    #[serde(default)]
    pub tags: Vec<String>,
    /// One line, or empty.
    #[serde(default)]
    pub note: String,
    /// What a later version of the program keeps here: it stays.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// Notes cannot be read, or may not be what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    #[error("{} is broken: {reason}; mend it or delete it", path.display())]
    Broken { path: PathBuf, reason: String },
    #[error("{tag:?} cannot be a tag: {reason}")]
    BadTag { tag: String, reason: &'static str },
    #[error("{count} tags are too many: a run has at most {MOST_TAGS}")]
    TooMany { count: usize },
    #[error("a note of {length} characters is too long: at most {LONGEST_NOTE}")]
    LongNote { length: usize },
    #[error(
        "the notes of run {run} are being changed by another program, for {} s by now; try again, or look who has {} open",
        PATIENCE.as_secs(),
        path.display()
    )]
    Busy { run: String, path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Notes {
    /// The notes of a run; nothing where none were made.
    ///
    /// # Errors
    /// [`NotesError::Broken`] where the file holds something else, [`NotesError::File`].
    pub fn read(run: &RunDir) -> Result<Notes, NotesError> {
        read(&run.notes_path())
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        !self.star && self.tags.is_empty() && self.note.is_empty()
    }

    /// Adds tags that are not there yet.
    ///
    /// # Errors
    /// [`NotesError::TooMany`]; nothing is added then.
    pub fn add_tags(&mut self, tags: &[String]) -> Result<(), NotesError> {
        let mut all = self.tags.clone();
        for tag in tags {
            if !all.contains(tag) {
                all.push(tag.clone());
            }
        }
        if all.len() > MOST_TAGS {
            return Err(NotesError::TooMany { count: all.len() });
        }
        self.tags = all;
        Ok(())
    }

    /// Takes tags away; those that are not there are no matter.
    pub fn remove_tags(&mut self, tags: &[String]) {
        self.tags.retain(|tag| !tags.contains(tag));
    }

    /// Writes a note over the old one, line ends and other controls as spaces; an empty text takes it away.
    ///
    /// # Errors
    /// [`NotesError::LongNote`].
    pub fn set_note(&mut self, text: &str) -> Result<(), NotesError> {
        let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let length = text.chars().count();
        if length > LONGEST_NOTE {
            return Err(NotesError::LongNote { length });
        }
        self.note = text;
        Ok(())
    }
}

/// The tags of a line: words between commas or spaces, each once.
///
/// # Errors
/// [`NotesError::BadTag`] where one is too long, has a control character, or would read as an option or an exclusion.
pub fn tags_of(line: &str) -> Result<Vec<String>, NotesError> {
    let mut tags: Vec<String> = Vec::new();
    for tag in line.split(|c: char| c == ',' || c.is_whitespace()).filter(|tag| !tag.is_empty()) {
        let reason = if tag.chars().count() > LONGEST_TAG {
            "it is longer than 40 characters"
        } else if tag.starts_with('-') {
            "it begins with a dash"
        } else if tag.chars().any(char::is_control) {
            "it has a control character"
        } else {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.into());
            }
            continue;
        };
        return Err(NotesError::BadTag { tag: tag.into(), reason });
    }
    Ok(tags)
}

/// Changes the notes of a run and gives what they are then. Other fields than those changed stay as they are on disk.
///
/// # Errors
/// Those of `edit`, of [`Notes::read`], [`NotesError::Busy`] where others keep changing them, and [`NotesError::File`]
/// where the disk refuses: the old notes stay then.
pub fn change(run: &RunDir, edit: impl FnOnce(&mut Notes) -> Result<(), NotesError>) -> Result<Notes, NotesError> {
    let path = run.notes_path();
    let _turn = turn(run)?;
    let before = read(&path)?;
    let mut notes = before.clone();
    edit(&mut notes)?;
    if notes != before {
        let mut json =
            serde_json::to_vec_pretty(&notes).map_err(|error| FileError::at("cannot write", &path)(error.into()))?;
        json.push(b'\n');
        write_atomically(&path, &json)?;
    }
    Ok(notes)
}

/// The right to change the notes, until it is dropped: of two changes at once, in one program or in two, each would undo
/// the other's. The notes themselves cannot carry the lock, since every change puts another file in their place.
fn turn(run: &RunDir) -> Result<File, NotesError> {
    let path = run.notes_lock_path();
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
    // Where no file can be made, the notes cannot be written either, and that is what was asked for.
    let file = file.map_err(FileError::at("cannot write", &run.notes_path()))?;
    match lock_within(&file, PATIENCE) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NotesError::Busy { run: run.id().into(), path }),
        Err(TryLockError::Error(error)) => Err(FileError::at("cannot lock", &path)(error).into()),
    }
}

fn read(path: &Path) -> Result<Notes, NotesError> {
    let text = match regular::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Notes::default()),
        Err(error) => return Err(FileError::at("cannot read", path)(error).into()),
    };
    serde_json::from_str(&text).map_err(|error| NotesError::Broken { path: path.into(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::store::{NewRun, Store};
    use super::*;
    use std::fs;

    fn run() -> (tempfile::TempDir, RunDir) {
        let home = tempfile::tempdir().unwrap();
        let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
        (home, run)
    }

    #[test]
    fn what_is_kept_reads_back_and_every_field_by_itself() {
        let (_home, run) = run();
        assert_eq!(Notes::read(&run).unwrap(), Notes::default());
        change(&run, |notes| notes.add_tags(&["a".into(), "b".into(), "a".into()])).unwrap();
        change(&run, |notes| {
            notes.star = true;
            notes.set_note("  why\nnot ")
        })
        .unwrap();
        let notes = Notes::read(&run).unwrap();
        assert_eq!((notes.star, notes.tags.join(" "), notes.note.as_str()), (true, "a b".into(), "why not"));
        change(&run, |notes| {
            notes.remove_tags(&["a".into(), "c".into()]);
            Ok(())
        })
        .unwrap();
        assert_eq!(Notes::read(&run).unwrap().tags, ["b"]);
    }

    #[test]
    fn what_a_later_version_keeps_stays() {
        let (_home, run) = run();
        fs::write(run.notes_path(), r#"{"star":true,"colour":{"of":"mine"}}"#).unwrap();
        change(&run, |notes| notes.set_note("n")).unwrap();
        let text = fs::read_to_string(run.notes_path()).unwrap();
        assert!(text.contains("colour") && text.contains("mine") && text.contains("\"star\": true"), "{text}");
    }

    #[test]
    fn changes_at_the_same_time_lose_nothing() {
        let (_home, run) = run();
        // As from several programs: each has a handle of its own, and the kernel's lock tells handles apart.
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let run = &run;
                scope.spawn(move || {
                    for n in 0..4 {
                        change(run, |notes| notes.add_tags(&[format!("{writer}-{n}")])).unwrap();
                    }
                });
            }
        });
        let mut tags = Notes::read(&run).unwrap().tags;
        tags.sort();
        let all: Vec<String> = (0..8).flat_map(|writer| (0..4).map(move |n| format!("{writer}-{n}"))).collect();
        assert_eq!(tags, all);
    }

    #[test]
    fn who_never_lets_go_of_the_notes_is_told_of_and_leaves_nothing_when_gone() {
        let (_home, run) = run();
        let held = turn(&run).unwrap();
        let error = change(&run, |notes| notes.set_note("n")).unwrap_err();
        assert!(matches!(error, NotesError::Busy { .. }) && error.to_string().contains("notes.lock"), "{error}");
        drop(held);
        change(&run, |notes| notes.set_note("n")).unwrap();
        assert_eq!(Notes::read(&run).unwrap().note, "n");
    }

    #[test]
    fn broken_notes_are_told_and_never_written_over() {
        let (_home, run) = run();
        fs::write(run.notes_path(), "{").unwrap();
        assert!(matches!(Notes::read(&run), Err(NotesError::Broken { .. })));
        assert!(change(&run, |notes| notes.set_note("n")).is_err());
        assert_eq!(fs::read_to_string(run.notes_path()).unwrap(), "{");
    }

    #[test]
    fn a_line_of_tags_is_split_at_commas_and_spaces() {
        assert_eq!(tags_of(" paper,  lr-sweep paper,,x ").unwrap(), ["paper", "lr-sweep", "x"]);
        assert!(tags_of("").unwrap().is_empty());
        for bad in ["-x", "a\u{1b}b", &"x".repeat(41)] {
            assert!(matches!(tags_of(bad), Err(NotesError::BadTag { .. })), "{bad:?}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("t{n}")).collect();
        assert!(matches!(Notes::default().add_tags(&many), Err(NotesError::TooMany { count: 33 })));
        assert!(matches!(Notes::default().set_note(&"x".repeat(1001)), Err(NotesError::LongNote { length: 1001 })));
    }
}
