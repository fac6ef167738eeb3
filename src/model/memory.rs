//! What the passes of a model keep, counted from the code of its layers: the numbers that an estimate starts from.

use super::Network;
use super::config::{EncoderConfig, Family};
use super::decoder::{Decoder, PARTS};
use super::head::HeadKind;
use super::pass::DropoutRates;
use crate::experiment::estimate::{LoraSizes, ModelSizes};
use candle_core::DType;
use std::collections::BTreeMap;

impl Network {
    /// Sizes of the frozen model; `rates`: dropout of its passes; `modules`: its LoRA modules: path, inputs, outputs.
    pub fn sizes(&self, rates: &DropoutRates, modules: &[(String, usize, usize)]) -> ModelSizes {
        let dropped = u64::from(rates.attention_output > 0.0) + u64::from(rates.feed_forward > 0.0);
        match self {
            Network::Task(model) => {
                let config = &model.encoder.config;
                let kept_in = model.encoder.word_embeddings().dtype();
                let sizes = encoder(config, bytes(model.frozen_parameters(), kept_in), dropped, modules);
                // Behind the last attention there is the first token of each row alone: no output, norm, units.
                let is_first = model.kind == HeadKind::Sequence
                    && matches!(
                        config.family,
                        Family::Bert | Family::Roberta | Family::XlmRoberta | Family::DistilBert
                    );
                let spared = if is_first { sizes.layer - 4 * sizes.hidden } else { 0 };
                ModelSizes { spared, ..sizes }
            }
            Network::Causal(model) => decoder(model, dropped, modules),
        }
    }
}

/// Matrices are nearly all of a model.
fn bytes(parameters: usize, kept_in: DType) -> u64 {
    (parameters * kept_in.size_in_bytes()) as u64
}

/// Whether no update sits on the layers from `hidden` to `inner` and back, which are one operation then.
fn is_one(hidden: usize, inner: usize, modules: &[(String, usize, usize)]) -> bool {
    let between = |(_, inputs, outputs): &(String, usize, usize)| {
        (*inputs, *outputs) == (hidden, inner) || (*inputs, *outputs) == (inner, hidden)
    };
    !modules.iter().any(between)
}

fn encoder(config: &EncoderConfig, frozen_bytes: u64, dropped: u64, modules: &[(String, usize, usize)]) -> ModelSizes {
    let (h, f) = (config.hidden_size as u64, config.intermediate_size as u64);
    let is_gated = matches!(config.family, Family::ModernBert(_));
    let is_one = !is_gated && is_one(config.hidden_size, config.intermediate_size, modules);
    let units = if is_one { f } else { 2 * f };
    let layer = match &config.family {
        // norm, qkv 3, mixed, output, sum, norm, output, sum; units and gates, gated.
        Family::ModernBert(_) => 10 * h + 3 * f,
        // q, k, v, both of q and k once more, mixed, then as the others.
        Family::DebertaV2(_) => 10 * h + units,
        // q, k, v, mixed, output, norm, output, norm; units before their function, and after where it is apart.
        _ => 8 * h + units,
    };
    ModelSizes {
        frozen_bytes,
        layers: config.num_hidden_layers as u64,
        hidden: h,
        layer: layer + dropped * h,
        back: 4 * h + if is_one { f } else { 4 * f },
        spared: 0,
        vocabulary: 0,
        keys_and_values: 0,
    }
}

fn decoder(model: &Decoder, dropped: u64, modules: &[(String, usize, usize)]) -> ModelSizes {
    let config = &model.config;
    let (h, f, d) = (config.hidden_size as u64, config.intermediate_size as u64, config.head_dim as u64);
    let (q, kv) = (config.num_attention_heads as u64 * d, config.num_key_value_heads as u64 * d);
    let projected = q + 2 * kv;
    // Parts of a joint projection are copied out of it.
    let apart = if model.is_packed() { projected } else { 0 };
    let head_norms = if config.head_norms { q + kv } else { 0 };
    let turned = if config.ropes.is_empty() { 0 } else { q + kv };
    let post_norms = if config.post_norms { 2 * h } else { 0 };
    // Two norms, two outputs, two sums.
    let attention = projected + apart + head_norms + turned + q;
    let is_one = !model.is_gated() && is_one(config.hidden_size, config.intermediate_size, modules);
    let units = match (model.is_gated(), is_one) {
        (true, _) => 3 * f,
        (false, true) => f,
        (false, false) => 2 * f,
    };
    ModelSizes {
        frozen_bytes: bytes(model.parameters(), model.embeddings().dtype()),
        layers: config.layers.len() as u64,
        hidden: h,
        layer: 6 * h + attention + units + post_norms + dropped * h,
        back: 4 * h + if is_one { f } else { 4 * f },
        spared: 0,
        vocabulary: config.vocab_size as u64,
        keys_and_values: 2 * kv,
    }
}

/// What LoRA of rank `rank` in every module keeps and trains; `modules`: path, inputs, outputs.
pub fn lora(modules: &[(String, usize, usize)], ranks: &[usize], head: usize, dropout: f64) -> LoraSizes {
    let mut sizes = LoraSizes { trained: head as u64, kept: 0, back: 0 };
    let mut joint: BTreeMap<&str, u64> = BTreeMap::new();
    for ((path, inputs, outputs), rank) in modules.iter().zip(ranks).filter(|(_, rank)| **rank > 0) {
        let (inputs, outputs, rank) = (*inputs as u64, *outputs as u64, *rank as u64);
        sizes.trained += rank * (inputs + outputs);
        sizes.back = sizes.back.max(inputs + outputs);
        let masked = if dropout > 0.0 { inputs } else { 0 };
        match path.rsplit_once('.').filter(|(whole, part)| whole.ends_with(".c_attn") && PARTS.contains(part)) {
            // x A^T, and what it adds; with the zeros of the other parts that is joined, then added.
            Some((whole, _)) => {
                sizes.kept += rank + outputs + masked;
                joint.insert(whole, outputs);
            }
            // And the sum.
            None if dropout > 0.0 => sizes.kept += rank + 2 * outputs + masked,
            // One operation with its layer, which keeps nothing.
            None => {}
        }
    }
    let parts = PARTS.len() as u64;
    sizes.kept += joint.values().map(|part| part * (2 * parts + 1)).sum::<u64>();
    sizes
}
