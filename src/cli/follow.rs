//! Following a run until no worker is left.

use super::CliError;
use super::out::{Json, say};
use crate::run::directory::RunDir;
use crate::run::event::{Event, sample_line};
use crate::run::follow::{ANEW, Follower, Line};
use crate::run::state::status;
use crate::run::view::{RunView, State};
use std::io::Write;
use std::time::Duration;

/// Time between looks at a run.
const LOOK: Duration = Duration::from_millis(100);

/// Whether a worker is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    NotYet,
    As(State),
}

/// A run and what has been read of it.
pub struct Watched {
    run: RunDir,
    log: Follower,
    /// The fold of everything that is read.
    pub view: RunView,
    /// Lines that are read and not yet printed.
    new: Vec<Line>,
    /// Whether it is still to be said that the log is another one.
    anew: bool,
}

impl Watched {
    /// Begins at the first event.
    pub fn new(run: &RunDir) -> Watched {
        let log = Follower::new(&run.events_path());
        Watched { run: run.clone(), log, view: RunView::default(), new: Vec::new(), anew: false }
    }

    /// Reads on. The run has ended once its worker is gone and the log is read to its end.
    pub fn look(&mut self) -> Result<End, CliError> {
        // The state first: what a worker writes before it goes is in the log then.
        let status = status(&self.run)?;
        let lines = self.log.poll_lines()?;
        if self.log.begins_anew() {
            (self.view, self.anew) = (RunView::default(), true);
            self.new.clear();
        }
        for line in lines {
            self.view.apply(&line.record);
            self.new.push(line);
        }
        Ok(if status.has_worker() || !self.log.is_caught_up() { End::NotYet } else { End::As(status.state) })
    }

    /// Prints the lines that are new, as they stand in the log.
    pub fn print_new(&mut self, out: &mut impl Write) -> Result<(), CliError> {
        if std::mem::take(&mut self.anew) {
            say(format!("warning: {ANEW}"));
        }
        for line in self.new.drain(..) {
            writeln!(out, "{}", Json(line.text))?;
        }
        Ok(out.flush()?)
    }

    /// What is said to people in the lines that are new, warnings marked; the lines count as printed.
    pub fn take_messages(&mut self) -> Vec<String> {
        let message = |line: Line| match line.record.event {
            Event::Log { level, message, .. } if level == "warning" => Some(format!("warning: {message}")),
            Event::Log { message, .. } => Some(message),
            Event::Sample { input, reference, output, .. } => Some(sample_line(&input, &reference, &output)),
            _ => None,
        };
        let anew = std::mem::take(&mut self.anew).then(|| format!("warning: {ANEW}"));
        anew.into_iter().chain(self.new.drain(..).filter_map(message)).collect()
    }

    /// Waits a moment where there is nothing to read.
    pub fn wait(&self) {
        if self.log.is_caught_up() {
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::Phase;
    use crate::run::lock::Lock;
    use crate::run::log::EventLog;
    use crate::run::store::{NewRun, Store};

    #[test]
    fn a_run_is_followed_until_its_worker_is_gone_and_every_line_is_printed_once() {
        let home = tempfile::tempdir().unwrap();
        let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
        let lock = Lock::acquire(&run.lock_path()).unwrap();
        let mut log = EventLog::open(&run.events_path()).unwrap();
        let mut watched = Watched::new(&run);
        let mut out = Vec::new();
        assert_eq!(watched.look().unwrap(), End::NotYet);
        watched.print_new(&mut out).unwrap();
        let warning = Event::Log { phase: Phase::Search, level: "warning".into(), message: "hm".into() };
        log.append(warning).unwrap();
        log.append(Event::Paused { phase: Phase::Search, step: 4 }).unwrap();
        assert_eq!(watched.look().unwrap(), End::NotYet, "the worker still holds it");
        watched.print_new(&mut out).unwrap();
        drop(lock);
        assert_eq!(watched.look().unwrap(), End::As(State::Paused));
        watched.print_new(&mut out).unwrap();
        assert_eq!(out, std::fs::read(run.events_path()).unwrap());
        assert_eq!(watched.view.step, 4);
        let mut again = Watched::new(&run);
        again.look().unwrap();
        assert_eq!(again.take_messages(), ["warning: hm"]);
        assert_eq!(again.take_messages(), Vec::<String>::new());
        std::fs::write(run.events_path(), "").unwrap();
        again.look().unwrap();
        assert_eq!(again.take_messages(), [format!("warning: {ANEW}")]);
        assert_eq!((again.view.step, again.take_messages()), (0, Vec::new()));
    }
}
