//! The process that tries the run: a viewer opens no device.

use super::Stage;
use crate::experiment::{PresetDoc, read};
use crate::run::preflight::Card;
use crate::run::queue::Crowd;
use crate::tui::msg::Msg;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// The last lines of what a process says that are shown where it fails.
const TOLD: usize = 12;

/// The preflight at work, of which there is one at most. Dropped, it ends.
#[derive(Debug, Default)]
pub struct Flight {
    at: Arc<Mutex<At>>,
}

/// Where its process is.
#[derive(Debug, Default)]
enum At {
    /// On the way, or there is none.
    #[default]
    Nowhere,
    Work(Pid),
    /// It is gone, or is to go: its number may soon be another's.
    End,
}

impl Flight {
    /// Begins one on what a form says; the one before is ended. `tell` hears how it goes.
    pub fn begin(&mut self, number: u64, doc: &PresetDoc, tell: impl Fn(Msg) + Clone + Send + 'static) {
        self.end();
        self.at = Arc::default();
        let (at, mut doc) = (Arc::clone(&self.at), doc.clone());
        // All of it may block, and a key must not wait.
        thread::spawn(move || {
            let device = read(&doc.source(), &[], &[]).experiment.runtime.device;
            if let Some(crowd) = Crowd::at(&device) {
                tell(Msg::PreflightCrowded { number, text: crowd.to_string() });
            }
            let tell = move |stage| tell(Msg::Preflight { number, stage });
            // Relative paths start where the preset is, and the process does not know where that is.
            doc.anchor();
            match spawn(&doc.text()) {
                Err(error) => tell(Stage::Broken(format!("cannot start a process: {error}"))),
                Ok(child) => follow(child, &at, &tell),
            }
        });
    }

    /// Ends it; it takes with it what it made.
    pub fn end(&mut self) {
        if let Some(At::Work(pid)) = moved_to(&self.at, At::End) {
            terminate(pid);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end();
    }
}

/// Notes where it is now; gives where it was.
fn moved_to(at: &Mutex<At>, now: At) -> Option<At> {
    at.lock().ok().map(|mut at| std::mem::replace(&mut *at, now))
}

fn terminate(pid: Pid) {
    // Gone a moment ago is as good.
    let _ = kill_process(pid, Signal::TERM);
}

fn spawn(preset: &str) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    crate::run::heap::for_a_worker(&mut command);
    command.args(["preflight", "-", "--json"]).env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends at once says why itself.
        let _ = stdin.write_all(preset.as_bytes());
    }
    Ok(child)
}

fn follow(mut child: Child, at: &Mutex<At>, tell: &(impl Fn(Stage) + Clone + Send + 'static)) {
    let pid = Pid::from_child(&child);
    if matches!(moved_to(at, At::Work(pid)), Some(At::End)) {
        moved_to(at, At::End);
        terminate(pid);
    }
    let said = child.stderr.take().map(|stderr| {
        let tell = tell.clone();
        thread::spawn(move || listen(stderr, &tell))
    });
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        // What cannot be read is no card, which is told below.
        let _ = stdout.read_to_string(&mut answer);
    }
    let ended = child.wait();
    let asked_to_end = !matches!(moved_to(at, At::End), Some(At::Work(_)));
    let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
    if asked_to_end {
        return;
    }
    tell(match serde_json::from_str::<Card>(&answer) {
        Ok(card) => Stage::Done(Box::new(card)),
        // What it did last is no reason.
        Err(_) if said.is_empty() || ended.as_ref().is_ok_and(|status| status.signal().is_some()) => {
            Stage::Broken(ended.map_or_else(|error| error.to_string(), how_it_ended))
        }
        Err(_) => Stage::Broken(said.join("\n")),
    });
}

fn how_it_ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => "it was killed (signal 9): most likely by the system, for want of memory".into(),
        _ => format!("it ended by itself ({status}) and said nothing"),
    }
}

/// Passes on what the process says; gives its last lines.
fn listen(stderr: impl Read, tell: &impl Fn(Stage)) -> Vec<String> {
    let mut last = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if !line.trim().is_empty() {
            tell(Stage::Working(line.clone()));
            last.push(line);
            if last.len() > TOLD {
                last.remove(0);
            }
        }
    }
    last
}
