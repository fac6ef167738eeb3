//! SentencePiece unigram models: DeBERTa v2 and v3, and XLM-RoBERTa.

use super::super::source::{NamedBytes, SourceError};
use super::added::Vocabulary;
use super::sentence_piece::{Model, PieceKind};
use super::settings::{Settings, Token};
use super::{Parts, bert_template, charsmap, template};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokenizers::normalizers::precompiled::Precompiled;

const BRACKETS: [(&str, &str); 7] = [
    ("bos_token", "[CLS]"),
    ("eos_token", "[SEP]"),
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];
const ANGLES: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

/// As transformers' `DebertaV2Converter`, which normalises as the model was trained. The `DebertaV2Tokenizer` of
/// transformers 5 leaves the model's own normaliser out, so that an ellipsis or a ligature is unknown to it.
pub fn deberta_v2(file: &NamedBytes, settings: &Settings) -> Result<Parts, SourceError> {
    let model = Model::read(file)?;
    let mut normalizers = Vec::new();
    if settings.flag("do_lower_case")? == Some(true) {
        normalizers.push(json!({"type": "Lowercase"}));
    }
    normalizers.push(json!({"type": "Strip", "strip_left": true, "strip_right": true}));
    normalizers.extend(precompiled(file, &model.charsmap)?);
    normalizers.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    let mut pre_tokenizers = Vec::new();
    if settings.flag("split_by_punct")? == Some(true) {
        pre_tokenizers.push(json!({"type": "Punctuation", "behavior": "Isolated"}));
    }
    pre_tokenizers.push(metaspace(true));
    let own = own_tokens(&model);
    let pieces: Vec<(String, f32)> = model.pieces.into_iter().map(|piece| (piece.text, piece.score)).collect();
    let vocabulary = vocabulary(&pieces, settings, &BRACKETS, own)?;
    let (cls, sep) = (vocabulary.name("cls_token", "[CLS]"), vocabulary.name("sep_token", "[SEP]"));
    Ok(Parts {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": pre_tokenizers}),
        post_processor: bert_template(cls, sep, &vocabulary),
        decoder: metaspace(true),
        model: unigram(pieces, model.unk_id),
        vocabulary,
    })
}

/// As transformers' `XLMRobertaTokenizer`: the pieces behind the four special tokens of fairseq, whose order is another.
pub fn xlm_roberta(file: &NamedBytes, settings: &Settings) -> Result<Parts, SourceError> {
    let model = Model::read(file)?;
    let kinds: Vec<PieceKind> = model.pieces.iter().take(3).map(|piece| piece.kind).collect();
    if kinds != [PieceKind::Unknown, PieceKind::Control, PieceKind::Control] {
        let problem = "its first pieces are not <unk>, <s> and </s>: it is not the model of an XLM-RoBERTa".into();
        return Err(SourceError::Vocabulary { file: file.name.clone(), problem });
    }
    let named = settings.named(&ANGLES)?;
    let name = |key: &str| {
        let said = named.iter().find(|(name, _)| *name == key).map(|(_, token)| token.content.clone());
        let default = || ANGLES.iter().find(|(name, _)| *name == key).map(|(_, text)| (*text).to_owned());
        said.or_else(default).unwrap_or_default()
    };
    let first = ["bos_token", "pad_token", "eos_token", "unk_token"];
    let mut pieces: Vec<(String, f32)> = first.into_iter().map(|key| (name(key), 0.0)).collect();
    let own = own_tokens(&model).into_iter().filter(|token| !token.special).collect();
    pieces.extend(model.pieces.into_iter().skip(3).map(|piece| (piece.text, piece.score)));
    pieces.push((name("mask_token"), 0.0));
    let vocabulary = vocabulary(&pieces, settings, &ANGLES, own)?;
    let (bos, eos) = (name("bos_token"), name("eos_token"));
    let (bos, eos) = (bos.as_str(), eos.as_str());
    let space = settings.flag("add_prefix_space")?.unwrap_or(true);
    Ok(Parts {
        normalizer: precompiled(file, &model.charsmap)?.unwrap_or_default(),
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(space)]}),
        post_processor: template(
            &[(bos, 0), ("A", 0), (eos, 0)],
            &[(bos, 0), ("A", 0), (eos, 0), (eos, 0), ("B", 0), (eos, 0)],
            &vocabulary,
        ),
        decoder: metaspace(space),
        model: unigram(pieces, 3),
        vocabulary,
    })
}

/// The tokens that the model itself finds whole in a text.
fn own_tokens(model: &Model) -> Vec<Token> {
    let own = |kind| matches!(kind, PieceKind::Control | PieceKind::UserDefined);
    let pieces = model.pieces.iter().filter(|piece| own(piece.kind));
    pieces.map(|piece| Token { special: piece.kind == PieceKind::Control, ..Token::special(&piece.text) }).collect()
}

fn vocabulary(
    pieces: &[(String, f32)],
    settings: &Settings,
    defaults: &[(&'static str, &str)],
    own: Vec<Token>,
) -> Result<Vocabulary, SourceError> {
    let ids: HashMap<String, u32> = pieces.iter().map(|(piece, _)| piece.clone()).zip(0..).collect();
    Vocabulary::new(ids, pieces.len(), settings, defaults, own)
}

fn unigram(pieces: Vec<(String, f32)>, unk_id: usize) -> Value {
    let pieces: Vec<(String, f64)> = pieces.into_iter().map(|(piece, score)| (piece, f64::from(score))).collect();
    json!({"type": "Unigram", "unk_id": unk_id, "vocab": pieces, "byte_fallback": false})
}

fn metaspace(prepend: bool) -> Value {
    let scheme = if prepend { "always" } else { "never" };
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true})
}

/// The model's own normaliser; `None` where it has none.
fn precompiled(file: &NamedBytes, bytes: &[u8]) -> Result<Option<Value>, SourceError> {
    let broken = |problem: String| SourceError::Vocabulary {
        file: file.name.clone(),
        problem: format!("its normaliser (precompiled_charsmap) cannot be used: {problem}"),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    charsmap::check(bytes).map_err(broken)?;
    let map = Precompiled::from(bytes).map_err(|error| broken(error.to_string()))?;
    serde_json::to_value(map).map(Some).map_err(|error| broken(error.to_string()))
}
