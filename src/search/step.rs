//! One step of the bilevel search, and the warm-up step before it.

use super::Objective;
use super::hypergradient::{At, Parts, hypergradient};
use super::selection::values;
use crate::experiment::{Hypergradient, SelectionKind};
use crate::model::Weights;
use crate::train::gradient::{clip, gradients_of_parts, track};
use crate::train::optimizer::Adam;
use candle_core::{DType, Result, Tensor};

/// Constants of a search.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub hypergradient: Hypergradient,
    pub selection: SelectionKind,
    /// Learning rates of W (eta) and of beta, constant.
    pub weights_lr: f64,
    pub selection_lr: f64,
    pub epsilon: f64,
    pub clip_norm: Option<f64>,
}

/// Everything that a search changes. A checkpoint holds just this and the step.
#[derive(Clone)]
pub struct SearchState {
    /// A, B and head.
    pub weights: Weights,
    /// Selection logits (modules, k).
    pub beta: Tensor,
    pub weights_optimizer: Adam,
    pub selection_optimizer: Adam,
}

/// Name of beta in its optimiser's state.
const BETA: &str = "beta";

/// Keys of the dropout masks of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct DropoutKeys {
    /// Replayed in the look-ahead and both perturbed passes.
    pub hypergradient: Option<u64>,
    /// Of the real step.
    pub weights: Option<u64>,
}

/// What a step saw.
#[derive(Clone)]
pub struct Report {
    /// Training loss at the old W and the new beta.
    pub train_loss: f64,
    /// Norm of grad_W of it, before clipping.
    pub grad_norm: f64,
    /// Parts of the hypergradient; none in warm-up.
    pub parts: Option<Parts>,
    /// Whether beta stayed because h was not finite.
    pub skipped: bool,
}

impl SearchState {
    /// One search step: hypergradient at the old beta, a step of beta, then a real step of W with the new beta.
    pub fn step<O: Objective>(
        &mut self,
        rules: &Rules,
        objective: &O,
        train: &[O::Part],
        validation: &[O::Part],
        keys: DropoutKeys,
    ) -> Result<Report> {
        let parts = hypergradient(
            rules.hypergradient,
            &At {
                objective,
                weights: &self.weights,
                beta: &self.beta,
                selection: rules.selection,
                optimizer: &self.weights_optimizer,
                lr: rules.weights_lr,
                epsilon: rules.epsilon,
                clip_norm: rules.clip_norm,
                train,
                validation,
                dropout: keys.hypergradient,
            },
        )?;
        let finite = is_finite(&parts.h)?;
        if finite {
            let named = |tensor: &Tensor| Weights::from([(BETA.to_string(), tensor.clone())]);
            let mut moved = self.selection_optimizer.step(&named(&self.beta), &named(&parts.h), rules.selection_lr)?;
            if let Some(beta) = moved.remove(BETA) {
                self.beta = beta;
            }
        }
        let report = self.weights_step(rules, objective, train, keys.weights)?;
        Ok(Report { parts: Some(parts), skipped: !finite, ..report })
    }

    /// A step of W alone on a train batch: the warm-up (with B = 0 nothing else moves), and step 5 of the search.
    pub fn weights_step<O: Objective>(
        &mut self,
        rules: &Rules,
        objective: &O,
        train: &[O::Part],
        dropout: Option<u64>,
    ) -> Result<Report> {
        let tracked = track(&self.weights)?;
        let alpha = values(rules.selection, &self.beta)?;
        let loss = |part: &O::Part, key| objective.loss(&tracked, &alpha, part, key);
        let (train_loss, mut gradient, _) = gradients_of_parts(train, dropout, &tracked, None, loss)?;
        let grad_norm = clip(&mut gradient, rules.clip_norm)?;
        self.weights = self.weights_optimizer.step(&self.weights, &gradient, rules.weights_lr)?;
        Ok(Report { train_loss, grad_norm, parts: None, skipped: false })
    }
}

fn is_finite(tensor: &Tensor) -> Result<bool> {
    Ok(tensor.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?.is_finite())
}
