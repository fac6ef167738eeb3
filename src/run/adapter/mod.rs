//! Adapters in PEFT's format (method.md, "PEFT's adapter format"): read from a folder, whoever wrote them.

pub mod config;
pub mod pattern;

pub use config::LoraConfig;

use crate::data::error::{nearest_sibling, shown};
use crate::experiment::regular;
use crate::model::checkpoint::Checkpoint;
use crate::model::lora::{a_name, b_name};
use crate::model::{ModelError, Weights};
use candle_core::{DType, Device, Tensor};
use std::path::Path;

/// Names of PEFT's files.
pub const CONFIG: &str = "adapter_config.json";
pub const TENSORS: &str = "adapter_model.safetensors";
/// What PEFT puts before the path of a module in the names of tensors.
pub const PREFIX: &str = "base_model.model.";

/// Why an adapter cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    #[error("{path}: {problem}")]
    File { path: String, problem: String },
    #[error(transparent)]
    Tensor(#[from] ModelError),
    #[error("adapter tensors: {0}")]
    Candle(#[from] candle_core::Error),
}

/// An adapter as a folder holds it.
pub struct Adapter {
    pub config: LoraConfig,
    /// A, B and whole modules by their names in the model, without PEFT's prefix; f32 on the CPU.
    pub tensors: Weights,
    /// The file of the tensors, for messages.
    pub file: String,
}

impl Adapter {
    /// Reads `adapter_config.json` and `adapter_model.safetensors`. Names with and without PEFT's prefix are taken.
    ///
    /// # Errors
    /// A file that is missing or broken, with what is there instead; an adapter that is not plain LoRA; factors whose
    /// shapes and ranks do not fit each other.
    pub fn read(folder: &Path) -> Result<Adapter, AdapterError> {
        let path = folder.join(CONFIG);
        let text = regular::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => no_config(folder),
            _ => wrong(&path, format!("cannot be read: {error}")),
        })?;
        let config = LoraConfig::parse(&text, &path.display().to_string())?;
        let path = folder.join(TENSORS);
        if !path.is_file() {
            return Err(no_tensors(folder));
        }
        let checkpoint = Checkpoint::from_files(&[&path])?;
        let mut tensors = Weights::new();
        for name in checkpoint.names() {
            let Some(tensor) = checkpoint.tensor(name)? else { continue };
            let own = name.strip_prefix(PREFIX).unwrap_or(name);
            let tensor = tensor.to_dtype(DType::F32)?.contiguous()?;
            if tensors.insert(own.to_owned(), tensor).is_some() {
                return Err(wrong(
                    &path,
                    format!("the tensor {} is there twice, with and without {PREFIX}", shown(own)),
                ));
            }
        }
        let adapter = Adapter { config, tensors, file: path.display().to_string() };
        adapter.check()?;
        Ok(adapter)
    }

    /// Paths of the modules with factors, in the order of their names.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().filter_map(|name| name.strip_suffix(".lora_A.weight"))
    }

    /// The tensors that are no factors: whole modules, such as the head.
    pub fn saved(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().filter(|(name, _)| !name.contains(".lora_")).map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// A (r, in), B (out, r) and the scale of a module.
    pub fn factors(&self, path: &str) -> Option<(&Tensor, &Tensor, f64)> {
        let of = |name: String| self.tensors.get(&name);
        Some((of(a_name(path))?, of(b_name(path))?, self.config.scale_of(path)))
    }

    /// Every factor is one of a pair with the rank that the configuration says.
    fn check(&self) -> Result<(), AdapterError> {
        let wrong = |problem: String| AdapterError::File { path: self.file.clone(), problem };
        for (name, tensor) in self.tensors.iter().filter(|(name, _)| name.contains(".lora_")) {
            let pair = [".lora_A.weight", ".lora_B.weight"].into_iter().find_map(|end| name.strip_suffix(end));
            let Some(path) = pair else {
                return Err(wrong(format!("the tensor {} is neither A nor B of a linear layer", shown(name))));
            };
            let Some((a, b, _)) = self.factors(path) else {
                return Err(wrong(format!("of A and B of {} only one is there, {}", shown(path), shown(name))));
            };
            let rank = self.config.rank_of(path);
            match (a.dims(), b.dims()) {
                ([ra, _], [_, rb]) if ra == rb && *ra == rank => {}
                (a, b) => {
                    let problem = format!("{}: A is {a:?} and B {b:?}, where {CONFIG} says rank {rank}", shown(path));
                    return Err(wrong(problem));
                }
            }
            if tensor.elem_count() == 0 {
                return Err(wrong(format!("the tensor {} is empty", shown(name))));
            }
        }
        Ok(())
    }
}

/// s B A in f64, (out, in).
pub fn delta(a: &Tensor, b: &Tensor, scale: f64) -> candle_core::Result<Tensor> {
    let on_cpu = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    on_cpu(b)?.matmul(&on_cpu(a)?)? * scale
}

fn wrong(path: &Path, problem: String) -> AdapterError {
    AdapterError::File { path: path.display().to_string(), problem }
}

/// Why there is no `adapter_config.json` in `folder`, as far as what is there tells.
fn no_config(folder: &Path) -> AdapterError {
    let needed = format!("an adapter is a folder with {CONFIG} and {TENSORS}, as PEFT's save_pretrained writes it");
    if folder.is_file() {
        return wrong(folder, format!("is a file; {needed}"));
    }
    if !folder.is_dir() {
        let nearest = nearest_sibling(folder).map_or(String::new(), |near| format!("; did you mean {near}?"));
        return wrong(folder, format!("no such folder{nearest} ({needed})"));
    }
    let holds = |name: &str| folder.join(name).is_file();
    if holds("run.json") {
        let adapter = folder.join("adapter");
        let problem = match adapter.join(CONFIG).is_file() {
            true => format!("is a run, not an adapter; its adapter is {}", adapter.display()),
            false => "is a run that has no adapter yet; autolora resume goes on with it".into(),
        };
        return wrong(folder, problem);
    }
    let below: Vec<String> =
        entries(folder).into_iter().filter(|name| folder.join(name).join(CONFIG).is_file()).collect();
    if !below.is_empty() {
        let folders: Vec<String> = below.iter().map(|name| folder.join(name).display().to_string()).collect();
        return wrong(folder, format!("has no {CONFIG} of its own; did you mean {}?", folders.join(" or ")));
    }
    if holds("config.json") {
        let problem = "is a model, not an adapter: it has config.json; a model is given as model.id (or --model)";
        return wrong(folder, problem.into());
    }
    let present = entries(folder);
    let present = if present.is_empty() { "it is empty".into() } else { format!("it has {}", present.join(", ")) };
    wrong(folder, format!("has no {CONFIG}: {needed}; {present}"))
}

/// Why there are no tensors that can be read.
fn no_tensors(folder: &Path) -> AdapterError {
    let path = folder.join(TENSORS);
    if folder.join("adapter_model.bin").is_file() {
        let problem = "is not there, only adapter_model.bin, a pickle, which could run any code and is not read; where you \
                       trust it: model.save_pretrained(DIR, safe_serialization=True) in Python makes the other";
        return wrong(&path, problem.into());
    }
    if folder.join("adapter_model.safetensors.index.json").is_file() {
        return wrong(&path, "is not there, only shards of it; save the adapter as one file".into());
    }
    wrong(&path, format!("is not there; the folder has {}", entries(folder).join(", ")))
}

/// The first names in a folder, sorted.
fn entries(folder: &Path) -> Vec<String> {
    const MOST: usize = 12;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| shown(&entry.file_name().to_string_lossy())).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests;
