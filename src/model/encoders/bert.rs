//! BERT, RoBERTa and XLM-RoBERTa, and what DistilBERT shares with them.

use super::post_norm::{Layer, Names};
use super::{Body, look_up};
use crate::model::ModelError;
use crate::model::config::EncoderConfig;
use crate::model::input::Input;
use crate::model::keep::Keep;
use crate::model::loader::{Loader, Norm};
use crate::model::lora::LoraLinear;
use crate::model::pass::{Pass, Site};
use crate::ops::{Attention, attention};
use candle_core::{Result, Tensor};
use std::sync::Arc;

/// Embeddings, a norm, and layers of plain attention.
pub struct Bert {
    word: Tensor,
    position: Tensor,
    token_type: Option<Tensor>,
    norm: Norm,
    layers: Vec<Arc<Layer>>,
    heads: usize,
}

const NAMES: Names = Names {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
    drops_attention_output: true,
};

/// `BertModel`, `RobertaModel` and `XLMRobertaModel` without a pooler.
pub fn load(config: &EncoderConfig, loader: &Loader) -> std::result::Result<Bert, ModelError> {
    Bert::load(config, loader, "encoder.layer", &NAMES)
}

impl Bert {
    /// With layers under `layers` (without a dot) that call their parts `names`.
    pub fn load(
        config: &EncoderConfig,
        loader: &Loader,
        layers: &str,
        names: &Names,
    ) -> std::result::Result<Bert, ModelError> {
        let h = config.hidden_size;
        let table = |name: &str, rows| loader.matrix(&format!("embeddings.{name}_embeddings.weight"), rows, h);
        Ok(Bert {
            word: table("word", config.vocab_size)?,
            position: table("position", config.max_position_embeddings)?,
            token_type: match config.type_vocab_size {
                0 => None,
                types => Some(table("token_type", types)?),
            },
            norm: loader.norm("embeddings.LayerNorm", h, config.layer_norm_eps, true)?,
            layers: (0..config.num_hidden_layers)
                .map(|n| Layer::load(loader, &format!("{layers}.{n}."), names, config).map(Arc::new))
                .collect::<std::result::Result<_, _>>()?,
            heads: config.num_attention_heads,
        })
    }
}

impl Bert {
    /// Hidden states of the last layer, of all tokens or of the first of each row.
    fn states(&self, input: &Input, pass: &Pass, keep: Keep, all: bool) -> Result<Tensor> {
        let mut x = look_up(&self.word, &input.ids)?;
        if let Some(token_type) = &self.token_type {
            x = (x + look_up(token_type, &input.type_ids)?)?;
        }
        let x = (x + look_up(&self.position, &input.positions)?)?;
        let mut x = pass.drop(self.norm.forward(&x)?, Site::Embeddings)?;
        for (n, layer) in self.layers.iter().enumerate() {
            let how = Attention::full(self.heads, input.mask.clone(), pass.mask(Site::Attention(n)));
            let own = layer.clone();
            let is_all = all || n + 1 < self.layers.len();
            x = keep.layer(&x, pass, &layer.path, move |x, pass| {
                let (q, k, v) = (own.query.forward(x, pass)?, own.key.forward(x, pass)?, own.value.forward(x, pass)?);
                let mixed = attention(&q, &k, &v, &how)?;
                match is_all {
                    true => own.finish(n, &mixed, x, pass),
                    // What follows attention looks at no other token.
                    false => own.finish(n, &mixed.narrow(1, 0, 1)?, &x.narrow(1, 0, 1)?, pass),
                }
            })?;
        }
        Ok(x)
    }
}

impl Body for Bert {
    fn forward(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor> {
        self.states(input, pass, keep, true)
    }

    fn first(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor> {
        self.states(input, pass, keep, false)
    }

    fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        self.layers.iter_mut().flat_map(|layer| Arc::make_mut(layer).linears_mut()).collect()
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.word
    }
}
