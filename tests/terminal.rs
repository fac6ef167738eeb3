//! The real binary in a terminal: what a user sees, and what is left of it afterwards.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// What came out so far: the screen that it makes, and the bytes.
struct Output {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// The program in a terminal of its own.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Arc<Mutex<Output>>,
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Session {
    fn start(home: &Path, arguments: &[&str]) -> Session {
        Session::with(home, arguments, size(80, 24), &[])
    }

    fn with(home: &Path, arguments: &[&str], size: PtySize, variables: &[(&str, &str)]) -> Session {
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_autolora"));
        command.args(arguments);
        command.cwd(home);
        command.env("AUTOLORA_HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env_remove("LC_ALL");
        command.env_remove("LC_CTYPE");
        command.env_remove("NO_COLOR");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = vt100::Parser::new(at_least(size.rows, 24), at_least(size.cols, 80), 0);
        let output = Arc::new(Mutex::new(Output { screen, bytes: Vec::new() }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let filled = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut output = filled.lock().unwrap();
                output.screen.process(&buffer[..count]);
                output.bytes.extend_from_slice(&buffer[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Session { child, master: pair.master, keys, output }
    }

    fn screen(&self) -> String {
        self.output.lock().unwrap().screen.screen().contents()
    }

    fn sent(&self) -> usize {
        self.output.lock().unwrap().bytes.len()
    }

    fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows a text.
    fn sees(&self, text: &str) {
        let start = Instant::now();
        while !self.screen().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} on:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Finds a setting in the form and types a value.
    fn says(&mut self, setting: &str, value: &str, unit: &str) {
        self.send(&format!("/{setting}"));
        self.sees(&format!("find {setting}"));
        self.send(&format!("\r\r\x15{value}\r"));
        self.sees(&format!(" {value} {unit}"));
        self.send("\x1b");
        self.sees("lora.targets");
    }

    /// Waits for the end; gives the exit code and all that came out.
    fn end(mut self) -> (u32, Vec<u8>) {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        };
        // The reader may lag behind the end.
        std::thread::sleep(Duration::from_millis(100));
        let bytes = self.output.lock().unwrap().bytes.clone();
        (code, bytes)
    }

    /// Nothing is sent while nothing changes.
    fn stays_silent(&self) {
        std::thread::sleep(Duration::from_millis(700));
        let before = self.sent();
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(self.sent(), before, "bytes without a change");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
    }
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// The terminal was taken and given back: alternate screen left, cursor shown, paste mode off.
fn assert_restored(bytes: &[u8]) {
    assert!(contains(bytes, "\x1b[?1049h"));
    for part in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l"] {
        assert!(contains(bytes, part), "{part:?} is missing");
    }
    let open = bytes.windows(8).filter(|window| *window == b"\x1b[?2026h").count();
    let closed = bytes.windows(8).filter(|window| *window == b"\x1b[?2026l").count();
    assert!(open > 0 && closed >= open, "{open} updates begun, {closed} ended");
}

#[test]
fn the_demo_from_the_form_to_its_result_over_two_sessions() {
    let home = tempfile::tempdir().unwrap();
    let mut first = Session::start(home.path(), &[]);
    first.sees("No runs yet.");
    first.send("n");
    first.sees("ready to start");
    for setting in ["search.epochs", "retrain.epochs"] {
        first.says(setting, "0.5", "epochs");
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

    let mut second = Session::start(home.path(), &["watch", "last"]);
    second.sees("finished");
    second.sees("majority");
    second.sees("allocated: mean rank");
    second.sees("accuracy");
    second.stays_silent();
    second.send("?");
    second.sees("Everywhere");
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
    let mut session = Session::start(home.path(), &[]);
    session.sees("No runs yet.");
    session.send("p");
    session.sees("demo-generation");
    let began = Instant::now();
    while !session.screen().contains("▸ demo-generation") {
        // One line at a time: a key that is sent before the last one is drawn would go past it.
        let before = session.screen();
        session.send("j");
        while session.screen() == before {
            assert!(began.elapsed() < PATIENCE, "{before}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    session.send("\r");
    session.sees("ready to start");
    session.sees("evaluate.max_new_tokens");
    session.says("search.epochs", "0.5", "epochs");
    session.says("retrain.epochs", "1", "epochs");
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
    session.sees("c curve");
    session.send("q");
    let (code, bytes) = session.end();
    assert_eq!(code, 0);
    assert_restored(&bytes);
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let home = tempfile::tempdir().unwrap();
        let session = Session::start(home.path(), &[]);
        session.sees("No runs yet.");
        let pid = rustix::process::Pid::from_raw(session.child.process_id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let (code, bytes) = session.end();
        assert_eq!(code, 130);
        assert_restored(&bytes);
    }
}

#[test]
fn a_screen_on_which_nothing_changes_sends_nothing() {
    let home = tempfile::tempdir().unwrap();
    let session = Session::start(home.path(), &[]);
    session.sees("No runs yet.");
    session.stays_silent();
}

#[test]
fn a_terminal_without_a_size_is_survived() {
    let home = tempfile::tempdir().unwrap();
    let mut session = Session::with(home.path(), &[], size(0, 0), &[]);
    session.sees("No runs yet.");
    session.send("q");
    assert_eq!(session.end().0, 0);
}

#[test]
fn any_size_and_back_is_survived() {
    let home = tempfile::tempdir().unwrap();
    let mut session = Session::start(home.path(), &[]);
    session.sees("No runs yet.");
    for (columns, rows) in [(1, 1), (3, 2), (200, 60), (80, 24)] {
        session.master.resize(size(columns, rows)).unwrap();
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
    let mut session = Session::with(home.path(), &[], size(80, 24), &plain);
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
    let session = Session::start(home.path(), &["watch", "nobody"]);
    session.sees("nobody");
    let (code, bytes) = session.end();
    assert_eq!(code, 3);
    assert!(!contains(&bytes, "\x1b[?1049h"));
}

/// Runs that were stopped after a few steps, the last one the newest.
fn make_runs(home: &Path, names: &[&str]) {
    use autolora::experiment::Experiment;
    use autolora::run::event::{Event, Phase};
    use autolora::run::log::EventLog;
    use autolora::run::store::{NewRun, Store};
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
    let mut session = Session::start(home.path(), &[]);
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

    let mut session = Session::start(home.path(), &[]);
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

/// A size that a terminal may have, however small the one in the test is.
fn at_least(size: u16, least: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(size.max(least)).expect("least is not 0")
}
