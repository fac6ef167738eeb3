//! Takes a module's tensors out of a checkpoint under the names of Hugging Face's task class.

use super::ModelError;
use super::checkpoint::Checkpoint;
use super::lora::LoraLinear;
use crate::ops::{add_layer_norm, computed_in, layer_norm, rms_norm};
use candle_core::{DType, Device, Tensor};
use std::cell::Cell;

type Loaded<T> = std::result::Result<T, ModelError>;

/// Layer norm or root-mean-square norm over the last dimension.
#[derive(Clone)]
pub struct Norm {
    weight: Tensor,
    /// Of a layer norm; zeros where the family's have none.
    bias: Option<Tensor>,
    epsilon: f64,
}

impl Norm {
    /// Layer norm of weight (n), bias (n).
    pub fn new(weight: Tensor, bias: Tensor, epsilon: f64) -> Norm {
        Norm { weight, bias: Some(bias), epsilon }
    }

    /// Root-mean-square norm of weight (n).
    pub fn rms(weight: Tensor, epsilon: f64) -> Norm {
        Norm { weight, bias: None, epsilon }
    }

    /// x (.., n) -> (.., n). A root-mean-square norm takes (.., m n), of which every n are normed.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match &self.bias {
            Some(bias) => layer_norm(x, &self.weight, bias, self.epsilon),
            None => rms_norm(x, &self.weight, self.epsilon),
        }
    }

    /// The norm of a sum of two, (.., n) each.
    pub fn of_sum(&self, a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
        match &self.bias {
            Some(bias) => add_layer_norm(a, b, &self.weight, bias, self.epsilon),
            None => rms_norm(&(a + b)?, &self.weight, self.epsilon),
        }
    }
}

/// Loads modules, and counts their elements.
pub struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    /// Prefix in the file and in the task class, each with its dot or empty.
    stored: String,
    named: String,
    /// Of matrices.
    dtype: DType,
    device: &'a Device,
    elements: Cell<usize>,
}

impl<'a> Loader<'a> {
    /// For the encoder or decoder, its matrices kept in `dtype`, which the task class calls `prefix` and a checkpoint may store without it.
    pub fn encoder(checkpoint: &'a Checkpoint, prefix: &str, dtype: DType, device: &'a Device) -> Loader<'a> {
        let stored = checkpoint.encoder_prefix(prefix);
        Loader { checkpoint, stored, named: format!("{prefix}."), dtype, device, elements: Cell::new(0) }
    }

    /// For what the task class has beside the encoder.
    pub fn task(checkpoint: &'a Checkpoint, dtype: DType, device: &'a Device) -> Loader<'a> {
        Loader { checkpoint, stored: String::new(), named: String::new(), dtype, device, elements: Cell::new(0) }
    }

    /// Whether the checkpoint has this tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(&format!("{}{name}", self.stored))
    }

    /// Elements of all tensors so far.
    pub fn elements(&self) -> usize {
        self.elements.get()
    }

    /// The path of a part in the task class.
    pub fn path(&self, part: &str) -> String {
        format!("{}{part}", self.named)
    }

    /// A tensor of this shape, in the type that the model computes in.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Loaded<Tensor> {
        self.get(name, shape, computed_in(self.dtype))
    }

    /// A matrix of the backbone, or a table of rows, in the type in which these are kept.
    pub fn matrix(&self, name: &str, rows: usize, columns: usize) -> Loaded<Tensor> {
        self.get(name, &[rows, columns], self.dtype)
    }

    fn get(&self, name: &str, shape: &[usize], dtype: DType) -> Loaded<Tensor> {
        let tensor = self.checkpoint.get(&format!("{}{name}", self.stored), shape, dtype, self.device)?;
        self.elements.set(self.elements.get() + tensor.elem_count());
        Ok(tensor)
    }

    /// A linear layer: `{name}.weight` (outputs, inputs) and, with `bias`, `{name}.bias` (outputs).
    pub fn linear(&self, name: &str, outputs: usize, inputs: usize, bias: bool) -> Loaded<LoraLinear> {
        let weight = self.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = if bias { Some(self.tensor(&format!("{name}.bias"), &[outputs])?) } else { None };
        Ok(LoraLinear::new(self.path(name), weight, bias))
    }

    /// A linear layer as GPT-2 stores it, `{name}.weight` (inputs, outputs), `{name}.bias` (outputs): turned here.
    pub fn conv1d(&self, name: &str, outputs: usize, inputs: usize) -> Loaded<LoraLinear> {
        let weight = self.matrix(&format!("{name}.weight"), inputs, outputs)?.t()?.contiguous()?;
        let bias = self.tensor(&format!("{name}.bias"), &[outputs])?;
        Ok(LoraLinear::new(self.path(name), weight, Some(bias)))
    }

    /// A layer norm: `{name}.weight` and, with `bias`, `{name}.bias` (width).
    pub fn norm(&self, name: &str, width: usize, epsilon: f64, bias: bool) -> Loaded<Norm> {
        let weight = self.tensor(&format!("{name}.weight"), &[width])?;
        let bias = if bias {
            self.tensor(&format!("{name}.bias"), &[width])?
        } else {
            Tensor::zeros(width, computed_in(self.dtype), self.device)?
        };
        Ok(Norm::new(weight, bias, epsilon))
    }
}
