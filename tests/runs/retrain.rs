//! Ranks that are chosen after the start, and runs from the search of another, by the real binary.

use super::support::Home;
use super::{LONG, is_step};
use serde_json::Value;
use std::fs;

/// A search whose ranks are not all k, and little else.
const SEARCH: [&str; 5] =
    ["search.steps=30", "retrain.epochs=0.02", "baseline.head_only=false", "baseline.uniform=", "data.max_test_rows=8"];

fn types(home: &Home, run: &str) -> Vec<String> {
    home.events(run).iter().map(|event| event["type"].as_str().unwrap().to_string()).collect()
}

fn retrain(home: &Home, run: &str, sets: &[&str]) -> Value {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["retrain", run, "--json", "--name", "again"].into_iter().chain(sets).collect();
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.lines().pop().unwrap()
}

#[test]
fn a_search_is_taken_as_it_is_and_the_same_rule_gives_the_same_ranks() {
    let home = Home::new();
    let parent = home.detach_with(&SEARCH);
    home.wait_for_state(&parent, "finished");
    let before = home.show(&parent);
    let same = retrain(&home, &parent, &[]);
    assert_eq!((&same["type"], &same["ranks"]), (&"finished".into(), &before["ranks"]));
    assert_eq!(same["metrics"], before["metrics"], "the same ranks, retrained and scored the same");
    let run = same["run"].as_str().unwrap();
    let shown = home.show(run);
    assert_eq!((&shown["parent"], &shown["selection"]), (&parent.as_str().into(), &before["selection"]));
    let searched = |kind: &str| types(&home, run).iter().filter(|known| *known == kind).count();
    assert_eq!((searched("selection"), searched("inherited")), (30, 1));
    let seqs: Vec<u64> = home.events(run).iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (0..seqs.len() as u64).collect::<Vec<_>>());
    let at = |kind: &str, phase: &str| {
        home.events(run).iter().rposition(|event| event["type"] == kind && event["phase"] == phase).unwrap()
    };
    let started = types(&home, run).iter().position(|kind| kind == "started").unwrap();
    assert!(at("phase", "search") < started && at("phase", "allocate") > started, "it searched again");

    // Another rule, other ranks; the parent need not be there any more for what comes after.
    let other = retrain(&home, run, &["allocation.rule=energy", "allocation.threshold=0.9"]);
    assert_ne!(other["ranks"], before["ranks"]);
    let run = other["run"].as_str().unwrap();
    let experiment = fs::read_to_string(home.run_dir(run).join("experiment.toml")).unwrap();
    assert!(experiment.contains("from = ") && experiment.contains("rule = \"energy\""), "{experiment}");
    // The experiment alone makes the run again.
    let path = home.run_dir(run).join("experiment.toml");
    let answer = home.autolora(&["run", path.to_str().unwrap(), "--json", "--name", "reproduced"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let last = answer.lines().pop().unwrap();
    assert_eq!((&last["ranks"], &last["metrics"]), (&other["ranks"], &other["metrics"]));
    let weights = |run: &str| fs::read(home.run_dir(run).join("adapter/adapter_model.safetensors")).unwrap();
    assert_eq!(weights(run), weights(last["run"].as_str().unwrap()));

    for (sets, code, reason) in [
        (vec!["lora.rank=2"], 2, "made the search"),
        (vec!["search.steps=2"], 2, "made the search"),
        (vec!["allocation.rule=mean"], 2, "does not go with"),
        (vec!["retrian.lr=1"], 2, "is no setting"),
    ] {
        let arguments: Vec<&str> =
            ["retrain", &parent].into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
        let answer = home.autolora(&arguments);
        assert!(answer.code == Some(code) && answer.err.contains(reason), "{sets:?}: {answer:?}");
    }
    // As a resumed run, it does not go on with a model that changed.
    let undo = home.damage_model();
    let answer = home.autolora(&["retrain", &parent]);
    assert!(answer.code == Some(1) && answer.err.contains("what model.id names is not what it was"), "{answer:?}");
    undo();
}

#[test]
fn a_choice_reaches_a_search_that_goes_on_and_one_that_waits_to_go_on() {
    let home = Home::new();
    let steps = format!("search.steps={LONG}");
    let run = home.detach_with(&[&steps]);
    home.wait_for(&run, "some steps", is_step("search", 5));
    let answer = home.autolora(&["retrain", &run]);
    assert!(answer.code == Some(1) && answer.err.contains("has not ended: search"), "{answer:?}");
    let ask = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        home.autolora(&["allocation", &run, "--json"].into_iter().chain(sets).collect::<Vec<_>>())
    };
    let now = ask(&[]).lines().pop().unwrap();
    assert_eq!((&now["rule"], now["ranks"].as_object().unwrap().len()), (&"threshold".into(), 4));
    let chosen = ask(&["allocation.rule=budget", "allocation.budget=1.0"]);
    assert_eq!(chosen.code, Some(0), "{chosen:?}");
    let ranks =
        |value: &Value| -> u64 { value["ranks"].as_object().unwrap().values().map(|r| r.as_u64().unwrap()).sum() };
    assert_eq!(ranks(&chosen.lines().pop().unwrap()), 4, "a mean rank of 1 in 4 modules");
    let event = home.events(&run).into_iter().find(|event| event["type"] == "allocation").unwrap();
    assert_eq!((&event["rule"], &event["budget"]), (&"budget".into(), &1.0.into()));
    let step = event["seq"].as_u64().unwrap();
    home.wait_for(&run, "a step with it", |event| event["type"] == "selection" && event["seq"].as_u64() > Some(step));
    let after =
        home.events(&run).into_iter().find(|e| e["type"] == "selection" && e["seq"].as_u64() > Some(step)).unwrap();
    assert_eq!(ranks(&after), 4);

    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    let dry = home.autolora(&["allocation", &run, "--dry-run", "--set", "allocation.budget=2.0"]);
    assert!(dry.out.contains("budget, mean rank 2") && dry.out.contains("LoRA parameters"), "{dry:?}");
    assert_eq!(home.show(&run)["experiment"]["allocation"]["budget"], 1.0);
    assert_eq!(ask(&["allocation.budget=2.0"]).code, Some(0));
    let shown = home.show(&run);
    assert_eq!((&shown["state"], &shown["experiment"]["allocation"]["budget"]), (&"paused".into(), &2.0.into()));
    for (set, reason) in [("retrain.lr=1", "allocation.* alone"), ("allocation.rule=mean", "does not go with")] {
        let answer = ask(&[set]);
        assert!(answer.code == Some(2) && answer.err.contains(reason), "{answer:?}");
    }
}

#[test]
fn a_run_made_from_a_search_goes_on_when_the_run_that_searched_is_deleted() {
    let home = Home::new();
    let parent = home.detach_with(&SEARCH);
    home.wait_for_state(&parent, "finished");
    let child = retrain(&home, &parent, &["retrain.epochs=0.5"]);
    let run = child["run"].as_str().unwrap();
    assert_eq!(
        home.autolora(&["retrain", run, "--name", "long", "--set", "retrain.epochs=90", "--detach"]).code,
        Some(0)
    );
    let long = home.show("long")["id"].as_str().unwrap().to_owned();
    let long = long.as_str();
    home.wait_for(long, "a step of retraining", is_step("retrain", 1));
    assert_eq!(home.autolora(&["stop", long]).code, Some(0));

    let selection = home.show(long)["selection"].clone();
    assert!(selection.as_object().is_some_and(|modules| !modules.is_empty()), "{selection}");
    let answer = home.autolora(&["rm", &parent, "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let told = answer.lines().pop().unwrap();
    let names: Vec<&str> =
        told["referred_by"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(names, [run]);
    let answer = home.autolora(&["rm", run]);
    assert!(answer.code == Some(0) && answer.err.contains("was made from it"), "{answer:?}");

    // What is left has the search of a run that is gone, and so has what is made of it.
    assert_eq!(home.show(long)["selection"], selection);
    assert_eq!(home.autolora(&["resume", long]).code, Some(0));
    home.wait_for(long, "another step", |event| event["type"] == "resumed");
    assert_eq!(home.autolora(&["stop", long]).code, Some(0));
    let again = retrain(&home, long, &["retrain.epochs=0.5"]);
    assert_eq!(again["ranks"], child["ranks"]);
    let answer = home.autolora(&["rerun", long, "--json", "--name", "rerun", "--set", "retrain.epochs=0.5"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(answer.lines().pop().unwrap()["ranks"], child["ranks"]);
}
