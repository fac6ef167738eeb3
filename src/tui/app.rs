//! The loop around the pure parts: events in, effects out, a frame when something changed.

use super::effects::perform;
use super::keyboard;
use super::look::Look;
use super::model::{Model, Screen};
use super::monitor::Monitor;
use super::msg::{Effect, Msg, Watching};
use super::preflight::Flight;
use super::terminal::Display;
use super::update::{INTERRUPTED, update};
use super::watch::watch;
use crossterm::event::Event;
use jiff::tz::TimeZone;
use std::io::{self, IsTerminal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};

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
}

/// Whether there is a terminal to show screens on, and to take keys from.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Shows the screens until the user leaves. Gives the exit code.
///
/// # Errors
/// [`TuiError`]; the terminal is then as it was.
pub fn run(start: Start) -> Result<u8, TuiError> {
    let look = Look::from_env(|name| std::env::var(name).ok());
    let mut model = Model::new(look, TimeZone::system());
    if let Start::Monitor(run) = start {
        model.screens.push(Screen::Monitor(Box::new(Monitor::new(&run))));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut display = Display::take()?;
        drive(&mut model, &mut display).await
    });
    // What still waits for a worker must not keep the user waiting.
    runtime.shutdown_background();
    Ok(result?)
}

async fn drive(model: &mut Model, display: &mut Display) -> io::Result<u8> {
    let (to, mut msgs) = unbounded_channel();
    let (keys, mut events) = unbounded_channel();
    let mut watcher = Watcher::default();
    let mut flight = Flight::default();
    keyboard::listen(keys)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut resized = signal(SignalKind::window_change())?;
    loop {
        watcher.turn_to(model.watching(), &to);
        model.size = display.size();
        display.draw(model)?;
        let mut next = tokio::select! {
            event = events.recv() => Some(Incoming::Event(event)),
            Some(msg) = msgs.recv() => Some(Incoming::Msg(msg)),
            _ = resized.recv() => {
                display.fit()?;
                None
            }
            _ = terminate.recv() => return Ok(INTERRUPTED),
            _ = hang_up.recv() => return Ok(INTERRUPTED),
        };
        // Everything that is there already goes into the same frame.
        while let Some(incoming) = next {
            if let Some(code) = take(model, incoming, &to, &mut flight)? {
                return Ok(code);
            }
            let event = events.try_recv().ok().map(|event| Incoming::Event(Some(event)));
            next = event.or_else(|| msgs.try_recv().ok().map(Incoming::Msg));
        }
    }
}

/// What the loop waits for.
enum Incoming {
    /// `None`: the terminal is gone.
    Event(Option<io::Result<Event>>),
    Msg(Msg),
}

/// Takes one thing in; gives the exit code where it ends the program.
fn take(
    model: &mut Model,
    incoming: Incoming,
    to: &UnboundedSender<Msg>,
    flight: &mut Flight,
) -> io::Result<Option<u8>> {
    let msg = match incoming {
        Incoming::Msg(msg) => msg,
        Incoming::Event(None) => return Ok(Some(INTERRUPTED)),
        Incoming::Event(Some(event)) => match event? {
            Event::Key(key) => Msg::Key(key),
            Event::Paste(text) => Msg::Paste(text),
            // The signal tells of a new size at once, this one only at the next key.
            Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => return Ok(None),
        },
    };
    for effect in update(model, msg) {
        let to = to.clone();
        match effect {
            Effect::Quit(code) => return Ok(Some(code)),
            Effect::Preflight { number, doc } => {
                // Where nobody listens any more, the program is ending.
                flight.begin(number, &doc, move |msg| drop(to.send(msg)));
                continue;
            }
            Effect::EndPreflight => {
                flight.end();
                continue;
            }
            _ => {}
        }
        tokio::spawn(async move {
            let msgs = spawn_blocking(move || perform(effect)).await;
            let fault = |error| vec![Msg::Failed(format!("this is a fault of the program: {error}"))];
            for msg in msgs.unwrap_or_else(fault) {
                // Where nobody listens any more, the program is ending.
                let _ = to.send(msg);
            }
        });
    }
    Ok(None)
}

/// The task that watches what the screen shows.
#[derive(Default)]
struct Watcher {
    watching: Option<Watching>,
    task: Option<JoinHandle<()>>,
}

impl Watcher {
    fn turn_to(&mut self, watching: Watching, to: &UnboundedSender<Msg>) {
        if self.watching.as_ref() == Some(&watching) {
            return;
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.task = watch(&watching, to.clone());
        self.watching = Some(watching);
    }
}
