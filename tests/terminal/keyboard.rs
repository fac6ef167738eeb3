//! What comes over the line into the program, whole or not.

use crate::start;
use crate::support::{PATIENCE, Session, assert_restored};
use crate::synthetic::{Run, Shape};
use std::time::{Duration, Instant};

/// Types a key now and then until the program ends; gives its exit code.
fn ends_by(mut session: Session, key: &str) -> u32 {
    let start = Instant::now();
    while session.child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "no {key:?} is heard:\n{}", session.screen());
        session.send(key);
        std::thread::sleep(Duration::from_millis(150));
    }
    let (code, bytes) = session.end();
    assert_restored(&bytes);
    code
}

#[test]
fn a_sequence_without_its_end_swallows_no_key() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "typed", Shape::SMALL);
    for begun in ["\x1b[<", "\x1b[200~abc", "\x1b[1;", "\x1b]11;rgb:", "\x1b[M", "\u{e6}"] {
        for (key, code) in [("\x03", 130), ("q", 0)] {
            if begun.starts_with("\x1b[200~") && key == "q" {
                // Typed on and on, it would be part of the paste.
                continue;
            }
            let mut session = start(home.path(), &[]);
            session.sees("typed");
            session.send(begun);
            assert_eq!(ends_by(session, key), code, "{key:?} after {begun:?}");
        }
    }
}

/// A line on which the pieces of what a terminal sends come a third of a second apart.
#[test]
fn what_a_slow_line_cuts_in_pieces_is_no_key() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "typed", Shape::SMALL);
    let mut session = start(home.path(), &[]);
    session.sees("typed");
    for piece in ["\x1b[2", "0~\x1b[20", "0~qq", "qq\x1b[2", "01~\x1b[", "A\x1b[20", "0~qqqq\x1b[20", "1~?"] {
        session.send(piece);
        std::thread::sleep(Duration::from_millis(333));
    }
    session.sees("─ Help");
    session.send("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn what_was_pasted_without_an_end_arrives() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "typed", Shape::SMALL);
    let mut session = start(home.path(), &[]);
    session.sees("typed");
    session.send("/");
    session.sees("find");
    session.send("\x1b[200~abc");
    session.sees("No run has all these words.");
    session.send("\x1b");
    session.sees("q quit");
    session.send("q");
    assert_eq!(session.end().0, 0);
}
