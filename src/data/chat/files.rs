//! The chat template and the special tokens, out of the files beside a tokenizer.

use super::error::ChatError;
use crate::data::error::kind;

use serde_json::{Map, Value};

/// Special tokens that every tokenizer of transformers can have.
const NAMED: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The object that a JSON file holds.
pub(super) fn object(file: &'static str, bytes: &[u8]) -> Result<Map<String, Value>, ChatError> {
    serde_json::from_slice(bytes).map_err(|error| ChatError::Json { file, message: error.to_string() })
}

/// The source of the template: `chat_template.jinja` before what tokenizer_config.json says; of several, the default.
pub(super) fn source(config: &Map<String, Value>, jinja: Option<&str>) -> Result<Option<String>, ChatError> {
    if let Some(jinja) = jinja {
        return Ok(Some(jinja.to_owned()));
    }
    let named: Vec<(&str, &str)> = match config.get("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(template)) => return Ok(Some(template.clone())),
        Some(Value::Object(templates)) => {
            templates.iter().filter_map(|(name, template)| Some((name.as_str(), template.as_str()?))).collect()
        }
        Some(Value::Array(templates)) => templates
            .iter()
            .filter_map(|entry| Some((entry.get("name")?.as_str()?, entry.get("template")?.as_str()?)))
            .collect(),
        Some(other) => return Err(ChatError::Shape { seen: kind(other) }),
    };
    match named.iter().find(|(name, _)| *name == "default") {
        Some((_, template)) => Ok(Some((*template).to_owned())),
        None if named.is_empty() => Err(ChatError::Shape { seen: "a list without such entries" }),
        None => Err(ChatError::NoDefault { names: named.into_iter().map(|(name, _)| format!("\"{name}\"")).collect() }),
    }
}

/// Special tokens by name, as transformers gives them to the template: texts, or objects with the text as `content`.
pub(super) fn special_tokens(config: &Map<String, Value>, map: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut tokens = Map::new();
    let mut take = |from: &Map<String, Value>| {
        for (name, value) in from {
            let text = match value {
                Value::String(text) if name.ends_with("_token") => text,
                Value::Object(token) if NAMED.contains(&name.as_str()) => match token.get("content") {
                    Some(Value::String(text)) => text,
                    _ => continue,
                },
                _ => continue,
            };
            tokens.insert(name.clone(), Value::String(text.clone()));
        }
        // Names that only this model has, e.g. image_token.
        if let Some(Value::Object(extra)) = from.get("extra_special_tokens") {
            tokens.extend(extra.iter().filter(|(_, token)| token.is_string()).map(|(n, t)| (n.clone(), t.clone())));
        }
    };
    take(config);
    // transformers leaves the older file out where the newer one lists the added tokens.
    if let Some(map) = map
        && !config.contains_key("added_tokens_decoder")
    {
        take(map);
    }
    tokens
}
