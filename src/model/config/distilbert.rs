//! `DistilBertConfig`.

use super::{EncoderConfig, Family, activation};
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    activation: String,
    max_position_embeddings: usize,
    pad_token_id: Option<u32>,
    dropout: f64,
    attention_dropout: f64,
    seq_classif_dropout: f64,
    initializer_range: f64,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            vocab_size: 30522,
            dim: 768,
            n_layers: 6,
            n_heads: 12,
            hidden_dim: 3072,
            activation: "gelu".into(),
            max_position_embeddings: 512,
            pad_token_id: None,
            dropout: 0.1,
            attention_dropout: 0.1,
            seq_classif_dropout: 0.2,
            initializer_range: 0.02,
        }
    }
}

/// Reads the configuration.
pub fn parse(value: Value) -> Result<EncoderConfig, String> {
    let raw: Raw = serde_json::from_value(value).map_err(|e| e.to_string())?;
    Ok(EncoderConfig {
        family: Family::DistilBert,
        vocab_size: raw.vocab_size,
        hidden_size: raw.dim,
        num_hidden_layers: raw.n_layers,
        num_attention_heads: raw.n_heads,
        intermediate_size: raw.hidden_dim,
        activation: activation("activation", &raw.activation)?,
        max_position_embeddings: raw.max_position_embeddings,
        type_vocab_size: 0,
        layer_norm_eps: 1e-12,
        pad_token_id: raw.pad_token_id.unwrap_or(0),
        dropout: DropoutRates {
            embeddings: raw.dropout,
            attention: raw.attention_dropout,
            feed_forward: raw.dropout,
            head: raw.seq_classif_dropout,
            ..DropoutRates::default()
        },
        token_dropout: raw.dropout,
        initializer_range: raw.initializer_range,
        label_names: None,
    })
}
