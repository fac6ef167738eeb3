//! What a connection does to the screen, and the screen to a connection: sizes, signals, faults, slowness, colours,
//! bells, the mouse.

use crate::support::{PATIENCE, Session, assert_restored, contains, size};
use crate::synthetic::{Run, Shape};
use crate::{PROGRAM, start, with};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn kill(session: &Session, signal: Signal) {
    kill_process(Pid::from_raw(session.pid() as i32).unwrap(), signal).unwrap();
}

/// What `show` says of the newest run.
fn shown(home: &Path) -> serde_json::Value {
    let answer = Command::new(PROGRAM).args(["show", "last", "--json"]).env("AUTOLORA_HOME", home).output().unwrap();
    let text = String::from_utf8(answer.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// The newest run is at work, and comes further.
pub fn goes_on(home: &Path, after: &str) {
    let place = |shown: &serde_json::Value| (shown["phase"].clone(), shown["step"].clone());
    let (start, before) = (Instant::now(), place(&shown(home)));
    loop {
        let now = shown(home);
        assert_eq!(now["state"], "running", "after {after}");
        if place(&now) != before {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "it stands still after {after}: {now}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn whatever_ends_the_screen_the_terminal_is_given_back_and_the_run_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let verb = |arguments: &[&str]| {
        let answer = Command::new(PROGRAM).args(arguments).env("AUTOLORA_HOME", home.path()).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    };
    verb(&["run", "demo", "--detach"]);
    for signal in [Signal::TERM, Signal::HUP, Signal::KILL] {
        let session = start(home.path(), &["watch", "last"]);
        session.sees("demo");
        kill(&session, signal);
        let (code, bytes) = session.end();
        if signal != Signal::KILL {
            assert_eq!(code, 130, "{signal:?}");
            assert_restored(&bytes);
        }
        goes_on(home.path(), &format!("{signal:?}"));
    }
    // The terminal itself goes away.
    let session = start(home.path(), &["watch", "last"]);
    session.sees("demo");
    drop(session);
    goes_on(home.path(), "the terminal went away");
    verb(&["stop", "last"]);
    assert_eq!(shown(home.path())["state"], "stopped");
}

/// The signals that are not made to end a screen: whoever started the program hears which one it was.
#[test]
fn signals_of_other_kinds_do_what_they_always_do_once_the_terminal_is_given_back() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "hit", Shape::SMALL);
    for signal in [Signal::QUIT, Signal::USR1, Signal::USR2, Signal::ALARM, Signal::ABORT] {
        // A shell says by which signal a program ended.
        let script = format!(
            "ulimit -c 0; {PROGRAM} watch last; echo ended by $(($? - 128)), $(stty -a | grep -o -e '-\\?icanon')"
        );
        let mut session = Session::of("sh", home.path(), &["-c", &script], size(80, 24), &[]);
        session.sees("allocated");
        kill_process(child_of(&session), signal).unwrap();
        session.sends(&format!("ended by {}, icanon", signal.as_raw()));
        let status = session.child.wait().unwrap();
        assert!(status.success());
        assert_restored(&session.output().bytes);
    }
}

/// The program that the session's shell has started.
fn child_of(session: &Session) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", session.pid());
    let children = std::fs::read_to_string(children).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap()
}

#[test]
fn a_screen_is_put_aside_and_brought_back() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "aside", Shape::SMALL);
    let script = format!(
        "set -m; {PROGRAM} watch last; while jobs %% >/dev/null 2>&1; do echo stopped, $(stty -a | grep -o -e '-\\?icanon'); read go; fg >/dev/null; done; echo gone"
    );
    let mut session = Session::of("sh", home.path(), &["-c", &script], size(80, 24), &[]);
    session.sees("allocated");
    // By the key, then from outside; while a line is typed, too.
    for (way, shown) in [("\x1a", "allocated"), ("", "allocated"), ("/abc\x1a", "abc")] {
        match way {
            "" => kill_process(child_of(&session), Signal::TSTP).unwrap(),
            keys => session.send(keys),
        }
        session.sees("stopped, icanon");
        assert!(!session.screen().contains("allocated"), "{}", session.screen());
        session.stays_silent();
        session.send("\n");
        session.sees(shown);
    }
    session.send("\x03");
    session.sees("gone");
    let (_, bytes) = session.end();
    assert_restored(&bytes);
    let count = |part: &[u8]| bytes.windows(part.len()).filter(|window| *window == part).count();
    assert_eq!((count(b"\x1b[?1049h"), count(b"\x1b[?1049l")), (4, 4), "taken and given back each time");
}

/// Nobody could continue it: the shell of a terminal's only program is not there.
#[test]
fn a_stop_that_nobody_could_end_is_none() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "alone", Shape::SMALL);
    let mut session = start(home.path(), &["watch", "last"]);
    session.sees("allocated");
    session.send("\x1a");
    session.sends("\x1b[?1049l\x1b[?1049h");
    session.sees("allocated");
    session.send("q");
    assert_eq!(session.end().0, 0);
}

/// Only a build with debug assertions can be made to fail; the others pass over it.
#[test]
fn a_fault_of_the_program_gives_the_terminal_back_before_it_is_told() {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: this build has no fault on purpose");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut session = with(home.path(), &[], size(80, 24), &[("AUTOLORA_TEST_FAULT", "1")]);
    session.sees("No runs yet.");
    session.send("\x1b[24~");
    session.sends("a fault on purpose");
    let (code, bytes) = session.end();
    assert_eq!(code, 101);
    assert_restored(&bytes);
    let place = |part: &str| bytes.windows(part.len()).position(|window| window == part.as_bytes()).unwrap();
    assert!(place("\x1b[?1049l") < place("a fault on purpose"));
}

#[test]
fn a_monitor_of_any_size_and_back_shows_what_it_showed() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "sized", Shape::SMALL);
    let mut session = start(home.path(), &["watch", "last"]);
    session.sees("allocated: mean rank");
    let before = session.screen();
    for (columns, rows) in [(1, 1), (2, 1), (1, 9), (300, 100), (7, 3), (80, 24)] {
        let sent = session.sent();
        session.resize(columns, rows);
        let drawn = session.waits(PATIENCE, |output| output.bytes[sent..].ends_with(b"\x1b[?2026l"));
        assert!(drawn.is_some(), "{columns} x {rows}");
    }
    session.sees("allocated: mean rank");
    // The byte rate in the last line may be another one.
    let lines = |screen: &str| screen.lines().take(23).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&session.screen()), lines(&before));
    session.send("q");
    assert_eq!(session.end().0, 0);
}

/// A screen whose terminal takes nothing any more.
fn stuck(home: &Path) -> Session {
    Run::finished(home, "stuck", Shape::SMALL);
    let mut session = with(home, &["watch", "last"], size(300, 100), &[]);
    session.sees("allocated: mean rank");
    session.hold(true);
    // Frames enough to fill whatever lies between.
    for columns in 0..60 {
        session.master.resize(size(300 - columns % 2, 100)).unwrap();
        session.send("?");
        std::thread::sleep(Duration::from_millis(5));
    }
    session
}

#[test]
fn a_terminal_that_takes_nothing_stops_neither_keys_nor_signals() {
    for way in ["q", ""] {
        let home = tempfile::tempdir().unwrap();
        let mut session = stuck(home.path());
        match way {
            "" => kill(&session, Signal::TERM),
            keys => session.send(keys),
        }
        let start = Instant::now();
        while session.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        session.hold(false);
    }
}

/// The line stands still while the program ends, and comes back to life only after that, or never.
#[test]
fn a_terminal_that_stands_still_at_the_end_is_given_back_all_the_same() {
    for way in ["q", ""] {
        let home = tempfile::tempdir().unwrap();
        let mut session = stuck(home.path());
        let start = Instant::now();
        match way {
            "" => kill(&session, Signal::TERM),
            keys => session.send(keys),
        }
        while session.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
        session.hold(false);
        session.sends("\x1b[?1049l");
        let (_, bytes) = session.end();
        for part in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l"] {
            assert!(contains(&bytes, part), "{part:?} is missing");
        }
    }
}

#[test]
fn a_live_run_stays_within_its_bytes() {
    let home = tempfile::tempdir().unwrap();
    let mut run =
        Run::begin(home.path(), "live", Shape { layers: 12, kinds: 2, steps: 4000, snapshots: 2000, rank: 8 });
    let session = with(home.path(), &["watch", "last"], size(160, 45), &[]);
    session.sees("live");
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        run.step();
        std::thread::sleep(Duration::from_millis(3));
    }
    let output = session.output();
    let pieces: Vec<(Instant, usize)> = std::iter::once((start, 0))
        .chain(output.pieces.windows(2).map(|two| (two[1].0, two[1].1 - two[0].1)))
        .filter(|(time, _)| *time >= start)
        .collect();
    let sent: usize = pieces.iter().map(|(_, bytes)| bytes).sum();
    assert!(sent > 4000, "it shows what happens: {sent} bytes");
    for (from, _) in &pieces {
        let window = |time: &Instant| *time >= *from && time.duration_since(*from) < Duration::from_millis(1900);
        let held: usize = pieces.iter().filter(|(time, _)| window(time)).map(|(_, bytes)| bytes).sum();
        assert!(held <= 2 * 8192, "{held} bytes in 2 s");
    }
}

#[test]
fn colours_are_those_that_the_terminal_has() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "hued", Shape::SMALL);
    let drawn = |variables: &[(&str, &str)]| {
        let mut session = with(home.path(), &["watch", "last"], size(120, 40), variables);
        session.sees("allocated");
        session.send("q");
        session.end().1
    };
    let has = |bytes: &[u8], parts: &[&str]| parts.iter().map(|part| contains(bytes, part)).collect::<Vec<_>>();
    let depths = ["38;5;", "38;2;", "32m"];
    assert_eq!(has(&drawn(&[("TERM", "xterm")]), &depths), [false, false, true]);
    assert_eq!(has(&drawn(&[]), &depths[..2]), [true, false]);
    assert_eq!(has(&drawn(&[("NO_COLOR", "1")]), &depths), [false, false, false]);
    assert_eq!(has(&drawn(&[("TERM", "dumb")]), &depths), [false, false, false]);
    let plain = drawn(&[("LANG", "C"), ("TERM", "xterm-256color")]);
    assert!(plain.is_ascii());
}

#[test]
fn a_run_that_ends_while_it_is_watched_rings_and_one_that_had_ended_does_not() {
    let home = tempfile::tempdir().unwrap();
    Run::finished(home.path(), "before", Shape::SMALL);
    let mut run = Run::begin(home.path(), "now", Shape::SMALL);
    run.step();
    // On the monitor and on the table.
    let sessions = [start(home.path(), &["watch", "now"]), start(home.path(), &[])];
    sessions[0].sees("● running");
    sessions[1].sees("● running");
    run.finish();
    for mut session in sessions {
        session.sends("\x07\x1b]9;autolora: now finished\x07");
        session.send("q");
        let (_, bytes) = session.end();
        assert!(!contains(&bytes, "autolora: before"));
        assert_eq!(bytes.iter().filter(|byte| **byte == 7).count(), 2, "one bell, one end of a notice");
    }
}

#[test]
fn bells_are_silent_where_the_user_says_so_and_wrapped_for_tmux() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "[notify]\nbell = false\n").unwrap();
    let mut run = Run::begin(home.path(), "gone", Shape::SMALL);
    run.step();
    let mut session = with(home.path(), &[], size(80, 24), &[("TMUX", "/tmp/tmux-0/default,1,0")]);
    session.sees("● running");
    run.die();
    session.sends("\x1bPtmux;\x1b\x1b]9;autolora: gone died: its worker is gone\x07\x1b\\");
    session.send("q");
    let (_, bytes) = session.end();
    assert_eq!(bytes.iter().filter(|byte| **byte == 7).count(), 1, "the end of the notice alone");
}

#[test]
fn the_mouse_is_off_unless_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for name in ["first", "second", "third"] {
        Run::finished(home.path(), name, Shape::SMALL);
    }
    let mut session = start(home.path(), &[]);
    session.sees("third");
    session.send("q");
    let (_, bytes) = session.end();
    for mode in ["1000", "1002", "1003", "1006"] {
        assert!(!contains(&bytes, &format!("\x1b[?{mode}")), "{mode}");
    }

    std::fs::write(home.path().join("config.toml"), "[ui]\nmouse = true\n").unwrap();
    let clicked = |session: &mut Session, text: &str| {
        session.sees(text);
        let screen = session.screen();
        let row = screen.lines().position(|line| line.contains(text)).unwrap();
        let line = screen.lines().nth(row).unwrap();
        let column = line[..line.find(text).unwrap()].chars().count();
        session.send(&format!("\x1b[<0;{};{}M\x1b[<0;{};{}m", column + 1, row + 1, column + 1, row + 1));
    };
    for arguments in [&["--mouse"][..], &[]] {
        let mut session = start(home.path(), arguments);
        session.sees("third");
        clicked(&mut session, "first");
        session.sees("▸   first");
        session.send("\x1b[<64;3;4M");
        session.sees("▸   third");
        clicked(&mut session, "? help");
        session.sees(" Help");
        clicked(&mut session, "Esc close");
        session.sees("q quit");
        clicked(&mut session, "q quit");
        let (code, bytes) = session.end();
        assert_eq!(code, 0);
        assert!(contains(&bytes, "\x1b[?1006h") && contains(&bytes, "\x1b[?1000l"));
        assert!(!contains(&bytes, "\x1b[?1003h"), "movements cost bytes");
        assert_restored(&bytes);
    }
}

#[test]
fn a_wrong_configuration_is_told_and_there_is_no_screen() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "[ui]\nmous = true\n").unwrap();
    let session = start(home.path(), &[]);
    session.sends("did you mean ui.mouse?");
    let (code, bytes) = session.end();
    assert_eq!(code, 2);
    assert!(!contains(&bytes, "\x1b[?1049h"));
}
