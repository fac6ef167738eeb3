//! The layer that BERT, DistilBERT and DeBERTa share: attention and feed-forward, each followed by residual and norm.

use crate::model::ModelError;
use crate::model::activation::Activation;
use crate::model::config::EncoderConfig;
use crate::model::loader::{Loader, Norm};
use crate::model::lora::{LoraLinear, feed_forward};
use crate::model::pass::{Pass, Site};
use candle_core::{Result, Tensor};

/// What a family calls the parts of a layer.
pub struct Names {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub attention_output: &'static str,
    pub attention_norm: &'static str,
    pub intermediate: &'static str,
    pub output: &'static str,
    pub output_norm: &'static str,
    /// Whether dropout follows the attention's output layer.
    pub drops_attention_output: bool,
}

/// One layer.
#[derive(Clone)]
pub struct Layer {
    /// Path with its dot.
    pub path: String,
    pub query: LoraLinear,
    pub key: LoraLinear,
    pub value: LoraLinear,
    attention_output: LoraLinear,
    attention_norm: Norm,
    intermediate: LoraLinear,
    output: LoraLinear,
    output_norm: Norm,
    activation: Activation,
    drops_attention_output: bool,
}

impl Layer {
    /// The layer under `prefix` (with its dot).
    pub fn load(
        loader: &Loader,
        prefix: &str,
        names: &Names,
        config: &EncoderConfig,
    ) -> std::result::Result<Layer, ModelError> {
        let (h, f, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let linear = |name: &str, outputs, inputs| loader.linear(&format!("{prefix}{name}"), outputs, inputs, true);
        let norm = |name: &str| loader.norm(&format!("{prefix}{name}"), h, eps, true);
        Ok(Layer {
            path: loader.path(prefix),
            query: linear(names.query, h, h)?,
            key: linear(names.key, h, h)?,
            value: linear(names.value, h, h)?,
            attention_output: linear(names.attention_output, h, h)?,
            attention_norm: norm(names.attention_norm)?,
            intermediate: linear(names.intermediate, f, h)?,
            output: linear(names.output, h, f)?,
            output_norm: norm(names.output_norm)?,
            activation: config.activation,
            drops_attention_output: names.drops_attention_output,
        })
    }

    /// In the order of the model; the first three are query, key, value.
    pub fn linears_mut(&mut self) -> [&mut LoraLinear; 6] {
        [
            &mut self.query,
            &mut self.key,
            &mut self.value,
            &mut self.attention_output,
            &mut self.intermediate,
            &mut self.output,
        ]
    }

    /// What follows attention, in layer `n`: `mixed`, the heads' results, and `x`, the layer's input, both (batch,
    /// length, hidden), to the layer's output.
    pub fn finish(&self, n: usize, mixed: &Tensor, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut mixed = self.attention_output.forward(mixed, pass)?;
        if self.drops_attention_output {
            mixed = pass.drop(mixed, Site::AttentionOutput(n))?;
        }
        let x = self.attention_norm.of_sum(&mixed, x)?;
        let outer = pass
            .drop(feed_forward((&self.intermediate, &self.output), self.activation, &x, pass)?, Site::FeedForward(n))?;
        self.output_norm.of_sum(&outer, &x)
    }
}
