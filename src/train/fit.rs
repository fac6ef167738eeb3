//! Plain training of factors and head: retraining with allocated ranks, and controls that train the head alone.

use super::batch::DeviceBatch;
use super::gradient::{clip, gradients_of_parts, scalars, track};
use super::optimizer::Adam;
use super::problem::Problem;
use super::schedule::LinearSchedule;
use crate::model::{DropoutRates, Pass, Weights};
use candle_core::Result;

/// Everything that such training changes. A checkpoint holds just this and the step.
#[derive(Clone)]
pub struct FitState {
    /// A and B of every module with a rank, and the head.
    pub weights: Weights,
    pub optimizer: Adam,
}

/// Constants of such training.
pub struct FitRules {
    /// Scale of each module.
    pub scales: Vec<f64>,
    pub schedule: LinearSchedule,
    pub clip_norm: Option<f64>,
    /// Share of a label's weight that is spread over all labels.
    pub label_smoothing: f64,
    pub dropout: DropoutRates,
}

impl FitState {
    /// One step on a batch, given by its parts; `step` counts from 0, `key` draws the dropout masks. Returns the loss and the gradient's norm.
    pub fn step(
        &mut self,
        problem: &Problem,
        rules: &FitRules,
        batch: &[DeviceBatch],
        step: usize,
        key: u64,
    ) -> Result<(f64, f64)> {
        let tracked = track(&self.weights)?;
        let loss = |part: &DeviceBatch, key: Option<u64>| {
            let dropout = key.filter(|_| rules.dropout.any()).map(|key| rules.dropout.keyed(key));
            let pass = Pass { weights: &tracked, scales: &rules.scales, alpha: None, dropout };
            problem.part_loss(part, &pass, rules.label_smoothing)
        };
        let (loss, mut gradient, _) = gradients_of_parts(batch, Some(key), &tracked, None, loss)?;
        let norm = clip(&mut gradient, rules.clip_norm)?;
        self.weights = self.optimizer.step(&self.weights, &gradient, rules.schedule.at(step))?;
        // The only numbers that are read, and so the only time that a GPU is waited for.
        let read = scalars(&[&loss, &norm])?;
        Ok((read[0], read[1]))
    }
}
