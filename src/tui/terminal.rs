//! The terminal itself: taken over, drawn on, and given back whatever happens.

use super::model::{FALLBACK_SIZE, Model};
use super::view::view;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is ours, for the panic hook.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; given back when dropped.
pub struct Display {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// What is on the screen.
    shown: Option<Buffer>,
}

impl Display {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// Where the terminal cannot be set or written; it is then as it was.
    pub fn take() -> io::Result<Display> {
        restore_on_panic();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let opened = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide).and_then(|()| {
            let area = area().unwrap_or(Rect::new(0, 0, FALLBACK_SIZE.0, FALLBACK_SIZE.1));
            let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
            Terminal::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(area) })
        });
        match opened {
            Ok(terminal) => Ok(Display { terminal, shown: None }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Takes the size that the terminal has now.
    ///
    /// # Errors
    /// Where the terminal cannot be written.
    pub fn fit(&mut self) -> io::Result<()> {
        let Some(area) = area() else { return Ok(()) };
        self.shown = None;
        self.terminal.resize(area)
    }

    /// Columns and lines.
    pub fn size(&mut self) -> (u16, u16) {
        let area = self.terminal.get_frame().area();
        (area.width, area.height)
    }

    /// Brings the model on the screen, in one synchronised update. Sends nothing where nothing looks different.
    ///
    /// # Errors
    /// Where the terminal cannot be written.
    pub fn draw(&mut self, model: &Model) -> io::Result<()> {
        view(model, &mut self.terminal.get_frame());
        let next = self.terminal.current_buffer_mut();
        if self.shown.as_ref() == Some(next) {
            next.reset();
            return Ok(());
        }
        self.shown = Some(next.clone());
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.flush()?;
        self.terminal.swap_buffers();
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        self.terminal.backend_mut().flush()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        restore();
    }
}

/// The area of the terminal, where it says how large it is.
fn area() -> Option<Rect> {
    let (columns, rows) = size().ok()?;
    (columns > 0 && rows > 0).then(|| Rect::new(0, 0, columns, rows))
}

/// Gives the terminal back, once. Its errors have nowhere to go: where it is gone, there is nothing to restore.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, DisableBracketedPaste, Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
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
