//! How far a run or a prediction is, on stderr: one line that is rewritten on a terminal, now and then a line elsewhere.

use super::frame::{losses, place};
use super::out::say;
use crate::experiment::problem::printable;
use crate::run::event::Phase;
use crate::run::view::RunView;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between lines where they cannot be rewritten.
const PAUSE: Duration = Duration::from_secs(5);

/// The line, as it was last shown.
pub struct Progress {
    rewrites: bool,
    line: String,
    phase: Option<Phase>,
    shown: Option<Instant>,
}

impl Progress {
    /// On this process's stderr.
    pub fn new() -> Progress {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Progress { rewrites: io::stderr().is_terminal() && !dumb, line: String::new(), phase: None, shown: None }
    }

    /// Shows where the run is, if that is new.
    pub fn show(&mut self, view: &RunView) {
        let Some(mut line) = place(view) else { return };
        if let Some(losses) = losses(view) {
            line += &format!(", loss {losses}");
        }
        self.show_line(line, view.phase);
    }

    /// Shows a line, if it is new; elsewhere than on a terminal now and then, and at once where a phase begins.
    pub fn show_line(&mut self, line: String, phase: Option<Phase>) {
        if line == self.line {
            return;
        }
        if self.rewrites {
            let columns = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns).max(2));
            let cut: String = line.chars().take(columns - 1).collect();
            draw(&format!("\r\x1b[K{cut}"));
        } else if self.phase == phase && self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        } else {
            say(&line);
        }
        (self.line, self.phase, self.shown) = (line, phase, Some(Instant::now()));
    }

    /// Says something else above the line.
    pub fn say(&mut self, text: &str) {
        self.clear();
        say(printable(text));
    }

    /// Takes the line off the terminal.
    pub fn clear(&mut self) {
        if self.rewrites && !self.line.is_empty() {
            draw("\r\x1b[K");
            self.line.clear();
        }
    }
}

/// Where nobody can see it, nothing is lost.
fn draw(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
