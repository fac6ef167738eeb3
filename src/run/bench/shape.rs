//! A model of a shape, with weights that nobody trained.

use crate::experiment::Precision;
use crate::model::checkpoint::Checkpoint;
use crate::model::{Decoder, HeadKind, ModelConfig, ModelError, Network, TaskModel, kept_in};
use crate::run::base::Base;
use candle_core::Device;
use serde_json::json;

/// Classes of an encoder's head.
pub const CLASSES: usize = 2;
/// Of the weights that are drawn.
const SEED: u64 = 42;

/// The family of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An encoder with a sequence classification head.
    Roberta,
    /// A decoder with its output layer tied to the embeddings.
    Gpt2,
}

/// The sizes of a model; the feed-forward is four times as wide as the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub kind: Kind,
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
}

impl Shape {
    /// The configuration with the vocabulary of the family, for rows of `length` tokens.
    ///
    /// # Errors
    /// Sizes that no model has.
    pub fn config(&self, length: usize) -> Result<ModelConfig, ModelError> {
        let Shape { kind, layers, hidden, heads } = *self;
        let value = match kind {
            Kind::Roberta => json!({
                "model_type": "roberta", "vocab_size": 50_265, "hidden_size": hidden, "num_hidden_layers": layers,
                "num_attention_heads": heads, "intermediate_size": 4 * hidden, "type_vocab_size": 1,
                // Positions start after the padding id.
                "max_position_embeddings": length.max(512) + 2,
            }),
            Kind::Gpt2 => json!({
                "model_type": "gpt2", "vocab_size": 50_257, "n_embd": hidden, "n_layer": layers, "n_head": heads,
                "n_positions": length.max(1024),
            }),
        };
        ModelConfig::parse(value.to_string().as_bytes(), "the shape")
    }
}

/// What is timed.
pub enum Subject {
    Shape(Shape),
    Model(Box<Base>),
}

impl Subject {
    /// Its configuration, for rows of `length` tokens.
    ///
    /// # Errors
    /// Sizes that no model has.
    pub fn config(&self, length: usize) -> Result<ModelConfig, ModelError> {
        match self {
            Subject::Shape(shape) => shape.config(length),
            Subject::Model(base) => Ok(base.config.clone()),
        }
    }

    /// The frozen model with what is trained on it: a head of two classes, or nothing of a decoder.
    ///
    /// # Errors
    /// A checkpoint that is not of its configuration.
    pub fn network(&self, config: &ModelConfig, precision: Precision, device: &Device) -> Result<Network, ModelError> {
        let drawn;
        let checkpoint = match self {
            Subject::Shape(_) => {
                drawn = Checkpoint::drawn(SEED);
                &drawn
            }
            Subject::Model(base) => &base.checkpoint,
        };
        let dtype = kept_in(precision);
        Ok(match config {
            ModelConfig::Encoder(config) => {
                let kind = HeadKind::Sequence;
                let (model, _) = TaskModel::load(config, checkpoint, kind, CLASSES, dtype, device)?;
                Network::Task(Box::new(model))
            }
            ModelConfig::Decoder(config) => {
                Network::Causal(Box::new(Decoder::load(config, checkpoint, dtype, device)?))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_a_model_of_its_sizes() {
        let sizes = |kind, length| {
            let shape = Shape { kind, layers: 2, hidden: 32, heads: 4 };
            let config = shape.config(length).unwrap();
            let network = Subject::Shape(shape).network(&config, Precision::F32, &Device::Cpu).unwrap();
            (config.max_length(), config.vocab_size(), network.frozen_parameters())
        };
        // Embeddings, their norm, and by layer: four linear layers of attention, two norms, the feed-forward.
        let layers = 2 * (4 * (32 * 32 + 32) + 4 * 32 + 2 * 32 * 128 + 128 + 32);
        let roberta = 32 * (50_265 + 514 + 1) + 2 * 32 + layers;
        assert_eq!(sizes(Kind::Roberta, 64), (512, 50_265, roberta));
        // The last norm in the place of the embeddings'.
        assert_eq!(sizes(Kind::Gpt2, 2048), (2048, 50_257, 32 * (50_257 + 2048) + 2 * 32 + layers));
    }

    #[test]
    fn a_shape_that_no_model_has_is_refused_in_words() {
        let shape = Shape { kind: Kind::Roberta, layers: 1, hidden: 30, heads: 4 };
        assert!(shape.config(8).unwrap_err().to_string().contains("hidden size 30 is not a multiple"));
    }
}
