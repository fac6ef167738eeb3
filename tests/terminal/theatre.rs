//! The rank theatre by the real binary: a run that outlives its terminal, other moments of its search, and choices that are kept.

use crate::ssh::goes_on;
use crate::support::{PATIENCE, Session, assert_restored, size};
use crate::synthetic::{Run, Shape};
use crate::{PROGRAM, start, with};
use rustix::process::{Pid, Signal, kill_process_group};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn verb(home: &Path, arguments: &[&str]) -> String {
    let answer = Command::new(PROGRAM).args(arguments).env("AUTOLORA_HOME", home).output().unwrap();
    assert!(answer.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

fn shown(home: &Path, run: &str) -> serde_json::Value {
    serde_json::from_str(&verb(home, &["show", run, "--json"])).unwrap()
}

/// Ends the runs of a home that are left at work when a test fails: they outlive everything else.
struct Ends<'a>(&'a Path);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        for run in std::fs::read_dir(self.0.join("runs")).into_iter().flatten().flatten() {
            let run = run.file_name().to_string_lossy().into_owned();
            // Most have ended by themselves.
            let _ = Command::new(PROGRAM).args(["stop", &run]).env("AUTOLORA_HOME", self.0).output();
        }
    }
}

fn wide(home: &Path, arguments: &[&str]) -> Session {
    with(home, arguments, size(160, 45), &[])
}

#[test]
fn a_run_outlives_the_terminal_that_started_it_and_is_scrubbed_steered_and_stopped_from_another() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let _ends = Ends(home);
    let mut first = start(home, &[]);
    first.sees("No runs yet.");
    first.send("n");
    first.sees("ready to start");
    first.send("/search.epochs");
    first.sees("find search.epochs");
    first.send("\r\r\x15400\r");
    first.sees(" 400 epochs");
    first.send("\x1b");
    first.sees("▸ common");
    first.send("S");
    first.sees("emerging: mean rank");
    first.send("q");
    let (code, bytes) = first.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
    goes_on(home, "its screen was left");

    let killed = start(home, &["watch", "last"]);
    killed.sees("emerging: mean rank");
    // All of the terminal's processes, without a word.
    kill_process_group(Pid::from_raw(killed.pid() as i32).unwrap(), Signal::KILL).unwrap();
    killed.end();
    goes_on(home, "its terminal was killed");

    // A replay of a few moments would be over between two frames.
    let start = Instant::now();
    while shown(home, "last")["step"].as_u64() < Some(100) {
        assert!(start.elapsed() < PATIENCE, "{}", shown(home, "last"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut second = wide(home, &["watch", "last"]);
    second.sees("emerging: mean rank");
    second.sees("history of");
    second.sees("host memory");
    second.send("m[[");
    second.sees("at step ");
    second.sees(" differ");
    second.send("d");
    second.sees("Ranks from step");
    second.send("\x1b");
    second.sees("w what if");
    second.send(":\x151\r");
    second.sees("ranks at step 1,");
    second.send(">");
    second.sees("ranks at step 2,");
    second.send("<");
    second.sees("ranks at step 1,");
    second.send("p");
    second.misses("ranks at step 1,");
    second.sees("ranks at step ");
    second.send("p.");
    second.sees("emerging ranks");
    second.misses("ranks at step");

    second.send("w");
    second.sees("selection value at least 0.125");
    second.send("e\x150.2\r");
    second.sees("selection value at least 0.2000");
    second.send("\r");
    second.sees("allocates by threshold");
    let run = shown(home, "last");
    assert_eq!(run["experiment"]["allocation"]["threshold"], 0.2);
    assert_eq!(run["allocation"]["threshold"], 0.2, "its worker has heard it");

    second.send("s");
    second.sees("■ stopped");
    second.send("q");
    let (code, bytes) = second.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
    let stopped = shown(home, "last");
    assert_eq!((stopped["state"].as_str(), &stopped["pid"]), (Some("stopped"), &serde_json::Value::Null));
}

#[test]
fn a_finished_search_is_allocated_by_another_rule_in_a_new_run_which_is_compared_and_deleted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let sets = ["--set", "search.epochs=0.4", "--set", "retrain.epochs=0.2", "--set", "baseline.head_only=false"];
    verb(home, &[&["run", "demo", "--name", "first"][..], &sets].concat());
    let parent = shown(home, "first");
    let mut session = wide(home, &["watch", "first"]);
    session.sees("✓ finished");
    session.send("w");
    session.sees("what if");
    session.send("j");
    session.sees("energy at least");
    session.send("\r");
    session.sees("Start a new run that takes its search");
    session.send("y");
    session.sees("allocated ranks");
    session.sees("✓ finished");
    let child = shown(home, "last");
    assert_eq!(child["parent"], parent["id"]);
    assert_eq!(child["experiment"]["allocation"]["rule"], "energy");
    assert_eq!(child["selection"], parent["selection"], "the search is the parent's");
    assert_eq!(child["state"], "finished");

    // Its adapter, for others.
    session.send("\x1b");
    session.sees("2 in all");
    let out = home.join("out");
    session.send("E");
    session.sees("merged: a whole model");
    session.send("\r");
    session.sees("Folder to write");
    session.send(&format!("{}\r", out.display()));
    session.sees("is written to");
    assert!(out.join("adapter_config.json").is_file() && out.join("adapter_model.safetensors").is_file());

    // Beside each other: what differs, and what became of it.
    session.send("V");
    session.sees("2 marked");
    session.send("c");
    session.sees("AutoLoRA  compare");
    session.sees("allocation.rule");
    session.sees("LoRA parameters");
    // Of both runs: one may be read before the other.
    session.misses("reading");
    let screen = session.screen();
    let line = |name: &str| screen.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line("allocation.rule").contains("threshold") && line("allocation.rule").contains("energy"), "{screen}");
    let of_ranks = |run: &serde_json::Value| run["parameters"].as_u64().unwrap().to_string();
    let counted = line("LoRA parameters").replace(',', "");
    assert!(counted.contains(&of_ranks(&parent)) && counted.contains(&of_ranks(&child)), "{screen}");

    session.send("\x1b");
    session.sees("2 marked");
    session.send("d");
    session.sees("Delete 2 runs?");
    session.send("\x1b");
    session.misses("Delete 2 runs?");
    assert_eq!(std::fs::read_dir(home.join("runs")).unwrap().count(), 2, "no is no");
    session.send("d");
    session.sees("Delete 2 runs?");
    session.send("y");
    session.sees("No runs yet.");
    assert_eq!(std::fs::read_dir(home.join("runs")).unwrap().count(), 0);
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
}

#[test]
fn a_log_that_is_replaced_under_the_monitor_is_said_and_read_anew() {
    let home = tempfile::tempdir().unwrap();
    let run = Run::finished(home.path(), "first", Shape::SMALL);
    let mut other = Run::begin(home.path(), "second", Shape::SMALL);
    other.step();
    let mut session = start(home.path(), &["watch", "first"]);
    session.sees("allocated: mean rank");
    std::fs::copy(other.dir.events_path(), run.dir.events_path()).unwrap();
    session.sees("the log was replaced or cut short");
    let gone = session.waits(PATIENCE, |output| !output.screen.screen().contents().contains("allocated"));
    assert!(gone.is_some(), "{}", session.screen());
    session.send("q");
    assert_eq!(session.end().0, 0);
}
