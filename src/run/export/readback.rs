//! An export read back from the disk, its Delta W beside that of the run, module by module.

use super::ExportError;
use super::learned::{Learned, Module, is_conv1d};
use crate::model::Weights;
use crate::model::checkpoint::Checkpoint;
use crate::run::adapter::{Adapter, delta};
use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::Path;

/// What reading back found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readback {
    /// By module: the largest absolute difference of an element of Delta W, and what rounding allows.
    pub modules: Vec<(String, f64, f64)>,
    /// Largest absolute element of any Delta W of the run.
    pub largest_delta: f64,
    /// What else differs, in words: tensors of the head or the base, modules too many.
    pub faults: Vec<String>,
}

impl Readback {
    /// The largest difference.
    pub fn largest(&self) -> f64 {
        // `max` would hide what is no number.
        self.modules
            .iter()
            .map(|(_, difference, _)| *difference)
            .fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
    }

    /// What is wrong, where something is.
    pub fn fault(&self) -> Option<String> {
        let beyond = self.modules.iter().find(|(_, difference, allowed)| difference.is_nan() || difference > allowed);
        let beyond = beyond.map(|(path, difference, allowed)| {
            format!("Delta W of {path} differs by {difference:.3e}, where rounding explains {allowed:.3e}")
        });
        beyond.or_else(|| self.faults.first().cloned())
    }

    /// For the sidecar.
    pub fn to_json(&self) -> Value {
        json!({
            "matches": self.fault().is_none(),
            "largest_difference": self.largest(),
            "largest_delta": self.largest_delta,
            "modules": self.modules.iter().map(|(path, difference, _)| (path.clone(), json!(difference))).collect::<Map<_, _>>(),
            "faults": self.faults,
        })
    }
}

impl fmt::Display for Readback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delta W of {} modules ", self.modules.len())?;
        match self.largest() {
            0.0 => write!(f, "is what was trained, to the bit")?,
            off => write!(f, "differs by at most {off:.1e} from what was trained")?,
        }
        write!(f, " (largest element {:.2e})", self.largest_delta)
    }
}

/// Steps of f32, of a sum or product of numbers below 1.
const STEP: f64 = 1.0 / (1u64 << 23) as f64;

/// An adapter folder against the run. `folded`: B was rounded once more.
///
/// # Errors
/// The folder does not hold an adapter.
pub fn of_adapter(folder: &Path, learned: &Learned, folded: bool) -> Result<Readback, ExportError> {
    let adapter = Adapter::read(folder)?;
    let mut readback = Readback::default();
    for module in learned.present() {
        let own = run_delta(learned, module)?;
        let Some((a, b, scale)) = adapter.factors(&module.path) else {
            readback.faults.push(format!("{} is not in the export", module.path));
            continue;
        };
        // |sum of products| can be far below the products that were rounded.
        let size = delta(&a.abs()?, &b.abs()?, scale.abs())?;
        let allowed = largest(&size)? * if folded { STEP } else { 1e-12 };
        readback.compare(module, &delta(a, b, scale)?, &own, allowed)?;
    }
    for path in adapter.modules().filter(|path| learned.present().all(|module| module.path != *path)) {
        let Some((a, b, scale)) = adapter.factors(path) else { continue };
        if largest(&delta(a, b, scale)?)? != 0.0 {
            readback.faults.push(format!("{path} has an update in the export and none in the run"));
        }
    }
    readback.compare_head(learned, &adapter.tensors)?;
    Ok(readback)
}

/// The files of a merged model against the run and `base`, the tensors before merging by their names in the task class.
///
/// # Errors
/// Files that cannot be read.
pub fn of_model(files: &[impl AsRef<Path>], learned: &Learned, base: &Weights) -> Result<Readback, ExportError> {
    let merged = Checkpoint::from_files(files)?;
    let mut readback = Readback::default();
    let names: Vec<(String, &Module)> =
        learned.present().map(|module| (format!("{}.weight", module.path), module)).collect();
    for (name, module) in &names {
        let (Some(before), Some(after)) = (base.get(name), merged.tensor(name)?) else {
            readback.faults.push(format!("{name} is not in the export"));
            continue;
        };
        let after = after.to_dtype(DType::F64)?;
        let allowed = largest(&after)? * STEP;
        let found = (after - before.to_dtype(DType::F64)?)?;
        readback.compare(module, &found, &stored_delta(learned, module)?, allowed)?;
    }
    for (name, before) in base.iter().filter(|(name, _)| !names.iter().any(|(changed, _)| changed == *name)) {
        readback.compare_whole(name, before, merged.tensor(name)?.as_ref())?;
    }
    let mut tensors = Weights::new();
    for name in merged.names() {
        tensors.extend(merged.tensor(name)?.map(|tensor| (name.to_owned(), tensor)));
    }
    readback.compare_head(learned, &tensors)?;
    Ok(readback)
}

/// Delta W of a module as the run trained it, f64 (out, in).
pub fn run_delta(learned: &Learned, module: &Module) -> candle_core::Result<Tensor> {
    match learned.factors(module) {
        Some((a, b)) => delta(a, b, module.scale),
        None => Tensor::zeros((module.shape.outputs, module.shape.inputs), DType::F64, &Device::Cpu),
    }
}

/// Delta W as the module's weight is stored: of GPT-2's layers (in, out).
pub fn stored_delta(learned: &Learned, module: &Module) -> candle_core::Result<Tensor> {
    let delta = run_delta(learned, module)?;
    if is_conv1d(&module.path) { delta.t()?.contiguous() } else { Ok(delta) }
}

impl Readback {
    fn compare(&mut self, module: &Module, found: &Tensor, own: &Tensor, allowed: f64) -> candle_core::Result<()> {
        self.largest_delta = self.largest_delta.max(largest(own)?);
        if found.dims() != own.dims() {
            self.faults.push(format!(
                "{} is {:?} in the export and {:?} in the run",
                module.path,
                found.dims(),
                own.dims()
            ));
            return Ok(());
        }
        self.modules.push((module.path.clone(), largest(&(found - own)?)?, allowed));
        Ok(())
    }

    fn compare_head(&mut self, learned: &Learned, tensors: &Weights) -> candle_core::Result<()> {
        learned.head().try_for_each(|(name, own)| self.compare_whole(name, own, tensors.get(name)))
    }

    /// A tensor that is stored as it is.
    fn compare_whole(&mut self, name: &str, own: &Tensor, found: Option<&Tensor>) -> candle_core::Result<()> {
        match found {
            Some(found) if found.dims() == own.dims() => {
                let difference = (found.to_dtype(DType::F64)? - own.to_dtype(DType::F64)?)?;
                if largest(&difference)? != 0.0 {
                    self.faults.push(format!("{name} is another in the export"));
                }
            }
            Some(_) => self.faults.push(format!("{name} has another shape in the export")),
            None => self.faults.push(format!("{name} is not in the export")),
        }
        Ok(())
    }
}

/// The largest absolute element of an f64 tensor; NaN where one is.
fn largest(tensor: &Tensor) -> candle_core::Result<f64> {
    let values = tensor.abs()?.flatten_all()?.to_vec1::<f64>()?;
    Ok(values.into_iter().fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a }))
}
