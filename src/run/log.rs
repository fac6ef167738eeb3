//! Writing `events.jsonl`: append-only, one line one `write`, never a gap in `seq`.

use super::event::{Event, Record, SCHEMA};
use super::file::{FileError, timestamp};
use super::parse::parse;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The log of a run, open for its worker alone.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
    /// Bytes of complete lines.
    end: u64,
    /// `seq` of the next line.
    seq: u64,
    resumed: bool,
}

impl EventLog {
    /// Opens the log, cuts off a line that a dead worker left half written, and goes on counting; a new log gets its
    /// schema line. The caller holds the run's lock.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(path: &Path) -> Result<EventLog, FileError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(FileError::at("cannot open", path))?;
        let tail = Tail::read(&file).map_err(FileError::at("cannot read", path))?;
        file.set_len(tail.end).map_err(FileError::at("cannot write", path))?;
        let seq = tail.last.map_or(0, |last| last.seq + 1);
        let mut log = EventLog { file, path: path.into(), end: tail.end, seq, resumed: seq > 0 };
        if !log.resumed {
            let program = concat!("autolora ", env!("CARGO_PKG_VERSION")).to_string();
            log.append(Event::Schema { version: SCHEMA, program })?;
        }
        Ok(log)
    }

    /// Whether the log had lines when it was opened: an earlier worker wrote here.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Appends a line. Checkpoints and last words wait until they are on the disk.
    ///
    /// # Errors
    /// [`FileError::Full`] where the disk is full: the line is taken back, and later ones may succeed.
    pub fn append(&mut self, event: Event) -> Result<Record, FileError> {
        let durable = event.is_terminal() || matches!(event, Event::Checkpoint { .. });
        let record = Record { seq: self.seq, time: timestamp(), event };
        let mut line = serde_json::to_vec(&record).map_err(|e| FileError::at("cannot write", &self.path)(e.into()))?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // A part of the line may be there. Where it cannot be cut off, the next worker does it.
            let _ = self.file.set_len(self.end);
            return Err(FileError::at("cannot write", &self.path)(error));
        }
        self.end += line.len() as u64;
        self.seq += 1;
        if durable {
            self.sync()?;
        }
        Ok(record)
    }

    /// Waits until every line is on the disk.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().map_err(FileError::at("cannot sync", &self.path))
    }
}

/// The last events of a log, without reading what is before them.
pub(super) struct Tail {
    /// Bytes up to and with the last newline.
    pub end: u64,
    /// The last line that is a record.
    pub last: Option<Record>,
    /// The last one that tells of a worker.
    pub word: Option<Record>,
}

impl Tail {
    /// Reads backwards until a whole record is found.
    pub fn read(file: &File) -> std::io::Result<Tail> {
        let length = file.metadata()?.len();
        let mut window = 4096;
        loop {
            let start = length.saturating_sub(window);
            let mut bytes = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
            // A worker may cut a torn line off at this moment: less than was there a moment ago is no error.
            let read = read_up_to(file, &mut bytes, start)?;
            bytes.truncate(read);
            let lines = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
            let first = match start {
                0 => Some(0),
                _ => bytes.iter().position(|&b| b == b'\n').map(|at| at + 1),
            };
            let whole = first.filter(|first| *first < lines).map_or(&[][..], |first| &bytes[first..lines]);
            let mut records = whole.split(|&b| b == b'\n').rev().filter_map(|line| parse(line).ok());
            let last: Option<Record> = records.next();
            let word = last.clone().into_iter().chain(records).find(|record| !record.event.is_aside());
            if word.is_some() || start == 0 {
                return Ok(Tail { end: start + lines as u64, last, word });
            }
            window *= 4;
        }
    }
}

fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::super::event::Phase;
    use super::*;
    use std::fs;

    fn note(message: &str) -> Event {
        Event::Log { phase: Phase::Search, level: "info".into(), message: message.into() }
    }

    fn lines(path: &Path) -> Vec<Record> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_log_begins_with_its_schema_and_counts_without_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        assert!(!log.is_resumed());
        log.append(note("a")).unwrap();
        drop(log);
        let mut log = EventLog::open(&path).unwrap();
        assert!(log.is_resumed());
        log.append(note("b")).unwrap();
        let records = lines(&path);
        assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(records[0].event, Event::Schema { version: SCHEMA, .. }));
        assert!(matches!(records[1].event, Event::Log { .. }));
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventLog::open(&path).unwrap().append(note("kept")).unwrap();
        let whole = fs::read(&path).unwrap();
        // Every length of a torn line, among them one whole record without its newline.
        let torn = serde_json::to_vec(&Record { seq: 2, time: timestamp(), event: note("torn") }).unwrap();
        for length in 1..=torn.len() {
            fs::write(&path, [&whole, &torn[..length]].concat()).unwrap();
            let record = EventLog::open(&path).unwrap().append(note("next")).unwrap();
            assert_eq!(record.seq, 2);
            assert_eq!(lines(&path).len(), 3, "after {length} torn bytes");
        }
    }

    #[test]
    fn counting_goes_on_past_broken_and_very_long_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventLog::open(&path).unwrap().append(note(&"long ".repeat(10_000))).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(vec![0; 20_000]);
        bytes.push(b'\n');
        fs::write(&path, &bytes).unwrap();
        assert_eq!(EventLog::open(&path).unwrap().append(note("next")).unwrap().seq, 2);
    }

    #[test]
    fn a_full_disk_is_a_typed_error() {
        let Ok(full) = OpenOptions::new().append(true).open("/dev/full") else { return };
        let mut log = EventLog { file: full, path: "events.jsonl".into(), end: 0, seq: 7, resumed: true };
        assert!(matches!(log.append(note("x")), Err(FileError::Full { .. })));
        assert_eq!(log.seq, 7);
    }
}
