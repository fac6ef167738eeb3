//! `lora.init_from`: a PEFT adapter whose A, B and head a search starts from, unchanged.

use crate::data::error::shown;
use crate::experiment::LoraSettings;
use crate::model::checkpoint::Checkpoint;
use crate::model::lora::{a_name, b_name};
use crate::model::{ModelError, Weights};
use crate::run::adapter::{Adapter, AdapterError};
use candle_core::{DType, Device};
use std::path::Path;

/// Why an adapter cannot be started from.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("lora.init_from: {file}: {problem}")]
    Unfit { file: String, problem: String },
    #[error("lora.init_from: {0}")]
    Adapter(#[from] AdapterError),
    #[error("lora.init_from: {0}")]
    Tensor(#[from] ModelError),
}

/// Reads `folder`: every module of the run must be there with rank `lora.rank`, and the head. What of the adapter is
/// otherwise than in the run, and does not keep it from starting, is said in words.
///
/// `modules`: path, inputs, outputs. `head`: names and shapes. f32 on `device`.
///
/// # Errors
/// A folder that is no adapter; one of another rank or scale rule; tensors that are missing or of another shape.
pub fn load(
    folder: &Path,
    lora: &LoraSettings,
    modules: &[(String, usize, usize)],
    head: &[(String, Vec<usize>)],
    device: &Device,
) -> Result<(Weights, Vec<String>), InitError> {
    let adapter = Adapter::read(folder)?;
    let unfit = |problem: String| InitError::Unfit { file: folder.display().to_string(), problem };
    if adapter.config.use_rslora {
        let problem = "use_rslora: its scale is lora_alpha / sqrt(r), that of the search lora.alpha / lora.rank; scale B and \
                       save it without";
        return Err(unfit(problem.into()));
    }
    for path in adapter.modules() {
        let found = adapter.config.rank_of(path);
        if found != lora.rank {
            let problem =
                format!("rank {found} in {}, but lora.rank is {}: they must be equal", shown(path), lora.rank);
            return Err(unfit(problem));
        }
    }
    let said = differences(&adapter, lora, modules);
    let tensors = Checkpoint::from_tensors(adapter.tensors, &adapter.file);
    let factors = modules.iter().flat_map(|(path, inputs, outputs)| {
        [(a_name(path), vec![lora.rank, *inputs]), (b_name(path), vec![*outputs, lora.rank])]
    });
    let mut weights = Weights::new();
    for (name, shape) in factors.chain(head.iter().cloned()) {
        let tensor = tensors.get(&name, &shape, DType::F32, device)?;
        weights.insert(name, tensor);
    }
    Ok((weights, said))
}

/// What the search makes of the adapter that the adapter itself does not.
fn differences(adapter: &Adapter, lora: &LoraSettings, modules: &[(String, usize, usize)]) -> Vec<String> {
    let mut said = Vec::new();
    let scale = lora.alpha / lora.rank as f64;
    let other = adapter.modules().find(|path| (adapter.config.scale_of(path) / scale - 1.0).abs() > 1e-9);
    if let Some(path) = other {
        said.push(format!(
            "the adapter scales {} by {}, the search by lora.alpha / lora.rank = {scale}: the updates start at another size; \
             lora.alpha = {} keeps it",
            shown(path),
            adapter.config.scale_of(path),
            adapter.config.scale_of(path) * lora.rank as f64,
        ));
    }
    let left: Vec<&str> = adapter.modules().filter(|path| modules.iter().all(|(known, ..)| known != path)).collect();
    if let Some(first) = left.first() {
        said.push(format!(
            "{} of the adapter's modules are no targets of the run and are left out, the first {}; lora.targets names the \
             targets",
            left.len(),
            shown(first)
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;
    use serde_json::{Value, json};
    use std::collections::HashMap;

    /// An adapter with factors of rank 2 for `m.a` and `m.b` and a head, saved with these changes to its configuration.
    fn adapter(changes: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4});
        changes.iter().for_each(|(key, value)| config[key] = value.clone());
        std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
        let ones = |shape: (usize, usize)| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let mut tensors = HashMap::from([("base_model.model.classifier.weight".to_string(), ones((2, 4)))]);
        for path in ["m.a", "m.b"] {
            tensors.insert(format!("base_model.model.{path}.lora_A.weight"), ones((2, 3)));
            tensors.insert(format!("base_model.model.{path}.lora_B.weight"), ones((4, 2)));
        }
        candle_core::safetensors::save(&tensors, folder.path().join("adapter_model.safetensors")).unwrap();
        folder
    }

    fn start(folder: &Path, rank: usize, alpha: f64, modules: &[&str]) -> Result<(Weights, Vec<String>), String> {
        let lora = LoraSettings { rank, alpha, ..LoraSettings::default() };
        let modules: Vec<_> = modules.iter().map(|path| (path.to_string(), 3, 4)).collect();
        load(folder, &lora, &modules, &[("classifier.weight".into(), vec![2, 4])], &Device::Cpu)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_adapter_that_fits_is_taken_without_a_word() {
        let (weights, said) = start(adapter(&[]).path(), 2, 4.0, &["m.a", "m.b"]).unwrap();
        assert_eq!((weights.len(), said), (5, Vec::<String>::new()));
    }

    #[test]
    fn what_the_search_changes_is_said() {
        let (weights, said) = start(adapter(&[]).path(), 2, 16.0, &["m.a"]).unwrap();
        assert_eq!(weights.len(), 3);
        assert!(said[0].contains("by 2") && said[0].contains("lora.alpha = 4 keeps it"), "{said:?}");
        assert!(said[1].contains("the first m.b"), "{said:?}");
    }

    #[test]
    fn an_adapter_that_would_start_as_another_is_refused() {
        let wrong_rank = start(adapter(&[]).path(), 3, 4.0, &["m.a"]).unwrap_err();
        assert!(wrong_rank.contains("rank 2 in m.a, but lora.rank is 3"), "{wrong_rank}");
        let rslora = start(adapter(&[("use_rslora", json!(true))]).path(), 2, 4.0, &["m.a"]).unwrap_err();
        assert!(rslora.contains("sqrt(r)"), "{rslora}");
        let missing = start(adapter(&[]).path(), 2, 4.0, &["m.a", "m.c"]).unwrap_err();
        assert!(missing.contains("`m.c.lora_A.weight` of shape [2, 3] is missing"), "{missing}");
        let nothing = start(Path::new("no/such/folder"), 2, 4.0, &[]).unwrap_err();
        assert!(nothing.starts_with("lora.init_from: no/such/folder: no such folder"), "{nothing}");
    }
}
