//! Sequence classification as Hugging Face's `BertForSequenceClassification` and `RobertaForSequenceClassification`.

use super::ModelError;
use super::checkpoint::Checkpoint;
use super::config::{EncoderConfig, Family};
use super::encoder::{Encoder, Input};
use super::pass::{Pass, Site, Weights};
use crate::data::random;
use crate::ops::frozen_linear;
use candle_core::{DType, Device, Result, Tensor};

/// An encoder with a classification head. The encoder (BERT's pooler included) is frozen, the head is trained.
pub struct SequenceClassifier {
    pub encoder: Encoder,
    pub num_labels: usize,
    /// The checkpoint's own head, where it has one of the right shape.
    stored_head: Weights,
    device: Device,
}

/// A sentence for people about a head or pooler that is not the checkpoint's.
pub type Notice = String;

impl SequenceClassifier {
    /// Builds the model; `seed` draws what the checkpoint lacks, which the notices say.
    pub fn load(
        config: &EncoderConfig,
        checkpoint: &Checkpoint,
        num_labels: usize,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> std::result::Result<(SequenceClassifier, Vec<Notice>), ModelError> {
        let mut encoder = Encoder::load(config, checkpoint, dtype, device)?;
        let mut notices = Vec::new();
        if config.family == Family::Bert && !encoder.has_pooler() {
            let h = config.hidden_size;
            let weight = random::normal(&mut random::stream(seed, "init/pooler", 0), h * h, config.initializer_range);
            let weight = Tensor::from_vec(weight, (h, h), device)?.to_dtype(dtype)?;
            encoder.set_pooler(weight, Tensor::zeros(h, dtype, device)?);
            notices.push("the checkpoint has no pooler: one is drawn at random and stays frozen".into());
        }
        let mut stored_head = Weights::new();
        for (name, shape) in head_shapes(config, num_labels) {
            match checkpoint.get(&name, &shape, DType::F32, device) {
                Ok(tensor) => {
                    stored_head.insert(name, tensor);
                }
                Err(ModelError::MissingTensor { .. }) => {}
                Err(ModelError::Shape { found, expected, .. }) => {
                    notices.push(format!(
                        "the checkpoint's `{name}` has shape {found:?}, this task needs {expected:?}: the head is drawn new"
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        if stored_head.len() < head_shapes(config, num_labels).len() {
            stored_head.clear();
            notices.push("the classification head is drawn new: the checkpoint has none for this task".into());
        }
        Ok((SequenceClassifier { encoder, num_labels, stored_head, device: device.clone() }, notices))
    }

    /// The head to start training from: the checkpoint's, or weights from normal(0, initializer_range) and biases 0,
    /// as Hugging Face draws them. f32; `purpose` separates the draws of search, retraining and controls.
    pub fn initial_head(&self, seed: u64, purpose: &str) -> Result<Weights> {
        if !self.stored_head.is_empty() {
            return Ok(self.stored_head.clone());
        }
        let config = &self.encoder.config;
        let draw = |(n, (name, shape)): (usize, (String, Vec<usize>))| {
            let count = shape.iter().product();
            let values = if name.ends_with(".bias") {
                vec![0.0; count]
            } else {
                random::normal(&mut random::stream(seed, purpose, n as u64), count, config.initializer_range)
            };
            Ok((name, Tensor::from_vec(values, shape, &self.device)?))
        };
        head_shapes(config, self.num_labels).into_iter().enumerate().map(draw).collect()
    }

    /// Names and shapes of the head's tensors.
    pub fn head_shapes(&self) -> Vec<(String, Vec<usize>)> {
        head_shapes(&self.encoder.config, self.num_labels)
    }

    /// Logits (batch, labels). The head's tensors are taken from the pass.
    pub fn forward(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        let states = self.encoder.forward(input, pass)?;
        self.head(&self.encoder.pool(&states, pass)?, pass)
    }

    /// Logits (batch, labels) of pooled states (batch, hidden).
    pub fn head(&self, pooled: &Tensor, pass: &Pass) -> Result<Tensor> {
        let linear = |x: &Tensor, name: &str| match pass.weights.get(&format!("{name}.weight")) {
            Some(weight) => frozen_linear(x, weight, pass.weights.get(&format!("{name}.bias"))),
            None => candle_core::bail!("the head's `{name}.weight` is missing from the pass"),
        };
        let x = pass.drop(pooled.clone(), Site::Head(0))?;
        match self.encoder.config.family {
            Family::Bert => linear(&x, "classifier"),
            Family::Roberta => {
                let x = linear(&x, "classifier.dense")?.tanh()?;
                linear(&pass.drop(x, Site::Head(1))?, "classifier.out_proj")
            }
        }
    }
}

fn head_shapes(config: &EncoderConfig, labels: usize) -> Vec<(String, Vec<usize>)> {
    let h = config.hidden_size;
    let linear = |name: &str, outputs: usize| {
        [(format!("{name}.weight"), vec![outputs, h]), (format!("{name}.bias"), vec![outputs])]
    };
    match config.family {
        Family::Bert => linear("classifier", labels).to_vec(),
        Family::Roberta => [linear("classifier.dense", h), linear("classifier.out_proj", labels)].concat(),
    }
}
