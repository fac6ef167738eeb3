//! What a run would take, before it is started: parameters, memory, time of each phase, disk, lengths. Model and data are read
//! and a few real steps are done, in a run of their own that is gone afterwards.

mod card;
mod disk;
mod downloads;
mod judge;
mod lengths;
mod scratch;

pub use card::{Card, Disk, Download, Lengths, Memory, Parameters, PhaseTime, Remark, Rows, Verdict, Weight};
pub use scratch::{Scratch, ScratchError};

use super::control::Request;
use super::event::{Event, Phase};
use super::follow::Follower;
use super::pipeline::sized;
use super::pipeline::trial::{Trial, try_out};
use super::queue::Turn;
use super::signals::Signals;
use super::state::last_event;
use super::store::{NewRun, Store, StoreError};
use super::worker::{JobEnd, JobError, WorkerError, work};
use crate::data::hub::Hub;
use crate::data::profile;
use crate::experiment::Experiment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bars of the histogram at most.
const BARS: usize = 7;
/// Rows that are read again to see how long they are uncut.
const READ_AGAIN: usize = 20_000;

/// What is known of a run once it was tried.
const MEASURED: &str = "parameters, memory, time, disk and lengths";

/// A preflight could not be held: nothing is said of the run.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    File(#[from] super::file::FileError),
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// What can be said without a look into model and data: what would be fetched, and whether there is room for it. `true`
/// where everything is here, so that [`complete`] can go on.
pub fn begin(preset: &str, experiment: &Experiment, hub: &Hub) -> (Card, bool) {
    let data = experiment.data.id.clone().or_else(|| {
        let train = experiment.data.train.as_ref()?;
        Some(train.display().to_string())
    });
    let mut card = Card {
        preset: preset.into(),
        model: experiment.model.id.clone(),
        data: data.unwrap_or_default(),
        ..Card::default()
    };
    let (missing, faults) = downloads::missing(experiment, hub);
    if missing.is_empty() && faults.is_empty() {
        return (card, true);
    }
    let here = |key: &str| if key == "model.id" { card.model.as_str() } else { card.data.as_str() };
    let gone: Vec<&str> = faults.iter().map(|(key, _)| here(key)).collect();
    if !gone.is_empty() {
        card.unknown = Some(format!("{MEASURED}: they are measured, and {} cannot be read", gone.join(" and ")));
    }
    for (key, message) in faults {
        let mut fault = judge::fault(&message, "");
        fault.key = Some(key.into());
        card.remarks.push(fault);
    }
    let bytes = missing.iter().filter_map(|download| download.bytes).sum::<u64>();
    let free = disk::free(&hub.cache);
    if let Some(free) = free.filter(|free| bytes > *free) {
        card.remarks.push(Remark {
            weight: Weight::Fit,
            message: format!("{} are to be downloaded, {} of the disk are free", sized(bytes), sized(free)),
            help: "HF_HUB_CACHE moves the cache to another disk".into(),
            key: None,
        });
    }
    card.downloads = missing;
    (card, false)
}

/// Prepares the run, tries its steps, and puts what was found on the card. What would end the run is a remark of it.
///
/// # Errors
/// [`PreflightError`]: the trial itself could not be held.
pub fn complete(
    mut card: Card,
    experiment: &Experiment,
    scratch: &Scratch,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Card, PreflightError> {
    let store = Store::new(scratch.path());
    let mut tried = experiment.clone();
    // Nobody is to be told that a trial ended.
    tried.notify.command = None;
    let dir = store.create(NewRun { name: "preflight", parent: None, experiment: tried, preset: "" })?;
    let mut found = None;
    work(&dir, &Signals::none(), &Turn::Apart, |ctx| match try_out(ctx, say) {
        Ok(trial) => {
            found = Some(trial);
            Ok(JobEnd::Stopped { phase: Phase::Prepare, step: 0, reason: "it was a trial".into() })
        }
        Err(_) if matches!(ctx.request(), Some(Request::Stop { .. })) => {
            Ok(JobEnd::Stopped { phase: Phase::Prepare, step: 0, reason: "asked".into() })
        }
        Err(fault) => Err(JobError::new(Phase::Prepare, 0, fault.message, fault.advice)),
    })?;
    let Some(trial) = found else {
        return match last_event(&dir).ok().flatten() {
            Some(Event::Failed { error, advice, .. }) => {
                card.remarks.push(judge::fault(&error, &advice));
                card.unknown = Some(format!("{MEASURED}: what the trial came to ended it before"));
                Ok(card)
            }
            _ => Err(PreflightError::Interrupted),
        };
    };
    let events = Follower::new(&dir.events_path()).read_all()?;
    let events: Vec<Event> = events.into_iter().map(|record| record.event).collect();
    fill(&mut card, &trial, &events, say);
    if let (Some(disk), Ok(user)) = (&mut card.disk, Store::of_user()) {
        disk.free = disk::free(user.root());
    }
    card.remarks = judge::judge(&card, experiment, &trial.savers);
    card.remarks.extend(warnings(&events));
    Ok(card)
}

/// What the run would warn of itself. Of rows that are cut the card has its own word.
fn warnings(events: &[Event]) -> Vec<Remark> {
    let said = events.iter().filter_map(|event| match event {
        Event::Log { level, message, .. } if level == "warning" && !message.contains("data.max_length") => {
            Some(judge::warning(message))
        }
        _ => None,
    });
    said.collect()
}

fn fill(card: &mut Card, trial: &Trial, events: &[Event], say: &mut dyn FnMut(&str)) {
    let prepared = events.iter().find_map(|event| match event {
        Event::Prepared { truncated_rows, trainable_parameters, max_length, .. } => {
            Some((*truncated_rows, *trainable_parameters, *max_length))
        }
        _ => None,
    });
    let (truncated, trainable, max_length) = prepared.unwrap_or_default();
    let (train, validation, test) = trial.rows;
    let sum = |number: fn(&(String, usize, usize)) -> usize| trial.modules.iter().map(number).sum::<usize>();
    let (inputs, outputs, rank) = (sum(|m| m.1), sum(|m| m.2), trial.experiment.lora.rank);
    let parameters = Parameters {
        trainable,
        a: rank * inputs,
        b: rank * outputs,
        head: trial.head_parameters,
        frozen: trial.frozen_parameters,
        rank,
        modules: trial.modules.len(),
        uniform4: 4 * (inputs + outputs),
    };
    card.device = trial.device.clone();
    card.rows = Some(Rows { train, validation, test });
    card.parameters = Some(parameters);
    let estimate = &trial.estimate;
    card.memory = Some(Memory {
        frozen: estimate.frozen,
        search: estimate.search,
        retrain: estimate.retrain,
        evaluate: estimate.evaluate,
        free: trial.free,
    });
    card.phases = trial
        .phases
        .iter()
        .map(|phase| PhaseTime {
            name: phase.name.into(),
            steps: phase.steps,
            step_s: phase.step_s,
            timed: phase.timed,
        })
        .collect();
    let names = sum(|m| m.0.len());
    let of = |phases: &[&str]| {
        let named = card.phases.iter().filter(|phase| phases.contains(&phase.name.as_str()));
        named.map(|phase| phase.steps).sum::<usize>()
    };
    let steps = (of(&["search"]), of(&["warmup", "retrain", "baseline"]));
    card.disk = Some(disk::needed(&trial.experiment, &parameters, names, steps));
    let uncut = if truncated > 0 {
        say("measuring the lengths of the rows uncut");
        // Of rows that cannot be read again the cut lengths are known.
        lengths::uncut(&trial.experiment, READ_AGAIN)
    } else {
        None
    };
    let lengths = profile::Lengths::of(uncut.unwrap_or_else(|| trial.lengths.clone()));
    card.lengths = Some(Lengths {
        counted: lengths.len(),
        rows: train + validation,
        max_length,
        longer: lengths.longer_than(max_length),
        p50: lengths.quantile(0.5),
        p90: lengths.quantile(0.9),
        p99: lengths.quantile(0.99),
        max: lengths.max(),
        histogram: lengths.histogram(BARS),
    });
}

/// A folder that a signal takes away with the process, which exits with 130: a step cannot be broken off.
pub struct Doomed {
    pub scratch: Scratch,
    leaving: Arc<AtomicBool>,
}

impl Doomed {
    /// Listens to signals first, so that none comes between the folder and who would take it away.
    ///
    /// # Errors
    /// Where the system refuses a handler, or the folder.
    pub fn make() -> Result<Doomed, PreflightError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]);
        let mut signals = signals.map_err(PreflightError::Signals)?;
        let scratch = Scratch::make()?;
        let (path, leaving) = (scratch.path().to_owned(), Arc::new(AtomicBool::new(false)));
        let said = Arc::clone(&leaving);
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                said.store(true, Ordering::SeqCst);
                Scratch::remove(&path);
                signal_hook::low_level::exit(130);
            }
        });
        Ok(Doomed { scratch, leaving })
    }

    /// What came of the work in the folder; that it was interrupted, where a signal took the folder from under it.
    ///
    /// # Errors
    /// Those of the work.
    pub fn result<T, E: From<PreflightError>>(&self, result: Result<T, E>) -> Result<T, E> {
        if self.leaving.load(Ordering::SeqCst) { Err(PreflightError::Interrupted.into()) } else { result }
    }
}
