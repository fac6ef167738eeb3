//! Layer norm and root-mean-square norm with frozen weights.

use super::operand::{Output, of_one_kind, operand, operand_of};
use super::recipe::norm::{self, Input};
use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

/// See [`crate::ops::layer_norm`]; of x, or of x and what is added to it.
pub fn layer_norm(
    (x, layout): (&CudaStorage, &Layout),
    added: Option<(&CudaStorage, &Layout)>,
    (weight, bias): (&Tensor, &Tensor),
    epsilon: f64,
) -> Result<(CudaStorage, Shape)> {
    let n = weight.dims1()?;
    let added = added.map(|(storage, layout)| operand(storage, layout)).transpose()?;
    let count = layout.shape().elem_count();
    let input = Input { x: operand(x, layout)?, added, rows: count / n.max(1), n, epsilon };
    let (weight, bias) = (operand_of(weight)?, operand_of(bias)?);
    of_one_kind("layer norm", &[input.x, added.unwrap_or(weight), weight, bias])?;
    let y = Output::new(&x.device, input.x.kind, count)?;
    norm::layer_norm(&x.device, input, weight, bias, y.operand)?;
    Ok((y.storage(), layout.shape().clone()))
}

/// The gradient of x, and of what is added to it.
pub fn layer_norm_back(
    x: &Tensor,
    added: Option<&Tensor>,
    weight: &Tensor,
    grad: &Tensor,
    epsilon: f64,
) -> Result<Tensor> {
    let (n, grad) = (weight.dims1()?, grad.contiguous()?);
    let added = added.map(operand_of).transpose()?;
    let input = Input { x: operand_of(x)?, added, rows: x.elem_count() / n.max(1), n, epsilon };
    let (weight, dy) = (operand_of(weight)?, operand_of(&grad)?);
    of_one_kind("layer norm", &[input.x, weight, dy])?;
    let dx = Output::like(x)?;
    norm::layer_norm_back(x.device().as_cuda_device()?, input, weight, dy, dx.operand)?;
    Ok(dx.tensor(x.shape()))
}

/// See [`crate::ops::rms_norm`].
pub fn rms_norm((x, layout): (&CudaStorage, &Layout), weight: &Tensor, epsilon: f64) -> Result<(CudaStorage, Shape)> {
    let (n, count) = (weight.dims1()?, layout.shape().elem_count());
    let input = Input { x: operand(x, layout)?, added: None, rows: count / n.max(1), n, epsilon };
    let weight = operand_of(weight)?;
    of_one_kind("root-mean-square norm", &[input.x, weight])?;
    let y = Output::new(&x.device, input.x.kind, count)?;
    norm::rms_norm(&x.device, input, weight, y.operand)?;
    Ok((y.storage(), layout.shape().clone()))
}

/// The gradient of x.
pub fn rms_norm_back(x: &Tensor, weight: &Tensor, grad: &Tensor, epsilon: f64) -> Result<Tensor> {
    let (n, grad) = (weight.dims1()?, grad.contiguous()?);
    let input = Input { x: operand_of(x)?, added: None, rows: x.elem_count() / n.max(1), n, epsilon };
    let (weight, dy) = (operand_of(weight)?, operand_of(&grad)?);
    of_one_kind("root-mean-square norm", &[input.x, weight, dy])?;
    let dx = Output::like(x)?;
    norm::rms_norm_back(x.device().as_cuda_device()?, input, weight, dy, dx.operand)?;
    Ok(dx.tensor(x.shape()))
}
