//! The gradient of the validation loss by the selection logits: direct term, and mixed term by central differences
//! (method.md, "One search step", 1 to 4).

use super::Objective;
use super::selection::values;
use crate::experiment::{Hypergradient, SelectionKind};
use crate::model::Weights;
use crate::train::gradient::{clip, gradients_of_parts, norm, shifted, track, track_one};
use crate::train::optimizer::Adam;
use candle_core::{Result, Tensor};

/// What a hypergradient is computed at and with.
pub struct At<'a, O: Objective> {
    pub objective: &'a O,
    /// A, B and head: W.
    pub weights: &'a Weights,
    /// Selection logits beta (modules, k), old.
    pub beta: &'a Tensor,
    pub selection: SelectionKind,
    /// The optimiser of W, for the look-ahead of `implicit`; it is cloned, not moved.
    pub optimizer: &'a Adam,
    /// eta, the current learning rate of W.
    pub lr: f64,
    /// Size of the perturbation times |v|.
    pub epsilon: f64,
    pub clip_norm: Option<f64>,
    /// Batches, by their parts.
    pub train: &'a [O::Part],
    pub validation: &'a [O::Part],
    /// Key of the masks of every pass over the train batch: the same in all of them.
    pub dropout: Option<u64>,
}

/// h = d - c m, with its parts, all of them on the device.
#[derive(Clone)]
pub struct Parts {
    /// h (modules, k).
    pub h: Tensor,
    /// d = grad_beta L_val(W', beta).
    pub direct: Tensor,
    /// m, before c; none for `first-order`.
    pub mixed: Option<Tensor>,
    /// c.
    pub coefficient: f64,
    /// L_val(W', beta), a scalar in f64; so are the next two.
    pub validation_loss: Tensor,
    /// |v| over all of W, and the perturbation 0.01 / |v|.
    pub v_norm: Tensor,
    pub epsilon: Tensor,
}

/// Size of the perturbation times |v| unless a run has its own: DARTS's and the paper's 0.01, and five times as much where
/// operands of products are rounded to 16 bits, in which the difference of the two passes drowns.
pub fn perturbation(rounds_operands: bool) -> f64 {
    if rounds_operands { 0.05 } else { 0.01 }
}

/// Passes forward and back that a search step makes: those of the hypergradient, and that of the weights.
pub fn passes(rule: Hypergradient) -> usize {
    match rule {
        Hypergradient::Unrolled | Hypergradient::Implicit => 5,
        Hypergradient::FirstOrder => 2,
    }
}

/// The hypergradient by one of the three rules.
pub fn hypergradient<O: Objective>(rule: Hypergradient, at: &At<O>) -> Result<Parts> {
    let ahead = match rule {
        Hypergradient::Unrolled => shifted(at.weights, &at.train_gradient()?, |g| g * -at.lr)?,
        Hypergradient::Implicit => at.optimizer.clone().step(at.weights, &at.train_gradient()?, at.lr)?,
        Hypergradient::FirstOrder => at.weights.clone(),
    };
    let tracked = track(&ahead)?;
    let beta = track_one(at.beta)?;
    let alpha = values(at.selection, &beta)?;
    let loss = |part: &O::Part, _| at.objective.loss(&tracked, &alpha, part, None);
    let (validation_loss, v, direct) = gradients_of_parts(at.validation, None, &tracked, Some(&beta), loss)?;
    let direct = direct.unwrap_or(beta.zeros_like()?);
    drop((tracked, alpha, beta));

    let v_norm = norm(&v)?;
    let epsilon = ((&v_norm + 1e-15)?.recip()? * at.epsilon)?;
    let (center, coefficient) = match rule {
        Hypergradient::Unrolled => (at.weights, at.lr),
        Hypergradient::Implicit => (&ahead, 1.0),
        Hypergradient::FirstOrder => {
            let h = direct.clone();
            return Ok(Parts { h, direct, mixed: None, coefficient: 0.0, validation_loss, v_norm, epsilon });
        }
    };
    let perturbed = |sign: f64| {
        let epsilon = (&epsilon * sign)?;
        shifted(center, &v, |v| v.broadcast_mul(&epsilon.to_dtype(v.dtype())?))
    };
    let up = at.beta_gradient(&perturbed(1.0)?)?;
    let down = at.beta_gradient(&perturbed(-1.0)?)?;
    let mixed = (up - down)?.broadcast_div(&(&epsilon * 2.0)?.to_dtype(at.beta.dtype())?)?;
    let h = (&direct - (&mixed * coefficient)?)?;
    Ok(Parts { h, direct, mixed: Some(mixed), coefficient, validation_loss, v_norm, epsilon })
}

impl<O: Objective> At<'_, O> {
    /// grad_W L_tr(W, beta).
    fn train_gradient(&self) -> Result<Weights> {
        let tracked = track(self.weights)?;
        let alpha = values(self.selection, &self.beta.detach())?;
        let loss = |part: &O::Part, key| self.objective.loss(&tracked, &alpha, part, key);
        let (_, mut gradient, _) = gradients_of_parts(self.train, self.dropout, &tracked, None, loss)?;
        if self.clip_norm.is_some() {
            clip(&mut gradient, self.clip_norm)?;
        }
        Ok(gradient)
    }

    /// grad_beta L_tr(W, beta) at other weights; none of A, B and head is tracked.
    fn beta_gradient(&self, weights: &Weights) -> Result<Tensor> {
        let beta = track_one(self.beta)?;
        let alpha = values(self.selection, &beta)?;
        let loss = |part: &O::Part, key| self.objective.loss(weights, &alpha, part, key);
        let (_, _, gradient) = gradients_of_parts(self.train, self.dropout, &Weights::new(), Some(&beta), loss)?;
        gradient.map_or_else(|| beta.zeros_like(), Ok)
    }
}
