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
    /// Trained whatever the checkpoint has: part of `classifier`, or of a name that ends so, which PEFT's
    /// `modules_to_save` takes for it. Else frozen where the checkpoint has it.
    pub always_trained: bool,
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
            always_trained: false,
            drops_input: false,
        };
        let (dense, output) = match (&config.family, kind) {
            (Family::Bert, HeadKind::Sequence) => (Some(dense("bert.pooler.dense", Activation::Tanh)), "classifier"),
            (Family::Roberta | Family::XlmRoberta, HeadKind::Sequence) => {
                let dense =
                    Dense { always_trained: true, drops_input: true, ..dense("classifier.dense", Activation::Tanh) };
                (Some(dense), "classifier.out_proj")
            }
            (Family::DistilBert, HeadKind::Sequence) => {
                let dense = Dense { always_trained: true, ..dense("pre_classifier", Activation::Relu) };
                (Some(dense), "classifier")
            }
            (Family::DebertaV2(own), HeadKind::Sequence) => {
                let dense = Dense { drops_input: true, ..dense("pooler.dense", own.pooler_activation) };
                (Some(dense), "classifier")
            }
            (Family::ModernBert(own), _) => {
                let norm = Some(("head.norm", own.norm_bias));
                let dense = dense("head.dense", own.classifier_activation);
                (Some(Dense { bias: own.classifier_bias, norm, ..dense }), "classifier")
            }
            (_, HeadKind::Tokens) => (None, "classifier"),
        };
        Plan { dense, output }
    }

    /// Names and shapes of the output layer's tensors.
    pub fn output_shapes(&self, hidden: usize, labels: usize) -> Vec<(String, Vec<usize>)> {
        vec![(format!("{}.weight", self.output), vec![labels, hidden]), (format!("{}.bias", self.output), vec![labels])]
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
/// normal(0, initializer_range), in ModernBERT cut off and of other deviations. `index` is its place among the head's tensors.
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
    let count = shape.iter().product();
    let values = match &config.family {
        Family::ModernBert(own) => {
            let std = match name {
                "head.dense.weight" => config.initializer_range / (2.0 * config.num_hidden_layers as f64).sqrt(),
                _ => 1.0 / (config.hidden_size as f64).sqrt(),
            };
            random::truncated_normal(&mut rng, count, std, own.initializer_cutoff)
        }
        _ => random::normal(&mut rng, count, config.initializer_range),
    };
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
