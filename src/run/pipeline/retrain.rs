//! `retrain`: factors of the allocated ranks and the head, drawn afresh, trained on D_tr and D_val together.

use super::job::{End, Fault, Job, Progressed};
use super::prepare::Prepared;
use super::progress::Pace;
use super::state::Tensors;
use crate::data::random;
use crate::data::sampler::Sampler;
use crate::data::tokens::Encoded;
use crate::model::Weights;
use crate::run::event::{Event, Phase};
use crate::train::classification::retrain_scales;
use crate::train::fit::{FitRules, FitState};
use crate::train::optimizer::{Adam, AdamConfig};
use crate::train::schedule::LinearSchedule;
use rand_chacha::rand_core::Rng;

/// A training of factors and head, or of the head alone.
pub struct Fit<'a> {
    pub phase: Phase,
    /// Separates its random draws from those of other phases.
    pub purpose: &'static str,
    pub rows: &'a [Encoded],
    pub initial: Weights,
    pub scales: Vec<f64>,
    pub lr: f64,
    /// Steps of the phase that come after the training, for its progress.
    pub steps_after: usize,
}

/// What came of a fit.
pub enum Fitted {
    Done(Weights),
    Left(End),
}

impl Fit<'_> {
    fn sampler(&self, job: &Job) -> Sampler {
        let experiment = job.ctx.experiment();
        Sampler::of(self.rows, experiment.retrain.batch_size, experiment, self.purpose)
    }

    /// Number of training steps.
    pub fn steps(&self, job: &Job) -> usize {
        self.sampler(job).steps(job.ctx.experiment().retrain.epochs).max(1)
    }

    /// Trains to the end, or to a request; `from` is the steps done and the state of a checkpoint.
    pub fn run(&self, job: &mut Job, prepared: &Prepared, from: Option<(usize, &Tensors)>) -> Result<Fitted, Fault> {
        let experiment = job.ctx.experiment().clone();
        let settings = &experiment.retrain;
        let adam = AdamConfig::new(settings.optimizer, settings.betas, settings.weight_decay);
        let (mut done, mut state) = match from {
            Some((done, tensors)) => {
                let device = &prepared.task.device;
                let optimizer = tensors.take_adam("optimizer", adam, &job.carried, device)?;
                (done, FitState { weights: tensors.take("weights", device)?, optimizer })
            }
            None => (0, FitState { weights: self.initial.clone(), optimizer: Adam::new(adam) }),
        };
        let mut sampler = self.sampler(job);
        let total = self.steps(job);
        let rules = FitRules {
            scales: self.scales.clone(),
            schedule: LinearSchedule::new(self.lr, settings.warmup_share, total),
            clip_norm: settings.clip_norm,
            dropout: prepared.task.model.dropout_rates(experiment.lora.dropout, experiment.model.dropout),
        };
        let mut pace = Pace::new(self.phase, done, (0, total + self.steps_after), experiment.runtime.checkpoint_every);
        while done < total {
            if let Some(request) = job.ctx.request() {
                save(job, &state, self.phase, done)?;
                return Ok(Fitted::Left(End::requested(request, self.phase, done)));
            }
            let batch = prepared.task.batch(self.rows, &sampler.indices(done))?;
            let key = random::stream(experiment.runtime.seed, self.purpose, done as u64).next_u64();
            let (loss, norm) = state.step(&prepared.task, &rules, &batch, done, key)?;
            let lr = rules.schedule.at(done);
            done += 1;
            job.check_loss(self.phase, done, "training", loss, lr)?;
            if done % experiment.runtime.log_every == 0 || done == total {
                job.ctx.emit(Event::Step {
                    phase: self.phase,
                    step: done,
                    train_loss: loss,
                    validation_loss: None,
                    lr,
                    grad_norm: Some(norm),
                    direct_norm: None,
                    mixed_norm: None,
                })?;
            }
            if let Some(event) = pace.tick(done) {
                job.ctx.emit(event)?;
            }
            if pace.save_due() {
                save(job, &state, self.phase, done)?;
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
    let ranks: Vec<usize> = prepared.task.modules.iter().map(rank).collect();
    let settings = job.ctx.experiment();
    let scales = retrain_scales(settings.retrain.scale, &settings.lora, &ranks);
    (ranks, scales)
}

/// Retrains; the result is the run's adapter.
pub fn retrain(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let (ranks, scales) = allocated(job, prepared);
    let seed = job.ctx.experiment().runtime.seed;
    let mut initial = prepared.task.fresh_factors(&ranks, seed, "init/retrain")?;
    initial.extend(prepared.task.model.initial_head(seed, "init/retrain/head")?);
    let rows = prepared.all_training_rows();
    let lr = job.ctx.experiment().retrain.lr;
    let fit = Fit { phase: Phase::Retrain, purpose: "retrain", rows: &rows, initial, scales, lr, steps_after: 0 };
    let total = fit.steps(job);
    job.enter(Phase::Retrain, total)?;
    match fit.run(job, prepared, from.as_ref().map(|(step, tensors)| (*step, tensors)))? {
        Fitted::Done(weights) => job.adapter = Some(weights),
        Fitted::Left(end) => return Ok(Some(end)),
    }
    Ok(None)
}
