//! Masked multi-head attention over (batch, length, heads x width) as the linear layers leave it: no transposed copies,
//! and nothing of length x length is kept for the backward pass, which recomputes it head by head.

use super::dropout::{Mask, dropout};
use super::float::Float;
use super::kernel::{float_dispatch, is_fused, slice, with_slice};
use super::sum::{sum, sum_pairs};
use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, WithDType, bail};
use candle_nn::ops::softmax;
use rayon::prelude::*;
use std::sync::Arc;

/// What attention needs beside queries, keys and values.
#[derive(Clone)]
pub struct Attention {
    pub heads: usize,
    /// 1 where a key is a token, 0 where it is padding; batch x length.
    pub mask: Arc<[u8]>,
    /// Dropout of the attention probabilities.
    pub dropout: Option<Mask>,
}

/// softmax(q k^T / sqrt(d) + mask) v per head; q, k, v and the result (batch, length, heads x d).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, with: &Attention) -> Result<Tensor> {
    let (batch, length, width) = q.dims3()?;
    if with.heads == 0 || width % with.heads != 0 || with.mask.len() != batch * length {
        bail!("attention: {} heads, mask of {}, for queries {:?}", with.heads, with.mask.len(), q.shape());
    }
    if is_fused(q) {
        return q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, with.clone());
    }
    let split = |x: &Tensor| x.reshape((batch, length, with.heads, width / with.heads))?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (split(q)?, split(k)?, split(v)?);
    let bias: Vec<f32> = with.mask.iter().map(|&keep| if keep == 0 { -1e30 } else { 0.0 }).collect();
    let bias = Tensor::from_vec(bias, (batch, 1, 1, length), q.device())?.to_dtype(q.dtype())?;
    let scores = (q.matmul(&k.t()?.contiguous()?)? * (1.0 / (width as f64 / with.heads as f64).sqrt()))?;
    let scores = scores.broadcast_add(&bias)?;
    // The one of candle's two softmaxes that keeps the graph.
    let mut probabilities = softmax(&scores, D::Minus1)?;
    if let Some(mask) = with.dropout {
        probabilities = dropout(&probabilities, mask)?;
    }
    probabilities.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((batch, length, width))
}

/// A matrix within a slice: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    data: &'a [T],
    row: usize,
    column: usize,
}

impl<T> Matrix<'_, T> {
    fn transposed(self) -> Self {
        Matrix { row: self.column, column: self.row, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// Multiplications below which plain loops beat a call of gemm, whose tiles are made for large operands.
const SMALL: usize = 40_000;

/// out (m x n, rows `row` apart) = scale * a (m x k) b (k x n), on the calling thread.
fn multiply<T: Float>(
    out: &mut [T],
    row: usize,
    (m, n, k): (usize, usize, usize),
    scale: T,
    a: Matrix<T>,
    b: Matrix<T>,
) {
    let fits = Matrix { data: &*out, row, column: 1 }.holds(m, n);
    assert!(fits && a.holds(m, k) && b.holds(k, n), "attention: a product outside of its operands");
    if m * n * k < SMALL && (b.column == 1 || (b.row == 1 && a.column == 1)) {
        return pulp::Arch::new().dispatch(|| multiply_small(out, row, (m, n, k), scale, a, b));
    }
    // SAFETY: the assertion above says that every element that gemm touches lies within the slices; `out` is borrowed
    // mutably, so that it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row as isize,
            false,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            T::ZERO,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Columns that a small product sums at a time.
const BLOCK: usize = 16;

/// [`multiply`] where the rows of b are contiguous (a sum of scaled rows), or the columns of b and the rows of a are (a
/// table of inner products).
#[inline(always)]
fn multiply_small<T: Float>(
    out: &mut [T],
    row: usize,
    (m, n, k): (usize, usize, usize),
    scale: T,
    a: Matrix<T>,
    b: Matrix<T>,
) {
    for (i, out) in out.chunks_mut(row).take(m).enumerate() {
        let out = &mut out[..n];
        if b.column == 1 {
            let factor = |j: usize| scale * a.data[i * a.row + j * a.column];
            let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
            let done = blocks.len() * BLOCK;
            for (block, out) in blocks.iter_mut().enumerate() {
                // A block stays in registers over the whole sum.
                let mut total = [T::ZERO; BLOCK];
                for j in 0..k {
                    let factor = factor(j);
                    let b = &b.data[j * b.row + block * BLOCK..][..BLOCK];
                    for (total, &b) in total.iter_mut().zip(b) {
                        *total += factor * b;
                    }
                }
                *out = total;
            }
            rest.fill(T::ZERO);
            for j in 0..k {
                let factor = factor(j);
                for (out, &b) in rest.iter_mut().zip(&b.data[j * b.row..][done..n]) {
                    *out += factor * b;
                }
            }
        } else {
            let a = &a.data[i * a.row..][..k];
            for (j, out) in out.iter_mut().enumerate() {
                let b = &b.data[j * b.column..][..k];
                *out = scale * sum_pairs(a, b, |a, b| a * b);
            }
        }
    }
}

/// Shapes of one call.
#[derive(Clone, Copy)]
struct Shapes {
    length: usize,
    width: usize,
    heads: usize,
}

impl Shapes {
    fn head_width(self) -> usize {
        self.width / self.heads
    }

    fn scale<T: Float>(self) -> T {
        T::of(1.0 / (self.head_width() as f64).sqrt())
    }

    /// Head `h` of a (length, width) slice.
    fn head<T>(self, data: &[T], h: usize) -> Matrix<'_, T> {
        Matrix { data: &data[h * self.head_width()..], row: self.width, column: 1 }
    }
}

/// Softmax of each row of scores (length x length) in place, padding keys at 0.
fn softmax_rows<T: Float>(scores: &mut [T], keep: &[u8]) {
    pulp::Arch::new().dispatch(|| {
        for row in scores.chunks_mut(keep.len()) {
            let mut highest = T::LOWEST;
            for (s, &keep) in row.iter_mut().zip(keep) {
                *s = if keep == 0 { T::LOWEST } else { *s };
                highest = if *s > highest { *s } else { highest };
            }
            for s in row.iter_mut() {
                *s = (*s - highest).exponential();
            }
            let inverse = T::ONE / sum(row, |x| x);
            for s in row.iter_mut() {
                *s *= inverse;
            }
        }
    });
}

/// Multiplies by the dropout factors of block (batch row, head).
fn drop<T: Float>(values: &mut [T], mask: Option<Mask>, block: usize) {
    if let Some(mask) = mask {
        let (scale, start) = (mask.scale(), block * values.len());
        pulp::Arch::new().dispatch(|| {
            for (i, value) in values.iter_mut().enumerate() {
                *value *= mask.factor(start + i, scale);
            }
        });
    }
}

fn forward<T: Float>(q: &[T], k: &[T], v: &[T], s: Shapes, with: &Attention) -> Vec<T> {
    let (t, d) = (s.length, s.head_width());
    let mut out = vec![T::ZERO; q.len()];
    out.par_chunks_mut(t * s.width).enumerate().for_each_init(
        || vec![T::ZERO; t * t],
        |scores, (b, out)| {
            let part = b * t * s.width..(b + 1) * t * s.width;
            let (q, k, v) = (&q[part.clone()], &k[part.clone()], &v[part]);
            for h in 0..s.heads {
                multiply(scores, t, (t, t, d), s.scale(), s.head(q, h), s.head(k, h).transposed());
                softmax_rows(scores, &with.mask[b * t..(b + 1) * t]);
                drop(scores, with.dropout, b * s.heads + h);
                let probabilities = Matrix { data: scores, row: t, column: 1 };
                multiply(&mut out[h * d..], s.width, (t, d, t), T::ONE, probabilities, s.head(v, h));
            }
        },
    );
    out
}

/// Gradients of q, k and v. With P the probabilities, R the dropout factors and G the gradient of the result:
/// dV = (P R)^T G, dP = (G V^T) R, dS = P (dP - rowsum(dP P)), dQ = dS K / sqrt(d), dK = dS^T Q / sqrt(d).
fn backward<T: Float>(q: &[T], k: &[T], v: &[T], grad: &[T], s: Shapes, with: &Attention) -> [Vec<T>; 3] {
    let (t, d, n) = (s.length, s.head_width(), s.length * s.width);
    let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![T::ZERO; q.len()]);
    dq.par_chunks_mut(n).zip(dk.par_chunks_mut(n)).zip(dv.par_chunks_mut(n)).enumerate().for_each_init(
        || [(); 3].map(|()| vec![T::ZERO; t * t]),
        |[probabilities, dropped, ds], (b, ((dq, dk), dv))| {
            let part = b * n..(b + 1) * n;
            let (q, k, v, grad) = (&q[part.clone()], &k[part.clone()], &v[part.clone()], &grad[part]);
            for h in 0..s.heads {
                let block = b * s.heads + h;
                multiply(probabilities, t, (t, t, d), s.scale(), s.head(q, h), s.head(k, h).transposed());
                softmax_rows(probabilities, &with.mask[b * t..(b + 1) * t]);
                dropped.copy_from_slice(probabilities);
                drop(dropped, with.dropout, block);
                let square = |data| Matrix { data, row: t, column: 1 };
                multiply(&mut dv[h * d..], s.width, (t, d, t), T::ONE, square(dropped).transposed(), s.head(grad, h));
                multiply(ds, t, (t, t, d), T::ONE, s.head(grad, h), s.head(v, h).transposed());
                drop(ds, with.dropout, block);
                pulp::Arch::new().dispatch(|| {
                    for (ds, p) in ds.chunks_mut(t).zip(probabilities.chunks(t)) {
                        let dot = sum_pairs(ds, p, |g, p| g * p);
                        for (ds, &p) in ds.iter_mut().zip(p) {
                            *ds = p * (*ds - dot);
                        }
                    }
                });
                multiply(&mut dq[h * d..], s.width, (t, d, t), s.scale(), square(ds), s.head(k, h));
                multiply(&mut dk[h * d..], s.width, (t, d, t), s.scale(), square(ds).transposed(), s.head(q, h));
            }
        },
    );
    [dq, dk, dv]
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
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
        use candle_core::backend::BackendStorage;
        let (_, length, width) = q_layout.shape().dims3()?;
        let shapes = Shapes { length, width, heads: self.heads };
        float_dispatch!(q.dtype(), "attention", T => {
            let y = forward::<T>(slice(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?, shapes, self);
            Ok((T::to_cpu_storage_owned(y), q_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, length, width) = q.dims3()?;
        let shapes = Shapes { length, width, heads: self.heads };
        let grad = grad.contiguous()?;
        float_dispatch!(q.dtype(), "attention", T => {
            let grads = with_slice::<T, _>(q, |q| with_slice::<T, _>(k, |k| with_slice::<T, _>(v, |v| with_slice::<T, _>(&grad, |g| {
                Ok(backward(q, k, v, g, shapes, self))
            }))))?;
            let [dq, dk, dv] = grads.map(|g| Tensor::from_vec(g, q.shape(), q.device()));
            Ok((Some(dq?), Some(dk?), Some(dv?)))
        })
    }
}
