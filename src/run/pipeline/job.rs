//! The order of the phases, where to go on after a checkpoint, and what every phase needs: saving, time, faults.

use super::memory::{peak_rss_bytes, report};
use super::prepare::{Prepared, prepare};
use super::state::{Carried, Tensors};
use super::{baseline, evaluate, retrain, search};
use crate::data::Rows;
use crate::model::Weights;
use crate::run::checkpoint::Checkpoint;
use crate::run::control::Request;
use crate::run::event::{Event, Phase};
use crate::run::export::{self, Facts, Learned};
use crate::run::inherit;
use crate::run::worker::{Context, JobEnd, JobError, JobResult};
use std::collections::BTreeMap;
use std::time::Instant;

/// Why a phase cannot go on.
#[derive(Debug)]
pub struct Fault {
    pub message: String,
    pub advice: String,
}

impl Fault {
    /// A fault that its own message explains.
    pub fn said(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), advice: String::new() }
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Fault {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            if !message.contains(&cause.to_string()) {
                message = format!("{message}: {cause}");
            }
            source = cause.source();
        }
        Fault::said(message)
    }
}

/// How a worker leaves a run before its end.
pub enum End {
    Paused(Phase, usize),
    Stopped(Phase, usize, String),
}

impl End {
    /// The end that a request asks for, after `step` of `phase`.
    pub fn requested(request: Request, phase: Phase, step: usize) -> End {
        match request {
            Request::Pause => End::Paused(phase, step),
            Request::Stop { reason } => End::Stopped(phase, step, reason),
        }
    }
}

/// A phase came to its end (`None`), or the worker is to leave.
pub type Progressed = Result<Option<End>, Fault>;

/// A run in work.
pub struct Job<'a, 'b> {
    pub ctx: &'a mut Context<'b>,
    pub carried: Carried,
    /// The retrained factors and head, once there; in every checkpoint from then on.
    pub adapter: Option<Weights>,
    /// The phase that the clock counts for, and since when.
    clock: (Phase, Instant),
    /// Steps done of that phase, for the last word of a run that fails.
    pub reached: usize,
}

/// Prefix of [`Job::adapter`] in checkpoints.
pub(super) const ADAPTER: &str = "adapter";

impl<'a, 'b> Job<'a, 'b> {
    /// A run at its beginning.
    pub fn new(ctx: &'a mut Context<'b>) -> Job<'a, 'b> {
        let clock = (Phase::Prepare, Instant::now());
        Job { ctx, carried: Carried::default(), adapter: None, clock, reached: 0 }
    }

    /// Saves `tensors` and what is carried as the checkpoint after `step` of `phase`.
    pub fn save(&mut self, mut tensors: Tensors, phase: Phase, step: usize) -> Result<(), Fault> {
        self.count_time(phase);
        if let Some(adapter) = &self.adapter {
            tensors.put(ADAPTER, adapter);
        }
        self.ctx.save(&tensors.checkpoint(phase, step, &self.carried))?;
        Ok(())
    }

    /// Books the time since the last call to the phase that was on the clock, and goes on with `phase`.
    fn count_time(&mut self, phase: Phase) {
        let (before, since) = std::mem::replace(&mut self.clock, (phase, Instant::now()));
        *self.carried.timing.entry(format!("{}_s", before.name())).or_default() += since.elapsed().as_secs_f64();
    }

    /// Announces a phase and gives it the clock.
    pub fn enter(&mut self, phase: Phase, total: usize) -> Result<(), Fault> {
        self.begin(phase, total, None)
    }

    /// [`Job::enter`] for a phase whose steps make so many passes over its rows.
    pub fn enter_epochs(&mut self, phase: Phase, total: usize, epochs: f64) -> Result<(), Fault> {
        self.begin(phase, total, Some(epochs))
    }

    fn begin(&mut self, phase: Phase, total: usize, epochs: Option<f64>) -> Result<(), Fault> {
        self.count_time(phase);
        self.reached = 0;
        Ok(self.ctx.emit(Event::Phase { phase, total, epochs })?)
    }

    /// Counts the tokens of a training batch, padding left out.
    pub fn count_tokens(&mut self, what: &str, set: &Rows, rows: &[usize]) {
        let tokens: usize = rows.iter().map(|row| set.length(*row)).sum();
        *self.carried.tokens.entry(what.into()).or_default() += tokens as u64;
    }

    /// A line for people.
    pub fn say(&mut self, phase: Phase, level: &str, message: String) -> Result<(), Fault> {
        Ok(self.ctx.emit(Event::Log { phase, level: level.into(), message })?)
    }

    /// Stops a run whose loss is no number: nothing after it means anything.
    pub fn check_loss(&mut self, phase: Phase, step: usize, what: &str, loss: f64, lr: f64) -> Result<(), Fault> {
        self.reached = step;
        if loss.is_finite() {
            return Ok(());
        }
        let settings = self.ctx.experiment();
        let (rates, keys) = match phase {
            Phase::Search => (
                format!("lr {lr:.3e}, selection lr {:.3e}", settings.search.selection_optimizer.lr),
                "search.weights.lr (and search.selection_optimizer.lr)",
            ),
            Phase::Baseline => (format!("lr {lr:.3e}"), "baseline.head_lr"),
            _ => (format!("lr {lr:.3e}"), "retrain.lr"),
        };
        // Steps of the search are counted after the warm-up.
        let place = match (phase, step) {
            (Phase::Search, 0) => format!("warm-up step {}", self.carried.warmed_up + 1),
            _ => format!("step {step} of {}", phase.name()),
        };
        let section = if phase == Phase::Search { "search" } else { "retrain" };
        Err(Fault {
            message: format!("the {what} loss is {loss} at {place} ({rates})"),
            advice: format!(
                "lower {keys} by a factor of 3 to 10, or set {section}.clip_norm = 1.0, and look at the rows of that batch"
            ),
        })
    }
}

/// Runs what is left of a run, to its end or to a request.
pub fn run(ctx: &mut Context) -> JobResult {
    let checkpoint = ctx.take_checkpoint();
    let carried = checkpoint.as_ref().map(|from| serde_json::from_value(from.meta.clone())).transpose();
    let mut job = Job::new(ctx);
    let ended = match carried {
        Ok(carried) => {
            job.carried = carried.unwrap_or_default();
            phases(&mut job, checkpoint)
        }
        Err(error) => Err(Fault::from(error)),
    };
    let Carried { ranks, metrics, mut timing, .. } = job.carried;
    match ended {
        Ok(None) => {
            timing.insert("total_s".into(), timing.values().sum());
            timing.extend(peak_rss_bytes().map(|bytes| ("peak_rss_bytes".to_owned(), bytes as f64)));
            Ok(JobEnd::Finished { ranks, metrics, timing })
        }
        Ok(Some(End::Paused(phase, step))) => Ok(JobEnd::Paused { phase, step }),
        Ok(Some(End::Stopped(phase, step, reason))) => Ok(JobEnd::Stopped { phase, step, reason }),
        Err(Fault { message, advice }) => {
            let (phase, step) = (job.clock.0, job.reached);
            Err(Box::new(JobError { phase, step, message, advice, ranks, metrics, timing }))
        }
    }
}

/// The phases from where a checkpoint left them.
fn phases(job: &mut Job, checkpoint: Option<Checkpoint>) -> Progressed {
    job.enter(Phase::Prepare, 0)?;
    let place = checkpoint.as_ref().map_or((Phase::Prepare, 0), |from| (from.phase, from.step));
    let prepared = match prepare(job.ctx) {
        // What a request broke off is no failure.
        Err(fault) => match job.ctx.request() {
            Some(request) => return Ok(Some(End::requested(request, place.0, place.1))),
            None => return Err(fault),
        },
        prepared => prepared?,
    };
    check_inputs(&job.carried.inputs, &prepared.inputs)?;
    job.carried.inputs.clone_from(&prepared.inputs);
    report(job.ctx, &prepared)?;
    if let Some(request) = job.ctx.request() {
        return Ok(Some(End::requested(request, place.0, place.1)));
    }
    let mut from = checkpoint.map(|from| (from.phase, from.step, Tensors::of(&from)));
    if let Some((.., tensors)) = &mut from {
        let adapter = tensors.take(ADAPTER, &prepared.problem.device)?;
        job.adapter = (!adapter.is_empty()).then_some(adapter);
        tensors.forget(ADAPTER);
    }
    let inherited = inherit::terms_of(job.ctx.dir())?;
    // A search ends with the allocation. Where it was taken from another run, that is all there is to do of it.
    let skipped = if inherited.is_some() { Phase::Search } else { Phase::Allocate };
    for phase in Phase::ALL.into_iter().filter(|phase| *phase > Phase::Prepare && *phase != skipped) {
        if from.as_ref().is_some_and(|(at, ..)| *at > phase) {
            continue;
        }
        // A checkpoint without state says only that the phase begins, or one of its parts.
        let begun = from.take().filter(|(_, step, tensors)| *step > 0 || !tensors.is_empty());
        let state = begun.map(|(_, step, tensors)| (step, tensors));
        if state.is_none() {
            job.save(Tensors::default(), phase, 0)?;
        }
        if let (Phase::Allocate, Some(terms)) = (phase, &inherited) {
            search::allocate_inherited(job, &prepared, terms)?;
            continue;
        }
        if let Some(end) = run_phase(job, &prepared, phase, state)? {
            return Ok(Some(end));
        }
    }
    job.count_time(Phase::Export);
    Ok(None)
}

/// Data that changed under a run would give a result that nothing explains.
pub(super) fn check_inputs(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Result<(), Fault> {
    let changed: Vec<&str> =
        before.iter().filter(|(key, hash)| now.get(*key) != Some(hash)).map(|(k, _)| &**k).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Fault {
        message: format!(
            "what {} names is not what it was when the run began (SHA-256 differs)",
            changed.join(" and ")
        ),
        advice: "restore the files and resume, or start a new run from the run's preset.toml".into(),
    })
}

fn run_phase(job: &mut Job, prepared: &Prepared, phase: Phase, from: Option<(usize, Tensors)>) -> Progressed {
    match phase {
        Phase::Search => search::search(job, prepared, from),
        Phase::Retrain => retrain::retrain(job, prepared, from),
        Phase::Evaluate => evaluate::evaluate(job, prepared, from),
        Phase::Baseline => baseline::baseline(job, prepared, from),
        _ => {
            job.enter(Phase::Export, 0)?;
            export(job)?;
            Ok(None)
        }
    }
}

/// Writes the run's own adapter, and says what reading it back found.
fn export(job: &mut Job) -> Result<(), Fault> {
    let dir = job.ctx.dir();
    let mut facts = Facts::of(dir)?;
    (facts.ranks, facts.metrics) = (job.carried.ranks.clone(), job.carried.metrics.clone());
    let adapter =
        job.adapter.as_ref().ok_or_else(|| Fault::said("there is no adapter to export: nothing was retrained"))?;
    let exported = export::of_run(&Learned::new(facts, adapter)?, dir)?;
    match exported.readback {
        None => Ok(()),
        Some(readback) => job.say(Phase::Export, "info", format!("the adapter was read back: {readback}")),
    }
}
