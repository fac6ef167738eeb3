//! `vocab.txt`: WordPiece as BERT has it, one token a line.

use super::super::source::{NamedBytes, SourceError};
use super::added::{Vocabulary, in_order};
use super::settings::Settings;
use super::{MOST_TOKENS, Parts, bert_template};
use crate::data::error::shown;
use serde_json::json;
use std::collections::HashMap;

const DEFAULTS: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// The parts, and what to tell of the settings.
pub fn parts(file: &NamedBytes, settings: &Settings) -> Result<(Parts, &'static str), SourceError> {
    let ids = read(file)?;
    let listed = in_order(&ids);
    let size = ids.len();
    let vocabulary = Vocabulary::new(ids, size, settings, &DEFAULTS, Vec::new())?;
    let unknown = vocabulary.name("unk_token", "[UNK]").to_owned();
    if !listed.contains_key(&unknown) {
        let problem = format!("it has no line {}: it is not the vocabulary of a BERT", shown(&unknown));
        return Err(SourceError::Vocabulary { file: file.name.clone(), problem });
    }
    let (cls, sep) = (vocabulary.name("cls_token", "[CLS]"), vocabulary.name("sep_token", "[SEP]"));
    let lowercase = settings.flag("do_lower_case")?;
    let parts = Parts {
        normalizer: json!({
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": settings.flag("tokenize_chinese_chars")?.unwrap_or(true),
            "strip_accents": settings.flag("strip_accents")?,
            "lowercase": lowercase.unwrap_or(true),
        }),
        pre_tokenizer: json!({"type": "BertPreTokenizer"}),
        post_processor: bert_template(cls, sep, &vocabulary),
        decoder: json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
        model: json!({
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": listed,
        }),
        vocabulary,
    };
    let note = match lowercase {
        None => "; no tokenizer_config.json says do_lower_case, so texts are lowered, as transformers does it",
        Some(_) => "",
    };
    Ok((parts, note))
}

/// Ids by token: the number of its line. A token that is there twice has its last line, an empty line is none.
fn read(file: &NamedBytes) -> Result<HashMap<String, u32>, SourceError> {
    let broken = |problem: String| SourceError::Vocabulary { file: file.name.clone(), problem };
    let mut ids = HashMap::new();
    for (id, line) in (0..).zip(file.bytes.split(|byte| *byte == b'\n')) {
        if id as usize >= MOST_TOKENS {
            return Err(broken(format!("more than {MOST_TOKENS} lines")));
        }
        let token = std::str::from_utf8(line).map_err(|_| broken(format!("line {} is not UTF-8 text", id + 1)))?;
        let token = token.trim_end();
        if !token.is_empty() {
            ids.insert(token.to_owned(), id);
        }
    }
    Ok(ids)
}
