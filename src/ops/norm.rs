//! Layer norm. candle's fused one cuts the graph and loses accuracy far from 0 (it takes E[x^2] - E[x]^2).

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, is_fused_on_cpu, on_gpu, rows, slice, vectorised, with_slice};
use super::sum::{sum, sum_pairs};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor, WithDType};

struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// (x - mean) / sqrt(var + epsilon) * weight + bias over the last dimension: x (.., n), weight and bias (n).
///
/// The mean and the biased variance are taken in two passes. A frozen weight and bias get no gradient. On a GPU trained
/// ones are served by candle's own operations.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let is_trained = weight.track_op() || bias.track_op();
    if is_trained && is_fused_on_cpu(x) {
        return x.contiguous()?.apply_op3(weight, bias, TrainedLayerNorm { epsilon });
    }
    if is_trained || !is_fused(x) {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + epsilon)?.sqrt()?)?;
        return normed.broadcast_mul(weight)?.broadcast_add(bias);
    }
    x.contiguous()?.apply_op1(LayerNorm { weight: weight.clone(), bias: bias.clone(), epsilon })
}

/// [`layer_norm`] of a + b, of one shape: the sum is not kept for the way back.
pub fn add_layer_norm(a: &Tensor, b: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    if !is_fused(a) || weight.track_op() || bias.track_op() {
        return layer_norm(&(a + b)?, weight, bias, epsilon);
    }
    let operation = AddLayerNorm(LayerNorm { weight: weight.clone(), bias: bias.clone(), epsilon });
    a.contiguous()?.apply_op2(&b.contiguous()?, operation)
}

struct AddLayerNorm(LayerNorm);

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
    rows(
        &mut y,
        n,
        #[inline(always)]
        |i, y| {
            y.copy_from_slice(&x[i * n..(i + 1) * n]);
            normalize(y, weight, bias, epsilon);
        },
    );
    y
}

fn add_forward<T: Float>(a: &[T], b: &[T], weight: &[T], bias: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut y = vec![T::ZERO; a.len()];
    rows(
        &mut y,
        n,
        #[inline(always)]
        |i, y| {
            add(y, &a[i * n..(i + 1) * n], &b[i * n..(i + 1) * n]);
            normalize(y, weight, bias, epsilon);
        },
    );
    y
}

#[inline(always)]
fn add<T: Float>(sum: &mut [T], a: &[T], b: &[T]) {
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        *sum = a + b;
    }
}

/// A row in its own place.
#[inline(always)]
fn normalize<T: Float>(row: &mut [T], weight: &[T], bias: &[T], epsilon: f64) {
    let (mean, inverse) = moments(row, T::of(epsilon));
    for ((y, &w), &b) in row.iter_mut().zip(weight).zip(bias) {
        *y = (*y - mean) * inverse * w + b;
    }
}

/// dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var + epsilon), with g = dy * weight.
fn backward<T: Float>(x: &[T], grad: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut dx = vec![T::ZERO; x.len()];
    rows(
        &mut dx,
        n,
        #[inline(always)]
        |i, dx| {
            backward_row(dx, &x[i * n..(i + 1) * n], &grad[i * n..(i + 1) * n], weight, epsilon);
        },
    );
    dx
}

/// The gradient of both operands of a sum.
fn add_backward<T: Float>(a: &[T], b: &[T], grad: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let n = weight.len();
    let mut dx = vec![T::ZERO; a.len()];
    rows(
        &mut dx,
        n,
        #[inline(always)]
        |i, dx| {
            let mut x = vec![T::ZERO; n];
            add(&mut x, &a[i * n..(i + 1) * n], &b[i * n..(i + 1) * n]);
            backward_row(dx, &x, &grad[i * n..(i + 1) * n], weight, epsilon);
        },
    );
    dx
}

#[inline(always)]
fn backward_row<T: Float>(dx: &mut [T], x: &[T], grad: &[T], weight: &[T], epsilon: f64) {
    let (mean, inverse) = moments(x, T::of(epsilon));
    let count = T::of(x.len() as f64);
    for ((d, &g), &w) in dx.iter_mut().zip(grad).zip(weight) {
        *d = g * w;
    }
    let mean_g = sum(dx, |g| g) / count;
    let mean_gx = sum_pairs(dx, x, |g, x| g * (x - mean) * inverse) / count;
    for (d, &x) in dx.iter_mut().zip(x) {
        *d = (*d - mean_g - (x - mean) * inverse * mean_gx) * inverse;
    }
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        super::cuda::norm::layer_norm((x, layout), None, (&self.weight, &self.bias), self.epsilon)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(x => super::cuda::norm::layer_norm_back(x, None, &self.weight, grad, self.epsilon).map(Some));
        let grad = grad.contiguous()?;
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| with_slice::<T, _>(&self.weight, |w| Ok(backward(x, g, w, self.epsilon)))))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

impl CustomOp2 for AddLayerNorm {
    fn name(&self) -> &'static str {
        "add-layer-norm"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let LayerNorm { weight, bias, epsilon } = &self.0;
        float_dispatch!(a.dtype(), self.name(), T => {
            let (a, b) = (slice::<T>(a, a_layout)?, slice(b, b_layout)?);
            let y = with_slice::<T, _>(weight, |weight| {
                with_slice::<T, _>(bias, |bias| Ok(add_forward(a, b, weight, bias, *epsilon)))
            })?;
            Ok((T::to_cpu_storage_owned(y), a_layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let LayerNorm { weight, bias, epsilon } = &self.0;
        super::cuda::norm::layer_norm((a, a_layout), Some((b, b_layout)), (weight, bias), *epsilon)
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let LayerNorm { weight, epsilon, .. } = &self.0;
        on_gpu!(a => {
            let by_sum = super::cuda::norm::layer_norm_back(a, Some(b), weight, grad, *epsilon)?;
            Ok((Some(by_sum.clone()), Some(by_sum)))
        });
        let grad = grad.contiguous()?;
        let by_sum = float_dispatch!(a.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(a, |a| with_slice::<T, _>(b, |b| with_slice::<T, _>(&grad, |g| {
                with_slice::<T, _>(weight, |weight| Ok(add_backward(a, b, g, weight, *epsilon)))
            })))?;
            Tensor::from_vec(dx, a.shape(), a.device())?
        });
        Ok((Some(by_sum.clone()), Some(by_sum)))
    }
}

/// Gradients of weight and bias: sums over rows of dy xhat and of dy.
fn backward_affine<T: Float>(x: &[T], grad: &[T], n: usize, epsilon: f64) -> (Vec<T>, Vec<T>) {
    let (mut by_weight, mut by_bias) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    vectorised(
        #[inline(always)]
        || {
            for (x, grad) in x.chunks(n).zip(grad.chunks(n)) {
                let (mean, inverse) = moments(x, T::of(epsilon));
                for (((w, b), &x), &g) in by_weight.iter_mut().zip(by_bias.iter_mut()).zip(x).zip(grad) {
                    *w += g * (x - mean) * inverse;
                    *b += g;
                }
            }
        },
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::{stream, uniform};
    use candle_core::{DType, Device, Var};

    fn tensor(shape: &[usize], salt: u64) -> Tensor {
        let values = uniform(&mut stream(salt, "norm", 0), shape.iter().product(), 1.0);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
    }

    #[test]
    fn the_norm_of_a_sum_is_that_and_its_gradients_are_those_of_central_differences() {
        let (weight, bias) = (tensor(&[7], 1), tensor(&[7], 2));
        let values = [tensor(&[3, 7], 3), tensor(&[3, 7], 4)];
        let target = tensor(&[3, 7], 5);
        let loss = |y: Tensor| (y * &target).unwrap().sum_all().unwrap();
        let of = |a: &Tensor, b: &Tensor| add_layer_norm(a, b, &weight, &bias, 1e-5).unwrap();
        let number = |x: &Tensor| x.to_scalar::<f64>().unwrap();
        let alone = layer_norm(&(&values[0] + &values[1]).unwrap(), &weight, &bias, 1e-5).unwrap();
        let difference = (of(&values[0], &values[1]) - alone).unwrap().abs().unwrap().max_all().unwrap();
        assert!(number(&difference) < 1e-12);
        let [a, b] = values.each_ref().map(|x| Var::from_tensor(x).unwrap());
        let gradients = loss(of(&a, &b)).backward().unwrap();
        for (place, var) in [&a, &b].into_iter().enumerate() {
            let slopes = gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (i, slope) in slopes.into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut operands = values.clone();
                    let mut flat = operands[place].flatten_all().unwrap().to_vec1::<f64>().unwrap();
                    flat[i] += by;
                    operands[place] = Tensor::from_vec(flat, (3, 7), &Device::Cpu).unwrap();
                    number(&loss(of(&operands[0], &operands[1])))
                };
                let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((slope - expected).abs() < 1e-8, "operand {place}, {i}: {slope} not {expected}");
            }
        }
    }
}
