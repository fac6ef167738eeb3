//! A linear layer whose weight is frozen: candle's own matmul computes and keeps the gradient of a frozen weight.

use super::float::Float;
use super::half::{HalfMatrix, half_product, is_half, times_transposed, widened};
use super::kernel::{float_dispatch, is_fused, slice, with_slice};
use super::product::{Matrix, affine_wide, product_wide};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Storage, Tensor, WithDType, bail};

pub(super) struct FrozenLinear {
    /// (out, in), untracked.
    weight: Tensor,
    /// (out), untracked; added here on the CPU alone.
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
/// W may be in 16 bits, which are widened as they are used: x, b and the result are in f32 then.
///
/// No gradient is computed for W and b. Where one of them is tracked (the whole model is being trained), candle's
/// differentiable operations are composed instead.
pub fn frozen_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let mut dims = x.dims().to_vec();
    let rows = x.elem_count() / inputs.max(1);
    let flat = x.reshape((rows, inputs))?;
    let y = if weight.track_op() || bias.is_some_and(Tensor::track_op) {
        let y = flat.matmul(&widened(weight.clone())?.t()?)?;
        match bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        }
    } else if is_fused(x) {
        flat.contiguous()?.apply_op1(FrozenLinear::new(weight, bias))?
    } else {
        let y = flat.contiguous()?.apply_op1(FrozenLinear::new(weight, None))?;
        match bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        }
    };
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    y.reshape(dims)
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
    if is_half(weight.dtype()) {
        return half_product(grad, weight);
    }
    let grad = grad.contiguous()?;
    if !is_fused(&grad) || !weight.is_contiguous() {
        return grad.matmul(weight);
    }
    let sizes = (grad.dim(0)?, weight.dim(1)?);
    float_dispatch!(grad.dtype(), "frozen-linear", T => Tensor::from_vec(times::<T>(&grad, weight)?, sizes, grad.device()))
}

/// [`times_frozen`] on the CPU, of contiguous operands of one type.
pub(super) fn times<T: Float>(grad: &Tensor, weight: &Tensor) -> Result<Vec<T>> {
    let ((m, n), (rows, k)) = (grad.dims2()?, weight.dims2()?);
    if n != rows {
        bail!("frozen-linear: a gradient of {n} for {rows} outputs");
    }
    with_slice::<T, _>(grad, |grad| {
        with_slice::<T, _>(weight, |weight| {
            Ok(product_wide((m, k, n), (Matrix::rows(grad, n), Matrix::rows(weight, k))))
        })
    })
}
