//! Standard output, where the answers go.
//!
//! Where it is closed when the program begins (`>&-`), the standard library opens `/dev/null` in its place, so that nobody
//! would ever know that the answer is lost. It is looked at before that, and every write is an error then, as it would be
//! without the library's help.

use std::io::{self, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// The system calls what stands in this section before it calls `main`, and so before the standard library does anything.
#[used]
#[cfg_attr(
    any(target_os = "linux", target_os = "android", target_os = "freebsd"),
    unsafe(link_section = ".init_array")
)]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: asks for flags of a number, which need not be open; takes no pointers.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Where an answer goes.
pub enum Answer {
    Out(StdoutLock<'static>),
    /// Nowhere.
    Closed,
}

impl Answer {
    /// Standard output, locked.
    pub fn open() -> Answer {
        if WAS_CLOSED.load(Ordering::Relaxed) { Answer::Closed } else { Answer::Out(io::stdout().lock()) }
    }
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Answer::Out(out) => out.write(bytes),
            Answer::Closed => Err(io::Error::other("standard output is closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Answer::Out(out) => out.flush(),
            // What was written was an error already.
            Answer::Closed => Ok(()),
        }
    }
}
