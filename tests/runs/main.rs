//! Runs by the real binary: started, watched, paused, killed, resumed, stopped, removed.

mod compare;
mod evaluate;
mod export;
mod generation;
mod notify;
mod predict;
mod preflight;
mod queue;
mod real;
mod retrain;
mod support;
mod theatre;
mod webnlg;

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Answer, Home, signal, signal_child, wait};

/// A search that a test ends itself.
const LONG: usize = 1_000_000;

/// Where a worker is killed: once the log has an event of this type, phase and at least this step.
const KILLS: [(&str, &str, u64); 13] = [
    ("phase", "prepare", 0),
    ("warmup", "search", 2),
    ("step", "search", 1),
    ("step", "search", 23),
    ("step", "search", 60),
    ("step", "retrain", 1),
    ("step", "retrain", 30),
    ("phase", "evaluate", 0),
    ("step", "baseline", 1),
    ("step", "baseline", 30),
    // The second control, uniform ranks, begins where the first was trained and scored.
    ("evaluated", "baseline", 0),
    ("step", "baseline", SECOND_CONTROL + 20),
    ("phase", "export", 0),
];

/// Steps of a control of the quick preset: its training batches, and two of scoring.
const SECOND_CONTROL: u64 = (200 + VALIDATION_ROWS) / 4 + 2;
/// Of the demo.
const VALIDATION_ROWS: u64 = 800;

/// Whether there is a run of this name, and some steps into its search.
fn searches(home: &Home, name: &str) -> bool {
    let answer = home.autolora(&["show", name, "--json"]);
    answer.code == Some(0) && answer.lines()[0]["phase"] == "search" && answer.lines()[0]["step"].as_u64() > Some(3)
}

fn is_step(phase: &str, at_least: u64) -> impl Fn(&Value) -> bool {
    move |event| {
        event["type"] == "step" && event["phase"] == phase && event["step"].as_u64().is_some_and(|n| n >= at_least)
    }
}

#[test]
fn a_run_prints_its_events_and_ends_with_ranks_for_every_module_and_an_adapter() {
    let home = Home::new();
    let answer = home.autolora(&["run", "quick.toml", "--json", "--name", "whole"]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let lines = answer.lines();
    assert_eq!(lines[0]["type"], "schema");
    assert_eq!(
        lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        (0..lines.len() as u64).collect::<Vec<_>>()
    );
    let last = &lines[lines.len() - 1];
    assert_eq!(last["type"], "finished");
    let ranks = last["ranks"].as_object().unwrap();
    for layer in 0..2 {
        for target in ["query", "value"] {
            assert!(ranks.contains_key(&format!("bert.encoder.layer.{layer}.attention.self.{target}")), "{ranks:?}");
        }
    }
    assert_eq!(ranks.len(), 4);
    for metric in ["accuracy", "majority_accuracy", "head_only_accuracy"] {
        assert!(last["metrics"][metric].is_f64(), "{metric}: {}", last["metrics"]);
    }
    let selections = lines.iter().filter(|line| line["type"] == "selection");
    let steps: Vec<u64> = selections.map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=60).collect::<Vec<u64>>());
    let adapter = std::path::Path::new(last["dir"].as_str().unwrap()).join("adapter");
    assert!(adapter.join("adapter_config.json").is_file() && adapter.join("adapter_model.safetensors").is_file());
    let shown = home.show("whole");
    assert_eq!(
        (&shown["state"], &shown["ranks"], &shown["metrics"]),
        (&"finished".into(), &last["ranks"], &last["metrics"])
    );
    assert_eq!(shown["experiment"]["search"]["steps"], 60);
    // What the fold of the steps before the last line gives is what the last line says.
    let frame = home.autolora(&["watch", "whole", "--once"]);
    assert!(frame.out.contains("finished") && frame.out.contains("attention.self.query"), "{}", frame.out);
    assert_eq!(home.autolora(&["resume", "whole"]).code, Some(1));
}

#[test]
fn a_detached_run_leaves_the_callers_pipes_and_is_at_work_when_the_command_returns() {
    let home = Home::new();
    // output() waits for the end of both pipes: a worker that inherited one would keep it.
    let start = Instant::now();
    let run = home.detach(LONG);
    assert!(start.elapsed() < Duration::from_secs(60));
    let shown = home.show(&run);
    assert_eq!(shown["state"], "running");
    let pid = home.pid(&run);
    let session = rustix::process::getsid(rustix::process::Pid::from_raw(pid)).unwrap();
    assert_eq!(session.as_raw_nonzero().get(), pid, "a session of its own");
    let listed = home.autolora(&["ls", "--json"]).lines();
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["state"]), (1, &run.as_str().into(), &"running".into()));
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    assert_eq!(home.show(&run)["state"], "stopped");
    assert_eq!(home.show(&run)["pid"], Value::Null);
}

#[test]
fn a_killed_worker_is_a_crash_at_once_and_the_run_goes_on_to_the_same_bits() {
    let home = Home::new();
    let finished = |run: &str| home.events(run).pop().unwrap();
    let clean = home.autolora(&["run", "quick.toml", "--json"]);
    let clean = clean.lines().pop().unwrap();
    let selection = |run: &str| home.show(run)["selection"].clone();
    let clean_selection = selection(clean["run"].as_str().unwrap());
    assert_eq!(clean["type"], "finished");

    let run = home.detach(60);
    let mut kills = 0;
    for (kind, phase, step) in KILLS {
        let reached = |event: &Value| {
            event["type"] == kind && event["phase"] == phase && event["step"].as_u64().unwrap_or(0) >= step
        };
        home.wait_for(&run, phase, |event| event["type"] == "finished" || reached(event));
        let Some(pid) = home.show(&run)["pid"].as_i64() else { break };
        signal(pid as i32, Signal::KILL);
        wait("the worker is gone", || home.show(&run)["state"] != "running");
        let state = home.show(&run)["state"].clone();
        if state == "finished" {
            // The last phase is short: the worker was done before it was hit.
            break;
        }
        assert_eq!(state, "crashed", "{phase} {step}");
        let answer = home.autolora(&["resume", &run]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        kills += 1;
    }
    home.wait_for_state(&run, "finished");
    assert!(kills >= 8, "killed only {kills} times: the run is too short");
    assert_eq!(selection(&run), clean_selection);
    assert_eq!(finished(&run)["ranks"], clean["ranks"]);
    assert_eq!(finished(&run)["metrics"], clean["metrics"]);
    let adapter = |run: &str| fs::read(home.run_dir(run).join("adapter/adapter_model.safetensors")).unwrap();
    assert_eq!(adapter(&run), adapter(clean["run"].as_str().unwrap()));
}

#[test]
fn a_second_worker_says_who_holds_the_run_and_exits_4() {
    let home = Home::new();
    let run = home.detach(LONG);
    let pid = home.pid(&run).to_string();
    let dir = home.run_dir(&run);
    for arguments in [vec!["worker", dir.to_str().unwrap()], vec!["resume", &run], vec!["rm", &run]] {
        let answer = home.autolora(&arguments);
        assert_eq!(answer.code, Some(4), "{arguments:?}: {answer:?}");
        assert!(answer.err.contains(&pid), "{arguments:?}: {answer:?}");
    }
    assert_eq!(home.show(&run)["state"], "running");
}

#[test]
fn a_paused_run_frees_its_worker_and_resumes_at_its_step() {
    let home = Home::new();
    let run = home.detach(LONG);
    home.wait_for(&run, "some steps", is_step("search", 5));
    let pid = home.pid(&run);
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    let paused = home.show(&run);
    assert_eq!((&paused["state"], &paused["pid"]), (&"paused".into(), &Value::Null));
    wait("the process is gone", || {
        rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid).unwrap()).is_err()
    });
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0), "once more changes nothing");
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    let step = paused["step"].as_u64().unwrap();
    let resumed = |event: &Value| event["type"] == "resumed" && event["step"].as_u64() == Some(step);
    home.wait_for(&run, "the same step", resumed);
    home.wait_for(&run, "further steps", is_step("search", step + 1));
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    // A paused run has no worker: stop is a line in its log.
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    assert_eq!(home.show(&run)["state"], "stopped");
}

#[test]
fn a_run_does_not_go_on_with_data_that_changed_under_it() {
    let home = Home::new();
    let rows = |count: usize| -> String {
        let row = |n: usize| format!("the soup was {}\t{}\n", ["good", "bad"][n % 2], ["yes", "no"][n % 2]);
        std::iter::once("text\tlabel\n".into()).chain((0..count).map(row)).collect()
    };
    fs::write(home.path("train.tsv"), rows(40)).unwrap();
    let sets = ["data.train=train.tsv", "data.test=train.tsv", "search.steps=1000000"];
    let run = home.detach_with(&sets);
    home.wait_for(&run, "some steps", is_step("search", 5));
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    let inputs = home.events(&run).into_iter().find(|event| event["type"] == "inputs").unwrap();
    assert_eq!(inputs["sha256"]["data.train"].as_str().map(str::len), Some(64));
    fs::write(home.path("train.tsv"), rows(41)).unwrap();
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for_state(&run, "failed");
    let error = home.events(&run).pop().unwrap()["error"].to_string();
    assert!(error.contains("data.test and data.train") && error.contains("not what it was"), "{error}");
    fs::write(home.path("train.tsv"), rows(40)).unwrap();
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for(&run, "further steps", |event| event["type"] == "resumed");
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
}

#[test]
fn a_run_does_not_go_on_with_a_model_that_changed_under_it() {
    let home = Home::new();
    let run = home.detach(LONG);
    home.wait_for(&run, "some steps", is_step("search", 5));
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    let undo = home.damage_model();
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for_state(&run, "failed");
    let error = home.events(&run).pop().unwrap()["error"].to_string();
    assert!(error.contains("what model.id names is not what it was"), "{error}");
    undo();
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for(&run, "further steps", |event| event["type"] == "resumed");
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
}

#[test]
fn a_notice_of_the_scheduler_stops_a_worker_with_a_checkpoint_and_it_goes_on_from_there() {
    let home = Home::new();
    for notice in [Signal::TERM, Signal::USR1] {
        let run = home.detach(LONG);
        home.wait_for(&run, "some steps", is_step("search", 5));
        signal(home.pid(&run), Signal::HUP);
        signal(home.pid(&run), notice);
        home.wait_for_state(&run, "stopped");
        let step = home.show(&run)["step"].as_u64().unwrap();
        let mut worker = home.command(&["worker", home.run_dir(&run).to_str().unwrap()]).spawn().unwrap();
        home.wait_for(&run, "further steps", is_step("search", step + 3));
        let events = home.events(&run);
        let resumed = events.iter().find(|event| event["type"] == "resumed").unwrap();
        assert_eq!((resumed["phase"].as_str(), resumed["step"].as_u64()), (Some("search"), Some(step)));
        signal_child(&worker, notice);
        assert_eq!(worker.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn an_interrupt_stops_a_foreground_run_and_a_hangup_ends_its_follower_alone() {
    let home = Home::new();
    let steps = format!("search.steps={LONG}");
    let arguments = ["run", "quick.toml", "--json", "--set", &steps, "--name"];
    let start = |name: &str| {
        let all: Vec<&str> = arguments.iter().copied().chain([name]).collect();
        let child = home.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait("the run", || searches(&home, name));
        child
    };
    let child = start("interrupted");
    signal_child(&child, Signal::INT);
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(130), "{}", answer.err);
    assert_eq!(answer.lines().pop().unwrap()["type"], "stopped");
    assert_eq!(home.show("interrupted")["state"], "stopped");

    let child = start("hung-up");
    signal_child(&child, Signal::HUP);
    assert_eq!(child.wait_with_output().unwrap().status.code(), None);
    let step = home.show("hung-up")["step"].as_u64().unwrap();
    wait("the worker goes on", || home.show("hung-up")["step"].as_u64() > Some(step + 3));
    assert_eq!(home.show("hung-up")["state"], "running");
}

#[test]
fn a_follower_whose_worker_dies_ends_with_a_failed_line_and_exit_1() {
    let home = Home::new();
    let steps = format!("search.steps={LONG}");
    let mut command = home.command(&["run", "quick.toml", "--json", "--name", "doomed", "--set", &steps]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait("the run", || searches(&home, "doomed"));
    signal(home.pid("doomed"), Signal::KILL);
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(1));
    let last = answer.lines().pop().unwrap();
    assert_eq!((&last["type"], last["ranks"].as_object().map(|ranks| ranks.len())), (&"failed".into(), Some(4)));
    assert!(answer.err.contains("died") && answer.err.contains("autolora resume"), "{}", answer.err);
}

#[test]
fn a_run_that_cannot_work_fails_with_the_reason_and_stays_to_be_looked_at() {
    let home = Home::new();
    fs::remove_file(home.path("model/model.safetensors")).unwrap();
    let answer = home.autolora(&["run", "quick.toml", "--json"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let last = answer.lines().pop().unwrap();
    assert_eq!(last["type"], "failed");
    assert!(last["error"].as_str().unwrap().contains("model.safetensors"), "{last}");
    assert_eq!(home.show("last")["state"], "failed");
    assert!(home.autolora(&["show", "last"]).out.contains("model.safetensors"));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_with_the_step_the_rates_and_advice() {
    let home = Home::new();
    for (set, step, rate) in [
        ("search.weights.lr=1e9", "at warm-up step 3 (lr 1.000e9, selection lr 5.000e-2)", "search.weights.lr"),
        ("retrain.lr=1e9", " of retrain (lr ", "retrain.lr"),
    ] {
        let answer = home.autolora(&[
            "run",
            "quick.toml",
            "--set",
            set,
            "--set",
            "lora.alpha=1e9",
            "--set",
            "search.steps=2",
            "--json",
        ]);
        let last = answer.lines().pop().unwrap();
        assert_eq!((answer.code, &last["type"]), (Some(1), &"failed".into()), "{set}: {last}");
        let (error, advice) = (last["error"].as_str().unwrap(), last["advice"].as_str().unwrap());
        assert!(error.contains("loss is NaN at") && error.contains(step), "{set}: {error}");
        assert!(advice.contains(rate), "{set}: {advice}");
        // What came before the failure is kept.
        let ranks = last["ranks"].as_object().map_or(0, |ranks| ranks.len());
        assert_eq!(ranks, if set.starts_with("search") { 0 } else { 4 });
    }
}

#[test]
fn a_full_disk_fails_the_run_with_a_checkpoint_that_is_whole_and_space_lets_it_go_on() {
    let home = Home::new();
    // The log stays below the limit; the checkpoints do not.
    let run = home.detach_with(&["lora.rank=16", "search.steps=300", "runtime.log_every=100000"]);
    let searching = |event: &Value| event["type"] == "checkpoint" && event["step"].as_u64() > Some(2);
    home.wait_for(&run, "a checkpoint of the search", searching);
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    assert_eq!(home.show(&run)["state"], "stopped");
    let log = fs::metadata(home.run_dir(&run).join("events.jsonl")).unwrap().len();
    let newest = fs::read_dir(home.run_dir(&run).join("checkpoints"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len());
    let blocks = newest.max().unwrap() / 512 - 1;
    assert!(log + 4096 < blocks * 512, "the log is too long for this test: {log} of {}", blocks * 512);
    let mut limited = std::process::Command::new("sh");
    let worker = home.command(&[]);
    limited.envs(worker.get_envs().filter_map(|(key, value)| Some((key, value?))));
    limited.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" worker \"$1\"")]);
    limited.arg(env!("CARGO_BIN_EXE_autolora")).arg(home.run_dir(&run));
    let answer = Answer::of(limited.output().unwrap());
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let failed = home.events(&run).pop().unwrap();
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("no space")), "{failed}");
    assert_eq!(home.show(&run)["state"], "failed");
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    home.wait_for_state(&run, "finished");
}

#[test]
fn what_does_not_exist_exits_3_and_names_the_nearest() {
    let home = Home::new();
    let answer = home.autolora(&["show", "last"]);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    home.detach(LONG);
    for verb in ["show", "watch", "pause", "resume", "stop", "rm"] {
        let answer = home.autolora(&[verb, "quik"]);
        assert_eq!(answer.code, Some(3), "{verb}: {answer:?}");
        assert!(answer.err.contains("quick") && answer.out.is_empty(), "{verb}: {answer:?}");
    }
    let answer = home.autolora(&["run", "dmeo"]);
    assert!(answer.code == Some(3) && answer.err.contains("demo"), "{answer:?}");
    assert_eq!(home.autolora(&["worker", "."]).code, Some(3));
}

#[test]
fn bad_usage_exits_2_and_makes_no_run() {
    let home = Home::new();
    for arguments in [
        vec!["run"],
        vec!["frobnicate"],
        vec!["run", "quick.toml", "--set", "search.stepz=3"],
        vec!["run", "quick.toml", "--set", "lora.rank=0"],
        vec!["run", "quick.toml", "--name", "last"],
        vec!["ls", "--frob"],
        vec!["ls", "--sort", "scor"],
        vec!["ls", "--columns", "name,stat"],
    ] {
        let answer = home.autolora(&arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:?}");
        assert!(answer.out.is_empty() && !answer.err.is_empty(), "{arguments:?}: {answer:?}");
    }
    assert!(!home.path("home").exists());
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let home = Home::new();
    // Not even root makes folders there.
    let answer = home.command(&["run", "quick.toml", "--detach"]).env("AUTOLORA_HOME", "/proc/autolora").output();
    let answer = Answer::of(answer.unwrap());
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("/proc/autolora") && answer.err.contains("AUTOLORA_HOME"), "{answer:?}");
}

#[test]
fn a_removed_run_is_gone_and_a_running_one_only_by_force() {
    let home = Home::new();
    let run = home.detach(LONG);
    assert_eq!(home.autolora(&["rm", &run]).code, Some(4));
    let answer = home.autolora(&["rm", &run, "--force", "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let said = answer.lines().pop().unwrap();
    assert!(said["id"] == run.as_str() && said["freed_bytes"].as_u64() > Some(1000), "{said}");
    assert_eq!(fs::read_dir(home.path("home/runs")).unwrap().count(), 0);
}

#[test]
fn a_name_given_twice_means_the_newest_run_and_that_is_said() {
    let home = Home::new();
    let first = home.detach(LONG);
    assert_eq!(home.autolora(&["stop", "quick"]).code, Some(0));
    let second = home.detach(LONG);
    let answer = home.autolora(&["show", "quick", "--json"]);
    assert_eq!(answer.lines()[0]["id"], second.as_str());
    assert!(answer.err.contains("older") && answer.err.contains(&second), "{answer:?}");
    assert_eq!(home.show(&first)["state"], "stopped");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let home = Home::new();
    let mut child =
        home.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    for arguments in [vec!["completions", "zsh"], vec!["man"], vec!["man", "run"], vec!["doctor"]] {
        let answer = home.autolora(&arguments);
        assert!(answer.code == Some(0) && answer.out.len() > 100, "{arguments:?}: {answer:?}");
    }
    let doctor = home.command(&["doctor"]).env("HF_TOKEN", "hf_secret").output().unwrap();
    let doctor = Answer::of(doctor);
    for line in ["operations   ", "mixed term   ", "determinism  "] {
        assert!(doctor.out.contains(&format!("ok  {line}")), "{}", doctor.out);
    }
    assert!(doctor.out.contains("present") && !doctor.out.contains("hf_secret"), "{}", doctor.out);
}

#[test]
fn what_the_user_said_is_kept_beside_what_was_resolved() {
    let home = Home::new();
    let run = home.detach(LONG);
    let preset = fs::read_to_string(home.run_dir(&run).join("preset.toml")).unwrap();
    assert!(preset.starts_with("# Seconds on a busy machine.") && preset.contains("steps = 1000000"), "{preset}");
    let experiment = fs::read_to_string(home.run_dir(&run).join("experiment.toml")).unwrap();
    let model = home.path("model").canonicalize().unwrap();
    assert!(experiment.contains("weight_decay") && experiment.contains(model.to_str().unwrap()), "{experiment}");
}
