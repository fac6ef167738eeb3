//! BERT and RoBERTa encoders. Every linear layer may carry LoRA; nothing below the lowest one is tracked.

use super::checkpoint::Checkpoint;
use super::config::{Activation, EncoderConfig, Family};
use super::lora::LoraLinear;
use super::pass::{Pass, Site};
use super::{ModelError, targets};
use crate::ops::{Attention, attention, gelu, layer_norm};
use candle_core::{DType, Device, Result, Tensor};
use std::sync::Arc;

/// A padded batch on the device.
#[derive(Clone)]
pub struct Input {
    /// (batch, length), u32.
    ids: Tensor,
    type_ids: Tensor,
    positions: Tensor,
    /// 1 for tokens, 0 for padding; batch x length.
    mask: Arc<[u8]>,
}

impl Input {
    /// From rows padded to `length`, one after the other; `mask` is 1 for tokens.
    pub fn new(
        config: &EncoderConfig,
        ids: &[u32],
        type_ids: &[u32],
        mask: &[u8],
        length: usize,
        device: &Device,
    ) -> Result<Input> {
        let batch = ids.len() / length.max(1);
        let mut positions = Vec::with_capacity(ids.len());
        for row in 0..batch {
            let mut next = 0;
            for i in 0..length {
                positions.push(match config.family {
                    Family::Bert => i as u32,
                    // create_position_ids_from_input_ids: tokens count from pad + 1, padding stays at pad.
                    Family::Roberta if ids[row * length + i] == config.pad_token_id => config.pad_token_id,
                    Family::Roberta => {
                        next += 1;
                        config.pad_token_id + next
                    }
                });
            }
        }
        let highest = config.type_vocab_size.saturating_sub(1) as u32;
        let type_ids: Vec<u32> = type_ids.iter().map(|&id| id.min(highest)).collect();
        Ok(Input {
            ids: Tensor::from_slice(ids, (batch, length), device)?,
            type_ids: Tensor::from_vec(type_ids, (batch, length), device)?,
            positions: Tensor::from_vec(positions, (batch, length), device)?,
            mask: mask.into(),
        })
    }

    /// 1 for tokens, 0 for padding; batch x length.
    pub fn mask(&self) -> &[u8] {
        &self.mask
    }
}

#[derive(Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}

struct Layer {
    query: LoraLinear,
    key: LoraLinear,
    value: LoraLinear,
    attention_output: LoraLinear,
    attention_norm: Norm,
    intermediate: LoraLinear,
    output: LoraLinear,
    output_norm: Norm,
}

/// The encoder without a head.
pub struct Encoder {
    pub config: EncoderConfig,
    word: Tensor,
    position: Tensor,
    token_type: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    /// BERT's pooler: tanh of a linear layer over the first token.
    pooler: Option<LoraLinear>,
}

/// Takes tensors out of a checkpoint under the names of the task class.
struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    /// Prefix in the file, and in the task class, each with its dot.
    stored: String,
    named: String,
    dtype: DType,
    device: &'a Device,
}

impl Loader<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, ModelError> {
        self.checkpoint.get(&format!("{}{name}", self.stored), shape, self.dtype, self.device)
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> std::result::Result<LoraLinear, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.tensor(&format!("{name}.bias"), &[outputs])?;
        Ok(LoraLinear::new(format!("{}{name}", self.named), weight, Some(bias)))
    }

    fn norm(&self, name: &str, width: usize, epsilon: f64) -> std::result::Result<Norm, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[width])?;
        let bias = self.tensor(&format!("{name}.bias"), &[width])?;
        Ok(Norm { weight, bias, epsilon })
    }
}

impl Encoder {
    /// Builds the encoder on the tensors of a checkpoint, with or without the `bert.` / `roberta.` prefix.
    ///
    /// Tracked tensors ([`Checkpoint::from_tensors`]) stay tracked: the whole encoder can then be trained.
    pub fn load(
        config: &EncoderConfig,
        checkpoint: &Checkpoint,
        dtype: DType,
        device: &Device,
    ) -> std::result::Result<Encoder, ModelError> {
        let family = config.family.prefix();
        let loader = Loader {
            checkpoint,
            stored: checkpoint.encoder_prefix(family),
            named: format!("{family}."),
            dtype,
            device,
        };
        let (h, f, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let layer = |n: usize| -> std::result::Result<Layer, ModelError> {
            let name = |part: &str| format!("encoder.layer.{n}.{part}");
            Ok(Layer {
                query: loader.linear(&name("attention.self.query"), h, h)?,
                key: loader.linear(&name("attention.self.key"), h, h)?,
                value: loader.linear(&name("attention.self.value"), h, h)?,
                attention_output: loader.linear(&name("attention.output.dense"), h, h)?,
                attention_norm: loader.norm(&name("attention.output.LayerNorm"), h, eps)?,
                intermediate: loader.linear(&name("intermediate.dense"), f, h)?,
                output: loader.linear(&name("output.dense"), h, f)?,
                output_norm: loader.norm(&name("output.LayerNorm"), h, eps)?,
            })
        };
        let has_pooler = checkpoint.contains(&format!("{}pooler.dense.weight", loader.stored));
        Ok(Encoder {
            word: loader.tensor("embeddings.word_embeddings.weight", &[config.vocab_size, h])?,
            position: loader.tensor("embeddings.position_embeddings.weight", &[config.max_position_embeddings, h])?,
            token_type: loader.tensor("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, h])?,
            norm: loader.norm("embeddings.LayerNorm", h, eps)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<std::result::Result<_, _>>()?,
            pooler: if config.family == Family::Bert && has_pooler {
                Some(loader.linear("pooler.dense", h, h)?)
            } else {
                None
            },
            config: config.clone(),
        })
    }

    /// Gives the encoder a pooler that the checkpoint lacks; weight (h, h), bias (h).
    pub fn set_pooler(&mut self, weight: Tensor, bias: Tensor) {
        let path = format!("{}.pooler.dense", self.config.family.prefix());
        self.pooler = Some(LoraLinear::new(path, weight, Some(bias)));
    }

    /// Whether the checkpoint had a pooler, or one was set.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }

    fn linears_mut(&mut self) -> impl Iterator<Item = &mut LoraLinear> {
        let layers = self.layers.iter_mut().flat_map(|l| {
            [&mut l.query, &mut l.key, &mut l.value, &mut l.attention_output, &mut l.intermediate, &mut l.output]
        });
        layers.chain(self.pooler.iter_mut())
    }

    /// Makes LoRA modules of the layers that `targets` name; returns their paths, inputs and outputs, in model order.
    pub fn attach(&mut self, targets: &[String]) -> std::result::Result<Vec<(String, usize, usize)>, ModelError> {
        let paths: Vec<String> = self.linears_mut().map(|linear| linear.path.clone()).collect();
        let chosen = targets::resolve(targets, &paths)?;
        let mut modules = Vec::with_capacity(chosen.len());
        for linear in self.linears_mut() {
            if chosen.contains(&linear.path) {
                linear.attach(modules.len());
                modules.push((linear.path.clone(), linear.inputs(), linear.outputs()));
            }
        }
        Ok(modules)
    }

    /// Number of frozen parameters.
    pub fn parameters(&mut self) -> usize {
        let h = self.config.hidden_size;
        let embeddings = self.word.elem_count() + self.position.elem_count() + self.token_type.elem_count() + 2 * h;
        let norms = self.layers.len() * 4 * h;
        embeddings + norms + self.linears_mut().map(|linear| linear.parameters()).sum::<usize>()
    }

    /// Word embeddings (vocabulary, hidden): the tied output of masked-token prediction.
    pub fn word_embeddings(&self) -> &Tensor {
        &self.word
    }

    /// Hidden states of the last layer (batch, length, hidden).
    pub fn forward(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        let (batch, length) = input.ids.dims2()?;
        let look_up = |table: &Tensor, ids: &Tensor| {
            table.index_select(&ids.flatten_all()?, 0)?.reshape((batch, length, self.config.hidden_size))
        };
        let x = (look_up(&self.word, &input.ids)? + look_up(&self.token_type, &input.type_ids)?)?;
        let x = (x + look_up(&self.position, &input.positions)?)?;
        let mut x = pass.drop(self.norm.forward(&x)?, Site::Embeddings)?;
        for (n, layer) in self.layers.iter().enumerate() {
            x = self.layer(n, layer, &x, input, pass)?;
        }
        Ok(x)
    }

    fn layer(&self, n: usize, layer: &Layer, x: &Tensor, input: &Input, pass: &Pass) -> Result<Tensor> {
        let how = Attention {
            heads: self.config.num_attention_heads,
            mask: input.mask.clone(),
            dropout: pass.mask(Site::Attention(n)),
        };
        let (q, k, v) = (layer.query.forward(x, pass)?, layer.key.forward(x, pass)?, layer.value.forward(x, pass)?);
        let mixed = layer.attention_output.forward(&attention(&q, &k, &v, &how)?, pass)?;
        let x = layer.attention_norm.forward(&(pass.drop(mixed, Site::AttentionOutput(n))? + x)?)?;
        let inner = layer.intermediate.forward(&x, pass)?;
        let inner = match self.config.activation {
            Activation::Gelu => gelu(&inner)?,
            Activation::GeluTanh => inner.gelu()?,
            Activation::Relu => inner.relu()?,
            Activation::Silu => inner.silu()?,
        };
        let outer = layer.output.forward(&inner, pass)?;
        layer.output_norm.forward(&(pass.drop(outer, Site::FeedForward(n))? + x)?)
    }

    /// The first token's state after the pooler (batch, hidden), or without one as it is.
    pub fn pool(&self, states: &Tensor, pass: &Pass) -> Result<Tensor> {
        let first = states.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        match &self.pooler {
            Some(pooler) => pooler.forward(&first, pass)?.tanh(),
            None => Ok(first),
        }
    }
}
