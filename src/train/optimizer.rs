//! Adam and AdamW in PyTorch's form, as functions: parameters and state go in, new ones come out. A look-ahead clones
//! the state (tensors are shared, nothing is copied), a checkpoint saves it whole.

use crate::experiment::OptimizerKind;
use crate::model::Weights;
use candle_core::{Result, Tensor};

/// Constants of an optimiser. The learning rate is given at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    pub kind: OptimizerKind,
    pub betas: [f64; 2],
    pub weight_decay: f64,
    pub epsilon: f64,
}

impl AdamConfig {
    /// With PyTorch's epsilon, 1e-8.
    pub fn new(kind: OptimizerKind, betas: [f64; 2], weight_decay: f64) -> AdamConfig {
        AdamConfig { kind, betas, weight_decay, epsilon: 1e-8 }
    }
}

/// An optimiser with its state.
#[derive(Clone)]
pub struct Adam {
    pub config: AdamConfig,
    /// Steps taken.
    pub steps: u64,
    /// First and second moments by parameter, shaped like it.
    pub first: Weights,
    pub second: Weights,
}

impl Adam {
    /// A fresh state: moments 0.
    pub fn new(config: AdamConfig) -> Adam {
        Adam { config, steps: 0, first: Weights::new(), second: Weights::new() }
    }

    /// The parameters after one step of learning rate `lr`; the state moves on.
    ///
    /// p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + epsilon); decay first: in the gradient (`adam`), or
    /// p *= 1 - lr decay (`adamw`). A parameter without a gradient stays as it is.
    pub fn step(&mut self, parameters: &Weights, gradients: &Weights, lr: f64) -> Result<Weights> {
        let AdamConfig { kind, betas: [b1, b2], weight_decay, epsilon } = self.config;
        self.steps += 1;
        let step_size = lr / (1.0 - b1.powf(self.steps as f64));
        let second_correction = (1.0 - b2.powf(self.steps as f64)).sqrt();
        let mut updated = Weights::new();
        for (name, parameter) in parameters {
            let Some(gradient) = gradients.get(name) else {
                updated.insert(name.clone(), parameter.clone());
                continue;
            };
            let (mut parameter, mut gradient) = (parameter.detach(), gradient.detach());
            if weight_decay != 0.0 {
                match kind {
                    OptimizerKind::Adam => gradient = (gradient + (&parameter * weight_decay)?)?,
                    OptimizerKind::AdamW => parameter = (parameter * (1.0 - lr * weight_decay))?,
                }
            }
            let moment = |old: Option<&Tensor>, new: Tensor, beta: f64| match old {
                Some(old) => (old * beta)? + new,
                None => Ok(new),
            };
            let first = moment(self.first.get(name), (&gradient * (1.0 - b1))?, b1)?;
            let second = moment(self.second.get(name), (gradient.sqr()? * (1.0 - b2))?, b2)?;
            let denominator = ((second.sqrt()? / second_correction)? + epsilon)?;
            updated.insert(name.clone(), (parameter - ((&first * step_size)? / denominator)?)?);
            self.first.insert(name.clone(), first);
            self.second.insert(name.clone(), second);
        }
        Ok(updated)
    }
}
