//! `BertConfig`, `RobertaConfig`, `XLMRobertaConfig`.

use super::{EncoderConfig, Family, activation};
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    vocab_size: Option<usize>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    classifier_dropout: Option<f64>,
    initializer_range: f64,
    position_embedding_type: Option<String>,
    is_decoder: bool,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            vocab_size: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: None,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            classifier_dropout: None,
            initializer_range: 0.02,
            position_embedding_type: None,
            is_decoder: false,
        }
    }
}

/// Reads the configuration of a family that is built like BERT.
pub fn parse(value: Value, family: Family) -> Result<EncoderConfig, String> {
    let raw: Raw = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if let Some(kind) = raw.position_embedding_type.filter(|kind| kind != "absolute") {
        return Err(format!("position_embedding_type `{kind}` is not supported; supported: absolute"));
    }
    if raw.is_decoder {
        return Err("is_decoder is true: a decoder is not supported, only encoders are".into());
    }
    let (vocab_size, pad_token_id) = match family {
        Family::Roberta => (50265, 1),
        Family::XlmRoberta => (30522, 1),
        _ => (30522, 0),
    };
    let classifier_dropout = raw.classifier_dropout.unwrap_or(raw.hidden_dropout_prob);
    Ok(EncoderConfig {
        family,
        vocab_size: raw.vocab_size.unwrap_or(vocab_size),
        hidden_size: raw.hidden_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        intermediate_size: raw.intermediate_size,
        activation: activation("hidden_act", &raw.hidden_act)?,
        max_position_embeddings: raw.max_position_embeddings,
        type_vocab_size: raw.type_vocab_size,
        layer_norm_eps: raw.layer_norm_eps,
        pad_token_id: raw.pad_token_id.unwrap_or(pad_token_id),
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
        label_names: None,
    })
}
