//! Classification as the lower-level problem of the search.

use super::Objective;
use crate::model::{DropoutRates, Pass, Weights};
use crate::train::classification::{Classification, DeviceBatch};
use candle_core::{Result, Tensor};

/// A classifier under search: every module at rank k with the scale lora_alpha / k.
pub struct ClassificationObjective<'a> {
    pub task: &'a Classification,
    pub scales: Vec<f64>,
    pub dropout: DropoutRates,
}

impl Objective for ClassificationObjective<'_> {
    type Batch = DeviceBatch;

    fn loss(&self, weights: &Weights, alpha: &Tensor, batch: &DeviceBatch, dropout: Option<u64>) -> Result<Tensor> {
        let dropout = dropout.filter(|_| self.dropout.any()).map(|key| self.dropout.keyed(key));
        self.task.loss(batch, &Pass { weights, scales: &self.scales, alpha: Some(alpha), dropout })
    }
}
