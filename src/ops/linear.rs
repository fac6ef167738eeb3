//! A linear layer whose weight is frozen: candle's own matmul computes and keeps the gradient of a frozen weight.

use super::float::Float;
use super::half::{self, HalfMatrix, is_half, times_transposed, widened};
use super::kernel::{float_dispatch, is_fused_on_cpu, on_gpu, slice, with_slice};
use super::product::{Matrix, affine_wide, product_wide};
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CpuStorageRef, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Storage, Tensor, WithDType, bail,
};

pub(super) struct FrozenLinear {
    /// (out, in), untracked.
    weight: Tensor,
    /// (out), untracked.
    bias: Option<Tensor>,
}

impl FrozenLinear {
    /// Of a weight (out, in) and a bias (out), neither of them tracked, for x of two dimensions.
    pub(super) fn new(weight: &Tensor, bias: Option<&Tensor>) -> FrozenLinear {
        FrozenLinear { weight: weight.clone(), bias: bias.cloned() }
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(super) fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

/// x W^T + b over the last dimension: x (.., in), W (out, in), b (out) -> (.., out).
///
/// W may be in 16 bits, which are widened as they are used: x, b and the result are in f32 then. On a GPU x is rounded to
/// the 16 bits of W for the product, which adds up and answers in f32; each row is scaled into the range of f16.
///
/// No gradient is computed for W and b. Where one of them is tracked (the whole model is being trained), candle's
/// differentiable operations are composed instead.
pub fn frozen_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let plus = |y: Tensor| bias.map_or(Ok(y.clone()), |bias| y.broadcast_add(bias));
    by_rows(x, weight.dims2()?, |x| {
        if weight.track_op() || bias.is_some_and(Tensor::track_op) {
            plus(x.matmul(&widened(weight.clone())?.t()?)?)
        } else if is_fused_on_cpu(&x) || is_served_on_gpu(&x, weight, bias) {
            x.contiguous()?.apply_op1(FrozenLinear::new(weight, bias))
        } else {
            plus(x.contiguous()?.apply_op1(FrozenLinear::new(weight, None))?)
        }
    })
}

/// x (.., inputs) -> (.., outputs) by a layer of rows, (rows, inputs) -> (rows, outputs).
pub(super) fn by_rows(
    x: &Tensor,
    (outputs, inputs): (usize, usize),
    layer: impl FnOnce(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    layer(x.reshape((x.elem_count() / inputs.max(1), inputs))?)?.reshape(dims)
}

/// Whether kernels of ours serve these on a GPU; candle's products do the rest, f64 among it.
#[cfg(feature = "cuda")]
pub(super) fn is_served_on_gpu(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> bool {
    x.device().is_cuda() && super::cuda::linear::serves(x.dtype(), weight, bias)
}

#[cfg(not(feature = "cuda"))]
pub(super) fn is_served_on_gpu(_: &Tensor, _: &Tensor, _: Option<&Tensor>) -> bool {
    false
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (m, k) = layout.shape().dims2()?;
        let n = self.weight.dim(0)?;
        let (weight, weight_layout) = self.weight.storage_and_layout();
        let Storage::Cpu(weight) = &*weight else { bail!("frozen-linear: weight and input on different devices") };
        let half = weight_layout.contiguous_offsets().and_then(|place| HalfMatrix::of(weight, place));
        if let Some(matrix) = half {
            let bias = self.bias.as_ref().map(|bias| bias.to_dtype(DType::F32)?.to_vec1::<f32>()).transpose()?;
            let y = times_transposed(slice(x, layout)?, matrix, bias.as_deref(), (m, n, k));
            return Ok((CpuStorage::F32(y), (m, n).into()));
        }
        float_dispatch!(x.dtype(), self.name(), T => {
            let bias = self.bias.as_ref().map(|bias| bias.to_dtype(x.dtype())?.to_vec1::<T>()).transpose()?;
            let weight = view(weight, weight_layout)?;
            let y = affine_wide(slice::<T>(x, layout)?, weight, bias.as_deref(), (m, n, k));
            Ok((T::to_cpu_storage_owned(y), (m, n).into()))
        })
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        #[cfg(feature = "cuda")]
        if super::cuda::linear::serves(x.dtype(), &self.weight, self.bias()) {
            return super::cuda::linear::frozen((x, layout), (&self.weight, self.bias()));
        }
        let (m, k) = layout.shape().dims2()?;
        let n = self.weight.dim(0)?;
        let (weight, weight_layout) = self.weight.storage_and_layout();
        let Storage::Cuda(weight) = &*weight else { bail!("frozen-linear: weight and input on different devices") };
        if is_half(self.weight.dtype()) {
            let wide = weight.to_dtype(weight_layout, DType::F32)?;
            let wide_layout = Layout::contiguous((n, k)).transpose(0, 1)?;
            return Ok((x.matmul(&wide, (1, m, n, k), layout, &wide_layout)?, (m, n).into()));
        }
        let y = x.matmul(weight, (1, m, n, k), layout, &weight_layout.transpose(0, 1)?)?;
        Ok((y, (m, n).into()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        times_frozen(grad, &self.weight).map(Some)
    }
}

/// A matrix as it lies, whatever its strides.
fn view<'a, T: Float>(storage: &'a CpuStorage, layout: &Layout) -> Result<Matrix<'a, T>> {
    let data = T::cpu_storage_as_slice(storage)?.get(layout.start_offset()..).unwrap_or_default();
    match *layout.stride() {
        [row, column] => Ok(Matrix { data, row, column }),
        _ => bail!("frozen-linear: a weight of shape {:?}", layout.dims()),
    }
}

/// g W: g (m, n), W (n, k) -> (m, k): the gradient of x of [`frozen_linear`], whose own is not defined.
pub(super) fn times_frozen(grad: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if is_served_on_gpu(grad, weight, None) {
        on_gpu!(grad => super::cuda::linear::frozen_back(grad, weight));
    }
    let grad = grad.contiguous()?;
    if !is_fused_on_cpu(&grad) {
        return grad.matmul(&widened(weight.clone())?);
    }
    let sizes = (grad.dim(0)?, weight.dim(1)?);
    float_dispatch!(grad.dtype(), "frozen-linear", T => {
        let product = with_slice(&grad, |grad| times_frozen_slice::<T>(grad, weight))?;
        Tensor::from_vec(product, sizes, grad.device())
    })
}

/// [`times_frozen`] on the CPU, of the elements of g.
pub(super) fn times_frozen_slice<T: Float>(grad: &[T], weight: &Tensor) -> Result<Vec<T>> {
    let (n, k) = weight.dims2()?;
    let m = grad.len() / n.max(1);
    if m * n != grad.len() {
        bail!("frozen-linear: a gradient of {} numbers for rows of {n} outputs", grad.len());
    }
    let (storage, layout) = weight.storage_and_layout();
    let Storage::Cpu(weight) = &*storage else { bail!("frozen-linear: weight and gradient on different devices") };
    match layout.contiguous_offsets().and_then(|place| HalfMatrix::of(weight, place)) {
        Some(half) => match T::cpu_storage_ref(grad) {
            CpuStorageRef::F32(grad) => T::cpu_storage_data(CpuStorage::F32(half::times(grad, half, (m, n, k)))),
            _ => bail!("frozen-linear: a gradient in f64 of a weight in 16 bits"),
        },
        None => Ok(product_wide((m, k, n), (Matrix::rows(grad, n), view(weight, layout)?))),
    }
}
