//! `baseline`: what the found ranks are compared with, trained and scored on the same rows: the head alone on the frozen model,
//! and one rank for every module.

use super::evaluate::{Scored, Scoring, figures};
use super::job::{Fault, Job, Progressed};
use super::prepare::Prepared;
use super::retrain::{Fit, Fitted};
use super::state::Tensors;
use crate::data::Rows;
use crate::model::Weights;
use crate::run::event::{Event, Phase};
use crate::train::problem::retrain_scales;

/// A model to compare with.
struct Control {
    /// What its figures are called, e.g. `head_only`.
    name: String,
    /// Separates its random draws.
    purpose: &'static str,
    initial: Weights,
    scales: Vec<f64>,
    lr: f64,
    lora_parameters: Option<usize>,
}

/// The controls that `[baseline]` asks for, in order.
fn controls(job: &Job, prepared: &Prepared) -> Result<Vec<Control>, Fault> {
    let experiment = job.ctx.experiment();
    let (seed, problem) = (experiment.runtime.seed, &prepared.problem);
    let mut controls = Vec::new();
    if experiment.baseline.head_only {
        controls.push(Control {
            name: "head_only".into(),
            purpose: "baseline/head-only",
            initial: problem.model.initial_head(seed, "init/baseline/head")?,
            scales: Vec::new(),
            lr: experiment.baseline.head_lr,
            lora_parameters: None,
        });
    }
    if let Some(rank) = experiment.baseline.uniform {
        let ranks = vec![rank; problem.modules.len()];
        let mut initial = problem.fresh_factors(&ranks, seed, "init/baseline/uniform")?;
        initial.extend(problem.model.initial_head(seed, "init/baseline/uniform/head")?);
        controls.push(Control {
            name: format!("uniform_{rank}"),
            purpose: "baseline/uniform",
            initial,
            scales: retrain_scales(experiment.retrain.scale, &experiment.lora, &ranks),
            lr: experiment.retrain.lr,
            lora_parameters: Some(problem.lora_parameters(&ranks)),
        });
    }
    Ok(controls)
}

/// Trains and scores every control, where there are held-out rows.
pub fn baseline(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let controls = controls(job, prepared)?;
    let Some(rows) = prepared.test.as_ref().filter(|_| !controls.is_empty()) else {
        return Ok(None);
    };
    let training = prepared.all_training_rows();
    let scoring_steps = rows.len().div_ceil(job.ctx.experiment().evaluate.batch_size);
    let fit_steps = Fit::steps_of(&training, job);
    let each = fit_steps + scoring_steps;
    let total = each * controls.len();
    job.enter(Phase::Baseline, total)?;
    for (place, control) in controls.into_iter().enumerate() {
        let before = place * each;
        let from = from.as_ref().map(|(step, tensors)| (*step, tensors));
        let mine = from.filter(|(step, _)| *step > before || (*step == before && place == 0));
        // Scored before the checkpoint: its figures are in what is carried.
        if from.is_some_and(|(step, _)| step >= before + each) {
            continue;
        }
        let steps = Steps { before, fit: fit_steps, scoring: scoring_steps, total };
        if let Some(end) = run(job, prepared, control, (&training, rows), steps, mine)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// Steps of the phase before a control, of its parts, and of the phase.
struct Steps {
    before: usize,
    fit: usize,
    scoring: usize,
    total: usize,
}

fn run(
    job: &mut Job,
    prepared: &Prepared,
    control: Control,
    (training, rows): (&Rows, &Rows),
    steps: Steps,
    from: Option<(usize, &Tensors)>,
) -> Progressed {
    let Control { name, purpose, initial, scales, lr, lora_parameters } = control;
    let trained = steps.before + steps.fit;
    let scored = from.filter(|(step, _)| *step > trained);
    let weights = match scored {
        Some((_, tensors)) => tensors.take("weights", &prepared.problem.device)?,
        None => {
            let fit = Fit {
                phase: Phase::Baseline,
                purpose,
                rows: training,
                initial,
                scales: scales.clone(),
                lr,
                steps_before: steps.before,
                steps_after: steps.total - trained,
            };
            match fit.run(job, prepared, from)? {
                Fitted::Done(weights) => weights,
                Fitted::Left(end) => return Ok(Some(end)),
            }
        }
    };
    let scoring = Scoring {
        phase: Phase::Baseline,
        weights: &weights,
        scales: &scales,
        rows,
        held: &prepared.held,
        steps_before: trained,
        steps_after: steps.total - trained - steps.scoring,
    };
    let from = scored.map(|(step, tensors)| (step - trained, tensors));
    let metrics = match scoring.run(job, prepared, from)? {
        Scored::Done(answered, loss) => figures(&answered, loss, prepared),
        Scored::Left(end) => return Ok(Some(end)),
    };
    let carried = &mut job.carried.metrics;
    for (figure, value) in &metrics {
        carried.insert(format!("{name}_{}", figure.trim_start_matches("test_")), *value);
    }
    carried.extend(lora_parameters.map(|count| (format!("{name}_lora_parameters"), count as f64)));
    job.ctx.emit(Event::Evaluated { phase: Phase::Baseline, what: name, metrics })?;
    // The next control begins with nothing of this one.
    job.save(Tensors::default(), Phase::Baseline, steps.before + steps.fit + steps.scoring)?;
    Ok(None)
}
