//! What a training pass keeps of its layers for the backward pass.

use super::pass::{Pass, Weights};
use crate::ops::{nothing, recomputed};
use candle_core::{Result, Shape, Tensor};

/// What is kept of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every intermediate result.
    #[default]
    All,
    /// The layer's input alone; the backward pass computes the layer once more (`runtime.checkpoint_activations`).
    Inputs,
}

impl Keep {
    /// `layer` of `x`; `path` (with its dot) is what the names of the layer's trained tensors begin with.
    ///
    /// `layer` is called again in the backward pass, with the same masks of dropout.
    pub fn layer(
        self,
        x: &Tensor,
        pass: &Pass,
        path: &str,
        layer: impl Fn(&Tensor, &Pass) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Tensor> {
        if self == Keep::All {
            return layer(x, pass);
        }
        let own = pass.weights.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path));
        // An operation has three operands: all of the layer's trained tensors are one.
        let (mut places, mut flat): (Vec<(String, Shape)>, Vec<Tensor>) = (Vec::new(), Vec::new());
        for (name, tensor) in own {
            places.push((name.clone(), tensor.shape().clone()));
            flat.push(tensor.flatten_all()?);
        }
        let trained = if flat.is_empty() { nothing(x)? } else { Tensor::cat(&flat, 0)? };
        let alpha = pass.alpha.map_or_else(|| nothing(x), |alpha| Ok(alpha.clone()))?;
        let (searched, scales, dropout) = (pass.alpha.is_some(), pass.scales.to_vec(), pass.dropout);
        recomputed(x, &trained, &alpha, move |x, trained, alpha| {
            let mut weights = Weights::new();
            let mut from = 0;
            for (name, shape) in &places {
                let tensor = trained.narrow(0, from, shape.elem_count())?.reshape(shape)?;
                from += shape.elem_count();
                weights.insert(name.clone(), tensor);
            }
            layer(x, &Pass { weights: &weights, scales: &scales, alpha: searched.then_some(alpha), dropout })
        })
    }
}
