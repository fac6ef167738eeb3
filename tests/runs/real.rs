//! A real encoder on real data, by the real binary: the whole job on a few rows of every task.
//! `../shared` holds both; where it is absent, that is said and nothing is checked.

use crate::support::Home;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `../shared`, where real models and data lie beside the project.
fn shared_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    if !folder.join("models/all-MiniLM-L6-v2").is_dir() {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return None;
    }
    folder.canonicalize().ok()
}

/// A run of one of the tests' presets on a few rows, and its last line. `data`: the folder below `../shared/data`, and the
/// file of the held-out rows.
fn finished((data, test): (&str, &str), preset: &str) -> Option<(Home, Value)> {
    let shared = shared_folder()?;
    let home = Home::new();
    let data = shared.join("data").join(data);
    let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets/real").join(preset);
    let sets = [
        format!("model.id={}", shared.join("models/all-MiniLM-L6-v2").display()),
        format!("data.train={}", data.join("train.tsv").display()),
        format!("data.test={}", data.join(test).display()),
        "data.max_train_rows=24".into(),
        "data.max_test_rows=16".into(),
        "search.warmup_steps=2".into(),
        "retrain.epochs=1".into(),
    ];
    let mut arguments = vec!["run", preset.to_str()?, "--json"];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set.as_str()]));
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let last = answer.lines().pop()?;
    Some((home, last))
}

/// The lines of `predictions.jsonl`.
fn predictions(last: &Value) -> Vec<Value> {
    let file = Path::new(last["dir"].as_str().unwrap()).join("predictions.jsonl");
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_whole(last: &Value, modules: usize) {
    assert_eq!(last["type"], "finished");
    let ranks = last["ranks"].as_object().unwrap();
    assert_eq!(ranks.len(), modules, "{ranks:?}");
    assert!(ranks.contains_key("bert.encoder.layer.5.attention.self.value"), "{ranks:?}");
    let loss = last["metrics"]["test_loss"].as_f64().unwrap();
    assert!(loss.is_finite(), "{loss}");
    assert_eq!(last["metrics"]["test_rows"], 16.0);
}

#[test]
fn minilm_on_sst2_has_an_accuracy() {
    let Some((_home, last)) = finished(("glue/SST-2", "dev.tsv"), "sst2.toml") else { return };
    // Query, key, value and three dense layers of six layers, and the pooler's.
    assert_whole(&last, 37);
    assert_eq!(last["metrics"]["score"], last["metrics"]["accuracy"]);
    let right = predictions(&last).iter().filter(|row| row["label"] == row["prediction"]).count();
    assert_eq!(last["metrics"]["accuracy"], right as f64 / 16.0, "what is written is what is scored");
}

#[test]
fn minilm_on_cola_without_a_header_has_a_matthews_correlation() {
    let Some((_home, last)) = finished(("glue/CoLA", "dev.tsv"), "cola.toml") else { return };
    assert_whole(&last, 12);
    assert_eq!(last["metrics"]["score"], last["metrics"]["matthews_correlation"]);
}

#[test]
fn minilm_on_stsb_has_a_rank_correlation() {
    let Some((_home, last)) = finished(("glue/STS-B", "dev.tsv"), "stsb.toml") else { return };
    assert_whole(&last, 37);
    assert_eq!(last["metrics"]["score"], last["metrics"]["spearman"]);
    let rows = predictions(&last);
    assert_eq!((rows.len(), rows[0]["score"].as_f64()), (16, Some(5.0)));
    let squares = |row: &Value| (row["score"].as_f64().unwrap() - row["prediction"].as_f64().unwrap()).powi(2);
    let mean = rows.iter().map(squares).sum::<f64>() / 16.0;
    let loss = last["metrics"]["test_loss"].as_f64().unwrap();
    assert!((mean - loss).abs() < 1e-3 * loss, "mean squared error {mean}, test loss {loss}");
}

#[test]
fn minilm_on_ncbi_disease_tags_every_word() {
    let Some((home, last)) = finished(("ner/NCBI-disease-IOB", "test.tsv"), "ncbi.toml") else { return };
    // The token head reads no pooler.
    assert_whole(&last, 36);
    assert_eq!(last["metrics"]["score"], last["metrics"]["entity_f1"]);
    let rows = predictions(&last);
    let words = ["O", "O", "O", "O", "O", "O", "B-Disease", "I-Disease", "I-Disease", "O"];
    let tags: Vec<&str> = rows[0]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(tags[..words.len()], words, "Clustering of missense mutations in the ataxia - telangiectasia gene ...");
    for row in &rows {
        assert_eq!(row["tags"].as_array().unwrap().len(), row["predictions"].as_array().unwrap().len());
    }
    let config =
        std::fs::read_to_string(home.run_dir(last["run"].as_str().unwrap()).join("adapter/adapter_config.json"));
    assert!(config.unwrap().contains("TOKEN_CLS"));
}
