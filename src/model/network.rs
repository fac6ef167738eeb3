//! A frozen model with what is trained on it: an encoder with a head, or a decoder.

use super::ModelError;
use super::decoder::Decoder;
use super::keep::Keep;
use super::pass::{DropoutRates, Weights};
use super::task_model::TaskModel;
use candle_core::Result;

/// What a run trains on.
pub enum Network {
    Task(Box<TaskModel>),
    Causal(Box<Decoder>),
}

impl Network {
    /// Makes LoRA modules of the layers that `targets` name; returns their paths, inputs and outputs, in model order.
    pub fn attach(&mut self, targets: &[String]) -> std::result::Result<Vec<(String, usize, usize)>, ModelError> {
        match self {
            Network::Task(model) => model.attach(targets),
            Network::Causal(decoder) => decoder.attach(targets),
        }
    }

    /// Says what a training pass keeps of the layers.
    pub fn keep(&mut self, keep: Keep) {
        match self {
            Network::Task(model) => model.encoder.keep = keep,
            Network::Causal(decoder) => decoder.keep = keep,
        }
    }

    /// The trained part of the head to start from; a decoder has none.
    pub fn initial_head(&self, seed: u64, purpose: &str) -> Result<Weights> {
        match self {
            Network::Task(model) => model.initial_head(seed, purpose),
            Network::Causal(_) => Ok(Weights::new()),
        }
    }

    /// Names and shapes of the head's trained tensors.
    pub fn head_shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Network::Task(model) => model.head_shapes(),
            Network::Causal(_) => Vec::new(),
        }
    }

    /// Number of frozen parameters.
    pub fn frozen_parameters(&self) -> usize {
        match self {
            Network::Task(model) => model.frozen_parameters(),
            Network::Causal(decoder) => decoder.parameters(),
        }
    }

    /// Dropout of retraining: the configuration's, or `backbone` at every site that it covers.
    pub fn dropout_rates(&self, lora: f64, backbone: Option<f64>) -> DropoutRates {
        match self {
            Network::Task(model) => model.dropout_rates(lora, backbone),
            Network::Causal(decoder) => decoder.dropout_rates(lora, backbone),
        }
    }
}
