//! The estimate of memory against what is really allocated: steps of search and retraining with models of random weights,
//! every byte counted.

use autolora::data::{Encoded, Rows, Target};
use autolora::experiment::estimate::{self, Training};
use autolora::experiment::{Hypergradient, OptimizerKind, SelectionKind};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::{
    Decoder, DecoderConfig, DropoutRates, EncoderConfig, HeadKind, Keep, Network, TaskModel, memory,
};
use autolora::search::lower::LowerLevel;
use autolora::search::step::{DropoutKeys, Rules, SearchState};
use autolora::train::batch::Layout;
use autolora::train::fit::{FitRules, FitState};
use autolora::train::optimizer::{Adam, AdamConfig};
use autolora::train::problem::Problem;
use autolora::train::schedule::LinearSchedule;
use candle_core::{DType, Device, Tensor};
use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, with the bytes that are in use and the most that ever were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let live = LIVE.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call goes on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        grown(block.size());
        unsafe { System.alloc(block) }
    }

    unsafe fn alloc_zeroed(&self, block: Block) -> *mut u8 {
        grown(block.size());
        unsafe { System.alloc_zeroed(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        LIVE.fetch_sub(block.size(), Relaxed);
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were in use while `work` ran.
fn peak(work: impl FnOnce()) -> usize {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
    work();
    PEAK.load(Relaxed)
}

const CPU: Device = Device::Cpu;

/// Tensors of any name and shape, as a loader asks for them.
fn checkpoint(shapes: Vec<(String, Vec<usize>)>) -> Checkpoint {
    let tensor = |(n, (name, shape)): (usize, (String, Vec<usize>))| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| ((i * 7 + n) as f32 * 0.37).sin() * 0.05).collect::<Vec<_>>();
        (name, Tensor::from_vec(values, shape, &CPU).unwrap())
    };
    Checkpoint::from_tensors(shapes.into_iter().enumerate().map(tensor).collect(), "random")
}

fn linear(shapes: &mut Vec<(String, Vec<usize>)>, name: String, outputs: usize, inputs: usize) {
    shapes.push((format!("{name}.bias"), vec![outputs]));
    shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
}

/// A model of four layers and a task for it.
fn network(family: &str, dtype: DType) -> Network {
    let (h, f, v, layers) = (96, 384, 300, 4);
    let mut shapes = Vec::new();
    if family == "bert" {
        let json = format!(
            r#"{{"model_type": "bert", "vocab_size": {v}, "hidden_size": {h}, "num_hidden_layers": {layers},
            "num_attention_heads": 4, "intermediate_size": {f}, "max_position_embeddings": 256}}"#
        );
        for (name, rows) in [("word", v), ("position", 256), ("token_type", 2)] {
            shapes.push((format!("embeddings.{name}_embeddings.weight"), vec![rows, h]));
        }
        linear(&mut shapes, "pooler.dense".into(), h, h);
        let norm = |shapes: &mut Vec<_>, name: String| {
            shapes.push((format!("{name}.weight"), vec![h]));
            shapes.push((format!("{name}.bias"), vec![h]));
        };
        norm(&mut shapes, "embeddings.LayerNorm".into());
        for n in 0..layers {
            let name = |part: &str| format!("encoder.layer.{n}.{part}");
            for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                linear(&mut shapes, name(part), h, h);
            }
            linear(&mut shapes, name("intermediate.dense"), f, h);
            linear(&mut shapes, name("output.dense"), h, f);
            norm(&mut shapes, name("attention.output.LayerNorm"));
            norm(&mut shapes, name("output.LayerNorm"));
        }
        let config = EncoderConfig::parse(json.as_bytes(), "config.json").unwrap();
        let (model, _) = TaskModel::load(&config, &checkpoint(shapes), HeadKind::Sequence, 2, dtype, &CPU).unwrap();
        return Network::Task(Box::new(model));
    }
    let json = match family {
        "gpt2" => format!(
            r#"{{"model_type": "gpt2", "vocab_size": {v}, "n_embd": {h}, "n_layer": {layers}, "n_head": 4,
            "n_positions": 256}}"#
        ),
        _ => format!(
            r#"{{"model_type": "{family}", "vocab_size": {v}, "hidden_size": {h}, "num_hidden_layers": {layers},
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24, "intermediate_size": {f},
            "max_position_embeddings": 256, "tie_word_embeddings": true}}"#
        ),
    };
    let config = DecoderConfig::parse(json.as_bytes(), "config.json").unwrap();
    if family == "gpt2" {
        shapes.push(("wte.weight".into(), vec![v, h]));
        shapes.push(("wpe.weight".into(), vec![256, h]));
        for n in 0..layers {
            let name = |part: &str| format!("h.{n}.{part}");
            for (part, outputs, inputs) in
                [("attn.c_attn", 3 * h, h), ("attn.c_proj", h, h), ("mlp.c_fc", f, h), ("mlp.c_proj", h, f)]
            {
                shapes.push((format!("{}.weight", name(part)), vec![inputs, outputs]));
                shapes.push((format!("{}.bias", name(part)), vec![outputs]));
            }
            for part in ["ln_1", "ln_2"] {
                shapes.push((format!("{}.weight", name(part)), vec![h]));
                shapes.push((format!("{}.bias", name(part)), vec![h]));
            }
        }
        shapes.push(("ln_f.weight".into(), vec![h]));
        shapes.push(("ln_f.bias".into(), vec![h]));
    } else {
        shapes.push(("embed_tokens.weight".into(), vec![v, h]));
        for n in 0..layers {
            let name = |part: &str| format!("layers.{n}.{part}.weight");
            let (q, kv) = (h, h / 2);
            for (part, outputs, inputs) in [
                ("self_attn.q_proj", q, h),
                ("self_attn.k_proj", kv, h),
                ("self_attn.v_proj", kv, h),
                ("self_attn.o_proj", h, q),
                ("mlp.gate_proj", f, h),
                ("mlp.up_proj", f, h),
                ("mlp.down_proj", h, f),
            ] {
                shapes.push((name(part), vec![outputs, inputs]));
            }
            for part in ["input_layernorm", "post_attention_layernorm"] {
                shapes.push((name(part), vec![h]));
            }
            for part in ["self_attn.q_norm", "self_attn.k_norm"] {
                shapes.push((name(part), vec![24]));
            }
        }
        shapes.push(("norm.weight".into(), vec![h]));
    }
    Network::Causal(Box::new(Decoder::load(&config, &checkpoint(shapes), dtype, &CPU).unwrap()))
}

/// Rows of 60 tokens, of which a decoder writes the last 40.
fn rows(family: &str) -> Rows {
    let row = |n: u32| {
        let ids: Vec<u32> = (0..60).map(|i| 3 + (i * 7 + n) % 290).collect();
        let target = match family {
            "bert" => Target::Class(n % 2),
            _ => Target::Tags(
                (0..60).map(|i| if i < 20 || i == 59 { autolora::data::IGNORED } else { ids[i + 1] }).collect(),
            ),
        };
        Encoded { type_ids: vec![0; 60], ids, target, example: n }
    };
    Rows::from((0..16).map(row).collect::<Vec<_>>())
}

struct Case {
    family: &'static str,
    targets: &'static [&'static str],
    dtype: DType,
    recompute: bool,
    micro_batch: Option<usize>,
    search: bool,
}

/// Estimated and measured bytes of a step.
fn step(case: &Case) -> (u64, usize) {
    let rank = 8;
    let before = LIVE.load(Relaxed);
    let mut model = network(case.family, case.dtype);
    let targets: Vec<String> = case.targets.iter().map(ToString::to_string).collect();
    let modules = model.attach(&targets).unwrap();
    model.keep(if case.recompute { Keep::Inputs } else { Keep::All });
    let layout = Layout { micro_batch: case.micro_batch, micro_tokens: None, pack_to: None };
    let problem = Problem { model, modules, device: CPU, pad_id: 0, layout };
    let ranks = vec![rank; problem.modules.len()];
    let sizes = problem.model.sizes(&DropoutRates::default(), &problem.modules);
    let lora = memory::lora(&problem.modules, &ranks, problem.head_parameters(), 0.0);
    let set = rows(case.family);
    let chosen: Vec<usize> = (0..16).collect();
    let tokens = 60 * case.micro_batch.unwrap_or(16) as u64;
    let phase =
        Training { tokens, in_parts: case.micro_batch.is_some(), recompute: case.recompute, search: case.search };
    let estimated = estimate::training(&sizes, &lora, &phase);
    let mut weights = problem.fresh_factors(&ranks, 1, "test").unwrap();
    weights.extend(problem.model.initial_head(1, "test").unwrap());
    let adam = || Adam::new(AdamConfig::new(OptimizerKind::AdamW, [0.9, 0.999], 0.0));
    let scales = vec![2.0; ranks.len()];
    let measured = if case.search {
        let beta = Tensor::zeros((ranks.len(), rank), DType::F32, &CPU).unwrap();
        let mut state = SearchState { weights, beta, weights_optimizer: adam(), selection_optimizer: adam() };
        let rules = Rules {
            hypergradient: Hypergradient::Unrolled,
            selection: SelectionKind::Softmax,
            weights_lr: 1e-3,
            selection_lr: 1e-2,
            epsilon: 0.01,
            clip_norm: None,
        };
        let lower = LowerLevel { problem: &problem, scales, dropout: DropoutRates::default() };
        let mut step = || {
            let batch = problem.parts(&set, &chosen, None).unwrap();
            state.step(&rules, &lower, &batch, &batch, DropoutKeys::default()).unwrap();
        };
        // The first makes the optimiser's moments.
        step();
        peak(step)
    } else {
        let mut state = FitState { weights, optimizer: adam() };
        let rules = FitRules {
            scales,
            schedule: LinearSchedule::new(1e-3, 0.1, 10),
            clip_norm: None,
            label_smoothing: 0.0,
            dropout: DropoutRates::default(),
        };
        let mut step = || {
            let batch = problem.parts(&set, &chosen, None).unwrap();
            state.step(&problem, &rules, &batch, 0, 1).unwrap();
        };
        step();
        peak(step)
    };
    (estimated, measured - before)
}

/// One test: the counters are the process's.
#[test]
fn the_estimate_is_near_the_measured_peak() {
    let all = Case {
        family: "gpt2",
        targets: &["c_attn.query", "c_attn.value"],
        dtype: DType::F32,
        recompute: false,
        micro_batch: None,
        search: true,
    };
    let mut cases = Vec::new();
    for (family, few) in
        [("gpt2", &["c_attn.query", "c_attn.value"]), ("qwen3", &["q_proj", "v_proj"]), ("bert", &["query", "value"])]
    {
        for (recompute, micro_batch) in [(false, None), (true, None), (true, Some(4))] {
            cases.push(Case { targets: few, family, recompute, micro_batch, ..all });
            cases.push(Case {
                family,
                targets: &["all-linear"],
                dtype: DType::BF16,
                recompute,
                micro_batch,
                search: true,
            });
        }
        cases.push(Case { family, targets: few, micro_batch: Some(4), search: false, ..all });
    }
    // The scratch that matrix products keep per thread, in sizes that follow the machine's caches, is the process's and no
    // step's: it is there before anything is counted.
    step(&all);
    let mut wrong = Vec::new();
    for case in &cases {
        let (estimated, measured) = step(case);
        let ratio = estimated as f64 / measured as f64;
        let line = format!(
            "{} {:?} {:?}, {}{}{}: estimated {:.1} MB, measured {:.1} MB: {ratio:.3}",
            case.family,
            case.targets,
            case.dtype,
            if case.search { "search" } else { "training" },
            if case.recompute { ", layers again" } else { "" },
            if case.micro_batch.is_some() { ", parts" } else { "" },
            estimated as f64 / 1e6,
            measured as f64 / 1e6,
        );
        println!("{line}");
        if !(0.92..1.12).contains(&ratio) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
