//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::Head;
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use super::seen::{self, Seen};
use crate::experiment::Experiment;
use crate::run::directory::RunDir;
use crate::run::event::{Metrics, Record};
use crate::run::file::timestamp;
use crate::run::follow::{Follower, both_ends};
use crate::run::queue::Queue;
use crate::run::state::state;
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use jiff::Timestamp;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, spawn_blocking};

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// Time between looks at the runs.
const RUNS_LOOK: Duration = Duration::from_millis(1000);
/// Bytes at the end of a log that tell how far a run is.
const TAIL: u64 = 1 << 16;
/// Bytes at its beginning that tell what it is.
const HEAD: usize = 1 << 17;
/// Time between two notes of up to where a run was seen.
const SEEN_EVERY: Duration = Duration::from_secs(30);

/// Watches until the task is aborted.
pub fn watch(watching: &Watching, to: UnboundedSender<Msg>) -> Option<JoinHandle<()>> {
    match watching {
        Watching::Runs => Some(tokio::spawn(watch_runs(to))),
        Watching::Run(run) => Some(tokio::spawn(follow(run.clone(), to))),
        Watching::Nothing => None,
    }
}

async fn watch_runs(to: UnboundedSender<Msg>) {
    let mut table = RunsTable::default();
    let mut told: Option<Result<Vec<RunRow>, String>> = None;
    loop {
        let looked = spawn_blocking(move || {
            let rows = table.look();
            (table, rows)
        });
        let Ok((back, rows)) = looked.await else { return };
        table = back;
        if told.as_ref() != Some(&rows) {
            let msg = match &rows {
                Ok(rows) => Msg::Runs(rows.clone()),
                Err(error) => Msg::Failed(error.clone()),
            };
            if to.send(msg).is_err() {
                return;
            }
            told = Some(rows);
        }
        tokio::time::sleep(RUNS_LOOK).await;
    }
}

/// The rows, and what need not be read again.
#[derive(Default)]
struct RunsTable {
    /// Row, settings, and length of the log when it was read, by id.
    known: HashMap<String, (RunRow, Experiment, u64)>,
}

impl RunsTable {
    /// All runs, newest first.
    fn look(&mut self) -> Result<Vec<RunRow>, String> {
        let runs = Store::of_user().and_then(|store| store.list()).map_err(|error| error.to_string())?;
        self.known.retain(|id, _| runs.iter().any(|run| run.id() == id));
        let mut rows: Vec<RunRow> = runs.iter().rev().map(|run| self.row(run)).collect();
        if rows.iter().any(|row| row.state == State::Queued) {
            let queue = Queue::of_user().ok().and_then(|queue| queue.look().ok()).unwrap_or_default();
            for row in &mut rows {
                row.place = queue.place(&row.id).filter(|_| row.state == State::Queued);
            }
        }
        Ok(rows)
    }

    fn row(&mut self, run: &RunDir) -> RunRow {
        let length = std::fs::metadata(run.events_path()).map(|file| file.len()).unwrap_or(0);
        let (row, experiment, read) = self.known.entry(run.id().to_owned()).or_insert_with(|| {
            let experiment = settings(run);
            (first_row(run, &experiment), experiment, u64::MAX)
        });
        row.state = state(run).unwrap_or(State::Crashed);
        if *read != length {
            *read = length;
            let view = tail(&run.events_path()).map(|records| RunView::of(&records)).unwrap_or_default();
            (row.phase, row.step, row.total) = (view.phase, view.step, view.total);
            if let Some((step, total)) = view.warmup {
                (row.step, row.total) = (step, total);
            }
            row.score = score(&view.metrics, experiment);
            row.error = view.error.map(|(error, _)| error);
            if row.model.is_empty() {
                *experiment = settings(run);
                describe(row, experiment);
            }
        }
        row.clone()
    }
}

fn first_row(run: &RunDir, experiment: &Experiment) -> RunRow {
    let mut row = RunRow {
        id: run.id().to_owned(),
        name: run.info().name.clone(),
        dir: run.path().display().to_string(),
        state: State::Queued,
        place: None,
        phase: None,
        step: 0,
        total: 0,
        score: None,
        model: String::new(),
        data: String::new(),
        started: Some(run.info().created.clone()),
        error: None,
    };
    describe(&mut row, experiment);
    row
}

/// The settings of a run; the defaults where they cannot be read, which the run's own error tells better.
fn settings(run: &RunDir) -> Experiment {
    run.experiment().unwrap_or_default()
}

fn describe(row: &mut RunRow, experiment: &Experiment) {
    row.model.clone_from(&experiment.model.id);
    row.data = data_name(experiment);
}

fn data_name(experiment: &Experiment) -> String {
    let train = || experiment.data.train.as_ref().map(|path| path.display().to_string());
    experiment.data.id.clone().or_else(train).unwrap_or_default()
}

/// The figure that is the run's score: the one that was asked for, else the task's usual one.
fn score(metrics: &Metrics, experiment: &Experiment) -> Option<(String, f64)> {
    let named = |name: &str| metrics.get(name).map(|value| (name.to_owned(), *value));
    named(&experiment.evaluate.metric.resolve(experiment.data.task).to_string())
}

/// The records at the end of a log.
fn tail(path: &Path) -> io::Result<Vec<Record>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    // The first line may be a part of one, the last may be torn: neither parses.
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

async fn follow(run: String, to: UnboundedSender<Msg>) {
    let asked = run.clone();
    let opened = spawn_blocking(move || open(&asked)).await;
    let Opened { dir, head, glimpse } = match opened {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            // The screen may be gone with its receiver; then nobody needs to know.
            let _ = to.send(Msg::Lost { run, error });
            return;
        }
        Err(_) => return,
    };
    let mut looked = Looked { id: head.id.clone(), kept: None, newest: None };
    if to.send(Msg::Opened(Box::new(head))).is_err() {
        return;
    }
    if let Some((view, state)) = glimpse
        && to.send(Msg::Glimpse { run: run.clone(), view: Box::new(view), state }).is_err()
    {
        return;
    }
    let mut follower = Follower::new(&dir.events_path());
    let mut told = None;
    loop {
        let place = dir.clone();
        // The state first: what it is derived from is then in the records that are read after it.
        let read = spawn_blocking(move || {
            let now = state(&place);
            let lines = follower.poll_lines();
            let length = std::fs::metadata(place.events_path()).map_or(0, |file| file.len());
            (follower, now, lines, length)
        });
        let Ok((back, now, lines, length)) = read.await else { return };
        follower = back;
        let msg = match (now, lines) {
            (Ok(now), Ok(lines)) => {
                let is_new = !lines.is_empty() || told != Some(now) || !follower.is_caught_up();
                if !is_new {
                    tokio::time::sleep(LOG_LOOK).await;
                    continue;
                }
                told = Some(now);
                let left = (!follower.is_caught_up()).then(|| follower.place() as f64 / length.max(1) as f64);
                if left.is_none() {
                    looked.newest = lines.last().map(|line| line.record.seq).or(looked.newest);
                }
                let (places, records) = lines.into_iter().map(|line| (line.place, line.record)).unzip();
                Msg::Followed { run: run.clone(), records, places, state: now, left }
            }
            (Err(error), _) | (_, Err(error)) => {
                let _ = to.send(Msg::Lost { run, error: error.to_string() });
                return;
            }
        };
        if to.send(msg).is_err() {
            return;
        }
        looked.keep_now_and_then();
        tokio::time::sleep(if follower.is_caught_up() { LOG_LOOK } else { Duration::ZERO }).await;
    }
}

/// Keeps up to where a run was seen: now and then, since the terminal may be killed, and when the screen is left.
struct Looked {
    id: String,
    /// What was kept last, and when.
    kept: Option<(u64, Instant)>,
    newest: Option<u64>,
}

impl Looked {
    fn keep_now_and_then(&mut self) {
        if self.kept.is_none_or(|(_, at)| at.elapsed() >= SEEN_EVERY) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        let Some(seq) = self.newest.filter(|seq| self.kept.is_none_or(|(kept, _)| kept != *seq)) else { return };
        seen::keep(&self.id, &Seen { seq, time: timestamp() });
        self.kept = Some((seq, Instant::now()));
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        self.keep();
    }
}

/// A run that was found.
struct Opened {
    dir: RunDir,
    head: Head,
    /// The run by the ends of its log, where that is long.
    glimpse: Option<(RunView, State)>,
}

/// Who a run is, where it can be told at once.
pub fn head(run: &str) -> Option<Head> {
    let found = Store::of_user().ok()?.find(run).ok()?;
    Some(head_of(&found.run))
}

fn open(run: &str) -> Result<Opened, String> {
    let found = Store::of_user().and_then(|store| store.find(run)).map_err(|error| error.to_string())?;
    let dir = found.run;
    let head = head_of(&dir);
    let ends = both_ends(&dir.events_path(), HEAD, TAIL as usize).map_err(|error| error.to_string())?;
    let glimpse = ends.map(|records| RunView::of(&records)).zip(state(&dir).ok());
    Ok(Opened { dir, head, glimpse })
}

fn head_of(dir: &RunDir) -> Head {
    let experiment = dir.experiment().ok();
    let seen = seen::load(dir.id());
    let since = |seen: &Seen| {
        let then = seen.time.parse::<Timestamp>().ok()?;
        Some(Timestamp::now().duration_since(then).as_secs_f64().max(0.0))
    };
    Head {
        id: dir.id().to_owned(),
        name: dir.info().name.clone(),
        dir: dir.path().display().to_string(),
        data: data_name(&experiment.clone().unwrap_or_default()),
        settings: experiment.map(Box::new),
        away_s: seen.as_ref().and_then(since),
        seen,
    }
}
