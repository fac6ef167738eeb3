//! Root-mean-square norm. candle's fused one cuts the graph.

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, is_fused_on_cpu, on_gpu, rows, slice, vectorised, with_slice};
use super::sum::{sum, sum_pairs};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, WithDType};

/// x / sqrt(mean(x^2) + epsilon) * weight over every `n` elements: x (.., m n), weight (n).
///
/// With m > 1 it is the norm of each head of a row of heads. A frozen weight gets no gradient. On a GPU a trained one is
/// served by candle's own operations.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    if is_fused_on_cpu(x) && weight.track_op() {
        return x.contiguous()?.apply_op2(weight, TrainedRmsNorm { epsilon });
    }
    if is_fused(x) && !weight.track_op() {
        return x.contiguous()?.apply_op1(RmsNorm { weight: weight.clone(), epsilon });
    }
    let n = weight.dims1()?;
    let parts = x.reshape((x.elem_count() / n.max(1), n))?;
    let wide = parts.to_dtype(candle_core::DType::F32)?;
    let inverse = (wide.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?.recip()?;
    wide.broadcast_mul(&inverse)?.to_dtype(x.dtype())?.broadcast_mul(weight)?.reshape(x.shape())
}

struct RmsNorm {
    weight: Tensor,
    epsilon: f64,
}

/// The same, where the weight is trained too.
struct TrainedRmsNorm {
    epsilon: f64,
}

/// 1 / sqrt(mean(x^2) + epsilon) of a row.
#[inline(always)]
fn inverse_root<T: Float>(row: &[T], epsilon: T) -> T {
    T::ONE / (sum(row, |x| x * x) / T::of(row.len() as f64) + epsilon).root()
}

fn forward<T: Float>(x: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut y = vec![T::ZERO; x.len()];
    rows(
        &mut y,
        n,
        #[inline(always)]
        |i, y| {
            let x = &x[i * n..(i + 1) * n];
            let inverse = inverse_root(x, T::of(epsilon));
            for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * inverse * w;
            }
        },
    );
    y
}

/// dx = (g - xhat mean(g xhat)) / rms, with g = dy * weight and xhat = x / rms.
fn backward<T: Float>(x: &[T], grad: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut dx = vec![T::ZERO; x.len()];
    rows(
        &mut dx,
        n,
        #[inline(always)]
        |i, dx| {
            let (x, grad) = (&x[i * n..(i + 1) * n], &grad[i * n..(i + 1) * n]);
            let inverse = inverse_root(x, T::of(epsilon));
            for ((d, &g), &w) in dx.iter_mut().zip(grad).zip(weight) {
                *d = g * w;
            }
            let mean = sum_pairs(dx, x, |g, x| g * x * inverse) / T::of(n as f64);
            for (d, &x) in dx.iter_mut().zip(x) {
                *d = (*d - x * inverse * mean) * inverse;
            }
        },
    );
    dx
}

/// Gradient of the weight: the sum over rows of dy xhat.
fn backward_weight<T: Float>(x: &[T], grad: &[T], n: usize, epsilon: f64) -> Vec<T> {
    let mut by_weight = vec![T::ZERO; n];
    vectorised(
        #[inline(always)]
        || {
            for (x, grad) in x.chunks(n).zip(grad.chunks(n)) {
                let inverse = inverse_root(x, T::of(epsilon));
                for ((w, &x), &g) in by_weight.iter_mut().zip(x).zip(grad) {
                    *w += g * x * inverse;
                }
            }
        },
    );
    by_weight
}

impl CustomOp1 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            let x = slice::<T>(x, layout)?;
            let y = with_slice::<T, _>(&self.weight, |weight| Ok(forward(x, weight, self.epsilon)))?;
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        super::cuda::norm::rms_norm((x, layout), &self.weight, self.epsilon)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(x => super::cuda::norm::rms_norm_back(x, &self.weight, grad, self.epsilon).map(Some));
        let grad = grad.contiguous()?;
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| with_slice::<T, _>(&self.weight, |w| {
                Ok(backward(x, g, w, self.epsilon))
            })))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

impl CustomOp2 for TrainedRmsNorm {
    fn name(&self) -> &'static str {
        "trained-rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), "trained-rms-norm", T => {
            let y = forward::<T>(slice(x, layout)?, slice(weight, weight_layout)?, self.epsilon);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (grad, n) = (grad.contiguous()?, weight.dims1()?);
        float_dispatch!(x.dtype(), "trained-rms-norm", T => {
            let (dx, dw) = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| with_slice::<T, _>(weight, |w| {
                Ok((backward(x, g, w, self.epsilon), backward_weight(x, g, n, self.epsilon)))
            })))?;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
            Ok((tensor(dx, x)?, tensor(dw, weight)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};
    use candle_nn::ops::rms_norm_slow;

    fn variable(shape: &[usize], salt: f64) -> Var {
        let values = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.61 + salt).sin() + 0.2);
        Var::from_tensor(&Tensor::from_vec(values.collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()).unwrap()
    }

    /// Whether the weight is trained or not, and whole rows or the heads of a row, ours equals candle's slow form and
    /// its gradients, in f64.
    #[test]
    fn values_and_gradients_equal_candles_slow_form() {
        for (row, n) in [(6, 6), (12, 4)] {
            let (x, weight) = (variable(&[3, row], 0.1), variable(&[n], 0.7));
            let gradients = |y: &Tensor| y.powf(3.0).unwrap().sum_all().unwrap().backward().unwrap();
            let slow = rms_norm_slow(&x.reshape((3 * row / n, n)).unwrap(), &weight, 1e-6).unwrap();
            let slow = slow.reshape((3, row)).unwrap();
            let expected = gradients(&slow);
            let close = |a: &Tensor, b: &Tensor| {
                let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
                assert!(difference < 1e-7, "{difference}");
            };
            for weight_of_pass in [weight.as_tensor().clone(), weight.as_detached_tensor()] {
                let ours = rms_norm(&x, &weight_of_pass, 1e-6).unwrap();
                close(&ours, &slow);
                let found = gradients(&ours);
                close(found.get(&x).unwrap(), expected.get(&x).unwrap());
                match found.get(&weight) {
                    Some(by_weight) => close(by_weight, expected.get(&weight).unwrap()),
                    None => assert!(!weight_of_pass.track_op()),
                }
            }
        }
    }
}
