//! Gradients of named tensors, and their norms.

use crate::model::Weights;
use candle_core::{DType, Device, Error, Result, Tensor, Var};

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

/// The loss of a batch, which is the sum of its parts' (a scalar in f64), and its gradients by tracked `weights` and, where
/// given, a tracked tensor of selection logits. Each part is passed forward and back by itself: `loss` gets it with its key of
/// dropout masks. Nothing is read from the device.
///
/// # Errors
/// As [`gradients`]; a batch without a part.
pub fn gradients_of_parts<P>(
    parts: &[P],
    key: Option<u64>,
    weights: &Weights,
    logits: Option<&Tensor>,
    loss: impl Fn(&P, Option<u64>) -> Result<Tensor>,
) -> Result<(Tensor, Weights, Option<Tensor>)> {
    let mut sum: Option<(Tensor, Weights, Option<Tensor>)> = None;
    for (n, part) in parts.iter().enumerate() {
        // The first part has the batch's key: a batch of one part is as it would be without parts.
        let key = key.map(|key| key.wrapping_add((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let loss = loss(part, key)?;
        let (mut by_weights, mut by_logits) = gradients(&loss, weights, logits)?;
        let mut total = loss.detach().to_dtype(DType::F64)?;
        if let Some((before, weights_before, logits_before)) = sum {
            total = (total + before)?;
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

/// The Euclidean norm over all tensors together, a scalar in f64 on their device (1 / method.md: epsilon is divided by it).
pub fn norm(tensors: &Weights) -> Result<Tensor> {
    let squares = tensors.values().map(squared_norm).collect::<Result<Vec<Tensor>>>()?;
    if squares.is_empty() { Tensor::new(0f64, &Device::Cpu) } else { Tensor::stack(&squares, 0)?.sum_all()?.sqrt() }
}

/// The sum of the squares of a tensor's elements, a scalar in f64 on its device.
pub fn squared_norm(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(DType::F64)?.sqr()?.sum_all()
}

/// Scales gradients down to the norm `limit`, where there is one, as PyTorch's `clip_grad_norm_` does; returns the norm before,
/// as [`norm`] does.
pub fn clip(gradients: &mut Weights, limit: Option<f64>) -> Result<Tensor> {
    let norm = norm(gradients)?;
    if let Some(limit) = limit {
        let factor = ((&norm + 1e-6)?.recip()? * limit)?.minimum(1.0)?;
        for gradient in gradients.values_mut() {
            *gradient = gradient.broadcast_mul(&factor.to_dtype(gradient.dtype())?)?;
        }
    }
    Ok(norm)
}

/// center + by(direction), tensor by tensor; names of `center`.
pub fn shifted(center: &Weights, direction: &Weights, by: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Weights> {
    center
        .iter()
        .map(|(name, w)| match direction.get(name) {
            Some(d) => Ok((name.clone(), (w.detach() + by(d)?)?)),
            None => Ok((name.clone(), w.detach())),
        })
        .collect()
}

/// The values of scalar tensors of one device, read at once.
pub fn scalars(tensors: &[&Tensor]) -> Result<Vec<f64>> {
    let wide = tensors.iter().map(|tensor| tensor.to_dtype(DType::F64)).collect::<Result<Vec<Tensor>>>()?;
    Tensor::stack(&wide, 0)?.to_vec1()
}

/// The value of a scalar tensor.
pub fn scalar(tensor: &Tensor) -> Result<f64> {
    tensor.to_dtype(DType::F64)?.to_scalar::<f64>()
}
