//! The files of a base model as a folder that transformers loads.

use crate::model::ModelFiles;
use crate::model::source::Weights;
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// Special tokens by the key of `tokenizer_config.json`, and how they are spelled.
const SPECIAL: [(&str, [&str; 2]); 6] = [
    ("pad_token", ["[PAD]", "<pad>"]),
    ("unk_token", ["[UNK]", "<unk>"]),
    ("cls_token", ["[CLS]", "<s>"]),
    ("sep_token", ["[SEP]", "</s>"]),
    ("mask_token", ["[MASK]", "<mask>"]),
    ("bos_token", ["<s>", "<|endoftext|>"]),
];

/// Writes a built-in model into a new folder.
///
/// # Errors
/// Those of the file system.
pub fn write_builtin(files: &ModelFiles, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::write(folder.join("config.json"), &files.config.bytes)?;
    fs::write(folder.join("tokenizer.json"), &files.tokenizer.bytes)?;
    fs::write(folder.join("tokenizer_config.json"), format!("{:#}\n", tokenizer_config(files)))?;
    if let Weights::Embedded { bytes, .. } = files.weights {
        fs::write(folder.join("model.safetensors"), bytes)?;
    }
    Ok(())
}

/// A `tokenizer_config.json` for a model that has none: the tokenizer as it stands in `tokenizer.json`, which the class of
/// a model type would build anew, and the names of its special tokens.
pub fn tokenizer_config(files: &ModelFiles) -> Value {
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (tokenizer, config) = (json(&files.tokenizer.bytes), json(&files.config.bytes));
    let added: Vec<&str> = tokenizer["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| token["content"].as_str())
        .collect();
    let mut map = Map::from_iter([("tokenizer_class".to_string(), json!("PreTrainedTokenizerFast"))]);
    if let Some(most) = config["max_position_embeddings"].as_u64() {
        map.insert("model_max_length".into(), json!(most));
    }
    for (key, spellings) in SPECIAL {
        if let Some(token) = spellings.iter().find(|token| added.contains(token)) {
            map.insert(key.into(), json!(token));
        }
    }
    Value::Object(map)
}
