//! `retrain`: factors of the allocated ranks and the head, drawn afresh, trained on D_tr and D_val together.

use super::job::{End, Fault, Job, Progressed};
use super::prepare::Prepared;
use super::progress::Pace;
use super::room::Work;
use super::state::Tensors;
use crate::data::Rows;
use crate::data::random;
use crate::data::sampler::Sampler;
use crate::model::Weights;
use crate::run::event::{Event, Phase, Step};
use crate::train::fit::{FitRules, FitState};
use crate::train::gradient::{scalar, squared_norm};
use crate::train::optimizer::{Adam, AdamConfig};
use crate::train::problem::retrain_scales;
use crate::train::schedule::LinearSchedule;
use rand_chacha::rand_core::Rng;

/// A training of factors and head, or of the head alone.
pub struct Fit<'a> {
    pub phase: Phase,
    /// Separates its random draws from those of other phases.
    pub purpose: &'static str,
    pub rows: &'a Rows,
    pub initial: Weights,
    pub scales: Vec<f64>,
    pub lr: f64,
    /// Steps of the phase before the training and after it, for its progress.
    pub steps_before: usize,
    pub steps_after: usize,
}

/// What came of a fit.
pub enum Fitted {
    Done(Weights),
    Left(End),
}

impl Fit<'_> {
    /// Number of training steps on `rows`.
    pub fn steps_of(rows: &Rows, job: &Job) -> usize {
        let experiment = job.ctx.experiment();
        Sampler::of(rows, experiment.retrain.batch_size, experiment, "").steps(experiment.retrain.epochs).max(1)
    }

    /// Passes over `rows` that so many training steps make.
    pub fn epochs_of(rows: &Rows, job: &Job, steps: usize) -> f64 {
        let experiment = job.ctx.experiment();
        Sampler::of(rows, experiment.retrain.batch_size, experiment, "").epochs(steps)
    }

    /// Trains to the end, or to a request; `from` is the step of the phase and the state of a checkpoint.
    pub fn run(&self, job: &mut Job, prepared: &Prepared, from: Option<(usize, &Tensors)>) -> Result<Fitted, Fault> {
        let experiment = job.ctx.experiment().clone();
        let settings = &experiment.retrain;
        let adam = AdamConfig::new(settings.optimizer, settings.betas, settings.weight_decay);
        let before = self.steps_before;
        let (mut done, mut state) = match from {
            Some((step, tensors)) if !tensors.is_empty() => {
                let done = step - before;
                let device = &prepared.problem.device;
                let optimizer = tensors.take_adam("optimizer", adam, &job.carried, device)?;
                (done, FitState { weights: tensors.take("weights", device)?, optimizer })
            }
            _ => {
                job.carried.tokens.insert(self.purpose.into(), 0);
                (0, FitState { weights: self.initial.clone(), optimizer: Adam::new(adam) })
            }
        };
        let mut sampler = Sampler::of(self.rows, settings.batch_size, &experiment, self.purpose);
        let total = Fit::steps_of(self.rows, job);
        let rules = FitRules {
            scales: self.scales.clone(),
            schedule: LinearSchedule::new(self.lr, settings.warmup_share, total),
            clip_norm: settings.clip_norm,
            label_smoothing: settings.label_smoothing,
            dropout: prepared.problem.model.dropout_rates(experiment.lora.dropout, experiment.model.dropout),
        };
        let mut pace = Pace::new(
            self.phase,
            before + done,
            (0, before + total + self.steps_after),
            experiment.runtime.checkpoint_every,
        )
        .expecting(job.carried.rates.get(self.phase.name()).copied());
        if let Some(event) = pace.first_word() {
            job.ctx.emit(event)?;
        }
        while done < total {
            if let Some(request) = job.ctx.request() {
                job.carried.expect_rate(self.phase.name(), pace.rate());
                save(job, &state, self.phase, before + done)?;
                return Ok(Fitted::Left(End::requested(request, self.phase, before + done)));
            }
            let rows = sampler.indices(done);
            job.count_tokens(self.purpose, self.rows, &rows);
            let key = random::stream(experiment.runtime.seed, self.purpose, done as u64).next_u64();
            let (loss, norm) =
                job.step_in_room((self.phase, Work::Training), rows.len(), &mut state, |state, most| {
                    let batch = prepared.problem.parts(self.rows, &rows, most)?;
                    state.step(&prepared.problem, &rules, &batch, done, key)
                })?;
            let lr = rules.schedule.at(done);
            done += 1;
            job.check_loss(self.phase, before + done, "training", loss, lr)?;
            if done % experiment.runtime.log_every == 0 || done == total {
                job.ctx.emit(Event::Step(Step {
                    tokens: job.carried.tokens.get(self.purpose).copied(),
                    grad_norm: Some(norm),
                    ..Step::new(self.phase, before + done, loss, lr)
                }))?;
            }
            if let Some(event) = pace.tick(before + done) {
                job.ctx.emit(event)?;
            }
            if pace.save_due() {
                job.carried.expect_rate(self.phase.name(), pace.rate());
                save(job, &state, self.phase, before + done)?;
            }
        }
        Ok(Fitted::Done(state.weights))
    }
}

fn save(job: &mut Job, state: &FitState, phase: Phase, step: usize) -> Result<(), Fault> {
    let mut tensors = Tensors::default();
    tensors.put("weights", &state.weights);
    tensors.put_adam("optimizer", &state.optimizer, &mut job.carried);
    job.save(tensors, phase, step)
}

/// The allocated ranks in model order, and the scale of each module.
pub fn allocated(job: &Job, prepared: &Prepared) -> (Vec<usize>, Vec<f64>) {
    let rank = |(path, _, _): &(String, usize, usize)| job.carried.ranks.get(path).copied().unwrap_or(0);
    let ranks: Vec<usize> = prepared.problem.modules.iter().map(rank).collect();
    let settings = job.ctx.experiment();
    let scales = retrain_scales(settings.retrain.scale, &settings.lora, &ranks);
    (ranks, scales)
}

/// Retrains; the result is the run's adapter.
pub fn retrain(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let (ranks, scales) = allocated(job, prepared);
    let seed = job.ctx.experiment().runtime.seed;
    let mut initial = prepared.problem.fresh_factors(&ranks, seed, "init/retrain")?;
    initial.extend(prepared.problem.model.initial_head(seed, "init/retrain/head")?);
    let rows = prepared.all_training_rows();
    let lr = job.ctx.experiment().retrain.lr;
    let fit = Fit {
        phase: Phase::Retrain,
        purpose: "retrain",
        rows: &rows,
        initial,
        scales,
        lr,
        steps_before: 0,
        steps_after: 0,
    };
    let total = Fit::steps_of(&rows, job);
    job.enter_epochs(Phase::Retrain, total, Fit::epochs_of(&rows, job, total))?;
    match fit.run(job, prepared, from.as_ref().map(|(step, tensors)| (*step, tensors)))? {
        Fitted::Done(weights) => {
            if is_zero(&weights)? {
                let message = "every B is still 0: the adapter changes nothing; retrain for more steps (the first of a warm-up has \
                               learning rate 0), or raise retrain.lr";
                job.say(Phase::Retrain, "warning", message.into())?;
            }
            job.adapter = Some(weights);
        }
        Fitted::Left(end) => return Ok(Some(end)),
    }
    Ok(None)
}

/// Whether there are factors and none changes anything.
fn is_zero(weights: &Weights) -> candle_core::Result<bool> {
    let mut of_b = weights.iter().filter(|(name, _)| name.ends_with(".lora_B.weight")).peekable();
    if of_b.peek().is_none() {
        return Ok(false);
    }
    for (_, b) in of_b {
        if scalar(&squared_norm(b)?)? > 0.0 {
            return Ok(false);
        }
    }
    Ok(true)
}
