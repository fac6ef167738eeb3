//! The encoders, one file a family. Every linear layer may carry LoRA; nothing below the lowest one is tracked.

mod bert;
mod deberta_v2;
mod distilbert;
mod modernbert;
mod post_norm;

use super::ModelError;
use super::checkpoint::Checkpoint;
use super::config::{EncoderConfig, Family};
use super::input::Input;
use super::keep::Keep;
use super::loader::Loader;
use super::lora::LoraLinear;
use super::pass::Pass;
use crate::ops::widened;
use candle_core::{DType, Device, Result, Tensor};

/// What a family implements.
trait Body: Send + Sync {
    /// Hidden states of the last layer (batch, length, hidden).
    fn forward(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor>;

    /// Those of the first token of each row alone (batch, 1, hidden).
    fn first(&self, input: &Input, pass: &Pass, keep: Keep) -> Result<Tensor> {
        self.forward(input, pass, keep)?.narrow(1, 0, 1)
    }

    /// The linear layers in the order of the model.
    fn linears_mut(&mut self) -> Vec<&mut LoraLinear>;

    /// (vocabulary, width).
    fn word_embeddings(&self) -> &Tensor;
}

/// An encoder without a head, frozen but for LoRA.
pub struct Encoder {
    pub config: EncoderConfig,
    body: Box<dyn Body>,
    parameters: usize,
    /// What a training pass keeps of the layers.
    pub keep: Keep,
}

impl Encoder {
    /// Builds the encoder on the tensors of a checkpoint, with or without the family's prefix (`bert.`, ...).
    ///
    /// Tracked tensors ([`Checkpoint::from_tensors`]) stay tracked: the whole encoder can then be trained.
    pub fn load(
        config: &EncoderConfig,
        checkpoint: &Checkpoint,
        dtype: DType,
        device: &Device,
    ) -> std::result::Result<Encoder, ModelError> {
        let loader = Loader::encoder(checkpoint, config.family.prefix(), dtype, device);
        let body: Box<dyn Body> = match &config.family {
            Family::Bert | Family::Roberta | Family::XlmRoberta => Box::new(bert::load(config, &loader)?),
            Family::DistilBert => Box::new(distilbert::load(config, &loader)?),
            Family::DebertaV2(own) => Box::new(deberta_v2::load(config, own, &loader)?),
            Family::ModernBert(own) => Box::new(modernbert::load(config, own, &loader)?),
        };
        Ok(Encoder { config: config.clone(), body, parameters: loader.elements(), keep: Keep::All })
    }

    /// The linear layers in the order of the model.
    pub(super) fn linears_mut(&mut self) -> Vec<&mut LoraLinear> {
        self.body.linears_mut()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Word embeddings (vocabulary, width): the tied output of masked-token prediction.
    pub fn word_embeddings(&self) -> &Tensor {
        self.body.word_embeddings()
    }

    /// Hidden states of the last layer (batch, length, hidden).
    pub fn forward(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        self.body.forward(input, pass, self.keep)
    }

    /// Those of the first token of each row (batch, hidden): what the last layer makes of the others is not computed, where
    /// the family's code can do without.
    pub fn first(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        self.body.first(input, pass, self.keep)?.squeeze(1)?.contiguous()
    }
}

/// Rows of a table (n, width) by ids (batch, length): (batch, length, width); in f32 of a table in 16 bits.
pub(super) fn look_up(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (batch, length) = ids.dims2()?;
    widened(table.index_select(&ids.flatten_all()?, 0)?)?.reshape((batch, length, table.dim(1)?))
}
