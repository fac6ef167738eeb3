//! Signals to a worker become requests, so that a batch scheduler's notice ends it as `stop` does.

use super::control::Request;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that a worker heeds.
#[derive(Debug, Default)]
pub struct Signals {
    heard: Vec<(&'static str, Arc<AtomicBool>)>,
}

impl Signals {
    /// No signals: for jobs within another program.
    pub fn none() -> Signals {
        Signals::default()
    }

    /// SIGTERM, SIGUSR1 and, where a person runs `worker` in a terminal, Ctrl-C mean stop; SIGHUP means nothing.
    ///
    /// # Errors
    /// Where the system refuses a handler.
    pub fn install() -> std::io::Result<Signals> {
        let mut signals = Signals::default();
        for (name, signal) in [("SIGTERM", SIGTERM), ("SIGUSR1", SIGUSR1), ("SIGINT", SIGINT)] {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signals.heard.push((name, flag));
        }
        // Handlers that set a flag that nobody reads: unlike by default, the process lives on. A file over the limit
        // of `ulimit -f` is an error of the write then, like a full disk.
        for signal in [SIGHUP, SIGXFSZ] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(signals)
    }

    /// The stop that a signal asked for.
    pub fn request(&self) -> Option<Request> {
        let (name, _) = self.heard.iter().find(|(_, flag)| flag.load(Ordering::Relaxed))?;
        Some(Request::Stop { reason: format!("signal {name}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_asks_for_a_stop_and_a_hangup_for_nothing() {
        let signals = Signals::install().unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert_eq!(signals.request(), None);
        signal_hook::low_level::raise(SIGUSR1).unwrap();
        assert_eq!(signals.request(), Some(Request::Stop { reason: "signal SIGUSR1".into() }));
        assert_eq!(Signals::none().request(), None);
    }
}
