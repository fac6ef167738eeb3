//! Reading a long log for what its end does not tell, a portion at a time, from where the last look stopped: validation
//! losses, what the run was prepared for, the ranks that were allocated.

use super::best::Validation;
use super::event::{Phase, Ranks, Record};
use super::parse::parse;
use crate::experiment::regular;
use serde::Deserialize;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a line within which its type stands: after its number and its time.
const HEAD: usize = 128;

/// Bytes that are read at once, and for a line that is longer. Beyond that nothing is looked for.
const CHUNK: usize = 1 << 16;
const LONGEST: usize = 1 << 21;

/// A place in a log, and what was found before it.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Bytes that are read.
    offset: u64,
    /// Whether `offset` is inside a line that is longer than a chunk.
    inside: bool,
    /// What was found.
    pub validation: Validation,
    /// The newest record of what the run was prepared for.
    pub prepared: Option<Box<Record>>,
    pub allocated: Option<Allocated>,
}

/// The ranks that were allocated, in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocated {
    pub mean_rank: f64,
    /// LoRA parameters at these ranks.
    pub parameters: usize,
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
    #[serde(default)]
    ranks: Ranks,
    #[serde(default)]
    parameters: usize,
}

/// The mean of ranks; none of no ranks.
pub fn mean_rank(ranks: impl ExactSizeIterator<Item = usize>) -> Option<f64> {
    let count = ranks.len();
    (count > 0).then(|| ranks.fold(0, usize::saturating_add) as f64 / count as f64)
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
        self.advance_by(path, most, CHUNK, LONGEST)
    }

    fn advance_by(&mut self, path: &Path, most: u64, chunk: usize, longest: usize) -> io::Result<bool> {
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
            let wanted = bytes.len();
            let read = file.read_at(&mut bytes, self.offset)?;
            match bytes[..read].iter().rposition(|&byte| byte == b'\n') {
                Some(end) => {
                    bytes[..end].split(|&byte| byte == b'\n').for_each(|line| self.take(line));
                    self.offset += end as u64 + 1;
                }
                None if read == wanted && wanted < longest && !self.inside => bytes.resize(wanted * 4, 0),
                None if read == wanted => {
                    self.offset += read as u64;
                    self.inside = true;
                }
                None => {}
            }
            if read < wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, line: &[u8]) {
        const TYPE: &[u8] = b"\"type\":\"";
        const WANTED: [&[u8]; 4] = [b"step\"", b"checkpoint\"", b"resumed\"", b"allocated\""];
        if std::mem::take(&mut self.inside) {
            return;
        }
        let head = &line[..line.len().min(HEAD)];
        let Some(at) = head.windows(TYPE.len()).position(|window| window == TYPE) else { return };
        let kind = &head[at + TYPE.len()..];
        if kind.starts_with(b"prepared\"") {
            self.prepared = parse(line).ok().map(Box::new).or(self.prepared.take());
            return;
        }
        if !WANTED.iter().any(|wanted| kind.starts_with(wanted)) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
        match (line.kind, line.phase, line.validation_loss) {
            ("step", Phase::Search, Some(loss)) => self.validation.step(line.step, loss),
            ("checkpoint", ..) => self.validation.checkpoint(),
            ("resumed", phase, _) => {
                self.allocated = self.allocated.filter(|_| phase >= Phase::Allocate);
                self.validation.resumed(phase, line.step);
            }
            ("allocated", ..) => {
                let mean = mean_rank(line.ranks.values().copied());
                self.allocated = mean.map(|mean_rank| Allocated { mean_rank, parameters: line.parameters });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, ModuleShape, Step};
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
            while !scan.advance_by(&path, most, chunk, chunk).unwrap() {}
            assert_eq!(scan.validation.best(), Some((11, 1.0 + 11f64.sin())), "{most} {chunk}");
            assert_eq!((scan.validation.best(), scan.validation.last()), expected, "{most} {chunk}");
        }
    }

    #[test]
    fn what_was_prepared_and_allocated_is_found_in_lines_of_any_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        let ranks: Ranks = (0..300).map(|n| (format!("encoder.layer.{n}.attention.self.query"), n % 4)).collect();
        let shape = ModuleShape { inputs: 3, outputs: 5 };
        let modules: Vec<_> = ranks.keys().map(|path| (path.clone(), shape.clone())).collect();
        log.append(prepared_of(modules)).unwrap();
        log.append(Event::Allocated {
            phase: Phase::Allocate,
            ranks,
            parameters: 3600,
            undecided: false,
            rule: "threshold".into(),
            terms: Default::default(),
        })
        .unwrap();
        let found = |scan: &mut Scan| {
            while !scan.advance_by(&path, 1, 512, LONGEST).unwrap() {}
            (scan.prepared.is_some(), scan.allocated)
        };
        let mut scan = Scan::default();
        assert_eq!(found(&mut scan), (true, Some(Allocated { mean_rank: 1.5, parameters: 3600 })));
        log.append(Event::Resumed { phase: Phase::Retrain, step: 3 }).unwrap();
        assert!(found(&mut scan).1.is_some());
        log.append(Event::Resumed { phase: Phase::Search, step: 3 }).unwrap();
        assert_eq!(found(&mut scan).1, None, "the next worker allocates again");
    }

    fn prepared_of(modules: Vec<(String, ModuleShape)>) -> Event {
        Event::Prepared {
            phase: Phase::Prepare,
            model: "m".into(),
            train_rows: 8,
            validation_rows: 8,
            test_rows: 4,
            truncated_rows: 0,
            labels: Vec::new(),
            rank: 8,
            threshold: None,
            trainable_parameters: 0,
            frozen_parameters: 0,
            head_parameters: 0,
            modules,
            warmup_steps: 0,
            task: "classification".into(),
            metric: "accuracy".into(),
            max_length: 64,
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
