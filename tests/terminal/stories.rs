//! What a user does, from the first key to what is left afterwards.

use crate::support::{Session, assert_restored, contains, size};
use crate::{start, with};
use std::time::Duration;

/// Finds a setting in the form and types a value.
fn say(session: &mut Session, setting: &str, value: &str, unit: &str) {
    session.send(&format!("/{setting}"));
    session.sees(&format!("find {setting}"));
    session.send(&format!("\r\r\x15{value}\r"));
    session.sees(&format!(" {value} {unit}"));
    session.send("\x1b");
    session.sees("▸ common");
}

#[test]
fn the_demo_from_the_form_to_its_result_over_two_sessions() {
    let home = tempfile::tempdir().unwrap();
    let mut first = start(home.path(), &[]);
    first.sees("No runs yet.");
    first.send("n");
    first.sees("ready to start");
    for setting in ["search.epochs", "retrain.epochs"] {
        say(&mut first, setting, "0.5", "epochs");
    }
    first.send("s");
    first.sees("in all");
    first.send("\x1b");
    first.sees("s start");
    let left = std::fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().starts_with(".preflight")).count(), 0);
    first.send("s");
    first.sees("Before the start");
    first.send("y");
    first.sees("running");
    first.sees("emerging: mean rank");
    first.send("q");
    let (code, bytes) = first.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);

    let mut second = start(home.path(), &["watch", "last"]);
    second.sees("finished");
    second.sees("majority");
    second.sees("allocated: mean rank");
    second.sees("accuracy");
    second.stays_silent();
    second.send("?");
    second.sees("─ Help");
    second.send("\x1b");
    second.sees("losses of retraining");
    second.send("q");
    let (code, bytes) = second.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
}

#[test]
fn the_demo_of_generation_from_the_presets_to_its_score_and_its_texts() {
    let home = tempfile::tempdir().unwrap();
    let mut session = start(home.path(), &[]);
    session.sees("No runs yet.");
    session.send("p");
    // The second line, from the first: more keys could be sent before the list or the last one is drawn, and go past it.
    session.sees("▸ demo ");
    session.send("j");
    session.sees("▸ demo-generation");
    session.send("\r");
    session.sees("ready to start");
    session.sees("c_attn");
    say(&mut session, "search.epochs", "0.5", "epochs");
    say(&mut session, "retrain.epochs", "1", "epochs");
    session.send("S");
    session.sees("emerging: mean rank");
    session.sees("samples, newest first");
    session.sees("reference  ");
    session.sees("finished");
    session.sees("allocated: mean rank");
    // The score, beside that of the model as it was.
    let screen = session.screen();
    let line = |name: &str| screen.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    let heading: Vec<String> = line("untuned").split_whitespace().map(str::to_owned).collect();
    assert_eq!(heading[..3], ["this", "run", "untuned"], "{screen}");
    let figures: Vec<f64> = line(" bleu ").split_whitespace().skip(1).take(2).flat_map(str::parse).collect();
    assert!(figures.len() == 2 && figures[0] > figures[1] + 10.0, "{screen}");
    session.stays_silent();
    session.send("t");
    session.sees("Samples of held-out rows, newest first");
    session.sees("of 10");
    session.send("\x1b");
    session.sees("Tab pane");
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let home = tempfile::tempdir().unwrap();
        let session = start(home.path(), &[]);
        session.sees("No runs yet.");
        let pid = rustix::process::Pid::from_raw(session.pid() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let (code, bytes) = session.end();
        assert_eq!(code, 130);
        assert_restored(&bytes);
    }
}

#[test]
fn a_screen_on_which_nothing_changes_sends_nothing() {
    let home = tempfile::tempdir().unwrap();
    let session = start(home.path(), &[]);
    session.sees("No runs yet.");
    session.stays_silent();
}

#[test]
fn a_terminal_without_a_size_is_survived() {
    let home = tempfile::tempdir().unwrap();
    let mut session = with(home.path(), &[], size(0, 0), &[]);
    session.sees("No runs yet.");
    session.send("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn any_size_and_back_is_survived() {
    let home = tempfile::tempdir().unwrap();
    let mut session = start(home.path(), &[]);
    session.sees("No runs yet.");
    for (columns, rows) in [(1, 1), (3, 2), (200, 60), (80, 24)] {
        session.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(150));
    }
    session.send("p");
    session.sees("shipped");
    session.send("\x03");
    let (code, bytes) = session.end();
    assert_eq!(code, 130);
    assert_restored(&bytes);
}

#[test]
fn a_plain_terminal_gets_ascii_without_colour() {
    let home = tempfile::tempdir().unwrap();
    let plain = [("LANG", "C"), ("NO_COLOR", "1"), ("TERM", "linux")];
    let mut session = with(home.path(), &[], size(80, 24), &plain);
    session.sees("No runs yet.");
    session.send("n");
    session.sees("ready to start");
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert!(bytes.is_ascii());
    let colours = ["\x1b[31", "\x1b[32", "\x1b[35", "\x1b[36", "\x1b[38;"];
    assert!(colours.iter().all(|colour| !contains(&bytes, colour)));
}

#[test]
fn a_run_that_is_not_there_is_no_screen() {
    let home = tempfile::tempdir().unwrap();
    let session = start(home.path(), &["watch", "nobody"]);
    session.sees("nobody");
    let (code, bytes) = session.end();
    assert_eq!(code, 3);
    assert!(!contains(&bytes, "\x1b[?1049h"));
}
