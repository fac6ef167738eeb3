//! What a run is doing: derived from its lock, its heartbeat and its last event, never stored.

use super::directory::RunDir;
use super::event::Event;
use super::file::FileError;
use super::heartbeat::{self, STALE};
use super::lock::{Holder, Probe, probe};
use super::log::Tail;
use super::view::State;
use crate::experiment::regular;
use std::io::ErrorKind;

/// The state of a run, and who works on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    /// The worker, while one is at work; unknown for its first moments.
    pub holder: Option<Holder>,
}

impl Status {
    /// Whether a worker has the run, be it at work or in the queue.
    pub fn has_worker(&self) -> bool {
        self.state.is_active() || self.holder.is_some()
    }
}

/// Where a run stands.
///
/// # Errors
/// [`FileError`] where its files cannot be read.
pub fn status(dir: &RunDir) -> Result<Status, FileError> {
    let mut first = Some(());
    loop {
        // The lock first, then the log: a worker writes its last event before it lets go of the lock.
        let seen = probe(&dir.lock_path())?;
        let status = derive(seen, heartbeat_is_fresh(dir), last_event(dir)?);
        // A worker that took the lock between the two looks leaves a log that looks cut off: look once more.
        if status.state != State::Crashed || first.take().is_none() {
            return Ok(status);
        }
    }
}

/// [`status`] without the worker.
///
/// # Errors
/// As [`status`].
pub fn state(dir: &RunDir) -> Result<State, FileError> {
    Ok(status(dir)?.state)
}

fn derive(lock: Probe, fresh: bool, last: Option<Event>) -> Status {
    let waits = matches!(last, Some(Event::Queued { .. }));
    let (state, holder) = match (lock, ended(last.as_ref())) {
        // A worker that has not signed yet may follow one that died while it waited.
        (Probe::Held { holder: Some(holder) }, _) if fresh && waits => (State::Queued, Some(holder)),
        (Probe::Held { holder }, _) if fresh => (State::Running, holder),
        (Probe::Held { holder }, _) => (State::Stalled, holder),
        (Probe::Free { .. }, Some(state)) => (state, None),
        // A lock taken on another host may not be seen from here: there the heartbeat tells.
        (Probe::Free { last: Some(holder) }, None) if fresh && !holder.is_here() => {
            (if waits { State::Queued } else { State::Running }, Some(holder))
        }
        (Probe::Free { last: None }, None) if is_before_any_worker(last.as_ref()) => (State::Queued, None),
        (Probe::Free { .. }, None) => (State::Crashed, None),
    };
    Status { state, holder }
}

/// Whether no worker has said a word yet.
fn is_before_any_worker(last: Option<&Event>) -> bool {
    matches!(last, None | Some(Event::Schema { .. } | Event::Inherited { .. }))
}

/// The state that a last event names.
pub fn ended(last: Option<&Event>) -> Option<State> {
    match last? {
        Event::Paused { .. } => Some(State::Paused),
        Event::Stopped { .. } => Some(State::Stopped),
        Event::Failed { .. } => Some(State::Failed),
        Event::Finished { .. } => Some(State::Finished),
        _ => None,
    }
}

/// Whether the worker's sign of life is recent. Before its first touch, the lock file's own time counts.
fn heartbeat_is_fresh(dir: &RunDir) -> bool {
    let ages = [heartbeat::age(&dir.heartbeat_path()), heartbeat::age(&dir.lock_path())];
    ages.into_iter().flatten().min().is_some_and(|age| age < STALE)
}

/// The last event that tells of a worker.
pub(super) fn last_event(dir: &RunDir) -> Result<Option<Event>, FileError> {
    let path = dir.events_path();
    let tail = match regular::open(&path) {
        Ok(file) => Tail::read(&file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    Ok(tail.map_err(FileError::at("cannot read", &path))?.word.map(|record| record.event))
}

#[cfg(test)]
mod tests {
    use super::super::event::{Metrics, Phase, Ranks, Timing};
    use super::super::lock::Lock;
    use super::super::log::EventLog;
    use super::super::store::{NewRun, Store};
    use super::*;
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    fn new_run() -> (tempfile::TempDir, RunDir) {
        let home = tempfile::tempdir().unwrap();
        let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
        (home, run)
    }

    fn checkpoint() -> Event {
        Event::Checkpoint { phase: Phase::Search, step: 3 }
    }

    fn finished() -> Event {
        let (ranks, metrics, timing) = (Ranks::new(), Metrics::new(), Timing::new());
        Event::Finished { phase: Phase::Export, run: "r".into(), dir: "d".into(), ranks, metrics, timing }
    }

    #[test]
    fn a_run_is_queued_running_then_what_its_last_event_says() {
        let (_home, run) = new_run();
        assert_eq!(state(&run).unwrap(), State::Queued);
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        assert_eq!(status(&run).unwrap(), Status { state: State::Running, holder: None });
        let holder = lock.sign().unwrap();
        let mut log = EventLog::open(&run.events_path()).unwrap();
        log.append(checkpoint()).unwrap();
        assert_eq!(status(&run).unwrap(), Status { state: State::Running, holder: Some(holder) });
        log.append(Event::Paused { phase: Phase::Search, step: 3 }).unwrap();
        assert_eq!(state(&run).unwrap(), State::Running, "it still holds the lock");
        drop(lock);
        assert_eq!(state(&run).unwrap(), State::Paused);
        log.append(Event::Stopped { phase: Phase::Search, step: 3, reason: "asked".into() }).unwrap();
        assert_eq!(state(&run).unwrap(), State::Stopped);
        log.append(finished()).unwrap();
        assert_eq!(state(&run).unwrap(), State::Finished);
    }

    #[test]
    fn a_worker_that_waits_is_queued_and_a_crash_once_it_is_dead() {
        let (_home, run) = new_run();
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        let holder = lock.sign().unwrap();
        let mut log = EventLog::open(&run.events_path()).unwrap();
        log.append(Event::Queued { pid: holder.pid, host: "h".into(), device: "cpu".into(), place: 1 }).unwrap();
        let waits = status(&run).unwrap();
        assert_eq!(waits, Status { state: State::Queued, holder: Some(holder) });
        assert!(waits.has_worker());
        drop(lock);
        assert_eq!(status(&run).unwrap(), Status { state: State::Crashed, holder: None });
        let _next = Lock::acquire(&run.lock_path()).unwrap();
        assert_eq!(state(&run).unwrap(), State::Running, "it has not said yet that it waits");
    }

    #[test]
    fn a_dead_worker_is_a_crash_at_once_however_fresh_its_heartbeat() {
        let (_home, run) = new_run();
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        lock.sign().unwrap();
        heartbeat::Heartbeat::start(&run.heartbeat_path()).unwrap();
        EventLog::open(&run.events_path()).unwrap().append(checkpoint()).unwrap();
        drop(lock);
        assert_eq!(state(&run).unwrap(), State::Crashed);
    }

    #[test]
    fn a_worker_that_died_before_its_first_event_is_a_crash_not_a_queue() {
        let (_home, run) = new_run();
        Lock::acquire(&run.lock_path()).unwrap().sign().unwrap();
        assert_eq!(state(&run).unwrap(), State::Crashed);
    }

    #[test]
    fn a_worker_without_heartbeat_for_a_minute_is_stalled() {
        let (_home, run) = new_run();
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        lock.sign().unwrap();
        drop(heartbeat::Heartbeat::start(&run.heartbeat_path()).unwrap());
        for path in [run.heartbeat_path(), run.lock_path()] {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - STALE - Duration::from_secs(1)).unwrap();
        }
        assert_eq!(state(&run).unwrap(), State::Stalled);
        drop(heartbeat::Heartbeat::start(&run.heartbeat_path()).unwrap());
        assert_eq!(state(&run).unwrap(), State::Running);
    }

    #[test]
    fn a_worker_of_another_host_is_known_by_its_heartbeat() {
        let (_home, run) = new_run();
        let mut holder = Holder::this_process();
        holder.host = "elsewhere".into();
        std::fs::write(run.lock_path(), serde_json::to_string(&holder).unwrap()).unwrap();
        drop(heartbeat::Heartbeat::start(&run.heartbeat_path()).unwrap());
        assert_eq!(status(&run).unwrap(), Status { state: State::Running, holder: Some(holder) });
        for path in [run.heartbeat_path(), run.lock_path()] {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - STALE * 2).unwrap();
        }
        assert_eq!(state(&run).unwrap(), State::Crashed);
    }
}
