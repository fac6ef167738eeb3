//! The runs table, from one session to the next.

use crate::start;
use crate::support::assert_restored;
use autolora::experiment::Experiment;
use autolora::run::event::{Event, Phase};
use autolora::run::log::EventLog;
use autolora::run::store::{NewRun, Store};
use std::path::Path;

/// Runs that were stopped after a few steps, the last one the newest.
fn make_runs(home: &Path, names: &[&str]) {
    for (n, name) in names.iter().enumerate() {
        let mut experiment = Experiment::default();
        experiment.data.id = Some("builtin:demo".into());
        experiment.model.id = "builtin:demo".into();
        experiment.runtime.seed = n as u64;
        let preset = format!("# of {name}\n[model]\nid = \"builtin:demo\"\n[data]\nid = \"builtin:demo\"\n");
        let run = Store::new(home).create(NewRun { name, parent: None, experiment, preset: &preset }).unwrap();
        let mut log = EventLog::open(&run.events_path()).unwrap();
        log.append(Event::Stopped { phase: Phase::Search, step: n, reason: "asked".into() }).unwrap();
    }
}

#[test]
fn runs_are_starred_tagged_compared_made_again_and_deleted_and_the_columns_are_remembered() {
    let home = tempfile::tempdir().unwrap();
    make_runs(home.path(), &["first", "second", "third"]);
    let mut session = start(home.path(), &[]);
    session.sees("3 in all");
    session.send("*");
    session.sees("★ third");
    session.send("tpaper\r");
    session.sees("tags     paper");
    session.send("/tag:pap");
    session.sees("1 shown");
    session.send("\x1b");
    session.sees("0 running, 3 in all");
    session.send("C ");
    session.sees("[ ] state");
    session.send("\x1b");
    session.sees("Enter open");
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);

    let mut session = start(home.path(), &[]);
    session.sees("★ third");
    assert!(!session.screen().contains("stopped"), "{}", session.screen());
    session.send("V");
    session.sees("3 marked");
    session.send("c");
    session.sees("AutoLoRA  compare");
    session.send("\t");
    session.sees("runtime.seed");
    session.stays_silent();
    session.send("\x1b");
    session.sees("AutoLoRA  runs");
    session.send("e");
    session.sees("third-2");
    session.sees("ready to start");
    session.send("\x1b");
    session.sees("3 marked");
    session.send("d");
    session.sees("Delete 3 runs?");
    session.sees("starred");
    session.send("y");
    session.sees("No runs yet.");
    session.sees("3 runs are deleted");
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
}
