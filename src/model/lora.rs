//! A frozen linear layer that a low-rank update may sit on.

use super::pass::{Pass, Site};
use crate::ops::{dropout, frozen_linear};
use candle_core::{Result, Tensor};

/// y = x W0^T + b, plus s ((x A^T) * alpha) B^T where the layer is a LoRA module (method.md, "Notation").
#[derive(Clone)]
pub struct LoraLinear {
    /// Path in the Hugging Face model, e.g. `bert.encoder.layer.0.attention.self.query`.
    pub path: String,
    /// W0 (out, in).
    weight: Tensor,
    /// (out).
    bias: Option<Tensor>,
    /// Index among the LoRA modules, and the names of A and B.
    module: Option<(usize, String, String)>,
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
        LoraLinear { path: path.into(), weight, bias, module: None }
    }

    /// Makes the layer LoRA module number `index`.
    pub fn attach(&mut self, index: usize) {
        self.module = Some((index, a_name(&self.path), b_name(&self.path)));
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

    /// x (.., in) -> (.., out). Without A and B of the module in the pass (rank 0), the frozen layer alone.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let y = frozen_linear(x, &self.weight, self.bias.as_ref())?;
        let Some((index, a_name, b_name)) = &self.module else { return Ok(y) };
        let (Some(a), Some(b)) = (pass.weights.get(a_name), pass.weights.get(b_name)) else { return Ok(y) };
        let rows = x.elem_count() / self.inputs().max(1);
        let mut x = x.reshape((rows, self.inputs()))?;
        if let Some(mask) = pass.mask(Site::Lora(*index)) {
            x = dropout(&x, mask)?;
        }
        let mut hidden = x.matmul(&a.t()?)?;
        if let Some(alpha) = pass.alpha {
            hidden = hidden.broadcast_mul(&alpha.get(*index)?)?;
        }
        let scale = pass.scales.get(*index).copied().unwrap_or(1.0);
        let update = (hidden * scale)?.matmul(&b.t()?)?;
        let update = update.reshape(y.shape())?;
        y + update
    }
}
