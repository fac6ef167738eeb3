//! Exports of an adapter that is made up: what is written, what reading it back finds.

use super::*;
use crate::experiment::{Experiment, ScaleRule};
use crate::model::Weights;
use crate::model::lora::{a_name, b_name};
use crate::run::adapter::Adapter;
use crate::run::base::Base;
use crate::run::event::{Metrics, ModuleShape, Ranks};
use candle_core::{DType, Device};
use std::collections::BTreeMap;

/// Values without a pattern, of no small denominators.
fn tensor(shape: &[usize], salt: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i as f64 * 12.9898 + salt).sin() * 0.3) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The demo's first layers with these ranks of query and value.
fn learned(ranks: &[usize], rule: ScaleRule) -> Learned {
    let shape = ModuleShape { inputs: 128, outputs: 128 };
    let path = |n: usize| format!("bert.encoder.layer.{}.attention.self.{}", n / 2, ["query", "value"][n % 2]);
    let modules: Vec<(String, ModuleShape)> = (0..ranks.len()).map(|n| (path(n), shape.clone())).collect();
    let mut weights = Weights::new();
    for ((path, shape), (rank, n)) in modules.iter().zip(ranks.iter().zip(1..)).filter(|(_, (rank, _))| **rank > 0) {
        weights.insert(a_name(path), tensor(&[*rank, shape.inputs], f64::from(n)));
        weights.insert(b_name(path), tensor(&[shape.outputs, *rank], f64::from(n) + 0.5));
    }
    weights.insert("classifier.weight".into(), tensor(&[2, 128], 0.1));
    weights.insert("classifier.bias".into(), tensor(&[2], 0.2));
    let mut experiment = Experiment::default();
    experiment.retrain.scale = rule;
    let facts = Facts {
        id: "20260101-000000-0000".into(),
        name: "made `up` | here".into(),
        version: "0".into(),
        experiment,
        labels: vec!["no \"way\"".into(), "yes".into()],
        ranks: modules.iter().map(|(path, _)| path.clone()).zip(ranks.iter().copied()).collect::<Ranks>(),
        modules,
        undecided: false,
        metrics: Metrics::from([("accuracy".into(), 0.75)]),
        evaluations: vec![("run".into(), Metrics::from([("accuracy".into(), 0.75)]))],
        max_length: 64,
        commit: None,
        sha256: BTreeMap::new(),
        train_rows: 10,
    };
    Learned::new(facts, &weights).unwrap()
}

fn config_of(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join(adapter::CONFIG)).unwrap()).unwrap()
}

#[test]
fn ranks_that_differ_go_into_the_pattern_and_rank_0_is_left_out() {
    let config = learned(&[2, 5, 0, 2], ScaleRule::AlphaOverRank).config(Scale::Native).to_json();
    let path = |n: usize, name| format!("bert.encoder.layer.{n}.attention.self.{name}");
    assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(2), &json!(16)));
    assert_eq!(config["target_modules"], json!([path(0, "query"), path(0, "value"), path(1, "value")]));
    assert_eq!(config["rank_pattern"], json!({path(0, "value"): 5}));
    assert_eq!((&config["alpha_pattern"], &config["modules_to_save"]), (&json!({}), &json!(["classifier"])));
}

#[test]
fn a_constant_scale_makes_every_alpha_over_rank_the_scale_of_the_search() {
    let learned = learned(&[2, 5, 0, 2], ScaleRule::Constant);
    let config = learned.config(Scale::Native);
    assert_eq!((config.rank, config.alpha), (2, 4.0));
    assert!(learned.present().all(|module| config.scale_of(&module.path) == 2.0));
}

#[test]
fn folded_is_one_alpha_for_every_rank_and_the_same_update() {
    for rule in [ScaleRule::AlphaOverRank, ScaleRule::Constant] {
        let (place, learned) = (tempfile::tempdir().unwrap(), learned(&[3, 5, 0, 3], rule));
        let exported = |scale: Scale| {
            let folder = place.path().join(scale.name());
            let readback = peft(&learned, scale, &folder).unwrap().readback.unwrap();
            (config_of(&folder), Adapter::read(&folder).unwrap(), readback)
        };
        let ((_, native, exact), (config, folded, rounded)) = (exported(Scale::Native), exported(Scale::Folded));
        assert_eq!(config["rank_pattern"], config["alpha_pattern"]);
        assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(3), &json!(3)));
        assert_eq!(exact.largest(), 0.0);
        assert!(rounded.largest() > 0.0 || rule == ScaleRule::Constant, "16/3 and 16/5 are not exact");
        for module in learned.present() {
            let update = |adapter: &Adapter| {
                let (a, b, scale) = adapter.factors(&module.path).unwrap();
                adapter::delta(a, b, scale).unwrap()
            };
            let (own, other) = (update(&native), update(&folded));
            let off = (own - &other).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            let most = other.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(off < 1e-6 * most, "{off} of {most}");
        }
    }
}

#[test]
fn without_any_rank_the_adapter_holds_an_update_of_0_and_the_head() {
    let (place, learned) = (tempfile::tempdir().unwrap(), learned(&[0, 0], ScaleRule::AlphaOverRank));
    let folder = place.path().join("out");
    peft(&learned, Scale::Native, &folder).unwrap();
    let adapter = Adapter::read(&folder).unwrap();
    let path = adapter.modules().next().unwrap().to_owned();
    let (a, b, scale) = adapter.factors(&path).unwrap();
    assert_eq!(adapter::delta(a, b, scale).unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap(), 0.0);
    assert_eq!(config_of(&folder)["target_modules"], json!([path]));
    assert!(fs::read_to_string(folder.join("README.md")).unwrap().contains("Every module has rank 0"));
}

#[test]
fn an_export_that_is_not_what_was_learned_is_found_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let written = learned(&[3, 5], ScaleRule::AlphaOverRank);
    peft(&written, Scale::Native, folder.path()).unwrap();
    let fault = |changed: &Learned| readback::of_adapter(folder.path(), changed, false).unwrap().fault();
    assert_eq!(fault(&written), None);
    let path = &written.modules[0].path;
    // One element of one factor, in its last bit.
    let mut changed = learned(&[3, 5], ScaleRule::AlphaOverRank);
    let mut values = changed.weights[&b_name(path)].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values[7] = f32::from_bits(values[7].to_bits() + 1);
    changed.weights.insert(b_name(path), Tensor::from_vec(values, (128, 3), &Device::Cpu).unwrap());
    assert!(fault(&changed).unwrap().contains(path.as_str()));
    let scale = fault(&learned(&[3, 5], ScaleRule::Constant)).unwrap();
    assert!(scale.starts_with("Delta W of"), "{scale}");
    let fewer = fault(&learned(&[3, 0], ScaleRule::AlphaOverRank)).unwrap();
    assert!(fewer.contains("an update in the export and none in the run"), "{fewer}");
    let more = fault(&learned(&[3, 5, 1], ScaleRule::AlphaOverRank)).unwrap();
    assert!(more.contains("is not in the export"), "{more}");
    let mut head = learned(&[3, 5], ScaleRule::AlphaOverRank);
    head.weights.insert("classifier.bias".into(), tensor(&[2], 9.0));
    assert!(fault(&head).unwrap().contains("classifier.bias is another"));

    let out = folder.path().join("out");
    let broken = write(&written, &out, json!({}), Vec::new(), |at, _| {
        fs::write(at.join("kept"), "")?;
        Ok(Some(Readback { faults: vec!["a made-up fault".into()], ..Readback::default() }))
    });
    assert!(matches!(broken, Err(ExportError::Mismatch { fault, .. }) if fault == "a made-up fault"));
    assert!(out.join("kept").is_file(), "it stays for a look");
    let sidecar: Value = serde_json::from_slice(&fs::read(out.join(SIDECAR)).unwrap()).unwrap();
    assert_eq!(sidecar["readback"]["matches"], false);
}

#[test]
fn a_merged_model_is_the_base_plus_the_update_in_one_file_or_in_shards() {
    let (place, learned) = (tempfile::tempdir().unwrap(), learned(&[3, 0, 2], ScaleRule::AlphaOverRank));
    let hub = crate::data::hub::Hub::from_env();
    let open = |id: &str| Base::open(id, None, &hub, &mut crate::data::hub::unwatched).unwrap();
    let base = open("builtin:demo");
    for (name, shard, files) in [("one", usize::MAX, 1), ("many", 300_000, 0)] {
        let folder = place.path().join(name);
        let exported = merged::merged_in_shards(&learned, &base, &hub, &folder, shard).unwrap();
        assert_eq!(exported.readback.unwrap().modules.len(), 2);
        let stored = exported.files.iter().filter(|file| file.ends_with(".safetensors")).count();
        assert!(stored == files || (files == 0 && stored > 5), "{:?}", exported.files);
        let merged = open(folder.to_str().unwrap());
        assert_eq!(merged.config.label_names(), Some(learned.facts.labels.as_slice()));
        for tensor in base.checkpoint.names() {
            let on = |base: &Base| base.checkpoint.tensor(tensor).unwrap().unwrap().to_dtype(DType::F64).unwrap();
            let module = learned.present().find(|module| format!("{}.weight", module.path) == tensor);
            let update = match module {
                Some(module) => readback::run_delta(&learned, module).unwrap(),
                None => on(&base).zeros_like().unwrap(),
            };
            let off = ((on(&merged) - on(&base)).unwrap() - update).unwrap();
            let off = off.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
            assert!(off < 1e-7, "{tensor}: {off}");
        }
    }
}

#[test]
fn a_folder_with_anything_else_in_it_is_not_replaced() {
    let (place, learned) = (tempfile::tempdir().unwrap(), learned(&[1], ScaleRule::AlphaOverRank));
    let folder = place.path().join("out");
    peft(&learned, Scale::Native, &folder).unwrap();
    let refused = config(&learned, &folder).unwrap_err();
    assert!(matches!(refused, ExportError::OtherExport { .. }), "an adapter gives no way to its ranks: {refused}");
    assert!(folder.join("adapter_model.safetensors").is_file());
    fs::remove_dir_all(&folder).unwrap();
    config(&learned, &folder).unwrap();
    config(&learned, &folder).unwrap();
    assert_eq!(files_below(&folder, "").unwrap().len(), 3, "an earlier export of the kind is replaced whole");
    fs::write(place.path().join("run.json"), "{}").unwrap();
    let refused = config(&learned, &place.path().join("adapter")).unwrap_err();
    assert!(matches!(refused, ExportError::InsideRun(_)), "{refused}");
    fs::remove_file(place.path().join("run.json")).unwrap();
    fs::create_dir(folder.join("notes")).unwrap();
    fs::write(folder.join("notes/mine.txt"), "").unwrap();
    let refused = config(&learned, &folder).unwrap_err();
    assert!(refused.to_string().contains("notes/mine.txt"), "{refused}");
    assert!(matches!(peft(&learned, Scale::Native, &folder.join("ranks.json")), Err(ExportError::IsFile(_))));
    fs::create_dir(place.path().join("empty")).unwrap();
    config(&learned, &place.path().join("empty")).unwrap();
}

#[test]
fn a_card_says_what_was_learned_and_nothing_in_it_ends_a_cell() {
    let (place, learned) = (tempfile::tempdir().unwrap(), learned(&[3, 0], ScaleRule::AlphaOverRank));
    peft(&learned, Scale::Native, place.path()).unwrap();
    let card = fs::read_to_string(place.path().join("README.md")).unwrap();
    for said in [
        "library_name: peft",
        "# made 'up' \\| here",
        "| accuracy | 0.7500 |",
        "id2label = {0: \"no \\\"way\\\"\", 1: \"yes\"}",
        "base = folder + \"/base\"",
        "max_length=64",
        "| `bert.encoder.layer.0.attention.self.query` | 3 | 5.3333 |",
        "| `bert.encoder.layer.0.attention.self.value` | 0 | - |",
    ] {
        assert!(card.contains(said), "{said} is not in\n{card}");
    }
    assert!(!card.contains("license"), "{card}");
}
