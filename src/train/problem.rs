//! A model and its task on a device: the loss and the outputs that search, retraining and evaluation share.

use super::batch::{DeviceAnswers, DeviceBatch, DeviceInput, Layout};
use super::gradient::scalar;
use crate::data::IGNORED;
use crate::data::random;
use crate::experiment::{LoraSettings, ScaleRule};
use crate::model::generate::{Decoding, Generator, Stop};
use crate::model::lora::{a_name, b_name};
use crate::model::{Network, Pass, Weights};
use candle_core::{DType, Device, Result, Tensor};

/// What a model says of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Logits by class; of a regression, the one number.
    Row(Vec<f32>),
    /// Logits by class of every tagged word, in order.
    Words(Vec<Vec<f32>>),
}

/// A model with a task, its LoRA modules, and how rows reach it.
pub struct Problem {
    pub model: Network,
    /// Path, inputs, outputs of each module, in model order.
    pub modules: Vec<(String, usize, usize)>,
    pub device: Device,
    pub pad_id: u32,
    pub layout: Layout,
}

impl Problem {
    /// Mean loss of a batch, a scalar: cross-entropy over rows, over tagged words, over tokens that are to be written, or
    /// squared error.
    pub fn loss(&self, batch: &DeviceBatch, pass: &Pass, smoothing: f64) -> Result<Tensor> {
        match (&self.model, &batch.input, &batch.answers) {
            (Network::Task(model), DeviceInput::Encoder(input), answers) => {
                answers.loss(&model.forward(input, pass)?.to_dtype(DType::F32)?, smoothing)
            }
            (Network::Causal(model), DeviceInput::Decoder(tokens), DeviceAnswers::Next { places, ids }) => {
                let states = model.states(tokens, pass, None)?;
                (model.loss(&states, places, ids, smoothing)? / ids.len().max(1) as f64)?.to_dtype(DType::F32)
            }
            _ => candle_core::bail!("a batch of another kind of model"),
        }
    }

    /// What a part of a batch adds to the batch's mean loss: its own mean by its share.
    pub fn part_loss(&self, part: &DeviceBatch, pass: &Pass, smoothing: f64) -> Result<Tensor> {
        let loss = self.loss(part, pass, smoothing)?;
        if part.share == 1.0 { Ok(loss) } else { loss * part.share }
    }

    /// What a decoder writes after prompts, without dropout.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        how: &Decoding,
        stop: Stop,
        (weights, scales): (&Weights, &[f64]),
    ) -> Result<Vec<Vec<u32>>> {
        let Network::Causal(decoder) = &self.model else { candle_core::bail!("an encoder does not write") };
        let pass = Pass { weights, scales, alpha: None, dropout: None };
        Generator { decoder, pass: &pass }.generate(prompts, how, stop)
    }

    /// Outputs of every row of a batch without dropout, the sum of the losses, and over how many rows or words it is.
    pub fn evaluate(
        &self,
        batch: &DeviceBatch,
        weights: &Weights,
        scales: &[f64],
    ) -> Result<(Vec<Output>, f64, usize)> {
        let pass = Pass { weights, scales, alpha: None, dropout: None };
        let (model, input) = match (&self.model, &batch.input, &batch.answers) {
            (Network::Task(model), DeviceInput::Encoder(input), _) => (model, input),
            // What a decoder says is what it writes, which is asked for by itself.
            (_, _, DeviceAnswers::Next { ids, .. }) => {
                let loss = scalar(&self.loss(batch, &pass, 0.0)?)?;
                return Ok((Vec::new(), loss * ids.len() as f64, ids.len()));
            }
            _ => candle_core::bail!("a batch of another kind of model"),
        };
        let logits = model.forward(input, &pass)?.to_dtype(DType::F32)?;
        let loss = scalar(&batch.answers.loss(&logits, 0.0)?)?;
        let (outputs, count) = match &batch.answers {
            DeviceAnswers::Classes(_) | DeviceAnswers::Scores(_) => {
                let rows: Vec<Vec<f32>> = logits.to_vec2()?;
                let count = rows.len();
                (rows.into_iter().map(Output::Row).collect(), count)
            }
            DeviceAnswers::Next { .. } => (Vec::new(), 0),
            DeviceAnswers::Tags { host, count, .. } => {
                let rows: Vec<Vec<Vec<f32>>> = logits.to_vec3()?;
                let length = host.len() / rows.len().max(1);
                let tagged = |(row, words): (usize, Vec<Vec<f32>>)| {
                    let tags = &host[row * length..(row + 1) * length];
                    let counts = words.into_iter().zip(tags).filter(|(_, tag)| **tag != IGNORED);
                    Output::Words(counts.map(|(logits, _)| logits).collect())
                };
                (rows.into_iter().enumerate().map(tagged).collect(), *count)
            }
        };
        Ok((outputs, loss * count as f64, count))
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
