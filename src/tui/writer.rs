//! The thread that writes to the terminal. A terminal that takes nothing blocks it, and nothing else: keys and signals
//! are served, and the frame that goes next is the newest one, since only one is ever handed over.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Bytes that are written at once: after each such piece the rest can be dropped.
const PIECE: usize = 2048;

/// A frame was written, or not.
#[derive(Debug)]
pub struct Written {
    pub bytes: usize,
    /// Time until the terminal had taken all of it.
    pub took: Duration,
    pub result: io::Result<()>,
}

/// Hands frames to the thread.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    /// What is to be written next.
    next: Option<Vec<u8>>,
    is_writing: bool,
    /// Whether nothing more is to be written.
    is_closed: bool,
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // Nothing that holds the lock can leave it half changed.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the thread; it tells of every frame.
    ///
    /// # Errors
    /// Where there can be no further thread.
    pub fn start(out: impl Write + Send + 'static, told: UnboundedSender<Written>) -> io::Result<Writer> {
        let shared = Arc::new(Shared::default());
        let writer = Writer { shared: Arc::clone(&shared) };
        std::thread::Builder::new().name("screen".into()).spawn(move || serve(&shared, out, &told))?;
        Ok(writer)
    }

    /// Whether everything that was handed over is written.
    pub fn is_free(&self) -> bool {
        let slot = self.shared.slot();
        slot.next.is_none() && !slot.is_writing
    }

    /// Hands a frame over. What was handed over and is not begun is dropped.
    pub fn write(&self, bytes: Vec<u8>) {
        self.shared.slot().next = Some(bytes);
        self.shared.changed.notify_all();
    }

    /// Writes nothing more and drops what is not written; true once nothing is being written any more, false where that
    /// takes longer than `patience`.
    pub fn close(&self, patience: Duration) -> bool {
        let mut slot = self.shared.slot();
        slot.is_closed = true;
        self.shared.changed.notify_all();
        let end = Instant::now() + patience;
        while slot.is_writing {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(slot, left);
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn serve(shared: &Shared, mut out: impl Write, told: &UnboundedSender<Written>) {
    loop {
        let mut slot = shared.slot();
        let bytes = loop {
            if slot.is_closed {
                return;
            }
            if let Some(bytes) = slot.next.take() {
                break bytes;
            }
            slot = shared.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        };
        slot.is_writing = true;
        drop(slot);
        let start = Instant::now();
        let result = write(shared, &mut out, &bytes);
        shared.slot().is_writing = false;
        shared.changed.notify_all();
        let ended = result.is_err();
        if told.send(Written { bytes: bytes.len(), took: start.elapsed(), result }).is_err() || ended {
            return;
        }
    }
}

fn write(shared: &Shared, out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        if shared.slot().is_closed {
            return Ok(());
        }
        match out.write(&rest[..rest.len().min(PIECE)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            // The terminal has no room for now: whoever closes is heard.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use tokio::sync::mpsc::unbounded_channel;

    /// Takes a piece whenever it is let.
    struct Gate {
        /// Told of each piece that waits to be let.
        asked: Sender<()>,
        let_through: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Not every test waits for it.
            let _ = self.asked.send(());
            self.let_through.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.taken.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_what_waits_only_the_newest_is_written() {
        let ((open, let_through), (taken, came)) = (channel(), channel());
        let (told, mut written) = unbounded_channel();
        let writer = Writer::start(Gate { asked: channel().0, let_through, taken }, told).unwrap();
        writer.write(b"first".to_vec());
        while writer.shared.slot().next.is_some() {
            std::thread::yield_now();
        }
        assert!(!writer.is_free());
        writer.write(b"stale".to_vec());
        writer.write(b"newest".to_vec());
        open.send(()).unwrap();
        open.send(()).unwrap();
        assert_eq!((came.recv().unwrap(), came.recv().unwrap()), (b"first".to_vec(), b"newest".to_vec()));
        assert_eq!(written.blocking_recv().unwrap().bytes, 5);
        assert_eq!(written.blocking_recv().unwrap().bytes, 6);
        assert!(writer.is_free() && writer.close(Duration::ZERO));
    }

    #[test]
    fn a_terminal_that_takes_nothing_is_given_up_and_the_rest_is_dropped() {
        let ((asked, asks), (open, let_through), (taken, came)) = (channel(), channel(), channel());
        let (told, mut written) = unbounded_channel();
        let writer = Writer::start(Gate { asked, let_through, taken }, told).unwrap();
        writer.write(vec![b'x'; 3 * PIECE]);
        // The first piece is at the terminal: only that is more than begun.
        asks.recv().unwrap();
        assert!(!writer.close(Duration::from_millis(5)));
        open.send(()).unwrap();
        assert!(written.blocking_recv().unwrap().result.is_ok());
        assert!(writer.close(Duration::ZERO));
        assert_eq!(came.try_iter().map(|piece| piece.len()).collect::<Vec<_>>(), [PIECE]);
    }

    #[test]
    fn an_error_of_the_terminal_is_told() {
        let ((open, let_through), (taken, _came)) = (channel::<()>(), channel());
        let (told, mut written) = unbounded_channel();
        let writer = Writer::start(Gate { asked: channel().0, let_through, taken }, told).unwrap();
        drop(open);
        writer.write(b"lost".to_vec());
        assert_eq!(written.blocking_recv().unwrap().result.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
