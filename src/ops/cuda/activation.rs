//! Non-linearities, alone and with a gate.

use super::operand::{Output, of_one_kind, operand, operand_of};
use super::recipe::Operand;
use super::recipe::activation::{self, Gated};
use crate::ops::Curve;
use candle_core::{CudaStorage, D, Layout, Result, Shape, Tensor};

/// A curve's number, as the kernels count them.
pub fn number(curve: Curve) -> usize {
    match curve {
        Curve::Gelu => 0,
        Curve::GeluTanh => 1,
        Curve::Silu => 2,
    }
}

/// See [`crate::ops::curve`].
pub fn curve((x, layout): (&CudaStorage, &Layout), curve: Curve) -> Result<(CudaStorage, Shape)> {
    let (of, count) = (operand(x, layout)?, layout.shape().elem_count());
    let y = Output::new(&x.device, of.kind, count)?;
    activation::curve(&x.device, of, y.operand, count, number(curve))?;
    Ok((y.storage(), layout.shape().clone()))
}

/// The gradient of x.
pub fn curve_back(x: &Tensor, grad: &Tensor, curve: Curve) -> Result<Tensor> {
    let grad = grad.contiguous()?;
    let (of, dy) = (operand_of(x)?, operand_of(&grad)?);
    of_one_kind("non-linearity", &[of, dy])?;
    let dx = Output::like(x)?;
    let device = x.device().as_cuda_device()?;
    activation::curve_back(device, (of, dy), dx.operand, x.elem_count(), number(curve))?;
    Ok(dx.tensor(x.shape()))
}

/// Rows of units and gates in one tensor or in two; `dims` are those of the result.
fn gated(units: Operand, gates: Operand, dims: &[usize], stride: usize, curve: Curve) -> Gated {
    let n = dims.last().copied().unwrap_or(1);
    let rows = dims.iter().product::<usize>() / n.max(1);
    Gated { units, gates, rows, n, stride, curve: number(curve) }
}

/// See [`crate::ops::gate`].
pub fn gate(
    (units, layout): (&CudaStorage, &Layout),
    (gates, gates_layout): (&CudaStorage, &Layout),
    curve: Curve,
) -> Result<(CudaStorage, Shape)> {
    let device = &units.device;
    let (units, gates) = (operand(units, layout)?, operand(gates, gates_layout)?);
    of_one_kind("gate", &[units, gates])?;
    let y = Output::new(device, units.kind, layout.shape().elem_count())?;
    let stride = layout.dims().last().copied().unwrap_or(1);
    activation::gate(device, gated(units, gates, layout.dims(), stride, curve), y.operand)?;
    Ok((y.storage(), layout.shape().clone()))
}

/// Gradients of the units and of the gates.
pub fn gate_back(units: &Tensor, gates: &Tensor, grad: &Tensor, curve: Curve) -> Result<(Tensor, Tensor)> {
    let grad = grad.contiguous()?;
    let (of_units, of_gates, dy) = (operand_of(units)?, operand_of(gates)?, operand_of(&grad)?);
    of_one_kind("gate", &[of_units, of_gates, dy])?;
    let (by_unit, by_gate) = (Output::like(units)?, Output::like(gates)?);
    let stride = units.dims().last().copied().unwrap_or(1);
    let gated = gated(of_units, of_gates, units.dims(), stride, curve);
    activation::gate_back(units.device().as_cuda_device()?, gated, dy, (by_unit.operand, by_gate.operand))?;
    Ok((by_unit.tensor(units.shape()), by_gate.tensor(gates.shape())))
}

/// See [`crate::ops::packed_gate`].
pub fn packed_gate((x, layout): (&CudaStorage, &Layout), curve: Curve) -> Result<(CudaStorage, Shape)> {
    let mut dims = layout.dims().to_vec();
    let n = dims.last_mut().map_or(0, |last| {
        *last /= 2;
        *last
    });
    let units = operand(x, layout)?;
    let y = Output::new(&x.device, units.kind, dims.iter().product())?;
    activation::gate(&x.device, gated(units, units.skip(n), &dims, 2 * n, curve), y.operand)?;
    Ok((y.storage(), dims.into()))
}

/// The gradient of units and gates, as they lie.
pub fn packed_gate_back(x: &Tensor, y: &Tensor, grad: &Tensor, curve: Curve) -> Result<Tensor> {
    let (grad, n) = (grad.contiguous()?, y.dim(D::Minus1)?);
    let (units, dy) = (operand_of(x)?, operand_of(&grad)?);
    of_one_kind("gate", &[units, dy])?;
    let dx = Output::like(x)?;
    let gated = gated(units, units.skip(n), y.dims(), 2 * n, curve);
    activation::gate_back(x.device().as_cuda_device()?, gated, dy, (dx.operand, dx.operand.skip(n)))?;
    Ok(dx.tensor(x.shape()))
}
