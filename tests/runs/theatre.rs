//! What the screens of the search live on, as real workers log it.

use crate::LONG;
use crate::support::Home;
use serde_json::Value;

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

#[test]
fn a_search_whose_ranks_have_settled_ends_before_its_last_step() {
    let home = Home::new();
    // Every value is kept, so that no rank ever changes, and none is on its way to 0 within the steps that are left.
    let sets = [
        "search.stop_when_stable=true",
        "search.stable_steps=4",
        "search.steps=40",
        "allocation.threshold=0.0",
        "retrain.epochs=0.1",
        "baseline.head_only=false",
    ];
    let arguments: Vec<&str> =
        ["run", "quick.toml", "--json"].into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let events = answer.lines();
    let stable = of_type(&events, "stable");
    assert_eq!(stable.len(), 1);
    let ended = stable[0]["step"].as_u64().unwrap();
    assert!((5..40).contains(&ended), "{ended}");
    assert!(stable[0]["reason"].as_str().unwrap().contains("no rank changed for"), "{}", stable[0]);
    let last = of_type(&events, "selection").last().map(|event| event["step"].as_u64().unwrap());
    assert_eq!(last, Some(ended));
    // Without the setting, the same search goes on to its end.
    let arguments: Vec<&str> =
        arguments.iter().copied().filter(|argument| !argument.contains("stop_when_stable")).collect();
    let arguments: Vec<&str> = [&arguments[..3], &arguments[4..]].concat();
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(of_type(&answer.lines(), "stable").is_empty());
}

#[test]
fn steps_tell_tokens_and_rates_and_a_worker_that_goes_on_knows_the_time_left_at_once() {
    let home = Home::new();
    let run = home.detach(LONG);
    home.wait_for(&run, "some steps", |event| event["type"] == "step" && event["step"].as_u64() > Some(40));
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    let before = home.events(&run).len();
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for(&run, "steps of the second worker", |event| {
        event["type"] == "step" && event["seq"].as_u64() > Some(before as u64 + 20)
    });
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    let events = home.events(&run);
    let second = &events[before..];
    let first = |kind: &str| {
        second.iter().position(|event| event["type"] == kind && event["phase"] == "search").expect("it goes on")
    };
    assert!(first("progress") < first("step"), "the time left is said before the first step");
    let progress = &second[first("progress")];
    assert!(progress["left_s"].as_f64() > Some(0.0) && progress["rate"].as_f64() > Some(0.0), "{progress}");

    let steps = of_type(&events, "step");
    let tokens: Vec<u64> = steps.iter().map(|step| step["tokens"].as_u64().unwrap()).collect();
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "tokens are counted on: {tokens:?}");
    assert!(steps[0]["selection_lr"].is_f64());
    let phase = events.iter().find(|event| event["type"] == "phase" && event["phase"] == "search").unwrap();
    assert!(phase["epochs"].as_f64() > Some(1.0), "{phase}");
    let selection = of_type(&events, "selection")[0];
    let energies = |event: &Value| event["energy"].as_object().unwrap().len();
    assert_eq!(energies(selection), selection["modules"].as_object().unwrap().len());
    let machine = of_type(&events, "machine");
    assert!(machine[0]["host_total_bytes"].as_u64() > Some(0) && machine[0]["gpu"].is_null(), "{}", machine[0]);

    let shown = home.show(&run);
    assert!(shown["stability"]["reason"].is_string() && shown["figures"]["search"]["grad_norm"].is_f64(), "{shown}");
    let text = home.autolora(&["watch", &run, "--once"]).out;
    assert!(text.contains("energy") && text.contains("at rank 4"), "{text}");
}
