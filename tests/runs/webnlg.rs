//! A run on WebNLG's XML by the real binary: a folder to train on, a file with several references per set of triples, and a
//! preset whose dataset gives way to them.

use crate::support::Home;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const BOATS: [&str; 6] = ["Skua", "Heron", "Lapwing", "Plover", "Gannet", "Curlew"];
const COLOURS: [&str; 4] = ["blue", "white", "red", "green"];

/// An entry in words that the embedded model knows.
fn entry(n: usize, texts: &[&str]) -> String {
    let (boat, colour) = (BOATS[n % 6], COLOURS[n % 4]);
    let triples = format!("<mtriple>{boat} | colour | {colour}</mtriple><mtriple>{boat} | cargo | \"salt\"</mtriple>");
    let lex = |text: &&str| {
        format!("<lex comment=\"good\" lang=\"en\">{}</lex>\n", text.replace('X', boat).replace('Y', colour))
    };
    let lexes: String = texts.iter().map(lex).collect();
    format!(
        "<entry eid=\"Id{n}\"><modifiedtripleset>{triples}</modifiedtripleset>\n{lexes}<lex lang=\"ru\">{boat}.</lex></entry>\n"
    )
}

fn benchmark(entries: impl IntoIterator<Item = String>) -> String {
    let entries: String = entries.into_iter().collect();
    format!("<?xml version=\"1.0\" ?>\n<benchmark><entries>\n{entries}</entries></benchmark>\n")
}

#[test]
fn triples_in_xml_are_learnt_and_scored_against_all_their_references() {
    let home = Home::new();
    let two = ["X, a Y boat, comes in. It is loaded with salt.", "The Y boat X comes in with salt."];
    let three = [two[0], two[1], "X is a Y boat. It is loaded with salt."];
    for size in ["1triples", "2triples"] {
        fs::create_dir_all(home.path("train").join(size)).unwrap();
        let name = home.path("train").join(size).join("Boat.xml");
        fs::write(name, benchmark((0..24).map(|n| entry(n, &two)))).unwrap();
    }
    fs::write(home.path("test.xml"), benchmark((0..5).map(|n| entry(n, &three)))).unwrap();
    let sets = [
        "data.train=train",
        "data.test=test.xml",
        "model.id=builtin:demo-generation",
        "data.max_length=64",
        "search.epochs=0.5",
        "search.warmup_steps=2",
        "retrain.epochs=6",
        "retrain.lr=5e-3",
        "evaluate.num_beams=2",
        "evaluate.max_new_tokens=24",
        "runtime.device=cpu",
        "baseline.uniform=",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["run", "gpt2-medium-webnlg", "--json"].into_iter().chain(sets).collect();
    let answer = home.autolora(&words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let events = answer.lines();
    let prepared = events.iter().find(|event| event["type"] == "prepared").unwrap();
    let rows = ["train_rows", "validation_rows", "test_rows"].map(|key| prepared[key].as_u64().unwrap());
    assert_eq!(rows, [48, 48, 15], "a row a text");
    let last = events.last().unwrap();
    let of = |figure: &str| last["metrics"][figure].as_f64().unwrap();
    assert_eq!(of("test_rows"), 5.0, "a prompt is scored once: {}", last["metrics"]);
    assert!(of("bleu") > of("untuned_bleu") + 20.0, "{}", last["metrics"]);
    let dir = Path::new(last["dir"].as_str().unwrap());
    let rows = fs::read_to_string(dir.join("predictions.jsonl")).unwrap();
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    // As it is in the file, though the embedded model has no token for `:` and `|`.
    assert_eq!((rows.lines().count(), &first["prompt"]), (5, &"Skua : colour : blue | Skua : cargo : salt".into()));
    assert_eq!(first["references"].as_array().map(Vec::len), Some(3));
    let log = fs::read_to_string(dir.join("events.jsonl")).unwrap();
    for said in [
        "rows are read as triples and the texts that tell them, by modifiedtripleset and lex",
        "data.train: left out: 48 texts in ru, not en",
        "data.test: left out: 5 texts in ru, not en",
    ] {
        assert!(log.contains(said), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_file_ends_the_run_with_its_line() {
    let home = Home::new();
    let text = benchmark([entry(0, &["One."])]).replace("</lex>\n<lex lang", "</lexx>\n<lex lang");
    fs::write(home.path("train.xml"), text).unwrap();
    let sets = ["data.train=train.xml", "model.id=builtin:demo-generation", "runtime.device=cpu"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["run", "gpt2-medium-webnlg", "--json"].into_iter().chain(sets).collect();
    let answer = home.autolora(&words);
    let last = answer.lines().pop().unwrap();
    assert_eq!((answer.code, &last["type"]), (Some(1), &json!("failed")), "{answer:?}");
    let error = last["error"].as_str().unwrap();
    assert!(error.contains("train.xml:4: not XML: </lexx> where </lex> is needed"), "{error}");
}
