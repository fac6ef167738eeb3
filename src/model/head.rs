//! Heads as Hugging Face's `XForSequenceClassification` and `XForTokenClassification` have them: what stands between the
//! hidden states and the logits, what of it is called how, and how it is drawn where a checkpoint lacks it.

use super::activation::Activation;
use super::config::{EncoderConfig, Family};
use crate::data::random;
use candle_core::{DType, Device, Result, Tensor};

/// What a task reads off the hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// One row of logits a text: `XForSequenceClassification`. Regression is the same with one label.
    Sequence,
    /// One row of logits a token: `XForTokenClassification`.
    Tokens,
}

/// The parts of a head: dropout, a dense layer with its non-linearity and norm, dropout, the output layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub dense: Option<Dense>,
    /// Path of the output layer.
    pub output: &'static str,
}

/// The dense layer before the output layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Path in the task class, e.g. `bert.pooler.dense`.
    pub path: String,
    pub bias: bool,
    pub activation: Activation,
    /// Path of a norm after it, and whether that has a bias.
    pub norm: Option<(&'static str, bool)>,
    /// Part of `classifier`, so trained with it; else it is frozen where the checkpoint has it.
    pub of_classifier: bool,
    /// Whether dropout comes before it.
    pub drops_input: bool,
}

impl Plan {
    /// The head of a task class.
    pub fn of(config: &EncoderConfig, kind: HeadKind) -> Plan {
        let dense = |path: &str, activation| Dense {
            path: path.into(),
            bias: true,
            activation,
            norm: None,
            of_classifier: false,
            drops_input: false,
        };
        let (dense, output) = match (&config.family, kind) {
            (Family::Bert, HeadKind::Sequence) => (Some(dense("bert.pooler.dense", Activation::Tanh)), "classifier"),
            (Family::Roberta | Family::XlmRoberta, HeadKind::Sequence) => {
                let dense =
                    Dense { of_classifier: true, drops_input: true, ..dense("classifier.dense", Activation::Tanh) };
                (Some(dense), "classifier.out_proj")
            }
            (_, HeadKind::Tokens) => (None, "classifier"),
        };
        Plan { dense, output }
    }

    /// Names and shapes of the output layer's tensors, and of the dense layer where that is part of `classifier`.
    pub fn classifier(&self, hidden: usize, labels: usize) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        if let Some(dense) = self.dense.as_ref().filter(|dense| dense.of_classifier) {
            shapes.extend(dense.shapes(hidden));
        }
        shapes.push((format!("{}.weight", self.output), vec![labels, hidden]));
        shapes.push((format!("{}.bias", self.output), vec![labels]));
        shapes
    }
}

impl Dense {
    /// Names and shapes of its tensors, the norm's included.
    pub fn shapes(&self, hidden: usize) -> Vec<(String, Vec<usize>)> {
        let mut shapes = vec![(format!("{}.weight", self.path), vec![hidden, hidden])];
        if self.bias {
            shapes.push((format!("{}.bias", self.path), vec![hidden]));
        }
        if let Some((norm, bias)) = self.norm {
            shapes.push((format!("{norm}.weight"), vec![hidden]));
            if bias {
                shapes.push((format!("{norm}.bias"), vec![hidden]));
            }
        }
        shapes
    }
}

/// A tensor of a head as the family's `_init_weights` draws it, f32: norms 1, biases 0, weights from
/// normal(0, initializer_range). `index` is its place among the head's tensors.
pub fn draw(
    config: &EncoderConfig,
    (seed, purpose, index): (u64, &str, usize),
    name: &str,
    shape: &[usize],
    device: &Device,
) -> Result<Tensor> {
    if name.ends_with(".bias") {
        return Tensor::zeros(shape, DType::F32, device);
    }
    if name.ends_with("norm.weight") {
        return Tensor::ones(shape, DType::F32, device);
    }
    let mut rng = random::stream(seed, purpose, index as u64);
    let values = random::normal(&mut rng, shape.iter().product(), config.initializer_range);
    Tensor::from_vec(values, shape, device)
}

/// What PEFT's `modules_to_save` calls the module of a trained tensor: `classifier` for `classifier.out_proj.bias`,
/// `pooler` for `bert.pooler.dense.weight`.
pub fn saved_module(tensor: &str) -> &str {
    let mut parts = tensor.split('.');
    match (parts.next(), parts.next()) {
        (Some("bert"), Some(module)) => module,
        (Some(module), _) => module,
        _ => tensor,
    }
}
