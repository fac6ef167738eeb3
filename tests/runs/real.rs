//! A real encoder on real data, by the real binary: the whole job on a few rows of two GLUE tasks.
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

/// The last line of a run of one of the tests' presets on a few rows.
fn finished(task: &str, preset: &str) -> Option<Value> {
    let shared = shared_folder()?;
    let home = Home::new();
    let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets/real").join(preset);
    let sets = [
        format!("model.id={}", shared.join("models/all-MiniLM-L6-v2").display()),
        format!("data.train={}", shared.join("data/glue").join(task).join("train.tsv").display()),
        format!("data.test={}", shared.join("data/glue").join(task).join("dev.tsv").display()),
        "data.max_train_rows=48".into(),
        "data.max_test_rows=32".into(),
        "search.warmup_steps=3".into(),
        "retrain.epochs=1".into(),
    ];
    let mut arguments = vec!["run", preset.to_str()?, "--json"];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set.as_str()]));
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    answer.lines().pop()
}

fn assert_whole(last: &Value, modules: usize) {
    assert_eq!(last["type"], "finished");
    let ranks = last["ranks"].as_object().unwrap();
    assert_eq!(ranks.len(), modules, "{ranks:?}");
    assert!(ranks.contains_key("bert.encoder.layer.5.attention.self.value"), "{ranks:?}");
    let loss = last["metrics"]["test_loss"].as_f64().unwrap();
    assert!(loss.is_finite() && loss < 1.0, "{loss}");
    assert_eq!(last["metrics"]["test_rows"], 32.0);
}

#[test]
fn minilm_on_sst2_has_an_accuracy() {
    let Some(last) = finished("SST-2", "sst2.toml") else { return };
    // Query, key, value and three dense layers of six layers, and the pooler's.
    assert_whole(&last, 37);
    assert_eq!(last["metrics"]["score"], last["metrics"]["accuracy"]);
}

#[test]
fn minilm_on_cola_without_a_header_has_a_matthews_correlation() {
    let Some(last) = finished("CoLA", "cola.toml") else { return };
    assert_whole(&last, 12);
    assert_eq!(last["metrics"]["score"], last["metrics"]["matthews_correlation"]);
}
