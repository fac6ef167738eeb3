//! How a CPU kernel gets at its operands and runs: contiguous slices, rows in parallel, the widest vectors there are.

use super::float::Float;
use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};
use rayon::prelude::*;

/// Elements of work below which threads cost more than they bring.
const PARALLEL_FROM: usize = 16_384;

/// The contiguous elements of an operand.
pub fn slice<'a, T: Float>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("an operand of a fused operation must be contiguous, layout {layout:?}"),
    }
}

/// Calls `f` with the contiguous elements of a CPU tensor.
pub fn with_slice<T: Float, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice(storage, layout)?),
        _ => bail!("a CPU kernel got a tensor of another device"),
    }
}

/// Runs `f` compiled for the widest vectors of the machine.
///
/// `f`, and every closure that it calls, is to be `#[inline(always)]`: what is called in the place of being inlined is
/// compiled for the narrowest machine, where [`Float::times_plus`] alone is a call of the system's library (measured: 50
/// times the time of GELU).
pub fn vectorised<R>(f: impl FnMut() -> R) -> R {
    struct Wide<F>(F);
    impl<R, F: FnMut() -> R> pulp::WithSimd for Wide<F> {
        type Output = R;

        // pulp takes closures by themselves too, through `FnOnce::call_once`, which nobody can ask to be inlined.
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Wide(f))
}

/// Fills `out` in chunks of `width`, chunk `i` by `f(i, chunk)`, in parallel, compiled for the widest vectors of the
/// machine. Each chunk is written by one thread from its index alone: the result does not depend on the thread count.
/// `f` is to be `#[inline(always)]`, as [`vectorised`] says.
pub fn rows<T: Float>(out: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < PARALLEL_FROM {
        out.chunks_mut(width).enumerate().for_each(|(i, row)| {
            vectorised(
                #[inline(always)]
                || f(i, row),
            )
        });
    } else {
        let rows_at_once = (PARALLEL_FROM / 4 / width).max(1);
        out.par_chunks_mut(width * rows_at_once).enumerate().for_each(|(block, chunk)| {
            vectorised(
                #[inline(always)]
                || {
                    for (i, row) in chunk.chunks_mut(width).enumerate() {
                        f(block * rows_at_once + i, row);
                    }
                },
            );
        });
    }
}

/// Runs `$body` with `$t` as the element type of `$dtype`; other types are an error that names the operation.
macro_rules! float_dispatch {
    ($dtype:expr, $op:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("{} has no CPU kernel for {other:?}", $op),
        }
    };
}
pub(super) use float_dispatch;

/// Leaves a function with `$run` where `$tensor` is on a GPU.
macro_rules! on_gpu {
    ($tensor:expr => $run:expr) => {
        #[cfg(feature = "cuda")]
        if $tensor.device().is_cuda() {
            return $run;
        }
    };
}
pub(super) use on_gpu;

/// Whether kernels of ours serve this tensor, on the CPU or on a GPU.
pub fn is_fused(x: &Tensor) -> bool {
    is_fused_on_cpu(x) || is_fused_on_gpu(x)
}

/// Whether the fused CPU kernels serve this tensor.
pub fn is_fused_on_cpu(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), candle_core::DType::F32 | candle_core::DType::F64)
}

/// Whether the kernels of a GPU serve this tensor: there is none for f64.
pub fn is_fused_on_gpu(x: &Tensor) -> bool {
    cfg!(feature = "cuda")
        && x.device().is_cuda()
        && matches!(x.dtype(), candle_core::DType::F32 | candle_core::DType::BF16)
}
