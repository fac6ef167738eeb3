//! A frozen linear layer that a low-rank update may sit on.

use super::pass::{Pass, Site};
use crate::ops::{dropout, frozen_linear};
use candle_core::{D, Result, Tensor};
use std::ops::Range;

/// y = x W0^T + b, plus s ((x A^T) * alpha) B^T where the layer is a LoRA module (method.md, "Notation").
#[derive(Clone)]
pub struct LoraLinear {
    /// Path in the Hugging Face model, e.g. `bert.encoder.layer.0.attention.self.query`.
    pub path: String,
    /// W0 (out, in).
    weight: Tensor,
    /// (out).
    bias: Option<Tensor>,
    updates: Vec<Update>,
}

/// A low-rank update of a layer, or of some of its outputs.
#[derive(Clone)]
struct Update {
    /// Index among the LoRA modules.
    index: usize,
    a_name: String,
    b_name: String,
    /// The outputs that it changes; all where none.
    outputs: Option<Range<usize>>,
}

/// Name of A (r, in) of a module.
pub fn a_name(path: &str) -> String {
    format!("{path}.lora_A.weight")
}

/// Name of B (out, r) of a module.
pub fn b_name(path: &str) -> String {
    format!("{path}.lora_B.weight")
}

impl LoraLinear {
    /// A frozen layer without an update; weight (out, in), bias (out).
    pub fn new(path: impl Into<String>, weight: Tensor, bias: Option<Tensor>) -> LoraLinear {
        LoraLinear { path: path.into(), weight, bias, updates: Vec::new() }
    }

    /// Makes the layer LoRA module number `index`.
    pub fn attach(&mut self, index: usize) {
        let (a_name, b_name) = (a_name(&self.path), b_name(&self.path));
        self.updates.push(Update { index, a_name, b_name, outputs: None });
    }

    /// Makes the outputs `outputs` LoRA module number `index`, of a path of its own.
    pub fn attach_part(&mut self, index: usize, path: &str, outputs: Range<usize>) {
        self.updates.push(Update { index, a_name: a_name(path), b_name: b_name(path), outputs: Some(outputs) });
    }

    /// Size of an input row.
    pub fn inputs(&self) -> usize {
        self.weight.dims().get(1).copied().unwrap_or(0)
    }

    /// Size of an output row.
    pub fn outputs(&self) -> usize {
        self.weight.dims().first().copied().unwrap_or(0)
    }

    /// Elements of the frozen weight and bias.
    pub fn parameters(&self) -> usize {
        self.weight.elem_count() + self.bias.as_ref().map_or(0, Tensor::elem_count)
    }

    /// x (.., in) -> (.., out). Without A and B of a module in the pass (rank 0), it has no update.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let y = frozen_linear(x, &self.weight, self.bias.as_ref())?;
        self.updates.iter().try_fold(y, |y, update| self.updated(x, y, update, pass))
    }

    fn updated(&self, x: &Tensor, y: Tensor, update: &Update, pass: &Pass) -> Result<Tensor> {
        let (a, b) = (pass.weights.get(&update.a_name), pass.weights.get(&update.b_name));
        let (Some(a), Some(b)) = (a, b) else { return Ok(y) };
        let rows = x.elem_count() / self.inputs().max(1);
        let mut x = x.reshape((rows, self.inputs()))?;
        if let Some(mask) = pass.mask(Site::Lora(update.index)) {
            x = dropout(&x, mask)?;
        }
        let mut hidden = x.matmul(&a.t()?)?;
        if let Some(alpha) = pass.alpha {
            hidden = hidden.broadcast_mul(&alpha.get(update.index)?)?;
        }
        let scale = pass.scales.get(update.index).copied().unwrap_or(1.0);
        let change = (hidden * scale)?.matmul(&b.t()?)?;
        let mut shape = y.dims().to_vec();
        match (&update.outputs, shape.last_mut()) {
            (Some(outputs), Some(last)) => {
                *last = outputs.len();
                let change = change.reshape(shape)?;
                let change = change.pad_with_zeros(D::Minus1, outputs.start, self.outputs() - outputs.end)?;
                y + change
            }
            _ => y + change.reshape(shape)?,
        }
    }
}
