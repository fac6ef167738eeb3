//! `predict` by the real binary: rows in, answers out, in order.

use crate::export::finished;
use crate::support::{Answer, Home};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// Texts of the demo's words, of many lengths, some longer than the run's 16 tokens.
fn texts() -> Vec<String> {
    let words = ["the", "bread", "looked", "never", "poor", ".", "tea", "bad", "before", "fair"];
    (0..70).map(|n| (0..(n * 7) % 23).map(|w| words[(n + w * 3) % 10]).collect::<Vec<_>>().join(" ")).collect()
}

fn write_rows(home: &Home, name: &str, rows: impl IntoIterator<Item = Value>) {
    let text: String = rows.into_iter().map(|row| format!("{row}\n")).collect();
    fs::write(home.path(name), text).unwrap();
}

fn predict(home: &Home, words: &[&str]) -> Answer {
    home.autolora(&[["predict", "--device", "cpu"].as_slice(), words].concat())
}

fn answers(home: &Home, words: &[&str]) -> Vec<Value> {
    let answer = predict(home, words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.lines()
}

/// The largest difference of two answers' logits or scores.
fn distance(one: &[Value], other: &[Value]) -> f64 {
    assert_eq!(one.len(), other.len());
    let numbers = |answer: &Value| -> Vec<f64> {
        let list = answer["logits"].as_array().cloned().unwrap_or_else(|| vec![answer["score"].clone()]);
        list.iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let pairs = one.iter().zip(other).flat_map(|(a, b)| numbers(a).into_iter().zip(numbers(b)));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_run_its_exports_and_its_merged_model_give_the_same_answers_in_order() {
    let home = Home::new();
    let run = finished(&home, &["retrain.lr=0.05"]);
    write_rows(&home, "in.jsonl", texts().iter().map(|text| json!({"text": text, "label": "x"})));
    let by_run = answers(&home, &["--run", &run, "--input", "in.jsonl"]);
    assert_eq!(by_run.len(), 70);
    for answer in &by_run {
        let logits: Vec<f64> = answer["logits"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let best = if logits[1] > logits[0] { "positive" } else { "negative" };
        assert_eq!((answer["label"].as_str(), answer.as_object().unwrap().len()), (Some(best), 2), "{answer}");
    }
    // Each row alone: no other row and no place in the input decides.
    write_rows(&home, "one.jsonl", [json!({"text": texts()[41]})]);
    let alone = answers(&home, &["--run", &run, "--input", "one.jsonl", "--batch-size", "1", "--json"]);
    assert!(distance(&alone, &by_run[41..42]) < 1e-5 && distance(&alone, &by_run[40..41]) > 1e-3, "{alone:?}");

    // The adapter and the merged model do not know the run's length: rows that it cuts are left out.
    let short = |rows: &[Value]| -> Vec<Value> {
        rows.iter().zip(texts()).filter(|(_, text)| text.split(' ').count() < 13).map(|(row, _)| row.clone()).collect()
    };
    for (format, given) in [
        (["peft", "--scale", "native"].as_slice(), ["--model", "model", "--adapter", "out"].as_slice()),
        (&["peft", "--scale", "folded"], &["--model", "model", "--adapter", "out"]),
        (&["merged"], &["--model", "out"]),
    ] {
        let _ = fs::remove_dir_all(home.path("out"));
        let exported = home.autolora(&[["export", &run, "--out", "out", "--format"].as_slice(), format].concat());
        assert_eq!(exported.code, Some(0), "{exported:?}");
        let said = answers(&home, &[given, &["--task", "classification", "--input", "in.jsonl"]].concat());
        let off = distance(&short(&said), &short(&by_run));
        assert!(off < 1e-4, "{format:?}: {off}");
        assert_eq!(said[0]["label"], by_run[0]["label"], "the names of the classes come along");
        assert!(distance(&said, &by_run) > 1e-3, "rows that the run cuts are whole here");
    }
}

#[test]
fn pairs_are_read_and_cut_longest_first() {
    let home = Home::new();
    let run = finished(&home, &[]);
    let long = texts()[19].clone() + " " + &texts()[19];
    let cut = |count: usize| long.split(' ').take(count).collect::<Vec<_>>().join(" ");
    write_rows(
        &home,
        "in.jsonl",
        [
            json!({"text": "the tea", "text_pair": long}),
            // 16 tokens less three special ones less the two of the first text.
            json!({"text": "the tea", "text_pair": cut(11)}),
            json!({"text": "the tea", "text_pair": cut(5)}),
            json!({"text": "the tea"}),
        ],
    );
    let said = answers(&home, &["--run", &run, "--input", "in.jsonl"]);
    assert!(distance(&said[..1], &said[1..2]) < 1e-6, "{said:?}");
    assert!(distance(&said[..1], &said[2..3]) > 1e-6 && distance(&said[2..3], &said[3..]) > 1e-6, "{said:?}");
}

#[test]
fn standard_input_is_read_to_its_end_and_nothing_at_all_is_no_error() {
    let home = Home::new();
    let run = finished(&home, &[]);
    let mut child = home
        .command(&["predict", "--run", &run, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"text\": \"the tea\"}\n\n{\"text\": \"\"}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.split(|b| *b == b'\n').count()), (Some(0), 3));
    assert_eq!(answers(&home, &["--run", &run, "--input", "-"]), Vec::<Value>::new());
}

#[test]
fn what_cannot_be_answered_is_said_with_its_exit_code() {
    let home = Home::new();
    let run = finished(&home, &[]);
    fs::write(home.path("in.jsonl"), "{\"text\": \"the tea\"}\n{\"text\": \"bad\"}\n{\"txt\": \"x\"}\n").unwrap();
    let broken = predict(&home, &["--run", &run, "--input", "in.jsonl"]);
    assert_eq!((broken.code, broken.lines().len()), (Some(1), 2), "{broken:?}");
    assert!(
        broken.err.contains("in.jsonl:3: no \"text\"") && broken.err.contains("the 2 rows before it"),
        "{broken:?}"
    );

    let adapter = home.run_dir(&run).join("adapter").display().to_string();
    let model = ["--model", "model", "--task", "classification"];
    for (words, code, said) in [
        (vec!["--input", "in.jsonl"], 2, "--run"),
        (vec!["--model", "model", "--input", "in.jsonl"], 2, "--task"),
        (vec!["--run", &run, "--task", "tagging", "--input", "in.jsonl"], 2, "--task"),
        (vec!["--run", &run, "--adapter", &adapter, "--input", "in.jsonl"], 2, "--adapter"),
        (
            vec!["--model", "model", "--task", "translation", "--input", "in.jsonl"],
            2,
            "possible values: classification",
        ),
        (vec!["--run", &run, "--input", "in.json"], 3, "did you mean in.jsonl?"),
        (vec!["--run", "nonesuch", "--input", "in.jsonl"], 3, "no run"),
        (vec!["--model", "./modle", "--task", "tagging", "--input", "in.jsonl"], 3, "did you mean ./model?"),
        ([model.as_slice(), &["--input", "in.jsonl"]].concat(), 1, "has no head for classification"),
        ([model.as_slice(), &["--adapter", "model", "--input", "in.jsonl"]].concat(), 1, "is a model, not an adapter"),
        (vec!["--model", "model", "--adapter", &adapter, "--task", "tagging", "--input", "in.jsonl"], 1, "SEQ_CLS"),
        (
            vec!["--model", "builtin:demo", "--adapter", &adapter, "--task", "classification", "--input", "in.jsonl"],
            1,
            "the model needs [2, 128]",
        ),
        (
            vec!["--model", "model", "--adapter", &adapter, "--task", "regression", "--input", "in.jsonl"],
            1,
            "2 outputs",
        ),
    ] {
        let answer = predict(&home, &words);
        assert_eq!((answer.code, answer.out.as_str()), (Some(code), ""), "{words:?}: {answer:?}");
        let flat = answer.err.replace("\n  │ ", " ").replace("\n        ", " ");
        assert!(flat.contains(said), "{words:?}: {answer:?}");
    }
}

#[test]
fn every_word_of_a_sentence_gets_a_tag_however_long_it_is() {
    let home = Home::new();
    let tags = ["O", "B-X", "I-X"];
    let sentence = |n: usize| {
        let words: Vec<&str> =
            ["the", "bread", "looked", "never", "poor"].into_iter().cycle().skip(n).take(3 + n % 4).collect();
        let tags: Vec<&str> = (0..words.len()).map(|w| tags[(n + w) % 3]).collect();
        json!({"words": words, "tags": tags})
    };
    write_rows(&home, "train.jsonl", (0..40).map(sentence));
    let preset = fs::read_to_string(home.path("quick.toml")).unwrap();
    let data = "train = \"train.jsonl\"\ntest = \"train.jsonl\"\ntask = \"tagging\"";
    fs::write(home.path("quick.toml"), preset.replace("id = \"builtin:demo\"", data)).unwrap();
    let run = finished(&home, &[]);
    // 40 words are more than 16 tokens; a word of which the tokenizer leaves nothing still is a word.
    let long: Vec<&str> = ["the", "bread", "", "looked"].into_iter().cycle().take(40).collect();
    write_rows(&home, "in.jsonl", [json!({"words": ["the", "bread"]}), json!({"words": long}), json!({"words": []})]);
    let said = answers(&home, &["--run", &run, "--input", "in.jsonl"]);
    let counts: Vec<usize> = said.iter().map(|answer| answer["tags"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [2, 40, 0]);
    assert!(said.iter().flat_map(|a| a["tags"].as_array().unwrap()).all(|tag| tags.contains(&tag.as_str().unwrap())));
    assert_eq!(home.autolora(&["export", &run, "--format", "merged", "--out", "out"]).code, Some(0));
    let merged = answers(&home, &["--model", "out", "--task", "tagging", "--input", "in.jsonl"]);
    assert_eq!(merged[0], said[0]);
    let wrong = predict(&home, &["--model", "out", "--task", "classification", "--input", "in.jsonl"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("BertForTokenClassification"), "{wrong:?}");
}

#[test]
fn a_regression_answers_with_one_number() {
    let home = Home::new();
    let row = |n: usize| json!({"text": (["the tea", "bad bread", "never"][n % 3]), "score": n % 3});
    write_rows(&home, "train.jsonl", (0..30).map(row));
    let preset = fs::read_to_string(home.path("quick.toml")).unwrap();
    let data = "train = \"train.jsonl\"\ntest = \"train.jsonl\"\ntask = \"regression\"";
    fs::write(home.path("quick.toml"), preset.replace("id = \"builtin:demo\"", data)).unwrap();
    let run = finished(&home, &["retrain.epochs=3"]);
    let said = answers(&home, &["--run", &run, "--input", "train.jsonl"]);
    assert!(said.len() == 30 && said.iter().all(|answer| answer.as_object().unwrap().len() == 1), "{said:?}");
    assert_eq!(home.autolora(&["export", &run, "--format", "merged", "--out", "out"]).code, Some(0));
    let config: Value = serde_json::from_slice(&fs::read(home.path("out/config.json")).unwrap()).unwrap();
    assert_eq!((&config["problem_type"], &config["num_labels"]), (&json!("regression"), &json!(1)));
    let merged = answers(&home, &["--model", "out", "--task", "regression", "--input", "train.jsonl"]);
    assert!(distance(&merged, &said) < 1e-4, "{merged:?}");
}

#[test]
fn a_model_that_is_not_what_the_run_was_trained_on_is_refused() {
    let home = Home::new();
    let run = finished(&home, &[]);
    write_rows(&home, "in.jsonl", [json!({"text": "the tea"})]);
    let undo = home.damage_model();
    for words in [["predict", "--run", &run, "--input", "in.jsonl"], ["export", &run, "--format", "merged", "--out=m"]]
    {
        let answer = home.autolora(&words);
        assert_eq!((answer.code, answer.out.as_str()), (Some(1), ""), "{answer:?}");
        assert!(answer.err.contains("is not what it was when"), "{}", answer.err);
    }
    assert!(!home.path("m").exists());
    undo();
    assert_eq!(answers(&home, &["--run", &run, "--input", "in.jsonl"]).len(), 1);
}
