//! The adapter folded into the base: a model directory as transformers' `from_pretrained` loads it.

use super::facts::{id2label, label2id};
use super::learned::Learned;
use super::readback::stored_delta;
use super::{ExportError, base, card, check_free, passport, readback, write, write_json, write_tensors};
use crate::data::hub::Hub;
use crate::experiment::Task;
use crate::model::config::Family;
use crate::model::head::Plan;
use crate::model::{DecoderConfig, ModelConfig, ModelError, Weights};
use crate::run::base::{Base, head_kind};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a tokenizer beside `tokenizer.json`.
const TOKENIZER_FILES: [&str; 6] =
    ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"];

/// The same of a model that writes.
const WRITING_FILES: [&str; 3] = ["generation_config.json", "chat_template.jinja", "tokenizer.model"];

/// Bytes of a file of tensors at most, as transformers has it.
const SHARD: usize = 5_000_000_000;

/// Writes a model: `config.json`, tensors in f32 under the names of the task class, the tokenizer's files, card, passport and
/// sidecar.
///
/// # Errors
/// As [`super::peft`]; also a base that lacks a weight that the run trained on.
pub fn merged(learned: &Learned, base: &Base, hub: &Hub, folder: &Path) -> Result<super::Exported, ExportError> {
    merged_in_shards(learned, base, hub, folder, SHARD)
}

pub(super) fn merged_in_shards(
    learned: &Learned,
    from: &Base,
    hub: &Hub,
    folder: &Path,
    shard: usize,
) -> Result<super::Exported, ExportError> {
    check_free(learned, "merged", folder)?;
    if !from.is_recorded_in(&learned.facts.sha256)? {
        return Err(ExportError::OtherBase { model: learned.facts.base_name() });
    }
    let task = learned.facts.experiment.data.task;
    // transformers 5 would build DeBERTa's tokenizer without its normaliser; the built tokenizer.json is complete.
    let (class, before, complete) = match &from.config {
        ModelConfig::Encoder(encoder) => {
            let complete = from.files.tokenizer_notice.is_some() && matches!(encoder.family, Family::DebertaV2(_));
            (encoder.family.architecture(head_kind(task)), base_tensors(from, task)?, complete)
        }
        ModelConfig::Decoder(decoder) => (decoder.family.architecture(), decoder_tensors(from, decoder)?, false),
    };
    let config = config(from, learned, class)?;
    let more: &[&str] = if task == Task::Generation { &WRITING_FILES } else { &[] };
    let companions = TOKENIZER_FILES
        .iter()
        .chain(more)
        .filter(|_| !complete)
        .filter_map(|name| {
            from.companion(name, hub).map_err(ExportError::from).map(|found| Some((*name, found?))).transpose()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let passport = passport::of_model(class);
    write(learned, folder, json!({"format": "merged", "architecture": class}), passport, |at, passport| {
        write_json(at, "config.json", &config)?;
        let shards = write_shards(at, merge(learned, &before)?, shard)?;
        fs::write(at.join("tokenizer.json"), &from.files.tokenizer.bytes)?;
        for (name, bytes) in &companions {
            fs::write(at.join(name), bytes)?;
        }
        if !companions.iter().any(|(name, _)| *name == TOKENIZER_FILES[0]) {
            write_json(at, TOKENIZER_FILES[0], &base::tokenizer_config(&from.files))?;
        }
        let readback = readback::of_model(&shards, learned, &before)?;
        fs::write(at.join("README.md"), card::text(learned, card::Of::Merged, &readback, passport))?;
        write_json(at, "passport.json", &passport::to_json(passport))?;
        Ok(Some(readback))
    })
}

/// The base's tensors that the task class has, in f32 under its names; without the part of the head that was trained.
fn base_tensors(base: &Base, task: Task) -> Result<Weights, ExportError> {
    let config = base.encoder()?;
    let prefix = format!("{}.", config.family.prefix());
    let stored = base.checkpoint.encoder_prefix(config.family.prefix());
    let dense = Plan::of(config, head_kind(task)).dense.filter(|dense| !dense.always_trained);
    let of_head: Vec<String> =
        dense.iter().flat_map(|dense| dense.shapes(config.hidden_size)).map(|(name, _)| name).collect();
    let mut tensors = Weights::new();
    for name in base.checkpoint.names() {
        // Old checkpoints call the weight and bias of a norm so.
        let own = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
        let own = match own.strip_prefix(&stored) {
            Some(rest) if !of_head.contains(&own) => format!("{prefix}{rest}"),
            _ => own,
        };
        let in_encoder = own.starts_with(&prefix) && !own.starts_with(&format!("{prefix}pooler."));
        if let (true, Some(tensor)) = (in_encoder || of_head.contains(&own), base.checkpoint.tensor(name)?) {
            tensors.insert(own, tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?);
        }
    }
    Ok(tensors)
}

/// A decoder's tensors under the names of its class, in f32; buffers and an output layer that is the embeddings are left out.
fn decoder_tensors(base: &Base, config: &DecoderConfig) -> Result<Weights, ExportError> {
    let prefix = format!("{}.", config.family.prefix());
    let bare = base.checkpoint.encoder_prefix(config.family.prefix()).is_empty();
    let is_buffer = |name: &str| {
        let ends = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];
        ends.iter().any(|end| name.ends_with(end)) || (config.tied && name == OUTPUT)
    };
    let mut tensors = Weights::new();
    for name in base.checkpoint.names().filter(|name| !is_buffer(name)) {
        let own = if bare && name != OUTPUT { format!("{prefix}{name}") } else { name.to_owned() };
        if let (true, Some(tensor)) = (own.starts_with(&prefix) || own == OUTPUT, base.checkpoint.tensor(name)?) {
            tensors.insert(own, tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?);
        }
    }
    Ok(tensors)
}

/// The output layer of a decoder.
const OUTPUT: &str = "lm_head.weight";

/// W0 + Delta W, rounded once, for every module; the base's other tensors and the head as they are.
fn merge(learned: &Learned, base: &Weights) -> Result<Weights, ExportError> {
    let mut tensors = base.clone();
    tensors.extend(learned.head().map(|(name, tensor)| (name.clone(), tensor.clone())));
    for module in learned.present() {
        let name = format!("{}.weight", module.path);
        let Some(before) = base.get(&name) else {
            return Err(ModelError::File {
                file: learned.facts.base_name(),
                problem: format!("it has no {name}, which the run trained on: it is not the model of the run any more"),
            }
            .into());
        };
        let after = (before.to_dtype(DType::F64)? + stored_delta(learned, module)?)?;
        tensors.insert(name, after.to_dtype(DType::F32)?);
    }
    Ok(tensors)
}

/// The base's `config.json`, with the head and the labels of the run.
fn config(base: &Base, learned: &Learned, class: &str) -> Result<Value, ExportError> {
    let file = &base.files.config;
    let mut config: Value = serde_json::from_slice(&file.bytes)
        .map_err(|e| ModelError::Config { file: file.name.clone(), problem: format!("not valid JSON: {e}") })?;
    let facts = &learned.facts;
    let labels = match facts.labels.as_slice() {
        [] => vec!["LABEL_0".to_string()],
        names => names.to_vec(),
    };
    config["architectures"] = json!([class]);
    if facts.experiment.data.task != Task::Generation {
        config["num_labels"] = json!(facts.outputs());
        config["id2label"] = id2label(&labels);
        config["label2id"] = label2id(&labels);
    }
    config["dtype"] = json!("float32");
    if let Some(problem) = match facts.experiment.data.task {
        Task::Classification => Some("single_label_classification"),
        Task::Regression => Some("regression"),
        _ => None,
    } {
        config["problem_type"] = json!(problem);
    }
    if let Some(map) = config.as_object_mut() {
        // The older name of `dtype`, and where the base came from.
        ["torch_dtype", "_name_or_path"].into_iter().for_each(|key| drop(map.remove(key)));
    }
    Ok(config)
}

/// One file, or where that would be too large several with an index. Returns their paths.
fn write_shards(folder: &Path, tensors: Weights, most: usize) -> Result<Vec<PathBuf>, ExportError> {
    let bytes = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
    let total: usize = tensors.values().map(bytes).sum();
    let mut shards: Vec<(usize, Vec<(String, Tensor)>)> = vec![(0, Vec::new())];
    for (name, tensor) in tensors {
        let size = bytes(&tensor);
        if shards.last().is_some_and(|(used, _)| *used > 0 && used + size > most) {
            shards.push((0, Vec::new()));
        }
        if let Some((used, shard)) = shards.last_mut() {
            *used += size;
            shard.push((name, tensor));
        }
    }
    let count = shards.len();
    let mut weight_map = serde_json::Map::new();
    let mut paths = Vec::with_capacity(count);
    for (number, (_, shard)) in (1..).zip(shards) {
        let file = match count {
            1 => "model.safetensors".to_string(),
            _ => format!("model-{number:05}-of-{count:05}.safetensors"),
        };
        weight_map.extend(shard.iter().map(|(name, _)| (name.clone(), json!(file))));
        write_tensors(&folder.join(&file), shard)?;
        paths.push(folder.join(file));
    }
    if count > 1 {
        let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
        write_json(folder, "model.safetensors.index.json", &index)?;
    }
    Ok(paths)
}
