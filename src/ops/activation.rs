//! GELU in its exact (erf) form, alone and with a gate.

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, rows, slice, with_slice};
use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor, WithDType};

struct Gelu;

/// Elements that a kernel takes at a time.
const CHUNK: usize = 1024;

/// x Phi(x), Phi the standard normal distribution function: `gelu` in Hugging Face's configurations. Any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if is_fused(x) { x.contiguous()?.apply_op1(Gelu) } else { x.gelu_erf() }
}

fn forward<T: Float>(x: &[T]) -> Vec<T> {
    let (half, scale) = (T::of(0.5), T::of(std::f64::consts::FRAC_1_SQRT_2));
    let mut y = vec![T::ZERO; x.len()];
    rows(&mut y, CHUNK, |i, y| {
        for (y, &x) in y.iter_mut().zip(&x[i * CHUNK..]) {
            *y = x * half * (T::ONE + (x * scale).error_function());
        }
    });
    y
}

/// d/dx = Phi(x) + x phi(x).
fn backward<T: Float>(x: &[T], grad: &[T]) -> Vec<T> {
    let (half, scale) = (T::of(0.5), T::of(std::f64::consts::FRAC_1_SQRT_2));
    let density = T::of(1.0 / (2.0 * std::f64::consts::PI).sqrt());
    let mut dx = vec![T::ZERO; x.len()];
    rows(&mut dx, CHUNK, |i, dx| {
        for ((d, &x), &g) in dx.iter_mut().zip(&x[i * CHUNK..]).zip(&grad[i * CHUNK..]) {
            let cumulative = half * (T::ONE + (x * scale).error_function());
            *d = g * (cumulative + x * density * (-half * x * x).exponential());
        }
    });
    dx
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            Ok((T::to_cpu_storage_owned(forward::<T>(slice(x, layout)?)), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| Ok(backward(x, g))))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

struct GatedGelu;

/// gelu(units) * gates over the last dimension, units then gates: x (.., 2 n) -> (.., n).
pub fn gated_gelu(x: &Tensor) -> Result<Tensor> {
    if is_fused(x) {
        return x.contiguous()?.apply_op1(GatedGelu);
    }
    let n = x.dim(D::Minus1)? / 2;
    gelu(&x.narrow(D::Minus1, 0, n)?.contiguous()?)? * x.narrow(D::Minus1, n, n)?
}

fn gated_forward<T: Float>(x: &[T], n: usize) -> Vec<T> {
    let (half, scale) = (T::of(0.5), T::of(std::f64::consts::FRAC_1_SQRT_2));
    let mut y = vec![T::ZERO; x.len() / 2];
    rows(&mut y, n, |i, y| {
        let (units, gates) = x[2 * i * n..2 * (i + 1) * n].split_at(n);
        for ((y, &x), &gate) in y.iter_mut().zip(units).zip(gates) {
            *y = x * half * (T::ONE + (x * scale).error_function()) * gate;
        }
    });
    y
}

fn gated_backward<T: Float>(x: &[T], grad: &[T], n: usize) -> Vec<T> {
    let (half, scale) = (T::of(0.5), T::of(std::f64::consts::FRAC_1_SQRT_2));
    let density = T::of(1.0 / (2.0 * std::f64::consts::PI).sqrt());
    let mut dx = vec![T::ZERO; x.len()];
    rows(&mut dx, 2 * n, |i, dx| {
        let (units, gates) = x[2 * i * n..2 * (i + 1) * n].split_at(n);
        let (d_units, d_gates) = dx.split_at_mut(n);
        let operands = units.iter().zip(gates).zip(&grad[i * n..]);
        for ((du, dg), ((&x, &gate), &g)) in d_units.iter_mut().zip(d_gates).zip(operands) {
            let cumulative = half * (T::ONE + (x * scale).error_function());
            *du = g * gate * (cumulative + x * density * (-half * x * x).exponential());
            *dg = g * x * cumulative;
        }
    });
    dx
}

impl CustomOp1 for GatedGelu {
    fn name(&self) -> &'static str {
        "gated-gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let mut dims = layout.dims().to_vec();
        let n = dims.last_mut().map_or(0, |last| {
            *last /= 2;
            *last
        });
        float_dispatch!(x.dtype(), self.name(), T => {
            Ok((T::to_cpu_storage_owned(gated_forward::<T>(slice(x, layout)?, n.max(1))), dims.into()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (grad, n) = (grad.contiguous()?, y.dim(D::Minus1)?.max(1));
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| Ok(gated_backward(x, g, n))))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}
