//! Gradients against central differences in f64.

use super::{CPU, fixture, open};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::lora::{a_name, b_name};
use autolora::model::{Dropout, DropoutRates, EncoderConfig, HeadKind, Input, Pass, TaskModel, Weights};
use autolora::train::gradient::{gradients, track, track_one};
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;

fn config(family: &str) -> EncoderConfig {
    let json = format!(
        r#"{{"model_type": "{family}", "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 12, "max_position_embeddings": 9, "type_vocab_size": 2, "layer_norm_eps": 1e-5, "pad_token_id": 1}}"#
    );
    EncoderConfig::parse(json.as_bytes(), "config.json").unwrap()
}

fn values(count: usize, salt: u64, scale: f64) -> Vec<f64> {
    let mut rng = autolora::data::random::stream(salt, "test", 0);
    autolora::data::random::uniform(&mut rng, count, scale).into_iter().map(f64::from).collect()
}

pub(super) fn random(shape: &[usize], salt: u64, scale: f64) -> Tensor {
    Tensor::from_vec(values(shape.iter().product(), salt, scale), shape, &CPU).unwrap()
}

/// A checkpoint of random tensors under the names of Hugging Face.
fn checkpoint(config: &EncoderConfig) -> Checkpoint {
    let (h, f) = (config.hidden_size, config.intermediate_size);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![config.vocab_size, h]),
        ("embeddings.position_embeddings.weight".into(), vec![config.max_position_embeddings, h]),
        ("embeddings.token_type_embeddings.weight".into(), vec![config.type_vocab_size, h]),
        ("embeddings.LayerNorm.weight".into(), vec![h]),
        ("embeddings.LayerNorm.bias".into(), vec![h]),
        ("pooler.dense.weight".into(), vec![h, h]),
        ("pooler.dense.bias".into(), vec![h]),
    ];
    for n in 0..config.num_hidden_layers {
        let square = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];
        let linears =
            square.map(|name| (name, h, h)).into_iter().chain([("intermediate.dense", f, h), ("output.dense", h, f)]);
        for (name, outputs, inputs) in linears {
            shapes.push((format!("encoder.layer.{n}.{name}.weight"), vec![outputs, inputs]));
            shapes.push((format!("encoder.layer.{n}.{name}.bias"), vec![outputs]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{n}.{name}.weight"), vec![h]));
            shapes.push((format!("encoder.layer.{n}.{name}.bias"), vec![h]));
        }
    }
    let tensors = shapes.into_iter().enumerate().map(|(i, (name, shape))| {
        let tensor = random(&shape, i as u64, 0.7);
        let tensor = if name.ends_with("LayerNorm.weight") { (tensor + 1.0).unwrap() } else { tensor };
        (name, tensor)
    });
    Checkpoint::from_tensors(tensors.collect(), "test")
}

pub(super) struct Setup {
    pub(super) model: TaskModel,
    pub(super) weights: Weights,
    pub(super) scales: Vec<f64>,
    input: Input,
    labels: Tensor,
}

/// Two rows of five tokens, the second padded: padding must not leak into the gradients.
fn setup(family: &str) -> Setup {
    let config = config(family);
    let ids = [2, 5, 7, 9, 3, 4, 6, 8, 1, 1];
    let input =
        Input::new(&config, &ids, &[0, 0, 0, 1, 1, 0, 0, 0, 0, 0], &[1, 1, 1, 1, 1, 1, 1, 1, 0, 0], 5, &CPU).unwrap();
    build(&config, &checkpoint(&config), HeadKind::Sequence, input)
}

/// A fixture in f64: a row of twelve tokens, which is longer than a window, and one of eight.
pub(super) fn setup_fixture(model: &str, kind: HeadKind) -> Setup {
    let (config, checkpoint) = open(&fixture(model)).unwrap();
    let ids: Vec<u32> = (0..24).map(|i| if i < 20 { 5 + i * 7 % 50 } else { config.pad_token_id }).collect();
    let mask: Vec<u8> = (0..24).map(|i| u8::from(i < 20)).collect();
    let types: Vec<u32> = (0..24).map(|i| u32::from(i % 12 > 6 && i < 20)).collect();
    let input = Input::new(&config, &ids, &types, &mask, 12, &CPU).unwrap();
    build(&config, &checkpoint, kind, input)
}

fn build(config: &EncoderConfig, checkpoint: &Checkpoint, kind: HeadKind, input: Input) -> Setup {
    let (mut model, _) = TaskModel::load(config, checkpoint, kind, 3, DType::F64, &CPU).unwrap();
    let modules = model.attach(&["all-linear".to_string()]).unwrap();
    let mut weights = Weights::new();
    for (i, (path, inputs, outputs)) in modules.iter().enumerate() {
        weights.insert(a_name(path), random(&[2, *inputs], 100 + i as u64, 0.8));
        weights.insert(b_name(path), random(&[*outputs, 2], 200 + i as u64, 0.8));
    }
    for (i, (name, shape)) in model.head_shapes().into_iter().enumerate() {
        weights.insert(name, random(&shape, 300 + i as u64, 0.8));
    }
    let rows = if kind == HeadKind::Tokens { input.mask().len() as u32 } else { 2 };
    let labels = Tensor::new((0..rows).map(|row| (row * 2 + 2) % 3).collect::<Vec<_>>(), &CPU).unwrap();
    Setup { scales: vec![1.5; modules.len()], model, weights, input, labels }
}

impl Setup {
    pub(super) fn loss(&self, weights: &Weights, alpha: &Tensor, dropout: Option<Dropout>) -> Tensor {
        let pass = Pass { weights, scales: &self.scales, alpha: Some(alpha), dropout };
        let logits = self.model.forward(&self.input, &pass).unwrap();
        let logits = logits.flatten(0, logits.rank() - 2).unwrap();
        candle_nn::loss::cross_entropy(&logits, &self.labels).unwrap()
    }
}

fn check_gradients(family: &str, dropout: Option<Dropout>) {
    check_setup(family, &setup(family), dropout, 3);
}

/// Every trainable tensor, and alpha: one of `step` entries.
fn check_setup(family: &str, s: &Setup, dropout: Option<Dropout>, step: usize) {
    let alpha = random(&[s.scales.len(), 2], 400, 1.0);
    let (tracked, tracked_alpha) = (track(&s.weights).unwrap(), track_one(&alpha).unwrap());
    let (gradient, by_alpha) =
        gradients(&s.loss(&tracked, &tracked_alpha, dropout), &tracked, Some(&tracked_alpha)).unwrap();
    // Central differences of fourth order: the second-order ones are no better than 1e-8 here.
    let numeric = |at: &dyn Fn(f64) -> f64| {
        let h = 1e-4;
        (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
    };
    let value = |weights: &Weights, alpha: &Tensor| s.loss(weights, alpha, dropout).to_scalar::<f64>().unwrap();
    let nudged = |tensor: &Tensor, i: usize, by: f64| {
        let mut values = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        values[i] += by;
        Tensor::from_vec(values, tensor.shape(), &CPU).unwrap()
    };
    for (name, weight) in &s.weights {
        let ours = gradient[name].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(ours.iter().any(|g| g.abs() > 1e-9), "{family}: the gradient of {name} is zero");
        for (i, ours) in ours.iter().enumerate().step_by(step) {
            let central = numeric(&|by| {
                let mut weights = s.weights.clone();
                weights.insert(name.clone(), nudged(weight, i, by));
                value(&weights, &alpha)
            });
            assert!((ours - central).abs() < 1e-8, "{family}: {name}[{i}]: {ours} against {central}");
        }
    }
    let ours = by_alpha.unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    for (i, ours) in ours.iter().enumerate().step_by(step / 3) {
        let central = numeric(&|by| value(&s.weights, &nudged(&alpha, i, by)));
        assert!((ours - central).abs() < 1e-8, "{family}: alpha[{i}]: {ours} against {central}");
    }
}

#[test]
fn every_trainable_tensor_of_bert_has_the_gradient_of_central_differences() {
    check_gradients("bert", None);
}

#[test]
fn every_trainable_tensor_of_roberta_has_the_gradient_of_central_differences() {
    check_gradients("roberta", None);
}

#[test]
fn a_pooler_that_the_checkpoint_lacks_is_trained_and_saved() {
    let config = config("bert");
    let stored = checkpoint(&config);
    let without: BTreeMap<String, Tensor> = stored
        .names()
        .filter(|name| !name.starts_with("pooler"))
        .map(|name| (name.to_string(), stored.tensor(name).unwrap().unwrap()))
        .collect();
    let without = Checkpoint::from_tensors(without, "test");
    let load = |checkpoint| TaskModel::load(&config, checkpoint, HeadKind::Sequence, 3, DType::F64, &CPU).unwrap();
    let (mut model, notices) = load(&without);
    assert!(
        notices.iter().any(|n| n.contains("`bert.pooler.dense` is drawn new and trained: the checkpoint has no")),
        "{notices:?}"
    );
    assert_eq!(model.saved_modules(), ["pooler", "classifier"]);
    let head = model.initial_head(1, "test").unwrap();
    let names: Vec<&str> = head.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"],
        "full paths of the task class"
    );
    let paths: Vec<String> = model.attach(&["all-linear".into()]).unwrap().into_iter().map(|(path, ..)| path).collect();
    assert!(!paths.iter().any(|path| path.contains("pooler")), "trained whole, so no LoRA: {paths:?}");

    let (mut model, notices) = load(&stored);
    assert!(!notices.iter().any(|n| n.contains("pooler")), "{notices:?}");
    assert_eq!(model.saved_modules(), ["classifier"]);
    assert_eq!(model.attach(&["all-linear".into()]).unwrap().last().unwrap().0, "bert.pooler.dense");
}

#[test]
fn gradients_hold_under_dropout_because_its_masks_replay() {
    check_gradients("bert", Some(Dropout { key: 5, rates: DropoutRates::everywhere(0.3, 0.2) }));
}

/// With all dropouts: the masks of every site replay, and no gradient is lost where a family's parts meet.
fn check_fixture(model: &str, kind: HeadKind) {
    let dropout = Some(Dropout { key: 7, rates: DropoutRates::everywhere(0.2, 0.1) });
    check_setup(model, &setup_fixture(model, kind), dropout, 30);
}

#[test]
fn gradients_of_distilbert() {
    check_fixture("distilbert", HeadKind::Sequence);
}

#[test]
fn gradients_of_deberta_v3() {
    check_fixture("deberta-v3", HeadKind::Sequence);
}

#[test]
fn gradients_of_deberta_v2() {
    check_fixture("deberta-v2", HeadKind::Tokens);
}

#[test]
fn gradients_of_modernbert() {
    check_fixture("modernbert", HeadKind::Tokens);
}

#[test]
fn gradients_of_modernbert_with_a_new_head() {
    check_fixture("modernbert-mean", HeadKind::Sequence);
}

#[test]
fn the_whole_encoder_trains_when_its_tensors_are_tracked_with_the_same_values_as_frozen() {
    let config = config("bert");
    let frozen = setup("bert");
    let stored = checkpoint(&config);
    let names =
        ["embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "encoder.layer.1.output.dense.bias"];
    let alpha = random(&[frozen.scales.len(), 2], 400, 1.0);
    let expected = frozen.loss(&frozen.weights, &alpha, None).to_scalar::<f64>().unwrap();

    let all: BTreeMap<String, Tensor> =
        stored.names().map(|name| (name.to_string(), stored.tensor(name).unwrap().unwrap())).collect();
    let tracked = track(&all).unwrap();
    let trained = Checkpoint::from_tensors(tracked.clone(), "test");
    let (mut model, _) = TaskModel::load(&config, &trained, HeadKind::Sequence, 3, DType::F64, &CPU).unwrap();
    model.attach(&["all-linear".to_string()]).unwrap();
    let s = Setup { model, ..frozen };
    let loss = s.loss(&s.weights, &alpha, None);
    assert!((loss.to_scalar::<f64>().unwrap() - expected).abs() < 1e-6);
    let grads = loss.backward().unwrap();
    for name in names {
        let gradient = grads.get(&tracked[name]).unwrap_or_else(|| panic!("no gradient of {name}"));
        assert!(gradient.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap() > 1e-9, "{name}");
    }
}
