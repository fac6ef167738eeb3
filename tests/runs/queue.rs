//! Runs that wait for a slot of their device, by the real binary.

use super::support::{Answer, Home, signal, signal_child, wait};
use super::{LONG, is_step};
use rustix::process::Signal;
use serde_json::Value;
use std::process::Stdio;

/// A whole run in a second or two.
pub const SHORT: [&str; 6] = [
    "search.steps=3",
    "search.warmup_steps=1",
    "retrain.epochs=0.02",
    "baseline.head_only=false",
    "baseline.uniform=",
    "data.max_test_rows=8",
];

/// Starts a short run that waits, and gives its id.
fn queue(home: &Home, name: &str) -> String {
    let sets = SHORT.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> =
        ["run", "quick.toml", "--queue", "--detach", "--name", name].into_iter().chain(sets).collect();
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.out.trim().to_string()
}

fn state_and_place(home: &Home, run: &str) -> (Value, Value) {
    let shown = home.show(run);
    (shown["state"].clone(), shown["place"].clone())
}

fn is_queued(home: &Home, run: &str, place: u64) {
    assert_eq!(state_and_place(home, run), ("queued".into(), place.into()), "{run}");
}

/// Names of those that wait, in their order.
fn waiting(home: &Home) -> Vec<String> {
    let listing = home.autolora(&["queue", "--json"]).lines().pop().unwrap();
    let names = listing["hosts"][0]["waiting"].as_array().into_iter().flatten();
    names.map(|entry| entry["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn queued_runs_run_one_after_the_other_in_an_order_that_can_be_changed() {
    let home = Home::new();
    // It was not asked to wait, and those that wait, wait for it.
    let first = home.detach(LONG);
    let [a, b, c] = ["a", "b", "c"].map(|name| queue(&home, name));
    for (run, place) in [(&a, 1), (&b, 2), (&c, 3)] {
        is_queued(&home, run, place);
        assert!(home.show(run)["pid"].is_u64(), "a worker waits");
    }
    let listed = home.autolora(&["ls"]);
    assert!(listed.out.contains("place 2 in the queue"), "{}", listed.out);
    let text = home.autolora(&["queue"]).out;
    assert!(text.contains("cpu     at work") && text.contains(&first), "{text}");
    assert_eq!(home.autolora(&["queue", "--first", "c"]).code, Some(0));
    assert_eq!(waiting(&home), ["c", "a", "b"]);
    is_queued(&home, &c, 1);
    let answer = home.autolora(&["queue", "--first", &first]);
    assert!(answer.code == Some(1) && answer.err.contains("it is at work"), "{answer:?}");

    assert_eq!(home.autolora(&["stop", &first]).code, Some(0));
    for run in [&c, &a, &b] {
        home.wait_for_state(run, "finished");
    }
    let time = |run: &str, kind: &str| {
        let events = home.events(run);
        events.iter().find(|event| event["type"] == kind).unwrap()["time"].as_str().unwrap().to_string()
    };
    for (before, after) in [(&c, &a), (&a, &b)] {
        assert!(time(before, "finished") <= time(after, "started"), "{before} before {after}");
    }
    let queued = home.events(&c).into_iter().find(|event| event["type"] == "queued").unwrap();
    assert_eq!((&queued["device"], &queued["place"]), (&"cpu".into(), &3.into()));
    let left: Vec<_> = std::fs::read_dir(home.path("home/queue")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "one host");
    assert_eq!(std::fs::read_dir(left[0].path().join("waiting")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(left[0].path().join("at-work/cpu")).unwrap().count(), 0);
}

#[test]
fn who_starts_on_a_device_in_use_is_told_on_stderr_and_not_kept() {
    let home = Home::new();
    let first = home.autolora(&["run", "quick.toml", "--detach", "--set", &format!("search.steps={LONG}")]);
    assert!(!first.err.contains("in use"), "{first:?}");
    let first = first.out.trim().to_string();
    let told = format!("cpu is in use by run {first} (quick); both will be slower");
    let sets = SHORT.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["run", "quick.toml", "--detach", "--name", "second"].into_iter().chain(sets).collect();
    let second = home.autolora(&arguments);
    assert!(second.code == Some(0) && second.err.contains(&format!("{told}; --queue waits")), "{second:?}");
    let second = second.out.trim().to_string();
    assert_eq!(home.run_dir(&second).file_name().and_then(|name| name.to_str()), Some(second.as_str()), "the id alone");
    home.wait_for_state(&second, "finished");
    let retrained = home.autolora(&["retrain", &second, "--detach"]);
    assert!(retrained.code == Some(0) && retrained.err.contains(&told), "{retrained:?}");
    home.wait_for_state(retrained.out.trim(), "finished");
    // Who waits need not be told.
    let queued = queue(&home, "third");
    assert_eq!(home.autolora(&["stop", &queued]).code, Some(0));
    let resumed = home.autolora(&["resume", &queued]);
    assert!(resumed.code == Some(0) && resumed.err.contains(&told) && resumed.out.is_empty(), "{resumed:?}");
    assert_eq!(home.autolora(&["stop", &first]).code, Some(0));
}

#[test]
fn a_waiter_that_is_killed_is_a_crash_at_once_and_keeps_nobody_waiting() {
    let home = Home::new();
    let first = home.detach(LONG);
    let [a, b] = ["a", "b"].map(|name| queue(&home, name));
    signal(home.pid(&a), Signal::KILL);
    wait("the waiter is gone", || home.show(&a)["state"] != "queued");
    assert_eq!(home.show(&a)["state"], "crashed");
    is_queued(&home, &b, 1);
    assert_eq!(home.autolora(&["resume", &a, "--queue"]).code, Some(0));
    is_queued(&home, &a, 2);
    assert_eq!(home.autolora(&["resume", &a]).code, Some(4), "it waits already");
    // The one that works is killed, too: its slot is free with it.
    signal(home.pid(&first), Signal::KILL);
    home.wait_for_state(&a, "finished");
    assert_eq!(home.show(&b)["state"], "finished");
}

#[test]
fn a_waiter_is_stopped_paused_and_told_by_signals_at_once() {
    let home = Home::new();
    let first = home.detach(LONG);
    let [a, b, c] = ["a", "b", "c"].map(|name| queue(&home, name));
    assert_eq!(home.autolora(&["stop", &a]).code, Some(0));
    assert_eq!(state_and_place(&home, &a), ("stopped".into(), Value::Null));
    assert_eq!(home.autolora(&["pause", &b]).code, Some(0));
    assert_eq!(home.show(&b)["state"], "paused");
    assert_eq!(waiting(&home), ["c"]);
    signal(home.pid(&c), Signal::TERM);
    home.wait_for_state(&c, "stopped");
    // Not in its turn, but now.
    assert_eq!(home.autolora(&["resume", &b]).code, Some(0));
    home.wait_for_state(&b, "finished");
    assert_eq!(home.show(&first)["state"], "running");
    // A run that was well into its search waits where it stopped.
    home.wait_for(&first, "some steps", is_step("search", 5));
    assert_eq!(home.autolora(&["stop", &first]).code, Some(0));
    let step = home.show(&first)["step"].clone();
    let _blocker = home.detach(LONG);
    assert_eq!(home.autolora(&["resume", &first, "--queue"]).code, Some(0));
    is_queued(&home, &first, 1);
    assert_eq!(home.autolora(&["pause", &first]).code, Some(0));
    let paused = home.show(&first);
    assert_eq!((&paused["state"], &paused["phase"], &paused["step"]), (&"paused".into(), &"search".into(), &step));
}

#[test]
fn a_foreground_run_that_waits_says_so_and_an_interrupt_takes_it_out() {
    let home = Home::new();
    let _first = home.detach(LONG);
    let mut command = home.command(&["run", "quick.toml", "--queue", "--name", "waits"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait("it waits", || {
        let answer = home.autolora(&["show", "waits", "--json"]);
        answer.code == Some(0) && answer.lines()[0]["state"] == "queued"
    });
    signal_child(&child, Signal::INT);
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(130), "{answer:?}");
    assert!(answer.err.contains("waits in the queue, place 1"), "{answer:?}");
    assert_eq!(home.show("waits")["state"], "stopped");
}

#[test]
fn a_device_takes_as_many_runs_as_it_has_slots() {
    let home = Home::new();
    let _first = home.detach(LONG);
    let [a, b] = ["a", "b"].map(|name| queue(&home, name));
    assert_eq!(home.autolora(&["queue", "--slots", "cpu=2"]).code, Some(0));
    for run in [&a, &b] {
        home.wait_for_state(run, "finished");
    }
    let answer = home.autolora(&["queue", "--slots", "gpu"]);
    assert!(answer.code == Some(2) && answer.err.contains("DEVICE=N"), "{answer:?}");
}
