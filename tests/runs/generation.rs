//! Runs that learn to write, by the real binary: tiny decoders of transformers, a token a letter.

use crate::support::Home;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A decoder of `tests/fixtures/decoders.py` with a tokenizer of letters.
fn model(home: &Home, name: &str) {
    let folder = home.path(name);
    fs::create_dir(&folder).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders").join(name);
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture.join(file), folder.join(file)).unwrap();
    }
    let letters = (b'a'..=b'z').map(|letter| char::from(letter).to_string());
    let others = " [],.ABCDEFGHIJ0123456789".chars().map(|c| c.to_string()).take(24);
    let tokens = ["<pad>", "<s>", "</s>"].map(String::from).into_iter().chain(letters).chain(others);
    let vocabulary: serde_json::Map<String, Value> = tokens.zip(0..).map(|(token, id)| (token, json!(id))).collect();
    let special = |id: usize, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [special(0, "<pad>"), special(1, "<s>"), special(2, "</s>")],
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": false},
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": null},
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

/// Eight things to say, the first of the test file in two ways.
fn data(home: &Home) {
    let row = |n: usize| {
        let (name, food) = (["Ace", "Bee", "Cid", "Dab"][n % 4], ["tea", "fig"][n / 4 % 2]);
        format!("\"name[{name}], food[{food}]\",{name} has {food}.\n")
    };
    let rows = |count: usize| -> String { (0..count).map(row).collect() };
    fs::write(home.path("train.csv"), format!("mr,ref\n{}", rows(64))).unwrap();
    let twice = "\"name[Ace], food[tea]\",there is tea at Ace.\n";
    fs::write(home.path("test.csv"), format!("mr,ref\n{}{twice}", rows(8))).unwrap();
}

const SETTINGS: [&str; 13] = [
    "data.task=generation",
    "data.train=train.csv",
    "data.test=test.csv",
    "data.max_length=60",
    "search.steps=6",
    "search.warmup_steps=2",
    "retrain.epochs=2",
    "retrain.lr=0.02",
    "baseline.head_only=false",
    "evaluate.max_new_tokens=16",
    "evaluate.batch_size=4",
    "lora.dropout=0",
    "baseline.uniform=2",
];

fn finished(home: &Home, name: &str, sets: &[&str]) -> Value {
    let id = format!("model.id=./{name}");
    let sets = SETTINGS.iter().copied().chain([id.as_str()]).chain(sets.iter().copied());
    let sets = sets.flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["run", "quick.toml", "--name", name, "--json"].into_iter().chain(sets).collect();
    let answer = home.autolora(&words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let last = answer.lines().pop().unwrap();
    assert_eq!(last["type"], "finished", "{last}");
    last
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn written(home: &Home, words: &[&str]) -> Vec<Value> {
    let tail = ["--input", "in.jsonl", "--logits", "--device", "cpu"];
    let answer = home.autolora(&[["predict"].as_slice(), words, &tail].concat());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.lines()
}

#[test]
fn a_decoder_learns_to_write_and_its_adapter_writes_the_same() {
    let home = Home::new();
    data(&home);
    for (name, targets, config) in [
        ("gpt2", json!(["transformer.h.0.attn.c_attn", "transformer.h.1.attn.c_attn"]), json!(true)),
        ("llama", Value::Null, json!(false)),
    ] {
        model(&home, name);
        let last = finished(&home, name, &["lora.targets="]);
        let metrics = &last["metrics"];
        let of = |figure: &str| metrics[figure].as_f64().unwrap_or_else(|| panic!("{figure} in {metrics}"));
        assert!(of("perplexity") < 0.8 * of("untuned_perplexity"), "{name} has not learned: {metrics}");
        assert_eq!((of("score"), of("test_rows")), (of("bleu"), 8.0), "two rows have one prompt");
        assert!(of("uniform_2_perplexity") < of("untuned_perplexity"));
        let dir = Path::new(last["dir"].as_str().unwrap()).to_owned();
        let predictions = fs::read_to_string(dir.join("predictions.jsonl")).unwrap();
        let first: Value = serde_json::from_str(predictions.lines().next().unwrap()).unwrap();
        assert_eq!(first["prompt"], "name[Ace], food[tea]");
        assert_eq!(first["references"], json!(["Ace has tea.", "there is tea at Ace."]));
        let adapter = json_of(&dir.join("adapter/adapter_config.json"));
        assert_eq!((&adapter["task_type"], &adapter["fan_in_fan_out"]), (&json!("CAUSAL_LM"), &config));
        if !targets.is_null() {
            assert_eq!(adapter["target_modules"], targets);
        }

        // The exported adapter writes what the factors wrote as they were trained (of GPT-2, in parts).
        let lines: Vec<Value> = predictions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rows: String = lines.iter().map(|line| format!("{}\n", json!({ "prompt": line["prompt"] }))).collect();
        fs::write(home.path("in.jsonl"), rows).unwrap();
        let by_run = written(&home, &["--run", name]);
        for (line, row) in lines.iter().zip(&by_run) {
            assert_eq!(line["prediction"].as_str(), Some(row["text"].as_str().unwrap().trim()));
        }
        let folder = dir.join("adapter").display().to_string();
        let model = ["--task", "generation", "--model", name, "--max-new-tokens", "16"];
        let by_adapter = written(&home, &[model.as_slice(), &["--adapter", &folder]].concat());
        assert_eq!((by_run.len(), &by_run), (8, &by_adapter));
        assert_eq!(by_run[0]["logits"].as_array().unwrap().len(), 53);
        let merged = format!("{name}-merged");
        let answer = home.autolora(&["export", name, "--format", "merged", "--out", &merged]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let by_merged = written(&home, &["--task", "generation", "--model", &merged, "--max-new-tokens", "16"]);
        let texts = |rows: &[Value]| rows.iter().map(|row| row["text"].clone()).collect::<Vec<_>>();
        assert_eq!(texts(&by_merged), texts(&by_run));
        assert_ne!(written(&home, &model), by_run, "the adapter changes something");
        let prompt = written(&home, &["--run", name, "--num-beams", "3", "--stop", "e", "--max-new-tokens", "5"]);
        assert!(prompt.iter().all(|row| !row["text"].as_str().unwrap().contains('e')), "{prompt:?}");
    }
}

/// A form of instruction data: the rows' keys, and a row.
type Form = (&'static str, fn(&str, &str) -> Value);

#[test]
fn instruction_data_is_read_in_its_forms_through_the_models_template() {
    let home = Home::new();
    model(&home, "llama");
    let turn = "{% for m in messages %}[{{ m.role[0] }}]{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}";
    let template = format!("{turn}{{% if add_generation_prompt %}}[a]{{% endif %}}");
    fs::write(home.path("llama/tokenizer_config.json"), json!({ "chat_template": template }).to_string()).unwrap();
    let forms: [Form; 3] = [
        (
            "messages",
            |ask, say| json!({"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": say}]}),
        ),
        (
            "conversations",
            |ask, say| json!({"conversations": [{"from": "human", "value": ask}, {"from": "gpt", "value": say}]}),
        ),
        ("instruction and output", |ask, say| json!({"instruction": ask, "output": say})),
    ];
    for (form, row) in forms {
        let rows = |count: usize| -> String {
            (0..count)
                .map(|n| format!("{}\n", row(["hi", "who", "bye", "so"][n % 4], ["yo", "me", "by", "ok"][n % 4])))
                .collect()
        };
        fs::write(home.path("train.jsonl"), rows(64)).unwrap();
        fs::write(home.path("test.jsonl"), rows(4)).unwrap();
        let last = finished(&home, "llama", &["lora.targets=", "data.train=train.jsonl", "data.test=test.jsonl"]);
        let of = |figure: &str| last["metrics"][figure].as_f64().unwrap();
        assert!(of("perplexity") < 0.5 * of("untuned_perplexity"), "{form}: {}", last["metrics"]);
        let dir = Path::new(last["dir"].as_str().unwrap()).to_owned();
        let first = fs::read_to_string(dir.join("predictions.jsonl")).unwrap();
        let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
        assert_eq!((&first["prompt"], &first["references"]), (&json!("[u]hi[a]"), &json!(["yo"])), "{form}");
        let log = fs::read_to_string(dir.join("events.jsonl")).unwrap();
        assert!(log.contains(&format!("rows are read as instruction data, by {form}")));
    }
    // Conversations need a template; a row that is none is named.
    fs::remove_file(home.path("llama/tokenizer_config.json")).unwrap();
    let text = format!(
        "{}\n",
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]})
    );
    fs::write(home.path("train.jsonl"), text.repeat(8)).unwrap();
    let sets = SETTINGS.iter().copied().chain(["model.id=./llama", "data.train=train.jsonl", "data.test=train.jsonl"]);
    let sets: Vec<&str> = sets.flat_map(|set| ["--set", set]).collect();
    let run = |home: &Home| {
        home.autolora(&[["run", "quick.toml", "--json", "--set", "lora.targets="].as_slice(), &sets].concat())
    };
    let error = run(&home).lines().pop().unwrap()["error"].to_string();
    assert!(error.contains("template"), "{error}");
    fs::write(home.path("train.jsonl"), "{\"messages\": [{\"role\": \"user\"}]}\n").unwrap();
    let error = run(&home).lines().pop().unwrap()["error"].to_string();
    assert!(error.contains("train.jsonl:1") && error.contains("content"), "{error}");
}

#[test]
fn encoders_do_not_write_and_decoders_do_not_classify() {
    let home = Home::new();
    data(&home);
    model(&home, "llama");
    let fails = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let words: Vec<&str> = ["run", "quick.toml", "--json"].into_iter().chain(sets).collect();
        let answer = home.autolora(&words);
        let error = answer.lines().pop().map_or(String::new(), |last| last["error"].to_string());
        assert!(answer.code == Some(1) || answer.code == Some(2), "{answer:?}");
        format!("{error}{}", answer.err)
    };
    let writes: Vec<&str> = SETTINGS.to_vec();
    let error = fails(&writes);
    assert!(error.contains("is an encoder, which does not write; generation needs a decoder (gpt2, llama"), "{error}");
    let error = fails(&["model.id=./llama"]);
    assert!(error.contains("`llama` is a decoder, whose task is generation"), "{error}");
    let error = fails(&[&writes[..], &["baseline.head_only=true"]].concat());
    assert!(error.contains("baseline.head_only") && error.contains("has none"), "{error}");
}

#[test]
fn the_embedded_decoder_learns_to_tell_the_register() {
    let home = Home::new();
    let sets = ["data.max_train_rows=160", "data.max_test_rows=60", "search.epochs=0.5", "retrain.epochs=4"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["run", "demo-generation", "--json"].into_iter().chain(sets).collect();
    let answer = home.autolora(&words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let last = answer.lines().pop().unwrap();
    let of = |figure: &str| last["metrics"][figure].as_f64().unwrap();
    assert!(of("bleu") > 10.0 && of("untuned_bleu") < 3.0, "{}", last["metrics"]);
    assert_eq!(of("test_rows"), 20.0);
    let samples: Vec<Value> = answer.lines().into_iter().filter(|event| event["type"] == "sample").collect();
    assert!(!samples.is_empty() && samples[0]["input"].as_str().unwrap().starts_with("boat["), "{samples:?}");
}

/// Training losses by step of a phase.
fn losses(home: &Home, run: &Value) -> Vec<f64> {
    let dir = run["dir"].as_str().unwrap();
    let log = fs::read_to_string(home.path(dir).join("events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["type"] == "step").map(|event| event["train_loss"].as_f64().unwrap()).collect()
}

/// Every setting that saves memory, one against all: the same steps, and an estimate that says what is saved.
#[test]
fn settings_that_save_memory_do_not_change_the_steps_of_a_run() {
    let home = Home::new();
    data(&home);
    model(&home, "gpt2");
    let plain = finished(&home, "gpt2", &["model.dropout=0", "data.packing=false"]);
    let saving = ["runtime.micro_batch=3", "runtime.checkpoint_activations=true", "model.dropout=0"];
    let spared = finished(&home, "gpt2", &saving);
    let (plain_losses, losses_of_spared) = (losses(&home, &plain), losses(&home, &spared));
    assert!(plain_losses.len() > 12 && plain_losses.len() == losses_of_spared.len(), "{plain_losses:?}");
    for (one, other) in plain_losses.iter().zip(&losses_of_spared) {
        assert!((one - other).abs() < 2e-3 * one, "{one} {other}: {plain_losses:?} {losses_of_spared:?}");
    }
    let memory = |run: &Value| {
        let log = fs::read_to_string(home.path(run["dir"].as_str().unwrap()).join("events.jsonl")).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.into_iter().find(|event| event["type"] == "memory").unwrap()
    };
    let bytes = |run: &Value| memory(run)["search_bytes"].as_u64().unwrap();
    assert!(bytes(&spared) < bytes(&plain), "{} {}", memory(&spared), memory(&plain));
    assert!(plain["timing"]["peak_rss_bytes"].as_f64().unwrap() > 1e6, "{plain}");
    // Smoothing is of retraining alone: the search is as it was, the retraining's loss is higher.
    let smooth = finished(&home, "gpt2", &["model.dropout=0", "data.packing=false", "retrain.label_smoothing=0.3"]);
    let smooth_losses = losses(&home, &smooth);
    assert_eq!(smooth_losses[..6], plain_losses[..6]);
    assert!(smooth_losses.last().unwrap() > plain_losses.last().unwrap(), "{smooth_losses:?} {plain_losses:?}");
    // In 16 bits the model is another one, but it learns too, and answers as it was trained.
    let half = finished(&home, "gpt2", &["runtime.precision=bf16", "model.dropout=0"]);
    assert!(memory(&half)["frozen_bytes"].as_u64() < memory(&plain)["frozen_bytes"].as_u64());
    let of_half = losses(&home, &half);
    assert!(of_half[0] != plain_losses[0] && (of_half[0] - plain_losses[0]).abs() < 0.05 * plain_losses[0]);
    fs::write(home.path("in.jsonl"), "{\"prompt\": \"name[Ace]\"}\n").unwrap();
    let [as_trained, wide] =
        [written(&home, &["--run", "last"]), written(&home, &["--run", "last", "--precision", "f32"])];
    assert_ne!(as_trained[0]["logits"], wide[0]["logits"]);
}

#[test]
fn what_cannot_be_learnt_or_read_ends_a_run_with_its_reason() {
    let home = Home::new();
    data(&home);
    model(&home, "llama");
    let fails = |sets: &[&str]| {
        let sets = SETTINGS
            .iter()
            .chain(&["model.id=./llama", "lora.targets=all-linear"])
            .chain(sets)
            .flat_map(|set| ["--set", set]);
        let words: Vec<&str> = ["run", "quick.toml", "--json"].into_iter().chain(sets).collect();
        let answer = home.autolora(&words);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        answer.lines().pop().unwrap()["error"].to_string()
    };
    // No letter of the replies is a sign of the tokenizer.
    fs::write(home.path("unknown.csv"), "mr,ref\nab,!!\ncd,??\nab,!?\ncd,?!\n").unwrap();
    let error = fails(&["data.train=unknown.csv", "data.loss=reply"]);
    assert!(error.contains("unknown.csv has a token, besides its end, that the loss counts"), "{error}");
    // One file in a form of its own, the other in columns.
    let row = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]});
    fs::write(home.path("chat.jsonl"), format!("{row}\n{row}\n{row}\n{row}\n")).unwrap();
    let template = "{% for m in messages %}{{ m.content }}{% endfor %}";
    fs::write(home.path("llama/tokenizer_config.json"), json!({"chat_template": template}).to_string()).unwrap();
    let error = fails(&["data.train=chat.jsonl"]);
    assert!(error.contains("test.csv") && error.contains("form of data.train"), "{error}");
    // A template that never ends.
    let template = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    fs::write(home.path("llama/tokenizer_config.json"), json!({"chat_template": template}).to_string()).unwrap();
    let error = fails(&["data.train=chat.jsonl", "data.test=chat.jsonl"]);
    assert!(error.contains("fuel"), "{error}");
}
