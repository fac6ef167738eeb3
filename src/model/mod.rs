//! Frozen backbones and heads with LoRA-aware linear layers, and how they are loaded.

pub mod activation;
pub mod builtin;
pub mod checkpoint;
pub mod config;
pub mod decoder;
pub mod encoders;
pub mod generate;
pub mod head;
pub mod input;
pub mod keep;
pub mod loader;
pub mod lora;
pub mod memory;
pub mod network;
pub mod pass;
pub mod source;
mod stored;
pub mod targets;
pub mod task_model;
mod tokenizer;
mod torch_file;

use crate::experiment::Precision;
use candle_core::DType;
pub use config::{DecoderConfig, EncoderConfig, ModelConfig};
pub use decoder::Decoder;
pub use encoders::Encoder;
pub use head::HeadKind;
pub use input::Input;
pub use keep::Keep;
pub use lora::LoraLinear;
pub use network::Network;
pub use pass::{Dropout, DropoutRates, Pass, Weights};
pub use source::{ModelFiles, SourceError};
pub use task_model::TaskModel;

/// The type in which the matrices of a frozen model are kept.
pub fn kept_in(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

/// What can go wrong between a model's files and a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{file}: {problem}")]
    Config { file: String, problem: String },
    #[error("{file}: tensor `{name}` of shape {expected:?} is missing{}", nearest.as_ref().map_or(String::new(), |n| format!("; the nearest name there is `{n}`")))]
    MissingTensor { file: String, name: String, expected: Vec<usize>, nearest: Option<String> },
    #[error("{file}: tensor `{name}` has shape {found:?}, the configuration asks for {expected:?}")]
    Shape { file: String, name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("{file}: {problem}")]
    File { file: String, problem: String },
    #[error("lora.targets: {problem}")]
    Targets { problem: String },
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}
