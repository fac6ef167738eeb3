//! Runs beside each other by the real binary: starred, tagged, noted, compared, made again, deleted together.

use crate::LONG;
use crate::support::{Answer, Home};
use autolora::experiment::Experiment;
use autolora::run::directory::RunDir;
use autolora::run::event::{Event, Metrics, ModuleShape, Phase, Ranks, Step, Timing};
use autolora::run::lock::Lock;
use autolora::run::log::EventLog;
use autolora::run::store::{NewRun, Store};
use serde_json::{Value, json};
use std::fs;

/// A finished run as its worker would have left it: a module of some rank, a few losses, a score.
fn finished(home: &Home, name: &str, rank: usize, accuracy: f64) -> RunDir {
    let mut experiment = Experiment::default();
    experiment.data.id = Some("builtin:demo".into());
    experiment.model.id = "builtin:demo".into();
    experiment.lora.rank = rank;
    let new = NewRun { name, experiment, preset: "# mine\n[model]\nid = \"builtin:demo\"\n", ..NewRun::default() };
    let run = Store::new(&home.path("home")).create(new).unwrap();
    let mut log = EventLog::open(&run.events_path()).unwrap();
    for (n, loss) in [(1, 0.9), (2, 0.25), (3, 0.5)] {
        log.append(Event::Step(Step { validation_loss: Some(loss), ..Step::new(Phase::Search, n, 1.0, 1e-3) }))
            .unwrap();
    }
    let path = "bert.encoder.layer.0.attention.self.query".to_string();
    log.append(Event::Prepared {
        phase: Phase::Prepare,
        model: "builtin:demo".into(),
        train_rows: 1,
        validation_rows: 1,
        test_rows: 1,
        truncated_rows: 0,
        labels: Vec::new(),
        rank,
        threshold: None,
        trainable_parameters: 1,
        frozen_parameters: 1,
        head_parameters: 1,
        modules: vec![(path.clone(), ModuleShape { inputs: 4, outputs: 6 })],
        warmup_steps: 0,
        task: "classification".into(),
        metric: "accuracy".into(),
        max_length: 16,
    })
    .unwrap();
    let metrics = Metrics::from([("accuracy".to_string(), accuracy), ("test_loss".to_string(), 1.0 - accuracy)]);
    log.append(Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: metrics.clone() }).unwrap();
    let ranks = Ranks::from([(path, rank)]);
    let (id, dir) = (run.id().to_string(), run.path().display().to_string());
    let phase = Phase::Export;
    log.append(Event::Finished { phase, run: id, dir, ranks, metrics, timing: Timing::new() }).unwrap();
    run
}

fn ends(answer: &Answer, code: i32, says: &str) {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    assert!(answer.err.contains(says), "{answer:?}");
}

#[test]
fn stars_tags_and_notes_are_kept_and_shown() {
    let home = Home::new();
    let run = finished(&home, "one", 4, 0.9);
    finished(&home, "two", 2, 0.8);
    let plain = home.autolora(&["ls"]);
    assert!(!plain.out.contains("tags"), "{plain:?}");
    ends(&home.autolora(&["star", "one"]), 0, "is starred");
    ends(&home.autolora(&["tag", "one", "paper", "lr, sweep"]), 0, "paper, lr, sweep");
    ends(&home.autolora(&["tag", "one", "--remove", "lr"]), 0, "paper, sweep");
    ends(&home.autolora(&["note", "one", "the one\nin the report"]), 0, "has a note");
    assert_eq!(home.autolora(&["tag", "one"]).out, "paper\nsweep\n");
    assert_eq!(home.autolora(&["note", "one"]).out, "the one in the report\n");
    let shown = home.show("one");
    assert_eq!((&shown["star"], &shown["tags"]), (&json!(true), &json!(["paper", "sweep"])));
    assert_eq!(shown["note"], "the one in the report");
    assert_eq!(shown["validation"]["best"], json!({"step": 2, "loss": 0.25}));
    assert_eq!(shown["validation"]["last"]["step"], 3);
    let listed = home.autolora(&["ls", "--json"]).lines();
    assert_eq!((&listed[0]["star"], &listed[1]["star"], &listed[1]["tags"]), (&json!(true), &json!(false), &json!([])));
    assert!(home.autolora(&["ls"]).out.contains("* paper sweep"));
    let text = home.autolora(&["show", "one"]).out;
    assert!(text.contains("tags     starred, paper, sweep") && text.contains("note     the one"), "{text}");
    ends(&home.autolora(&["star", "one", "--off"]), 0, "has no star");
    ends(&home.autolora(&["note", "one", ""]), 0, "has no note");
    assert_eq!(home.autolora(&["note", "one"]).out, "");

    ends(&home.autolora(&["tag", "one", "--", "-x"]), 2, "begins with a dash");
    ends(&home.autolora(&["tag", "one", "--remove"]), 2, "required");
    ends(&home.autolora(&["star", "nothing"]), 3, "no run");
    fs::write(run.path().join("notes.json"), "{").unwrap();
    ends(&home.autolora(&["tag", "one", "x"]), 1, "notes.json is broken");
    let listed = home.autolora(&["ls", "--json"]);
    assert_eq!((listed.code, listed.lines().len()), (Some(0), 2), "a list is shown all the same");
    ends(&listed, 0, "warning");
}

#[test]
fn tags_from_many_programs_at_once_are_all_kept_and_who_keeps_the_notes_for_itself_is_told_of() {
    let home = Home::new();
    let run = finished(&home, "one", 4, 0.9);
    let tags: Vec<String> = (0..16).map(|n| format!("t{n:02}")).collect();
    let tagging: Vec<_> = tags.iter().map(|tag| home.command(&["tag", "one", tag]).spawn().unwrap()).collect();
    for mut child in tagging {
        assert!(child.wait().unwrap().success());
    }
    let mut kept: Vec<String> = home.autolora(&["tag", "one"]).out.lines().map(String::from).collect();
    kept.sort();
    assert_eq!(kept, tags);
    let held = fs::File::options().write(true).open(run.path().join("notes.lock")).unwrap();
    held.lock().unwrap();
    ends(&home.autolora(&["star", "one"]), 4, "are being changed by another");
    drop(held);
    ends(&home.autolora(&["star", "one"]), 0, "is starred");
}

#[test]
fn an_answer_that_nobody_could_read_is_an_error() {
    let home = Home::new();
    finished(&home, "one", 4, 0.9);
    let shell = |script: &str| {
        let command = home.command(&[]);
        let program = command.get_program().to_owned();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]).arg(program).envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        Answer::of(shell.output().unwrap())
    };
    ends(&shell("\"$0\" ls >&-"), 1, "standard output is closed");
    ends(&shell("\"$0\" show one --json >&-"), 1, "standard output is closed");
    // What answers on stderr alone needs none, and one that leads nowhere was meant so.
    ends(&shell("\"$0\" star one >&-"), 0, "is starred");
    assert_eq!(shell("\"$0\" ls >/dev/null").code, Some(0));
    assert_eq!(shell("\"$0\" ls <>/dev/null >&0").code, Some(0));
}

#[test]
fn a_list_is_filtered_sorted_and_has_the_columns_that_are_asked_for() {
    let home = Home::new();
    finished(&home, "one", 4, 0.9);
    finished(&home, "two", 2, 0.8);
    let third = finished(&home, "three", 6, 0.95);
    let names = |words: &[&str]| -> Vec<String> {
        let answer = home.autolora(&[["ls", "--json"].as_slice(), words].concat());
        assert_eq!(answer.code, Some(0), "{answer:?}");
        answer.lines().iter().map(|run| run["name"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(names(&[]), ["one", "two", "three"], "oldest first");
    assert_eq!(names(&["--sort", "score"]), ["three", "one", "two"], "best first");
    assert_eq!(names(&["--sort", "score:asc"]), ["two", "one", "three"]);
    assert_eq!(names(&["--sort", "mean-rank:desc"]), ["three", "one", "two"]);
    assert_eq!(names(&["--sort", "name"]), ["one", "three", "two"]);
    assert_eq!(names(&["--sort", "started:asc"]), ["one", "two", "three"]);
    assert_eq!(names(&["--filter", "state:fin -name:one"]), ["two", "three"]);
    assert_eq!(names(&["--filter", "-tw"]), ["one", "three"]);
    assert_eq!(names(&["--filter", "state:failed"]), Vec::<String>::new());
    let text = home.autolora(&["ls", "--columns", "name,score,mean-rank,parameters", "--sort", "score"]).out;
    let expected = "name   score            mean rank  parameters\n\
                    three  0.9500 accuracy  6.00       60\n\
                    one    0.9000 accuracy  4.00       40\n\
                    two    0.8000 accuracy  2.00       20\n";
    assert_eq!(text, expected);
    ends(&home.autolora(&["ls", "--sort", "scor"]), 2, "did you mean score?");
    ends(&home.autolora(&["ls", "--filter", "state:finishd"]), 2, "did you mean state:finished?");
    ends(&home.autolora(&["ls", "--filter", "-phase:tea"]), 2, "one of prepare, ");
    ends(&home.autolora(&["ls", "--columns", "name,mean-rnk"]), 2, "did you mean mean-rank?");
    ends(&home.autolora(&["ls", "--sort", "score:up"]), 2, "asc or desc");

    let damaged = || -> Vec<Value> {
        home.autolora(&["ls", "--json"]).lines().iter().map(|run| run["damaged"].clone()).collect()
    };
    assert_eq!(damaged(), [Value::Null, Value::Null, Value::Null]);
    fs::write(third.path().join("run.json"), "").unwrap();
    assert_eq!(damaged()[2], json!("run.json is empty"));
    fs::remove_file(third.events_path()).unwrap();
    fs::create_dir(third.events_path()).unwrap();
    let said = damaged()[2].as_str().unwrap().to_string();
    assert!(said.contains("events.jsonl"), "{said}");
    let text = home.autolora(&["ls", "--filter", "state:unread"]).out;
    assert!(text.contains("unreadable") && !text.contains("finished"), "{text}");
}

#[test]
fn a_run_tells_when_it_was_made_and_from_which() {
    let home = Home::new();
    let parent = finished(&home, "one", 4, 0.9);
    let new = NewRun { name: "child", parent: Some(parent.id()), ..NewRun::default() };
    Store::new(&home.path("home")).create(new).unwrap();
    let show = |zone: &str| Answer::of(home.command(&["show", "child"]).env("TZ", zone).output().unwrap()).out;
    let text = show("UTC");
    assert!(text.contains(&format!("parent   made from {} (one)", parent.id())), "{text}");
    let created = home.show("child")["created"].as_str().unwrap().to_string();
    let minute = created[..16].replace('T', " ");
    assert!(text.contains(&format!("started  {minute}\n")) && created.ends_with('Z'), "{text} {created}");
    assert!(!show("UTC-3").contains(&minute), "told in local time");
    fs::remove_dir_all(parent.path()).unwrap();
    assert!(show("UTC").contains("(not there any more)"));
}

#[test]
fn runs_are_compared_in_settings_ranks_and_scores() {
    let home = Home::new();
    let first = finished(&home, "one", 4, 0.9);
    finished(&home, "two", 6, 0.8);
    let answer = home.autolora(&["compare", "one", "two", "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let lines = answer.lines();
    assert_eq!(lines.len(), 1);
    let found = &lines[0];
    assert_eq!((&found["runs"][0]["id"], &found["runs"][1]["name"]), (&json!(first.id()), &json!("two")));
    assert_eq!(found["settings"], json!([{"key": "lora.rank", "values": ["4", "6"]}]));
    let module = "bert.encoder.layer.0.attention.self.query";
    assert_eq!(found["ranks"], json!([{"module": module, "ranks": [4, 6], "differences": [0, 2]}]));
    assert_eq!(found["totals"][1], json!({"parameters": 60, "mean_rank": 6.0, "allocated": false}));
    let score = |name: &str| -> Value {
        let all = found["scores"].as_array().unwrap();
        all.iter().find(|score| score["name"] == name).unwrap()["best"].clone()
    };
    assert_eq!((score("accuracy"), score("test_loss")), (json!([0]), json!([0])));
    let text = home.autolora(&["compare", "one", "two"]).out;
    for part in ["lora.rank  4      6", "4      6 (+2)", "0.9000 *  0.8000", "0.2500 at 2", "0.5000 at 3"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let at = |step: &str| home.autolora(&["compare", "one", "two", "--at", step, "--json"]).lines().pop().unwrap();
    let of = |step: usize, loss: f64| json!([{"step": step, "loss": loss}, {"step": step, "loss": loss}]);
    assert_eq!(at("1")["losses"]["validation"], json!({"best": of(2, 0.25), "at": of(1, 0.9)}));
    assert_eq!(at("4")["losses"]["validation"]["at"], json!([null, null]), "beyond the end");
    assert_eq!(found["losses"]["validation"], json!({"best": of(2, 0.25), "last": of(3, 0.5)}));
}

#[test]
fn one_run_nine_runs_and_a_run_twice_cannot_be_compared() {
    let home = Home::new();
    let run = finished(&home, "one", 4, 0.9);
    finished(&home, "two", 4, 0.9);
    ends(&home.autolora(&["compare", "one"]), 2, "from 2 to 8 can");
    ends(&home.autolora(&["compare", "one", "two", run.id()]), 2, "twice");
    ends(&home.autolora(&["compare", "one", "three"]), 3, "three");
    let many: Vec<&str> = std::iter::once("compare").chain(std::iter::repeat_n("one", 9)).collect();
    ends(&home.autolora(&many), 2, "9 runs");
}

#[test]
fn several_runs_are_deleted_all_or_none() {
    let home = Home::new();
    let names = ["one", "two", "three"];
    let runs: Vec<RunDir> = names.iter().map(|name| finished(&home, name, 4, 0.9)).collect();
    let lock = Lock::acquire(&runs[1].lock_path()).unwrap();
    ends(&home.autolora(&["rm", "one", "two", "three"]), 4, "at work");
    ends(&home.autolora(&["rm", "one", "four"]), 3, "four");
    assert!(runs.iter().all(|run| run.path().is_dir()), "none is gone");
    drop(lock);
    let gone = home.autolora(&["rm", "one", "two", runs[0].id(), "--json"]).lines();
    assert_eq!(gone.iter().map(|line| line["id"].as_str().unwrap()).collect::<Vec<_>>(), [runs[0].id(), runs[1].id()]);
    assert!(gone.iter().all(|line| line["freed_bytes"].as_u64() > Some(100)));
    assert_eq!(runs.iter().map(|run| run.path().is_dir()).collect::<Vec<_>>(), [false, false, true]);
    ends(&home.autolora(&["rm"]), 2, "required");
}

#[test]
fn a_run_is_made_again_with_changes_and_its_notes_outlive_a_resume() {
    let home = Home::new();
    let run = home.detach(LONG);
    ends(&home.autolora(&["tag", &run, "first"]), 0, "first");
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    assert_eq!(home.show(&run)["tags"], json!(["first"]));
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));

    ends(&home.autolora(&["rerun", &run, "--set", "lora.rang=2"]), 2, "lora.rank");
    assert_eq!(home.autolora(&["ls", "--json"]).lines().len(), 1, "nothing is left of it");
    let answer = home.autolora(&["rerun", &run, "--set", "lora.rank=2", "--detach", "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let new = &answer.lines()[0];
    let id = new["id"].as_str().unwrap();
    assert_eq!((&new["parent"], &new["name"]), (&json!(run), &json!("quick-2")));
    assert_eq!(home.autolora(&["stop", id]).code, Some(0));
    let experiment = |run: &str| home.show(run)["experiment"].clone();
    let (old, new) = (experiment(&run), experiment(id));
    assert_eq!((&old["lora"]["rank"], &new["lora"]["rank"]), (&json!(3), &json!(2)));
    assert_eq!((&old["search"], &old["data"]), (&new["search"], &new["data"]));
    assert_eq!(home.show(id)["tags"], json!([]));
    let preset = fs::read_to_string(home.run_dir(id).join("preset.toml")).unwrap();
    assert!(preset.contains("# Seconds on a busy machine.") && preset.contains("rank = 2"), "{preset}");
}
