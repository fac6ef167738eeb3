//! One layer of a decoder: norm, attention, norm, feed-forward, each branch added to what it read.

use super::cache::Cache;
use super::tokens::Tokens;
use crate::model::ModelError;
use crate::model::activation::Activation;
use crate::model::config::decoder::{DecoderConfig, DecoderFamily, NormRule};
use crate::model::loader::{Loader, Norm};
use crate::model::lora::{LoraLinear, feed_forward};
use crate::model::pass::{Pass, Site};
use crate::ops::{Causal, Rope, causal_attention, gate, packed_gate, rotate};
use candle_core::{D, Result, Tensor};
use std::sync::Arc;

type Loaded<T> = std::result::Result<T, ModelError>;

/// Queries, keys and values: one layer each, or all in one, in this order.
#[derive(Clone)]
enum Projections {
    Separate(Box<[LoraLinear; 3]>),
    Packed(LoraLinear),
}

/// What the feed-forward begins with.
#[derive(Clone)]
enum Inner {
    Plain(LoraLinear),
    /// Units (through the non-linearity) and gates.
    Gated(Box<[LoraLinear; 2]>),
    /// Both in one, units first.
    Packed(LoraLinear),
}

/// One layer.
#[derive(Clone)]
pub struct Layer {
    /// Path with its dot.
    pub path: String,
    attention_norm: Norm,
    projections: Projections,
    /// Of every head of queries, and of keys.
    head_norms: Option<(Norm, Norm)>,
    output: LoraLinear,
    attention_post_norm: Option<Norm>,
    mlp_norm: Norm,
    inner: Inner,
    mlp_output: LoraLinear,
    mlp_post_norm: Option<Norm>,
}

/// A norm of the family's kind.
pub fn load_norm(config: &DecoderConfig, loader: &Loader, name: &str, width: usize) -> Loaded<Norm> {
    match config.norm {
        NormRule::Layer => loader.norm(name, width, config.norm_eps, true),
        NormRule::Rms => Ok(Norm::rms(loader.tensor(&format!("{name}.weight"), &[width])?, config.norm_eps)),
        NormRule::RmsPlusOne => {
            let weight = (loader.tensor(&format!("{name}.weight"), &[width])? + 1.0)?;
            Ok(Norm::rms(weight, config.norm_eps))
        }
    }
}

impl Layer {
    /// Loads layer `n`.
    pub fn load(config: &DecoderConfig, loader: &Loader, n: usize) -> Loaded<Layer> {
        let (h, f, d) = (config.hidden_size, config.intermediate_size, config.head_dim);
        let (q, kv) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let norm = |name: &str, width: usize| load_norm(config, loader, name, width);
        if config.family == DecoderFamily::Gpt2 {
            let name = |part: &str| format!("h.{n}.{part}");
            return Ok(Layer {
                path: loader.path(&name("")),
                attention_norm: norm(&name("ln_1"), h)?,
                projections: Projections::Packed(loader.conv1d(&name("attn.c_attn"), q + 2 * kv, h)?),
                head_norms: None,
                output: loader.conv1d(&name("attn.c_proj"), h, q)?,
                attention_post_norm: None,
                mlp_norm: norm(&name("ln_2"), h)?,
                inner: Inner::Plain(loader.conv1d(&name("mlp.c_fc"), f, h)?),
                mlp_output: loader.conv1d(&name("mlp.c_proj"), h, f)?,
                mlp_post_norm: None,
            });
        }
        let name = |part: &str| format!("layers.{n}.{part}");
        let linear = |part: &str, outputs, inputs, bias| loader.linear(&name(part), outputs, inputs, bias);
        let (qkv_bias, mlp_bias) = (config.qkv_bias, config.mlp_bias);
        let packed = config.family == DecoderFamily::Phi3;
        let projections = if packed {
            Projections::Packed(linear("self_attn.qkv_proj", q + 2 * kv, h, qkv_bias)?)
        } else {
            Projections::Separate(Box::new([
                linear("self_attn.q_proj", q, h, qkv_bias)?,
                linear("self_attn.k_proj", kv, h, qkv_bias)?,
                linear("self_attn.v_proj", kv, h, qkv_bias)?,
            ]))
        };
        let inner = if packed {
            Inner::Packed(linear("mlp.gate_up_proj", 2 * f, h, mlp_bias)?)
        } else {
            let units = linear("mlp.gate_proj", f, h, mlp_bias)?;
            Inner::Gated(Box::new([units, linear("mlp.up_proj", f, h, mlp_bias)?]))
        };
        let head_norms = if config.head_norms {
            Some((norm(&name("self_attn.q_norm"), d)?, norm(&name("self_attn.k_norm"), d)?))
        } else {
            None
        };
        let post = |part: &str| if config.post_norms { norm(&name(part), h).map(Some) } else { Ok(None) };
        let mlp_norm = if config.post_norms { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        Ok(Layer {
            path: loader.path(&name("")),
            attention_norm: norm(&name("input_layernorm"), h)?,
            projections,
            head_norms,
            output: linear("self_attn.o_proj", h, q, config.output_bias)?,
            attention_post_norm: post("post_attention_layernorm")?,
            mlp_norm: norm(&name(mlp_norm), h)?,
            inner,
            mlp_output: linear("mlp.down_proj", h, f, mlp_bias)?,
            mlp_post_norm: post("post_feedforward_layernorm")?,
        })
    }

    /// The linear layers in the order of the model.
    pub fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        let mut linears: Vec<&mut LoraLinear> = match &mut self.projections {
            Projections::Separate(three) => three.iter_mut().collect(),
            Projections::Packed(one) => vec![one],
        };
        linears.push(&mut self.output);
        match &mut self.inner {
            Inner::Plain(one) | Inner::Packed(one) => linears.push(one),
            Inner::Gated(two) => linears.extend(two.iter_mut()),
        }
        linears.push(&mut self.mlp_output);
        linears
    }

    /// x (batch, length, hidden) -> the same.
    pub fn forward(&self, x: &Tensor, call: &Call, pass: &Pass, cache: Option<&mut Cache>) -> Result<Tensor> {
        let n = call.layer;
        let mixed = self.attend(&self.attention_norm.forward(x)?, call, pass, cache)?;
        let mixed = pass.drop(self.output.forward(&mixed, pass)?, Site::AttentionOutput(n))?;
        let x = (x + normed(&self.attention_post_norm, mixed)?)?;
        let read = self.mlp_norm.forward(&x)?;
        let y = match &self.inner {
            Inner::Plain(inner) => feed_forward((inner, &self.mlp_output), call.config.activation, &read, pass)?,
            Inner::Gated(two) => self.mlp_output.forward(&of_both(two, &read, &call.config, pass)?, pass)?,
            Inner::Packed(one) => self.mlp_output.forward(&of_joint(one, &read, &call.config, pass)?, pass)?,
        };
        let y = pass.drop(y, Site::FeedForward(n))?;
        x + normed(&self.mlp_post_norm, y)?
    }

    /// Queries, keys and values of all heads.
    fn project(&self, x: &Tensor, config: &DecoderConfig, pass: &Pass) -> Result<[Tensor; 3]> {
        match &self.projections {
            Projections::Separate(three) => {
                let [q, k, v] = three.as_ref();
                Ok([q.forward(x, pass)?, k.forward(x, pass)?, v.forward(x, pass)?])
            }
            Projections::Packed(one) => {
                let d = config.head_dim;
                let (q, kv) = (config.num_attention_heads * d, config.num_key_value_heads * d);
                let all = one.forward(x, pass)?;
                Ok([all.narrow(D::Minus1, 0, q)?, all.narrow(D::Minus1, q, kv)?, all.narrow(D::Minus1, q + kv, kv)?])
            }
        }
    }

    fn attend(&self, x: &Tensor, call: &Call, pass: &Pass, cache: Option<&mut Cache>) -> Result<Tensor> {
        let (config, tokens) = (&call.config, &call.tokens);
        let [mut q, mut k, v] = self.project(x, config, pass)?;
        if let Some((of_queries, of_keys)) = &self.head_norms {
            (q, k) = (of_queries.forward(&q)?, of_keys.forward(&k)?);
        }
        let rule = &config.layers[call.layer];
        if let Some(rope) = rule.rope.and_then(|rope| call.ropes.get(rope)) {
            q = rotate(&q, rope, &tokens.positions, config.head_dim)?;
            k = rotate(&k, rope, &tokens.positions, config.head_dim)?;
        }
        let (k, v) = match cache {
            Some(cache) => cache.extend(call.layer, k, v)?,
            None => (k, v),
        };
        let with = Causal {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            scale: rule.scale,
            cap: config.attention_cap,
            first: tokens.first_seen(rule.window),
            dropout: pass.mask(Site::Attention(call.layer)),
        };
        causal_attention(&q, &k, &v, &with)
    }
}

/// Units times gates, each of a layer of its own.
fn of_both([units, gates]: &[LoraLinear; 2], x: &Tensor, config: &DecoderConfig, pass: &Pass) -> Result<Tensor> {
    gated(&units.forward(x, pass)?, &gates.forward(x, pass)?, config.activation)
}

/// Units times gates, of one layer.
fn of_joint(both: &LoraLinear, x: &Tensor, config: &DecoderConfig, pass: &Pass) -> Result<Tensor> {
    let both = both.forward(x, pass)?;
    match config.activation.curve() {
        Some(curve) => packed_gate(&both, curve),
        None => {
            let n = config.intermediate_size;
            gated(&both.narrow(D::Minus1, 0, n)?, &both.narrow(D::Minus1, n, n)?, config.activation)
        }
    }
}

fn gated(units: &Tensor, gates: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation.curve() {
        Some(curve) => gate(units, gates, curve),
        None => activation.apply(&units.contiguous()?)? * gates,
    }
}

fn normed(norm: &Option<Norm>, x: Tensor) -> Result<Tensor> {
    norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
}

/// What a layer needs beside its input and the pass.
pub struct Call {
    pub config: Arc<DecoderConfig>,
    pub tokens: Tokens,
    /// The rotary tables of [`DecoderConfig::ropes`].
    pub ropes: Arc<[Arc<Rope>]>,
    pub layer: usize,
}
