//! Gradients of named tensors, and their norms.

use crate::model::Weights;
use candle_core::{DType, Error, Result, Tensor, Var};

/// Copies of tensors that are tracked: what a pass is differentiated by.
pub fn track(weights: &Weights) -> Result<Weights> {
    weights.iter().map(|(name, w)| Ok((name.clone(), Var::from_tensor(&w.detach())?.into_inner()))).collect()
}

/// A tracked copy of one tensor.
pub fn track_one(tensor: &Tensor) -> Result<Tensor> {
    Ok(Var::from_tensor(&tensor.detach())?.into_inner())
}

/// The gradients of `loss` by tracked `weights` and, where given, a tracked tensor of selection logits.
///
/// A tensor that no gradient reaches is an error that names it: training on would look well and teach nothing.
pub fn gradients(loss: &Tensor, weights: &Weights, logits: Option<&Tensor>) -> Result<(Weights, Option<Tensor>)> {
    let store = loss.backward()?;
    let of = |name: &str, tensor: &Tensor| {
        store.get(tensor).cloned().ok_or_else(|| Error::Msg(format!("no gradient flows to `{name}`")).bt())
    };
    let gradients = weights.iter().map(|(name, w)| Ok((name.clone(), of(name, w)?))).collect::<Result<Weights>>()?;
    let logits = logits.map(|logits| of("selection logits", logits)).transpose()?;
    Ok((gradients, logits))
}

/// The loss of a batch, which is the sum of its parts', and its gradients by tracked `weights` and, where given, a tracked
/// tensor of selection logits. Each part is passed forward and back by itself: `loss` gets it with its key of dropout masks.
///
/// # Errors
/// As [`gradients`]; a batch without a part.
pub fn gradients_of_parts<P>(
    parts: &[P],
    key: Option<u64>,
    weights: &Weights,
    logits: Option<&Tensor>,
    loss: impl Fn(&P, Option<u64>) -> Result<Tensor>,
) -> Result<(f64, Weights, Option<Tensor>)> {
    let mut sum: Option<(f64, Weights, Option<Tensor>)> = None;
    for (n, part) in parts.iter().enumerate() {
        // The first part has the batch's key: a batch of one part is as it would be without parts.
        let key = key.map(|key| key.wrapping_add((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let loss = loss(part, key)?;
        let (mut by_weights, mut by_logits) = gradients(&loss, weights, logits)?;
        let mut total = scalar(&loss)?;
        if let Some((before, weights_before, logits_before)) = sum {
            total += before;
            for (name, before) in weights_before {
                if let Some(gradient) = by_weights.get_mut(&name) {
                    *gradient = (before + &*gradient)?;
                }
            }
            by_logits = by_logits.zip(logits_before).map(|(now, before)| before + now).transpose()?;
        }
        sum = Some((total, by_weights, by_logits));
    }
    sum.ok_or_else(|| Error::Msg("a batch without rows".into()).bt())
}

/// The Euclidean norm over all tensors together, in f64 (1 / method.md: epsilon is divided by it).
pub fn norm(tensors: &Weights) -> Result<f64> {
    let mut squares = 0.0;
    for tensor in tensors.values() {
        squares += squared_norm(tensor)?;
    }
    Ok(squares.sqrt())
}

/// The sum of the squares of a tensor's elements, in f64.
pub fn squared_norm(tensor: &Tensor) -> Result<f64> {
    tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()
}

/// Scales gradients down to the norm `limit` as PyTorch's `clip_grad_norm_` does; returns the norm before.
pub fn clip(gradients: &mut Weights, limit: Option<f64>) -> Result<f64> {
    let norm = norm(gradients)?;
    if let Some(limit) = limit.filter(|&limit| norm > limit) {
        for gradient in gradients.values_mut() {
            *gradient = (&*gradient * (limit / (norm + 1e-6)))?;
        }
    }
    Ok(norm)
}

/// center + scale * direction, tensor by tensor; names of `center`.
pub fn shifted(center: &Weights, scale: f64, direction: &Weights) -> Result<Weights> {
    center
        .iter()
        .map(|(name, w)| match direction.get(name) {
            Some(d) => Ok((name.clone(), (w.detach() + (d * scale)?)?)),
            None => Ok((name.clone(), w.detach())),
        })
        .collect()
}

/// The value of a scalar tensor.
pub fn scalar(tensor: &Tensor) -> Result<f64> {
    tensor.to_dtype(DType::F64)?.to_scalar::<f64>()
}
