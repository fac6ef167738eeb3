//! Dropout whose mask is a function of a key, so that a pass can be replayed to the bit, on any number of threads.

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, on_gpu, rows, slice, with_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};

/// A dropout mask: element `i` is kept or not by `key` and `i` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    key: u64,
    /// An element is dropped when its 32 random bits are below this.
    limit: u32,
}

impl Mask {
    /// A mask that drops each element with probability `p` in [0, 1).
    pub fn new(p: f64, key: u64) -> Mask {
        Mask { key, limit: (p.clamp(0.0, 1.0) * u32::MAX as f64) as u32 }
    }

    /// The key, and the number below which 32 random bits drop an element.
    #[cfg(feature = "cuda")]
    pub(super) fn parts(self) -> (u64, u32) {
        (self.key, self.limit)
    }

    /// 0 where element `i` is dropped, else 1 / (1 - p).
    #[inline(always)]
    pub(super) fn factor<T: Float>(self, i: usize, scale: T) -> T {
        if (mix(self.key ^ i as u64) >> 32) as u32 >= self.limit { scale } else { T::ZERO }
    }

    /// 1 / (1 - p).
    pub(super) fn scale<T: Float>(self) -> T {
        T::of(1.0 / (1.0 - self.limit as f64 / u32::MAX as f64))
    }
}

/// The finaliser of MurmurHash3, twice keyed: every bit of the result depends on every bit of the counter.
#[inline(always)]
fn mix(counter: u64) -> u64 {
    let x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// x with each element dropped or scaled by 1 / (1 - p), as PyTorch's dropout in training. Any shape.
pub fn dropout(x: &Tensor, mask: Mask) -> Result<Tensor> {
    if is_fused(x) {
        return x.contiguous()?.apply_op1(mask);
    }
    let factors = apply::<f32>(&vec![1.0; x.elem_count()], mask);
    x * Tensor::from_vec(factors, x.shape(), x.device())?.to_dtype(x.dtype())?
}

const CHUNK: usize = 1024;

fn apply<T: Float>(x: &[T], mask: Mask) -> Vec<T> {
    let scale = mask.scale();
    let mut y = vec![T::ZERO; x.len()];
    rows(
        &mut y,
        CHUNK,
        #[inline(always)]
        |block, y| {
            let start = block * CHUNK;
            for (i, (y, &x)) in y.iter_mut().zip(&x[start..]).enumerate() {
                *y = x * mask.factor(start + i, scale);
            }
        },
    );
    y
}

impl CustomOp1 for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            Ok((T::to_cpu_storage_owned(apply::<T>(slice(x, layout)?, *self)), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        super::cuda::elementwise::dropout((x, layout), *self)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(x => super::cuda::elementwise::dropout_back(grad, *self).map(Some));
        let grad = grad.contiguous()?;
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(&grad, |g| Ok(apply(g, *self)))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_drops_its_share_replays_and_differs_by_key() {
        let ones = vec![1f32; 200_000];
        let first = apply(&ones, Mask::new(0.1, 7));
        let dropped = first.iter().filter(|&&x| x == 0.0).count() as f64 / ones.len() as f64;
        assert!((dropped - 0.1).abs() < 0.003, "{dropped}");
        assert!((first.iter().sum::<f32>() / ones.len() as f32 - 1.0).abs() < 0.004);
        assert_eq!(first, apply(&ones, Mask::new(0.1, 7)));
        let other = apply(&ones, Mask::new(0.1, 8));
        let both = first.iter().zip(&other).filter(|(a, b)| **a == 0.0 && **b == 0.0).count() as f64;
        assert!((both / ones.len() as f64 - 0.01).abs() < 0.002, "masks of neighbouring keys are not independent");
    }
}
