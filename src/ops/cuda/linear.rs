//! Linear layers with frozen weights, with an update, and two with a non-linearity between them.

use super::activation::number;
use super::operand::{Output, operand, operand_of, start, with_storage};
use super::recipe::Operand;
use super::recipe::linear::{self, FeedForward, Gradients, Update, Weight};
use crate::ops::Curve;
use candle_core::{CudaStorage, DType, Layout, Result, Shape, Tensor, bail};

/// Whether a layer with this weight and bias serves activations of this type: weights of 16 bits with f32, and both in
/// one of f32 and bf16; of any layout that is a matrix or its transpose.
pub fn serves(x: DType, weight: &Tensor, bias: Option<&Tensor>) -> bool {
    use DType::{BF16, F16, F32};
    let has_kernels = matches!((x, weight.dtype()), (F32, F32 | BF16 | F16) | (BF16, BF16));
    let fits = bias
        .is_none_or(|bias| bias.is_contiguous() && matches!((x, bias.dtype()), (F32, F32 | BF16 | F16) | (BF16, BF16)));
    has_kernels && fits && weight.device().is_cuda() && is_transposed(weight.layout()).is_some()
}

/// Whether a matrix lies by columns; none where it lies neither by rows nor by columns.
fn is_transposed(layout: &Layout) -> Option<bool> {
    let &[rows, columns] = layout.dims() else { return None };
    match layout.stride() {
        _ if layout.is_contiguous() => Some(false),
        &[1, stride] if stride == rows && columns > 0 => Some(true),
        _ => None,
    }
}

pub(super) fn weight(of: &Tensor) -> Result<Weight> {
    let (outputs, inputs) = of.dims2()?;
    match is_transposed(of.layout()) {
        Some(is_transposed) => Ok(Weight { operand: with_storage(of, start)?, outputs, inputs, is_transposed }),
        None => bail!("a weight of layout {:?}", of.layout()),
    }
}

fn bias(of: Option<&Tensor>) -> Result<Option<Operand>> {
    of.map(operand_of).transpose()
}

/// x W^T + b: x (m, k), W (n, k) -> (m, n). See [`crate::ops::frozen_linear`].
pub fn frozen(
    (x, layout): (&CudaStorage, &Layout),
    (w, b): (&Tensor, Option<&Tensor>),
) -> Result<(CudaStorage, Shape)> {
    let ((m, _), w, of) = (layout.shape().dims2()?, weight(w)?, operand(x, layout)?);
    let y = Output::new(&x.device, of.kind, m * w.outputs)?;
    linear::forward(&x.device, of, &w, bias(b)?, y.operand, m)?;
    Ok((y.storage(), (m, w.outputs).into()))
}

/// g W: g (m, n), W (n, k) -> (m, k).
pub fn frozen_back(grad: &Tensor, w: &Tensor) -> Result<Tensor> {
    let (grad, w) = (grad.contiguous()?, weight(w)?);
    let ((m, _), g) = (grad.dims2()?, operand_of(&grad)?);
    let device = grad.device().as_cuda_device()?;
    let dx = Output::new(device, g.kind, m * w.inputs)?;
    linear::back(device, g, &w, dx.operand, m)?;
    Ok(dx.tensor(&(m, w.inputs).into()))
}

/// x W^T + b + (x A^T) B^T. See [`crate::ops::lora_linear`].
pub fn lora(
    (x, layout): (&CudaStorage, &Layout),
    (w, b): (&Tensor, Option<&Tensor>),
    [factor_a, factor_b]: [(&CudaStorage, &Layout); 2],
) -> Result<(CudaStorage, Shape)> {
    let ((m, _), w, of) = (layout.shape().dims2()?, weight(w)?, operand(x, layout)?);
    let (rank, _) = factor_a.1.shape().dims2()?;
    let update = Update { a: operand(factor_a.0, factor_a.1)?, b: operand(factor_b.0, factor_b.1)?, rank };
    let y = Output::new(&x.device, of.kind, m * w.outputs)?;
    linear::lora_forward(&x.device, of, (&w, bias(b)?), update, y.operand, m)?;
    Ok((y.storage(), (m, w.outputs).into()))
}

/// Gradients of x, A and B, each where it is tracked.
pub fn lora_back(w: &Tensor, [x, a, b]: [&Tensor; 3], grad: &Tensor) -> Result<[Option<Tensor>; 3]> {
    let ((m, _), rank, grad) = (x.dims2()?, a.dim(0)?, grad.contiguous()?);
    let update = Update { a: operand_of(a)?, b: operand_of(b)?, rank };
    let output = |like: &Tensor| like.track_op().then(|| Output::like(like)).transpose();
    let [dx, da, db] = [output(x)?, output(a)?, output(b)?];
    let into = |output: &Option<Output>| output.as_ref().map(|output| output.operand);
    let gradients = Gradients { x: into(&dx), a: into(&da), b: into(&db) };
    let operands = (operand_of(x)?, operand_of(&grad)?);
    linear::lora_back(x.device().as_cuda_device()?, operands, &weight(w)?, update, gradients, m)?;
    Ok([(dx, x), (da, a), (db, b)].map(|(output, like)| output.map(|output| output.tensor(like.shape()))))
}

/// A frozen weight (out, in) and its bias (out).
type Frozen<'a> = (&'a Tensor, Option<&'a Tensor>);

/// curve(x W1^T + b1) W2^T + b2, and the units before the curve. See [`crate::ops::feed_forward`].
pub fn feed_forward(
    (x, layout): (&CudaStorage, &Layout),
    inner: Frozen,
    curve: Curve,
    outer: Frozen,
) -> Result<(CudaStorage, Shape, Tensor)> {
    let ((m, _), of) = (layout.shape().dims2()?, operand(x, layout)?);
    let (w1, w2) = (weight(inner.0)?, weight(outer.0)?);
    let layers = FeedForward {
        inner: &w1,
        inner_bias: bias(inner.1)?,
        outer: &w2,
        outer_bias: bias(outer.1)?,
        curve: number(curve),
    };
    let units = Output::new(&x.device, of.kind, m * w1.outputs)?;
    let y = Output::new(&x.device, of.kind, m * w2.outputs)?;
    linear::feed_forward(&x.device, of, layers, (units.operand, y.operand), m)?;
    Ok((y.storage(), (m, w2.outputs).into(), units.tensor(&(m, w1.outputs).into())))
}

/// The gradient of x from the kept units.
pub fn feed_forward_back(
    units: &Tensor,
    grad: &Tensor,
    inner: &Tensor,
    curve: Curve,
    outer: &Tensor,
) -> Result<Tensor> {
    let (grad, w1, w2) = (grad.contiguous()?, weight(inner)?, weight(outer)?);
    let (m, _) = grad.dims2()?;
    let layers = FeedForward { inner: &w1, inner_bias: None, outer: &w2, outer_bias: None, curve: number(curve) };
    let device = grad.device().as_cuda_device()?;
    let (units, g) = (operand_of(units)?, operand_of(&grad)?);
    let dx = Output::new(device, g.kind, m * w1.inputs)?;
    linear::feed_forward_back(device, (units, g), layers, dx.operand, m)?;
    Ok(dx.tensor(&(m, w1.inputs).into()))
}
