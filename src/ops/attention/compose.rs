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
    let bias = Tensor::from_vec(bias(with, batch, length), (batch, 1, length, length), q.device())?;
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
    let scores = (scores * scale)?.broadcast_add(&bias.to_dtype(q.dtype())?)?;
    // The one of candle's two softmaxes that keeps the graph.
    let mut probabilities = softmax(&scores, D::Minus1)?;
    if let Some(mask) = with.dropout {
        probabilities = dropout(&probabilities, mask)?;
    }
    probabilities.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((batch, length, width))
}

/// 0 where a query sees a key, else a number that leaves nothing of its probability; (batch, length, length).
fn bias(with: &Attention, batch: usize, length: usize) -> Vec<f32> {
    let mut bias = Vec::with_capacity(batch * length * length);
    for keep in with.mask.chunks(length.max(1)) {
        for query in 0..length {
            let sees = |key: usize| keep[key] != 0 && with.window.is_none_or(|window| query.abs_diff(key) <= window);
            bias.extend((0..length).map(|key| if sees(key) { 0.0 } else { -1e30 }));
        }
    }
    bias
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
