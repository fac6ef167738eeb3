//! Rows and weights that nobody chose, for steps whose result is not what they are taken for.

use super::SEED;
use super::shape::CLASSES;
use crate::data::{Encoded, IGNORED, Rows, Target, random};
use crate::model::{ModelConfig, Weights};
use crate::train::problem::Problem;
use candle_core::Tensor;

/// Two batches of `length` random ids a row, none of them padding, with random answers: a train and a validation batch.
pub fn drawn_rows(batch: usize, length: usize, config: &ModelConfig) -> Rows {
    let mut rng = random::stream(SEED, "bench/rows", 0);
    let vocabulary = config.vocab_size() as u64;
    let mut id = || loop {
        let id = random::below(&mut rng, vocabulary) as u32;
        if id != config.pad_id() || vocabulary == 1 {
            return id;
        }
    };
    let row = |n: usize| {
        let ids: Vec<u32> = (0..length).map(|_| id()).collect();
        let target = match config {
            ModelConfig::Encoder(_) => Target::Class((n % CLASSES) as u32),
            ModelConfig::Decoder(_) => Target::Tags(ids.iter().skip(1).copied().chain([IGNORED]).collect()),
        };
        Encoded { type_ids: vec![0; ids.len()], ids, target, example: n as u32 }
    };
    (0..2 * batch).map(row).collect::<Vec<_>>().into()
}

/// Factors of rank `rank` and the head; B is drawn too: with B = 0 most gradients would be 0.
pub fn drawn_weights(problem: &Problem, rank: usize) -> candle_core::Result<Weights> {
    let mut weights = problem.fresh_factors(&vec![rank; problem.modules.len()], SEED, "bench/factors")?;
    for (n, (name, tensor)) in weights.iter_mut().enumerate() {
        if name.ends_with("lora_B.weight") {
            let mut rng = random::stream(SEED, "bench/b", n as u64);
            let values = random::uniform(&mut rng, tensor.elem_count(), 0.02);
            *tensor = Tensor::from_vec(values, tensor.dims(), &problem.device)?;
        }
    }
    weights.extend(problem.model.initial_head(SEED, "bench/head")?);
    Ok(weights)
}
