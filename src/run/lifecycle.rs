//! What a user does with runs, from a verb or a screen: start, pause, resume, stop, choose ranks anew, remove.

use super::control::{self, Request};
use super::directory::{DirError, RunDir};
use super::event::{Event, Phase};
use super::file::FileError;
use super::follow::Follower;
use super::heap;
use super::lock::{Holder, Lock, LockError};
use super::log::EventLog;
use super::process::{huge_pages, is_ending, is_stopped};
use super::state::{Status, last_event, status};
use super::view::{RunView, State};
use super::worker::keep_allocation;
use crate::experiment::{AllocationSettings, Complaint, Experiment, check, regular};
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a worker may take to begin.
pub const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a worker may take to make its checkpoint and end.
pub const END_LIMIT: Duration = Duration::from_secs(60);
/// How long one waits before one wants to know for what.
const SILENCE: Duration = Duration::from_secs(2);
/// Time between looks at a run that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// When a worker that is started begins its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    #[default]
    Now,
    /// Once a slot of its device is free.
    InTurn,
}

/// What was asked of a run cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// A worker holds the run.
    #[error("run {id} {}{}; {advice}", if *waits { "waits in the queue" } else { "is at work" }, by(holder.as_ref()))]
    Busy { id: String, waits: bool, holder: Option<Holder>, advice: &'static str },
    /// The state of the run does not allow it.
    #[error("run {id} is {}: {reason}", state.name())]
    WrongState { id: String, state: State, reason: &'static str },
    /// A choice does not go with the other settings of the run.
    #[error("{key} {message}")]
    Unfit { key: &'static str, message: String, help: Option<String> },
    /// Somebody else deleted the run.
    #[error("run {id} was deleted meanwhile")]
    Gone { id: String },
    /// The worker ended before it began.
    #[error("the worker of run {id} did not start ({status}){}", tail(log))]
    NotStarted { id: String, status: String, log: String },
    #[error("the worker of run {id} did not answer within {} s{}{}", limit.as_secs(), by(holder.as_ref()), stopped(holder.as_ref()))]
    NoAnswer { id: String, limit: Duration, holder: Option<Holder> },
    #[error("cannot start a worker: {0}")]
    Spawn(std::io::Error),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    File(#[from] FileError),
}

fn by(holder: Option<&Holder>) -> String {
    holder.map_or(String::new(), |holder| format!(" ({holder})"))
}

/// The cause, where it is that the worker's process was stopped, and the way out.
fn stopped(holder: Option<&Holder>) -> String {
    holder.filter(|holder| holder.is_here() && is_stopped(holder.pid)).map_or(String::new(), |holder| {
        format!("; that process is stopped and hears nothing: kill -CONT {} lets it go on", holder.pid)
    })
}

fn tail(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!("; the end of its log:\n{log}") }
}

/// Starts `autolora worker DIR` from `program` in a session of its own, so that it outlives the terminal. It inherits
/// no stream of the caller; what it writes to stderr goes to `worker.log`.
///
/// # Errors
/// [`LifecycleError::Spawn`], or [`LifecycleError::File`] where `worker.log` cannot be opened.
pub fn spawn_worker(program: &Path, dir: &RunDir, when: When) -> Result<Child, LifecycleError> {
    let path = dir.worker_log_path();
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(FileError::at("cannot open", &path))?;
    let mut command = Command::new(program);
    heap::for_a_worker(&mut command);
    command.arg("worker").arg(dir.path()).args((when == When::InTurn).then_some("--queue"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; setsid is one, and nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            // Fails only for a group leader, which a fresh child is not.
            let _ = rustix::process::setsid();
            huge_pages(true);
            Ok(())
        });
    }
    command.spawn().map_err(LifecycleError::Spawn)
}

/// Starts a worker by this very program and returns once it holds the run and has logged that it began, or is done.
///
/// # Errors
/// [`LifecycleError::Busy`] where another worker was faster, [`LifecycleError::NotStarted`] with the end of its log,
/// [`LifecycleError::NoAnswer`].
pub fn start_and_wait(dir: &RunDir, limit: Duration) -> Result<(), LifecycleError> {
    start(dir, When::Now, limit)
}

/// [`start_and_wait`], or returns once the worker waits for its turn.
///
/// # Errors
/// As [`start_and_wait`].
pub fn start(dir: &RunDir, when: When, limit: Duration) -> Result<(), LifecycleError> {
    let program = std::env::current_exe().map_err(LifecycleError::Spawn)?;
    wait_for_start(dir, spawn_worker(&program, dir, when)?, limit)
}

/// Waits until a worker has begun or waits for its turn, then leaves it to a thread that takes its exit status when it ends.
///
/// # Errors
/// As [`start_and_wait`].
pub fn wait_for_start(dir: &RunDir, mut child: Child, limit: Duration) -> Result<(), LifecycleError> {
    let start = Instant::now();
    let mut log = Follower::new(&dir.events_path());
    loop {
        let own = |event: &Event| matches!(event, Event::Started { pid, .. } | Event::Queued { pid, .. } if *pid == child.id());
        if log.read_all()?.iter().any(|record| own(&record.event)) {
            reap(child);
            return Ok(());
        }
        if let Some(status) = child.try_wait().map_err(LifecycleError::Spawn)? {
            return ended_early(dir, status);
        }
        if start.elapsed() > limit {
            let holder = status(dir)?.holder;
            reap(child);
            return Err(LifecycleError::NoAnswer { id: dir.id().into(), limit, holder });
        }
        std::thread::sleep(LOOK);
    }
}

fn ended_early(dir: &RunDir, exit: ExitStatus) -> Result<(), LifecycleError> {
    let id = dir.id().to_string();
    match exit.code() {
        // It began, and was faster than our look at it; or it failed, and the log says how.
        Some(0) => Ok(()),
        Some(4) => {
            let holder = status(dir)?.holder;
            Err(LifecycleError::Busy { id, waits: false, holder, advice: "another worker was faster" })
        }
        _ if matches!(last_event(dir)?, Some(Event::Failed { .. })) => Ok(()),
        _ => Err(LifecycleError::NotStarted { id, status: exit.to_string(), log: log_tail(dir, 10) }),
    }
}

/// The last lines of `worker.log`.
pub fn log_tail(dir: &RunDir, lines: usize) -> String {
    let text = regular::read(&dir.worker_log_path()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Takes the exit status of a child whenever it comes, so that a long-lived caller keeps no dead process.
fn reap(mut child: Child) {
    let wait = move || child.wait();
    // Without the thread, the child is taken when the caller ends.
    if let Err(error) = std::thread::Builder::new().name("reaper".into()).spawn(wait) {
        tracing::warn!("no thread to wait for a worker: {error}");
    }
}

/// Ends the worker of a run at its next step, resumable. On a paused run there is nothing to do. `tell` hears for what it waits,
/// where that takes long.
///
/// # Errors
/// [`LifecycleError::WrongState`] where no worker is at work, [`LifecycleError::NoAnswer`]. The state that the run has
/// in the end is the answer: it may have finished meanwhile.
pub fn pause(dir: &RunDir, tell: impl Fn(&str)) -> Result<State, LifecycleError> {
    let wrong = |state, reason| Err(LifecycleError::WrongState { id: dir.id().into(), state, reason });
    let status = status(dir)?;
    match status.state {
        _ if status.has_worker() => end_worker(dir, &Request::Pause, END_LIMIT, tell),
        State::Paused => Ok(State::Paused),
        state @ (State::Queued | State::Crashed) => wrong(state, "no worker is there to pause"),
        state => wrong(state, "it does not run"),
    }
}

/// Ends the worker of a run at its next step, or marks a run without worker as stopped; resumable. `tell` as in [`pause`].
///
/// # Errors
/// [`LifecycleError::WrongState`] where the run has ended already, [`LifecycleError::NoAnswer`]. The state that the run
/// has in the end is the answer: it may have finished meanwhile.
pub fn stop(dir: &RunDir, reason: &str, tell: impl Fn(&str)) -> Result<State, LifecycleError> {
    let status = status(dir)?;
    match status.state {
        _ if status.has_worker() => end_worker(dir, &Request::Stop { reason: reason.into() }, END_LIMIT, tell),
        State::Queued | State::Paused | State::Crashed => mark_stopped(dir, reason),
        State::Stopped => Ok(State::Stopped),
        state => Err(LifecycleError::WrongState { id: dir.id().into(), state, reason: "there is nothing to stop" }),
    }
}

/// Asks the worker and waits until it has let go of the run.
fn end_worker(dir: &RunDir, request: &Request, limit: Duration, tell: impl Fn(&str)) -> Result<State, LifecycleError> {
    let start = Instant::now();
    let mut asked = false;
    let mut told = false;
    loop {
        let status = status(dir)?;
        if !status.has_worker() {
            return Ok(status.state);
        }
        // A worker forgets what was asked before it signed its lock.
        if !asked && status.holder.is_some() {
            control::ask(&dir.control_path(), request)?;
            asked = true;
        }
        if !told && start.elapsed() > SILENCE {
            told = true;
            let holder = status.holder.as_ref();
            let limit = limit.as_secs();
            tell(&format!(
                "waiting up to {limit} s for the worker of run {} to end{}{}",
                dir.id(),
                by(holder),
                stopped(holder)
            ));
        }
        if start.elapsed() > limit {
            return Err(LifecycleError::NoAnswer { id: dir.id().into(), limit, holder: status.holder });
        }
        std::thread::sleep(LOOK);
    }
}

/// Asks the worker of a run to stop, without waiting for it.
///
/// # Errors
/// [`FileError`].
pub fn ask_to_stop(dir: &RunDir, reason: &str) -> Result<(), FileError> {
    control::ask(&dir.control_path(), &Request::Stop { reason: reason.into() })
}

fn mark_stopped(dir: &RunDir, reason: &str) -> Result<State, LifecycleError> {
    let _lock = take(dir, "a worker took it at this moment")?;
    let view = RunView::of(&Follower::new(&dir.events_path()).read_all()?);
    let phase = view.phase.unwrap_or(Phase::Prepare);
    let mut log = EventLog::open(&dir.events_path())?;
    log.append(Event::Stopped { phase, step: view.step, reason: reason.into() })?;
    Ok(State::Stopped)
}

fn take(dir: &RunDir, advice: &'static str) -> Result<Lock, LifecycleError> {
    Lock::acquire(&dir.lock_path()).map_err(|error| match error {
        LockError::Held { holder } => {
            let waits = status(dir).is_ok_and(|status| status.state == State::Queued);
            LifecycleError::Busy { id: dir.id().into(), waits, holder, advice }
        }
        LockError::File(error) => error.into(),
    })
}

/// Starts a worker for a run that has none: queued, paused, stopped, crashed or failed.
///
/// # Errors
/// [`LifecycleError::Busy`] where one is at work, [`LifecycleError::WrongState`] for a finished run, and those of
/// [`start_and_wait`].
pub fn resume(dir: &RunDir) -> Result<(), LifecycleError> {
    resume_when(dir, When::Now)
}

/// The status of a run, once a worker that is just being ended is gone: a process that was killed holds its lock until the system
/// has taken back what it had.
///
/// # Errors
/// [`FileError`].
pub fn settled(dir: &RunDir) -> Result<Status, FileError> {
    /// How long a worker that may have been killed at this moment is waited for, and one that is known to end.
    const LIMITS: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(5)];
    let start = Instant::now();
    loop {
        let status = status(dir)?;
        let ends = status.holder.as_ref().is_some_and(|holder| holder.is_here() && is_ending(holder.pid));
        if !status.has_worker() || start.elapsed() > LIMITS[usize::from(ends)] {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

/// How a run ended that was just started, where it did so within `limit`: what cannot be read is often found out at once.
/// One that has all that it needs is not looked at any longer.
///
/// # Errors
/// [`FileError`].
pub fn early_end(dir: &RunDir, limit: Duration) -> Result<Option<State>, FileError> {
    let start = Instant::now();
    loop {
        let status = status(dir)?;
        if !status.has_worker() {
            return Ok(Some(status.state));
        }
        if start.elapsed() > limit || last_event(dir)?.is_some_and(|event| is_past_preparing(&event)) {
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

fn is_past_preparing(event: &Event) -> bool {
    match event {
        Event::Prepared { .. } | Event::Warmup { .. } | Event::Step(_) | Event::Selection(_) => true,
        Event::Phase { phase, .. } | Event::Progress { phase, .. } | Event::Checkpoint { phase, .. } => {
            *phase != Phase::Prepare
        }
        _ => false,
    }
}

/// [`resume`], now or in its turn.
///
/// # Errors
/// As [`resume`].
pub fn resume_when(dir: &RunDir, when: When) -> Result<(), LifecycleError> {
    let status = settled(dir)?;
    let id = dir.id().to_string();
    match status.state {
        State::Queued if status.has_worker() => {
            let advice = "autolora queue --first puts it before the others";
            Err(LifecycleError::Busy { id, waits: true, holder: status.holder, advice })
        }
        State::Running | State::Stalled => {
            Err(LifecycleError::Busy { id, waits: false, holder: status.holder, advice: "there is nothing to resume" })
        }
        state @ State::Finished => Err(LifecycleError::WrongState { id, state, reason: "there is nothing to resume" }),
        _ => start(dir, when, START_LIMIT),
    }
}

/// Has a run allocate by another choice, where that is still to come: a worker takes it over between two steps; without
/// one it is kept in `experiment.toml`.
///
/// # Errors
/// [`LifecycleError::Unfit`] where the choice does not go with the run's search, [`LifecycleError::WrongState`] where the ranks are allocated already, [`LifecycleError::NoAnswer`]. The state that the
/// run has then is the answer.
pub fn choose_allocation(dir: &RunDir, choice: &AllocationSettings) -> Result<State, LifecycleError> {
    check_choice(&Experiment { allocation: choice.clone(), ..dir.experiment()? })?;
    let start = Instant::now();
    let mut log = Follower::new(&dir.events_path());
    let mut view = RunView::default();
    let mut asked = false;
    loop {
        let status = status(dir)?;
        for record in log.read_all()? {
            view.apply(&record);
            if asked && is_choice(&record.event, choice) {
                return Ok(status.state);
            }
        }
        if view.allocated || matches!(status.state, State::Finished) {
            let reason = "its ranks are allocated; autolora retrain makes a run with others from its search";
            return Err(LifecycleError::WrongState { id: dir.id().into(), state: status.state, reason });
        }
        if !status.has_worker() {
            return keep_choice(dir, choice);
        }
        // A worker forgets what was asked before it signed its lock.
        if !asked && status.holder.is_some() {
            control::ask_allocation(&dir.control_path(), choice)?;
            asked = true;
        }
        if start.elapsed() > END_LIMIT {
            return Err(LifecycleError::NoAnswer { id: dir.id().into(), limit: END_LIMIT, holder: status.holder });
        }
        std::thread::sleep(LOOK);
    }
}

fn check_choice(experiment: &Experiment) -> Result<(), LifecycleError> {
    for Complaint { keys, message, help } in check(experiment) {
        if let Some(key) = keys.first().filter(|key| key.starts_with("allocation.")) {
            return Err(LifecycleError::Unfit { key, message, help });
        }
    }
    Ok(())
}

fn is_choice(event: &Event, choice: &AllocationSettings) -> bool {
    matches!(event, Event::Allocation { rule, threshold, budget, .. }
        if (*rule, *threshold, *budget) == (choice.rule, choice.threshold, choice.budget))
}

/// Keeps a choice for the next worker of a run that has none.
fn keep_choice(dir: &RunDir, choice: &AllocationSettings) -> Result<State, LifecycleError> {
    let lock = take(dir, "a worker took it at this moment")?;
    let view = RunView::of(&Follower::new(&dir.events_path()).read_all()?);
    if view.allocated {
        let reason = "its ranks were allocated at this moment";
        return Err(LifecycleError::WrongState { id: dir.id().into(), state: State::Running, reason });
    }
    let event = keep_allocation(dir, choice, view.phase.unwrap_or(Phase::Prepare))?;
    EventLog::open(&dir.events_path())?.append(event)?;
    drop(lock);
    Ok(status(dir)?.state)
}

/// Deletes a run that nobody works on; `force` stops its worker first, `tell` as in [`pause`]. Gives the bytes that it freed.
///
/// # Errors
/// [`LifecycleError::Busy`], [`LifecycleError::NoAnswer`] where the worker does not stop, [`LifecycleError::File`].
pub fn remove(dir: &RunDir, force: bool, tell: impl Fn(&str)) -> Result<u64, LifecycleError> {
    let gone = |error: LifecycleError| match dir.path().try_exists() {
        Ok(false) => LifecycleError::Gone { id: dir.id().into() },
        _ => error,
    };
    if force && status(dir)?.has_worker() {
        stop(dir, "removed", tell)?;
    }
    let lock = take(dir, "stop it first, or use --force").map_err(gone)?;
    let freed = dir.size();
    // Out of sight in one step, so that nobody sees half a run.
    let hidden = dir.path().with_file_name(format!(".removed-{}", dir.id()));
    let renamed = fs::rename(dir.path(), &hidden).map_err(FileError::at("cannot remove", dir.path()));
    renamed.map_err(|error| gone(error.into()))?;
    drop(lock);
    fs::remove_dir_all(&hidden).map_err(FileError::at("cannot remove", &hidden))?;
    Ok(freed)
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
