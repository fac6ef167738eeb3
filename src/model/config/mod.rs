//! `config.json` of the encoders that are built here.

use super::ModelError;
use super::activation::Activation;
use super::head::HeadKind;
use super::pass::DropoutRates;
use serde::Deserialize;

/// Families of encoders, by `model_type`.
#[derive(Clone, Debug, PartialEq)]
pub enum Family {
    Bert,
    /// As BERT, but positions start after the padding id, and the head has two layers.
    Roberta,
    /// As RoBERTa.
    XlmRoberta,
}

impl Family {
    /// `model_type`s that load.
    pub const NAMES: [&str; 3] = ["bert", "roberta", "xlm-roberta"];

    /// Prefix of the encoder's modules in the task classes of Hugging Face.
    pub fn prefix(&self) -> &'static str {
        match self {
            Family::Bert => "bert",
            Family::Roberta | Family::XlmRoberta => "roberta",
        }
    }

    /// Name of the task class.
    pub fn architecture(&self, kind: HeadKind) -> &'static str {
        match (self, kind) {
            (Family::Bert, HeadKind::Sequence) => "BertForSequenceClassification",
            (Family::Bert, HeadKind::Tokens) => "BertForTokenClassification",
            (Family::Roberta, HeadKind::Sequence) => "RobertaForSequenceClassification",
            (Family::Roberta, HeadKind::Tokens) => "RobertaForTokenClassification",
            (Family::XlmRoberta, HeadKind::Sequence) => "XLMRobertaForSequenceClassification",
            (Family::XlmRoberta, HeadKind::Tokens) => "XLMRobertaForTokenClassification",
        }
    }
}

/// A resolved configuration; names as in Hugging Face.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    pub family: Family,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub activation: Activation,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub pad_token_id: u32,
    /// Of the backbone and of a sequence head.
    pub dropout: DropoutRates,
    /// Of the input of a token head.
    pub token_dropout: f64,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Class names by id, where the file has them and they are not the generic `LABEL_n`.
    pub label_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
    #[serde(default = "tenth")]
    hidden_dropout_prob: f64,
    #[serde(default = "tenth")]
    attention_probs_dropout_prob: f64,
    classifier_dropout: Option<f64>,
    #[serde(default = "range")]
    initializer_range: f64,
    position_embedding_type: Option<String>,
    id2label: Option<std::collections::BTreeMap<String, String>>,
}

fn gelu() -> String {
    "gelu".into()
}
fn two() -> usize {
    2
}
fn epsilon() -> f64 {
    1e-12
}
fn tenth() -> f64 {
    0.1
}
fn range() -> f64 {
    0.02
}

impl EncoderConfig {
    /// Reads the text of a `config.json`; `file` names it in errors.
    pub fn parse(json: &[u8], file: &str) -> Result<EncoderConfig, ModelError> {
        let wrong = |problem: String| ModelError::Config { file: file.into(), problem };
        let value: serde_json::Value =
            serde_json::from_slice(json).map_err(|e| wrong(format!("not valid JSON: {e}")))?;
        let model_type = value.get("model_type").and_then(|v| v.as_str()).map(str::to_string);
        let known = || Family::NAMES.join(", ");
        let family = match model_type.as_deref() {
            Some("bert") => Family::Bert,
            Some("roberta") => Family::Roberta,
            Some("xlm-roberta") => Family::XlmRoberta,
            Some(other) => return Err(wrong(format!("model_type `{other}` is not supported; supported: {}", known()))),
            None => return Err(wrong(format!("`model_type` is missing; supported: {}", known()))),
        };
        let raw: Raw = serde_json::from_value(value).map_err(|e| wrong(e.to_string()))?;
        debug_assert_eq!(raw.model_type, model_type);
        let activation = Activation::parse(&raw.hidden_act).ok_or_else(|| {
            wrong(format!("hidden_act `{}` is not supported; supported: {}", raw.hidden_act, Activation::NAMES))
        })?;
        if let Some(kind) = raw.position_embedding_type.filter(|kind| kind != "absolute") {
            return Err(wrong(format!("position_embedding_type `{kind}` is not supported; supported: absolute")));
        }
        if raw.num_attention_heads == 0 || !raw.hidden_size.is_multiple_of(raw.num_attention_heads) {
            return Err(wrong(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                raw.hidden_size, raw.num_attention_heads
            )));
        }
        let classifier_dropout = raw.classifier_dropout.unwrap_or(raw.hidden_dropout_prob);
        let pad_token_id = raw.pad_token_id.unwrap_or(if family == Family::Bert { 0 } else { 1 });
        Ok(EncoderConfig {
            family,
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            activation,
            max_position_embeddings: raw.max_position_embeddings,
            type_vocab_size: raw.type_vocab_size,
            layer_norm_eps: raw.layer_norm_eps,
            pad_token_id,
            dropout: DropoutRates {
                lora: 0.0,
                embeddings: raw.hidden_dropout_prob,
                positions: 0.0,
                attention: raw.attention_probs_dropout_prob,
                attention_output: raw.hidden_dropout_prob,
                feed_forward: raw.hidden_dropout_prob,
                pooler: classifier_dropout,
                head: classifier_dropout,
            },
            token_dropout: classifier_dropout,
            initializer_range: raw.initializer_range,
            label_names: raw.id2label.and_then(label_names),
        })
    }

    /// The longest row that has positions: RoBERTa's start after the padding id.
    pub fn max_length(&self) -> usize {
        match self.family {
            Family::Bert => self.max_position_embeddings,
            Family::Roberta | Family::XlmRoberta => {
                self.max_position_embeddings.saturating_sub(self.pad_token_id as usize + 1)
            }
        }
    }
}

fn label_names(by_id: std::collections::BTreeMap<String, String>) -> Option<Vec<String>> {
    let names: Option<Vec<String>> = (0..by_id.len()).map(|id| by_id.get(&id.to_string()).cloned()).collect();
    names.filter(|names| names.iter().enumerate().any(|(id, name)| *name != format!("LABEL_{id}")))
}
