//! `autolora preflight`: the numbers of a run before there is one, and nothing of it afterwards.

use crate::support::{Answer, Home, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Stdio;

/// What is in the home beside the cache of tokens, which the run that follows uses.
fn left(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path("home")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name != "cache").collect()
}

#[test]
fn the_card_has_the_numbers_of_the_run_that_follows_and_leaves_nothing() {
    let home = Home::new();
    let answer = home.autolora(&["preflight", "quick.toml", "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(left(&home), [""; 0]);
    let card = &answer.lines()[0];
    let run = home.autolora(&["run", "quick.toml", "--json", "--name", "whole"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let events = run.lines();
    let find = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    let (prepared, memory) = (find("prepared"), find("memory"));
    let parameters = &card["parameters"];
    assert_eq!(parameters["trainable"], prepared["trainable_parameters"]);
    assert_eq!(parameters["head"], prepared["head_parameters"]);
    assert_eq!(parameters["frozen"], prepared["frozen_parameters"]);
    let number = |value: &Value| value.as_u64().unwrap();
    let sum = number(&parameters["a"]) + number(&parameters["b"]) + number(&parameters["head"]);
    assert_eq!(sum, number(&parameters["trainable"]));
    for (rows, of_run) in [("train", "train_rows"), ("validation", "validation_rows"), ("test", "test_rows")] {
        assert_eq!(card["rows"][rows], prepared[of_run]);
    }
    for (phase, of_run) in [("search", "search_bytes"), ("retrain", "retrain_bytes"), ("evaluate", "evaluate_bytes")] {
        assert_eq!(card["memory"][phase], memory[of_run]);
    }
    let steps = |name: &str| {
        let phase = card["phases"].as_array().unwrap().iter().find(|phase| phase["name"] == name);
        phase.map(|phase| {
            assert!(phase["step_s"].as_f64().unwrap() > 0.0);
            number(&phase["steps"])
        })
    };
    let total = |phase: &str| {
        let begun = events.iter().find(|event| event["type"] == "phase" && event["phase"] == phase);
        begun.map(|event| number(&event["total"]))
    };
    for phase in ["search", "retrain", "evaluate", "baseline"] {
        assert_eq!(steps(phase), total(phase), "{phase}");
    }
    let dir = home.run_dir(events[events.len() - 1]["run"].as_str().unwrap());
    let size = |path: &str| fs::metadata(dir.join(path)).unwrap().len();
    // The header and the name of every tensor come on top of the numbers themselves.
    let adapter = size("adapter/adapter_model.safetensors");
    assert!(number(&card["disk"]["adapter"]) + 4096 > adapter, "{} of {adapter}", card["disk"]);
    let log = size("events.jsonl");
    let told = number(&card["disk"]["log"]);
    assert!(told > log / 3 && told < 3 * log, "a log of {log} bytes, {told} were told");
}

#[test]
fn a_preset_comes_from_standard_input_too_and_settings_are_changed() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("quick.toml")).unwrap();
    let mut command = home.command(&["preflight", "-", "--json", "--set", "search.steps=7"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let card = &answer.lines()[0];
    assert_eq!(card["verdict"], "warning");
    let remark = &card["remarks"][0];
    assert_eq!((&remark["key"], &remark["message"]), (&"search.steps".into(), &"the search has 7 steps".into()));
}

#[test]
fn what_would_end_the_run_is_told_with_its_setting_before_it() {
    let home = Home::new();
    let refused = |set: &str| {
        let answer = home.autolora(&["preflight", "quick.toml", "--json", "--set", set]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let card = answer.lines().remove(0);
        assert_eq!(card["verdict"], "refused");
        card["remarks"][0].clone()
    };
    let remark = refused("lora.targets=[\"querry\"]");
    assert_eq!(remark["weight"], "start");
    let message = remark["message"].as_str().unwrap();
    assert!(message.contains("did you mean `query`?"), "{remark}");
    fs::create_dir(home.path("no-model")).unwrap();
    fs::write(home.path("no-model/config.json"), "{}").unwrap();
    assert_eq!(refused("model.id=./no-model")["key"], "model.id");
    let answer = home.autolora(&["preflight", "quick.toml", "--set", "lora.rank=0"]);
    assert!(answer.code == Some(2) && answer.out.is_empty() && answer.err.contains("lora.rank"), "{answer:?}");
    assert_eq!(left(&home), [""; 0]);
}

#[test]
fn rows_that_are_cut_are_counted_uncut() {
    let home = Home::new();
    let answer = home.autolora(&["preflight", "quick.toml", "--json", "--set", "data.max_length=6"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let card = &answer.lines()[0];
    let lengths = &card["lengths"];
    let at = |name: &str| lengths[name].as_u64().unwrap();
    assert!(at("max") > 6 && at("longer") > 0 && at("p50") <= at("p99"), "{lengths}");
    let counted: u64 = lengths["histogram"].as_array().unwrap().iter().map(|bin| bin[1].as_u64().unwrap()).sum();
    assert_eq!(counted, at("counted"));
    let keys: Vec<&str> = card["remarks"].as_array().unwrap().iter().flat_map(|r| r["key"].as_str()).collect();
    assert!(keys.contains(&"data.max_length"), "{card}");
}

#[test]
fn a_signal_ends_it_at_once_and_takes_what_it_made() {
    let home = Home::new();
    // Steps that would take minutes.
    let long = ["preflight", "quick.toml", "--set", "search.batch_size=20000", "--set", "search.steps=60"];
    let mut child = home.command(&long).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait("a folder of its own", || left(&home).iter().any(|name| name.starts_with(".preflight-")));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left(&home), [""; 0]);
}

#[test]
fn the_verb_says_the_card_in_words() {
    let home = Home::new();
    let answer = home.autolora(&["preflight", "quick.toml"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for part in ["ready to start", "trained ", "memory ", "disk ", "rows ", "tokens ", "a step", "search "] {
        assert!(answer.out.contains(part), "{part}: {}", answer.out);
    }
    assert!(answer.err.contains("trying a few steps of the search"), "{}", answer.err);
}
