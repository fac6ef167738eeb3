//! A `tokenizer.json` for models that have their vocabulary in an older form, with what transformers' fast tokenizers
//! make of it: `vocab.txt`, `vocab.json` with `merges.txt`, or a SentencePiece model.

mod added;
mod byte_level;
mod charsmap;
mod sentence_piece;
mod settings;
mod unigram;
mod word_piece;

use super::source::{NamedBytes, SourceError};
use crate::data::error::shown;
use added::Vocabulary;
use serde_json::{Value, json};
use settings::Settings;

/// The file of a model by its name; `None` where it has none.
pub type Files<'a> = dyn FnMut(&str) -> Result<Option<NamedBytes>, SourceError> + 'a;

/// A tokenizer that was built.
pub struct Built {
    /// A tokenizer.json under the name of the vocabulary's file. Equal files give equal bytes.
    pub tokenizer: NamedBytes,
    /// What a user should know: from which files, and as which class.
    pub notice: String,
}

/// Most tokens of a vocabulary; the largest known have a million.
const MOST_TOKENS: usize = 4_000_000;
/// Most bytes of a vocabulary's file; the largest known have 20 MB.
pub const MOST_BYTES: u64 = 1 << 26;

/// The classes that are built here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WordPiece,
    ByteLevel,
    DebertaV2,
    XlmRoberta,
}

impl Kind {
    /// By the name of transformers' class, or where none is said by the model's type.
    fn of(class: Option<&str>, model_type: Option<&str>) -> Result<Option<Kind>, String> {
        let class = class.map(|class| class.strip_suffix("Fast").unwrap_or(class));
        Ok(match class {
            Some("BertTokenizer" | "DistilBertTokenizer" | "ElectraTokenizer") => Some(Kind::WordPiece),
            Some("RobertaTokenizer") => Some(Kind::ByteLevel),
            Some("DebertaV2Tokenizer") => Some(Kind::DebertaV2),
            Some("XLMRobertaTokenizer") => Some(Kind::XlmRoberta),
            None | Some("PreTrainedTokenizer" | "TokenizersBackend") => match model_type {
                Some("bert" | "distilbert") => Some(Kind::WordPiece),
                Some("roberta") => Some(Kind::ByteLevel),
                Some("deberta-v2") => Some(Kind::DebertaV2),
                Some("xlm-roberta") => Some(Kind::XlmRoberta),
                _ => None,
            },
            Some(other) => return Err(other.to_owned()),
        })
    }

    fn class(self) -> &'static str {
        match self {
            Kind::WordPiece => "BertTokenizer",
            Kind::ByteLevel => "RobertaTokenizer",
            Kind::DebertaV2 => "DebertaV2Tokenizer",
            Kind::XlmRoberta => "XLMRobertaTokenizer",
        }
    }

    /// Files of the vocabulary; all are needed.
    fn files(self) -> &'static [&'static str] {
        match self {
            Kind::WordPiece => &["vocab.txt"],
            Kind::ByteLevel => &["vocab.json", "merges.txt"],
            Kind::DebertaV2 => &["spm.model"],
            Kind::XlmRoberta => &["sentencepiece.bpe.model"],
        }
    }
}

/// Builds the tokenizer of the model whose `config.json` this is; `None` where it lacks the vocabulary's files, or its type
/// says no class that is built here.
///
/// # Errors
/// [`SourceError::Vocabulary`] on a broken file, [`SourceError::TokenizerClass`] on a class that is not built here.
pub fn build(config: &NamedBytes, files: &mut Files) -> Result<Option<Built>, SourceError> {
    let json: Value = serde_json::from_slice(&config.bytes).unwrap_or_default();
    let settings = Settings::read(files)?;
    let class = settings.text("tokenizer_class")?.or_else(|| json["tokenizer_class"].as_str().map(str::to_owned));
    let kind = Kind::of(class.as_deref(), json["model_type"].as_str())
        .map_err(|class| SourceError::TokenizerClass { class: shown(&class), config: config.name.clone() })?;
    let Some(kind) = kind else { return Ok(None) };
    let mut found = Vec::new();
    for name in kind.files() {
        let Some(file) = files(name)? else { return Ok(None) };
        if file.bytes.starts_with(b"version https://git-lfs.github.com") {
            let problem = "it is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`".into();
            return Err(SourceError::Vocabulary { file: file.name, problem });
        }
        found.push(file);
    }
    let (first, rest) = (&found[0], &found[1..]);
    let (parts, note) = match (kind, rest) {
        (Kind::WordPiece, _) => word_piece::parts(first, &settings)?,
        (Kind::ByteLevel, [merges, ..]) => (byte_level::parts(first, merges, &settings)?, ""),
        (Kind::ByteLevel, []) => return Ok(None),
        (Kind::DebertaV2, _) => (unigram::deberta_v2(first, &settings)?, ""),
        (Kind::XlmRoberta, _) => (unigram::xlm_roberta(first, &settings)?, ""),
    };
    let names = kind.files().join(" and ");
    let notice = format!("no tokenizer.json: the tokenizer is built from {names}, as a {}{note}", kind.class());
    let tokenizer = NamedBytes { name: first.name.clone(), bytes: parts.into_json().to_string().into_bytes() };
    Ok(Some(Built { tokenizer, notice }))
}

/// The parts of a tokenizer.json.
struct Parts {
    vocabulary: Vocabulary,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Value,
}

impl Parts {
    fn into_json(self) -> Value {
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.vocabulary.added(),
            "normalizer": self.normalizer,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": self.post_processor,
            "decoder": self.decoder,
            "model": self.model,
        })
    }
}

/// A template: `A` and `B` are the texts, others are special tokens; each with its segment.
fn template(single: &[(&str, u32)], pair: &[(&str, u32)], vocabulary: &Vocabulary) -> Value {
    let piece = |(name, type_id): &(&str, u32)| match *name {
        "A" | "B" => json!({"Sequence": {"id": name, "type_id": type_id}}),
        _ => json!({"SpecialToken": {"id": name, "type_id": type_id}}),
    };
    let mut tokens = serde_json::Map::new();
    for (name, _) in single.iter().filter(|(name, _)| *name != "A") {
        let id = vocabulary.id(name);
        tokens.insert((*name).to_owned(), json!({"id": name, "ids": [id], "tokens": [name]}));
    }
    json!({
        "type": "TemplateProcessing",
        "single": single.iter().map(piece).collect::<Vec<_>>(),
        "pair": pair.iter().map(piece).collect::<Vec<_>>(),
        "special_tokens": tokens,
    })
}

/// `[CLS] A [SEP] B [SEP]`, the second text in segment 1.
fn bert_template(cls: &str, sep: &str, vocabulary: &Vocabulary) -> Value {
    let single = [(cls, 0), ("A", 0), (sep, 0)];
    template(&single, &[(cls, 0), ("A", 0), (sep, 0), ("B", 1), (sep, 1)], vocabulary)
}
