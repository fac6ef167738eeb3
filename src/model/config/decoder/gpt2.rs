//! `GPT2Config`.

use super::super::activation;
use super::{DecoderConfig, DecoderFamily, LayerRule, NormRule, ids};
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(default)]
struct Raw {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: String,
    resid_pdrop: f64,
    embd_pdrop: f64,
    attn_pdrop: f64,
    layer_norm_epsilon: f64,
    initializer_range: f64,
    scale_attn_weights: bool,
    scale_attn_by_inverse_layer_idx: bool,
    bos_token_id: Option<u32>,
    pad_token_id: Option<u32>,
    tie_word_embeddings: bool,
    add_cross_attention: bool,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            vocab_size: 50257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: "gelu_new".into(),
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            bos_token_id: Some(50256),
            pad_token_id: None,
            tie_word_embeddings: true,
            add_cross_attention: false,
        }
    }
}

/// Reads the configuration.
pub fn parse(value: Value) -> Result<DecoderConfig, String> {
    let eos = match value.get("eos_token_id") {
        None => vec![50256],
        some => ids(some),
    };
    let raw: Raw = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if raw.add_cross_attention {
        return Err("add_cross_attention is not supported: a decoder of an encoder's states".into());
    }
    let head_dim = raw.n_embd / raw.n_head.max(1);
    if raw.n_head > 0 && !raw.n_embd.is_multiple_of(raw.n_head) {
        return Err(format!("n_embd {} is not a multiple of n_head {}", raw.n_embd, raw.n_head));
    }
    let base = if raw.scale_attn_weights { 1.0 / (head_dim.max(1) as f64).sqrt() } else { 1.0 };
    let layer = |n: usize| {
        let by_depth = if raw.scale_attn_by_inverse_layer_idx { 1.0 / (n as f64 + 1.0) } else { 1.0 };
        LayerRule { window: None, rope: None, scale: base * by_depth }
    };
    Ok(DecoderConfig {
        family: DecoderFamily::Gpt2,
        vocab_size: raw.vocab_size,
        hidden_size: raw.n_embd,
        intermediate_size: raw.n_inner.unwrap_or(4 * raw.n_embd),
        num_attention_heads: raw.n_head,
        num_key_value_heads: raw.n_head,
        head_dim,
        max_position_embeddings: raw.n_positions,
        layers: (0..raw.n_layer.min(1 << 16)).map(layer).collect(),
        ropes: Vec::new(),
        activation: activation("activation_function", &raw.activation_function)?,
        gated: false,
        norm: NormRule::Layer,
        norm_eps: raw.layer_norm_epsilon,
        post_norms: false,
        head_norms: false,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        attention_cap: None,
        logit_cap: None,
        embedding_factor: 1.0,
        tied: raw.tie_word_embeddings,
        dropout: DropoutRates {
            embeddings: raw.embd_pdrop,
            attention: raw.attn_pdrop,
            attention_output: raw.resid_pdrop,
            feed_forward: raw.resid_pdrop,
            ..DropoutRates::default()
        },
        bos_token_id: raw.bos_token_id,
        eos_token_ids: eos,
        pad_token_id: raw.pad_token_id,
        initializer_range: raw.initializer_range,
    })
}
