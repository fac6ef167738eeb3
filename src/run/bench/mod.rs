//! The time and the memory of one training step of a shape or a model, on random token ids: what `autolora bench` says.

mod drawn;
mod peak;
mod shape;

pub(in crate::run) use drawn::{drawn_rows, drawn_weights};
pub use shape::{Kind, Shape, Subject};

use crate::data::{DataError, Rows};
use crate::experiment::{Hypergradient, OptimizerKind, Precision, SelectionKind};
use crate::model::{DropoutRates, ModelError, kept_in};
use crate::ops::rounds_operands;
use crate::run::device;
use crate::search::hypergradient::{passes, perturbation};
use crate::search::lower::LowerLevel;
use crate::search::step::{DropoutKeys, Rules, SearchState};
use crate::train::batch::{DeviceBatch, Layout};
use crate::train::fit::{FitRules, FitState};
use crate::train::optimizer::{Adam, AdamConfig};
use crate::train::problem::Problem;
use crate::train::schedule::LinearSchedule;
use candle_core::{DType, Device, Tensor};
use peak::Peak;
use std::time::Instant;

/// Steps that are not timed: memory is taken and caches are filled in them.
const WARMUP: usize = 2;
/// lora_alpha / k.
const SCALE: f64 = 2.0;
const SEED: u64 = 42;

/// What one step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All passes of a search step by this rule.
    Search(Hypergradient),
    /// A step of plain LoRA: one pass.
    Lora,
}

/// What is to be timed.
pub struct Plan {
    pub subject: Subject,
    pub mode: Mode,
    /// Rows of a batch, and tokens of each row.
    pub batch: usize,
    pub length: usize,
    /// Rank of every module.
    pub rank: usize,
    /// `lora.targets`; the usual ones of the family where none.
    pub targets: Option<Vec<String>>,
    /// Rows that are passed forward and back at once; all of a batch where none.
    pub micro_batch: Option<usize>,
    /// Steps that are timed.
    pub steps: usize,
    pub precision: Precision,
    pub device: Device,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of each step, in their order.
    pub seconds: Vec<f64>,
    /// The most memory in use so far: of the process, or on a GPU of the device. None where that is not told.
    pub peak_bytes: Option<u64>,
    /// Tokens of the training batch of a step.
    pub tokens: usize,
    /// Passes forward and back of a step.
    pub passes: usize,
    pub modules: usize,
    pub frozen_parameters: usize,
    pub device: String,
    /// Training loss of the last step: a step that computes nothing would have none.
    pub loss: f64,
}

impl Found {
    /// The step of middle duration, seconds; of an even number, between the two.
    pub fn median_s(&self) -> f64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        let half = seconds.len() / 2;
        match (seconds.get(half), seconds.len() % 2, half.checked_sub(1).and_then(|before| seconds.get(before))) {
            (Some(upper), 0, Some(lower)) => f64::midpoint(*lower, *upper),
            (Some(middle), ..) => *middle,
            (None, ..) => 0.0,
        }
    }
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("rows of {length} tokens: the model has positions for {most}")]
    TooLong { length: usize, most: usize },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// Builds the model, steps, and times. `each` is told of every step that counts: its number from 1, its seconds.
///
/// # Errors
/// [`BenchError`].
pub fn bench(plan: &Plan, each: &mut dyn FnMut(usize, f64)) -> Result<Found, BenchError> {
    let peak = Peak::of(&plan.device);
    let config = plan.subject.config(plan.length)?;
    if plan.length > config.max_length() {
        return Err(BenchError::TooLong { length: plan.length, most: config.max_length() });
    }
    let mut model = plan.subject.network(&config, plan.precision, &plan.device)?;
    let usual = || config.default_targets().iter().map(ToString::to_string).collect();
    let modules = model.attach(&plan.targets.clone().unwrap_or_else(usual))?;
    let layout = Layout { micro_batch: plan.micro_batch, micro_tokens: None, pack_to: None };
    let problem = Problem { model, modules, device: plan.device.clone(), pad_id: config.pad_id(), layout };
    let rows = drawn_rows(plan.batch, plan.length, &config);
    let mut stepper = Stepper::new(plan, &problem)?;
    let mut seconds = Vec::with_capacity(plan.steps);
    let mut loss = f64::NAN;
    for step in 0..WARMUP + plan.steps {
        let began = Instant::now();
        loss = stepper.step(&rows, step)?;
        plan.device.synchronize()?;
        if let Some(number) = (step + 1).checked_sub(WARMUP).filter(|number| *number > 0) {
            let took = began.elapsed().as_secs_f64();
            seconds.push(took);
            each(number, took);
        }
    }
    Ok(Found {
        seconds,
        peak_bytes: peak.bytes(),
        tokens: plan.batch * plan.length,
        passes: match plan.mode {
            Mode::Search(rule) => passes(rule),
            Mode::Lora => 1,
        },
        modules: problem.modules.len(),
        frozen_parameters: problem.model.frozen_parameters(),
        device: device::name(&plan.device),
        loss,
    })
}

/// What steps, with what it steps on.
struct Stepper<'a> {
    plan: &'a Plan,
    problem: &'a Problem,
    lower: LowerLevel<'a>,
    state: State,
}

enum State {
    Search(Box<SearchState>, Rules),
    Fit(Box<FitState>, FitRules),
}

impl<'a> Stepper<'a> {
    fn new(plan: &'a Plan, problem: &'a Problem) -> Result<Stepper<'a>, BenchError> {
        let count = problem.modules.len();
        let weights = drawn_weights(problem, plan.rank)?;
        let adam = |weight_decay| Adam::new(AdamConfig::new(OptimizerKind::AdamW, [0.9, 0.999], weight_decay));
        let scales = vec![SCALE; count];
        let state = match plan.mode {
            Mode::Search(hypergradient) => {
                let rules = Rules {
                    hypergradient,
                    selection: SelectionKind::Softmax,
                    weights_lr: 1e-4,
                    selection_lr: 1e-3,
                    epsilon: perturbation(rounds_operands(kept_in(plan.precision), &plan.device)),
                    clip_norm: None,
                };
                let beta = Tensor::zeros((count, plan.rank), DType::F32, &plan.device)?;
                let state =
                    SearchState { weights, beta, weights_optimizer: adam(0.01), selection_optimizer: adam(0.0) };
                State::Search(Box::new(state), rules)
            }
            Mode::Lora => {
                let rules = FitRules {
                    scales: scales.clone(),
                    schedule: LinearSchedule::new(1e-4, 0.0, usize::MAX / 2),
                    clip_norm: None,
                    label_smoothing: 0.0,
                    dropout: DropoutRates::default(),
                };
                State::Fit(Box::new(FitState { weights, optimizer: adam(0.01) }), rules)
            }
        };
        let lower = LowerLevel { problem, scales, dropout: DropoutRates::default() };
        Ok(Stepper { plan, problem, lower, state })
    }

    /// A step, with what a run does around it: padding the rows, and reading the loss. Gives the training loss.
    fn step(&mut self, rows: &Rows, step: usize) -> Result<f64, BenchError> {
        let places: Vec<usize> = (0..rows.len()).collect();
        let (train, validation) = places.split_at(self.plan.batch);
        let batch = |rows: &Rows, places: &[usize]| -> Result<Vec<DeviceBatch>, BenchError> {
            Ok(self.problem.parts(rows, places, None)?)
        };
        let train = batch(rows, train)?;
        Ok(match &mut self.state {
            State::Search(state, rules) => {
                let validation = batch(rows, validation)?;
                state.step(rules, &self.lower, &train, &validation, DropoutKeys::default())?.train_loss
            }
            State::Fit(state, rules) => state.step(self.problem, rules, &train, step, 0)?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: Kind, mode: Mode) -> Plan {
        Plan {
            subject: Subject::Shape(Shape { kind, layers: 2, hidden: 16, heads: 2 }),
            mode,
            batch: 3,
            length: 7,
            rank: 2,
            targets: None,
            micro_batch: None,
            steps: 2,
            precision: Precision::F32,
            device: Device::Cpu,
        }
    }

    #[test]
    fn every_mode_steps_every_kind() {
        for kind in [Kind::Roberta, Kind::Gpt2] {
            let mut losses = Vec::new();
            for mode in [Mode::Lora, Mode::Search(Hypergradient::Unrolled), Mode::Search(Hypergradient::FirstOrder)] {
                let mut told = Vec::new();
                let found = bench(&plan(kind, mode), &mut |number, _| told.push(number)).unwrap();
                assert_eq!((told, found.seconds.len()), (vec![1, 2], 2), "{kind:?} {mode:?}");
                assert_eq!((found.tokens, found.modules), (21, 4), "{kind:?} {mode:?}");
                assert!(found.loss.is_finite() && found.loss > 0.0, "{kind:?} {mode:?}: {}", found.loss);
                losses.push(found.loss);
            }
            // About the logarithm of the number of answers: it is a real loss.
            let answers = if kind == Kind::Roberta { 2f64 } else { 50_257f64 };
            assert!(losses.iter().all(|loss| (loss - answers.ln()).abs() < 0.2), "{kind:?}: {losses:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        let found = |seconds: &[f64]| Found {
            seconds: seconds.to_vec(),
            peak_bytes: None,
            tokens: 1,
            passes: 1,
            modules: 1,
            frozen_parameters: 1,
            device: "cpu".into(),
            loss: 1.0,
        };
        assert_eq!(found(&[5.0, 1.0, 2.0]).median_s(), 2.0);
        assert_eq!(found(&[5.0, 1.0, 2.0, 3.0]).median_s(), 2.5);
        assert_eq!(found(&[7.0]).median_s(), 7.0);
    }

    #[test]
    fn rows_beyond_the_positions_are_refused() {
        let mut plan = plan(Kind::Roberta, Mode::Lora);
        plan.subject = Subject::Model(Box::new(
            crate::run::base::Base::of(crate::model::builtin::find("builtin:demo").unwrap()).unwrap(),
        ));
        plan.length = 100_000;
        let error = bench(&plan, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.starts_with("rows of 100000 tokens: the model has positions for "), "{error}");
    }
}
