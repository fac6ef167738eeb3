//! `ModernBertConfig`, as transformers 4 and 5 write it.

use super::{EncoderConfig, Family, activation};
use crate::model::activation::Activation;
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::Value;

/// What only ModernBERT has.
#[derive(Clone, Debug, PartialEq)]
pub struct ModernBert {
    /// Whether each layer sees all tokens; the others see a window.
    pub global_layers: Vec<bool>,
    /// Tokens that a local layer sees on either side of its own.
    pub half_window: usize,
    pub global_theta: f64,
    pub local_theta: f64,
    pub norm_bias: bool,
    pub attention_bias: bool,
    pub mlp_bias: bool,
    pub classifier_bias: bool,
    pub classifier_activation: Activation,
    pub classifier_pooling: Pooling,
    /// Newly drawn weights stay within this many standard deviations.
    pub initializer_cutoff: f64,
}

/// What a sequence head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The first token.
    Cls,
    /// The mean of the tokens.
    Mean,
}

#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_activation: String,
    max_position_embeddings: usize,
    norm_eps: f64,
    norm_bias: bool,
    pad_token_id: Option<u32>,
    attention_bias: bool,
    mlp_bias: bool,
    attention_dropout: f64,
    embedding_dropout: f64,
    mlp_dropout: f64,
    classifier_dropout: f64,
    classifier_bias: bool,
    classifier_activation: String,
    classifier_pooling: Pooling,
    local_attention: usize,
    layer_types: Option<Vec<String>>,
    global_attn_every_n_layers: usize,
    rope_parameters: Option<Ropes>,
    rope_scaling: Option<Value>,
    global_rope_theta: f64,
    local_rope_theta: Option<f64>,
    initializer_range: f64,
    initializer_cutoff_factor: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ropes {
    full_attention: Option<RopeParameters>,
    sliding_attention: Option<RopeParameters>,
}

#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            vocab_size: 50_368,
            hidden_size: 768,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            intermediate_size: 1152,
            hidden_activation: "gelu".into(),
            max_position_embeddings: 8192,
            norm_eps: 1e-5,
            norm_bias: false,
            pad_token_id: None,
            attention_bias: false,
            mlp_bias: false,
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            mlp_dropout: 0.0,
            classifier_dropout: 0.0,
            classifier_bias: false,
            classifier_activation: "gelu".into(),
            classifier_pooling: Pooling::Cls,
            local_attention: 128,
            layer_types: None,
            global_attn_every_n_layers: 3,
            rope_parameters: None,
            rope_scaling: None,
            global_rope_theta: 160_000.0,
            local_rope_theta: Some(10_000.0),
            initializer_range: 0.02,
            initializer_cutoff_factor: Some(2.0),
        }
    }
}

/// Reads the configuration.
pub fn parse(value: Value) -> Result<EncoderConfig, String> {
    let raw: Raw = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if raw.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
        return Err("rope_scaling is not supported".into());
    }
    let ropes = raw.rope_parameters.as_ref();
    let full = theta(ropes.and_then(|ropes| ropes.full_attention.as_ref()))?;
    let sliding = theta(ropes.and_then(|ropes| ropes.sliding_attention.as_ref()))?;
    let global_theta = full.unwrap_or(raw.global_rope_theta);
    let modern = ModernBert {
        global_layers: global_layers(&raw)?,
        half_window: raw.local_attention / 2,
        global_theta,
        local_theta: sliding.or(raw.local_rope_theta).unwrap_or(global_theta),
        norm_bias: raw.norm_bias,
        attention_bias: raw.attention_bias,
        mlp_bias: raw.mlp_bias,
        classifier_bias: raw.classifier_bias,
        classifier_activation: activation("classifier_activation", &raw.classifier_activation)?,
        classifier_pooling: raw.classifier_pooling,
        initializer_cutoff: raw.initializer_cutoff_factor.unwrap_or(3.0),
    };
    if raw.num_attention_heads > 0 && (raw.hidden_size / raw.num_attention_heads) % 2 == 1 {
        return Err(format!("heads of {} elements have no pairs to turn", raw.hidden_size / raw.num_attention_heads));
    }
    Ok(EncoderConfig {
        family: Family::ModernBert(modern),
        vocab_size: raw.vocab_size,
        hidden_size: raw.hidden_size,
        num_hidden_layers: raw.num_hidden_layers,
        num_attention_heads: raw.num_attention_heads,
        intermediate_size: raw.intermediate_size,
        activation: activation("hidden_activation", &raw.hidden_activation)?,
        max_position_embeddings: raw.max_position_embeddings,
        type_vocab_size: 0,
        layer_norm_eps: raw.norm_eps,
        pad_token_id: raw.pad_token_id.unwrap_or(50_283),
        dropout: DropoutRates {
            embeddings: raw.embedding_dropout,
            attention: raw.attention_dropout,
            attention_output: raw.attention_dropout,
            feed_forward: raw.mlp_dropout,
            head: raw.classifier_dropout,
            ..DropoutRates::default()
        },
        token_dropout: raw.classifier_dropout,
        initializer_range: raw.initializer_range,
        label_names: None,
    })
}

/// Which layers are global: `layer_types`, or before transformers 5 every n-th, from the first.
fn global_layers(raw: &Raw) -> Result<Vec<bool>, String> {
    let Some(types) = &raw.layer_types else {
        let every = raw.global_attn_every_n_layers.max(1);
        return Ok((0..raw.num_hidden_layers).map(|layer| layer % every == 0).collect());
    };
    if types.len() != raw.num_hidden_layers {
        return Err(format!("layer_types has {} entries for {} layers", types.len(), raw.num_hidden_layers));
    }
    let global = |kind: &String| match kind.as_str() {
        "full_attention" => Ok(true),
        "sliding_attention" => Ok(false),
        other => Err(format!("layer_types: `{other}` is not one of full_attention, sliding_attention")),
    };
    types.iter().map(global).collect()
}

fn theta(parameters: Option<&RopeParameters>) -> Result<Option<f64>, String> {
    match parameters.and_then(|p| p.rope_type.as_deref()).filter(|kind| *kind != "default") {
        Some(kind) => Err(format!("rope_type `{kind}` is not supported; supported: default")),
        None => Ok(parameters.and_then(|parameters| parameters.rope_theta)),
    }
}
