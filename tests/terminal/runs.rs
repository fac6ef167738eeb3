//! The runs table, from one session to the next.

use crate::start;
use crate::support::{PATIENCE, assert_restored};
use crate::synthetic::{Run, Shape};
use autolora::experiment::Experiment;
use autolora::run::event::{Event, Phase};
use autolora::run::lock::hostname;
use autolora::run::log::EventLog;
use autolora::run::store::{NewRun, Store};
use std::fs;
use std::os::unix::fs::symlink;
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
fn what_a_killed_preflight_left_is_no_run_and_goes_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let folder = |pid: u32, host: &str| home.path().join(format!(".preflight-{pid}-{host}"));
    let killed = folder(i32::MAX as u32, &hostname());
    let others = [folder(std::process::id(), &hostname()), folder(1, "another.host")];
    for folder in [&killed, &others[0], &others[1]] {
        make_runs(folder, &["tried"]);
    }
    let mut session = start(home.path(), &[]);
    session.sees("No runs yet.");
    // It goes beside the screen, which waits for nothing; who leaves at once leaves it to the next.
    assert!(session.waits(PATIENCE, |_| !killed.exists()).is_some());
    session.send("q");
    assert_eq!(session.end().0, 0);
    assert!(others.iter().all(|folder| folder.is_dir()), "of a process that lives, or of another machine");
}

/// As where a network's disk is away for a while: the system refuses to look behind a link that leads to itself, whoever asks.
#[test]
fn a_run_that_cannot_be_read_for_a_while_is_followed_on_from_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut run = Run::begin(home.path(), "shared", Shape::SMALL);
    run.step();
    let (events, aside) = (run.dir.events_path(), run.dir.path().join("aside"));
    let away = || {
        fs::rename(&events, &aside).unwrap();
        symlink(&events, &events).unwrap();
    };
    let back = || fs::rename(&aside, &events).unwrap();
    // Away at first.
    away();
    let mut session = start(home.path(), &["watch", "last"]);
    // Wide, so that what is said of the error stands on one line.
    session.resize(220, 45);
    session.sees("it is tried again every second");
    back();
    session.sees("● running");
    session.sees("can be read again");
    session.send("k");
    session.sees("search 1/20");
    // Away in the middle, while the worker goes on.
    away();
    session.sees("was running");
    session.sees("what is shown is from before");
    run.step();
    run.step();
    session.stays_silent();
    assert!(session.screen().contains("search 1/20"), "{}", session.screen());
    back();
    session.sees("search 3/20");
    session.sees("● running");
    session.sees("shared can be read again");
    // Gone for good.
    fs::remove_dir_all(run.dir.path()).unwrap();
    session.sees("this run was deleted");
    session.sees("was running");
    session.send("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn what_changes_the_last_line_alone_is_drawn() {
    let home = tempfile::tempdir().unwrap();
    make_runs(home.path(), &["first", "second"]);
    let mut session = start(home.path(), &[]);
    session.sees("second");
    session.send("c");
    session.sees("mark 2 to 8 runs with v");
    session.send("q");
    assert_eq!(session.end().0, 0);
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
    session.send("[");
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
