//! What is said of folders that are no adapters, and what is taken from those that are.

use super::*;
use serde_json::json;
use std::collections::HashMap;
use std::fs;

fn tensor(shape: (usize, usize)) -> Tensor {
    let count = shape.0 * shape.1;
    Tensor::arange(0f32, count as f32, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn write(folder: &Path, config: serde_json::Value, tensors: &[(&str, (usize, usize))]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(CONFIG), config.to_string()).unwrap();
    let tensors: HashMap<String, Tensor> =
        tensors.iter().map(|(name, shape)| (name.to_string(), tensor(*shape))).collect();
    candle_core::safetensors::save(&tensors, folder.join(TENSORS)).unwrap();
}

fn read_error(folder: &Path) -> String {
    Adapter::read(folder).err().unwrap().to_string()
}

#[test]
fn names_with_and_without_the_prefix_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "rank_pattern": {"b": 1}});
    let tensors = [
        ("base_model.model.m.a.lora_A.weight", (2, 3)),
        ("base_model.model.m.a.lora_B.weight", (4, 2)),
        ("m.b.lora_A.weight", (1, 3)),
        ("m.b.lora_B.weight", (4, 1)),
        ("base_model.model.classifier.weight", (2, 4)),
    ];
    write(folder.path(), config, &tensors);
    let adapter = Adapter::read(folder.path()).unwrap();
    assert_eq!(adapter.modules().collect::<Vec<_>>(), ["m.a", "m.b"]);
    assert_eq!(adapter.saved().map(|(name, _)| name).collect::<Vec<_>>(), ["classifier.weight"]);
    let (a, b, scale) = adapter.factors("m.b").unwrap();
    assert_eq!(scale, 4.0);
    // 4 * [0, 1, 2, 3]^T [0, 1, 2]
    assert_eq!(delta(a, b, scale).unwrap().to_vec2::<f64>().unwrap()[2], [0.0, 8.0, 16.0]);
}

#[test]
fn factors_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4});
    for (tensors, said) in [
        (vec![("m.a.lora_A.weight", (2, 3))], "only one is there"),
        (vec![("m.a.lora_A.weight", (3, 3)), ("m.a.lora_B.weight", (4, 3))], "says rank 2"),
        (vec![("m.a.lora_A.weight", (2, 3)), ("m.a.lora_B.weight", (4, 3))], "m.a: A is [2, 3] and B [4, 3]"),
        (vec![("m.a.lora_embedding_A", (2, 3))], "neither A nor B"),
    ] {
        write(folder.path(), config.clone(), &tensors);
        let error = read_error(folder.path());
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn folders_that_are_no_adapters_are_known_for_what_they_are() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for folder in ["model", "run/adapter", "trainer/checkpoint-10", "pickled", "empty", "adapter"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("model/config.json"), "{}").unwrap();
    fs::write(at("run/run.json"), "{}").unwrap();
    fs::write(at("trainer/checkpoint-10/adapter_config.json"), "{}").unwrap();
    fs::write(at("pickled/adapter_config.json"), r#"{"peft_type": "LORA"}"#).unwrap();
    fs::write(at("pickled/adapter_model.bin"), "").unwrap();
    for (folder, said) in [
        ("model", "is a model, not an adapter"),
        ("run", "has no adapter yet"),
        ("trainer", "did you mean"),
        ("trainer", "checkpoint-10"),
        ("pickled", "safe_serialization=True"),
        ("empty", "it is empty"),
        ("adaptr", "/adapter?"),
        ("model/config.json", "is a file"),
    ] {
        let error = read_error(&at(folder));
        assert!(error.contains(said) && error.contains(folder), "{folder}: {error}");
    }
    fs::write(at("run/adapter/adapter_config.json"), "{}").unwrap();
    assert!(read_error(&at("run")).contains("its adapter is"));
}
