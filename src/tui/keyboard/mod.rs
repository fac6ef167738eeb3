//! Keys and pastes from the terminal, read by a thread of their own.
//!
//! Crossterm gives the events their types, not its reader: that one keeps a sequence without an end for ever, and every key
//! after it (Ctrl-C too), and it tries for ever to read from a terminal that is gone.

mod parse;
mod sequence;
#[cfg(test)]
mod tests;

use crossterm::event::Event;
use parse::{Parser, Patience};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// Bytes that are read at once: what a terminal's line holds.
const PIECE: usize = 4096;

/// Starts the thread. It ends, and so closes the channel, when the terminal is gone or nobody listens.
///
/// # Errors
/// Where there can be no further thread.
pub fn listen(to: UnboundedSender<io::Result<Event>>) -> io::Result<()> {
    std::thread::Builder::new().name("keyboard".into()).spawn(move || pump(&to)).map(|_| ())
}

fn pump(to: &UnboundedSender<io::Result<Event>>) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    let mut last = Instant::now();
    // When what is not whole began.
    let mut first = (parser.begun(), last);
    let mut bytes = [0; PIECE];
    loop {
        let end = parser.patience().map(|patience| match patience {
            Patience::Silence(time) => last + time,
            Patience::InAll(time) => first.1 + time,
        });
        match read(&mut bytes, end) {
            Ok(Some(0)) => return,
            Ok(Some(count)) => parser.feed(&bytes[..count], &mut events),
            Ok(None) => parser.hush(&mut events),
            Err(error) => {
                // Told once; the loop ends by it.
                let _ = to.send(Err(error));
                return;
            }
        }
        last = Instant::now();
        if first.0 != parser.begun() {
            first = (parser.begun(), last);
        }
        for event in events.drain(..) {
            if to.send(Ok(event)).is_err() {
                return;
            }
        }
    }
}

/// Waits for bytes until `end`, for ever without one. None where the moment came first; 0 where the terminal is gone.
fn read(bytes: &mut [u8], end: Option<Instant>) -> io::Result<Option<usize>> {
    let stdin = io::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        // A time that is too long for the system is one without an end.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Ok(0) => return Ok(None),
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(Some(0));
        }
        match rustix::io::read(&stdin, &mut *bytes) {
            // Somebody else took them.
            Err(Errno::INTR | Errno::AGAIN) => {}
            // A terminal whose other end is gone.
            Err(Errno::IO) => return Ok(Some(0)),
            read => return Ok(Some(read?)),
        }
    }
}
