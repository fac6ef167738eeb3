//! The worker: the one process that writes a run. It takes the lock, tells of itself, and hands over to the job.

use super::checkpoint::{Checkpoint, CheckpointError, Checkpoints};
use super::companion::Companion;
use super::control::{Control, Request};
use super::device::{self, DeviceError};
use super::directory::{DirError, RunDir};
use super::event::{Event, Metrics, Phase, Ranks, Step, Timing};
use super::file::FileError;
use super::heartbeat::Heartbeat;
use super::lock::{Lock, LockError, hostname};
use super::log::EventLog;
use super::machine::Looks;
use super::queue::Turn;
use super::signals::Signals;
use super::state::last_event;
use super::threads;
use super::view::State;
use super::waiting::{Ready, Unseated, wait_for_device};
use crate::experiment::{AllocationSettings, Experiment};
use candle_core::Device;
use rayon::{ThreadPool, ThreadPoolBuildError};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// How a job ends that does not fail.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Finished { ranks: Ranks, metrics: Metrics, timing: Timing },
    Paused { phase: Phase, step: usize },
    Stopped { phase: Phase, step: usize, reason: String },
}

/// How a job fails.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    /// Where it was.
    pub phase: Phase,
    pub step: usize,
    /// What went wrong: with the values seen.
    pub message: String,
    /// What the user may do about it; empty where there is nothing to say.
    pub advice: String,
    /// What is known so far.
    pub ranks: Ranks,
    pub metrics: Metrics,
    pub timing: Timing,
}

/// What a job returns.
pub type JobResult = Result<JobEnd, Box<JobError>>;

impl JobError {
    /// An error of which nothing more is known.
    pub fn new(phase: Phase, step: usize, message: impl Into<String>, advice: impl Into<String>) -> Box<JobError> {
        let (ranks, metrics, timing) = Default::default();
        Box::new(JobError { phase, step, message: message.into(), advice: advice.into(), ranks, metrics, timing })
    }
}

/// How a worker ended, in its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    Paused,
    Stopped,
    Failed,
}

impl Outcome {
    /// The state that it leaves the run in.
    pub fn state(self) -> State {
        match self {
            Outcome::Finished => State::Finished,
            Outcome::Paused => State::Paused,
            Outcome::Stopped => State::Stopped,
            Outcome::Failed => State::Failed,
        }
    }
}

/// A worker could not do its work: nothing, or no last word, is in the log.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a job could not begin; becomes its `failed` event.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("cannot start threads: {0}")]
    Threads(#[from] ThreadPoolBuildError),
    #[error("cannot wait in the queue: {0}")]
    Queue(FileError),
}

impl Unready {
    fn advice(&self) -> &'static str {
        match self {
            Unready::Dir(_) => "make a new run from its preset.toml",
            Unready::Device(_) => "set runtime.device to auto or cpu",
            Unready::Threads(_) => "set runtime.threads to a smaller number",
            Unready::Queue(_) => "resume it without --queue, or free what is in the way",
            Unready::Checkpoint(_) => "delete the folder checkpoints of the run to begin anew",
        }
    }
}

/// What a job knows and may do.
#[derive(Debug)]
pub struct Context<'a> {
    dir: &'a RunDir,
    experiment: Experiment,
    device: Device,
    log: &'a mut EventLog,
    control: Control,
    signals: &'a Signals,
    checkpoints: Checkpoints,
    checkpoint: Option<Checkpoint>,
    /// What the machine does.
    machine: Looks,
    /// Where the job was when it last spoke: for the last word of one that panics.
    reached: (Phase, usize),
    /// Whether the ranks are allocated.
    allocated: bool,
}

impl Context<'_> {
    /// The run.
    pub fn dir(&self) -> &RunDir {
        self.dir
    }

    /// Every setting.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The device that `runtime.device` names, open.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Takes the checkpoint from which this job goes on, its tensors on the CPU; `None` for a fresh start.
    pub fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        self.checkpoint.take()
    }

    /// The last step that the job logged or saved, in the phase that it logged last.
    pub fn last_step(&self) -> usize {
        self.reached.1
    }

    /// Appends to the log. How often is the job's business.
    ///
    /// # Errors
    /// [`FileError`], e.g. a full disk.
    pub fn emit(&mut self, event: Event) -> Result<(), FileError> {
        match &event {
            Event::Phase { phase, .. } if *phase != self.reached.0 => self.reached = (*phase, 0),
            Event::Step(Step { phase, step, .. }) | Event::Checkpoint { phase, step } => self.reached = (*phase, *step),
            Event::Allocated { .. } => self.allocated = true,
            _ => {}
        }
        let in_progress = if let Event::Progress { phase, .. } = &event { Some(*phase) } else { None };
        self.log.append(event)?;
        if let Some((phase, machine)) = in_progress.and_then(|phase| Some((phase, self.machine.newest()?))) {
            self.log.append(Event::Machine { phase, machine })?;
        }
        Ok(())
    }

    /// Makes a checkpoint durable and says so in the log.
    ///
    /// # Errors
    /// [`CheckpointError`], e.g. a full disk; the checkpoint before is as it was.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        // The log first: a checkpoint must not be ahead of the events that a reader sees.
        self.log.sync()?;
        self.checkpoints.save(checkpoint)?;
        Ok(self.emit(Event::Checkpoint { phase: checkpoint.phase, step: checkpoint.step })?)
    }

    /// What is asked of the job, to be looked at between steps: it makes a checkpoint and returns. Another choice of an
    /// allocation is taken over.
    pub fn request(&mut self) -> Option<Request> {
        if let Err(error) = self.heed_allocation() {
            // Who asked is told that there was no answer.
            tracing::warn!("another choice of allocation is not kept: {error}");
        }
        self.signals.request().or_else(|| self.control.poll().cloned())
    }

    /// Takes another choice of `[allocation]` over, where one was made; refuses it once the ranks are allocated.
    ///
    /// # Errors
    /// [`WorkerError`] where `experiment.toml` or the log cannot be written.
    pub fn heed_allocation(&mut self) -> Result<(), WorkerError> {
        let Some(choice) = self.control.take_allocation() else { return Ok(()) };
        let phase = self.reached.0;
        if self.allocated {
            let message = "another choice of allocation came after the ranks were allocated, and changes nothing; \
                           autolora retrain makes a run with it";
            return Ok(self.emit(Event::Log { phase, level: "warning".into(), message: message.into() })?);
        }
        self.log.append(keep_allocation(self.dir, &choice, phase)?)?;
        self.experiment.allocation = choice;
        Ok(())
    }
}

/// Keeps a choice of `[allocation]` in `experiment.toml`; gives the event that tells it. The caller holds the run.
///
/// # Errors
/// [`DirError`]; the old file stays then.
pub fn keep_allocation(dir: &RunDir, choice: &AllocationSettings, phase: Phase) -> Result<Event, DirError> {
    // What is on the disk may say more than a job that began with less, e.g. commits.
    let mut experiment = dir.experiment()?;
    experiment.allocation = choice.clone();
    dir.write_experiment(&experiment)?;
    let &AllocationSettings { rule, threshold, budget } = choice;
    Ok(Event::Allocation { phase, rule, threshold, budget })
}

/// Works on a run until it is done or told to end, and logs how it ended; waits for its turn first. On a finished run
/// there is nothing to do.
///
/// # Errors
/// [`WorkerError`] where the run is held by another ([`WorkerError::Lock`]) or its files cannot be used.
pub fn work(
    dir: &RunDir,
    signals: &Signals,
    turn: &Turn,
    job: impl FnOnce(&mut Context) -> JobResult + Send,
) -> Result<Outcome, WorkerError> {
    let mut lock = Lock::acquire(&dir.lock_path())?;
    if matches!(last_event(dir)?, Some(Event::Finished { .. })) {
        return Ok(Outcome::Finished);
    }
    let mut control = Control::clear(&dir.control_path())?;
    let reserve = Reserve::set_aside(dir);
    let heartbeat = Heartbeat::start(&dir.heartbeat_path())?;
    let mut log = EventLog::open(&dir.events_path())?;
    lock.sign()?;
    let companion = companion(dir);
    let (seat, result) = match wait_for_device(dir, turn, &mut log, &mut control, signals) {
        Ok(Ready::Asked(end)) => (None, Ok(end)),
        Ok(Ready::Seated { mark, device }) => (mark, begin_and_run(dir, &mut log, control, signals, &device, job)?),
        Err(Unseated::Log(error)) => return Err(error.into()),
        Err(Unseated::Dir(error)) => (None, Err(unready(error.into()))),
        Err(Unseated::Queue(error)) => (None, Err(unready(Unready::Queue(error)))),
    };
    let (outcome, event) = last_word(dir, result);
    match log.append(event.clone()) {
        Err(FileError::Full { .. }) => {
            reserve.give_up();
            log.append(event)?;
        }
        written => {
            written?;
        }
    }
    drop(seat);
    drop(heartbeat);
    drop(lock);
    if let Some(companion) = companion {
        companion.tell(outcome.state());
    }
    Ok(outcome)
}

/// Who tells the user how this worker ended, where that is wanted.
fn companion(dir: &RunDir) -> Option<Companion> {
    // A broken experiment is for the work itself to report.
    dir.experiment().ok()?.notify.command?;
    match Companion::start(dir) {
        Ok(companion) => Some(companion),
        Err(error) => {
            tracing::warn!("nobody will run notify.command: {error}");
            None
        }
    }
}

fn unready(error: Unready) -> Box<JobError> {
    JobError::new(Phase::Prepare, 0, error.to_string(), error.advice())
}

/// The job on `device`, its faults and panics as its failure.
fn begin_and_run(
    dir: &RunDir,
    log: &mut EventLog,
    control: Control,
    signals: &Signals,
    device: &str,
    job: impl FnOnce(&mut Context) -> JobResult + Send,
) -> Result<JobResult, WorkerError> {
    match begin(dir, log, control, signals, device) {
        Ok((mut context, threads)) => Ok(catch_unwind(AssertUnwindSafe(|| threads.install(|| job(&mut context))))
            .unwrap_or_else(|panic| Err(broken(context.reached, &*panic)))),
        Err(Begin::Unready(error)) => Ok(Err(unready(error))),
        Err(Begin::File(error)) => Err(error.into()),
    }
}

/// Space for the last word of a run that fills the disk.
struct Reserve(PathBuf);

impl Reserve {
    /// Bytes set aside: more than a last event takes.
    const SIZE: usize = 64 * 1024;

    fn set_aside(dir: &RunDir) -> Reserve {
        let path = dir.path().join("reserve");
        if let Err(error) = std::fs::write(&path, [0; Reserve::SIZE]) {
            tracing::warn!("cannot set space aside in {}: {error}", path.display());
        }
        Reserve(path)
    }

    fn give_up(&self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("cannot free {}: {error}", self.0.display());
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // Gone already where it was needed.
        let _ = std::fs::remove_file(&self.0);
    }
}

enum Begin {
    Unready(Unready),
    File(FileError),
}

/// Opens what the job needs, and logs who begins and from where.
fn begin<'a>(
    dir: &'a RunDir,
    log: &'a mut EventLog,
    control: Control,
    signals: &'a Signals,
    device: &str,
) -> Result<(Context<'a>, ThreadPool), Begin> {
    let unready = |error: Unready| Begin::Unready(error);
    let experiment = dir.experiment().map_err(|e| unready(e.into()))?;
    let threads = threads::pool(experiment.runtime.threads).map_err(|e| unready(e.into()))?;
    let device = device::open_for(&experiment.runtime.device, device).map_err(|e| unready(e.into()))?;
    let checkpoints = Checkpoints::new(&dir.checkpoints_path(), experiment.runtime.keep_checkpoints);
    let checkpoint = checkpoints.newest(&Device::Cpu).map_err(|e| unready(e.into()))?;
    let started = Event::Started {
        pid: std::process::id(),
        host: hostname(),
        device: device::name(&device),
        threads: threads.current_num_threads(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let resumed = log.is_resumed();
    let reached = checkpoint.as_ref().map_or((Phase::Prepare, 0), |from| (from.phase, from.step));
    let allocated = reached.0 > Phase::Allocate;
    log.append(started).map_err(Begin::File)?;
    if resumed {
        let (phase, step) = reached;
        log.append(Event::Resumed { phase, step }).map_err(Begin::File)?;
    }
    let machine = Looks::start(device::ordinal(&device));
    let context = Context {
        dir,
        experiment,
        device,
        log,
        control,
        signals,
        checkpoints,
        checkpoint,
        machine,
        reached,
        allocated,
    };
    Ok((context, threads))
}

/// A panic as a failure of the job.
fn broken((phase, step): (Phase, usize), panic: &(dyn Any + Send)) -> Box<JobError> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("internal error: {}", text.unwrap_or("no message"));
    JobError::new(phase, step, message, "this is a fault of the program; worker.log has more")
}

fn last_word(dir: &RunDir, result: JobResult) -> (Outcome, Event) {
    let (run, path) = (dir.id().to_string(), dir.path().display().to_string());
    match result {
        Ok(JobEnd::Finished { ranks, metrics, timing }) => {
            (Outcome::Finished, Event::Finished { phase: Phase::Export, run, dir: path, ranks, metrics, timing })
        }
        Ok(JobEnd::Paused { phase, step }) => (Outcome::Paused, Event::Paused { phase, step }),
        Ok(JobEnd::Stopped { phase, step, reason }) => (Outcome::Stopped, Event::Stopped { phase, step, reason }),
        Err(failure) => {
            let JobError { phase, step, message: error, advice, ranks, metrics, timing } = *failure;
            tracing::error!("{error}");
            (Outcome::Failed, Event::Failed { phase, step, run, dir: path, error, advice, ranks, metrics, timing })
        }
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
