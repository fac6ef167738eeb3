//! A real checkpoint against its published figures.

use super::CPU;
use autolora::model::checkpoint::Checkpoint;
use autolora::model::{EncoderConfig, Input, Pass, Weights};
use candle_core::DType;

/// Mean-pooled, normalised sentence embeddings, as the model's card computes them.
#[test]
fn minilm_gives_the_cosines_of_its_card() {
    let Some(shared) = shared_folder() else { return };
    let folder = shared.join("models/all-MiniLM-L6-v2");
    let config = EncoderConfig::parse(&std::fs::read(folder.join("config.json")).unwrap(), "config.json").unwrap();
    let checkpoint = Checkpoint::from_files(&[folder.join("model.safetensors")]).unwrap();
    let encoder = autolora::model::Encoder::load(&config, &checkpoint, DType::F32, &CPU).unwrap();
    let mut tokenizer = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    tokenizer.with_padding(None);
    let weights = Weights::new();
    let pass = Pass { weights: &weights, scales: &[], alpha: None, dropout: None };
    let sentences =
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"];
    // One padded batch: padding must change nothing.
    let rows: Vec<Vec<u32>> =
        sentences.iter().map(|s| tokenizer.encode(*s, true).unwrap().get_ids().to_vec()).collect();
    let length = rows.iter().map(Vec::len).max().unwrap();
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    for row in &rows {
        ids.extend(row.iter().copied().chain(std::iter::repeat(0)).take(length));
        mask.extend((0..length).map(|i| u8::from(i < row.len())));
    }
    let input = Input::new(&config, &ids, &vec![0; ids.len()], &mask, length, &CPU).unwrap();
    let states = encoder.forward(&input, &pass).unwrap().to_vec3::<f32>().unwrap();
    let pooled: Vec<Vec<f32>> = states
        .iter()
        .zip(&rows)
        .map(|(states, row)| {
            (0..config.hidden_size).map(|j| states[..row.len()].iter().map(|s| s[j]).sum::<f32>()).collect()
        })
        .collect();
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for (other, expected) in [(1, 0.6946), (2, 0.9429), (3, 0.2569)] {
        let found = cosine(&pooled[0], &pooled[other]);
        assert!((found - expected).abs() < 1e-3, "`{}`: cosine {found}, not {expected}", sentences[other]);
    }
}

/// `../shared`, where real models and data lie beside the project; its absence is said, not hidden.
pub(super) fn shared_folder() -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there, and with it no real model", folder.display());
    None
}
