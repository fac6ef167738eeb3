//! The program in a terminal of its own: what it sends, when, and the screen that it makes.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What came out so far.
pub struct Output {
    pub screen: vt100::Parser,
    pub bytes: Vec<u8>,
    /// When each piece came, and how many bytes there were then.
    pub pieces: Vec<(Instant, usize)>,
}

struct Shared {
    output: Mutex<Output>,
    came: Condvar,
    /// Whether nothing is taken from the program for now.
    is_held: AtomicBool,
}

/// The program in a terminal.
pub struct Session {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    shared: Arc<Shared>,
    /// When it was started.
    pub start: Instant,
}

/// Columns and rows of a terminal.
pub fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// A size that a terminal may have, however small the one in the test is.
fn at_least(size: u16, least: u16) -> NonZero<u16> {
    NonZero::new(size.max(least)).expect("least is not 0")
}

impl Session {
    /// `program` with a home of its own; `variables` come over the usual ones, an empty one is unset.
    pub fn of(program: &str, home: &Path, arguments: &[&str], size: PtySize, variables: &[(&str, &str)]) -> Session {
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(home);
        command.env("AUTOLORA_HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for unset in ["LC_ALL", "LC_CTYPE", "NO_COLOR", "COLORTERM", "TMUX"] {
            command.env_remove(unset);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let start = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = vt100::Parser::new(at_least(size.rows, 24), at_least(size.cols, 80), 0);
        let output = Mutex::new(Output { screen, bytes: Vec::new(), pieces: Vec::new() });
        let shared = Arc::new(Shared { output, came: Condvar::new(), is_held: AtomicBool::new(false) });
        let mut reader = pair.master.try_clone_reader().unwrap();
        let filled = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                while filled.is_held.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let Ok(count @ 1..) = reader.read(&mut buffer) else { return };
                let now = Instant::now();
                let mut output = filled.output.lock().unwrap();
                output.screen.process(&buffer[..count]);
                output.bytes.extend_from_slice(&buffer[..count]);
                let sent = output.bytes.len();
                output.pieces.push((now, sent));
                filled.came.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Session { child, master: pair.master, keys, shared, start }
    }

    pub fn output(&self) -> MutexGuard<'_, Output> {
        self.shared.output.lock().unwrap()
    }

    pub fn screen(&self) -> String {
        self.output().screen.screen().contents()
    }

    pub fn sent(&self) -> usize {
        self.output().bytes.len()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Takes nothing from the program any more, or takes it again.
    pub fn hold(&self, is_held: bool) {
        self.shared.is_held.store(is_held, Ordering::SeqCst);
    }

    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.output().screen.screen_mut().set_size(at_least(rows, 1), at_least(columns, 1));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Waits until what came out is as wanted; gives the time of the piece that made it so. None after `limit`.
    pub fn waits(&self, limit: Duration, is_there: impl Fn(&Output) -> bool) -> Option<Instant> {
        let end = Instant::now() + limit;
        let mut output = self.output();
        loop {
            if is_there(&output) {
                return Some(output.pieces.last().map_or(self.start, |(time, _)| *time));
            }
            let left = end.checked_duration_since(Instant::now())?;
            output = self.shared.came.wait_timeout(output, left.min(Duration::from_millis(50))).unwrap().0;
        }
    }

    /// Waits until the screen shows a text, all of the frame being there: what is left of the last one is no answer.
    pub fn sees(&self, text: &str) {
        let shows = |output: &Output| is_whole(&output.bytes) && output.screen.screen().contents().contains(text);
        let seen = self.waits(PATIENCE, shows);
        assert!(seen.is_some(), "no {text:?} on:\n{}", self.screen());
    }

    /// Waits until the screen does not show a text any more.
    pub fn misses(&self, text: &str) {
        let is_gone = |output: &Output| is_whole(&output.bytes) && !output.screen.screen().contents().contains(text);
        let seen = self.waits(PATIENCE, is_gone);
        assert!(seen.is_some(), "still {text:?} on:\n{}", self.screen());
    }

    /// Waits until the program has sent some bytes.
    pub fn sends(&self, part: &str) {
        let seen = self.waits(PATIENCE, |output| contains(&output.bytes, part));
        assert!(seen.is_some(), "no {part:?} was sent; on the screen:\n{}", self.screen());
    }

    /// Waits for the end; gives the exit code and all that came out.
    pub fn end(mut self) -> (u32, Vec<u8>) {
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
        let bytes = self.output().bytes.clone();
        (code, bytes)
    }

    /// Nothing is sent while nothing changes.
    pub fn stays_silent(&self) {
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

pub fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Whether no frame (a synchronised update, DEC mode 2026) has begun without its end.
fn is_whole(bytes: &[u8]) -> bool {
    const MODE: &[u8] = b"\x1b[?2026";
    let last = bytes.windows(MODE.len() + 1).rposition(|window| window.starts_with(MODE));
    last.is_none_or(|at| bytes[at + MODE.len()] == b'l')
}

/// The terminal was taken and given back: alternate screen left, cursor shown, paste mode off.
pub fn assert_restored(bytes: &[u8]) {
    assert!(contains(bytes, "\x1b[?1049h"));
    for part in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l"] {
        assert!(contains(bytes, part), "{part:?} is missing");
    }
    let open = bytes.windows(8).filter(|window| *window == b"\x1b[?2026h").count();
    let closed = bytes.windows(8).filter(|window| *window == b"\x1b[?2026l").count();
    assert!(open > 0 && closed >= open, "{open} updates begun, {closed} ended");
}
