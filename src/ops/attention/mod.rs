//! Masked multi-head attention over (batch, length, heads x width) as the linear layers leave it: no transposed copies,
//! and nothing of length x length is kept for the backward pass, which recomputes it head by head.

mod causal;
mod causal_kernel;
mod compose;
mod kernel;
mod operations;
mod rope;

use super::dropout::Mask;
use super::kernel::{is_fused, is_fused_on_cpu, is_fused_on_gpu};
use candle_core::{D, DType, Result, Tensor, bail};
pub use causal::{Causal, causal_attention};
use operations::{Disentangled, Packed, Separate};
pub use rope::Rope;
use std::sync::Arc;

/// What attention needs beside queries, keys and values.
#[derive(Clone)]
pub struct Attention {
    pub heads: usize,
    /// 1 where a key is a token, 0 where it is padding; batch x length.
    pub mask: Arc<[u8]>,
    /// Dropout of the attention probabilities.
    pub dropout: Option<Mask>,
    /// A query sees the keys at most this far from it; all where none.
    pub window: Option<usize>,
    /// Turns queries and keys.
    pub rope: Option<Arc<Rope>>,
}

impl Attention {
    /// Every token sees every token.
    pub fn full(heads: usize, mask: Arc<[u8]>, dropout: Option<Mask>) -> Attention {
        Attention { heads, mask, dropout, window: None, rope: None }
    }

    fn check(&self, batch: usize, length: usize, width: usize) -> Result<()> {
        if self.heads == 0 || !width.is_multiple_of(self.heads) || self.mask.len() != batch * length {
            bail!("attention: {} heads, mask of {}, for {batch} x {length} x {width}", self.heads, self.mask.len());
        }
        if let Some(rope) = self.rope.as_ref().filter(|rope| rope.length() != length) {
            bail!("attention: a rope of {} places for rows of {length}", rope.length());
        }
        Ok(())
    }
}

/// DeBERTa's relative positions: a score gains `q_i . keys[r] + k_j . queries[r]` for the row r of i - j.
pub struct Positions<'a> {
    /// (rows, width); content to position.
    pub keys: Option<&'a Tensor>,
    /// (rows, width); position to content.
    pub queries: Option<&'a Tensor>,
    /// Row of i - j at `length - 1 + i - j`: 2 length - 1 of them.
    pub index: Arc<[u32]>,
    /// Factor of the whole score.
    pub scale: f64,
}

/// softmax(q k^T / sqrt(d) + mask) v per head; q, k, v and the result (batch, length, heads x d).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, with: &Attention) -> Result<Tensor> {
    let (batch, length, width) = q.dims3()?;
    with.check(batch, length, width)?;
    if is_fused(q) {
        return q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, Separate(with.clone()));
    }
    compose::attention(q, k, v, None, with)
}

/// [`attention`] of queries, keys and values that lie one after the other in each row: (batch, length, 3 x heads x d)
/// to (batch, length, heads x d).
pub fn packed_attention(qkv: &Tensor, with: &Attention) -> Result<Tensor> {
    let (batch, length, packed) = qkv.dims3()?;
    let width = packed / 3;
    with.check(batch, length, width)?;
    if is_fused(qkv) {
        return qkv.contiguous()?.apply_op1(Packed(with.clone()));
    }
    let part = |n: usize| qkv.narrow(D::Minus1, n * width, width)?.contiguous();
    compose::attention(&part(0)?, &part(1)?, &part(2)?, None, with)
}

/// [`attention`] with relative positions in the scores; q, k, v and the result (batch, length, heads x d).
///
/// On a GPU operands in another type than f32 are served by candle's own operations, which keep what is of length x length.
pub fn disentangled_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    positions: &Positions,
    with: &Attention,
) -> Result<Tensor> {
    let (batch, length, width) = q.dims3()?;
    with.check(batch, length, width)?;
    let tables: Vec<&Tensor> = positions.keys.into_iter().chain(positions.queries).collect();
    let rows = tables.first().map_or(Ok(1), |table| table.dim(0))?;
    let shaped = tables.iter().all(|table| table.dims() == [rows, width]);
    if !shaped || positions.index.len() + 1 != 2 * length || positions.index.iter().any(|&r| r as usize >= rows) {
        bail!("attention: {} positions of {rows} rows for rows of {length} x {width}", positions.index.len());
    }
    let is_f32 = [q, k, v].iter().chain(&tables).all(|operand| operand.dtype() == DType::F32);
    if !(is_fused_on_cpu(q) || is_fused_on_gpu(q) && is_f32) {
        return compose::attention(q, k, v, Some(positions), with);
    }
    // An operation has at most three operands.
    let qk = Tensor::cat(&[q, k], D::Minus1)?;
    let tables = match tables.as_slice() {
        [] => Tensor::zeros((1, 1), q.dtype(), q.device())?,
        tables => Tensor::cat(tables, D::Minus1)?,
    };
    let operation = Disentangled {
        with: with.clone(),
        has_keys: positions.keys.is_some(),
        has_queries: positions.queries.is_some(),
        index: positions.index.clone(),
        scale: positions.scale,
    };
    qk.apply_op3(&v.contiguous()?, &tables.contiguous()?, operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::{stream, uniform};
    use candle_core::{DType, Device, Var};

    fn variable(shape: &[usize], salt: u64) -> Var {
        let values = uniform(&mut stream(salt, "attention", 0), shape.iter().product(), 1.0);
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        Var::from_tensor(&tensor).unwrap()
    }

    /// Two ways to compute a result, and their gradients by each operand, are the same where a query is a token.
    /// (Padding far from every token sees nothing, and what it gets means nothing.)
    fn check(
        with: &Attention,
        operands: &[&Var],
        ours: &dyn Fn() -> Result<Tensor>,
        composed: &dyn Fn() -> Result<Tensor>,
    ) {
        let tokens: Vec<f64> = with.mask.iter().map(|&keep| keep.into()).collect();
        let tokens = Tensor::from_vec(tokens, (2, with.mask.len() / 2, 1), &Device::Cpu).unwrap();
        let of_tokens = |y: Result<Tensor>| y.unwrap().broadcast_mul(&tokens).unwrap();
        let (ours, composed) = (of_tokens(ours()), of_tokens(composed()));
        let same = |a: &Tensor, b: &Tensor, what: &str| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(difference < 1e-11, "{what} differs by {difference:.1e}");
        };
        same(&ours, &composed, "the result");
        let weights = variable(ours.dims(), 99);
        let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, composed) = (gradients(&ours), gradients(&composed));
        for (i, operand) in operands.iter().enumerate() {
            let (ours, composed) = (ours.get(operand).unwrap(), composed.get(operand).unwrap());
            assert!(composed.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap() > 1e-3);
            same(ours, composed, &format!("the gradient of operand {i}"));
        }
    }

    /// Two rows, the second with padding at its end.
    fn with(length: usize, window: Option<usize>, rope: Option<f64>) -> Attention {
        let mask = (0..2 * length).map(|i| u8::from(i < length + length * 2 / 3));
        let dropout = Some(Mask::new(0.2, 5));
        let rope = rope.map(|theta| Arc::new(Rope::new(length, 4, theta)));
        Attention { heads: 2, mask: mask.collect(), dropout, window, rope }
    }

    #[test]
    fn the_kernel_equals_candles_own_operations_in_every_block() {
        // 100 with a window: four blocks of queries. 1100 without: two.
        for (length, window) in [(7, None), (100, Some(9)), (100, Some(40)), (1100, None)] {
            let [q, k, v] = [1, 2, 3].map(|salt| variable(&[2, length, 8], salt));
            let with = with(length, window, None);
            let composed = || compose::attention(&q, &k, &v, None, &with);
            check(&with, &[&q, &k, &v], &|| attention(&q, &k, &v, &with), &composed);
        }
    }

    #[test]
    fn packed_operands_turned_by_a_rope_in_a_window() {
        let qkv = variable(&[2, 50, 24], 1);
        let with = with(50, Some(6), Some(30.0));
        let part = |n: usize| qkv.narrow(2, n * 8, 8);
        let composed = || compose::attention(&part(0)?, &part(1)?, &part(2)?, None, &with);
        check(&with, &[&qkv], &|| packed_attention(&qkv, &with), &composed);
    }

    #[test]
    fn relative_positions_by_key_and_by_query() {
        let length = 9;
        let [q, k, v] = [1, 2, 3].map(|salt| variable(&[2, length, 8], salt));
        let (keys, queries) = (variable(&[5, 8], 4), variable(&[5, 8], 5));
        // Distances beyond 2 share a row.
        let index: Vec<u32> = (-8i32..=8).map(|by| (by.clamp(-2, 2) + 2) as u32).collect();
        let with = with(length, None, None);
        for (by_key, by_query) in [(true, true), (true, false), (false, true)] {
            let positions = Positions {
                keys: by_key.then_some(keys.as_tensor()),
                queries: by_query.then_some(queries.as_tensor()),
                index: index.clone().into(),
                scale: 0.3,
            };
            let mut operands = vec![&q, &k, &v];
            operands.extend(by_key.then_some(&keys).into_iter().chain(by_query.then_some(&queries)));
            let composed = || compose::attention(&q, &k, &v, Some(&positions), &with);
            check(&with, &operands, &|| disentangled_attention(&q, &k, &v, &positions, &with), &composed);
        }
    }
}
