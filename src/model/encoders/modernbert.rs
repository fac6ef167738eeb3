//! ModernBERT: norms before attention and feed-forward, rotary positions, local and global layers in turn, gated units.

use super::{Body, look_up};
use crate::model::ModelError;
use crate::model::activation::Activation;
use crate::model::config::{EncoderConfig, ModernBert};
use crate::model::input::Input;
use crate::model::keep::Keep;
use crate::model::loader::{Loader, Norm};
use crate::model::lora::LoraLinear;
use crate::model::pass::{Pass, Site};
use crate::ops::{Attention, Rope, packed_attention, packed_gate};
use candle_core::{D, Result, Tensor};
use std::sync::Arc;

#[derive(Clone)]
struct Layer {
    /// Path with its dot.
    path: String,
    /// The first layer has none: the embeddings come normed.
    attention_norm: Option<Norm>,
    /// Queries, keys and values, one after the other.
    qkv: LoraLinear,
    attention_output: LoraLinear,
    mlp_norm: Norm,
    /// Units, then their gates.
    mlp_input: LoraLinear,
    mlp_output: LoraLinear,
    global: bool,
    units: usize,
    activation: Activation,
}

/// `ModernBertModel`.
pub struct Encoder {
    word: Tensor,
    norm: Norm,
    layers: Vec<Arc<Layer>>,
    final_norm: Norm,
    own: ModernBert,
    heads: usize,
    head_width: usize,
}

/// Loads the encoder.
pub fn load(config: &EncoderConfig, own: &ModernBert, loader: &Loader) -> std::result::Result<Encoder, ModelError> {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let norm = |name: &str| loader.norm(name, h, config.layer_norm_eps, own.norm_bias);
    let layer = |n: usize| -> std::result::Result<Arc<Layer>, ModelError> {
        let name = |part: &str| format!("layers.{n}.{part}");
        Ok(Arc::new(Layer {
            path: loader.path(&name("")),
            attention_norm: if n == 0 { None } else { Some(norm(&name("attn_norm"))?) },
            qkv: loader.linear(&name("attn.Wqkv"), 3 * h, h, own.attention_bias)?,
            attention_output: loader.linear(&name("attn.Wo"), h, h, own.attention_bias)?,
            mlp_norm: norm(&name("mlp_norm"))?,
            mlp_input: loader.linear(&name("mlp.Wi"), 2 * f, h, own.mlp_bias)?,
            mlp_output: loader.linear(&name("mlp.Wo"), h, f, own.mlp_bias)?,
            global: own.global_layers.get(n).copied().unwrap_or(true),
            units: f,
            activation: config.activation,
        }))
    };
    Ok(Encoder {
        word: loader.matrix("embeddings.tok_embeddings.weight", config.vocab_size, h)?,
        norm: norm("embeddings.norm")?,
        layers: (0..config.num_hidden_layers).map(layer).collect::<std::result::Result<_, _>>()?,
        final_norm: norm("final_norm")?,
        own: own.clone(),
        heads: config.num_attention_heads,
        head_width: config.head_width(),
    })
}

impl Layer {
    fn forward(&self, n: usize, x: &Tensor, attention: &Attention, pass: &Pass) -> Result<Tensor> {
        let normed = self.attention_norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(x))?;
        let mixed = packed_attention(&self.qkv.forward(&normed, pass)?, attention)?;
        let mixed = pass.drop(self.attention_output.forward(&mixed, pass)?, Site::AttentionOutput(n))?;
        let x = (x + mixed)?;
        let inner = self.mlp_input.forward(&self.mlp_norm.forward(&x)?, pass)?;
        let gated = match self.activation.curve() {
            Some(curve) => packed_gate(&inner, curve)?,
            None => {
                let units = self.activation.apply(&inner.narrow(D::Minus1, 0, self.units)?.contiguous()?)?;
                (units * inner.narrow(D::Minus1, self.units, self.units)?)?
            }
        };
        x + self.mlp_output.forward(&pass.drop(gated, Site::FeedForward(n))?, pass)?
    }
}

impl Body for Encoder {
    fn forward(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor> {
        let (_, length) = input.ids.dims2()?;
        let rope = |theta| Some(Arc::new(Rope::new(length, self.head_width, theta)));
        let (global, local) = (rope(self.own.global_theta), rope(self.own.local_theta));
        let mut x = pass.drop(self.norm.forward(&look_up(&self.word, &input.ids)?)?, Site::Embeddings)?;
        for (n, layer) in self.layers.iter().enumerate() {
            let attention = Attention {
                heads: self.heads,
                mask: input.mask.clone(),
                dropout: pass.mask(Site::Attention(n)),
                window: (!layer.global).then_some(self.own.half_window),
                rope: if layer.global { global.clone() } else { local.clone() },
            };
            let own = layer.clone();
            x = keep.layer(&x, pass, &layer.path, move |x, pass| own.forward(n, x, &attention, pass))?;
        }
        self.final_norm.forward(&x)
    }

    fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        let layers = self.layers.iter_mut().map(Arc::make_mut);
        layers.flat_map(|l| [&mut l.qkv, &mut l.attention_output, &mut l.mlp_input, &mut l.mlp_output]).collect()
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.word
    }
}
