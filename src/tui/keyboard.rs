//! Keys and pastes from the terminal, read by a thread of their own.
//!
//! Crossterm's reader loops for ever once the terminal is gone (a read of 0 bytes, or an error, is tried again), so it
//! may neither run on the loop's thread nor be asked when there is nothing but a hang-up to read.

use crossterm::event::{Event, poll, read};
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long the reader looks for a further event: with no time at all it does not look.
const LOOK: Duration = Duration::from_millis(1);

/// Starts the thread. It ends, and so closes the channel, when the terminal is gone or nobody listens.
///
/// # Errors
/// Where there can be no further thread.
pub fn listen(to: UnboundedSender<io::Result<Event>>) -> io::Result<()> {
    std::thread::Builder::new().name("keyboard".into()).spawn(move || pump(&to)).map(|_| ())
}

fn pump(to: &UnboundedSender<io::Result<Event>>) {
    loop {
        match wait() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Told once; the loop ends by it.
                let _ = to.send(Err(error));
                return;
            }
        }
        while poll(LOOK).unwrap_or(false) {
            if to.send(read()).is_err() {
                return;
            }
        }
    }
}

/// Waits until there is something to read; false where the terminal is gone.
fn wait() -> io::Result<bool> {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    loop {
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(!fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}
