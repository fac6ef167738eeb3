//! What LoRA targets name in a decoder, and the parts of GPT-2's `c_attn`.

use super::{CPU, Fixture, difference, flat, folder};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::{Decoder, DecoderConfig, Pass, Weights};
use candle_core::{DType, Tensor};

fn gpt2() -> Decoder {
    let config = std::fs::read(folder("gpt2").join("config.json")).unwrap();
    let config = DecoderConfig::parse(&config, "config.json").unwrap();
    let checkpoint = Checkpoint::from_files(&[folder("gpt2").join("model.safetensors")]).unwrap();
    Decoder::load(&config, &checkpoint, DType::F32, &CPU).unwrap()
}

fn attach(targets: &[&str]) -> Result<Vec<String>, String> {
    let targets: Vec<String> = targets.iter().map(|target| target.to_string()).collect();
    let modules = gpt2().attach(&targets).map_err(|e| e.to_string())?;
    Ok(modules.into_iter().map(|(path, ..)| path).collect())
}

#[test]
fn parts_and_the_whole_of_c_attn_are_named() {
    let of_layers = |names: &[&str]| -> Vec<String> {
        (0..2).flat_map(|n| names.iter().map(move |name| format!("transformer.h.{n}.attn.{name}"))).collect()
    };
    assert_eq!(attach(&["c_attn"]).unwrap(), of_layers(&["c_attn"]));
    assert_eq!(attach(&["c_attn.query", "value"]).unwrap(), of_layers(&["c_attn.query", "c_attn.value"]));
    assert_eq!(attach(&["all-linear"]).unwrap().len(), 8);
    let error = attach(&["c_attn", "c_attn.key"]).unwrap_err();
    assert!(error.contains("c_attn.key` is a part of a layer that is named as a whole"), "{error}");
    assert!(attach(&["q_proj"]).unwrap_err().contains("no linear layer matches `q_proj`"));
}

/// A LoRA of a part is one of the whole whose B is 0 elsewhere.
#[test]
fn a_part_changes_its_outputs_alone() {
    let fixture = Fixture::load("gpt2");
    let (mut parts, mut whole) = (gpt2(), gpt2());
    let (of_parts, of_whole) = (parts.attach(&["value".into()]).unwrap(), whole.attach(&["c_attn".into()]).unwrap());
    let mut weights = [Weights::new(), Weights::new()];
    for ((path, inputs, outputs), (whole_path, ..)) in of_parts.iter().zip(&of_whole) {
        let a = Tensor::rand(-1f32, 1f32, (2, *inputs), &CPU).unwrap();
        let b = Tensor::rand(-1f32, 1f32, (*outputs, 2), &CPU).unwrap();
        let padded = b.pad_with_zeros(0, 2 * outputs, 0).unwrap();
        for (weights, path, b) in weights.iter_mut().zip([(path, b), (whole_path, padded)]).map(|(w, (p, b))| (w, p, b))
        {
            weights.insert(format!("{path}.lora_A.weight"), a.clone());
            weights.insert(format!("{path}.lora_B.weight"), b);
        }
    }
    let run = |model: &Decoder, weights: &Weights| {
        let pass = Pass { weights, scales: &[0.7, 0.7], alpha: None, dropout: None };
        flat(&model.states(&fixture.tokens(), &pass, None).unwrap())
    };
    let (ours, theirs) = (run(&parts, &weights[0]), run(&whole, &weights[1]));
    assert!(difference(&ours, &theirs) < 1e-6);
    assert!(difference(&ours, &run(&parts, &Weights::new())) > 1e-2);
}
