//! Whether a device computes right: every operation with its gradients against f64 on the CPU, the mixed term of a search
//! step, and two equal steps. What `autolora doctor` says of the device.

mod operations;
mod step;

pub use step::{Trial, relative_difference};

use super::base::Base;
use super::bench::BenchError;
use crate::model::builtin;
use candle_core::{DType, Device, Tensor};
use operations::Operation;

/// Of an operation in f32, by the largest number of a result: rounding errors of these sizes stay far below.
const OPERATION: f64 = 1e-4;
/// Of an operation whose matrices, and on a GPU whose products, are in 16 bits.
const HALF_OPERATION: f64 = 2e-2;
/// Of the mixed term, by its norm: in f32 against f64, and in bf16 against f32.
const MIXED: f64 = 1e-2;
const HALF_MIXED: f64 = 5e-2;

/// How far something is from where it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub what: String,
    /// Relative.
    pub size: f64,
    /// What it may be.
    pub allowed: f64,
}

impl Error {
    /// Whether it is as small as it should be; a number that is none is not.
    pub fn is_allowed(&self) -> bool {
        self.size <= self.allowed
    }
}

/// The error of every operation of a model on `device`, forward and back, against f64 on the CPU.
///
/// # Errors
/// An operation that fails there.
pub fn operations(device: &Device) -> candle_core::Result<Vec<Error>> {
    operations::all().iter().map(|operation| error_of(operation, device)).collect()
}

fn error_of(operation: &Operation, device: &Device) -> candle_core::Result<Error> {
    let context = |error: candle_core::Error| error.context(operation.name);
    let exact = operation.results(&Device::Cpu, true)?;
    let ours = operation.results(device, false).map_err(context)?;
    let mut size = 0f64;
    for (ours, exact) in ours.iter().zip(&exact) {
        let largest = |x: &Tensor| x.abs()?.max_all()?.to_scalar::<f64>();
        let error = largest(&(ours - exact)?)? / largest(exact)?;
        // The maximum of a number and of what is none is the number.
        size = if error.is_nan() { f64::NAN } else { size.max(error) };
    }
    let allowed = if operation.half { HALF_OPERATION } else { OPERATION };
    Ok(Error { what: operation.name.to_owned(), size, allowed })
}

/// The error of the mixed term of a search step of the embedded model on `device`: in f32 against f64 on the CPU, and with
/// matrices in bf16 against f32 (method.md, "Precision").
///
/// # Errors
/// A step that fails there.
pub fn mixed_terms(device: &Device) -> Result<[Error; 2], BenchError> {
    let base = demo()?;
    let exact = Trial::drawn(&base, DType::F64, &Device::Cpu)?.mixed()?;
    let wide = Trial::drawn(&base, DType::F32, device)?.mixed()?;
    let half = Trial::drawn(&base, DType::BF16, device)?.mixed()?;
    let error = |what: &str, size, allowed| Error { what: what.to_owned(), size, allowed };
    Ok([
        error("f32", relative_difference(&wide, &exact)?, MIXED),
        error("bf16", relative_difference(&half, &wide)?, HALF_MIXED),
    ])
}

/// Of how many numbers two equal search steps on `device` differ in how many.
///
/// # Errors
/// A step that fails there.
pub fn differing(device: &Device) -> Result<(usize, usize), BenchError> {
    let trial = Trial::drawn(&demo()?, DType::F32, device)?;
    let (first, second) = (trial.stepped()?, trial.stepped()?);
    let differ = first.iter().zip(&second).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    Ok((differ, first.len()))
}

fn demo() -> Result<Base, BenchError> {
    let files = builtin::find(crate::experiment::ModelSettings::default().id.as_str());
    let none = || candle_core::Error::Msg("the embedded model is gone".into());
    Base::of(files.ok_or_else(none)?).map_err(|error| BenchError::Candle(candle_core::Error::Msg(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_passes_and_no_operation_is_exact() {
        for error in operations(&Device::Cpu).unwrap() {
            // 16 bits are widened on the CPU: what is rounded is rounded in the reference too.
            assert!(error.size <= 1e-5, "{error:?}");
            assert!(error.size > 0.0, "{error:?}: f32 against f64 differ, or nothing was compared");
        }
    }

    #[test]
    fn the_mixed_term_survives_f32_and_bf16_and_a_step_is_a_function() {
        let [wide, half] = mixed_terms(&Device::Cpu).unwrap();
        assert!(wide.is_allowed() && half.is_allowed(), "{wide:?} {half:?}");
        assert!(wide.size > 0.0 && half.size > wide.size, "{wide:?} {half:?}");
        let (differ, of) = differing(&Device::Cpu).unwrap();
        assert!(differ == 0 && of > 1000, "{differ} of {of}");
    }

    #[test]
    fn what_is_no_number_is_not_allowed() {
        let error = |size| Error { what: "x".into(), size, allowed: 1e-4 };
        assert!(error(1e-4).is_allowed() && !error(1.1e-4).is_allowed() && !error(f64::NAN).is_allowed());
    }
}
