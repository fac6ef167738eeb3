//! Reading a long log for its validation losses alone, a portion at a time, from where the last look stopped.

use super::best::Validation;
use super::event::Phase;
use crate::experiment::regular;
use serde::Deserialize;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a line within which its type stands: after its number and its time.
const HEAD: usize = 128;

/// Bytes that are read at once. What is looked for is in shorter lines.
const CHUNK: usize = 1 << 16;

/// A place in a log, and what was found before it.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Bytes that are read.
    offset: u64,
    /// Whether `offset` is inside a line that is longer than a chunk.
    inside: bool,
    /// What was found.
    pub validation: Validation,
}

/// The fields that are looked for; a loss that is no number is written as null.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    phase: Phase,
    #[serde(default)]
    step: usize,
    #[serde(default)]
    validation_loss: Option<f64>,
}

impl Scan {
    /// Bytes that are read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on, about `most` bytes. Gives whether the end of the log is reached.
    ///
    /// # Errors
    /// That of the file system; a log that is not there yet is empty.
    pub fn advance(&mut self, path: &Path, most: u64) -> io::Result<bool> {
        self.advance_by(path, most, CHUNK)
    }

    fn advance_by(&mut self, path: &Path, most: u64, chunk: usize) -> io::Result<bool> {
        let file = match regular::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        if file.metadata()?.len() < self.offset {
            // Another log has its place.
            *self = Scan::default();
        }
        let start = self.offset;
        let mut bytes = vec![0; chunk];
        while self.offset - start < most {
            let read = file.read_at(&mut bytes, self.offset)?;
            match bytes[..read].iter().rposition(|&byte| byte == b'\n') {
                Some(end) => {
                    bytes[..end].split(|&byte| byte == b'\n').for_each(|line| self.take(line));
                    self.offset += end as u64 + 1;
                }
                None if read == chunk => {
                    self.offset += read as u64;
                    self.inside = true;
                }
                None => {}
            }
            if read < chunk {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, line: &[u8]) {
        const TYPE: &[u8] = b"\"type\":\"";
        const WANTED: [&[u8]; 3] = [b"step\"", b"checkpoint\"", b"resumed\""];
        if std::mem::take(&mut self.inside) {
            return;
        }
        let head = &line[..line.len().min(HEAD)];
        let Some(at) = head.windows(TYPE.len()).position(|window| window == TYPE) else { return };
        if !WANTED.iter().any(|wanted| head[at + TYPE.len()..].starts_with(wanted)) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
        match (line.kind, line.phase, line.validation_loss) {
            ("step", Phase::Search, Some(loss)) => self.validation.step(line.step, loss),
            ("checkpoint", ..) => self.validation.checkpoint(),
            ("resumed", phase, _) => self.validation.resumed(phase, line.step),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, Step};
    use super::super::follow::Follower;
    use super::super::history::Metric;
    use super::super::log::EventLog;
    use super::super::view::RunView;
    use super::*;
    use std::fs::File;
    use std::io::Write;

    fn step(step: usize, loss: f64) -> Event {
        Event::Step(Step { validation_loss: Some(loss), ..Step::new(Phase::Search, step, 0.5, 1e-3) })
    }

    #[test]
    fn portions_of_any_size_find_what_the_whole_log_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        for n in 1..=40 {
            log.append(step(n, 1.0 + (n as f64).sin())).unwrap();
            if n % 7 == 0 {
                let message = format!("\"type\":\"step\" {}", "x".repeat(700));
                log.append(Event::Log { phase: Phase::Search, level: "info".into(), message }).unwrap();
                log.append(Event::Checkpoint { phase: Phase::Search, step: n }).unwrap();
            }
        }
        log.append(Event::Resumed { phase: Phase::Search, step: 35 }).unwrap();
        log.append(step(36, 0.7)).unwrap();
        let whole = RunView::of(&Follower::new(&path).read_all().unwrap()).search;
        let expected = (whole.least(Metric::ValidationLoss), whole.last(Metric::ValidationLoss));
        for (most, chunk) in [(1, 300), (1, 512), (1000, 512), (5000, 4096), (u64::MAX, 1 << 20)] {
            let mut scan = Scan::default();
            while !scan.advance_by(&path, most, chunk).unwrap() {}
            assert_eq!(scan.validation.best(), Some((11, 1.0 + 11f64.sin())), "{most} {chunk}");
            assert_eq!((scan.validation.best(), scan.validation.last()), expected, "{most} {chunk}");
        }
    }

    #[test]
    fn a_torn_line_waits_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut scan = Scan::default();
        assert!(scan.advance(&path, 4096).unwrap());
        let mut file = File::create(&path).unwrap();
        let line = r#"{"seq":1,"time":"t","type":"step","phase":"search","step":3,"validation_loss":0.5}"#;
        file.write_all(line.as_bytes()).unwrap();
        scan.advance(&path, 4096).unwrap();
        assert_eq!(scan.validation.best(), None);
        file.write_all(b"\n").unwrap();
        scan.advance(&path, 4096).unwrap();
        assert_eq!(scan.validation.best(), Some((3, 0.5)));
    }
}
