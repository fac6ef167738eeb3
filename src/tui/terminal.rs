//! The terminal itself: taken over, drawn on, and given back whatever happens.

use super::look::Look;
use super::model::{FALLBACK_SIZE, Model};
use super::outlet::Outlet;
use super::pace::Pace;
use super::signals::do_the_usual;
use super::view::{paint, stamp};
use super::wire;
use super::writer::{Writer, Written};
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use rustix::process::Signal;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use signal_hook::consts::SIGABRT;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Whether the terminal is ours, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Who writes on it.
static WRITER: Mutex<Option<Writer>> = Mutex::new(None);
/// What gives it back.
static LAST: OnceLock<Last> = OnceLock::new();
/// Reports of clicks and the wheel alone, in the form that has no largest column: movements would cost bytes.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// How long a terminal that takes nothing is waited for when the program ends, before what it has not taken is dropped.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long after that. A terminal that stays as it was taken is worse than an end that takes its time.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// A stop of ours is over when its signal to go on comes, which then tells nothing new.
const SAME_STOP: Duration = Duration::from_millis(200);

/// What gives the terminal back, made before it is taken: nothing of it may fail, nor take memory where a fault is told.
struct Last {
    outlet: Outlet,
    words: Vec<u8>,
    /// The modes of the terminal as they were; `None` where they cannot be read.
    modes: Option<Termios>,
}

/// The terminal while it is ours; given back when dropped.
pub struct Display {
    area: Rect,
    mouse: bool,
    /// Is told of every frame.
    told: UnboundedSender<Written>,
    /// When the terminal was taken.
    since: Instant,
    writer: Writer,
    pace: Pace,
    /// What is on the screen once everything is written.
    shown: Option<Buffer>,
    /// Its last line without the byte rate, by which alone nothing is drawn anew.
    unstamped: Vec<Cell>,
    /// The cells of a frame that is no longer shown, for the next one.
    spare: Option<Buffer>,
    /// Bytes that are no part of a frame and wait for the terminal: bells.
    aside: Vec<u8>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// It is on its way, or nothing looks different.
    Done,
    /// It may not go before that moment.
    NotBefore(Instant),
    /// The terminal has not taken the one before it; [`Written`] tells when it has.
    Busy,
}

impl Display {
    /// Takes the terminal over; `written` is told of every frame, `mouse` asks for reports of the mouse.
    ///
    /// # Errors
    /// Where the terminal cannot be set or written; it is then as it was.
    pub fn take(mouse: bool, written: UnboundedSender<Written>) -> io::Result<Display> {
        restore_on_panic();
        let writer = take(mouse, written.clone())?;
        let area = area().unwrap_or(Rect::new(0, 0, FALLBACK_SIZE.0, FALLBACK_SIZE.1));
        Ok(Display {
            area,
            mouse,
            told: written,
            since: Instant::now(),
            writer,
            pace: Pace::default(),
            shown: None,
            unstamped: Vec::new(),
            spare: None,
            aside: Vec::new(),
        })
    }

    /// Gives the terminal back, stops the program as `SIGTSTP` does, and takes the terminal again once it is continued.
    ///
    /// # Errors
    /// As [`Display::take`].
    pub fn stop(&mut self) -> io::Result<()> {
        restore();
        do_the_usual(Signal::TSTP);
        self.take_again()
    }

    /// Takes the terminal again after a stop that could not be caught: others had it meanwhile.
    ///
    /// # Errors
    /// As [`Display::take`].
    pub fn continued(&mut self) -> io::Result<()> {
        if self.since.elapsed() < SAME_STOP {
            return Ok(());
        }
        restore();
        self.take_again()
    }

    fn take_again(&mut self) -> io::Result<()> {
        self.writer = take(self.mouse, self.told.clone())?;
        self.since = Instant::now();
        self.pace = Pace::default();
        self.fit();
        Ok(())
    }

    /// Takes the size that the terminal has now; all of it is drawn anew.
    pub fn fit(&mut self) {
        let Some(area) = area() else { return };
        self.area = area;
        self.shown = None;
    }

    /// Columns and lines.
    pub fn size(&self) -> (u16, u16) {
        (self.area.width, self.area.height)
    }

    /// Brings the model on the screen, in one synchronised update: at once where `is_answer`, else when its bytes may
    /// go. Sends nothing where nothing looks different.
    pub fn draw(&mut self, model: &Model, is_answer: bool) -> Drawn {
        let now = Instant::now();
        if !self.writer.is_free() {
            return Drawn::Busy;
        }
        let earliest = self.pace.not_before(now);
        if !is_answer && earliest > now {
            return Drawn::NotBefore(earliest);
        }
        let mut next = match self.spare.take() {
            Some(mut spare) if spare.area == self.area => {
                spare.reset();
                spare
            }
            _ => Buffer::empty(self.area),
        };
        paint(model, &mut next);
        if self.looks_like(&next) {
            self.spare = Some(next);
            self.send_aside(now);
            return Drawn::Done;
        }
        let (_, unstamped) = parted(&next);
        let unstamped = unstamped.to_vec();
        stamp(&mut next, self.pace.rate(now), model.look);
        let mut bytes = wire::encode(self.shown.as_ref(), &next);
        let earliest = self.pace.earliest(now, bytes.len());
        if !is_answer && earliest > now {
            self.spare = Some(next);
            return Drawn::NotBefore(earliest);
        }
        self.spare = self.shown.replace(next);
        self.unstamped = unstamped;
        bytes.append(&mut self.aside);
        self.send(now, bytes);
        Drawn::Done
    }

    /// Whether what is shown looks like a frame, the byte rate aside.
    fn looks_like(&self, next: &Buffer) -> bool {
        let (above, last) = parted(next);
        let same = |shown: &&Buffer| shown.area == next.area && parted(shown).0 == above;
        self.shown.as_ref().filter(same).is_some_and(|_| self.unstamped == last)
    }

    /// Sends bytes that draw nothing, with the next frame or without one.
    pub fn ring(&mut self, bytes: &[u8]) {
        self.aside.extend(bytes);
    }

    fn send_aside(&mut self, now: Instant) {
        let bytes = std::mem::take(&mut self.aside);
        self.send(now, bytes);
    }

    fn send(&mut self, now: Instant, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.pace.sent(now, bytes.len());
            self.writer.write(bytes);
        }
    }

    /// Takes in that a frame was written.
    ///
    /// # Errors
    /// That of the terminal.
    pub fn written(&mut self, written: Written) -> io::Result<()> {
        self.pace.taken(written.bytes, written.took);
        written.result
    }
}

/// The cells of all lines but the last one, and those of the last one, where the byte rate goes.
fn parted(frame: &Buffer) -> (&[Cell], &[Cell]) {
    frame.content.split_at(frame.content.len().saturating_sub(usize::from(frame.area.width)))
}

impl Drop for Display {
    fn drop(&mut self) {
        restore();
    }
}

/// The bytes that ring for a text: the bell, and a notice of the desktop (OSC 9), which tmux hands on only when asked.
pub fn announcement(text: &str, bell: bool, notice: bool, look: Look, in_tmux: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if bell {
        bytes.push(0x07);
    }
    if notice {
        let text = super::text::cut(text, 160, look.glyphs().ellipsis);
        let text: String = text.chars().map(|c| if c.is_ascii() || look.letters { c } else { '?' }).collect();
        let start = if in_tmux { "\x1bPtmux;\x1b" } else { "" };
        let end = if in_tmux { "\x1b\\" } else { "" };
        bytes.extend(format!("{start}\x1b]9;{text}\x07{end}").bytes());
    }
    bytes
}

/// The most columns and rows that are drawn on: a terminal that says more is mistaken, and its cells would fill the memory.
const LARGEST: (u16, u16) = (1000, 500);

/// The area of the terminal, where it says how large it is.
fn area() -> Option<Rect> {
    let (columns, rows) = size().ok()?;
    (columns > 0 && rows > 0).then(|| Rect::new(0, 0, columns.min(LARGEST.0), rows.min(LARGEST.1)))
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal over; gives who writes on it.
fn take(mouse: bool, written: UnboundedSender<Written>) -> io::Result<Writer> {
    // Standard output itself goes through a buffer with a lock, which must be free for the last words.
    let writer = Writer::start(Outlet::open(io::stdout())?, written)?;
    *held(&WRITER) = Some(writer.clone());
    if LAST.get().is_none() {
        let last =
            Last { outlet: Outlet::open(io::stdout())?, words: last_words(mouse), modes: tcgetattr(io::stdin()).ok() };
        // Only this thread takes terminals.
        let _ = LAST.set(last);
        restore_on_abort()?;
    }
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let opened = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)
        .and_then(|()| if mouse { io::stdout().write_all(MOUSE_ON) } else { Ok(()) })
        .and_then(|()| io::stdout().flush());
    if let Err(error) = opened {
        restore();
        return Err(error);
    }
    Ok(writer)
}

fn last_words(mouse: bool) -> Vec<u8> {
    let mut words = Vec::new();
    // Into memory: there is no error.
    let _ = queue!(words, EndSynchronizedUpdate, DisableBracketedPaste);
    if mouse {
        words.extend(MOUSE_OFF);
    }
    // A frame that was cut short may have left a sequence open and a style on.
    let _ = queue!(words, crossterm::style::ResetColor, Show, LeaveAlternateScreen);
    words
}

/// Gives the terminal back, once. Its errors have nowhere to go: where it is gone, there is nothing to restore.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let writer = held(&WRITER).take();
    let close = || writer.as_ref().is_none_or(|writer| writer.close(PATIENCE));
    if let Some(Last { outlet, words, .. }) = LAST.get()
        && !(close() && outlet.write_within(words, PATIENCE))
    {
        // What the terminal has not taken is dropped: then there is room, or soon, and nobody reads a frame any more.
        let _ = tcflush(outlet, QueueSelector::OFlush);
        close();
        outlet.write_within(words, LAST_PATIENCE);
    }
    let _ = disable_raw_mode();
}

/// Gives the terminal back where the program aborts, as it does where there is no memory or a panic panics. Only calls of the
/// system, which are all that a handler of signals may do.
fn restore_on_abort() -> io::Result<()> {
    let give_back = || {
        if let Some(Last { outlet, words, modes }) = LAST.get().filter(|_| TAKEN.swap(false, Ordering::SeqCst)) {
            outlet.write_within(words, PATIENCE);
            if let Some(modes) = modes {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            }
        }
        // It is held back while its handler runs, and this lets it through.
        let _ = signal_hook::low_level::emulate_default_handler(SIGABRT);
    };
    // SAFETY: the handler takes no lock and no memory; what it reads was made before, and is never changed.
    unsafe { signal_hook::low_level::register(SIGABRT, give_back) }.map(|_| ())
}

/// Gives the terminal back before a panic of the main thread is reported. One of another thread ends only what that
/// thread did, so it must not write over the screen: the log takes it.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let main = std::thread::current().id();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() != main && TAKEN.load(Ordering::SeqCst) {
                tracing::error!("{info}");
                return;
            }
            restore();
            before(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::palette::Depth;

    const LOOK: Look = Look { depth: Depth::Many, unicode: true, letters: true };

    #[test]
    fn a_notice_is_clean_short_and_wrapped_for_tmux() {
        let ring = |text: &str, in_tmux| String::from_utf8(announcement(text, true, true, LOOK, in_tmux)).unwrap();
        assert_eq!(ring("demo finished", false), "\x07\x1b]9;demo finished\x07");
        assert_eq!(ring("a", true), "\x07\x1bPtmux;\x1b\x1b]9;a\x07\x1b\\");
        let evil = ring("a\x07\x1b]0;owned\x1b\\", false);
        assert_eq!(evil, "\x07\x1b]9;a??]0;owned?\\\x07");
        assert!(ring(&"x".repeat(5000), false).len() < 200);
    }

    #[test]
    fn what_is_off_is_not_sent() {
        assert_eq!(announcement("a", true, false, LOOK, true), b"\x07");
        assert_eq!(announcement("a", false, false, LOOK, true), b"");
        let plain = Look { letters: false, unicode: false, ..LOOK };
        assert_eq!(announcement("gr\u{f6}\u{df}e", false, true, plain, false), b"\x1b]9;gr??e\x07");
    }
}
