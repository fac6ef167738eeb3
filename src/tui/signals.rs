//! Signals to the screen: which of them end it and how, and which put it aside.
//!
//! Whatever can be caught leaves a terminal as it was. `SIGTERM`, `SIGHUP` and `SIGINT` end the program with the exit code
//! of an interruption; those that nobody sends to end a screen do what they would do without us, once the terminal is given
//! back: `SIGQUIT` may leave a core, and a shell says which one it was. `SIGPIPE` and `SIGXFSZ` are errors of a write, and
//! told as such. `SIGTSTP` stops the program as it stops any other, and `SIGCONT` brings the screen back.

use rustix::process::Signal;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What a signal means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The terminal has another size.
    Resized,
    /// The program is to end.
    End,
    /// It is to end by this signal.
    Die(Signal),
    /// It is to stop until it is continued.
    Stop,
    /// It was stopped, by whatever, and goes on.
    Continued,
}

const MEANINGS: [(Signal, Told); 14] = [
    (Signal::WINCH, Told::Resized),
    (Signal::TERM, Told::End),
    (Signal::HUP, Told::End),
    (Signal::INT, Told::End),
    (Signal::TSTP, Told::Stop),
    (Signal::CONT, Told::Continued),
    (Signal::QUIT, Told::Die(Signal::QUIT)),
    (Signal::USR1, Told::Die(Signal::USR1)),
    (Signal::USR2, Told::Die(Signal::USR2)),
    (Signal::ALARM, Told::Die(Signal::ALARM)),
    (Signal::VTALARM, Told::Die(Signal::VTALARM)),
    (Signal::PROF, Told::Die(Signal::PROF)),
    (Signal::XCPU, Told::Die(Signal::XCPU)),
    (Signal::IO, Told::Die(Signal::IO)),
];

/// Tells of signals from now on. To be called within the loop's runtime.
///
/// # Errors
/// Where the system refuses a handler.
pub fn listen() -> io::Result<UnboundedReceiver<Told>> {
    // A file that may not become larger is an error of its write.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let (to, told) = unbounded_channel();
    for (number, meaning) in MEANINGS {
        let mut signals = signal(SignalKind::from_raw(number.as_raw()))?;
        let to = to.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && to.send(meaning).is_ok() {} });
    }
    Ok(told)
}

/// Does to this process what a signal does where nobody catches it: most end it, some stop it, and then this returns once it
/// is continued. A stop that nobody could end, since no shell waits for this process, is none.
pub fn do_the_usual(signal: Signal) {
    // SAFETY: the structures are plain data that the calls fill or read; what was set before is set again.
    unsafe {
        let mut usual: libc::sigaction = std::mem::zeroed();
        usual.sa_sigaction = libc::SIG_DFL;
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal.as_raw(), &raw const usual, &raw mut before) == 0 {
            libc::raise(signal.as_raw());
            libc::sigaction(signal.as_raw(), &raw const before, std::ptr::null_mut());
        }
    }
}
