//! A frozen linear layer with its low-rank update, as one operation: the update is added in place, and neither the layer's
//! own result nor what is added to it is kept for the way back.

use super::float::Float;
use super::kernel::{float_dispatch, is_fused_on_cpu, on_gpu, slice, with_slice};
use super::linear::{FrozenLinear, by_rows, frozen_linear, is_served_on_gpu, times_frozen_slice};
use super::product::{Matrix, Onto, multiply_wide, product_wide};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::DType;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType};

struct LoraLinear(FrozenLinear);

/// x W^T + b + (x A^T) B^T over the last dimension: x (.., in), W (out, in), b (out), A (r, in), B (out, r) -> (.., out). The
/// scale and the selection values are in B. W and b get no gradient; where one of them is tracked, or on a GPU where x, A or
/// B are not in f32, single operations are composed.
pub fn lora_linear(x: &Tensor, (weight, bias): (&Tensor, Option<&Tensor>), a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let is_one_on_gpu =
        [x, a, b].iter().all(|operand| operand.dtype() == DType::F32) && is_served_on_gpu(x, weight, bias);
    let is_one = is_fused_on_cpu(x) || is_one_on_gpu;
    if !is_one || weight.track_op() || bias.is_some_and(Tensor::track_op) {
        let change = frozen_linear(&frozen_linear(x, a, None)?, b, None)?;
        return frozen_linear(x, weight, bias)? + change;
    }
    let operation = LoraLinear(FrozenLinear::new(weight, bias));
    by_rows(x, weight.dims2()?, |x| x.contiguous()?.apply_op3(&a.contiguous()?, &b.contiguous()?, operation))
}

/// Gradients of x, A and B, each where it is asked for. `by_x`: g W, to which the update's part is added.
struct Gradients<T> {
    x: Option<Vec<T>>,
    a: Option<Vec<T>>,
    b: Option<Vec<T>>,
}

impl LoraLinear {
    /// `operands`: x (m, k), A (r, k), B (n, r), and the gradient (m, n).
    fn backward<T: Float>(
        [x, a, b, grad]: [&[T]; 4],
        (m, n, k, r): (usize, usize, usize, usize),
        by_x: Option<Vec<T>>,
        [wants_a, wants_b]: [bool; 2],
    ) -> Gradients<T> {
        let (x, a, b, grad) = (Matrix::rows(x, k), Matrix::rows(a, k), Matrix::rows(b, r), Matrix::rows(grad, n));
        let by_inner = product_wide((m, r, n), (grad, b));
        let by_inner = Matrix::rows(&by_inner, r);
        let by_x = by_x.map(|mut by_x| {
            multiply_wide(&mut by_x, k, (m, k, r), (by_inner, a), Onto::Add);
            by_x
        });
        let by_a = wants_a.then(|| product_wide((r, k, m), (by_inner.transposed(), x)));
        let by_b = wants_b.then(|| {
            let inner = product_wide((m, r, k), (x, a.transposed()));
            product_wide((n, r, m), (grad.transposed(), Matrix::rows(&inner, r)))
        });
        Gradients { x: by_x, a: by_a, b: by_b }
    }
}

impl CustomOp3 for LoraLinear {
    fn name(&self) -> &'static str {
        "lora-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        use candle_core::CustomOp1;
        let (y, shape) = self.0.cpu_fwd(x, x_layout)?;
        let ((m, k), (n, r)) = (x_layout.shape().dims2()?, b_layout.shape().dims2()?);
        float_dispatch!(x.dtype(), "lora-linear", T => {
            let (x, a, b) = (slice::<T>(x, x_layout)?, slice(a, a_layout)?, slice(b, b_layout)?);
            let inner = product_wide((m, r, k), (Matrix::rows(x, k), Matrix::rows(a, k).transposed()));
            let mut y = T::cpu_storage_data(y)?;
            let operands = (Matrix::rows(&inner, r), Matrix::rows(b, r).transposed());
            multiply_wide(&mut y, n, (m, n, r), operands, Onto::Add);
            Ok((T::to_cpu_storage_owned(y), shape))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let factors = [(a, a_layout), (b, b_layout)];
        super::cuda::linear::lora((x, x_layout), (self.0.weight(), self.0.bias()), factors)
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        on_gpu!(x => super::cuda::linear::lora_back(self.0.weight(), [x, a, b], grad).map(<_>::from));
        let grad = grad.contiguous()?;
        let ((m, k), (n, r)) = (x.dims2()?, b.dims2()?);
        let wanted = [a.track_op(), b.track_op()];
        float_dispatch!(x.dtype(), "lora-linear", T => {
            // Below the lowest update there is nothing that a gradient of x would go to.
            let by_x = x.track_op().then(|| with_slice(&grad, |grad| times_frozen_slice::<T>(grad, self.0.weight())));
            let by_x = by_x.transpose()?;
            let gradients = with_slice::<T, _>(x, |x| with_slice::<T, _>(a, |a| with_slice::<T, _>(b, |b| {
                with_slice::<T, _>(&grad, |grad| Ok(LoraLinear::backward([x, a, b, grad], (m, n, k, r), by_x, wanted)))
            })))?;
            let tensor = |values: Option<Vec<T>>, like: &Tensor| {
                values.map(|values| Tensor::from_vec(values, like.shape(), like.device())).transpose()
            };
            Ok((tensor(gradients.x, x)?, tensor(gradients.a, a)?, tensor(gradients.b, b)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::{stream, uniform};
    use candle_core::{DType, Device, Var};

    fn tensor(shape: &[usize], salt: u64) -> Tensor {
        let values = uniform(&mut stream(salt, "lora-linear", 0), shape.iter().product(), 1.0);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
    }

    #[test]
    fn it_is_its_parts_whichever_of_them_are_tracked() {
        let (weight, bias) = (tensor(&[6, 5], 1), tensor(&[6], 2));
        let [x, a, b] =
            [(vec![2, 4, 5], 3), (vec![3, 5], 4), (vec![6, 3], 5)].map(|(shape, salt)| tensor(&shape, salt));
        for bias in [Some(&bias), None] {
            for tracked in 1..8usize {
                let var = |n: usize, tensor: &Tensor| match tracked >> n & 1 {
                    1 => Var::from_tensor(tensor).unwrap().into_inner(),
                    _ => tensor.clone(),
                };
                let [x, a, b] = [var(0, &x), var(1, &a), var(2, &b)];
                let ours = lora_linear(&x, (&weight, bias), &a, &b).unwrap();
                let change = frozen_linear(&frozen_linear(&x, &a, None).unwrap(), &b, None).unwrap();
                let parts = (frozen_linear(&x, &weight, bias).unwrap() + change).unwrap();
                let same = |ours: &Tensor, parts: &Tensor| {
                    let difference = (ours - parts).unwrap().abs().unwrap().max_all().unwrap();
                    assert!(difference.to_scalar::<f64>().unwrap() < 1e-12, "{tracked}: {difference}");
                };
                same(&ours, &parts);
                let [ours, parts] = [ours, parts].map(|y| y.sqr().unwrap().sum_all().unwrap().backward().unwrap());
                for (n, operand) in [x, a, b].iter().enumerate() {
                    match (ours.get(operand), parts.get(operand)) {
                        (Some(ours), Some(parts)) if tracked >> n & 1 == 1 => same(ours, parts),
                        (ours, _) => assert!(ours.is_none() && tracked >> n & 1 == 0, "{tracked}: operand {n}"),
                    }
                }
            }
        }
    }
}
