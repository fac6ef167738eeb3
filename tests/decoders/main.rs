//! The decoders against transformers and PEFT: logits, gradients, generated tokens (`tests/fixtures/decoders.py`).

mod generation;
mod memory;
mod parity;
mod ropes;
mod targets;

use autolora::model::checkpoint::Checkpoint;
use autolora::model::decoder::Tokens;
use autolora::model::{Decoder, DecoderConfig, Weights};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const CPU: Device = Device::Cpu;
/// Scale of the LoRA modules.
const SCALE: f64 = 1.5;

/// Every model that the script made.
const MODELS: [&str; 11] =
    ["gpt2", "llama", "llama-biased", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3", "phi3"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders").join(name)
}

/// A model and what PyTorch computes with it.
struct Fixture {
    model: Decoder,
    /// LoRA factors, rank 2.
    weights: Weights,
    scales: Vec<f64>,
    /// Texts without padding.
    texts: Vec<Vec<u32>>,
    tensors: HashMap<String, Tensor>,
}

impl Fixture {
    fn load(name: &str) -> Fixture {
        let stored = Checkpoint::from_files(&[folder(name).join("model.safetensors")]).unwrap();
        Fixture::of(name, &stored, DType::F32)
    }

    /// With these tensors for a model's own, its matrices kept in `dtype`.
    fn of(name: &str, checkpoint: &Checkpoint, dtype: DType) -> Fixture {
        let config = std::fs::read(folder(name).join("config.json")).unwrap();
        let config = DecoderConfig::parse(&config, "config.json").unwrap();
        let mut model = Decoder::load(&config, checkpoint, dtype, &CPU).unwrap();
        let modules = model.attach(&["all-linear".to_string()]).unwrap();
        let file = folder(name).join("expected.safetensors");
        let tensors = candle_core::safetensors::load(&file, &CPU).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let names = metadata.metadata().as_ref().unwrap()["names"].clone();
        let mut shapes = HashMap::new();
        for (path, inputs, outputs) in &modules {
            shapes.insert(format!("{path}.lora_A.weight"), (2, *inputs));
            shapes.insert(format!("{path}.lora_B.weight"), (*outputs, 2));
        }
        let (mut weights, mut at) = (Weights::new(), 0);
        let values = flat(&tensors["trained"]);
        for name in names.split(' ') {
            let shape = shapes.remove(name).unwrap_or_else(|| panic!("`{name}` is no module of ours"));
            let count = shape.0 * shape.1;
            weights.insert(name.into(), Tensor::from_slice(&values[at..at + count], shape, &CPU).unwrap());
            at += count;
        }
        assert!(shapes.is_empty() && at == values.len(), "{name}: modules that PEFT has not: {shapes:?}");
        let (ids, lengths) = (whole(&tensors["ids"]), whole(&tensors["lengths"]));
        let rows = ids.chunks(ids.len() / lengths.len()).zip(lengths);
        let texts = rows.map(|(row, length)| row[row.len() - length as usize..].to_vec()).collect();
        let scales = vec![SCALE; modules.len()];
        Fixture { model, weights, scales, texts, tensors }
    }

    fn tokens(&self) -> Tokens {
        Tokens::padded(&self.texts, 0, &CPU).unwrap()
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn whole(tensor: &Tensor) -> Vec<u32> {
    flat(tensor).into_iter().map(|value| value as u32).collect()
}

/// Largest difference over largest reference.
fn difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0f32, |most, x| most.max(x.abs()));
    let difference = ours.iter().zip(theirs).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && difference.is_finite());
    f64::from(difference / largest)
}
