//! Non-linearities: alone, and with a gate in the two layouts that feed-forward layers have.

use super::float::Float;
use super::kernel::{float_dispatch, is_fused, on_gpu, rows, slice, with_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, WithDType};

/// A smooth non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// x Phi(x), Phi the standard normal distribution function: `gelu` in Hugging Face's configurations.
    Gelu,
    /// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: `gelu_new`, `gelu_pytorch_tanh`.
    GeluTanh,
    /// x / (1 + e^-x): `silu`, `swish`.
    Silu,
}

/// Value and slope of a [`Curve`], as types, so that each kernel is compiled for one.
trait Function {
    fn value<T: Float>(x: T) -> T;
    /// Value and derivative.
    fn slope<T: Float>(x: T) -> (T, T);
}

struct Gelu;
struct GeluTanh;
struct Silu;

impl Function for Gelu {
    #[inline(always)]
    fn value<T: Float>(x: T) -> T {
        let (erf, _) = (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function_and_bell();
        let half = x * T::of(0.5);
        half.times_plus(erf, half)
    }

    /// d/dx = Phi(x) + x phi(x).
    #[inline(always)]
    fn slope<T: Float>(x: T) -> (T, T) {
        let half = T::of(0.5);
        let (erf, bell) = (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function_and_bell();
        let cumulative = half.times_plus(erf, half);
        let density = T::of(1.0 / (2.0 * std::f64::consts::PI).sqrt()) * bell;
        (x * cumulative, x.times_plus(density, cumulative))
    }
}

impl GeluTanh {
    /// tanh of the inner polynomial, and the polynomial's derivative.
    #[inline(always)]
    fn inner<T: Float>(x: T) -> (T, T) {
        let scale = T::of((2.0 / std::f64::consts::PI).sqrt());
        let cubic = T::of(0.044_715);
        let inner = scale * (x + cubic * x * x * x);
        (inner.hyperbolic_tangent(), scale * (T::ONE + T::of(3.0) * cubic * x * x))
    }
}

impl Function for GeluTanh {
    #[inline(always)]
    fn value<T: Float>(x: T) -> T {
        T::of(0.5) * x * (T::ONE + Self::inner(x).0)
    }

    #[inline(always)]
    fn slope<T: Float>(x: T) -> (T, T) {
        let half = T::of(0.5);
        let (tanh, inner) = Self::inner(x);
        let share = half * (T::ONE + tanh);
        (x * share, share + half * x * (T::ONE - tanh * tanh) * inner)
    }
}

impl Function for Silu {
    #[inline(always)]
    fn value<T: Float>(x: T) -> T {
        x / (T::ONE + (-x).exponential())
    }

    #[inline(always)]
    fn slope<T: Float>(x: T) -> (T, T) {
        let share = T::ONE / (T::ONE + (-x).exponential());
        (x * share, share * (T::ONE + x * (T::ONE - share)))
    }
}

/// Runs `$body` with `$f` as the [`Function`] of `$curve`.
macro_rules! with_curve {
    ($curve:expr, $f:ident => $body:expr) => {
        match $curve {
            Curve::Gelu => {
                type $f = Gelu;
                $body
            }
            Curve::GeluTanh => {
                type $f = GeluTanh;
                $body
            }
            Curve::Silu => {
                type $f = Silu;
                $body
            }
        }
    };
}

/// Of candle's own operations, for devices without a kernel of ours.
fn composed(x: &Tensor, curve: Curve) -> Result<Tensor> {
    match curve {
        Curve::Gelu => x.gelu_erf(),
        Curve::GeluTanh => x.gelu(),
        Curve::Silu => x.silu(),
    }
}

/// Elements that a kernel takes at a time.
const CHUNK: usize = 1024;

/// The non-linearity, element by element; any shape.
pub fn curve(x: &Tensor, curve: Curve) -> Result<Tensor> {
    if is_fused(x) { x.contiguous()?.apply_op1(Alone(curve)) } else { composed(x, curve) }
}

/// curve(units) * gates: two tensors of one shape.
pub fn gate(units: &Tensor, gates: &Tensor, curve: Curve) -> Result<Tensor> {
    if is_fused(units) {
        return units.contiguous()?.apply_op2(&gates.contiguous()?, Gate(curve));
    }
    composed(units, curve)? * gates
}

/// curve(units) * gates over the last dimension, units then gates: x (.., 2 n) -> (.., n).
pub fn packed_gate(x: &Tensor, curve: Curve) -> Result<Tensor> {
    if is_fused(x) {
        return x.contiguous()?.apply_op1(PackedGate(curve));
    }
    let n = x.dim(D::Minus1)? / 2;
    composed(&x.narrow(D::Minus1, 0, n)?.contiguous()?, curve)? * x.narrow(D::Minus1, n, n)?
}

struct Alone(Curve);
struct Gate(Curve);
struct PackedGate(Curve);

fn forward<F: Function, T: Float>(x: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len()];
    rows(
        &mut y,
        CHUNK,
        #[inline(always)]
        |i, y| {
            for (y, &x) in y.iter_mut().zip(&x[i * CHUNK..]) {
                *y = F::value(x);
            }
        },
    );
    y
}

/// The values of all elements of a storage.
pub(super) fn curve_values(x: &CpuStorage, curve: Curve) -> Result<CpuStorage> {
    use candle_core::backend::BackendStorage;
    float_dispatch!(x.dtype(), "non-linearity", T => {
        let x = T::cpu_storage_as_slice(x)?;
        Ok(T::to_cpu_storage_owned(with_curve!(curve, F => forward::<F, T>(x))))
    })
}

/// Turns gradients of values into gradients of x, in place.
pub(super) fn times_slope<T: Float>(x: &[T], grad: &mut [T], curve: Curve) {
    with_curve!(curve, F => {
        rows(grad, CHUNK, #[inline(always)] |i, grad| {
            for (g, &x) in grad.iter_mut().zip(&x[i * CHUNK..]) {
                *g *= F::slope(x).1;
            }
        })
    });
}

impl CustomOp1 for Alone {
    fn name(&self) -> &'static str {
        "non-linearity"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            let x = slice::<T>(x, layout)?;
            let y = with_curve!(self.0, F => forward::<F, T>(x));
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        super::cuda::activation::curve((x, layout), self.0)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(x => super::cuda::activation::curve_back(x, grad, self.0).map(Some));
        float_dispatch!(x.dtype(), self.name(), T => {
            let mut dx = grad.flatten_all()?.to_vec1::<T>()?;
            with_slice(x, |x| {
                times_slope(x, &mut dx, self.0);
                Ok(())
            })?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}

fn gate_forward<F: Function, T: Float>(units: &[T], gates: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; units.len()];
    rows(
        &mut y,
        CHUNK,
        #[inline(always)]
        |i, y| {
            for ((y, &x), &gate) in y.iter_mut().zip(&units[i * CHUNK..]).zip(&gates[i * CHUNK..]) {
                *y = F::value(x) * gate;
            }
        },
    );
    y
}

/// Gradients of the units and of the gates.
fn gate_backward<F: Function, T: Float>(units: &[T], gates: &[T], grad: &[T]) -> (Vec<T>, Vec<T>) {
    let (mut by_unit, mut by_gate) = (vec![T::ZERO; units.len()], vec![T::ZERO; units.len()]);
    rows(
        &mut by_unit,
        CHUNK,
        #[inline(always)]
        |i, d| {
            let operands = units[i * CHUNK..].iter().zip(&gates[i * CHUNK..]).zip(&grad[i * CHUNK..]);
            for (d, ((&x, &gate), &g)) in d.iter_mut().zip(operands) {
                *d = g * gate * F::slope(x).1;
            }
        },
    );
    rows(
        &mut by_gate,
        CHUNK,
        #[inline(always)]
        |i, d| {
            for ((d, &x), &g) in d.iter_mut().zip(&units[i * CHUNK..]).zip(&grad[i * CHUNK..]) {
                *d = g * F::value(x);
            }
        },
    );
    (by_unit, by_gate)
}

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        units: &CpuStorage,
        layout: &Layout,
        gates: &CpuStorage,
        gates_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(units.dtype(), self.name(), T => {
            let (units, gates) = (slice::<T>(units, layout)?, slice::<T>(gates, gates_layout)?);
            let y = with_curve!(self.0, F => gate_forward::<F, T>(units, gates));
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        units: &CudaStorage,
        layout: &Layout,
        gates: &CudaStorage,
        gates_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        super::cuda::activation::gate((units, layout), (gates, gates_layout), self.0)
    }

    fn bwd(
        &self,
        units: &Tensor,
        gates: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        on_gpu!(units => {
            let (by_unit, by_gate) = super::cuda::activation::gate_back(units, gates, grad, self.0)?;
            Ok((Some(by_unit), Some(by_gate)))
        });
        let grad = grad.contiguous()?;
        float_dispatch!(units.dtype(), self.name(), T => {
            let (by_unit, by_gate) = with_slice::<T, _>(units, |x| with_slice::<T, _>(gates, |gates| {
                with_slice::<T, _>(&grad, |g| Ok(with_curve!(self.0, F => gate_backward::<F, T>(x, gates, g))))
            }))?;
            let tensor = |values| Tensor::from_vec(values, units.shape(), units.device());
            Ok((Some(tensor(by_unit)?), Some(tensor(by_gate)?)))
        })
    }
}

fn packed_forward<F: Function, T: Float>(x: &[T], n: usize) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len() / 2];
    rows(
        &mut y,
        n,
        #[inline(always)]
        |i, y| {
            let (units, gates) = x[2 * i * n..2 * (i + 1) * n].split_at(n);
            for ((y, &x), &gate) in y.iter_mut().zip(units).zip(gates) {
                *y = F::value(x) * gate;
            }
        },
    );
    y
}

fn packed_backward<F: Function, T: Float>(x: &[T], grad: &[T], n: usize) -> Vec<T> {
    let mut dx = vec![T::ZERO; x.len()];
    rows(
        &mut dx,
        2 * n,
        #[inline(always)]
        |i, dx| {
            let (units, gates) = x[2 * i * n..2 * (i + 1) * n].split_at(n);
            let (d_units, d_gates) = dx.split_at_mut(n);
            let operands = units.iter().zip(gates).zip(&grad[i * n..]);
            for ((du, dg), ((&x, &gate), &g)) in d_units.iter_mut().zip(d_gates).zip(operands) {
                let (value, slope) = F::slope(x);
                (*du, *dg) = (g * gate * slope, g * value);
            }
        },
    );
    dx
}

impl CustomOp1 for PackedGate {
    fn name(&self) -> &'static str {
        "packed-gate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let mut dims = layout.dims().to_vec();
        let n = dims.last_mut().map_or(0, |last| {
            *last /= 2;
            *last
        });
        float_dispatch!(x.dtype(), self.name(), T => {
            let x = slice::<T>(x, layout)?;
            let y = with_curve!(self.0, F => packed_forward::<F, T>(x, n.max(1)));
            Ok((T::to_cpu_storage_owned(y), dims.into()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        super::cuda::activation::packed_gate((x, layout), self.0)
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        on_gpu!(x => super::cuda::activation::packed_gate_back(x, y, grad, self.0).map(Some));
        let (grad, n) = (grad.contiguous()?, y.dim(D::Minus1)?.max(1));
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(x, |x| with_slice::<T, _>(&grad, |g| {
                Ok(with_curve!(self.0, F => packed_backward::<F, T>(x, g, n)))
            }))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    /// Values and slopes against central differences of candle's forward formulas, in f64.
    #[test]
    fn slopes_are_those_of_the_values() {
        let xs: Vec<f64> = (-40..=40).map(|i| f64::from(i) * 0.17).collect();
        let (n, h) = (xs.len(), 1e-5);
        let at = |by: f64| Tensor::from_vec(xs.iter().map(|x| x + by).collect::<Vec<_>>(), n, &Device::Cpu).unwrap();
        for kind in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
            let x = Var::from_tensor(&at(0.0)).unwrap();
            let ours = curve(&x, kind).unwrap();
            let value = |by: f64| composed(&at(by), kind).unwrap().to_vec1::<f64>().unwrap();
            let slopes = ours.sum_all().unwrap().backward().unwrap();
            let slopes = slopes.get(&x).unwrap().to_vec1::<f64>().unwrap();
            let (up, middle, down) = (value(h), value(0.0), value(-h));
            for (i, value) in ours.to_vec1::<f64>().unwrap().into_iter().enumerate() {
                assert!((value - middle[i]).abs() < 1e-12, "{kind:?} at {}", xs[i]);
                let slope = (up[i] - down[i]) / (2.0 * h);
                assert!((slopes[i] - slope).abs() < 1e-8, "{kind:?} at {}: {} not {slope}", xs[i], slopes[i]);
            }
        }
    }

    #[test]
    fn gates_in_both_layouts_agree_with_candles_own_operations() {
        let values = |salt: f64| (0..24).map(move |i| (f64::from(i) * 0.7 + salt).sin() * 3.0).collect::<Vec<_>>();
        let tensor = |salt| Var::from_tensor(&Tensor::from_vec(values(salt), (4, 6), &Device::Cpu).unwrap()).unwrap();
        let (units, gates) = (tensor(0.3), tensor(1.9));
        for kind in [Curve::Gelu, Curve::GeluTanh, Curve::Silu] {
            let packed = Tensor::cat(&[units.as_tensor(), gates.as_tensor()], 1).unwrap();
            let ways = [
                gate(&units, &gates, kind).unwrap(),
                packed_gate(&packed, kind).unwrap(),
                (composed(&units, kind).unwrap() * gates.as_tensor()).unwrap(),
            ];
            let ways = ways.map(|y| {
                let g = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                [y, g.get(&units).unwrap().clone(), g.get(&gates).unwrap().clone()]
            });
            for way in &ways[..2] {
                for (ours, composed) in way.iter().zip(&ways[2]) {
                    let difference = (ours - composed).unwrap().abs().unwrap().max_all().unwrap();
                    // candle's gelus have constants of six digits in their backward passes.
                    assert!(difference.to_scalar::<f64>().unwrap() < 1e-4, "{kind:?}: {difference}");
                }
            }
        }
    }
}
