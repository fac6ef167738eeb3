//! A frozen linear layer that a low-rank update may sit on.

use super::activation::Activation;
use super::pass::{Pass, Site};
use crate::ops::{self, dropout, frozen_linear, lora_linear};
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

/// Two layers with a non-linearity between them, in one operation where no update sits on them.
pub fn feed_forward(
    (inner, outer): (&LoraLinear, &LoraLinear),
    activation: Activation,
    x: &Tensor,
    pass: &Pass,
) -> Result<Tensor> {
    if let (Some(inner), Some(outer), Some(curve)) = (inner.frozen(), outer.frozen(), activation.curve()) {
        return ops::feed_forward(x, inner, curve, outer);
    }
    outer.forward(&activation.apply(&inner.forward(x, pass)?)?, pass)
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

    /// Weight (out, in) and bias (out) of a layer that no update sits on.
    pub fn frozen(&self) -> Option<(&Tensor, Option<&Tensor>)> {
        self.updates.is_empty().then_some((&self.weight, self.bias.as_ref()))
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
        if let [update @ Update { index, outputs: None, .. }] = &self.updates[..]
            && pass.mask(Site::Lora(*index)).is_none()
            && let Some((a, b)) = self.factors(update, pass)?
        {
            return lora_linear(x, (&self.weight, self.bias.as_ref()), &a, &b);
        }
        let mut y = frozen_linear(x, &self.weight, self.bias.as_ref())?;
        let mut parts = Vec::new();
        for update in &self.updates {
            let Some(change) = self.change(x, update, pass)? else { continue };
            match &update.outputs {
                None => y = (&y + change.reshape(y.shape())?)?,
                Some(outputs) => parts.push((outputs.clone(), change)),
            }
        }
        if parts.is_empty() { Ok(y) } else { &y + self.joined(parts)?.reshape(y.shape())? }
    }

    /// What an update adds to its outputs: (rows, outputs); none at rank 0.
    fn change(&self, x: &Tensor, update: &Update, pass: &Pass) -> Result<Option<Tensor>> {
        let Some((a, b)) = self.factors(update, pass)? else { return Ok(None) };
        let rows = x.elem_count() / self.inputs().max(1);
        let mut x = x.reshape((rows, self.inputs()))?;
        if let Some(mask) = pass.mask(Site::Lora(update.index)) {
            x = dropout(&x, mask)?;
        }
        // Where A or B is not tracked, no gradient of it is computed: candle's own product would, and keep its operands.
        frozen_linear(&frozen_linear(&x, &a, None)?, &b, None).map(Some)
    }

    /// A (r, in), and B (out, r) with the scale and the selection values; none at rank 0.
    fn factors(&self, update: &Update, pass: &Pass) -> Result<Option<(Tensor, Tensor)>> {
        let (a, b) = (pass.weights.get(&update.a_name), pass.weights.get(&update.b_name));
        let (Some(a), Some(b)) = (a, b) else { return Ok(None) };
        let mut b = (b * pass.scales.get(update.index).copied().unwrap_or(1.0))?;
        if let Some(alpha) = pass.alpha {
            // On B, which has fewer rows than there are tokens.
            b = b.broadcast_mul(&alpha.get(update.index)?)?;
        }
        Ok(Some((a.clone(), b)))
    }

    /// Changes of parts of the outputs as one of all outputs (rows, out), 0 where no part is. Parts do not overlap.
    fn joined(&self, mut parts: Vec<(Range<usize>, Tensor)>) -> Result<Tensor> {
        parts.sort_by_key(|(outputs, _)| outputs.start);
        let (mut pieces, mut from) = (Vec::new(), 0);
        let gap = |like: &Tensor, width: usize| Tensor::zeros((like.dim(0)?, width), like.dtype(), like.device());
        for (outputs, change) in parts {
            if outputs.start > from {
                pieces.push(gap(&change, outputs.start - from)?);
            }
            from = outputs.end;
            pieces.push(change);
        }
        if let Some(last) = pieces.last().filter(|_| from < self.outputs()) {
            pieces.push(gap(last, self.outputs() - from)?);
        }
        Tensor::cat(&pieces, D::Minus1)
    }
}
