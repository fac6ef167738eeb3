//! An encoder with the head of a task: Hugging Face's `XForSequenceClassification` and `XForTokenClassification`.

use super::ModelError;
use super::checkpoint::Checkpoint;
use super::config::{EncoderConfig, Family, Pooling};
use super::encoders::Encoder;
use super::head::{self, Dense, HeadKind, Plan, saved_module};
use super::input::Input;
use super::loader::{Loader, Norm};
use super::lora::LoraLinear;
use super::pass::{DropoutRates, Pass, Site, Weights};
use super::targets;
use crate::ops::frozen_linear;
use candle_core::{DType, Device, Result, Tensor};

/// An encoder with a head. The encoder is frozen. `classifier` is trained (DistilBERT's `pre_classifier` too), and so
/// is any other part of the head that the checkpoint lacks: an adapter has to bring it along. A part that the
/// checkpoint has (a pooler, ...) stays frozen.
pub struct TaskModel {
    pub encoder: Encoder,
    pub kind: HeadKind,
    /// 1 for a regression.
    pub num_labels: usize,
    plan: Plan,
    /// The dense layer before the output layer, where it is frozen.
    frozen: Option<(LoraLinear, Option<Norm>)>,
    /// Names and shapes of the trained tensors.
    trained: Vec<(String, Vec<usize>)>,
    /// The checkpoint's own values of trained layers, where it has them in the right shapes.
    stored: Weights,
    parameters: usize,
    device: Device,
}

/// A sentence for people about a part of the model that is not the checkpoint's.
pub type Notice = String;

impl TaskModel {
    /// Builds the model. What the checkpoint lacks of the head is trained from values that [`TaskModel::initial_head`]
    /// draws, which the notices say.
    pub fn load(
        config: &EncoderConfig,
        checkpoint: &Checkpoint,
        kind: HeadKind,
        num_labels: usize,
        dtype: DType,
        device: &Device,
    ) -> std::result::Result<(TaskModel, Vec<Notice>), ModelError> {
        let encoder = Encoder::load(config, checkpoint, dtype, device)?;
        let (plan, hidden) = (Plan::of(config, kind), config.hidden_size);
        let mut model = TaskModel {
            parameters: encoder.parameters(),
            encoder,
            kind,
            num_labels,
            plan,
            frozen: None,
            trained: Vec::new(),
            stored: Weights::new(),
            device: device.clone(),
        };
        let mut notices = Vec::new();
        if let Some(dense) = model.plan.dense.clone() {
            let (loader, path) = head_loader(config, checkpoint, &dense.path, dtype, device);
            if !dense.always_trained && loader.contains(&format!("{path}.weight")) {
                let linear = loader.linear(path, hidden, hidden, dense.bias)?;
                let norm = |(name, bias)| loader.norm(name, hidden, config.layer_norm_eps, bias);
                model.frozen = Some((linear, dense.norm.map(norm).transpose()?));
                model.parameters += loader.elements();
            } else {
                model.train(dense.shapes(hidden), checkpoint, &mut notices)?;
            }
        }
        model.train(model.plan.output_shapes(hidden, num_labels), checkpoint, &mut notices)?;
        Ok((model, notices))
    }

    /// Trains a layer, from the checkpoint's values where it has all of them in these shapes; else a notice says why
    /// not.
    fn train(
        &mut self,
        shapes: Vec<(String, Vec<usize>)>,
        checkpoint: &Checkpoint,
        notices: &mut Vec<Notice>,
    ) -> std::result::Result<(), ModelError> {
        let mut stored = Weights::new();
        let mut why = None;
        for (name, shape) in &shapes {
            match checkpoint.get(name, shape, DType::F32, &self.device) {
                Ok(tensor) => {
                    stored.insert(name.clone(), tensor);
                }
                Err(ModelError::MissingTensor { .. }) => why = why.or(Some(format!("the checkpoint has no `{name}`"))),
                Err(ModelError::Shape { found, expected, .. }) => {
                    let shapes = format!("the checkpoint's `{name}` has shape {found:?}, this task needs {expected:?}");
                    why = why.or(Some(shapes));
                }
                Err(error) => return Err(error),
            }
        }
        match why {
            None => self.stored.extend(stored),
            Some(why) => {
                let layer = shapes.first().and_then(|(name, _)| name.strip_suffix(".weight")).unwrap_or_default();
                notices.push(format!("`{layer}` is drawn new and trained: {why}"));
            }
        }
        self.trained.extend(shapes);
        Ok(())
    }

    /// Makes LoRA modules of the layers that `targets` name; returns their paths, inputs and outputs, in model order.
    ///
    /// `all-linear` and suffixes reach every frozen linear layer, not those that are trained whole, as in PEFT.
    pub fn attach(&mut self, targets: &[String]) -> std::result::Result<Vec<(String, usize, usize)>, ModelError> {
        let mut linears = self.encoder.linears_mut();
        linears.extend(self.frozen.as_mut().map(|(linear, _)| linear));
        let paths: Vec<String> = linears.iter().map(|linear| linear.path.clone()).collect();
        let chosen = targets::resolve(targets, &paths)?;
        let mut modules = Vec::with_capacity(chosen.len());
        for linear in linears {
            if chosen.contains(&linear.path) {
                linear.attach(modules.len());
                modules.push((linear.path.clone(), linear.inputs(), linear.outputs()));
            }
        }
        Ok(modules)
    }

    /// The trained part of the head to start from: the checkpoint's, else drawn as Hugging Face draws it. f32;
    /// `purpose` separates the draws of search, retraining and controls.
    pub fn initial_head(&self, seed: u64, purpose: &str) -> Result<Weights> {
        let mut weights = Weights::new();
        for (index, (name, shape)) in self.trained.iter().enumerate() {
            let tensor = match self.stored.get(name) {
                Some(tensor) => tensor.clone(),
                None => head::draw(&self.encoder.config, (seed, purpose, index), name, shape, &self.device)?,
            };
            weights.insert(name.clone(), tensor);
        }
        Ok(weights)
    }

    /// Names and shapes of the head's trained tensors, under their paths in the task class.
    pub fn head_shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.trained.clone()
    }

    /// What PEFT's `modules_to_save` must list.
    pub fn saved_modules(&self) -> Vec<String> {
        let mut modules: Vec<String> = self.trained.iter().map(|(name, _)| saved_module(name).to_owned()).collect();
        modules.dedup();
        modules
    }

    /// Name of the task class, e.g. `BertForTokenClassification`.
    pub fn architecture(&self) -> &'static str {
        self.encoder.config.family.architecture(self.kind)
    }

    /// Number of frozen parameters.
    pub fn frozen_parameters(&self) -> usize {
        self.parameters
    }

    /// Dropout of retraining: the configuration's, or `backbone` at every site that it covers.
    pub fn dropout_rates(&self, lora: f64, backbone: Option<f64>) -> DropoutRates {
        let config = &self.encoder.config;
        match (backbone, self.kind) {
            (Some(p), _) => DropoutRates::everywhere(lora, p),
            (None, HeadKind::Sequence) => DropoutRates { lora, ..config.dropout },
            (None, HeadKind::Tokens) => DropoutRates { lora, head: config.token_dropout, ..config.dropout },
        }
    }

    /// Logits, (batch, labels) of a sequence head, (batch, length, labels) of a token head. The trained tensors are
    /// taken from the pass.
    pub fn forward(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        let mut x = match self.kind {
            HeadKind::Tokens => self.encoder.forward(input, pass)?,
            HeadKind::Sequence => self.pool(input, pass)?,
        };
        if let Some(dense) = &self.plan.dense {
            if dense.drops_input {
                x = pass.drop(x, Site::Pooler)?;
            }
            x = self.dense(dense, x, pass)?;
        }
        trained_linear(&pass.drop(x, Site::Head)?, self.plan.output, true, pass)
    }

    /// The first token's states (batch, hidden), or the mean of the tokens' where ModernBERT is told so.
    fn pool(&self, input: &Input, pass: &Pass) -> Result<Tensor> {
        match &self.encoder.config.family {
            Family::ModernBert(own) if own.classifier_pooling == Pooling::Mean => {
                let states = self.encoder.forward(input, pass)?;
                let mask = input.mask_tensor(states.dtype(), states.device())?;
                states.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)
            }
            _ => self.encoder.first(input, pass),
        }
    }

    /// The dense layer before the output layer, (.., hidden) -> (.., hidden).
    fn dense(&self, dense: &Dense, x: Tensor, pass: &Pass) -> Result<Tensor> {
        if let Some((linear, norm)) = &self.frozen {
            let x = dense.activation.apply(&linear.forward(&x, pass)?)?;
            return norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x));
        }
        let x = dense.activation.apply(&trained_linear(&x, &dense.path, dense.bias, pass)?)?;
        let Some((norm, bias)) = dense.norm else { return Ok(x) };
        let weight = trained(&format!("{norm}.weight"), pass)?.clone();
        let bias = if bias { trained(&format!("{norm}.bias"), pass)?.clone() } else { weight.zeros_like()?.detach() };
        Norm::new(weight, bias, self.encoder.config.layer_norm_eps).forward(&x)
    }
}

/// Where a part of the head is stored: a path under the encoder's prefix may be without it in the file.
fn head_loader<'a>(
    config: &EncoderConfig,
    checkpoint: &'a Checkpoint,
    path: &'a str,
    dtype: DType,
    device: &'a Device,
) -> (Loader<'a>, &'a str) {
    let prefix = config.family.prefix();
    match path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) => (Loader::encoder(checkpoint, prefix, dtype, device), rest),
        None => (Loader::task(checkpoint, dtype, device), path),
    }
}

fn trained<'a>(name: &str, pass: &'a Pass) -> Result<&'a Tensor> {
    match pass.weights.get(name) {
        Some(tensor) => Ok(tensor),
        None => candle_core::bail!("the head's `{name}` is missing from the pass"),
    }
}

fn trained_linear(x: &Tensor, path: &str, bias: bool, pass: &Pass) -> Result<Tensor> {
    let bias = if bias { Some(trained(&format!("{path}.bias"), pass)?) } else { None };
    frozen_linear(x, trained(&format!("{path}.weight"), pass)?, bias)
}
