//! A classifier and its rows on a device: the loss and the predictions that search, retraining and evaluation share.

use super::gradient::scalar;
use crate::data::batches::Batch;
use crate::data::random;
use crate::data::tokens::Encoded;
use crate::experiment::{LoraSettings, ScaleRule};
use crate::model::lora::{a_name, b_name};
use crate::model::{Input, Pass, TaskModel, Weights};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::loss::cross_entropy;

/// A batch on the device.
pub struct DeviceBatch {
    input: Input,
    /// Class ids (rows), u32.
    labels: Tensor,
}

/// A classifier, its LoRA modules, and how rows reach it.
pub struct Classification {
    pub model: TaskModel,
    /// Path, inputs, outputs of each module, in model order.
    pub modules: Vec<(String, usize, usize)>,
    pub device: Device,
    pub pad_id: u32,
}

impl Classification {
    /// The rows `rows` of `set`, padded to the longest of them, on the device.
    pub fn batch(&self, set: &[Encoded], rows: &[usize]) -> Result<DeviceBatch> {
        let batch = Batch::collate(set, rows, self.pad_id);
        let config = &self.model.encoder.config;
        let input = Input::new(config, &batch.ids, &batch.type_ids, &batch.mask, batch.length, &self.device)?;
        let count = batch.labels.len();
        Ok(DeviceBatch { input, labels: Tensor::from_vec(batch.labels, count, &self.device)? })
    }

    /// Mean cross-entropy of a batch, a scalar.
    pub fn loss(&self, batch: &DeviceBatch, pass: &Pass) -> Result<Tensor> {
        cross_entropy(&self.model.forward(&batch.input, pass)?.to_dtype(DType::F32)?, &batch.labels)
    }

    /// Logits (rows, labels) of a batch without dropout, and the mean loss.
    pub fn evaluate(&self, batch: &DeviceBatch, weights: &Weights, scales: &[f64]) -> Result<(Vec<Vec<f32>>, f64)> {
        let pass = Pass { weights, scales, alpha: None, dropout: None };
        let logits = self.model.forward(&batch.input, &pass)?.to_dtype(DType::F32)?;
        let loss = scalar(&cross_entropy(&logits, &batch.labels)?)?;
        Ok((logits.to_vec2()?, loss))
    }

    /// Fresh factors of the given ranks: A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0 (method.md, "Notation"). Rank 0: none.
    pub fn fresh_factors(&self, ranks: &[usize], seed: u64, purpose: &str) -> Result<Weights> {
        let mut weights = Weights::new();
        for (index, ((path, inputs, outputs), rank)) in self.modules.iter().zip(ranks).enumerate() {
            if *rank == 0 {
                continue;
            }
            let mut rng = random::stream(seed, purpose, index as u64);
            let a = random::uniform(&mut rng, rank * inputs, 1.0 / (*inputs as f64).sqrt());
            weights.insert(a_name(path), Tensor::from_vec(a, (*rank, *inputs), &self.device)?);
            weights.insert(b_name(path), Tensor::zeros((*outputs, *rank), DType::F32, &self.device)?);
        }
        Ok(weights)
    }

    /// Elements of A and B over all modules at these ranks: sum of r (in + out).
    pub fn lora_parameters(&self, ranks: &[usize]) -> usize {
        self.modules.iter().zip(ranks).map(|((_, inputs, outputs), rank)| rank * (inputs + outputs)).sum()
    }

    /// Elements of the trained head.
    pub fn head_parameters(&self) -> usize {
        self.model.head_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// Scale of each module after allocation (method.md, "Retraining"); 0 for rank 0, which has no factors.
pub fn retrain_scales(rule: ScaleRule, lora: &LoraSettings, ranks: &[usize]) -> Vec<f64> {
    let scale = |rank: &usize| match rule {
        _ if *rank == 0 => 0.0,
        ScaleRule::AlphaOverRank => lora.alpha / *rank as f64,
        ScaleRule::Constant => lora.alpha / lora.rank as f64,
    };
    ranks.iter().map(scale).collect()
}
