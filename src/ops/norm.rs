//! Layer norm. candle's fused one cuts the graph and loses accuracy far from 0 (it takes E[x^2] - E[x]^2).

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, rows, slice, with_slice};
use super::sum::{sum, sum_pairs};
use candle_core::{CpuStorage, CustomOp1, CustomOp3, D, Layout, Result, Shape, Tensor, WithDType};

struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// (x - mean) / sqrt(var + epsilon) * weight + bias over the last dimension: x (.., n), weight and bias (n).
///
/// The mean and the biased variance are taken in two passes. A frozen weight and bias get no gradient.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    if is_fused(x) && (weight.track_op() || bias.track_op()) {
        return x.contiguous()?.apply_op3(weight, bias, TrainedLayerNorm { epsilon });
    }
    if !is_fused(x) {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
        return normed.broadcast_mul(weight)?.broadcast_add(bias);
    }
    x.contiguous()?.apply_op1(LayerNorm { weight: weight.clone(), bias: bias.clone(), epsilon })
}

/// The same, where weight and bias are trained too.
struct TrainedLayerNorm {
    epsilon: f64,
}

/// Mean and 1 / sqrt(var + epsilon) of a row.
#[inline(always)]
fn moments<T: Float>(row: &[T], epsilon: T) -> (T, T) {
    let n = T::of(row.len() as f64);
    let mean = sum(row, |x| x) / n;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
    (mean, T::ONE / (variance + epsilon).root())
}

fn forward<T: Float>(x: &[T], weight: &[T], bias: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut y = vec![T::ZERO; x.len()];
    rows(&mut y, n, |i, y| {
        let x = &x[i * n..(i + 1) * n];
        let (mean, inverse) = moments(x, T::of(epsilon));
        for (((y, &x), &w), &b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
            *y = (x - mean) * inverse * w + b;
        }
    });
    y
}

/// dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var + epsilon), with g = dy * weight.
fn backward<T: Float>(x: &[T], grad: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut dx = vec![T::ZERO; x.len()];
    rows(&mut dx, n, |i, dx| {
        let (x, grad) = (&x[i * n..(i + 1) * n], &grad[i * n..(i + 1) * n]);
        let (mean, inverse) = moments(x, T::of(epsilon));
        let count = T::of(n as f64);
        for ((d, &g), &w) in dx.iter_mut().zip(grad).zip(weight) {
            *d = g * w;
        }
        let mean_g = sum(dx, |g| g) / count;
        let mean_gx = sum_pairs(dx, x, |g, x| g * (x - mean) * inverse) / count;
        for (d, &x) in dx.iter_mut().zip(x) {
            *d = (*d - mean_g - (x - mean) * inverse * mean_gx) * inverse;
        }
    });
    dx
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            let y = with_slice::<T, _>(&self.weight, |weight| {
                with_slice::<T, _>(&self.bias, |bias| Ok(forward(slice(x, layout)?, weight, bias, self.epsilon)))
            })?;
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| with_slice::<T, _>(&self.weight, |w| Ok(backward(x, g, w, self.epsilon)))))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

/// Gradients of weight and bias: sums over rows of dy xhat and of dy.
fn backward_affine<T: Float>(x: &[T], grad: &[T], n: usize, epsilon: f64) -> (Vec<T>, Vec<T>) {
    let (mut by_weight, mut by_bias) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    pulp::Arch::new().dispatch(|| {
        for (x, grad) in x.chunks(n).zip(grad.chunks(n)) {
            let (mean, inverse) = moments(x, T::of(epsilon));
            for (((w, b), &x), &g) in by_weight.iter_mut().zip(by_bias.iter_mut()).zip(x).zip(grad) {
                *w += g * (x - mean) * inverse;
                *b += g;
            }
        }
    });
    (by_weight, by_bias)
}

impl CustomOp3 for TrainedLayerNorm {
    fn name(&self) -> &'static str {
        "trained-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), "trained-layer-norm", T => {
            let y = forward::<T>(slice(x, layout)?, slice(weight, weight_layout)?, slice(bias, bias_layout)?, self.epsilon);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let n = weight.dims1()?;
        float_dispatch!(x.dtype(), "trained-layer-norm", T => {
            let (dx, (dw, db)) = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| with_slice::<T, _>(weight, |w| {
                Ok((backward(x, g, w, self.epsilon), backward_affine(x, g, n, self.epsilon)))
            })))?;
            let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
            Ok((tensor(dx, x)?, tensor(dw, weight)?, tensor(db, weight)?))
        })
    }
}
