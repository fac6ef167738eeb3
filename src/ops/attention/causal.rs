//! Attention of decoders: a query sees the keys up to its own place, several query heads may share a key head, and
//! the queries may be the last places of longer keys (a cache).

use super::causal_kernel::{Call, Sizes, backward, forward};
use super::compose::UNSEEN;
use crate::ops::dropout::{Mask, dropout};
use crate::ops::kernel::{float_dispatch, is_fused, on_gpu, slice, with_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, WithDType, bail};
use candle_nn::ops::softmax;
use std::sync::Arc;

/// What causal attention needs beside queries, keys and values.
#[derive(Clone)]
pub struct Causal {
    /// Query heads, a multiple of `kv_heads`.
    pub heads: usize,
    pub kv_heads: usize,
    /// Factor of the products of queries and keys.
    pub scale: f64,
    /// Scores become cap tanh(score / cap).
    pub cap: Option<f64>,
    /// Place of the first key that each query sees, batch x queries. It covers padding on the left, texts packed into
    /// one row, and windows. A place after the query's own counts as that.
    pub first: Arc<[u32]>,
    /// Dropout of the attention probabilities.
    pub dropout: Option<Mask>,
}

/// softmax(scale q k^T) v per head: q and the result (batch, queries, heads x d), k and v (batch, keys, kv heads x d).
///
/// The queries are the last places of the keys: query i is at place keys - queries + i.
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, with: &Causal) -> Result<Tensor> {
    let sizes = sizes(q.dims(), k.dims(), with)?;
    if v.dims() != k.dims() {
        bail!("attention: keys of {:?}, values of {:?}", k.dims(), v.dims());
    }
    if is_fused(q) {
        return q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, with.clone());
    }
    compose(q, k, v, sizes, with)
}

fn sizes(q: &[usize], k: &[usize], with: &Causal) -> Result<Sizes> {
    let (heads, kv_heads) = (with.heads, with.kv_heads);
    if let (&[batch, queries, width], &[key_batch, keys, key_width]) = (q, k) {
        let shared = kv_heads > 0 && heads.is_multiple_of(kv_heads) && heads > 0;
        let head_width = width / heads.max(1);
        let fits = batch == key_batch && queries <= keys && head_width * heads == width;
        if shared && fits && key_width == kv_heads * head_width && with.first.len() == batch * queries {
            return Ok(Sizes { batch, queries, keys, head_width });
        }
    }
    bail!("attention: queries {q:?}, keys {k:?}, {heads} heads on {kv_heads}, {} first keys", with.first.len())
}

impl CustomOp3 for Causal {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = sizes(q_layout.dims(), k_layout.dims(), self)?;
        float_dispatch!(q.dtype(), "causal-attention", T => {
            let (q, k, v) = (slice::<T>(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?);
            let y = forward(&Call { sizes, with: self, q, k, v });
            Ok((T::to_cpu_storage_owned(y), q_layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        q: &CudaStorage,
        q_layout: &Layout,
        k: &CudaStorage,
        k_layout: &Layout,
        v: &CudaStorage,
        v_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        crate::ops::cuda::attention::causal_forward([(q, q_layout), (k, k_layout), (v, v_layout)], self)
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        on_gpu!(q => {
            let [dq, dk, dv] = crate::ops::cuda::attention::causal_back([q, k, v], grad, self)?;
            Ok((Some(dq), Some(dk), Some(dv)))
        });
        let sizes = sizes(q.dims(), k.dims(), self)?;
        let grad = grad.contiguous()?;
        float_dispatch!(q.dtype(), "causal-attention", T => {
            let [dq, dk, dv] = with_slice::<T, _>(q, |q| with_slice::<T, _>(k, |k| with_slice::<T, _>(v, |v| {
                with_slice::<T, _>(&grad, |grad| Ok(backward(&Call { sizes, with: self, q, k, v }, grad)))
            })))?;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
            Ok((tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?))
        })
    }
}

/// The same of candle's own differentiable operations, for devices without a kernel of ours; a test's oracle.
fn compose(q: &Tensor, k: &Tensor, v: &Tensor, sizes: Sizes, with: &Causal) -> Result<Tensor> {
    let Sizes { batch, queries, keys, head_width } = sizes;
    let group = with.heads / with.kv_heads;
    // (batch, kv heads, group x length, d): the heads of a group are more queries of one key head.
    let q = q.reshape((batch, queries, with.kv_heads, group, head_width))?.permute((0, 2, 3, 1, 4))?.contiguous()?;
    let q = q.reshape((batch, with.kv_heads, group * queries, head_width))?;
    let split = |x: &Tensor| x.reshape((batch, keys, with.kv_heads, head_width))?.transpose(1, 2)?.contiguous();
    let (k, v) = (split(k)?, split(v)?);
    let mut scores = (q.matmul(&k.t()?.contiguous()?)? * with.scale)?;
    if let Some(cap) = with.cap {
        scores = ((scores / cap)?.tanh()? * cap)?;
    }
    let scores = scores
        .reshape((batch, with.heads, queries, keys))?
        .broadcast_add(&bias(sizes, with, q.device())?.to_dtype(q.dtype())?)?;
    // The one of candle's two softmaxes that keeps the graph.
    let mut probabilities = softmax(&scores, D::Minus1)?;
    if let Some(mask) = with.dropout {
        probabilities = dropout(&probabilities, mask)?;
    }
    let mixed = probabilities.reshape((batch, with.kv_heads, group * queries, keys))?.matmul(&v)?;
    let mixed = mixed.reshape((batch, with.kv_heads, group, queries, head_width))?.permute((0, 3, 1, 2, 4))?;
    mixed.contiguous()?.reshape((batch, queries, with.heads * head_width))
}

/// 0 where a query sees a key, else [`UNSEEN`]: (batch, 1, queries, keys).
fn bias(sizes: Sizes, with: &Causal, device: &candle_core::Device) -> Result<Tensor> {
    let Sizes { batch, queries, keys, .. } = sizes;
    let mut values = Vec::with_capacity(batch * queries * keys);
    for (query, &first) in with.first.iter().enumerate() {
        let at = keys - queries + query % queries;
        values.extend((0..keys).map(|key| if key <= at && key >= at.min(first as usize) { 0.0 } else { UNSEEN }));
    }
    Tensor::from_vec(values, (batch, 1, queries, keys), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::{stream, uniform};
    use candle_core::{DType, Device, Var};

    fn variable(shape: &[usize], salt: u64) -> Var {
        let values = uniform(&mut stream(salt, "causal", 0), shape.iter().product(), 1.0);
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        Var::from_tensor(&tensor).unwrap()
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    /// Values and gradients of the kernel are those of candle's own operations.
    fn check(queries: usize, keys: usize, with: &Causal) {
        let d = 6;
        let q = variable(&[2, queries, with.heads * d], 1);
        let [k, v] = [2, 3].map(|salt| variable(&[2, keys, with.kv_heads * d], salt));
        let weights = variable(&[2, queries, with.heads * d], 9);
        let sizes = sizes(q.dims(), k.dims(), with).unwrap();
        let (ours, composed) = (causal_attention(&q, &k, &v, with).unwrap(), compose(&q, &k, &v, sizes, with).unwrap());
        assert!(largest_difference(&ours, &composed) < 1e-11);
        let gradients = |y: &Tensor| (y * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, composed) = (gradients(&ours), gradients(&composed));
        for (i, operand) in [&q, &k, &v].into_iter().enumerate() {
            let difference = largest_difference(ours.get(operand).unwrap(), composed.get(operand).unwrap());
            assert!(difference < 1e-11, "the gradient of operand {i} differs by {difference:.1e}");
        }
    }

    fn causal(heads: usize, kv_heads: usize, first: Vec<u32>) -> Causal {
        Causal { heads, kv_heads, scale: 0.31, cap: None, first: first.into(), dropout: None }
    }

    #[test]
    fn every_head_for_itself_from_the_first_key_on() {
        check(5, 5, &causal(2, 2, vec![0; 10]));
        // Several blocks of queries.
        check(300, 300, &causal(1, 1, vec![0; 600]));
    }

    #[test]
    fn shared_key_heads_a_soft_cap_dropout_and_queries_at_the_end_of_a_cache() {
        let with = Causal { cap: Some(0.8), dropout: Some(Mask::new(0.2, 5)), ..causal(6, 2, vec![0; 6]) };
        check(3, 11, &with);
        check(1, 7, &causal(4, 1, vec![0, 3]));
    }

    #[test]
    fn left_padding_packed_texts_and_windows_are_first_keys() {
        // Row 1: three places of padding. Row 2: texts of 4 and 5, the second in a window of 3.
        let first = vec![0, 1, 2, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 4, 4, 4, 5, 6];
        check(9, 9, &causal(2, 1, first));
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let with = causal(4, 3, vec![0; 2]);
        let (q, k) = (variable(&[1, 2, 8], 1), variable(&[1, 2, 6], 2));
        assert!(causal_attention(&q, &k, &k, &with).is_err());
    }
}
