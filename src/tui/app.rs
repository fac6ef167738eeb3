//! The loop around the pure parts: events in, effects out, a frame when something changed.

use super::effects::perform;
use super::kept;
use super::keyboard;
use super::look::Look;
use super::model::{Model, Screen};
use super::monitor::Monitor;
use super::msg::{Effect, Msg, Watching};
use super::preflight::Flight;
use super::signals::{self, Told, do_the_usual};
use super::terminal::{Display, Drawn, announcement};
use super::update::{INTERRUPTED, update};
use super::watch::{SharedFolder, Watch, head};
use super::writer::Written;
use crate::experiment::{Config, ConfigError};
use crate::run::event::Event as RunEvent;
use crate::run::heap::keep_little;
use crate::run::preflight::Scratch;
use crossterm::event::Event;
use jiff::tz::TimeZone;
use rustix::process::{Signal, kill_current_process_group};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

/// How long what is being written is waited for at the end.
const LAST_WRITES: Duration = Duration::from_secs(1);
/// Time between two frames of a replay.
const REPLAY_FRAME: Duration = Duration::from_millis(125);

/// The first screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The runs table.
    Runs,
    /// The monitor of a run, by its id or another of its names; the runs table is behind it.
    Monitor(String),
}

/// Why there is no screen.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TuiError {
    /// The terminal does not do what it is asked.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
    /// The user's configuration cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigError),
}

impl TuiError {
    /// The exit code of a program that ends by this.
    pub fn exit_code(&self) -> u8 {
        match self {
            TuiError::Terminal(_) => 1,
            TuiError::Config(error) => error.exit_code(),
        }
    }
}

/// Whether there is a terminal to show screens on, and to take keys from.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Shows the screens until the user leaves. Gives the exit code. `mouse` asks for the mouse, as the user's
/// configuration may.
///
/// # Errors
/// [`TuiError`]; the terminal is then as it was.
pub fn run(start: Start, mouse: bool) -> Result<u8, TuiError> {
    keep_little();
    let config = Config::of_user()?;
    let config = Config { mouse: config.mouse || mouse, ..config };
    let look = Look::from_env(|name| std::env::var(name).ok());
    let mut model = Model::new(look, TimeZone::system());
    let (kept, broken) = kept::recall();
    model.runs.kept = kept;
    if let Some(text) = broken {
        model.complain(text);
    }
    if let Start::Monitor(run) = start {
        let mut monitor = Monitor::new(&run);
        // The first frame says whose it is; the rest follows.
        monitor.head = head(&run);
        model.screens.push(Screen::Monitor(Box::new(monitor)));
    }
    // Beside the first frame, which must not wait for a slow disk. Where there can be no thread, the next start does it.
    let _ = std::thread::Builder::new().name("tidy".into()).spawn(Scratch::clear_abandoned);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let (to, written) = unbounded_channel();
        let display = Display::take(config.mouse, to)?;
        App { model, display, config, flight: Flight::default(), writing: Vec::new() }.drive(written).await
    });
    // What still waits for a worker must not keep the user waiting.
    runtime.shutdown_background();
    Ok(match result? {
        Leave::With(code) => code,
        Leave::By(signal) => {
            do_the_usual(signal);
            // One that does not end it after all.
            INTERRUPTED
        }
    })
}

struct App {
    model: Model,
    display: Display,
    config: Config,
    /// The process that sees what a run would take.
    flight: Flight,
    /// What is being written for the user, which must not be lost by leaving.
    writing: Vec<JoinHandle<()>>,
}

/// What a thing that came in means for the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Nothing,
    /// A frame, when its bytes may go.
    Change,
    /// A frame at once: somebody waits for it.
    Answer,
}

/// What the loop waits for.
enum Incoming {
    /// `None`: the terminal is gone.
    Event(Option<io::Result<Event>>),
    Msg(Msg),
    Written(Written),
    Signal(Told),
    /// The moment has come that a frame waited for.
    Now,
}

/// How the program ends.
enum Leave {
    With(u8),
    /// By a signal, as if it had not been caught.
    By(Signal),
}

impl App {
    /// Waits for what is being written; not for long, where a disk does not answer.
    async fn finish_writing(&mut self) {
        let all = async {
            for task in self.writing.drain(..) {
                // One that failed has told so.
                let _ = task.await;
            }
        };
        // What takes longer is given up: the user has left.
        let _ = tokio::time::timeout(LAST_WRITES, all).await;
    }

    async fn drive(mut self, mut written: UnboundedReceiver<Written>) -> io::Result<Leave> {
        let (to, mut msgs) = unbounded_channel();
        let (keys, mut events) = unbounded_channel();
        let mut watcher = Watcher::default();
        keyboard::listen(keys)?;
        let mut signals = signals::listen()?;
        let mut due = Due::Answer;
        let mut frame = Instant::now();
        loop {
            let mut wake = None;
            if due > Due::Nothing {
                self.model.size = self.display.size();
                match self.display.draw(&self.model, due == Due::Answer) {
                    Drawn::Done => due = Due::Nothing,
                    Drawn::NotBefore(moment) => wake = Some(moment),
                    Drawn::Busy => {}
                }
            }
            // Behind the frame: somebody may wait for that.
            watcher.turn_to(self.model.watching(), &to);
            let next_frame = frame.max(Instant::now());
            let incoming = tokio::select! {
                event = events.recv() => Incoming::Event(event),
                Some(msg) = msgs.recv() => Incoming::Msg(msg),
                Some(written) = written.recv() => Incoming::Written(written),
                Some(told) = signals.recv() => Incoming::Signal(told),
                () = until(wake) => Incoming::Now,
                () = until(self.model.is_playing().then_some(next_frame)) => Incoming::Msg(Msg::Tick),
            };
            if matches!(incoming, Incoming::Msg(Msg::Tick)) {
                frame = Instant::now() + REPLAY_FRAME;
            }
            // Everything that is there already goes into the same frame.
            let mut next = Some(incoming);
            while let Some(incoming) = next {
                match self.take(incoming, &to)? {
                    Taken::Leave(how) => {
                        self.finish_writing().await;
                        return Ok(how);
                    }
                    Taken::Due(what) => due = due.max(what),
                }
                let event = events.try_recv().ok().map(|event| Incoming::Event(Some(event)));
                next = event.or_else(|| msgs.try_recv().ok().map(Incoming::Msg));
            }
        }
    }

    /// Takes one thing in.
    fn take(&mut self, incoming: Incoming, to: &UnboundedSender<Msg>) -> io::Result<Taken> {
        let (msg, due) = match incoming {
            Incoming::Msg(msg) => {
                let due = due(&self.model, &msg);
                (msg, due)
            }
            Incoming::Written(written) => {
                return match self.display.written(written) {
                    // The other end is gone, as the signal of it will say too.
                    Err(error) if is_gone(&error) => Ok(Taken::quit(INTERRUPTED)),
                    result => result.map(|()| Taken::Due(Due::Nothing)),
                };
            }
            Incoming::Signal(told) => {
                match told {
                    Told::Resized => self.display.fit(),
                    Told::Stop => self.display.stop()?,
                    Told::Continued => self.display.continued()?,
                    Told::End => return Ok(Taken::quit(INTERRUPTED)),
                    Told::Die(signal) => return Ok(Taken::Leave(Leave::By(signal))),
                }
                return Ok(Taken::Due(Due::Answer));
            }
            Incoming::Now => return Ok(Taken::Due(Due::Nothing)),
            Incoming::Event(None) => return Ok(Taken::quit(INTERRUPTED)),
            Incoming::Event(Some(event)) => match event? {
                Event::Key(key) => {
                    #[cfg(debug_assertions)]
                    fault_for_a_test(key);
                    (Msg::Key(key), Due::Answer)
                }
                Event::Paste(text) => (Msg::Paste(text), Due::Answer),
                Event::Mouse(event) => (Msg::Mouse(event), Due::Answer),
                // The signal tells of a new size at once, this one only at the next key.
                Event::Resize(..) | Event::FocusGained | Event::FocusLost => return Ok(Taken::Due(Due::Nothing)),
            },
        };
        for effect in update(&mut self.model, msg) {
            match effect {
                Effect::Quit(code) => return Ok(Taken::quit(code)),
                // To all that the shell has put with it, as the terminal itself would do; this program is told, too.
                Effect::PutAside => kill_current_process_group(Signal::TSTP)?,
                Effect::Ring(text) => self.ring(&text),
                Effect::Preflight { number, doc } => {
                    let to = to.clone();
                    // Where nobody listens any more, the program is ending.
                    self.flight.begin(number, &doc, move |msg| drop(to.send(msg)));
                }
                Effect::EndPreflight => self.flight.end(),
                effect => {
                    let writes = effect.writes_at_once();
                    let task = start(effect, to.clone());
                    self.writing.retain(|task| !task.is_finished());
                    if writes {
                        self.writing.push(task);
                    }
                }
            }
        }
        Ok(Taken::Due(due))
    }

    fn ring(&mut self, text: &str) {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        // A console would print what it does not know.
        let term = variable("TERM");
        let notice = self.config.osc9 && !["linux", "dumb"].contains(&term.as_str()) && !term.starts_with("vt");
        let in_tmux = !variable("TMUX").is_empty();
        self.display.ring(&announcement(text, self.config.bell, notice, self.model.look, in_tmux));
    }
}

/// Whether somebody waits for a message: what was asked for, and the first that a screen is told; what changes by itself
/// can wait for its turn.
fn due(model: &Model, msg: &Msg) -> Due {
    match (msg, model.screen()) {
        (Msg::Runs(_), _) if !model.runs.loaded => Due::Answer,
        // What the user asked for may be that it ends, or another rule.
        (Msg::Followed { records, state, .. }, Screen::Monitor(monitor))
            if monitor.state != Some(*state)
                || records.iter().any(|record| matches!(record.event, RunEvent::Allocation { .. })) =>
        {
            Due::Answer
        }
        (Msg::Opened(_) | Msg::Glimpse { .. } | Msg::Fetched { .. }, _)
        | (Msg::Lost { .. } | Msg::Regained { .. }, _)
        | (Msg::Presets(_) | Msg::PresetOpened(_) | Msg::PresetSaved(_), _)
        | (Msg::Checked { .. } | Msg::Refused(_) | Msg::Started { .. } | Msg::Weighed { .. }, _)
        | (Msg::Filled { .. } | Msg::Removed { .. } | Msg::Done(_) | Msg::Failed(_), _) => Due::Answer,
        _ => Due::Change,
    }
}

/// What the loop does after a thing was taken in.
enum Taken {
    Leave(Leave),
    Due(Due),
}

impl Taken {
    fn quit(code: u8) -> Taken {
        Taken::Leave(Leave::With(code))
    }
}

fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    error.kind() == io::ErrorKind::BrokenPipe || code == Some(rustix::io::Errno::IO)
}

/// Does what the model asks for beside the loop, and sends how it went.
fn start(effect: Effect, to: UnboundedSender<Msg>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let msgs = spawn_blocking(move || perform(effect)).await;
        let fault = |error| vec![Msg::Failed(format!("this is a fault of the program: {error}"))];
        for msg in msgs.unwrap_or_else(fault) {
            // Where nobody listens any more, the program is ending.
            let _ = to.send(msg);
        }
    })
}

/// Waits until a moment; for ever where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// A fault on purpose, so that a test can see what a fault leaves of the terminal. Not in a release.
#[cfg(debug_assertions)]
fn fault_for_a_test(key: crossterm::event::KeyEvent) {
    use crossterm::event::KeyCode;
    let is_asked = key.code == KeyCode::F(12) && std::env::var_os("AUTOLORA_TEST_FAULT").is_some();
    assert!(!is_asked, "a fault on purpose");
}

/// The task that watches what the screen shows.
#[derive(Default)]
struct Watcher {
    watching: Option<Watching>,
    watch: Option<Watch>,
    folder: SharedFolder,
}

impl Watcher {
    fn turn_to(&mut self, watching: Watching, to: &UnboundedSender<Msg>) {
        if self.watching.as_ref() == Some(&watching) {
            return;
        }
        // The old one first: both may be of the same run.
        self.watch = None;
        self.watch = Watch::start(&watching, &self.folder, to.clone());
        self.watching = Some(watching);
    }
}
