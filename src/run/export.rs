//! The adapter in PEFT's format (method.md, "PEFT's adapter format"; PEFT 0.21, `save_pretrained`).

use crate::experiment::ScaleRule;
use crate::model::Weights;
use crate::model::head::saved_module;
use crate::run::directory::RunDir;
use candle_core::Device;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// Why an adapter could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("adapter tensors: {0}")]
    Tensors(#[from] candle_core::Error),
    #[error("adapter_config.json: {0}")]
    Json(#[from] serde_json::Error),
}

/// What an adapter holds.
pub struct Adapter {
    pub base_model: String,
    /// Rank of each module by full path, in model order; 0 leaves the module out.
    pub ranks: Vec<(String, usize)>,
    /// k of the search: the denominator of a constant scale.
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    pub scale: ScaleRule,
    /// A, B and head, named as in PEFT without `base_model.model.`.
    pub weights: Weights,
}

/// Prefix of every tensor in PEFT's file.
const PREFIX: &str = "base_model.model.";

impl Adapter {
    /// The text of `adapter_config.json`: r and lora_alpha of the commonest rank, the others in the patterns, under full
    /// module paths, which every version of PEFT matches alike.
    pub fn config(&self) -> Value {
        let present: Vec<&(String, usize)> = self.ranks.iter().filter(|(_, rank)| *rank > 0).collect();
        let commonest = commonest(present.iter().map(|(_, rank)| *rank)).unwrap_or(self.rank);
        let alpha = |rank: usize| match self.scale {
            ScaleRule::AlphaOverRank => self.alpha,
            ScaleRule::Constant => self.alpha / self.rank as f64 * rank as f64,
        };
        let mut rank_pattern = Map::new();
        let mut alpha_pattern = Map::new();
        for (path, rank) in &present {
            if *rank != commonest {
                rank_pattern.insert(path.clone(), json!(rank));
            }
            if alpha(*rank) != alpha(commonest) {
                alpha_pattern.insert(path.clone(), number(alpha(*rank)));
            }
        }
        let heads: BTreeSet<&str> =
            self.weights.keys().filter(|name| !name.contains(".lora_")).map(|name| saved_module(name)).collect();
        json!({
            "peft_type": "LORA",
            "task_type": "SEQ_CLS",
            "base_model_name_or_path": self.base_model,
            "r": commonest,
            "lora_alpha": number(alpha(commonest)),
            "lora_dropout": self.dropout,
            "target_modules": present.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            "modules_to_save": heads,
            "rank_pattern": rank_pattern,
            "alpha_pattern": alpha_pattern,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "use_rslora": false,
            "use_dora": false,
        })
    }

    /// Writes `adapter_config.json` and `adapter_model.safetensors` into `folder`, whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<(), ExportError> {
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |source| ExportError::Io { path, source }
        };
        let temporary = folder.with_extension("tmp");
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(io(&temporary))?;
        }
        fs::create_dir_all(&temporary).map_err(io(&temporary))?;
        let tensors: HashMap<String, candle_core::Tensor> = self
            .weights
            .iter()
            .map(|(name, tensor)| Ok((format!("{PREFIX}{name}"), tensor.to_device(&Device::Cpu)?.contiguous()?)))
            .collect::<candle_core::Result<_>>()?;
        let model = temporary.join("adapter_model.safetensors");
        let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
        safetensors::serialize_to_file(tensors, Some(metadata), &model)
            .map_err(|e| io(&model)(std::io::Error::other(e)))?;
        let config = temporary.join("adapter_config.json");
        let text = serde_json::to_string_pretty(&self.config())? + "\n";
        fs::write(&config, text).map_err(io(&config))?;
        for path in [&model, &config, &temporary] {
            fs::File::open(path).and_then(|file| file.sync_all()).map_err(io(path))?;
        }
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(io(folder))?;
        }
        fs::rename(&temporary, folder).map_err(io(folder))
    }

    /// Writes the adapter of a run to `<dir>/adapter`.
    pub fn write_run(&self, dir: &RunDir) -> Result<(), ExportError> {
        self.write(&dir.adapter_path())
    }
}

/// A whole number where it is one, as PEFT's own files have it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// The value that occurs most often, the largest of several.
fn commonest(values: impl Iterator<Item = usize>) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(value, count)| (*count, *value)).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(scale: ScaleRule) -> Adapter {
        let ranks = [("m.0.query", 2), ("m.0.value", 5), ("m.1.query", 0), ("m.1.value", 2)];
        Adapter {
            base_model: "base".into(),
            ranks: ranks.map(|(path, rank)| (path.to_string(), rank)).to_vec(),
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            scale,
            weights: Weights::new(),
        }
    }

    #[test]
    fn ranks_that_differ_go_into_the_pattern_and_rank_0_is_left_out() {
        let config = adapter(ScaleRule::AlphaOverRank).config();
        assert_eq!(config["r"], 2);
        assert_eq!(config["lora_alpha"], 16);
        assert_eq!(config["target_modules"], json!(["m.0.query", "m.0.value", "m.1.value"]));
        assert_eq!(config["rank_pattern"], json!({"m.0.value": 5}));
        assert_eq!(config["alpha_pattern"], json!({}));
    }

    #[test]
    fn a_constant_scale_makes_every_alpha_over_rank_the_scale_of_the_search() {
        let config = adapter(ScaleRule::Constant).config();
        assert_eq!((config["lora_alpha"].as_f64(), config["r"].as_f64()), (Some(4.0), Some(2.0)));
        assert_eq!(config["alpha_pattern"], json!({"m.0.value": 10}));
    }
}
