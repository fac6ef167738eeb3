//! `lora.init_from`: a PEFT adapter whose A, B and head a search starts from, unchanged.

use crate::model::ModelError;
use crate::model::Weights;
use crate::model::checkpoint::Checkpoint;
use crate::model::lora::{a_name, b_name};
use candle_core::{DType, Device};
use serde_json::Value;
use std::path::Path;

/// Why an adapter cannot be started from.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("lora.init_from: {path}: {problem}")]
    File { path: String, problem: String },
    #[error("lora.init_from: {0}")]
    Tensor(#[from] ModelError),
}

/// Reads `folder`: every module of the run must be there with rank `rank` (= lora.rank), and the head.
///
/// `modules`: path, inputs, outputs. `head`: names and shapes. f32 on `device`.
pub fn load(
    folder: &Path,
    rank: usize,
    modules: &[(String, usize, usize)],
    head: &[(String, Vec<usize>)],
    device: &Device,
) -> Result<Weights, InitError> {
    let config_path = folder.join("adapter_config.json");
    let wrong = |path: &Path, problem: String| InitError::File { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(&config_path).map_err(|e| wrong(&config_path, e.to_string()))?;
    let config: Value = serde_json::from_str(&text).map_err(|e| wrong(&config_path, format!("not valid JSON: {e}")))?;
    if config["peft_type"].as_str().is_some_and(|kind| kind != "LORA") {
        return Err(wrong(&config_path, format!("peft_type is {}, not \"LORA\"", config["peft_type"])));
    }
    let other = |found: &Value| found.as_u64().is_some_and(|r| r != rank as u64);
    let patterns = config["rank_pattern"].as_object().into_iter().flatten().map(|(_, r)| r);
    if let Some(found) = std::iter::once(&config["r"]).chain(patterns).find(|r| other(r)) {
        return Err(wrong(&config_path, format!("rank {found}, but lora.rank is {rank}: they must be equal")));
    }
    let tensors = folder.join("adapter_model.safetensors");
    if !tensors.is_file() {
        return Err(wrong(&tensors, "is not there (an adapter as PEFT's save_pretrained writes it is needed)".into()));
    }
    let checkpoint = Checkpoint::from_files(&[&tensors])?;
    let mut weights = Weights::new();
    let mut take = |name: String, shape: &[usize]| -> Result<(), InitError> {
        let stored = format!("base_model.model.{name}");
        let tensor = checkpoint.get(&stored, shape, DType::F32, device)?;
        weights.insert(name, tensor);
        Ok(())
    };
    for (path, inputs, outputs) in modules {
        take(a_name(path), &[rank, *inputs])?;
        take(b_name(path), &[*outputs, rank])?;
    }
    for (name, shape) in head {
        take(name.clone(), shape)?;
    }
    Ok(weights)
}
