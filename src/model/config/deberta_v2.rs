//! `DebertaV2Config`, of DeBERTa v2 and v3.

use super::{EncoderConfig, Family, activation};
use crate::model::activation::Activation;
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::Value;

/// What only DeBERTa has.
#[derive(Clone, Debug, PartialEq)]
pub struct DebertaV2 {
    /// Width of the embeddings, which a layer of their own widens where it is not the hidden size.
    pub embedding_size: usize,
    /// Whether absolute positions are added to the embeddings.
    pub position_biased_input: bool,
    /// Terms of the scores that use relative positions, and by whose number all of them are scaled.
    pub content_to_position: bool,
    pub position_to_content: bool,
    /// None where the configuration turns relative positions off.
    pub relative: Option<Relative>,
    pub convolution: Option<Convolution>,
    pub pooler_activation: Activation,
}

/// Relative positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relative {
    /// Rows of the table are for -span..span.
    pub span: usize,
    /// Distances share rows on a logarithmic scale up to this one; none where each has its own.
    pub log_up_to: Option<usize>,
    /// The positions go through the content's projections rather than their own.
    pub share_att_key: bool,
    /// Whether the table goes through a norm.
    pub norm: bool,
}

/// The convolution after the first layer (v2-xlarge).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convolution {
    /// Odd.
    pub kernel_size: usize,
    pub activation: Activation,
}

#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    attention_head_size: Option<usize>,
    intermediate_size: usize,
    embedding_size: Option<usize>,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    pooler_dropout: f64,
    cls_dropout: Option<f64>,
    pooler_hidden_act: String,
    pooler_hidden_size: Option<usize>,
    initializer_range: f64,
    relative_attention: bool,
    max_relative_positions: i64,
    position_buckets: i64,
    position_biased_input: bool,
    pos_att_type: Option<Value>,
    share_att_key: bool,
    norm_rel_ebd: String,
    conv_kernel_size: usize,
    conv_groups: usize,
    conv_act: String,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            vocab_size: 128_100,
            hidden_size: 1536,
            num_hidden_layers: 24,
            num_attention_heads: 24,
            attention_head_size: None,
            intermediate_size: 6144,
            embedding_size: None,
            hidden_act: "gelu".into(),
            max_position_embeddings: 512,
            type_vocab_size: 0,
            layer_norm_eps: 1e-7,
            pad_token_id: None,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            pooler_dropout: 0.0,
            cls_dropout: None,
            pooler_hidden_act: "gelu".into(),
            pooler_hidden_size: None,
            initializer_range: 0.02,
            relative_attention: false,
            max_relative_positions: -1,
            position_buckets: -1,
            position_biased_input: true,
            pos_att_type: None,
            share_att_key: false,
            norm_rel_ebd: "none".into(),
            conv_kernel_size: 0,
            conv_groups: 1,
            conv_act: "tanh".into(),
        }
    }
}

/// Reads the configuration.
pub fn parse(value: Value) -> Result<EncoderConfig, String> {
    let raw: Raw = serde_json::from_value(value).map_err(|e| e.to_string())?;
    let head_size = raw.hidden_size.checked_div(raw.num_attention_heads).unwrap_or(0);
    for (key, found, built) in [
        ("attention_head_size", raw.attention_head_size, head_size),
        ("pooler_hidden_size", raw.pooler_hidden_size, raw.hidden_size),
    ] {
        if let Some(found) = found.filter(|found| *found != built) {
            return Err(format!(
                "{key} {found} is not supported; supported: {built}, as hidden_size and heads have it"
            ));
        }
    }
    let terms = position_terms(raw.pos_att_type.as_ref())?;
    let has = |term: &str| terms.iter().any(|t| t == term);
    let relative = raw.relative_attention.then(|| {
        let furthest = positive(raw.max_relative_positions).unwrap_or(raw.max_position_embeddings);
        let buckets = positive(raw.position_buckets);
        Relative {
            span: buckets.unwrap_or(furthest),
            log_up_to: buckets.map(|_| furthest),
            share_att_key: raw.share_att_key,
            norm: raw.norm_rel_ebd.to_lowercase().split('|').any(|kind| kind.trim() == "layer_norm"),
        }
    });
    let convolution = match raw.conv_kernel_size {
        0 => None,
        size if size % 2 == 1 && raw.conv_groups == 1 => {
            Some(Convolution { kernel_size: size, activation: activation("conv_act", &raw.conv_act)? })
        }
        size => {
            return Err(format!(
                "conv_kernel_size {size} with conv_groups {} is not supported; supported: odd sizes in one group",
                raw.conv_groups
            ));
        }
    };
    Ok(EncoderConfig {
        family: Family::DebertaV2(DebertaV2 {
            embedding_size: raw.embedding_size.unwrap_or(raw.hidden_size),
            position_biased_input: raw.position_biased_input,
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
            relative,
            convolution,
            pooler_activation: activation("pooler_hidden_act", &raw.pooler_hidden_act)?,
        }),
        vocab_size: raw.vocab_size,
        hidden_size: raw.hidden_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        intermediate_size: raw.intermediate_size,
        activation: activation("hidden_act", &raw.hidden_act)?,
        max_position_embeddings: raw.max_position_embeddings,
        type_vocab_size: raw.type_vocab_size,
        layer_norm_eps: raw.layer_norm_eps,
        pad_token_id: raw.pad_token_id.unwrap_or(0),
        dropout: DropoutRates {
            lora: 0.0,
            embeddings: raw.hidden_dropout_prob,
            positions: raw.hidden_dropout_prob,
            attention: raw.attention_probs_dropout_prob,
            attention_output: raw.hidden_dropout_prob,
            feed_forward: raw.hidden_dropout_prob,
            pooler: raw.pooler_dropout,
            head: raw.cls_dropout.unwrap_or(raw.hidden_dropout_prob),
        },
        token_dropout: raw.hidden_dropout_prob,
        initializer_range: raw.initializer_range,
        label_names: None,
    })
}

/// A count, where -1 and 0 mean that there is none.
fn positive(value: i64) -> Option<usize> {
    usize::try_from(value).ok().filter(|value| *value > 0)
}

/// `pos_att_type`: a list, or text with bars between.
fn position_terms(value: Option<&Value>) -> Result<Vec<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.to_lowercase().split('|').map(|term| term.trim().to_owned()).collect()),
        Some(list) => serde_json::from_value(list.clone()).map_err(|e| format!("pos_att_type: {e}")),
    }
}
