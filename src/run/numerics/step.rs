//! A search step of a model on a device: its mixed term, and whether it comes out the same twice.

use crate::data::Rows;
use crate::experiment::{Hypergradient, OptimizerKind, SelectionKind};
use crate::model::{DropoutRates, HeadKind, Network, TaskModel, Weights};
use crate::ops::rounds_operands;
use crate::run::base::Base;
use crate::run::bench::{BenchError, drawn_rows, drawn_weights};
use crate::search::hypergradient::{At, hypergradient, perturbation};
use crate::search::lower::LowerLevel;
use crate::search::step::{DropoutKeys, Rules, SearchState};
use crate::train::batch::{DeviceBatch, Layout};
use crate::train::optimizer::{Adam, AdamConfig};
use crate::train::problem::Problem;
use candle_core::{DType, Device, Tensor};

/// k, lora_alpha / k, and the rules of the step but for the perturbation.
const RANK: usize = 4;
const SCALE: f64 = 2.0;
const RULES: Rules = Rules {
    hypergradient: Hypergradient::Unrolled,
    selection: SelectionKind::Softmax,
    weights_lr: 1e-2,
    selection_lr: 1e-2,
    epsilon: 0.0,
    clip_norm: None,
};
/// Dropout of the path of LoRA, so that its masks are among what must come out the same.
const DROPOUT: f64 = 0.1;

/// An encoder with two classes under search, on a device, with a training and a validation batch.
pub struct Trial {
    problem: Problem,
    rules: Rules,
    weights: Weights,
    beta: Tensor,
    train: Vec<DeviceBatch>,
    validation: Vec<DeviceBatch>,
}

impl Trial {
    /// Of a model whose matrices are kept in `dtype`; the first half of `rows` is to train on.
    ///
    /// # Errors
    /// A model that is no encoder, or cannot be loaded.
    pub fn new(base: &Base, dtype: DType, device: &Device, rows: &Rows) -> Result<Trial, BenchError> {
        let config = base.encoder()?;
        let (model, _) = TaskModel::load(config, &base.checkpoint, HeadKind::Sequence, 2, dtype, device)?;
        let mut model = Network::Task(Box::new(model));
        let targets: Vec<String> = base.config.default_targets().iter().map(ToString::to_string).collect();
        let modules = model.attach(&targets)?;
        let rules = Rules { epsilon: perturbation(rounds_operands(dtype, device)), ..RULES };
        let layout = Layout::default();
        let problem = Problem { model, modules, device: device.clone(), pad_id: base.config.pad_id(), layout };
        // What is trained is f32 in every precision; the reference is f64 throughout.
        let trained = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let mut weights = drawn_weights(&problem, RANK)?;
        for weight in weights.values_mut() {
            *weight = weight.to_dtype(trained)?;
        }
        let beta = Tensor::zeros((problem.modules.len(), RANK), trained, device)?;
        let places: Vec<usize> = (0..rows.len()).collect();
        let (train, validation) = places.split_at(rows.len() / 2);
        let [train, validation] = [train, validation].map(|places| problem.parts(rows, places, None));
        let (train, validation) = (train?, validation?);
        Ok(Trial { rules, problem, weights, beta, train, validation })
    }

    /// Of rows of random ids.
    ///
    /// # Errors
    /// As [`Trial::new`].
    pub fn drawn(base: &Base, dtype: DType, device: &Device) -> Result<Trial, BenchError> {
        Trial::new(base, dtype, device, &drawn_rows(8, 24.min(base.config.max_length()), &base.config))
    }

    fn lower(&self, dropout: DropoutRates) -> LowerLevel<'_> {
        LowerLevel { problem: &self.problem, scales: vec![SCALE; self.problem.modules.len()], dropout }
    }

    fn adam() -> Adam {
        Adam::new(AdamConfig::new(OptimizerKind::AdamW, [0.9, 0.999], 0.01))
    }

    /// The mixed term of the hypergradient (modules x k), in f64 on the CPU.
    ///
    /// # Errors
    /// Those of candle.
    pub fn mixed(&self) -> candle_core::Result<Tensor> {
        let parts = hypergradient(
            self.rules.hypergradient,
            &At {
                objective: &self.lower(DropoutRates::default()),
                weights: &self.weights,
                beta: &self.beta,
                selection: self.rules.selection,
                optimizer: &Trial::adam(),
                lr: self.rules.weights_lr,
                epsilon: self.rules.epsilon,
                clip_norm: None,
                train: &self.train,
                validation: &self.validation,
                dropout: None,
            },
        )?;
        let none = || candle_core::Error::Msg("a search step without a mixed term".into()).bt();
        parts.mixed.ok_or_else(none)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)
    }

    /// All numbers that a search step moves, after one from the same state as always.
    ///
    /// # Errors
    /// Those of candle.
    pub fn stepped(&self) -> candle_core::Result<Vec<f32>> {
        let mut state = SearchState {
            weights: self.weights.clone(),
            beta: self.beta.clone(),
            weights_optimizer: Trial::adam(),
            selection_optimizer: Trial::adam(),
        };
        let lower = self.lower(DropoutRates::everywhere(DROPOUT, DROPOUT));
        let keys = DropoutKeys { hypergradient: Some(1), weights: Some(2) };
        state.step(&self.rules, &lower, &self.train, &self.validation, keys)?;
        let mut numbers: Vec<f32> = state.beta.flatten_all()?.to_vec1()?;
        for weight in state.weights.values() {
            numbers.extend(weight.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(numbers)
    }
}

/// |a - b| / |b|, Euclidean.
///
/// # Errors
/// Two shapes.
pub fn relative_difference(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let norm = |x: Tensor| x.sqr()?.sum_all()?.to_scalar::<f64>().map(f64::sqrt);
    Ok(norm((a - b)?)? / norm(b.clone())?)
}
