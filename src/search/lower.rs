//! A training problem as the lower level of the search.

use super::Objective;
use crate::model::{DropoutRates, Pass, Weights};
use crate::train::batch::DeviceBatch;
use crate::train::problem::Problem;
use candle_core::{Result, Tensor};

/// A model under search: every module at rank k with the scale lora_alpha / k.
pub struct LowerLevel<'a> {
    pub problem: &'a Problem,
    pub scales: Vec<f64>,
    pub dropout: DropoutRates,
}

impl Objective for LowerLevel<'_> {
    type Part = DeviceBatch;

    fn loss(&self, weights: &Weights, alpha: &Tensor, part: &DeviceBatch, dropout: Option<u64>) -> Result<Tensor> {
        let dropout = dropout.filter(|_| self.dropout.any()).map(|key| self.dropout.keyed(key));
        self.problem.part_loss(part, &Pass { weights, scales: &self.scales, alpha: Some(alpha), dropout }, 0.0)
    }
}
