//! `LlamaConfig` and its many children: Mistral, Qwen2 and 3, SmolLM3, Gemma 1 to 3, Phi-3.

use super::super::activation;
use super::rope::{self, RopeRule};
use super::{DecoderConfig, DecoderFamily, LayerRule, NormRule, ids};
use crate::model::pass::DropoutRates;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is read of a file after the family's own values have been put where it says nothing.
#[derive(Deserialize)]
struct Raw {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    hidden_act: String,
    /// Gemma's name for it.
    hidden_activation: Option<String>,
    rms_norm_eps: f64,
    initializer_range: f64,
    tie_word_embeddings: bool,
    attention_bias: bool,
    mlp_bias: bool,
    attention_dropout: Option<f64>,
    resid_pdrop: f64,
    embd_pdrop: f64,
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    max_window_layers: usize,
    sliding_window_pattern: usize,
    layer_types: Option<Vec<String>>,
    no_rope_layers: Option<Vec<u8>>,
    no_rope_layer_interval: usize,
    query_pre_attn_scalar: f64,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
    use_bidirectional_attention: Option<bool>,
    bos_token_id: Option<u32>,
    pad_token_id: Option<u32>,
}

/// The values of the family's configuration class, where they are not Llama's.
fn defaults(family: DecoderFamily) -> Value {
    let llama = serde_json::json!({
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": null, "head_dim": null, "max_position_embeddings": 2048,
        "hidden_act": "silu", "hidden_activation": null, "rms_norm_eps": 1e-6, "initializer_range": 0.02,
        "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false, "attention_dropout": 0.0,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "use_sliding_window": false, "sliding_window": null,
        "max_window_layers": 28, "sliding_window_pattern": 6, "layer_types": null, "no_rope_layers": null,
        "no_rope_layer_interval": 4, "query_pre_attn_scalar": 256, "attn_logit_softcapping": null,
        "final_logit_softcapping": null, "use_bidirectional_attention": null, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": null,
    });
    let own = match family {
        DecoderFamily::Gpt2 | DecoderFamily::Llama => serde_json::json!({}),
        DecoderFamily::Mistral => serde_json::json!({
            "intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "sliding_window": 4096,
        }),
        DecoderFamily::Qwen2 => serde_json::json!({
            "vocab_size": 151_936, "intermediate_size": 22016, "num_key_value_heads": 32,
            "max_position_embeddings": 32768, "sliding_window": 4096, "bos_token_id": null, "eos_token_id": null,
        }),
        DecoderFamily::Qwen3 => serde_json::json!({
            "vocab_size": 151_936, "intermediate_size": 22016, "num_key_value_heads": 32, "head_dim": 128,
            "max_position_embeddings": 32768, "sliding_window": 4096, "bos_token_id": null, "eos_token_id": null,
        }),
        DecoderFamily::SmolLm3 => serde_json::json!({
            "vocab_size": 128_256, "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
            "num_key_value_heads": 4, "max_position_embeddings": 32768, "tie_word_embeddings": true,
            "bos_token_id": 128_000, "eos_token_id": 128_001, "pad_token_id": 128_004,
        }),
        DecoderFamily::Gemma => serde_json::json!({
            "vocab_size": 256_000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
            "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192,
            "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true,
            "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
        }),
        DecoderFamily::Gemma2 => serde_json::json!({
            "vocab_size": 256_000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192,
            "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true, "sliding_window": 4096,
            "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window_pattern": 2,
            "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
        }),
        DecoderFamily::Gemma3 => serde_json::json!({
            "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
            "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072,
            "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true, "sliding_window": 4096,
            "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
        }),
        DecoderFamily::Phi3 => serde_json::json!({
            "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5, "eos_token_id": 32000, "pad_token_id": 32000,
        }),
    };
    merged(llama, own)
}

/// The keys of `over` in place of those of `base`.
fn merged(base: Value, over: Value) -> Value {
    let mut all: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    all.extend(over.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

/// Reads the configuration.
pub fn parse(value: Value, family: DecoderFamily) -> Result<DecoderConfig, String> {
    let value = merged(defaults(family), value);
    let raw: Raw = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
    if raw.use_bidirectional_attention == Some(true) {
        return Err("use_bidirectional_attention is not supported: a decoder's tokens see what is before them".into());
    }
    let gemma = matches!(family, DecoderFamily::Gemma | DecoderFamily::Gemma2 | DecoderFamily::Gemma3);
    let heads = raw.num_attention_heads;
    let head_dim = raw.head_dim.unwrap_or(raw.hidden_size / heads.max(1));
    let (ropes, rope_of) = ropes(&value, family, head_dim)?;
    let capped_queries = matches!(family, DecoderFamily::Gemma2 | DecoderFamily::Gemma3);
    let scale = if capped_queries { raw.query_pre_attn_scalar } else { head_dim.max(1) as f64 }.powf(-0.5);
    let layers = (0..raw.num_hidden_layers.min(1 << 16)).map(|n| {
        let slides = slides(&raw, family, n);
        let rope =
            if family == DecoderFamily::SmolLm3 && !has_positions(&raw, n) { None } else { Some(rope_of(slides)) };
        LayerRule { window: raw.sliding_window.filter(|_| slides), rope, scale }
    });
    // Gemma's older files say `gelu` under `hidden_act` and mean the tanh form.
    let (key, name) = match (&raw.hidden_activation, gemma) {
        (Some(name), true) => ("hidden_activation", name.as_str()),
        (None, true) => ("hidden_activation", "gelu_pytorch_tanh"),
        _ => ("hidden_act", raw.hidden_act.as_str()),
    };
    Ok(DecoderConfig {
        family,
        vocab_size: raw.vocab_size,
        hidden_size: raw.hidden_size,
        intermediate_size: raw.intermediate_size,
        num_attention_heads: heads,
        num_key_value_heads: raw.num_key_value_heads.unwrap_or(heads),
        head_dim,
        max_position_embeddings: raw.max_position_embeddings,
        layers: layers.collect(),
        ropes,
        activation: activation(key, name)?,
        gated: true,
        norm: if gemma { NormRule::RmsPlusOne } else { NormRule::Rms },
        norm_eps: raw.rms_norm_eps,
        post_norms: capped_queries,
        head_norms: matches!(family, DecoderFamily::Qwen3 | DecoderFamily::Gemma3),
        qkv_bias: raw.attention_bias || family == DecoderFamily::Qwen2,
        output_bias: raw.attention_bias && family != DecoderFamily::Qwen2,
        mlp_bias: raw.mlp_bias,
        attention_cap: raw.attn_logit_softcapping.filter(|_| family == DecoderFamily::Gemma2),
        logit_cap: raw.final_logit_softcapping.filter(|_| capped_queries),
        embedding_factor: if gemma { (raw.hidden_size as f64).sqrt() } else { 1.0 },
        tied: raw.tie_word_embeddings,
        dropout: DropoutRates {
            embeddings: raw.embd_pdrop,
            attention: raw.attention_dropout.unwrap_or(0.0),
            attention_output: raw.resid_pdrop,
            feed_forward: raw.resid_pdrop,
            ..DropoutRates::default()
        },
        bos_token_id: raw.bos_token_id,
        eos_token_ids: ids(value.get("eos_token_id")),
        pad_token_id: raw.pad_token_id,
        initializer_range: raw.initializer_range,
    })
}

/// Whether a layer sees a window alone.
fn slides(raw: &Raw, family: DecoderFamily, n: usize) -> bool {
    let said = raw.layer_types.as_ref().and_then(|types| types.get(n)).map(|kind| kind == "sliding_attention");
    match family {
        DecoderFamily::Mistral | DecoderFamily::Phi3 => true,
        DecoderFamily::Qwen2 | DecoderFamily::Qwen3 => {
            raw.use_sliding_window && said.unwrap_or(n >= raw.max_window_layers)
        }
        DecoderFamily::SmolLm3 => raw.use_sliding_window && said.unwrap_or(!has_positions(raw, n)),
        DecoderFamily::Gemma2 | DecoderFamily::Gemma3 => {
            said.unwrap_or(!(n + 1).is_multiple_of(raw.sliding_window_pattern.max(1)))
        }
        DecoderFamily::Gpt2 | DecoderFamily::Llama | DecoderFamily::Gemma => false,
    }
}

/// Whether a layer of SmolLM3 has rotary positions.
fn has_positions(raw: &Raw, n: usize) -> bool {
    match &raw.no_rope_layers {
        Some(layers) => layers.get(n) != Some(&0),
        None => !(n + 1).is_multiple_of(raw.no_rope_layer_interval.max(1)),
    }
}

/// The rules of the rotary positions, and which of them a layer has that slides or does not.
fn ropes(
    value: &Value,
    family: DecoderFamily,
    head_dim: usize,
) -> Result<(Vec<RopeRule>, impl Fn(bool) -> usize), String> {
    let theta = match family {
        DecoderFamily::SmolLm3 => 2_000_000.0,
        DecoderFamily::Gemma3 => 1_000_000.0,
        _ => 10_000.0,
    };
    let both = family == DecoderFamily::Gemma3;
    let parameters = value.get("rope_parameters").filter(|parameters| !parameters.is_null());
    let of_kind = |kind: &str| parameters.map(|parameters| parameters.get(kind).unwrap_or(parameters));
    let mut rules = vec![rope::parse(value, of_kind("full_attention"), theta, head_dim)?];
    if both {
        let local = value.get("rope_local_base_freq").and_then(Value::as_f64).unwrap_or(10_000.0);
        let sliding = parameters.and_then(|parameters| parameters.get("sliding_attention")).cloned();
        // The old form scales the layers that see all.
        let own = sliding.unwrap_or_else(|| serde_json::json!({ "rope_theta": local }));
        rules.push(rope::parse(value, Some(&own), local, head_dim)?);
    }
    Ok((rules, move |slides| usize::from(both && slides)))
}
