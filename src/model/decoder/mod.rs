//! Decoders with a language-model head: one body whose variations are values of [`DecoderConfig`]. Frozen but for LoRA.

mod cache;
mod layer;
mod tokens;

use super::ModelError;
use super::checkpoint::Checkpoint;
use super::config::decoder::{DecoderConfig, DecoderFamily};
use super::encoders::look_up;
use super::keep::Keep;
use super::loader::{Loader, Norm};
use super::lora::LoraLinear;
use super::pass::{DropoutRates, Pass, Site};
use super::targets;
use crate::ops::{LossRule, Rope, capped, frozen_linear, vocabulary_loss};
pub use cache::Cache;
use candle_core::{DType, Device, Result, Tensor};
use layer::{Call, Layer, load_norm};
use std::sync::Arc;
pub use tokens::Tokens;

type Loaded<T> = std::result::Result<T, ModelError>;

/// `XForCausalLM`.
pub struct Decoder {
    pub config: Arc<DecoderConfig>,
    /// (vocabulary, hidden).
    embeddings: Tensor,
    /// (positions, hidden), GPT-2's.
    positions: Option<Tensor>,
    layers: Vec<Arc<Layer>>,
    norm: Norm,
    /// (vocabulary, hidden); the embeddings where these are tied.
    output: Tensor,
    parameters: usize,
    /// What a training pass keeps of the layers.
    pub keep: Keep,
}

/// The parts of GPT-2's `c_attn` that may carry LoRA of their own, in the order of its outputs.
pub const PARTS: [&str; 3] = ["query", "key", "value"];

impl Decoder {
    /// Builds the decoder on the tensors of a checkpoint, with or without the family's prefix.
    ///
    /// Tracked tensors ([`Checkpoint::from_tensors`]) stay tracked: the whole decoder can then be trained.
    pub fn load(config: &DecoderConfig, checkpoint: &Checkpoint, dtype: DType, device: &Device) -> Loaded<Decoder> {
        let loader = Loader::encoder(checkpoint, config.family.prefix(), dtype, device);
        let (h, vocabulary) = (config.hidden_size, config.vocab_size);
        let gpt2 = config.family == DecoderFamily::Gpt2;
        let embeddings = if gpt2 { "wte.weight" } else { "embed_tokens.weight" };
        let embeddings = loader.matrix(embeddings, vocabulary, h)?;
        let positions = match config.learned_positions() {
            true => Some(loader.matrix("wpe.weight", config.max_position_embeddings, h)?),
            false => None,
        };
        let layers =
            (0..config.layers.len()).map(|n| Layer::load(config, &loader, n).map(Arc::new)).collect::<Loaded<_>>()?;
        let norm = load_norm(config, &loader, if gpt2 { "ln_f" } else { "norm" }, h)?;
        let head = Loader::task(checkpoint, dtype, device);
        let output = match config.tied {
            true => embeddings.clone(),
            false => head.matrix("lm_head.weight", vocabulary, h)?,
        };
        let parameters = loader.elements() + head.elements();
        let (config, keep) = (Arc::new(config.clone()), Keep::All);
        Ok(Decoder { config, embeddings, positions, layers, norm, output, parameters, keep })
    }

    /// Whether queries, keys and values come from one layer.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.config.family, DecoderFamily::Gpt2 | DecoderFamily::Phi3)
    }

    /// Whether the feed-forward has gates.
    pub(super) fn is_gated(&self) -> bool {
        self.config.family != DecoderFamily::Gpt2
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Dropout of retraining: the configuration's, or `backbone` at every site that it covers.
    pub fn dropout_rates(&self, lora: f64, backbone: Option<f64>) -> DropoutRates {
        match backbone {
            Some(p) => DropoutRates::everywhere(lora, p),
            None => DropoutRates { lora, ..self.config.dropout },
        }
    }

    fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        self.layers.iter_mut().flat_map(|layer| Arc::make_mut(layer).linears_mut()).collect()
    }

    /// Makes LoRA modules of the layers that `targets` name; returns their paths, inputs and outputs, in model order.
    ///
    /// `all-linear` is every linear layer but the output layer, as in PEFT. GPT-2's `c_attn` has parts, `c_attn.query`,
    /// `c_attn.key`, `c_attn.value`, that may be named in place of the whole.
    pub fn attach(&mut self, targets: &[String]) -> Loaded<Vec<(String, usize, usize)>> {
        let gpt2 = self.config.family == DecoderFamily::Gpt2;
        let everything = targets.iter().any(|target| target == targets::ALL_LINEAR);
        let hidden = self.config.hidden_size;
        let linears = self.linears_mut();
        // A path, the layer, and where in it.
        let mut places = Vec::new();
        for (n, linear) in linears.iter().enumerate() {
            places.push((linear.path.clone(), n, None));
            if gpt2 && !everything && linear.path.ends_with(".c_attn") {
                let part = |(i, part): (usize, &str)| (format!("{}.{part}", linear.path), n, Some(i));
                places.extend(PARTS.into_iter().enumerate().map(part));
            }
        }
        let paths: Vec<String> = places.iter().map(|(path, ..)| path.clone()).collect();
        let chosen = targets::resolve(targets, &paths)?;
        places.retain(|(path, ..)| chosen.contains(path));
        if let Some((path, ..)) = places
            .iter()
            .find(|(_, n, part)| part.is_some() && places.iter().any(|(_, other, whole)| other == n && whole.is_none()))
        {
            let problem = format!("`{path}` is a part of a layer that is named as a whole too; name one of both");
            return Err(ModelError::Targets { problem });
        }
        let mut linears = linears;
        let mut modules = Vec::with_capacity(places.len());
        for (path, n, part) in places {
            let linear = &mut linears[n];
            match part {
                None => linear.attach(modules.len()),
                Some(i) => linear.attach_part(modules.len(), &path, i * hidden..(i + 1) * hidden),
            }
            let outputs = if part.is_some() { hidden } else { linear.outputs() };
            modules.push((path, linear.inputs(), outputs));
        }
        Ok(modules)
    }

    /// Hidden states of the last layer, normed: (batch, length, hidden). With a cache, `tokens` follow what it holds,
    /// and it is extended by them.
    pub fn states(&self, tokens: &Tokens, pass: &Pass, mut cache: Option<&mut Cache>) -> Result<Tensor> {
        let furthest = tokens.furthest();
        if self.positions.is_some() && furthest > self.config.max_position_embeddings {
            candle_core::bail!(
                "a text of {furthest} tokens; the model has positions for {}",
                self.config.max_position_embeddings
            );
        }
        let mut x = look_up(&self.embeddings, &tokens.ids)?;
        if self.config.embedding_factor != 1.0 {
            x = (x * self.config.embedding_factor)?;
        }
        if let Some(table) = &self.positions {
            let index = Tensor::from_slice(&tokens.positions, tokens.ids.dims2()?, tokens.ids.device())?;
            x = (x + look_up(table, &index)?)?;
        }
        x = pass.drop(x, Site::Embeddings)?;
        let ropes: Arc<[Arc<Rope>]> = self.config.ropes.iter().map(|rule| Arc::new(rule.table(furthest))).collect();
        for (n, layer) in self.layers.iter().enumerate() {
            let call = Call { config: self.config.clone(), tokens: tokens.clone(), ropes: ropes.clone(), layer: n };
            x = match cache.as_deref_mut() {
                Some(cache) => layer.forward(&x, &call, pass, Some(cache))?,
                None => {
                    let own = layer.clone();
                    self.keep.layer(&x, pass, &layer.path, move |x, pass| own.forward(x, &call, pass, None))?
                }
            };
        }
        self.norm.forward(&x)
    }

    /// Logits of hidden states: (.., hidden) -> (.., vocabulary).
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        capped(frozen_linear(states, &self.output, None)?, self.config.logit_cap)
    }

    /// The sum of -log p(target) over places of hidden states (batch, length, hidden): `places` are batch x length
    /// indices, `targets` the ids that are to come next; `smoothing` spreads that share of a target over all ids. A scalar.
    pub fn loss(&self, states: &Tensor, places: &[u32], targets: &[u32], smoothing: f64) -> Result<Tensor> {
        if places.is_empty() {
            // Nothing to say of such texts, but a gradient all the same: 0. (A number 0 would cut candle's graph.)
            let sum = states.sum_all()?;
            return &sum * sum.zeros_like()?;
        }
        let hidden = self.config.hidden_size;
        let flat = states.reshape((states.elem_count() / hidden.max(1), hidden))?;
        let index = Tensor::from_slice(places, places.len(), states.device())?;
        let rule = LossRule { cap: self.config.logit_cap, smoothing };
        vocabulary_loss(&flat.index_select(&index, 0)?, &self.output, targets, rule)
    }

    /// Word embeddings (vocabulary, hidden).
    pub fn embeddings(&self) -> &Tensor {
        &self.embeddings
    }
}
