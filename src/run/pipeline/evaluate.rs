//! `evaluate`: the retrained model on the held-out rows, beside an answer that looks at no text.

use super::job::{End, Fault, Job, Progressed};
use super::prepare::Prepared;
use super::progress::Pace;
use super::retrain::allocated;
use super::room::Work;
use super::scores::{Answered, Prediction, argmax};
use super::state::Tensors;
use super::texts::{new_prompts, sample};
use crate::data::batches::evaluation_batches;
use crate::data::{Held, Rows};
use crate::experiment::{EvaluateSettings, MetricKind, Task};
use crate::model::Weights;
use crate::model::generate::{Decoding, Method};
use crate::run::event::{Event, Metrics, Phase};
use crate::run::file::write_atomically;
use crate::run::fold::metric_key;
use crate::run::view::no_better;
use crate::train::problem::Output;
use candle_core::{Device, Tensor};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// A model to score, and where in its phase the scoring stands.
pub struct Scoring<'a> {
    pub phase: Phase,
    pub weights: &'a Weights,
    pub scales: &'a [f64],
    pub rows: &'a Rows,
    /// The same rows as they are scored, of generation.
    pub held: &'a [Held],
    /// Steps of the phase before the scoring, and after it.
    pub steps_before: usize,
    pub steps_after: usize,
}

/// What came of a scoring.
pub enum Scored {
    /// With the mean loss.
    Done(Answered, f64),
    Left(End),
}

/// Names of what a checkpoint holds of an unfinished scoring.
const LOGITS: &str = "logits";
const TAGS: &str = "tags";
const WORDS: &str = "words";
const LOSS: &str = "loss";
const COUNT: &str = "count";

/// What is done of a scoring: predictions in the order of the batches, losses, and over how many rows or words.
#[derive(Default)]
struct Done {
    batches: usize,
    predictions: Vec<Prediction>,
    loss_sum: f64,
    count: f64,
}

/// What the pace of scoring is kept as: in a phase that also trains, it is another one.
const SCORING: &str = "scoring";

impl Scoring<'_> {
    /// Scores every row, or until a request; `from`: batches done, with their predictions.
    pub fn run(&self, job: &mut Job, prepared: &Prepared, from: Option<(usize, &Tensors)>) -> Result<Scored, Fault> {
        let experiment = job.ctx.experiment();
        let by_length = experiment.data.shuffle && experiment.data.group_by_length;
        let task = experiment.data.task;
        let batches = evaluation_batches(self.rows, experiment.evaluate.batch_size, by_length);
        let mut done = match from {
            Some((before, tensors)) => Done::restore(job, before, tensors)?,
            None => Done::default(),
        };
        let mut prompts = match task {
            Task::Generation => new_prompts(self.held),
            _ => Vec::new(),
        };
        let decoding = decoding(&experiment.evaluate, prepared);
        let every = job.ctx.experiment().runtime.checkpoint_every;
        let all = self.steps_before + batches.len() + self.steps_after;
        let mut pace = Pace::new(self.phase, self.steps_before + done.batches, (0, all), every)
            .expecting(job.carried.rates.get(SCORING).copied());
        while done.batches < batches.len() {
            if let Some(request) = job.ctx.request() {
                job.carried.expect_rate(SCORING, pace.rate());
                self.save(job, &done)?;
                return Ok(Scored::Left(End::requested(request, self.phase, self.steps_before + done.batches)));
            }
            let rows = &batches[done.batches];
            let (outputs, loss, count) =
                job.in_room((self.phase, Work::Evaluation), rows.len(), |most| self.score(prepared, rows, most))?;
            let new: Vec<Vec<u32>> = match task {
                Task::Generation => rows.iter().filter_map(|row| prompts[*row].clone()).collect(),
                _ => Vec::new(),
            };
            let with = (self.weights, self.scales);
            // A request does not wait for texts to end: all end at once, and the batch is for the next worker.
            let asked = Asked::new(job);
            let written = match new.is_empty() {
                true => Vec::new(),
                false => prepared.problem.generate(&new, &decoding, &|_| asked.now(), with)?,
            };
            if asked.at_last() {
                continue;
            }
            done.loss_sum += loss;
            done.count += count as f64;
            done.predictions.extend(outputs.into_iter().map(|output| match output {
                Output::Row(logits) => Prediction::Row(logits),
                Output::Words(words) => Prediction::Tags(words.iter().map(|logits| argmax(logits)).collect()),
            }));
            if task == Task::Generation {
                if self.phase == Phase::Evaluate && self.steps_before == 0 && done.batches < SAMPLED_BATCHES {
                    let first = rows.iter().find(|row| prompts[**row].is_some());
                    let held = first.and_then(|row| self.held.get(*row));
                    if let (Some(held), Some(ids), Some(encoder)) = (held, written.first(), &prepared.dialogues) {
                        job.ctx.emit(sample(self.phase, held, ids, encoder)?)?;
                    }
                }
                let mut written = written.into_iter();
                done.predictions.extend(rows.iter().map(|row| {
                    Prediction::Tags(prompts[*row].take().and_then(|_| written.next()).unwrap_or_default())
                }));
            }
            done.batches += 1;
            if let Some(event) = pace.tick(self.steps_before + done.batches) {
                job.ctx.emit(event)?;
            }
            if pace.save_due() {
                job.carried.expect_rate(SCORING, pace.rate());
                self.save(job, &done)?;
            }
        }
        job.carried.partial.clear();
        let mut predictions: Vec<(usize, Prediction)> = batches.concat().into_iter().zip(done.predictions).collect();
        predictions.sort_by_key(|(row, _)| *row);
        let predictions = predictions.into_iter().map(|(_, prediction)| prediction).collect();
        let loss = done.loss_sum / done.count.max(1.0);
        let texts = prepared.dialogues.as_ref().map(|encoder| (self.held, encoder));
        Ok(Scored::Done(Answered::join(task, self.rows, predictions, texts)?, loss))
    }

    /// The outputs of a batch, the sum of its losses, and over how many rows or words it is; of `most` rows at once.
    fn score(
        &self,
        prepared: &Prepared,
        rows: &[usize],
        most: Option<usize>,
    ) -> candle_core::Result<(Vec<Output>, f64, usize)> {
        let mut all = (Vec::new(), 0.0, 0);
        for rows in rows.chunks(most.unwrap_or(rows.len()).max(1)) {
            let batch = prepared.problem.batch(self.rows, rows)?;
            let (outputs, loss, count) = prepared.problem.evaluate(&batch, self.weights, self.scales)?;
            all.0.extend(outputs);
            all.1 += loss;
            all.2 += count;
        }
        Ok(all)
    }

    fn save(&self, job: &mut Job, done: &Done) -> Result<(), Fault> {
        let mut tensors = Tensors::default();
        tensors.put("evaluation", &done.tensors()?);
        if self.phase == Phase::Baseline {
            tensors.put("weights", self.weights);
        }
        job.carried.partial.insert(LOSS.into(), done.loss_sum);
        job.carried.partial.insert(COUNT.into(), done.count);
        job.save(tensors, self.phase, self.steps_before + done.batches)
    }
}

impl Done {
    fn tensors(&self) -> Result<Weights, Fault> {
        let (mut logits, mut tags, mut words, mut width) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for prediction in &self.predictions {
            match prediction {
                Prediction::Row(row) => {
                    width = row.len();
                    logits.extend_from_slice(row);
                }
                Prediction::Tags(row) => {
                    words.push(row.len() as u32);
                    tags.extend_from_slice(row);
                }
            }
        }
        let mut stored = Weights::new();
        if words.is_empty() {
            stored.insert(LOGITS.into(), Tensor::from_vec(logits, (self.predictions.len(), width), &Device::Cpu)?);
        } else {
            let flat = |values: Vec<u32>| Tensor::from_vec(values.clone(), values.len(), &Device::Cpu);
            stored.extend([(TAGS.into(), flat(tags)?), (WORDS.into(), flat(words)?)]);
        }
        Ok(stored)
    }

    fn restore(job: &Job, batches: usize, tensors: &Tensors) -> Result<Done, Fault> {
        let stored = tensors.take("evaluation", &Device::Cpu)?;
        let sum = |name: &str| job.carried.partial.get(name).copied().unwrap_or(0.0);
        let mut predictions = Vec::new();
        if let Some(logits) = stored.get(LOGITS) {
            predictions.extend(logits.to_vec2()?.into_iter().map(Prediction::Row));
        } else if let (Some(tags), Some(words)) = (stored.get(TAGS), stored.get(WORDS)) {
            let mut tags = tags.to_vec1::<u32>()?.into_iter();
            let words = words.to_vec1::<u32>()?;
            predictions.extend(words.iter().map(|n| Prediction::Tags(tags.by_ref().take(*n as usize).collect())));
        } else {
            return Ok(Done::default());
        }
        Ok(Done { batches, predictions, loss_sum: sum(LOSS), count: sum(COUNT) })
    }
}

/// The figures of a finished scoring, with its loss.
pub fn figures(answered: &Answered, loss: f64, prepared: &Prepared) -> Metrics {
    let mut figures = answered.figures(&prepared.labels);
    if matches!(answered, Answered::Texts(_)) {
        figures.insert(MetricKind::Perplexity.to_string(), loss.exp());
    }
    figures.insert("test_loss".into(), loss);
    figures
}

/// Scores the adapter on the held-out rows, and writes its predictions; then on further held-out sets, if the dataset has some.
pub fn evaluate(job: &mut Job, prepared: &Prepared, from: Option<(usize, Tensors)>) -> Progressed {
    let Some(rows) = &prepared.test else {
        job.enter(Phase::Evaluate, 0)?;
        return Ok(None);
    };
    let (_, scales) = allocated(job, prepared);
    let weights = job.adapter.clone().unwrap_or_default();
    let further = prepared.further.iter().map(|(name, rows)| (Some(name.as_str()), rows));
    let mut sets: Vec<(Option<&str>, &Rows)> = std::iter::once((None, rows)).chain(further).collect();
    if prepared.dialogues.is_some() {
        // What the model writes without an adapter: what that must beat.
        sets.push((Some(UNTUNED), rows));
    }
    let batch_size = job.ctx.experiment().evaluate.batch_size;
    let steps = |(_, rows): &(Option<&str>, &Rows)| rows.len().div_ceil(batch_size);
    let total: usize = sets.iter().map(steps).sum();
    job.enter(Phase::Evaluate, total)?;
    let mut before = 0;
    for set in &sets {
        let after = before + steps(set);
        let from = from.as_ref().map(|(step, tensors)| (*step, tensors));
        // Scored before the checkpoint: its figures are in what is carried.
        if from.is_none_or(|(step, _)| step < after) {
            let untuned = (Weights::new(), Vec::new());
            let (weights, scales) = match set.0 {
                Some(UNTUNED) => (&untuned.0, &untuned.1),
                _ => (&weights, &scales),
            };
            let scoring = Scoring {
                phase: Phase::Evaluate,
                weights,
                scales,
                rows: set.1,
                held: &prepared.held,
                steps_before: before,
                steps_after: total - after,
            };
            let from = from.filter(|(step, _)| *step > before).map(|(step, tensors)| (step - before, tensors));
            match scoring.run(job, prepared, from)? {
                Scored::Done(answered, loss) => said(job, prepared, set.0, &answered, loss)?,
                Scored::Left(end) => return Ok(Some(end)),
            }
            job.save(Tensors::default(), Phase::Evaluate, after)?;
        }
        before = after;
    }
    Ok(None)
}

/// Whether somebody asked the worker to end, looked up now and then while texts are written.
struct Asked<'a, 'b, 'c> {
    job: RefCell<&'a mut Job<'b, 'c>>,
    looked: Cell<Instant>,
    asked: Cell<bool>,
}

impl<'a, 'b, 'c> Asked<'a, 'b, 'c> {
    const EVERY: Duration = Duration::from_millis(200);

    fn new(job: &'a mut Job<'b, 'c>) -> Asked<'a, 'b, 'c> {
        Asked { job: RefCell::new(job), looked: Cell::new(Instant::now()), asked: Cell::new(false) }
    }

    fn now(&self) -> bool {
        if !self.asked.get() && self.looked.get().elapsed() >= Self::EVERY {
            self.looked.set(Instant::now());
            self.asked.set(self.job.borrow_mut().ctx.request().is_some());
        }
        self.asked.get()
    }

    /// What was found while it was in use.
    fn at_last(self) -> bool {
        self.asked.get()
    }
}

/// Batches of an evaluation of which a text is shown.
const SAMPLED_BATCHES: usize = 20;

/// Name of the model without an adapter among what is scored.
const UNTUNED: &str = "untuned";

/// How held-out prompts are continued.
pub(super) fn decoding(settings: &EvaluateSettings, prepared: &Prepared) -> Decoding {
    Decoding {
        method: Method::of(settings),
        max_new_tokens: settings.max_new_tokens,
        no_repeat_ngram_size: settings.no_repeat_ngram_size,
        eos_token_ids: prepared.ends.clone(),
    }
}

/// A warning where the run is no better than an answer that looks at no text.
fn useless(figures: &Metrics, blind: &Metrics, score: &str, of_nothing: &str) -> Option<String> {
    let (name, ours, theirs) = no_better(figures, blind, score)?;
    Some(format!(
        "the adapter is no better than an answer that looks at no text ({of_nothing}): {name} {ours:.4}, {of_nothing} \
         {theirs:.4}; it has learned nothing of use: train longer, or look at learning rate, labels and columns"
    ))
}

/// Keeps what was said of a held-out set; `further` names one beside the main one.
fn said(
    job: &mut Job,
    prepared: &Prepared,
    further: Option<&str>,
    answered: &Answered,
    loss: f64,
) -> Result<(), Fault> {
    let mut predictions = Vec::new();
    answered.write(&prepared.labels, &mut predictions)?;
    write_atomically(&job.ctx.dir().predictions_path(further), &predictions)?;
    let figures = figures(answered, loss, prepared);
    if let Some(set) = further {
        let named = figures.iter().map(|(figure, value)| (metric_key(set, figure), *value));
        job.carried.metrics.extend(named);
        return Ok(job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: set.into(), metrics: figures })?);
    }
    let blind = answered.blind(&prepared.all_training_rows(), &prepared.labels)?;
    let experiment = job.ctx.experiment();
    let name = experiment.evaluate.metric.resolve(experiment.data.task).to_string();
    let carried = &mut job.carried.metrics;
    carried.extend(figures.clone());
    carried.insert("test_rows".into(), answered.examples() as f64);
    let of_nothing = if experiment.data.task == Task::Regression { "mean" } else { "majority" };
    carried.extend(blind.get("accuracy").map(|value| ("majority_accuracy".to_owned(), *value)));
    match figures.get(&name) {
        Some(score) => drop(carried.insert("score".into(), *score)),
        None => {
            let message =
                format!("{name} is not defined on these predictions (all alike, or not two classes): no score");
            job.say(Phase::Evaluate, "warning", message)?;
        }
    }
    if blind.is_empty() {
        return Ok(job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: figures })?);
    }
    if let Some(message) = useless(&figures, &blind, &name, of_nothing) {
        job.say(Phase::Evaluate, "warning", message)?;
    }
    job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: figures })?;
    Ok(job.ctx.emit(Event::Evaluated { phase: Phase::Evaluate, what: of_nothing.into(), metrics: blind })?)
}
