//! DeBERTa v2 and v3: attention whose scores see content and relative position apart ("disentangled").

use super::post_norm::{Layer, Names};
use super::{Body, look_up};
use crate::model::ModelError;
use crate::model::config::{Convolution, DebertaV2, EncoderConfig, Relative};
use crate::model::input::Input;
use crate::model::keep::Keep;
use crate::model::loader::{Loader, Norm};
use crate::model::lora::LoraLinear;
use crate::model::pass::{Pass, Site};
use crate::ops::{Attention, Positions, computed_in, disentangled_attention, frozen_linear};
use candle_core::{D, Result, Tensor};
use std::sync::Arc;

type Loaded<T> = std::result::Result<T, ModelError>;

const NAMES: Names = Names {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
    drops_attention_output: true,
};

#[derive(Clone)]
struct DebertaLayer {
    layer: Layer,
    /// Projections of the positions, where these do not share the content's.
    position_key: Option<LoraLinear>,
    position_query: Option<LoraLinear>,
}

/// The relative positions' table, shared by the layers.
struct RelativeTable {
    /// (2 span, hidden).
    table: Tensor,
    norm: Option<Norm>,
    how: Relative,
}

/// The convolution over neighbouring tokens that joins the first layer's result.
struct ConvolutionLayer {
    /// (hidden, kernel size x hidden).
    weight: Tensor,
    bias: Tensor,
    norm: Norm,
    how: Convolution,
}

/// `DebertaV2Model`.
pub struct Encoder {
    word: Tensor,
    position: Option<Tensor>,
    token_type: Option<Tensor>,
    widen: Option<LoraLinear>,
    norm: Norm,
    layers: Vec<Arc<DebertaLayer>>,
    relative: Option<RelativeTable>,
    convolution: Option<ConvolutionLayer>,
    own: DebertaV2,
    heads: usize,
    head_width: usize,
}

/// Loads the encoder.
pub fn load(config: &EncoderConfig, own: &DebertaV2, loader: &Loader) -> Loaded<Encoder> {
    let (h, e, eps) = (config.hidden_size, own.embedding_size, config.layer_norm_eps);
    let table = |name: &str, rows| loader.matrix(&format!("embeddings.{name}_embeddings.weight"), rows, e);
    let apart = own.relative.is_some_and(|relative| !relative.share_att_key);
    let layer = |n: usize| -> Loaded<Arc<DebertaLayer>> {
        let prefix = format!("encoder.layer.{n}.");
        let own_projection = |name: &str, wanted: bool| {
            let load = || loader.linear(&format!("{prefix}attention.self.{name}"), h, h, true);
            (apart && wanted).then(load).transpose()
        };
        Ok(Arc::new(DebertaLayer {
            layer: Layer::load(loader, &prefix, &NAMES, config)?,
            position_key: own_projection("pos_key_proj", own.content_to_position)?,
            position_query: own_projection("pos_query_proj", own.position_to_content)?,
        }))
    };
    let relative = |how: Relative| -> Loaded<RelativeTable> {
        let table = loader.tensor("encoder.rel_embeddings.weight", &[2 * how.span, h])?;
        let norm = if how.norm { Some(loader.norm("encoder.LayerNorm", h, eps, true)?) } else { None };
        Ok(RelativeTable { table, norm, how })
    };
    let convolution = |how: Convolution| -> Loaded<ConvolutionLayer> {
        let weight = loader.tensor("encoder.conv.conv.weight", &[h, h, how.kernel_size])?;
        Ok(ConvolutionLayer {
            weight: weight.transpose(1, 2)?.reshape((h, how.kernel_size * h))?.contiguous()?,
            bias: loader.tensor("encoder.conv.conv.bias", &[h])?,
            norm: loader.norm("encoder.conv.LayerNorm", h, eps, true)?,
            how,
        })
    };
    Ok(Encoder {
        word: table("word", config.vocab_size)?,
        position: own.position_biased_input.then(|| table("position", config.max_position_embeddings)).transpose()?,
        token_type: match config.type_vocab_size {
            0 => None,
            types => Some(table("token_type", types)?),
        },
        widen: if e == h { None } else { Some(loader.linear("embeddings.embed_proj", h, e, false)?) },
        norm: loader.norm("embeddings.LayerNorm", h, eps, true)?,
        layers: (0..config.num_hidden_layers).map(layer).collect::<Loaded<_>>()?,
        relative: own.relative.map(relative).transpose()?,
        convolution: own.convolution.map(convolution).transpose()?,
        own: own.clone(),
        heads: config.num_attention_heads,
        head_width: config.head_width(),
    })
}

/// Row of the table for the distance `by` = query - key (`make_log_bucket_position`, then shifted and clamped).
fn table_row(by: i64, how: &Relative) -> usize {
    let span = how.span as i64;
    let middle = span / 2;
    let bucket = match how.log_up_to {
        Some(furthest) if by.abs() > middle => {
            // In f32 as in Hugging Face: a result next to a whole number is rounded up alike.
            let (middle, furthest) = (middle as f32, furthest as f32);
            let share = (by.abs() as f32 / middle).ln() / ((furthest - 1.0) / middle).ln();
            ((share * (middle - 1.0)).ceil() + middle) as i64 * by.signum()
        }
        _ => by,
    };
    bucket.saturating_add(span).clamp(0, 2 * span - 1) as usize
}

/// The rows of the table that a row of `length` tokens needs: the first, how many, and for every distance which of
/// them.
fn table_rows(length: usize, how: &Relative) -> (usize, usize, Arc<[u32]>) {
    let reach = length as i64 - 1;
    let rows: Vec<usize> = (-reach..=reach).map(|by| table_row(by, how)).collect();
    let first = rows.iter().copied().min().unwrap_or(0);
    let count = rows.iter().copied().max().map_or(1, |last| last - first + 1);
    (first, count, rows.iter().map(|row| (row - first) as u32).collect())
}

impl Encoder {
    /// Embeddings (batch, length, hidden), 0 at padding.
    fn embed(&self, input: &Input, mask: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut x = look_up(&self.word, &input.ids)?;
        if let Some(position) = &self.position {
            x = (x + look_up(position, &input.positions)?)?;
        }
        if let Some(token_type) = &self.token_type {
            x = (x + look_up(token_type, &input.type_ids)?)?;
        }
        if let Some(widen) = &self.widen {
            x = widen.forward(&x, pass)?;
        }
        pass.drop(self.norm.forward(&x)?.broadcast_mul(mask)?, Site::Embeddings)
    }
}

/// What the layers share of the relative positions.
#[derive(Clone)]
struct Distances {
    /// Rows of the table (n, hidden); none where a model has none.
    rows: Option<Tensor>,
    /// Row of every distance.
    index: Arc<[u32]>,
    content_to_position: bool,
    position_to_content: bool,
    /// Factor of the whole score.
    scale: f64,
}

impl DebertaLayer {
    /// Layer `n` of `x` (batch, length, hidden), to the same.
    fn forward(&self, n: usize, x: &Tensor, with: &Attention, distances: &Distances, pass: &Pass) -> Result<Tensor> {
        let layer = &self.layer;
        let (q, k, v) = (layer.query.forward(x, pass)?, layer.key.forward(x, pass)?, layer.value.forward(x, pass)?);
        let (keys, queries) = match &distances.rows {
            Some(rows) => self.project(n, rows, distances, pass)?,
            None => (None, None),
        };
        let (index, scale) = (distances.index.clone(), distances.scale);
        let positions = Positions { keys: keys.as_ref(), queries: queries.as_ref(), index, scale };
        layer.finish(n, &disentangled_attention(&q, &k, &v, &positions, with)?, x, pass)
    }

    /// Keys and queries of the positions `rows` (n, hidden) in layer `n`.
    fn project(
        &self,
        n: usize,
        rows: &Tensor,
        distances: &Distances,
        pass: &Pass,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let DebertaLayer { layer, position_key, position_query } = self;
        let rows = pass.drop(rows.clone(), Site::Positions(n))?;
        let forward = |wanted: bool, linear: &LoraLinear| wanted.then(|| linear.forward(&rows, pass)).transpose();
        Ok((
            forward(distances.content_to_position, position_key.as_ref().unwrap_or(&layer.key))?,
            forward(distances.position_to_content, position_query.as_ref().unwrap_or(&layer.query))?,
        ))
    }
}

impl ConvolutionLayer {
    /// `x`, the first layer's input, and `result`, its output, both (batch, length, hidden), to what the second layer
    /// gets.
    fn forward(&self, x: &Tensor, result: &Tensor, mask: &Tensor, place: usize, pass: &Pass) -> Result<Tensor> {
        let length = x.dim(1)?;
        let half = self.how.kernel_size / 2;
        let padded = x.pad_with_zeros(1, half, half)?;
        let shifted: Vec<Tensor> =
            (0..self.how.kernel_size).map(|by| padded.narrow(1, by, length)).collect::<Result<_>>()?;
        let out = frozen_linear(&Tensor::cat(&shifted, D::Minus1)?, &self.weight, Some(&self.bias))?;
        let out = pass.drop(out, Site::FeedForward(place))?;
        self.norm.forward(&(result + self.how.activation.apply(&out)?)?)?.broadcast_mul(mask)
    }
}

impl Body for Encoder {
    fn forward(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor> {
        let (_, length) = input.ids.dims2()?;
        let mask = input.mask_tensor(computed_in(self.word.dtype()), self.word.device())?;
        let mut x = self.embed(input, &mask, pass)?;
        let (rows, index) = match &self.relative {
            None => (None, vec![0; 2 * length - 1].into()),
            Some(RelativeTable { table, norm, how }) => {
                let (first, count, index) = table_rows(length, how);
                let rows = table.narrow(0, first, count)?.contiguous()?;
                (Some(norm.as_ref().map_or(Ok(rows.clone()), |norm| norm.forward(&rows))?), index)
            }
        };
        let terms = 1 + usize::from(self.own.content_to_position) + usize::from(self.own.position_to_content);
        let scale = 1.0 / ((self.head_width * terms) as f64).sqrt();
        let (content_to_position, position_to_content) = (self.own.content_to_position, self.own.position_to_content);
        let distances = Distances { rows, index, content_to_position, position_to_content, scale };
        for (n, layer) in self.layers.iter().enumerate() {
            let with = Attention::full(self.heads, input.mask.clone(), pass.mask(Site::Attention(n)));
            let (own, distances) = (layer.clone(), distances.clone());
            let forward = move |x: &Tensor, pass: &Pass| own.forward(n, x, &with, &distances, pass);
            let result = keep.layer(&x, pass, &layer.layer.path, forward)?;
            x = match self.convolution.as_ref().filter(|_| n == 0) {
                Some(convolution) => convolution.forward(&x, &result, &mask, self.layers.len(), pass)?,
                None => result,
            };
        }
        Ok(x)
    }

    fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        let layers = self.layers.iter_mut().flat_map(|layer| {
            let DebertaLayer { layer, position_key, position_query } = Arc::make_mut(layer);
            let [query, key, value, rest @ ..] = layer.linears_mut();
            let positions = position_key.iter_mut().chain(position_query.iter_mut());
            [query, key, value].into_iter().chain(positions).chain(rest)
        });
        self.widen.iter_mut().chain(layers).collect()
    }

    fn word_embeddings(&self) -> &Tensor {
        &self.word
    }
}
