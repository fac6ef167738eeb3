//! A trial: everything that a run does before its first step, then a few real steps of each phase, timed.
//!
//! The batches are those of mean size among the first of their phase: lengths differ, and the first batch may be long.

use super::evaluate::decoding;
use super::job::{Fault, Job};
use super::memory::{self, Estimate};
use super::prepare::{Prepared, prepare};
use super::retrain::Fit;
use super::search;
use super::texts::new_prompts;
use crate::data::Rows;
use crate::data::batches::evaluation_batches;
use crate::data::sampler::Sampler;
use crate::experiment::{Experiment, Task};
use crate::model::{DropoutRates, Weights};
use crate::run::device;
use crate::run::machine::gpu_free;
use crate::run::worker::Context;
use crate::search::lower::LowerLevel;
use crate::search::step::DropoutKeys;
use crate::train::fit::{FitRules, FitState};
use crate::train::optimizer::{Adam, AdamConfig};
use crate::train::problem::retrain_scales;
use crate::train::schedule::LinearSchedule;
use candle_core::Device;
use std::time::{Duration, Instant};

/// Steps that are timed at most, after one that is not, and the time after which no further one is begun.
const TIMED: usize = 3;
const PATIENCE: Duration = Duration::from_secs(6);
/// Batches among which one of mean size is chosen.
const LOOKED_AT: usize = 200;
/// The rank with which retraining is tried, where k is not less: what a search usually leaves is about that.
const RANK: usize = 4;
/// Tokens that are written to see how long one takes.
const WRITTEN: usize = 8;

/// What a trial found.
pub struct Trial {
    pub experiment: Experiment,
    pub device: String,
    /// Bytes, before the model was loaded.
    pub free: Option<u64>,
    pub estimate: Estimate,
    /// What would lessen it: a setting and what it brings.
    pub savers: Vec<(&'static str, String)>,
    pub frozen_parameters: usize,
    pub head_parameters: usize,
    pub modules: Vec<(String, usize, usize)>,
    /// Tokens of the rows of D_tr and D_val, cut.
    pub lengths: Vec<u32>,
    pub rows: (usize, usize, usize),
    pub phases: Vec<Timed>,
}

/// A phase, or a part of one, and what one of its steps took.
pub struct Timed {
    pub name: &'static str,
    pub steps: usize,
    pub step_s: f64,
    /// Steps that were timed; 0: taken from another phase.
    pub timed: usize,
}

/// Prepares and tries. `say` is told what comes next.
///
/// # Errors
/// Whatever would end the run: [`Fault`].
pub fn try_out(ctx: &mut Context, say: &mut dyn FnMut(&str)) -> Result<Trial, Fault> {
    let free = match device::ordinal(ctx.device()) {
        Some(ordinal) => gpu_free(ordinal),
        None => memory::available(),
    };
    say("reading the model and the data");
    let began = Instant::now();
    let prepared = prepare(ctx)?;
    let prepare_s = began.elapsed().as_secs_f64();
    let experiment = ctx.experiment().clone();
    let estimate = memory::estimate(&experiment, &prepared);
    // Trying what does not fit would end in the system's hands.
    let fits = free.is_none_or(|free| estimate.peak() <= free);
    let mut phases = vec![Timed { name: "prepare", steps: 1, step_s: prepare_s, timed: 1 }];
    if fits {
        phases.extend(steps(&mut Job::new(ctx), &prepared, say)?);
    } else {
        phases.clear();
    }
    let lengths = prepared.train.lengths().into_iter().chain(prepared.validation.lengths());
    Ok(Trial {
        device: device::name(&prepared.problem.device),
        free,
        savers: memory::savers(&experiment, &prepared, &estimate),
        estimate,
        frozen_parameters: prepared.problem.model.frozen_parameters(),
        head_parameters: prepared.problem.head_parameters(),
        modules: prepared.problem.modules.clone(),
        lengths: lengths.map(|length| length as u32).collect(),
        rows: (prepared.train.len(), prepared.validation.len(), prepared.test.as_ref().map_or(0, Rows::len)),
        phases,
        experiment,
    })
}

fn steps(job: &mut Job, prepared: &Prepared, say: &mut dyn FnMut(&str)) -> Result<Vec<Timed>, Fault> {
    let experiment = job.ctx.experiment().clone();
    let mut phases = Vec::new();
    say("trying a few steps of the search");
    phases.extend(of_search(job, prepared)?);
    say("trying a few steps of retraining");
    let all = prepared.all_training_rows();
    let fit_steps = Fit::steps_of(&all, job);
    let rank = RANK.min(experiment.lora.rank);
    let ranks = vec![rank; prepared.problem.modules.len()];
    let seed = experiment.runtime.seed;
    let head = || prepared.problem.model.initial_head(seed, "init/trial/head");
    let mut weights = prepared.problem.fresh_factors(&ranks, seed, "init/trial")?;
    weights.extend(head()?);
    let scales = retrain_scales(experiment.retrain.scale, &experiment.lora, &ranks);
    let (fit_s, timed) = of_fit(&experiment, prepared, &all, weights.clone(), &scales)?;
    phases.push(Timed { name: "retrain", steps: fit_steps, step_s: fit_s, timed });
    let Some(test) = &prepared.test else { return Ok(phases) };
    say("trying the evaluation");
    let size = experiment.evaluate.batch_size;
    let (scored_s, timed) = of_evaluation(&experiment, prepared, test, (&weights, &scales))?;
    let further: usize = prepared.further.iter().map(|(_, rows)| rows.len().div_ceil(size)).sum();
    // Texts are written without the adapter too, to compare.
    let sets = if prepared.dialogues.is_some() { 2 } else { 1 };
    let batches = test.len().div_ceil(size);
    phases.push(Timed { name: "evaluate", steps: sets * batches + further, step_s: scored_s, timed });
    let controls = &experiment.baseline;
    let mut seconds = 0.0;
    let mut count = 0;
    if controls.head_only {
        say("trying the baseline");
        let (head_s, _) = of_fit(&experiment, prepared, &all, head()?, &[])?;
        seconds += fit_steps as f64 * head_s + batches as f64 * scored_s;
        count += fit_steps + batches;
    }
    if controls.uniform.is_some() {
        seconds += fit_steps as f64 * fit_s + batches as f64 * scored_s;
        count += fit_steps + batches;
    }
    if count > 0 {
        phases.push(Timed { name: "baseline", steps: count, step_s: seconds / count as f64, timed: 0 });
    }
    Ok(phases)
}

/// Seconds of one `step`, the middle of those that were timed, and how many were; a slow one is done only once.
fn timed(device: &Device, mut step: impl FnMut() -> Result<(), Fault>) -> Result<(f64, usize), Fault> {
    let began = Instant::now();
    let mut seconds = Vec::new();
    for _ in 0..=TIMED {
        let started = Instant::now();
        step()?;
        device.synchronize()?;
        seconds.push(started.elapsed().as_secs_f64());
        if began.elapsed() > PATIENCE {
            break;
        }
    }
    // The first one warms up, unless there is no other.
    if seconds.len() > 1 {
        seconds.remove(0);
    }
    let count = seconds.len();
    seconds.sort_by(f64::total_cmp);
    Ok((seconds.get(count / 2).copied().unwrap_or(0.0), count))
}

/// The batch of nearly mean size, padding included, among the first.
fn typical(rows: &Rows, batches: impl Iterator<Item = Vec<usize>>) -> Vec<usize> {
    let size = |batch: &[usize]| batch.len() * batch.iter().map(|row| rows.length(*row)).max().unwrap_or(0);
    let batches: Vec<(usize, Vec<usize>)> =
        batches.take(LOOKED_AT).map(|batch| (size(&batch), batch)).filter(|(size, _)| *size > 0).collect();
    let mean = batches.iter().map(|(size, _)| size).sum::<usize>() / batches.len().max(1);
    batches.into_iter().min_by_key(|(size, _)| size.abs_diff(mean)).map(|(_, batch)| batch).unwrap_or_default()
}

fn drawn(rows: &Rows, batch_size: usize, experiment: &Experiment, purpose: &'static str) -> Vec<usize> {
    let mut sampler = Sampler::of(rows, batch_size, experiment, purpose);
    // One pass, but for a set smaller than a batch.
    let batches = (rows.len() / batch_size.max(1)).max(1);
    typical(rows, (0..batches.min(LOOKED_AT)).map(|step| sampler.indices(step)))
}

fn of_search(job: &mut Job, prepared: &Prepared) -> Result<Vec<Timed>, Fault> {
    let experiment = job.ctx.experiment().clone();
    let (settings, problem) = (&experiment.search, &prepared.problem);
    let mut state = search::initial(job, prepared)?;
    let rules = search::rules(job, prepared);
    let objective = LowerLevel {
        problem,
        scales: vec![experiment.lora.alpha / experiment.lora.rank as f64; problem.modules.len()],
        dropout: DropoutRates::everywhere(experiment.lora.dropout, experiment.model.dropout.unwrap_or(0.0)),
    };
    let rows = drawn(&prepared.train, settings.batch_size, &experiment, "batches/search/train");
    let train = problem.parts(&prepared.train, &rows, None)?;
    let rows = drawn(&prepared.validation, settings.batch_size, &experiment, "batches/search/validation");
    let validation = problem.parts(&prepared.validation, &rows, None)?;
    let mut phases = Vec::new();
    if settings.warmup_steps > 0 {
        let step = || Ok(state.weights_step(&rules, &objective, &train, Some(1)).map(drop)?);
        let (step_s, timed) = timed(&problem.device, step)?;
        phases.push(Timed { name: "warmup", steps: settings.warmup_steps, step_s, timed });
    }
    let keys = DropoutKeys { hypergradient: Some(1), weights: Some(2) };
    let step = || Ok(state.step(&rules, &objective, &train, &validation, keys).map(drop)?);
    let (step_s, timed) = timed(&problem.device, step)?;
    let sampler = Sampler::of(&prepared.train, settings.batch_size, &experiment, "batches/search/train");
    let steps = settings.steps.unwrap_or_else(|| sampler.steps(settings.epochs)).max(1);
    phases.push(Timed { name: "search", steps, step_s, timed });
    Ok(phases)
}

fn of_fit(
    experiment: &Experiment,
    prepared: &Prepared,
    rows: &Rows,
    weights: Weights,
    scales: &[f64],
) -> Result<(f64, usize), Fault> {
    let (settings, problem) = (&experiment.retrain, &prepared.problem);
    let batch = problem.parts(rows, &drawn(rows, settings.batch_size, experiment, "retrain"), None)?;
    let rules = FitRules {
        scales: scales.to_vec(),
        schedule: LinearSchedule::new(settings.lr, 0.0, usize::MAX / 2),
        clip_norm: settings.clip_norm,
        label_smoothing: settings.label_smoothing,
        dropout: problem.model.dropout_rates(experiment.lora.dropout, experiment.model.dropout),
    };
    let adam = AdamConfig::new(settings.optimizer, settings.betas, settings.weight_decay);
    let mut state = FitState { weights, optimizer: Adam::new(adam) };
    let mut done = 0;
    timed(&problem.device, || {
        state.step(problem, &rules, &batch, done, 1)?;
        done += 1;
        Ok(())
    })
}

/// Seconds of one batch. Of texts: as if each were as long as it may be.
fn of_evaluation(
    experiment: &Experiment,
    prepared: &Prepared,
    rows: &Rows,
    (weights, scales): (&Weights, &[f64]),
) -> Result<(f64, usize), Fault> {
    let by_length = experiment.data.shuffle && experiment.data.group_by_length;
    let batches = evaluation_batches(rows, experiment.evaluate.batch_size, by_length);
    let chosen = typical(rows, batches.into_iter());
    let (problem, device) = (&prepared.problem, &prepared.problem.device);
    let batch = problem.batch(rows, &chosen)?;
    let (scored_s, count) = timed(device, || Ok(problem.evaluate(&batch, weights, scales).map(drop)?))?;
    if experiment.data.task != Task::Generation {
        return Ok((scored_s, count));
    }
    let prompts = new_prompts(&prepared.held);
    let new = prompts.iter().flatten().count();
    let asked: Vec<Vec<u32>> =
        chosen.iter().filter_map(|row| prepared.held.get(*row)).map(|held| held.prompt_ids.clone()).collect();
    let written = |tokens: usize| -> Result<f64, Fault> {
        let mut how = decoding(&experiment.evaluate, prepared);
        how.max_new_tokens = tokens;
        // An early end would say nothing of the time of a token.
        how.eos_token_ids.clear();
        let step = || Ok(problem.generate(&asked, &how, &|_| false, (weights, scales)).map(drop)?);
        Ok(timed(device, step)?.0)
    };
    let most = experiment.evaluate.max_new_tokens;
    let few = WRITTEN.min(most).max(1);
    let (one, several) = (written(1)?, written(few)?);
    let token_s = if few > 1 { ((several - one) / (few - 1) as f64).max(0.0) } else { 0.0 };
    let text_s = one + token_s * most.saturating_sub(1) as f64;
    // Rows with a prompt that an earlier row has are not written again.
    let share = new as f64 / rows.len().max(1) as f64;
    Ok((scored_s + text_s * share, count))
}
