//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::Head;
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use crate::experiment::Experiment;
use crate::run::directory::RunDir;
use crate::run::event::{Metrics, Record};
use crate::run::follow::Follower;
use crate::run::state::state;
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, spawn_blocking};

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// Time between looks at the runs.
const RUNS_LOOK: Duration = Duration::from_millis(1000);
/// Bytes at the end of a log that tell how far a run is.
const TAIL: u64 = 1 << 16;

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
        Ok(runs.iter().rev().map(|run| self.row(run)).collect())
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
    let (dir, head) = match opened {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            // The screen may be gone with its receiver; then nobody needs to know.
            let _ = to.send(Msg::Lost { run, error });
            return;
        }
        Err(_) => return,
    };
    if to.send(Msg::Opened(Box::new(head))).is_err() {
        return;
    }
    let mut follower = Follower::new(&dir.events_path());
    let mut told = None;
    loop {
        let place = dir.clone();
        // The state first: what it is derived from is then in the records that are read after it.
        let looked = spawn_blocking(move || {
            let now = state(&place);
            let records = follower.poll();
            (follower, now, records)
        });
        let Ok((back, now, records)) = looked.await else { return };
        follower = back;
        let msg = match (now, records) {
            (Ok(now), Ok(records)) => {
                let more = !records.is_empty();
                if !more && told == Some(now) {
                    tokio::time::sleep(LOG_LOOK).await;
                    continue;
                }
                told = Some(now);
                Msg::Followed { run: run.clone(), records, state: now }
            }
            (Err(error), _) | (_, Err(error)) => {
                let _ = to.send(Msg::Lost { run, error: error.to_string() });
                return;
            }
        };
        if to.send(msg).is_err() {
            return;
        }
        tokio::time::sleep(if follower.is_caught_up() { LOG_LOOK } else { Duration::ZERO }).await;
    }
}

/// Who a run is, where it can be told at once.
pub fn head(run: &str) -> Option<Head> {
    open(run).ok().map(|(_, head)| head)
}

fn open(run: &str) -> Result<(RunDir, Head), String> {
    let found = Store::of_user().and_then(|store| store.find(run)).map_err(|error| error.to_string())?;
    let experiment = settings(&found.run);
    let head = Head {
        id: found.run.id().to_owned(),
        name: found.run.info().name.clone(),
        dir: found.run.path().display().to_string(),
        data: data_name(&experiment),
    };
    Ok((found.run, head))
}
