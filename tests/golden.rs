//! The three update rules against float64 numbers from an independent implementation (`golden/`), on a toy model that
//! is written as a test model over the crate's own LoRA layer, search step and optimiser.

use autolora::experiment::{Hypergradient, OptimizerKind, SelectionKind};
use autolora::model::{LoraLinear, Pass, Weights};
use autolora::search::Objective;
use autolora::search::step::{DropoutKeys, Rules, SearchState};
use autolora::train::optimizer::{Adam, AdamConfig};
use candle_core::{Device, Result, Tensor};
use serde_json::Value;

/// h = x; for each layer h = tanh(q(h) * v(h) + h); logits = h Wc^T + bc; mean cross-entropy.
struct Toy {
    layers: Vec<(LoraLinear, LoraLinear)>,
    scales: Vec<f64>,
}

type Batch = (Tensor, Tensor);

impl Objective for Toy {
    type Part = Batch;

    fn loss(&self, weights: &Weights, alpha: &Tensor, (x, y): &Batch, _dropout: Option<u64>) -> Result<Tensor> {
        let pass = Pass { weights, scales: &self.scales, alpha: Some(alpha), dropout: None };
        let mut h = x.clone();
        for (q, v) in &self.layers {
            h = ((q.forward(&h, &pass)? * v.forward(&h, &pass)?)? + h)?.tanh()?;
        }
        let logits = h.matmul(&weights["classifier.weight"].t()?)?.broadcast_add(&weights["classifier.bias"])?;
        candle_nn::loss::cross_entropy(&logits, y)
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

fn tensor(value: &Value) -> Tensor {
    let mut dims = Vec::new();
    let mut at = value;
    while let Value::Array(items) = at {
        dims.push(items.len());
        at = &items[0];
    }
    Tensor::from_vec(numbers(value), dims, &Device::Cpu).unwrap()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/golden.json")).unwrap()
}

fn toy(golden: &Value) -> Toy {
    let scale = golden["config"]["lora_alpha"].as_f64().unwrap() / golden["config"]["R"].as_f64().unwrap();
    let linear = |kind: &str, layer: usize, index: usize| {
        let base = |part: &str| tensor(&golden["base"][format!("{kind}.{layer}.{part}")]);
        let mut linear = LoraLinear::new(format!("{kind}.{layer}"), base("weight"), Some(base("bias")));
        linear.attach(index);
        linear
    };
    Toy { layers: (0..2).map(|i| (linear("q", i, 2 * i), linear("v", i, 2 * i + 1))).collect(), scales: vec![scale; 4] }
}

fn weights(values: &Value) -> Weights {
    let name = |name: &str| if name.contains("lora") { format!("{name}.weight") } else { name.to_string() };
    values.as_object().unwrap().iter().map(|(n, v)| (name(n), tensor(v))).collect()
}

fn batches(values: &Value) -> Vec<Batch> {
    let labels = |v: &Value| numbers(v).iter().map(|&y| y as u32).collect::<Vec<_>>();
    let one = |b: &Value| (tensor(&b["x"]), Tensor::new(labels(&b["y"]), &Device::Cpu).unwrap());
    values.as_array().unwrap().iter().map(one).collect()
}

fn distance(ours: &Tensor, theirs: &Value) -> f64 {
    let ours = ours.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn follow(rule: Hypergradient, variant: &str) {
    let golden = golden();
    let (toy, train, validation) = (toy(&golden), batches(&golden["train"]), batches(&golden["val"]));
    let adam = |betas| Adam::new(AdamConfig::new(OptimizerKind::Adam, betas, 0.0));
    let mut state = SearchState {
        weights: weights(&golden["W0"]),
        beta: Tensor::ones((4, 3), candle_core::DType::F64, &Device::Cpu).unwrap(),
        weights_optimizer: adam([0.9, 0.999]),
        selection_optimizer: adam([0.5, 0.999]),
    };
    let rules = Rules {
        hypergradient: rule,
        selection: SelectionKind::Softmax,
        weights_lr: 1e-2,
        selection_lr: 2e-2,
        epsilon: 0.01,
        clip_norm: None,
    };
    let records = golden["variants"][variant].as_array().unwrap();
    assert_eq!(records.len(), 6);
    for (it, record) in records.iter().enumerate() {
        let report = state
            .step(
                &rules,
                &toy,
                std::slice::from_ref(&train[it % 3]),
                std::slice::from_ref(&validation[it % 2]),
                DropoutKeys::default(),
            )
            .unwrap();
        let parts = report.selection.unwrap().parts;
        let number = |tensor: &Tensor| tensor.to_scalar::<f64>().unwrap();
        let close = |what: &str, ours: f64, theirs: &Value, tolerance: f64| {
            let error = (ours - theirs.as_f64().unwrap()).abs();
            assert!(error < tolerance, "{variant}, step {it}: {what} is off by {error:e}");
        };
        close("validation loss", number(&parts.validation_loss), &record["loss_val_at_Wprime"], 1e-9);
        close("|v|", number(&parts.v_norm), &record["v_norm"], 1e-9);
        close("epsilon", number(&parts.epsilon), &record["eps"], 1e-9);
        close("c", parts.coefficient, &record["coef"], 1e-12);
        assert!(distance(&parts.direct, &record["direct"]) < 1e-9, "{variant}, step {it}: direct term");
        if let Some(mixed) = &parts.mixed {
            assert!(distance(mixed, &record["second_fd"]) < 1e-9, "{variant}, step {it}: mixed term");
            let exact = tensor(&record["second_exact"]);
            let norm = |t: &Tensor| {
                t.flatten_all().unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
            };
            let off = norm(&(mixed.reshape(exact.shape()).unwrap() - &exact).unwrap()) / norm(&exact);
            assert!(off < 1e-3, "{variant}, step {it}: central difference off the exact mixed derivative by {off:e}");
        }
        assert!(distance(&parts.h, &record["hypergrad"]) < 1e-9, "{variant}, step {it}: hypergradient");
        for sum in parts.h.sum(1).unwrap().to_vec1::<f64>().unwrap() {
            assert!(sum.abs() < 1e-12, "{variant}, step {it}: h of a module sums to {sum:e}");
        }
        assert!(distance(&state.beta, &record["alphas"]) < 1e-9, "{variant}, step {it}: beta");
        for (name, ours) in &state.weights {
            let theirs = &record["W"][name.replace("lora_A.weight", "lora_A").replace("lora_B.weight", "lora_B")];
            assert!(distance(ours, theirs) < 1e-9, "{variant}, step {it}: {name}");
        }
    }
}

#[test]
fn unrolled_reproduces_the_golden_numbers() {
    follow(Hypergradient::Unrolled, "paper_darts");
}

#[test]
fn implicit_reproduces_the_golden_numbers() {
    follow(Hypergradient::Implicit, "betty_0_2");
}

#[test]
fn first_order_reproduces_the_golden_numbers() {
    follow(Hypergradient::FirstOrder, "first_order_eta0");
}
