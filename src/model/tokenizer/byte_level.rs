//! `vocab.json` and `merges.txt`: byte-level BPE as RoBERTa has it.

use super::super::source::{NamedBytes, SourceError};
use super::added::{Vocabulary, in_order};
use super::settings::Settings;
use super::{MOST_TOKENS, Parts};
use crate::data::error::shown;
use serde_json::{Value, json};
use std::collections::HashMap;

const DEFAULTS: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

pub fn parts(vocab: &NamedBytes, merges: &NamedBytes, settings: &Settings) -> Result<Parts, SourceError> {
    let ids = read(vocab)?;
    let merges = read_merges(merges, &ids)?;
    let listed = in_order(&ids);
    let size = ids.len();
    let vocabulary = Vocabulary::new(ids, size, settings, &DEFAULTS, Vec::new())?;
    let (cls, sep) = (vocabulary.name("cls_token", "<s>"), vocabulary.name("sep_token", "</s>"));
    let space = settings.flag("add_prefix_space")?.unwrap_or(false);
    let trim = settings.flag("trim_offsets")?.unwrap_or(true);
    Ok(Parts {
        normalizer: Value::Null,
        pre_tokenizer: json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true}),
        post_processor: json!({
            "type": "RobertaProcessing",
            "sep": [sep, vocabulary.id(sep)],
            "cls": [cls, vocabulary.id(cls)],
            "trim_offsets": trim,
            "add_prefix_space": space,
        }),
        decoder: json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
        model: json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": listed,
            "merges": merges,
        }),
        vocabulary,
    })
}

fn read(file: &NamedBytes) -> Result<HashMap<String, u32>, SourceError> {
    let broken = |problem: String| SourceError::Vocabulary { file: file.name.clone(), problem };
    let ids: HashMap<String, u32> = serde_json::from_slice(&file.bytes)
        .map_err(|error| broken(format!("it is not one JSON object of tokens and ids: {error}")))?;
    if ids.is_empty() {
        return Err(broken("it has no tokens".into()));
    }
    match ids.iter().find(|(_, id)| **id as usize >= MOST_TOKENS) {
        None => Ok(ids),
        Some((token, id)) => Err(broken(format!("{} has the id {id}; at most {MOST_TOKENS} are read", shown(token)))),
    }
}

/// Two tokens a line, the first merged first; `#version` lines and empty ones are none.
fn read_merges(file: &NamedBytes, ids: &HashMap<String, u32>) -> Result<Vec<[String; 2]>, SourceError> {
    let broken = |problem: String| SourceError::Vocabulary { file: file.name.clone(), problem };
    let mut merges = Vec::new();
    for (number, line) in (1..).zip(file.bytes.split(|byte| *byte == b'\n')) {
        let line = std::str::from_utf8(line).map_err(|_| broken(format!("line {number} is not UTF-8 text")))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        let parts: Vec<&str> = line.splitn(3, ' ').collect();
        let [left, right] = parts[..] else {
            return Err(broken(format!("line {number} is not two tokens with a space between: {}", shown(line))));
        };
        let whole = format!("{left}{right}");
        if let Some(absent) = [left, right, &whole].into_iter().find(|token| !ids.contains_key(*token)) {
            let absent = shown(absent);
            return Err(broken(format!(
                "line {number}: vocab.json has no {absent}; the two files do not belong together"
            )));
        }
        merges.push([left.to_owned(), right.to_owned()]);
    }
    Ok(merges)
}
