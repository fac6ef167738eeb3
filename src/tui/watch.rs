//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::Head;
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use super::runs::folder::{RunsFolder, data_name};
use super::seen::{self, Seen};
use crate::run::directory::RunDir;
use crate::run::file::timestamp;
use crate::run::follow::{Follower, both_ends};
use crate::run::state::state;
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use jiff::Timestamp;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// Time between looks at the runs.
const RUNS_LOOK: Duration = Duration::from_millis(1000);
/// The same while the logs of runs at work are read for what the table shows of them.
const CATCH_UP: Duration = Duration::from_millis(100);
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
        Watching::Run(run) => Some(tokio::spawn(follow(run.clone(), to, true))),
        Watching::Several(runs) => Some(tokio::spawn(follow_all(runs.clone(), to))),
        Watching::Nothing => None,
    }
}

async fn watch_runs(to: UnboundedSender<Msg>) {
    let mut table = RunsFolder::default();
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
        tokio::time::sleep(if table.is_behind() { CATCH_UP } else { RUNS_LOOK }).await;
    }
}

/// Follows runs side by side. That is no look at what happened to each of them.
async fn follow_all(runs: Vec<String>, to: UnboundedSender<Msg>) {
    // Where this task is aborted, the set goes, and its tasks with it.
    let mut tasks: JoinSet<()> = runs.into_iter().map(|run| follow(run, to.clone(), false)).collect();
    while tasks.join_next().await.is_some() {}
}

/// Follows a run; `marks`: whether that counts as having seen it.
async fn follow(run: String, to: UnboundedSender<Msg>, marks: bool) {
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
                if marks && left.is_none() {
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
