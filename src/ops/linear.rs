//! A linear layer whose weight is frozen: candle's own matmul computes and keeps the gradient of a frozen weight.

use super::kernel::{float_dispatch, is_fused, rows};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Storage, Tensor, WithDType, bail};

struct FrozenLinear {
    /// (out, in), untracked.
    weight: Tensor,
    /// (out), untracked; added here on the CPU alone.
    bias: Option<Tensor>,
}

/// x W^T + b over the last dimension: x (.., in), W (out, in), b (out) -> (.., out).
///
/// No gradient is computed for W and b. Where one of them is tracked (the whole model is being trained), candle's
/// differentiable operations are composed instead.
pub fn frozen_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let mut dims = x.dims().to_vec();
    let rows = x.elem_count() / inputs.max(1);
    let flat = x.reshape((rows, inputs))?;
    let y = if weight.track_op() || bias.is_some_and(Tensor::track_op) {
        let y = flat.matmul(&weight.t()?)?;
        match bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        }
    } else if is_fused(x) {
        flat.contiguous()?.apply_op1(FrozenLinear { weight: weight.clone(), bias: bias.cloned() })?
    } else {
        let y = flat.contiguous()?.apply_op1(FrozenLinear { weight: weight.clone(), bias: None })?;
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
        let mut y = x.matmul(weight, (1, m, n, k), layout, &weight_layout.transpose(0, 1)?)?;
        if let Some(bias) = &self.bias {
            match &mut y {
                CpuStorage::F32(y) => add_bias(y, &bias.to_dtype(DType::F32)?.to_vec1()?),
                CpuStorage::F64(y) => add_bias(y, &bias.to_dtype(DType::F64)?.to_vec1()?),
                _ => float_dispatch!(y.dtype(), self.name(), _T => {}),
            }
        }
        Ok((y, (m, n).into()))
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (m, k) = layout.shape().dims2()?;
        let n = self.weight.dim(0)?;
        let (weight, weight_layout) = self.weight.storage_and_layout();
        let Storage::Cuda(weight) = &*weight else { bail!("frozen-linear: weight and input on different devices") };
        let y = x.matmul(weight, (1, m, n, k), layout, &weight_layout.transpose(0, 1)?)?;
        Ok((y, (m, n).into()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.matmul(&self.weight)?))
    }
}

fn add_bias<T: super::float::Float + WithDType>(y: &mut [T], bias: &[T]) {
    rows(y, bias.len(), |_, row| {
        for (y, b) in row.iter_mut().zip(bias) {
            *y += *b;
        }
    });
}
