//! The most memory that was in use.

use crate::run::device::ordinal;
use crate::run::machine::gpu_free;
use crate::run::pipeline::peak_rss_bytes;
use candle_core::Device;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Watches the memory of a device for as long as it lives.
pub enum Peak {
    /// The system keeps the most that the process had.
    Host,
    /// A thread looks at what the GPU has left, since nobody keeps the least of it.
    Gpu { before: u64, least: Arc<AtomicU64>, _stop: Sender<()> },
    /// The driver does not tell.
    Unknown,
}

impl Peak {
    /// Begins to watch.
    pub fn of(device: &Device) -> Peak {
        let Some(ordinal) = ordinal(device) else { return Peak::Host };
        let Some(before) = gpu_free(ordinal) else { return Peak::Unknown };
        let least = Arc::new(AtomicU64::new(before));
        let (stop, stopped) = channel();
        let seen = Arc::clone(&least);
        let look = move || {
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if let Some(free) = gpu_free(ordinal) {
                    seen.fetch_min(free, Ordering::Relaxed);
                }
            }
        };
        match std::thread::Builder::new().name("memory".into()).spawn(look) {
            Ok(_) => Peak::Gpu { before, least, _stop: stop },
            Err(_) => Peak::Unknown,
        }
    }

    /// Bytes: the most that the process had resident, or the most that the GPU had less than at the beginning.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Peak::Host => peak_rss_bytes(),
            Peak::Gpu { before, least, .. } => Some(before.saturating_sub(least.load(Ordering::Relaxed))),
            Peak::Unknown => None,
        }
    }
}
