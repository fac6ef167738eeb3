//! `baseline`: the head alone, trained on the frozen model as long as the run's adapter, and scored on the same rows.

use super::evaluate::{Scored, Scoring};
use super::job::{Job, Progressed};
use super::prepare::Prepared;
use super::retrain::{Fit, Fitted};
use super::state::Tensors;
use crate::run::event::{Event, Phase};

/// Trains and scores the head alone, where `baseline.head_only` asks for it and there are held-out rows.
pub fn baseline(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let Some(rows) = prepared.test.as_deref().filter(|_| job.ctx.experiment().baseline.head_only) else {
        return Ok(None);
    };
    let seed = job.ctx.experiment().runtime.seed;
    let training = prepared.all_training_rows();
    let mut fit = Fit {
        phase: Phase::Baseline,
        purpose: "baseline/head-only",
        rows: &training,
        initial: prepared.task.model.initial_head(seed, "init/baseline/head")?,
        scales: Vec::new(),
        lr: job.ctx.experiment().baseline.head_lr,
        steps_after: rows.len().div_ceil(job.ctx.experiment().evaluate.batch_size),
    };
    let steps = fit.steps(job);
    job.enter(Phase::Baseline, steps + fit.steps_after)?;
    let from = from.as_ref().map(|(step, tensors)| (*step, tensors));
    let weights = match from.filter(|(step, _)| *step > steps) {
        Some((_, tensors)) => tensors.take("weights", &prepared.task.device)?,
        None => match fit.run(job, prepared, from)? {
            Fitted::Done(weights) => weights,
            Fitted::Left(end) => return Ok(Some(end)),
        },
    };
    fit.initial.clear();
    let scoring = Scoring { phase: Phase::Baseline, weights: &weights, scales: &[], rows, steps_before: steps };
    let scored = from.filter(|(step, _)| *step > steps).map(|(step, tensors)| (step - steps, tensors));
    let metrics = match scoring.run(job, prepared, scored)? {
        Scored::Done(metrics) => metrics,
        Scored::Left(end) => return Ok(Some(end)),
    };
    for (name, value) in &metrics {
        job.carried.metrics.insert(format!("head_only_{}", name.trim_start_matches("test_")), *value);
    }
    job.ctx.emit(Event::Evaluated { phase: Phase::Baseline, what: "head_only".into(), metrics })?;
    Ok(None)
}
