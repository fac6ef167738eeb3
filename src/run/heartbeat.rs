//! Sign of life of a worker, for those who cannot see its process: a file, touched every 10 s.

use super::file::FileError;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// Time between touches.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Age from which on a worker counts as stalled.
pub const STALE: Duration = Duration::from_secs(60);

/// The thread that touches the file; ends when dropped.
#[derive(Debug)]
pub struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Touches the file now and then every [`INTERVAL`].
    ///
    /// # Errors
    /// [`FileError`] where the first touch or the thread fails; later failures show as age.
    pub fn start(path: &Path) -> Result<Heartbeat, FileError> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(FileError::at("cannot open", path))?;
        touch(&file).map_err(FileError::at("cannot touch", path))?;
        let (stop, stopped) = channel();
        let beat = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = touch(&file) {
                    tracing::warn!("no heartbeat: {error}");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("heartbeat".into())
            .spawn(beat)
            .map_err(FileError::at("cannot start a thread for", path))?;
        Ok(Heartbeat { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread does not panic; if it did, there would be nothing left to end.
            let _ = thread.join();
        }
    }
}

fn touch(file: &File) -> std::io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Time since the last touch; `None` where there was none.
pub fn age(path: &Path) -> Option<Duration> {
    let touched = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    // A clock that was set back gives a touch in the future: as fresh as can be.
    Some(SystemTime::now().duration_since(touched).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_fresh_at_once_and_ends_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heartbeat");
        assert_eq!(age(&path), None);
        let old = File::create(&path).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        assert!(age(&path).unwrap() > STALE);
        let heartbeat = Heartbeat::start(&path).unwrap();
        assert!(age(&path).unwrap() < INTERVAL);
        let start = std::time::Instant::now();
        drop(heartbeat);
        assert!(start.elapsed() < INTERVAL / 2);
    }
}
