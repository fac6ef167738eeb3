//! Losses.

use candle_core::{D, Result, Tensor};

/// Mean cross-entropy of logits (rows, classes) against class ids (rows, u32); a scalar.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let highest = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&highest)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let picked = shifted.gather(&labels.unsqueeze(D::Minus1)?, D::Minus1)?;
    (normaliser - picked)?.mean_all()
}
