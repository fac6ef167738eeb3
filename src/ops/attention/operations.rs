//! The kernels as candle's operations, one for each way in which the operands come.

use super::Attention;
use super::kernel::{Call, Operand, Part, PositionTables, Scratch, Shapes, backward, forward};
use crate::ops::float::Float;
use crate::ops::kernel::{float_dispatch, on_gpu, slice, with_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;
use std::sync::Arc;

/// Queries, keys and values in three tensors.
pub struct Separate(pub Attention);

/// Queries, keys and values one after the other in each row of one tensor.
pub struct Packed(pub Attention);

/// Queries and keys one after the other in each row of a tensor, values, and position tables.
pub struct Disentangled {
    pub with: Attention,
    pub has_keys: bool,
    pub has_queries: bool,
    pub index: Arc<[u32]>,
    pub scale: f64,
}

/// `parts`: how many of queries, keys and values lie in each row of a tensor of this shape.
fn shapes(dims: &[usize], parts: usize, heads: usize) -> Result<Shapes> {
    match dims {
        [batch, length, packed] => Ok(Shapes { batch: *batch, length: *length, width: packed / parts, heads }),
        _ => bail!("attention: operand of {dims:?}"),
    }
}

fn run_forward<T: Float>(call: &Call<T>) -> Vec<T> {
    let s = call.shapes;
    let mut out = vec![T::ZERO; s.batch * s.length * s.width];
    let rows = out.par_chunks_mut((s.length * s.width).max(1)).enumerate();
    rows.for_each_init(Scratch::default, |scratch, (b, out)| forward(call, b, out, scratch));
    out
}

/// Writes a head's (length, head width) into rows of `row` elements, from `start`.
fn place<T: Copy>(into: &mut [T], row: usize, start: usize, width: usize, values: &[T]) {
    for (into, values) in into.chunks_mut(row).zip(values.chunks(width)) {
        into[start..start + width].copy_from_slice(values);
    }
}

impl Separate {
    fn call<'a, T>(&'a self, [q, k, v]: [&'a [T]; 3], shapes: Shapes) -> Call<'a, T> {
        let operand = |data| Operand { data, row: shapes.width, start: 0 };
        Call { shapes, with: &self.0, q: operand(q), k: operand(k), v: operand(v), positions: None }
    }

    fn backward<T: Float>(&self, operands: [&[T]; 3], grad: &[T], s: Shapes) -> [Vec<T>; 3] {
        let (n, d) = ((s.length * s.width).max(1), s.width / s.heads);
        let call = self.call(operands, s);
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![T::ZERO; s.batch * s.length * s.width]);
        let rows = dq.par_chunks_mut(n).zip(dk.par_chunks_mut(n)).zip(dv.par_chunks_mut(n)).enumerate();
        rows.for_each_init(Scratch::default, |scratch, (b, ((dq, dk), dv))| {
            backward(&call, b, grad, scratch, &mut [], &mut |part, h, values| {
                let into = match part {
                    Part::Query => &mut *dq,
                    Part::Key => &mut *dk,
                    Part::Value => &mut *dv,
                };
                place(into, s.width, h * d, d, values);
            });
        });
        [dq, dk, dv]
    }
}

impl CustomOp3 for Separate {
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
        let s = shapes(q_layout.dims(), 1, self.0.heads)?;
        float_dispatch!(q.dtype(), "attention", T => {
            let operands = [slice::<T>(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?];
            let y = run_forward(&self.call(operands, s));
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
        crate::ops::cuda::attention::forward([(q, q_layout), (k, k_layout), (v, v_layout)], &self.0)
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
            let [dq, dk, dv] = crate::ops::cuda::attention::back([q, k, v], grad, &self.0)?;
            Ok((Some(dq), Some(dk), Some(dv)))
        });
        let s = shapes(q.dims(), 1, self.0.heads)?;
        let grad = grad.contiguous()?;
        float_dispatch!(q.dtype(), "attention", T => {
            let grads = with_slice::<T, _>(q, |q| with_slice::<T, _>(k, |k| with_slice::<T, _>(v, |v| {
                with_slice::<T, _>(&grad, |grad| Ok(self.backward([q, k, v], grad, s)))
            })))?;
            let [dq, dk, dv] = grads.map(|g| Tensor::from_vec(g, q.shape(), q.device()));
            Ok((Some(dq?), Some(dk?), Some(dv?)))
        })
    }
}

impl Packed {
    fn call<'a, T>(&'a self, data: &'a [T], shapes: Shapes) -> Call<'a, T> {
        let operand = |n| Operand { data, row: 3 * shapes.width, start: n * shapes.width };
        Call { shapes, with: &self.0, q: operand(0), k: operand(1), v: operand(2), positions: None }
    }

    fn backward<T: Float>(&self, qkv: &[T], grad: &[T], s: Shapes) -> Vec<T> {
        let (row, d) = (3 * s.width, s.width / s.heads);
        let call = self.call(qkv, s);
        let mut gradient = vec![T::ZERO; qkv.len()];
        let rows = gradient.par_chunks_mut((s.length * row).max(1)).enumerate();
        rows.for_each_init(Scratch::default, |scratch, (b, gradient)| {
            backward(&call, b, grad, scratch, &mut [], &mut |part, h, values| {
                place(gradient, row, part as usize * s.width + h * d, d, values);
            });
        });
        gradient
    }
}

impl CustomOp1 for Packed {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let s = shapes(layout.dims(), 3, self.0.heads)?;
        float_dispatch!(qkv.dtype(), self.name(), T => {
            let y = run_forward(&self.call(slice::<T>(qkv, layout)?, s));
            Ok((T::to_cpu_storage_owned(y), (s.batch, s.length, s.width).into()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, qkv: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        crate::ops::cuda::attention::packed_forward((qkv, layout), &self.0)
    }

    fn bwd(&self, qkv: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(qkv => crate::ops::cuda::attention::packed_back(qkv, grad, &self.0).map(Some));
        let s = shapes(qkv.dims(), 3, self.0.heads)?;
        let grad = grad.contiguous()?;
        float_dispatch!(qkv.dtype(), self.name(), T => {
            let gradient = with_slice::<T, _>(qkv, |qkv| with_slice::<T, _>(&grad, |g| Ok(self.backward(qkv, g, s))))?;
            Ok(Some(Tensor::from_vec(gradient, qkv.shape(), qkv.device())?))
        })
    }
}

impl Disentangled {
    #[cfg(feature = "cuda")]
    fn on_gpu(&self) -> crate::ops::cuda::positions::Positions<'_> {
        crate::ops::cuda::positions::Positions {
            with: &self.with,
            has_keys: self.has_keys,
            has_queries: self.has_queries,
            index: &self.index,
            scale: self.scale,
        }
    }

    fn call<'a, T>(&'a self, [qk, v, tables]: [&'a [T]; 3], rows: usize, shapes: Shapes) -> Call<'a, T> {
        let (has_keys, has_queries) = (self.has_keys, self.has_queries);
        let width = shapes.width;
        Call {
            shapes,
            with: &self.with,
            q: Operand { data: qk, row: 2 * width, start: 0 },
            k: Operand { data: qk, row: 2 * width, start: width },
            v: Operand { data: v, row: width, start: 0 },
            positions: Some(PositionTables {
                tables,
                rows,
                has_keys,
                has_queries,
                index: &self.index,
                scale: self.scale,
            }),
        }
    }

    /// `tracked`: whether the tables need a gradient; theirs is empty otherwise.
    fn backward<T: Float>(
        &self,
        operands: [&[T]; 3],
        (rows, tracked): (usize, bool),
        grad: &[T],
        s: Shapes,
    ) -> [Vec<T>; 3] {
        let (n, d) = ((s.length * s.width).max(1), s.width / s.heads);
        let [mut dqk, mut dv] = [2, 1].map(|parts| vec![T::ZERO; parts * s.batch * s.length * s.width]);
        let size = if tracked { operands[2].len() } else { 0 };
        // The tables are shared by the batch: every row of it sums apart, so that the result does not depend on
        // threads.
        let mut d_tables = vec![T::ZERO; s.batch * size];
        let call = self.call(operands, rows, s);
        let chunks = dqk.par_chunks_mut(2 * n).zip(dv.par_chunks_mut(n)).enumerate();
        let mut d_tables_of: Vec<&mut [T]> = d_tables.chunks_mut(size.max(1)).collect();
        d_tables_of.resize_with(s.batch, Default::default);
        let chunks = chunks.zip(d_tables_of.into_par_iter());
        chunks.for_each_init(Scratch::default, |scratch, ((b, (dqk, dv)), d_tables)| {
            backward(&call, b, grad, scratch, d_tables, &mut |part, h, values| match part {
                Part::Query => place(dqk, 2 * s.width, h * d, d, values),
                Part::Key => place(dqk, 2 * s.width, s.width + h * d, d, values),
                Part::Value => place(dv, s.width, h * d, d, values),
            });
        });
        let (sum, others) = d_tables.split_at_mut(size);
        for other in others.chunks(size.max(1)) {
            for (sum, &other) in sum.iter_mut().zip(other) {
                *sum += other;
            }
        }
        d_tables.truncate(size);
        [dqk, dv, d_tables]
    }
}

impl CustomOp3 for Disentangled {
    fn name(&self) -> &'static str {
        "disentangled-attention"
    }

    fn cpu_fwd(
        &self,
        qk: &CpuStorage,
        qk_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
        tables: &CpuStorage,
        tables_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = shapes(qk_layout.dims(), 2, self.with.heads)?;
        let (rows, _) = tables_layout.shape().dims2()?;
        float_dispatch!(v.dtype(), "disentangled-attention", T => {
            let operands = [slice::<T>(qk, qk_layout)?, slice(v, v_layout)?, slice(tables, tables_layout)?];
            let y = run_forward(&self.call(operands, rows, s));
            Ok((T::to_cpu_storage_owned(y), v_layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        qk: &CudaStorage,
        qk_layout: &Layout,
        v: &CudaStorage,
        v_layout: &Layout,
        tables: &CudaStorage,
        tables_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let operands = [(qk, qk_layout), (v, v_layout), (tables, tables_layout)];
        crate::ops::cuda::positions::forward(operands, &self.on_gpu())
    }

    fn bwd(
        &self,
        qk: &Tensor,
        v: &Tensor,
        tables: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        on_gpu!(qk => {
            let (d_qk, dv, d_tables) = crate::ops::cuda::positions::back([qk, v, tables], grad, &self.on_gpu())?;
            Ok((Some(d_qk), Some(dv), d_tables))
        });
        let s = shapes(qk.dims(), 2, self.with.heads)?;
        let (rows, tracked) = (tables.dim(0)?, tables.track_op());
        let grad = grad.contiguous()?;
        float_dispatch!(v.dtype(), "disentangled-attention", T => {
            let [dqk, dv, d_tables] = with_slice::<T, _>(qk, |qk| with_slice::<T, _>(v, |v| {
                with_slice::<T, _>(tables, |tables| {
                    with_slice::<T, _>(&grad, |grad| Ok(self.backward([qk, v, tables], (rows, tracked), grad, s)))
                })
            }))?;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
            let d_tables = if tracked { tensor(d_tables, tables)? } else { None };
            Ok((tensor(dqk, qk)?, tensor(dv, v)?, d_tables))
        })
    }
}
