//! Reading `events.jsonl` while a worker writes it.

use super::event::Record;
use super::file::FileError;
use super::parse::parse;
use crate::experiment::regular;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that one poll reads: a long history arrives in portions, between which a screen can draw.
const PORTION: usize = 1 << 18;
/// Bytes of the first line that tell one log from another: its time is among them.
const HEAD: usize = 64;

/// What is said where [`Follower::begins_anew`].
pub const ANEW: &str = "the log was replaced or cut short: it is read anew from its first line";

/// A place in the log of a run.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    /// Bytes that are read: always the end of a line.
    offset: u64,
    /// A line here was not a record at the last poll. A worker may have cut off and rewritten the log's torn end
    /// while it was read, so it is read once more before it is given up.
    suspect: Option<u64>,
    caught_up: bool,
    /// The first bytes of the log, once some are read.
    head: Vec<u8>,
    anew: bool,
    /// Another log was found, and could not be read: the next poll that can be read says so.
    owes_anew: bool,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As it stands in the file, without the newline; keeps what this version does not know.
    pub text: String,
    pub record: Record,
    /// Bytes of the log before it.
    pub place: u64,
}

impl Follower {
    /// Begins at the start of a log, which need not exist yet.
    pub fn new(path: &Path) -> Follower {
        Follower {
            path: path.into(),
            file: None,
            offset: 0,
            suspect: None,
            caught_up: false,
            head: Vec::new(),
            anew: false,
            owes_anew: false,
        }
    }

    /// The next records, at most a quarter of a megabyte of them. Broken lines are left out; types that this version does
    /// not know are [`super::event::Event::Unknown`].
    ///
    /// # Errors
    /// [`FileError`] where the log is there and cannot be read. It may be tried again: nothing is left out then.
    pub fn poll(&mut self) -> Result<Vec<Record>, FileError> {
        Ok(self.poll_lines()?.into_iter().map(|line| line.record).collect())
    }

    /// [`Follower::poll`] with the text of each line.
    ///
    /// # Errors
    /// As [`Follower::poll`].
    pub fn poll_lines(&mut self) -> Result<Vec<Line>, FileError> {
        self.anew = std::mem::take(&mut self.owes_anew);
        let bytes = self.read_portion().map_err(|error| {
            self.owes_anew = self.anew;
            // What was opened may never be read again, as where a network's disk was mounted anew.
            self.file = None;
            FileError::at("cannot read", &self.path)(error)
        })?;
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
            let text = &line[..line.len() - 1];
            match parse(text) {
                Ok(record) => {
                    lines.push(Line { text: String::from_utf8_lossy(text).into_owned(), record, place: self.offset })
                }
                Err(_) if self.suspect != Some(self.offset) => {
                    self.suspect = Some(self.offset);
                    self.caught_up = false;
                    return Ok(lines);
                }
                Err(_) => {}
            }
            self.offset += line.len() as u64;
        }
        Ok(lines)
    }

    /// Polls until everything that is in the log now is read.
    ///
    /// # Errors
    /// As [`Follower::poll`].
    pub fn read_all(&mut self) -> Result<Vec<Record>, FileError> {
        let mut records = self.poll()?;
        while !self.caught_up {
            records.extend(self.poll()?);
        }
        Ok(records)
    }

    /// Bytes of the log that are read.
    pub fn place(&self) -> u64 {
        self.offset
    }

    /// Whether the last poll reached the end of the log.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether the last poll found another log in the place of the one that it had read from, or one that was cut short: its
    /// lines are the first ones then, and those before count no more.
    pub fn begins_anew(&self) -> bool {
        self.anew
    }

    /// Whether what was read is not what is there now.
    fn is_another(&self, file: &File) -> std::io::Result<bool> {
        let ours = file.metadata()?;
        let theirs = match std::fs::metadata(&self.path) {
            Ok(theirs) => theirs,
            // Where it was taken away, what was read stays what is known.
            Err(error) if error.kind() == ErrorKind::NotFound => ours.clone(),
            Err(error) => return Err(error),
        };
        if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) || ours.len() < self.offset {
            return Ok(true);
        }
        let mut head = vec![0; self.head.len()];
        Ok(file.read_at(&mut head, 0)? < head.len() || head != self.head)
    }

    /// Opens the log where that is not done; it need not be there.
    fn open(&mut self) -> std::io::Result<()> {
        if self.file.is_none() {
            match regular::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes from `offset`: a portion, or more where one line needs more, or less at the end.
    fn read_portion(&mut self) -> std::io::Result<Vec<u8>> {
        self.open()?;
        if let Some(file) = &self.file
            && self.is_another(file)?
        {
            let anew = self.anew || self.offset > 0;
            *self = Follower { anew, ..Follower::new(&self.path) };
            self.open()?;
        }
        self.caught_up = true;
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let new = usize::try_from(file.metadata()?.len().saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let mut want = new.min(PORTION);
        loop {
            // One read for all: a second could see what a worker wrote after it cut off the torn end.
            let mut bytes = vec![0; want];
            let read = file.read_at(&mut bytes, self.offset)?;
            bytes.truncate(read);
            if read < want || want == new || bytes.contains(&b'\n') {
                self.caught_up = want == new;
                if self.offset == 0
                    && let Some(end) = bytes.iter().position(|&byte| byte == b'\n')
                {
                    self.head = bytes[..end.min(HEAD)].to_vec();
                }
                return Ok(bytes);
            }
            want = want.saturating_mul(2).min(new);
        }
    }
}

/// The record whose line begins after `place` bytes of a log.
///
/// # Errors
/// [`FileError`] where the log cannot be read, or has no record there.
pub fn record_at(path: &Path, place: u64) -> Result<Record, FileError> {
    let error = || FileError::at("cannot read", path);
    let file = regular::open(path).map_err(error())?;
    let mut length = 1 << 14;
    loop {
        let mut bytes = vec![0; length];
        let read = file.read_at(&mut bytes, place).map_err(error())?;
        let line = bytes[..read].iter().position(|&byte| byte == b'\n');
        match line {
            Some(end) => return parse(&bytes[..end]).map_err(|e| error()(e.into())),
            None if read < length => return Err(error()(ErrorKind::UnexpectedEof.into())),
            None => length *= 4,
        }
    }
}

/// Some of the records at both ends of a log: those of its first `head` bytes, and of its last `tail` ones. None where the log
/// is not longer than both, or than `least`.
///
/// # Errors
/// [`FileError`].
pub fn both_ends(path: &Path, head: usize, tail: usize, least: u64) -> Result<Option<Vec<Record>>, FileError> {
    let error = || FileError::at("cannot read", path);
    let file = match regular::open(path) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(error())?,
    };
    let length = file.metadata().map_err(error())?.len();
    if length <= least.max((head + tail) as u64) {
        return Ok(None);
    }
    let mut records = records_in(&file, 0, head).map_err(error())?;
    records.extend(records_in(&file, length - tail as u64, tail).map_err(error())?);
    Ok(Some(records))
}

/// The records of the last `most` bytes of a log.
///
/// # Errors
/// That of the file system, also where there is no log.
pub fn tail(path: &Path, most: usize) -> std::io::Result<Vec<Record>> {
    let file = regular::open(path)?;
    records_in(&file, file.metadata()?.len().saturating_sub(most as u64), most)
}

/// The records among so many bytes of a log: where they begin or end within a line, that part parses as none.
fn records_in(file: &File, place: u64, want: usize) -> std::io::Result<Vec<Record>> {
    let mut bytes = vec![0; want];
    let read = file.read_at(&mut bytes, place)?;
    Ok(bytes[..read].split(|byte| *byte == b'\n').filter_map(|line| parse(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, Phase};
    use super::super::file::timestamp;
    use super::super::log::EventLog;
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    fn note(message: &str) -> Event {
        Event::Log { phase: Phase::Search, level: "info".into(), message: message.into() }
    }

    fn append(path: &Path, bytes: &[u8]) {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut follower = Follower::new(&path);
        assert_eq!(follower.poll().unwrap(), []);
        EventLog::open(&path).unwrap();
        assert_eq!(follower.poll().unwrap().len(), 1);
        assert_eq!(follower.poll().unwrap(), []);
    }

    #[test]
    fn a_torn_line_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventLog::open(&path).unwrap();
        let mut follower = Follower::new(&path);
        follower.poll().unwrap();
        append(&path, br#"{"seq":1,"time":"2026-01-01T00:00:00.000Z","#);
        assert_eq!(follower.poll().unwrap(), []);
        // The worker died; the next one cuts the torn bytes off and writes its own.
        let record = EventLog::open(&path).unwrap().append(note("new")).unwrap();
        assert_eq!(follower.poll().unwrap(), [record]);
    }

    #[test]
    fn a_log_that_is_replaced_or_cut_short_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        log.append(note("old")).unwrap();
        log.append(note("older")).unwrap();
        let mut follower = Follower::new(&path);
        assert_eq!(follower.read_all().unwrap().len(), 3);
        assert!(!follower.begins_anew());
        let messages = |records: &[Record]| -> Vec<String> {
            let message = |record: &Record| match &record.event {
                Event::Log { message, .. } => Some(message.clone()),
                _ => None,
            };
            records.iter().filter_map(message).collect()
        };
        // Cut short, and written on by somebody.
        fs::write(&path, "").unwrap();
        assert_eq!(follower.poll().unwrap(), []);
        assert!(follower.begins_anew());
        EventLog::open(&path).unwrap().append(note("new")).unwrap();
        let records = follower.poll().unwrap();
        assert_eq!((messages(&records), follower.begins_anew()), (vec!["new".to_string()], false));
        // Another file of that name.
        let other = folder.path().join("other");
        EventLog::open(&other).unwrap().append(note("another")).unwrap();
        fs::rename(&other, &path).unwrap();
        let records = follower.poll().unwrap();
        assert_eq!((messages(&records), follower.begins_anew()), (vec!["another".to_string()], true));
        // The same file with other content, begun at another moment.
        let begun = timestamp();
        while timestamp() == begun {}
        EventLog::open(&other).unwrap().append(note("of the same length or longer")).unwrap();
        fs::copy(&other, &path).unwrap();
        let records = follower.poll().unwrap();
        assert_eq!(messages(&records), ["of the same length or longer"]);
        assert!(follower.begins_anew());
    }

    #[test]
    fn after_an_error_it_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("events.jsonl"), folder.path().join("aside"));
        let mut log = EventLog::open(&path).unwrap();
        let mut follower = Follower::new(&path);
        assert_eq!(follower.read_all().unwrap().len(), 1);
        let record = log.append(note("meanwhile")).unwrap();
        // A link that leads to itself: the system refuses to look behind it, whoever asks.
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        for _ in 0..2 {
            assert!(follower.poll().is_err());
        }
        fs::rename(&aside, &path).unwrap();
        assert_eq!(follower.read_all().unwrap(), [record]);
        assert!(!follower.begins_anew());
        // Another log, which cannot be read at first.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(follower.poll().is_err() && follower.poll().is_err());
        fs::remove_dir(&path).unwrap();
        EventLog::open(&path).unwrap();
        assert_eq!(follower.read_all().unwrap().len(), 1);
        assert!(follower.begins_anew(), "told once it can be read");
    }

    #[test]
    fn broken_lines_are_left_out_and_unknown_types_kept_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventLog::open(&path).unwrap();
        append(&path, b"\0\0\0\nnot json\n{\"seq\":1}\n");
        append(&path, b"{\"seq\":1,\"time\":\"t\",\"type\":\"from_the_future\",\"x\":{\"y\":[1]}}\n");
        let mut log = EventLog::open(&path).unwrap();
        log.append(note("after")).unwrap();
        let records = Follower::new(&path).read_all().unwrap();
        let seqs: Vec<u64> = records.iter().map(|r| r.seq).collect();
        assert_eq!((seqs, &records[1].event), (vec![0, 1, 2], &Event::Unknown));
        let mut follower = Follower::new(&path);
        let mut texts = Vec::new();
        loop {
            texts.extend(follower.poll_lines().unwrap().into_iter().map(|line| line.text));
            if follower.is_caught_up() {
                break;
            }
        }
        assert!(texts[1].contains(r#""y":[1]"#));
    }

    #[test]
    fn a_record_is_found_again_by_its_place_and_the_ends_by_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        assert_eq!(both_ends(&path, 10_000, 10_000, 0).unwrap(), None);
        for n in 0..50 {
            log.append(note(&format!("{n} {}", "x".repeat(1000 * (n % 40))))).unwrap();
        }
        let mut follower = Follower::new(&path);
        let mut lines = follower.poll_lines().unwrap();
        while !follower.is_caught_up() {
            lines.extend(follower.poll_lines().unwrap());
        }
        for line in &lines {
            assert_eq!(record_at(&path, line.place).unwrap(), line.record);
        }
        assert!(record_at(&path, lines[3].place + 1).is_err());
        assert!(record_at(&path, 1 << 40).is_err());
        let ends = both_ends(&path, 10_000, 30_000, 0).unwrap().unwrap();
        assert_eq!(
            (ends.first(), ends.last()),
            (lines.first().map(|line| &line.record), lines.last().map(|line| &line.record))
        );
        assert!(ends.len() > 4 && ends.len() < 40);
        assert_eq!(both_ends(&folder.path().join("none"), 1, 1, 0).unwrap(), None);
    }

    #[test]
    fn a_long_log_comes_in_portions_that_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        for n in 0..40 {
            log.append(note(&format!("{n} {}", "x".repeat(100_000)))).unwrap();
        }
        // Longer than a portion.
        log.append(note(&"y".repeat(3 * PORTION))).unwrap();
        let mut follower = Follower::new(&path);
        assert!(follower.poll().unwrap().len() < 20 && !follower.is_caught_up());
        assert_eq!(follower.read_all().unwrap().last().unwrap().seq, 41);
        assert_eq!(follower.poll().unwrap(), []);
        fs::remove_file(&path).unwrap();
        assert_eq!(follower.poll().unwrap(), []);
    }
}
