//! Attention of candle's own differentiable operations, for devices without a kernel of ours; a test's oracle.

use super::{Attention, Positions};
use crate::ops::dropout::dropout;
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

/// See [`super::attention`] and [`super::disentangled_attention`].
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    positions: Option<&Positions>,
    with: &Attention,
) -> Result<Tensor> {
    let (batch, length, width) = q.dims3()?;
    let head_width = width / with.heads;
    let split = |x: &Tensor| x.reshape((batch, length, with.heads, head_width))?.transpose(1, 2)?.contiguous();
    let (mut q, mut k, v) = (split(q)?, split(k)?, split(v)?);
    if let Some(rope) = &with.rope {
        (q, k) = (rope.compose(&q, q.device())?, rope.compose(&k, k.device())?);
    }
    let scale = positions.map_or(1.0 / (head_width as f64).sqrt(), |positions| positions.scale);
    let mut scores = q.matmul(&k.t()?.contiguous()?)?;
    if let Some(positions) = positions {
        if let Some(keys) = positions.keys {
            scores = (scores + by_position(&q, keys, positions, |i, j| length - 1 + i - j)?)?;
        }
        if let Some(queries) = positions.queries {
            let transposed = by_position(&k, queries, positions, |j, i| length - 1 + i - j)?;
            scores = (scores + transposed.transpose(2, 3)?.contiguous()?)?;
        }
    }
    let scores = (scores * scale)?.broadcast_add(&bias(with, (batch, length), &q)?)?;
    // The one of candle's two softmaxes that keeps the graph.
    let mut probabilities = softmax(&scores, D::Minus1)?;
    if let Some(mask) = with.dropout {
        probabilities = dropout(&probabilities, mask)?;
    }
    probabilities.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((batch, length, width))
}

/// What leaves nothing of a probability.
pub(super) const UNSEEN: f32 = -1e30;

/// 0 where a query sees a key, else [`UNSEEN`], in a shape that broadcasts to (batch, heads, length, length).
fn bias(with: &Attention, (batch, length): (usize, usize), like: &Tensor) -> Result<Tensor> {
    let values: Vec<f32> = with.mask.iter().map(|&keep| if keep == 0 { UNSEEN } else { 0.0 }).collect();
    let padding = Tensor::from_vec(values, (batch, 1, 1, length), like.device())?.to_dtype(like.dtype())?;
    let Some(window) = with.window else { return Ok(padding) };
    let places = || (0..length).flat_map(|query| (0..length).map(move |key| query.abs_diff(key)));
    let values: Vec<f32> = places().map(|distance| if distance > window { UNSEEN } else { 0.0 }).collect();
    let window = Tensor::from_vec(values, (1, 1, length, length), like.device())?.to_dtype(like.dtype())?;
    padding.broadcast_add(&window)
}

/// Products of `x` (batch, heads, length, d) with the rows of a table that `place(first, second)` finds:
/// (batch, heads, first, second).
fn by_position(
    x: &Tensor,
    table: &Tensor,
    positions: &Positions,
    place: impl Fn(usize, usize) -> usize,
) -> Result<Tensor> {
    let (batch, heads, length, head_width) = x.dims4()?;
    let rows = table.dim(0)?;
    let table = table.reshape((rows, heads, head_width))?.permute((1, 2, 0))?.contiguous()?;
    let products = x.broadcast_matmul(&table.unsqueeze(0)?)?;
    let index: Vec<u32> =
        (0..length).flat_map(|a| (0..length).map(move |b| (a, b))).map(|(a, b)| positions.index[place(a, b)]).collect();
    let index = Tensor::from_vec(index, (1, 1, length, length), x.device())?;
    products.contiguous()?.gather(&index.broadcast_as((batch, heads, length, length))?.contiguous()?, D::Minus1)
}
