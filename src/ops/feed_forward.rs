//! Two frozen linear layers with a non-linearity between them, as one operation: of what lies between them only the units
//! before the non-linearity are kept for the way back, and those go as soon as they are used.

use super::activation::{Curve, curve, curve_values, times_slope};
use super::kernel::{float_dispatch, is_fused_on_cpu, on_gpu, with_slice};
use super::linear::{FrozenLinear, by_rows, frozen_linear, is_served_on_gpu, times_frozen_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use std::sync::{Mutex, PoisonError};

/// A frozen weight (out, in) and its bias (out).
pub type Frozen<'a> = (&'a Tensor, Option<&'a Tensor>);

struct FeedForward {
    inner: FrozenLinear,
    outer: FrozenLinear,
    curve: Curve,
    /// The units before the non-linearity (rows, width), where a way back may come.
    units: Mutex<Option<Tensor>>,
    is_kept: bool,
}

/// curve(x W1^T + b1) W2^T + b2 over the last dimension: x (.., in), W1 (width, in), W2 (out, width) -> (.., out). The weights
/// get no gradient; where one of them is tracked, or on a GPU in f64, single operations are composed.
pub fn feed_forward(x: &Tensor, inner: Frozen, kind: Curve, outer: Frozen) -> Result<Tensor> {
    let is_tracked = |layer: &Frozen| layer.0.track_op() || layer.1.is_some_and(Tensor::track_op);
    // On a GPU the non-linearity adds the inner bias, which is of the units' type then.
    let is_one_on_gpu = is_served_on_gpu(x, inner.0, inner.1)
        && is_served_on_gpu(x, outer.0, outer.1)
        && inner.1.is_none_or(|bias| bias.dtype() == x.dtype());
    if !(is_fused_on_cpu(x) || is_one_on_gpu) || is_tracked(&inner) || is_tracked(&outer) {
        return frozen_linear(&curve(&frozen_linear(x, inner.0, inner.1)?, kind)?, outer.0, outer.1);
    }
    let sizes = (outer.0.dim(0)?, inner.0.dim(1)?);
    let operation = FeedForward {
        inner: FrozenLinear::new(inner.0, inner.1),
        outer: FrozenLinear::new(outer.0, outer.1),
        curve: kind,
        units: Mutex::new(None),
        is_kept: x.track_op(),
    };
    by_rows(x, sizes, |x| x.contiguous()?.apply_op1(operation))
}

impl FeedForward {
    fn keep(&self, units: Tensor) {
        *self.units.lock().unwrap_or_else(PoisonError::into_inner) = Some(units);
    }
}

impl CustomOp1 for FeedForward {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (units, shape) = self.inner.cpu_fwd(x, layout)?;
        let values = curve_values(&units, self.curve)?;
        if self.is_kept {
            self.keep(as_tensor(units, &shape)?);
        }
        self.outer.cpu_fwd(&values, &Layout::contiguous(shape))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (inner, outer) = ((self.inner.weight(), self.inner.bias()), (self.outer.weight(), self.outer.bias()));
        let (y, shape, units) = super::cuda::linear::feed_forward((x, layout), inner, self.curve, outer)?;
        if self.is_kept {
            self.keep(units);
        }
        Ok((y, shape))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let kept = self.units.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A second way back finds none.
        let units = kept.map_or_else(|| frozen_linear(&x.detach(), self.inner.weight(), self.inner.bias()), Ok)?;
        on_gpu!(x => {
            let (inner, outer) = (self.inner.weight(), self.outer.weight());
            super::cuda::linear::feed_forward_back(&units, grad, inner, self.curve, outer).map(Some)
        });
        let grad = grad.contiguous()?;
        let by_x = float_dispatch!(x.dtype(), self.name(), T => {
            let mut by_unit: Vec<T> = with_slice(&grad, |grad| times_frozen_slice(grad, self.outer.weight()))?;
            with_slice(&units, |units| {
                times_slope(units, &mut by_unit, self.curve);
                Ok(())
            })?;
            drop(units);
            Tensor::from_vec(times_frozen_slice(&by_unit, self.inner.weight())?, x.shape(), x.device())?
        });
        Ok(Some(by_x))
    }
}

fn as_tensor(storage: CpuStorage, shape: &Shape) -> Result<Tensor> {
    match storage {
        CpuStorage::F32(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        CpuStorage::F64(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        _ => candle_core::bail!("feed-forward: units of another type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::{stream, uniform};
    use candle_core::{DType, Var};

    fn tensor(shape: &[usize], salt: u64) -> Tensor {
        let values = uniform(&mut stream(salt, "feed-forward", 0), shape.iter().product(), 1.0);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
    }

    /// The result and the gradient of x, of ours and of single operations.
    #[test]
    fn it_is_its_parts_one_after_the_other() {
        let x = Var::from_tensor(&tensor(&[2, 3, 5], 1)).unwrap();
        let (w1, b1, w2, b2) = (tensor(&[7, 5], 2), tensor(&[7], 3), tensor(&[4, 7], 4), tensor(&[4], 5));
        for kind in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
            for biases in [(Some(&b1), Some(&b2)), (None, None)] {
                let ours = feed_forward(&x, (&w1, biases.0), kind, (&w2, biases.1)).unwrap();
                let units = curve(&frozen_linear(&x, &w1, biases.0).unwrap(), kind).unwrap();
                let parts = frozen_linear(&units, &w2, biases.1).unwrap();
                let results = [ours, parts].map(|y| {
                    let loss = y.sqr().unwrap().sum_all().unwrap();
                    // Twice: the second way back finds no units.
                    let gradients = [loss.backward().unwrap(), loss.backward().unwrap()];
                    [y, gradients[0].get(&x).unwrap().clone(), gradients[1].get(&x).unwrap().clone()]
                });
                for (ours, parts) in results[0].iter().zip(&results[1]) {
                    let difference = (ours - parts).unwrap().abs().unwrap().max_all().unwrap();
                    assert!(difference.to_scalar::<f64>().unwrap() < 1e-12, "{kind:?}: {difference}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_central_differences() {
        let (w1, b1, w2) = (tensor(&[6, 4], 2), tensor(&[6], 3), tensor(&[3, 6], 4));
        let at = tensor(&[2, 4], 1);
        let loss = |x: &Tensor| {
            let y = feed_forward(x, (&w1, Some(&b1)), Curve::Gelu, (&w2, None)).unwrap();
            y.sqr().unwrap().sum_all().unwrap()
        };
        let x = Var::from_tensor(&at).unwrap();
        let gradient = loss(&x).backward().unwrap().get(&x).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let values = at.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (i, slope) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[i] += by;
                loss(&Tensor::from_vec(values, at.shape(), &Device::Cpu).unwrap()).to_scalar::<f64>().unwrap()
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 1e-7 * (1.0 + slope.abs()), "{i}: {slope} not {difference}");
        }
    }

    #[test]
    fn what_needs_no_way_back_keeps_nothing() {
        let (w1, w2) = (tensor(&[6, 4], 2), tensor(&[3, 6], 4));
        let of = |is_kept| {
            let (inner, outer) = (FrozenLinear::new(&w1, None), FrozenLinear::new(&w2, None));
            let operation = FeedForward { inner, outer, curve: Curve::Gelu, units: Mutex::new(None), is_kept };
            let x = tensor(&[2, 4], 1);
            let (storage, layout) = x.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else { panic!() };
            operation.cpu_fwd(storage, layout).unwrap();
            operation.units.into_inner().unwrap().map(|units| units.dims().to_vec())
        };
        assert_eq!((of(true), of(false)), (Some(vec![2, 6]), None));
    }
}
