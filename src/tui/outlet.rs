//! The terminal as what is written to without ever being stuck in the system: who waits for it can be told to give up.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{isatty, ttyname};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long one write waits for room.
const PATIENCE: Duration = Duration::from_millis(50);

/// Takes what the terminal has room for; [`io::ErrorKind::WouldBlock`] where it has none for a moment.
#[derive(Debug)]
pub struct Outlet(File);

impl Outlet {
    /// Opens the terminal behind `out` once more, so that writes which do not block are ours alone: the shell and whatever else
    /// has the terminal shares the settings of `out` itself. Where it cannot be opened, as after `su`, `out` is used, and a
    /// write that has begun may block.
    ///
    /// # Errors
    /// Where there can be no further file.
    pub fn open(out: impl AsFd) -> io::Result<Outlet> {
        let out = out.as_fd();
        Ok(Outlet(match reopen(out) {
            Ok(own) => own,
            Err(_) => File::from(out.try_clone_to_owned()?),
        }))
    }

    /// Writes all of it; false where the terminal did not take it within `patience`.
    pub fn write_within(&self, mut bytes: &[u8], patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !bytes.is_empty() {
            match self.put(bytes) {
                Ok(count @ 1..) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
        true
    }

    /// Writes what the terminal has room for.
    fn put(&self, bytes: &[u8]) -> io::Result<usize> {
        let patience = Timespec::try_from(PATIENCE).ok();
        let mut fds = [PollFd::new(&self.0, PollFlags::OUT)];
        match rustix::event::poll(&mut fds, patience.as_ref())? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(rustix::io::write(&self.0, bytes)?),
        }
    }
}

fn reopen(out: BorrowedFd<'_>) -> io::Result<File> {
    if !isatty(out) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let name = ttyname(out, Vec::new())?;
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let own = rustix::fs::open(name, flags, Mode::empty())?;
    // In a container the name may be that of another terminal.
    let (ours, theirs) = (rustix::fs::fstat(&own)?, rustix::fs::fstat(out)?);
    if ours.st_rdev != theirs.st_rdev {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(File::from(own))
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
