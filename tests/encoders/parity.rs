//! Logits, and gradients of LoRA factors and heads, against transformers and PEFT (`tests/fixtures/encoders.py`).

use super::{CPU, fixture, load};
use autolora::model::{HeadKind, Input, Pass, Weights};
use autolora::train::gradient::{gradients, track};
use candle_core::{DType, IndexOp, Tensor};
use std::collections::HashMap;

/// Largest difference over largest reference.
const TOLERANCE: f64 = 1e-4;
const SCALE: f64 = 1.5;

struct Expected {
    tensors: HashMap<String, Tensor>,
    /// Names of what is trained, by task.
    names: HashMap<String, Vec<String>>,
}

impl Expected {
    fn read(name: &str) -> Expected {
        let file = fixture(name).join("expected.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let names = metadata.metadata().as_ref().unwrap().iter();
        Expected {
            tensors: candle_core::safetensors::load(&file, &CPU).unwrap(),
            names: names.map(|(task, names)| (task.clone(), names.split(' ').map(String::from).collect())).collect(),
        }
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.tensors[name].to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn whole(&self, name: &str) -> Vec<u32> {
        self.values(name).into_iter().map(|value| value as u32).collect()
    }
}

fn difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let largest = theirs.iter().fold(0f32, |most, x| most.max(x.abs()));
    let difference = ours.iter().zip(theirs).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && difference.is_finite());
    f64::from(difference / largest)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The mean loss as the task class has it; `labels` of -100 do not count.
fn loss(task: &str, logits: &Tensor, labels: &[f32]) -> Tensor {
    if task == "regression" {
        let labels = Tensor::new(labels, &CPU).unwrap();
        return candle_nn::loss::mse(&logits.i((.., 0)).unwrap(), &labels).unwrap();
    }
    let rows = logits.flatten(0, logits.rank() - 2).unwrap();
    let counted: Vec<u32> = (0..labels.len()).filter(|&i| labels[i] >= 0.0).map(|i| i as u32).collect();
    let classes: Vec<u32> = counted.iter().map(|&i| labels[i as usize] as u32).collect();
    let rows = rows.index_select(&Tensor::new(counted, &CPU).unwrap(), 0).unwrap();
    candle_nn::loss::cross_entropy(&rows, &Tensor::new(classes, &CPU).unwrap()).unwrap()
}

fn check(model: &str, task: &str, kind: HeadKind, labels: usize) {
    let expected = Expected::read(model);
    let (mut ours, _) = load(&fixture(model), kind, labels).unwrap();
    let modules = ours.attach(&["all-linear".to_string()]).unwrap();

    // Shapes are ours, names and values PyTorch's.
    let mut shapes: HashMap<String, Vec<usize>> = ours.head_shapes().into_iter().collect();
    for (path, inputs, outputs) in &modules {
        shapes.insert(format!("{path}.lora_A.weight"), vec![2, *inputs]);
        shapes.insert(format!("{path}.lora_B.weight"), vec![*outputs, 2]);
    }
    let mut names: Vec<&String> = shapes.keys().collect();
    names.sort();
    assert_eq!(names, expected.names[task].iter().collect::<Vec<_>>(), "{model}, {task}: what is trained");
    let (mut weights, mut at) = (Weights::new(), 0);
    let values = expected.values(&format!("{task}/trained"));
    for name in names {
        let count: usize = shapes[name].iter().product();
        let tensor = Tensor::from_slice(&values[at..at + count], shapes[name].as_slice(), &CPU).unwrap();
        weights.insert(name.clone(), tensor);
        at += count;
    }
    assert_eq!(at, values.len());

    let length = expected.tensors["ids"].dim(1).unwrap();
    let mask: Vec<u8> = expected.whole("mask").into_iter().map(|keep| keep as u8).collect();
    let (ids, types) = (expected.whole("ids"), expected.whole("type_ids"));
    let input = Input::new(&ours.encoder.config, &ids, &types, &mask, length, &CPU).unwrap();
    let tracked = track(&weights).unwrap();
    let scales = vec![SCALE; modules.len()];
    let pass = Pass { weights: &tracked, scales: &scales, alpha: None, dropout: None };
    let logits = ours.forward(&input, &pass).unwrap();

    let theirs = &expected.tensors[&format!("{task}/logits")];
    assert_eq!(logits.dims(), theirs.dims(), "{model}, {task}");
    // Logits of padding mean nothing, and DeBERTa's differ there.
    let counts = |row: usize| kind == HeadKind::Sequence || mask[row] == 1;
    let kept = |values: Vec<f32>| -> Vec<f32> {
        let rows = values.chunks(labels).enumerate();
        rows.filter(|(row, _)| counts(*row)).flat_map(|(_, logits)| logits.to_vec()).collect()
    };
    let found = difference(&kept(flat(&logits)), &kept(flat(theirs)));
    assert!(found <= TOLERANCE, "{model}, {task}: logits differ by {found:.1e}");

    let loss = loss(task, &logits, &expected.values(&format!("{task}/labels")));
    let gradient = gradients(&loss, &tracked, None).unwrap().0;
    let theirs = expected.values(&format!("{task}/gradient"));
    let mut at = 0;
    for (name, ours) in &gradient {
        let ours = flat(ours);
        let found = difference(&ours, &theirs[at..at + ours.len()]);
        assert!(found <= TOLERANCE, "{model}, {task}: the gradient of {name} differs by {found:.1e}");
        at += ours.len();
    }
}

/// The three heads of a model.
macro_rules! parity {
    ($($name:ident: $model:literal),* $(,)?) => {$(
        #[test]
        fn $name() {
            check($model, "sequence", HeadKind::Sequence, 3);
            check($model, "regression", HeadKind::Sequence, 1);
            check($model, "tokens", HeadKind::Tokens, 5);
        }
    )*};
}

parity! {
    bert: "bert",
    bert_with_old_names_and_without_a_pooler: "bert-old",
    roberta_from_pytorch_model_bin: "roberta",
    xlm_roberta_in_shards: "xlm-roberta",
    distilbert_in_bf16_without_prefix: "distilbert",
    deberta_v3_with_shared_keys_and_buckets: "deberta-v3",
    deberta_v2_with_keys_of_its_own_and_a_convolution: "deberta-v2",
    modernbert_with_rows_longer_than_its_window: "modernbert",
    modernbert_with_biases_and_mean_pooling: "modernbert-mean",
}

#[test]
fn a_stored_head_is_where_training_starts() {
    let (model, notices) = load(&fixture("bert"), HeadKind::Sequence, 3).unwrap();
    assert!(notices.is_empty(), "{notices:?}");
    assert_eq!(model.architecture(), "BertForSequenceClassification");
    let (first, second) = (model.initial_head(1, "a").unwrap(), model.initial_head(2, "b").unwrap());
    assert_eq!(flat(&first["classifier.weight"]), flat(&second["classifier.weight"]));
    let (other, notices) = load(&fixture("bert"), HeadKind::Sequence, 4).unwrap();
    assert_eq!(
        notices,
        ["`classifier` is drawn new and trained: the checkpoint's `classifier.weight` has shape [3, 16], this task \
          needs [4, 16]"]
    );
    let (first, second) = (other.initial_head(1, "a").unwrap(), other.initial_head(2, "a").unwrap());
    assert_ne!(flat(&first["classifier.weight"]), flat(&second["classifier.weight"]));
}

#[test]
fn a_new_modernbert_head_is_drawn_within_its_cutoff() {
    let (model, notices) = load(&fixture("modernbert-mean"), HeadKind::Tokens, 5).unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_eq!(model.saved_modules(), ["head", "classifier"]);
    assert_eq!(model.architecture(), "ModernBertForTokenClassification");
    let head = model.initial_head(3, "test").unwrap();
    let within = |name: &str, std: f64| {
        let values = flat(&head[name]);
        let squares = values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64;
        assert!(values.iter().all(|x| f64::from(x.abs()) <= 2.0 * std + 1e-6), "{name}");
        // A normal distribution cut at 2 deviations has 0.88 of the deviation.
        assert!((squares.sqrt() / std - 0.88).abs() < 0.15, "{name}: {} of {std}", squares.sqrt());
    };
    within("classifier.weight", 0.25);
    within("head.dense.weight", 0.02 / 6f64.sqrt());
    assert!(flat(&head["head.norm.weight"]).iter().all(|x| *x == 1.0));
    assert!(flat(&head["head.dense.bias"]).iter().all(|x| *x == 0.0));
}
