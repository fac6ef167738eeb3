//! `config.json` of an encoder or of a decoder.

use super::decoder::{DecoderConfig, DecoderFamily};
use super::{EncoderConfig, Family};
use crate::model::ModelError;
use crate::model::targets::{default_decoder_targets, default_targets};
use serde_json::Value;

/// The configuration of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    Encoder(EncoderConfig),
    Decoder(DecoderConfig),
}

impl ModelConfig {
    /// Reads the text of a `config.json`; `file` names it in errors. `model_type` says which of the two it is.
    pub fn parse(json: &[u8], file: &str) -> Result<ModelConfig, ModelError> {
        let kind = serde_json::from_slice::<Value>(json).ok();
        let kind = kind.as_ref().and_then(|value| value.get("model_type")).and_then(Value::as_str);
        let supported = || format!("{} (encoders), {} (decoders)", Family::NAMES.join(", "), DecoderFamily::names());
        let wrong = |problem: String| Err(ModelError::Config { file: file.into(), problem });
        let Some(kind) = kind else {
            return match serde_json::from_slice::<Value>(json) {
                Err(error) => wrong(format!("not valid JSON: {error}")),
                Ok(_) => wrong(format!("`model_type` is missing; supported: {}", supported())),
            };
        };
        if DecoderFamily::of(kind).is_some() || kind == "gemma3" {
            return DecoderConfig::parse(json, file).map(ModelConfig::Decoder);
        }
        if Family::NAMES.contains(&kind) {
            return EncoderConfig::parse(json, file).map(ModelConfig::Encoder);
        }
        wrong(format!("model_type `{kind}` is not supported; supported: {}", supported()))
    }

    /// Rows of the embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            ModelConfig::Encoder(config) => config.vocab_size,
            ModelConfig::Decoder(config) => config.vocab_size,
        }
    }

    /// The longest row that has positions.
    pub fn max_length(&self) -> usize {
        match self {
            ModelConfig::Encoder(config) => config.max_length(),
            ModelConfig::Decoder(config) => config.max_position_embeddings,
        }
    }

    /// The id that fills a batch.
    pub fn pad_id(&self) -> u32 {
        match self {
            ModelConfig::Encoder(config) => config.pad_token_id,
            ModelConfig::Decoder(config) => config.pad_token_id.unwrap_or(0),
        }
    }

    /// Class names by id, where the file has them.
    pub fn label_names(&self) -> Option<&[String]> {
        match self {
            ModelConfig::Encoder(config) => config.label_names.as_deref(),
            ModelConfig::Decoder(_) => None,
        }
    }

    /// The layers that carry LoRA unless others are asked for.
    pub fn default_targets(&self) -> &'static [&'static str] {
        match self {
            ModelConfig::Encoder(config) => default_targets(&config.family),
            ModelConfig::Decoder(config) => default_decoder_targets(config.family),
        }
    }

    /// The encoder's configuration; `file` names the file of a decoder's in the error.
    pub fn encoder(&self, file: &str) -> Result<&EncoderConfig, ModelError> {
        match self {
            ModelConfig::Encoder(config) => Ok(config),
            ModelConfig::Decoder(config) => Err(ModelError::Config {
                file: file.into(),
                problem: format!(
                    "model_type `{}` is a decoder, whose task is generation; for classes, numbers and tags give an encoder ({})",
                    config.family.model_type(),
                    Family::NAMES.join(", ")
                ),
            }),
        }
    }

    /// The decoder's configuration; `file` names the file of an encoder's in the error.
    pub fn decoder(&self, file: &str) -> Result<&DecoderConfig, ModelError> {
        match self {
            ModelConfig::Decoder(config) => Ok(config),
            ModelConfig::Encoder(config) => Err(ModelError::Config {
                file: file.into(),
                problem: format!(
                    "a model of the family {} is an encoder, which does not write; generation needs a decoder ({})",
                    config.family.prefix(),
                    DecoderFamily::names()
                ),
            }),
        }
    }
}
