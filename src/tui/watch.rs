//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::Head;
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use super::runs::folder::{RunsFolder, data_name, settings};
use crate::run::directory::RunDir;
use crate::run::follow::Follower;
use crate::run::state::state;
use crate::run::store::Store;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// Time between looks at the runs.
const RUNS_LOOK: Duration = Duration::from_millis(1000);
/// The same while the logs of runs at work are read for what the table shows of them.
const CATCH_UP: Duration = Duration::from_millis(100);

/// Watches until the task is aborted.
pub fn watch(watching: &Watching, to: UnboundedSender<Msg>) -> Option<JoinHandle<()>> {
    match watching {
        Watching::Runs => Some(tokio::spawn(watch_runs(to))),
        Watching::Run(run) => Some(tokio::spawn(follow(run.clone(), to))),
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

/// Follows runs side by side; their settings come first.
async fn follow_all(runs: Vec<String>, to: UnboundedSender<Msg>) {
    // Where this task is aborted, the set goes, and its tasks with it.
    let mut tasks = JoinSet::new();
    for run in runs {
        let to = to.clone();
        tasks.spawn(async move {
            let asked = run.clone();
            let read = spawn_blocking(move || Store::of_user().ok()?.find(&asked).ok()?.run.experiment().ok()).await;
            let settings = Msg::Settings { run: run.clone(), experiment: read.ok().flatten().map(Box::new) };
            if to.send(settings).is_ok() {
                follow(run, to).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
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
