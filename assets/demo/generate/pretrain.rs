//! The demo's encoder: a small BERT, trained by masked-token prediction on the grammar's corpus with the crate's own model,
//! operations and optimiser. Its tensors are tracked, so that the encoder that LoRA freezes is here trained whole.

use super::grammar;
use autolora::data::random::{below, normal, permutation, stream};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::{Encoder, EncoderConfig, Input, Pass, Weights};
use autolora::ops::{Curve, curve, layer_norm};
use autolora::train::gradient::{clip, gradients, scalar, track};
use autolora::train::optimizer::{Adam, AdamConfig};
use autolora::train::schedule::LinearSchedule;
use candle_core::{DType, Device, Tensor};
use candle_nn::loss::cross_entropy;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::Path;

const CPU: Device = Device::Cpu;
const SENTENCES: usize = 83_200;
const EPOCHS: usize = 1;
const BATCH: usize = 32;
const PEAK_LR: f64 = 1e-3;
const HIDDEN: usize = 128;
const LAYERS: usize = 4;
const FEED_FORWARD: usize = 512;
const POSITIONS: usize = 64;

fn config_json(vocabulary: usize) -> String {
    format!(
        r#"{{
  "architectures": ["BertModel"],
  "model_type": "bert",
  "vocab_size": {vocabulary},
  "hidden_size": {HIDDEN},
  "num_hidden_layers": {LAYERS},
  "num_attention_heads": 4,
  "intermediate_size": {FEED_FORWARD},
  "hidden_act": "gelu",
  "max_position_embeddings": {POSITIONS},
  "type_vocab_size": 2,
  "layer_norm_eps": 1e-12,
  "pad_token_id": 0,
  "hidden_dropout_prob": 0.1,
  "attention_probs_dropout_prob": 0.1,
  "initializer_range": 0.02
}}
"#
    )
}

/// The encoder's tensors as BERT draws them, and those of the masked-token head, under names of Hugging Face.
fn initial(config: &EncoderConfig, seed: u64) -> Result<Weights, Box<dyn Error>> {
    let (h, f, v) = (config.hidden_size, config.intermediate_size, config.vocab_size);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![v, h]),
        ("embeddings.position_embeddings.weight".into(), vec![config.max_position_embeddings, h]),
        ("embeddings.token_type_embeddings.weight".into(), vec![config.type_vocab_size, h]),
        ("cls.predictions.transform.dense.weight".into(), vec![h, h]),
        ("pooler.dense.weight".into(), vec![h, h]),
    ];
    let mut vectors = vec![("cls.predictions.transform.dense".to_string(), h), ("pooler.dense".into(), h)];
    let mut norms = vec!["embeddings.LayerNorm".to_string(), "cls.predictions.transform.LayerNorm".into()];
    for n in 0..config.num_hidden_layers {
        let name = |part: &str| format!("encoder.layer.{n}.{part}");
        for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
            shapes.push((format!("{}.weight", name(part)), vec![h, h]));
            vectors.push((name(part), h));
        }
        shapes.push((format!("{}.weight", name("intermediate.dense")), vec![f, h]));
        shapes.push((format!("{}.weight", name("output.dense")), vec![h, f]));
        vectors.extend([(name("intermediate.dense"), f), (name("output.dense"), h)]);
        norms.extend([name("attention.output.LayerNorm"), name("output.LayerNorm")]);
    }
    let mut weights = Weights::new();
    for (index, (name, shape)) in shapes.into_iter().enumerate() {
        // Wider than BERT's 0.02, which is made for 768: 1 / sqrt(hidden) lets signals through so small a model at once,
        // and through the pooler, which nothing trains.
        let std = 1.0 / (h as f64).sqrt();
        let values = normal(&mut stream(seed, "demo encoder", index as u64), shape.iter().product(), std);
        weights.insert(name, Tensor::from_vec(values, shape, &CPU)?);
    }
    for (name, width) in vectors {
        weights.insert(format!("{name}.bias"), Tensor::zeros(width, DType::F32, &CPU)?);
    }
    for name in norms {
        weights.insert(format!("{name}.weight"), Tensor::ones(h, DType::F32, &CPU)?);
        weights.insert(format!("{name}.bias"), Tensor::zeros(h, DType::F32, &CPU)?);
    }
    weights.insert("cls.predictions.bias".into(), Tensor::zeros(v, DType::F32, &CPU)?);
    Ok(weights)
}

/// Share of words that are hidden, in percent: of those that carry the judgement many more, since to guess these the
/// encoder has to understand the sentence.
const HIDDEN_SHARE: u64 = 8;
const HIDDEN_SHARE_TELLING: u64 = 40;

/// A batch with words hidden: of these 80 % by [MASK], 10 % by another word, 10 % left (BERT's recipe).
struct Masked {
    input: Input,
    /// Places of the hidden words in the flattened batch, and the words.
    places: Tensor,
    words: Tensor,
}

fn masked(
    config: &EncoderConfig,
    rows: &[&Vec<u32>],
    mask_id: u32,
    first_word: u32,
    telling: &HashSet<u32>,
    draw: &mut rand_chacha::ChaCha8Rng,
) -> Result<Masked, Box<dyn Error>> {
    let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    let (mut places, mut words) = (Vec::new(), Vec::new());
    for row in rows {
        for place in 0..length {
            let token = row.get(place).copied().unwrap_or(config.pad_token_id);
            mask.push(u8::from(place < row.len()));
            let share = if telling.contains(&token) { HIDDEN_SHARE_TELLING } else { HIDDEN_SHARE };
            let hidden = token >= first_word && below(draw, 100) < share;
            if !hidden {
                ids.push(token);
                continue;
            }
            places.push(ids.len() as u32);
            words.push(token);
            ids.push(match below(draw, 10) {
                0 => token,
                1 => first_word + below(draw, (config.vocab_size as u32 - first_word).into()) as u32,
                _ => mask_id,
            });
        }
    }
    Ok(Masked {
        input: Input::new(config, &ids, &vec![0; ids.len()], &mask, length, &CPU)?,
        places: Tensor::new(places, &CPU)?,
        words: Tensor::new(words, &CPU)?,
    })
}

/// Mean cross-entropy of the hidden words, as `BertForMaskedLM` (output tied to the word embeddings).
fn loss(config: &EncoderConfig, weights: &Weights, batch: &Masked) -> Result<Tensor, Box<dyn Error>> {
    let checkpoint = Checkpoint::from_tensors(weights.clone(), "encoder in training");
    let encoder = Encoder::load(config, &checkpoint, DType::F32, &CPU)?;
    let none = Weights::new();
    let pass = Pass { weights: &none, scales: &[], alpha: None, dropout: None };
    let states = encoder.forward(&batch.input, &pass)?;
    let states = states.reshape(((), config.hidden_size))?.index_select(&batch.places, 0)?;
    let get = |name: &str| &weights[&format!("cls.predictions.{name}")];
    let x = states.matmul(&get("transform.dense.weight").t()?)?.broadcast_add(get("transform.dense.bias"))?;
    let (scale, shift) = (get("transform.LayerNorm.weight"), get("transform.LayerNorm.bias"));
    let x = layer_norm(&curve(&x, Curve::Gelu)?, scale, shift, config.layer_norm_eps)?;
    let logits = x.matmul(&encoder.word_embeddings().t()?)?.broadcast_add(get("bias"))?;
    Ok(cross_entropy(&logits, &batch.words)?)
}

/// Trains and writes config.json and model.safetensors (f16, without the masked-token head).
pub fn pretrain(folder: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    let tokenizer = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).map_err(|e| e.to_string())?;
    let vocabulary = tokenizer.get_vocab_size(true);
    let json = config_json(vocabulary);
    let config = EncoderConfig::parse(json.as_bytes(), "config.json")?;
    let mask_id = tokenizer.token_to_id("[MASK]").ok_or("the tokenizer has no [MASK]")?;
    let first_word =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].iter().filter_map(|t| tokenizer.token_to_id(t)).max();
    let first_word = first_word.unwrap_or(0) + 1;
    let encode = |text: String| tokenizer.encode(text, true).map(|e| e.get_ids().to_vec()).map_err(|e| e.to_string());
    let corpus: Vec<Vec<u32>> = grammar::corpus(seed, SENTENCES).into_iter().map(encode).collect::<Result<_, _>>()?;

    let telling: HashSet<u32> =
        grammar::telling_words().into_iter().filter_map(|word| tokenizer.token_to_id(word)).collect();

    let mut weights = initial(&config, seed)?;
    let frozen: Vec<String> = weights.keys().filter(|name| name.starts_with("pooler")).cloned().collect();
    let mut adam = Adam::new(AdamConfig::new(autolora::experiment::OptimizerKind::AdamW, [0.9, 0.999], 0.01));
    let steps_per_epoch = corpus.len() / BATCH;
    let schedule = LinearSchedule::new(PEAK_LR, 0.06, EPOCHS * steps_per_epoch);
    let mut recent = 0.0;
    for step in 0..EPOCHS * steps_per_epoch {
        let (epoch, within) = (step / steps_per_epoch, step % steps_per_epoch);
        let order = permutation(seed, "demo corpus order", epoch as u64, corpus.len());
        let rows: Vec<&Vec<u32>> =
            order[within * BATCH..(within + 1) * BATCH].iter().map(|row| &corpus[*row]).collect();
        let mut draw = stream(seed, "demo masks", step as u64);
        let batch = masked(&config, &rows, mask_id, first_word, &telling, &mut draw)?;
        let mut tracked = track(&weights)?;
        for name in &frozen {
            tracked.insert(name.clone(), weights[name].clone());
        }
        let loss = loss(&config, &tracked, &batch)?;
        tracked.retain(|name, _| !frozen.contains(name));
        let mut gradient = gradients(&loss, &tracked, None)?.0;
        clip(&mut gradient, Some(1.0))?;
        weights = adam.step(&weights, &gradient, schedule.at(step))?;
        recent += scalar(&loss)?;
        if step % 50 == 49 {
            println!("epoch {} step {}/{steps_per_epoch}: loss {:.4}", epoch + 1, within + 1, recent / 50.0);
            recent = 0.0;
        }
    }
    let stored: HashMap<String, Tensor> = weights
        .iter()
        .filter(|(name, _)| !name.starts_with("cls."))
        .map(|(name, tensor)| Ok((format!("bert.{name}"), tensor.to_dtype(DType::F16)?)))
        .collect::<candle_core::Result<_>>()?;
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(stored, Some(metadata), &folder.join("model.safetensors"))?;
    std::fs::write(folder.join("config.json"), json)?;
    Ok(())
}
