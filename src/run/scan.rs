//! Reading a long log for its validation losses alone, a portion at a time, from where the last look stopped.

use super::best::Validation;
use super::event::Phase;
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a line within which its type stands: after its number and its time.
const HEAD: usize = 128;

/// A place in a log, and what was found before it.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Bytes that are read.
    offset: u64,
    /// Whether `offset` is inside a line too long for a portion: nothing that is looked for is.
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

    /// Reads on, at most `portion` bytes. Gives how many it read: less than `portion` at the end of the log.
    ///
    /// # Errors
    /// That of the file system; a log that is not there yet is empty.
    pub fn advance(&mut self, path: &Path, portion: usize) -> io::Result<usize> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            file => file?,
        };
        let length = file.metadata()?.len();
        if length < self.offset {
            // Another log has its place.
            *self = Scan::default();
        }
        let left = usize::try_from(length - self.offset).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(portion)];
        let read = file.read_at(&mut bytes, self.offset)?;
        bytes.truncate(read);
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            if read == portion {
                self.offset += read as u64;
                self.inside = true;
            }
            return Ok(read);
        };
        for line in bytes[..end].split(|&byte| byte == b'\n') {
            if !std::mem::take(&mut self.inside) {
                self.take(line);
            }
        }
        self.offset += end as u64 + 1;
        Ok(read)
    }

    fn take(&mut self, line: &[u8]) {
        const WANTED: [&[u8]; 3] = [b"\"type\":\"step\"", b"\"type\":\"checkpoint\"", b"\"type\":\"resumed\""];
        let head = &line[..line.len().min(HEAD)];
        if !WANTED.iter().any(|wanted| head.windows(wanted.len()).any(|at| at == *wanted)) {
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
    use super::super::event::Event;
    use super::super::follow::Follower;
    use super::super::history::Metric;
    use super::super::log::EventLog;
    use super::super::view::RunView;
    use super::*;
    use std::io::Write;

    fn step(step: usize, loss: f64) -> Event {
        Event::Step {
            phase: Phase::Search,
            step,
            train_loss: 0.5,
            validation_loss: Some(loss),
            lr: 1e-3,
            selection_lr: None,
            tokens: None,
            grad_norm: None,
            direct_norm: None,
            mixed_norm: None,
        }
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
        for portion in [211, 512, 4096, 1 << 20] {
            let mut scan = Scan::default();
            while scan.advance(&path, portion).unwrap() == portion {}
            assert_eq!(scan.validation.best(), Some((11, 1.0 + 11f64.sin())), "{portion}");
            assert_eq!((scan.validation.best(), scan.validation.last()), expected, "{portion}");
        }
    }

    #[test]
    fn a_torn_line_waits_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut scan = Scan::default();
        assert_eq!(scan.advance(&path, 4096).unwrap(), 0);
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
