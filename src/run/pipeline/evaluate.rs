//! `evaluate`: the retrained model on the held-out rows, beside the majority class.

use super::job::{End, Fault, Job, Progressed};
use super::prepare::Prepared;
use super::progress::Pace;
use super::retrain::allocated;
use super::state::Tensors;
use crate::data::batches::evaluation_batches;
use crate::data::tokens::Encoded;
use crate::experiment::MetricKind;
use crate::model::Weights;
use crate::run::event::{Event, Metrics, Phase};
use crate::train::metrics;
use candle_core::{Device, Tensor};

/// A model to score, and where in its phase the scoring stands.
pub struct Scoring<'a> {
    pub phase: Phase,
    pub weights: &'a Weights,
    pub scales: &'a [f64],
    pub rows: &'a [Encoded],
    /// Steps of the phase before the scoring.
    pub steps_before: usize,
}

/// What came of a scoring.
pub enum Scored {
    Done(Metrics),
    Left(End),
}

/// Names of what a checkpoint holds of an unfinished scoring.
const LOGITS: &str = "logits";
const LOSS: &str = "loss";

impl Scoring<'_> {
    /// Number of batches.
    pub fn steps(&self, job: &Job) -> usize {
        self.rows.len().div_ceil(job.ctx.experiment().evaluate.batch_size)
    }

    /// Scores every row, or until a request; `from`: batches done, with their logits.
    pub fn run(&self, job: &mut Job, prepared: &Prepared, from: Option<(usize, &Tensors)>) -> Result<Scored, Fault> {
        let experiment = job.ctx.experiment();
        let by_length = experiment.data.shuffle && experiment.data.group_by_length;
        let batches = evaluation_batches(self.rows, experiment.evaluate.batch_size, by_length);
        let mut done = 0;
        let mut logits: Vec<Vec<f32>> = Vec::with_capacity(self.rows.len());
        let mut loss_sum = 0.0;
        if let Some((before, tensors)) = from
            && let Some(stored) = tensors.take("evaluation", &Device::Cpu)?.get(LOGITS)
        {
            (done, logits) = (before, stored.to_vec2()?);
            loss_sum = job.carried.partial.get(LOSS).copied().unwrap_or(0.0);
        }
        let every = job.ctx.experiment().runtime.checkpoint_every;
        let mut pace = Pace::new(self.phase, self.steps_before + done, (0, self.steps_before + batches.len()), every);
        while done < batches.len() {
            if let Some(request) = job.ctx.request() {
                self.save(job, &logits, loss_sum, done)?;
                return Ok(Scored::Left(End::requested(request, self.phase, self.steps_before + done)));
            }
            let batch = prepared.task.batch(self.rows, &batches[done])?;
            let (rows, loss) = prepared.task.evaluate(&batch, self.weights, self.scales)?;
            loss_sum += loss * rows.len() as f64;
            logits.extend(rows);
            done += 1;
            if let Some(event) = pace.tick(self.steps_before + done) {
                job.ctx.emit(event)?;
            }
            if pace.save_due() {
                self.save(job, &logits, loss_sum, done)?;
            }
        }
        job.carried.partial.clear();
        let order: Vec<usize> = batches.concat();
        let predictions: Vec<u32> = logits.iter().map(|row| argmax(row)).collect();
        let labels: Vec<u32> = order.iter().map(|row| self.rows[*row].label).collect();
        Ok(Scored::Done(Metrics::from([
            ("accuracy".into(), metrics::accuracy(&predictions, &labels)),
            ("matthews_correlation".into(), metrics::matthews_correlation(&predictions, &labels)),
            ("test_loss".into(), loss_sum / self.rows.len().max(1) as f64),
        ])))
    }

    fn save(&self, job: &mut Job, logits: &[Vec<f32>], loss_sum: f64, done: usize) -> Result<(), Fault> {
        let mut tensors = Tensors::default();
        let width = logits.first().map_or(0, Vec::len);
        let flat = Tensor::from_vec(logits.concat(), (logits.len(), width), &Device::Cpu)?;
        tensors.put("evaluation", &Weights::from([(LOGITS.into(), flat)]));
        if self.phase == Phase::Baseline {
            tensors.put("weights", self.weights);
        }
        job.carried.partial.insert(LOSS.into(), loss_sum);
        job.save(tensors, self.phase, self.steps_before + done)
    }
}

/// The class of the highest logit, the first where several are equal.
fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (class, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = class;
        }
    }
    best as u32
}

/// Scores the adapter on the held-out rows.
pub fn evaluate(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let Some(rows) = &prepared.test else {
        job.enter(Phase::Evaluate, 0)?;
        let message = "no data.test is given: there are no held-out rows to score the adapter on";
        job.say(Phase::Evaluate, "warning", message.into())?;
        return Ok(None);
    };
    let (_, scales) = allocated(job, prepared);
    let weights = job.adapter.clone().unwrap_or_default();
    let scoring = Scoring { phase: Phase::Evaluate, weights: &weights, scales: &scales, rows, steps_before: 0 };
    let total = scoring.steps(job);
    job.enter(Phase::Evaluate, total)?;
    let scores = match scoring.run(job, prepared, from.as_ref().map(|(step, tensors)| (*step, tensors)))? {
        Scored::Done(scores) => scores,
        Scored::Left(end) => return Ok(Some(end)),
    };
    let training: Vec<u32> = prepared.train.iter().chain(&prepared.validation).map(|row| row.label).collect();
    let labels: Vec<u32> = rows.iter().map(|row| row.label).collect();
    let (_, majority) = metrics::majority(&training, &labels);
    let score = match job.ctx.experiment().evaluate.metric {
        MetricKind::Auto | MetricKind::Accuracy => "accuracy",
        MetricKind::Matthews => "matthews_correlation",
    };
    let carried = &mut job.carried.metrics;
    carried.extend(scores.clone());
    carried.insert("score".into(), scores.get(score).copied().unwrap_or(f64::NAN));
    carried.insert("test_rows".into(), rows.len() as f64);
    carried.insert("majority_accuracy".into(), majority);
    job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: scores })?;
    let metrics = Metrics::from([("accuracy".into(), majority), ("matthews_correlation".into(), 0.0)]);
    job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: "majority".into(), metrics })?;
    Ok(None)
}
