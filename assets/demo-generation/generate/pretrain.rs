//! The demo's decoder: a small GPT-2, trained to go on with the grammar's texts with the crate's own model, operations and
//! optimiser. Its tensors are tracked, so that the decoder that LoRA freezes is here trained whole.

use super::grammar;
use autolora::data::random::{normal, permutation, stream};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::decoder::Tokens;
use autolora::model::{Decoder, DecoderConfig, Pass, Weights};
use autolora::train::gradient::{clip, gradients, scalar, track};
use autolora::train::optimizer::{Adam, AdamConfig};
use autolora::train::schedule::LinearSchedule;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

const CPU: Device = Device::Cpu;
const TEXTS: usize = 64_000;
const BATCH: usize = 32;
const PEAK_LR: f64 = 2e-3;
const HIDDEN: usize = 128;
const LAYERS: usize = 4;
const POSITIONS: usize = 128;

fn config_json(vocabulary: usize) -> String {
    format!(
        r#"{{
  "architectures": ["GPT2LMHeadModel"],
  "model_type": "gpt2",
  "vocab_size": {vocabulary},
  "n_embd": {HIDDEN},
  "n_layer": {LAYERS},
  "n_head": 4,
  "n_positions": {POSITIONS},
  "activation_function": "gelu_new",
  "pad_token_id": 0,
  "bos_token_id": 1,
  "eos_token_id": 1,
  "embd_pdrop": 0.0,
  "attn_pdrop": 0.0,
  "resid_pdrop": 0.0
}}
"#
    )
}

/// The tensors as GPT-2 draws them, but wider, which is made for 768: 1 / sqrt(hidden).
fn initial(vocabulary: usize, seed: u64) -> Result<Weights, Box<dyn Error>> {
    let (h, std) = (HIDDEN, 1.0 / (HIDDEN as f64).sqrt());
    let residual = std / (2.0 * LAYERS as f64).sqrt();
    let mut drawn = vec![("wte".to_string(), vec![vocabulary, h], 0.05), ("wpe".into(), vec![POSITIONS, h], 0.02)];
    let (mut biases, mut norms) = (Vec::new(), vec!["ln_f".to_string()]);
    for n in 0..LAYERS {
        let name = |part: &str| format!("h.{n}.{part}");
        for (part, outputs, inputs, std) in [
            ("attn.c_attn", 3 * h, h, std),
            ("attn.c_proj", h, h, residual),
            ("mlp.c_fc", 4 * h, h, std),
            ("mlp.c_proj", h, 4 * h, residual / 2.0),
        ] {
            drawn.push((name(part), vec![inputs, outputs], std));
            biases.push((name(part), outputs));
        }
        norms.extend([name("ln_1"), name("ln_2")]);
    }
    let mut weights = Weights::new();
    for (index, (name, shape, std)) in drawn.into_iter().enumerate() {
        let values = normal(&mut stream(seed, "demo decoder", index as u64), shape.iter().product(), std);
        weights.insert(format!("transformer.{name}.weight"), Tensor::from_vec(values, shape, &CPU)?);
    }
    for (name, outputs) in biases {
        weights.insert(format!("transformer.{name}.bias"), Tensor::zeros(outputs, DType::F32, &CPU)?);
    }
    for name in norms {
        weights.insert(format!("transformer.{name}.weight"), Tensor::ones(h, DType::F32, &CPU)?);
        weights.insert(format!("transformer.{name}.bias"), Tensor::zeros(h, DType::F32, &CPU)?);
    }
    Ok(weights)
}

/// Mean cross-entropy of the next token over texts.
fn loss(config: &DecoderConfig, weights: &Weights, texts: &[&Vec<u32>]) -> Result<Tensor, Box<dyn Error>> {
    let checkpoint = Checkpoint::from_tensors(weights.clone(), "decoder in training");
    let decoder = Decoder::load(config, &checkpoint, DType::F32, &CPU)?;
    let length = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    let (mut ids, mut places, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for (row, text) in texts.iter().enumerate() {
        ids.extend(text.iter().copied().chain(std::iter::repeat_n(0, length - text.len())));
        places.extend((0..text.len() - 1).map(|at| (row * length + at) as u32));
        next.extend_from_slice(&text[1..]);
    }
    let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
    let tokens = Tokens::rows(ids, &lengths, length, &CPU)?;
    let none = Weights::new();
    let pass = Pass { weights: &none, scales: &[], alpha: None, dropout: None };
    let states = decoder.states(&tokens, &pass, None)?;
    Ok((decoder.loss(&states, &places, &next, 0.0)? / next.len() as f64)?)
}

/// Trains and writes config.json and model.safetensors (f16).
pub fn pretrain(folder: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    let tokenizer = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).map_err(|e| e.to_string())?;
    let json = config_json(tokenizer.get_vocab_size(true));
    let config = DecoderConfig::parse(json.as_bytes(), "config.json")?;
    let end = config.eos_token_ids.clone();
    let encode = |text: String| {
        let encoding = tokenizer.encode(text, true).map_err(|e| e.to_string())?;
        Ok::<_, String>([encoding.get_ids(), &end].concat())
    };
    let corpus: Vec<Vec<u32>> = grammar::corpus(seed, TEXTS).into_iter().map(encode).collect::<Result<_, _>>()?;
    let mut weights = initial(config.vocab_size, seed)?;
    let mut adam = Adam::new(AdamConfig::new(autolora::experiment::OptimizerKind::AdamW, [0.9, 0.999], 0.01));
    let steps = corpus.len() / BATCH;
    let schedule = LinearSchedule::new(PEAK_LR, 0.06, steps);
    let order = permutation(seed, "demo texts order", 0, corpus.len());
    let mut recent = 0.0;
    for step in 0..steps {
        let texts: Vec<&Vec<u32>> = order[step * BATCH..(step + 1) * BATCH].iter().map(|row| &corpus[*row]).collect();
        let tracked = track(&weights)?;
        let loss = loss(&config, &tracked, &texts)?;
        let mut gradient = gradients(&loss, &tracked, None)?.0;
        clip(&mut gradient, Some(1.0))?;
        weights = adam.step(&weights, &gradient, schedule.at(step))?;
        recent += scalar(&loss)?;
        if step % 50 == 49 {
            println!("step {}/{steps}: loss {:.4}", step + 1, recent / 50.0);
            recent = 0.0;
        }
    }
    let stored: HashMap<String, Tensor> = weights
        .iter()
        .map(|(name, tensor)| Ok((name.clone(), tensor.to_dtype(DType::F16)?)))
        .collect::<candle_core::Result<_>>()?;
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(stored, Some(metadata), &folder.join("model.safetensors"))?;
    std::fs::write(folder.join("config.json"), json)?;
    Ok(())
}
