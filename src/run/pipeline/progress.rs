//! Pace of a phase: rate, time left, when to report and when to save.

use crate::run::event::{Event, Phase};
use std::time::{Duration, Instant};

/// Seconds between two progress events.
const REPORT_EVERY: Duration = Duration::from_millis(1000);
/// Steps over which the rate is taken.
const WINDOW: usize = 32;

/// The clock of one phase in one worker.
pub struct Pace {
    phase: Phase,
    /// Steps before those that are counted: the warm-up of the search.
    before: usize,
    total: usize,
    /// Ends of the last steps of this worker: (step, time).
    recent: std::collections::VecDeque<(usize, Instant)>,
    reported: Option<Instant>,
    saved: Instant,
    save_every: Duration,
}

impl Pace {
    /// Starts at `step` steps done of all; `before` of them are not counted in events, `total` are.
    pub fn new(phase: Phase, step: usize, (before, total): (usize, usize), save_every_s: f64) -> Pace {
        let now = Instant::now();
        Pace {
            phase,
            before,
            total,
            recent: [(step, now)].into(),
            reported: None,
            saved: now,
            save_every: Duration::from_secs_f64(save_every_s),
        }
    }

    /// Whether a checkpoint is due; saying yes starts the next interval.
    pub fn save_due(&mut self) -> bool {
        let due = self.saved.elapsed() >= self.save_every;
        if due {
            self.saved = Instant::now();
        }
        due
    }

    /// Notes that `step` steps are done; a progress event where one is due, or at the end.
    pub fn tick(&mut self, step: usize) -> Option<Event> {
        let now = Instant::now();
        self.recent.push_back((step, now));
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        let all = self.before + self.total;
        let due = step >= all || self.reported.is_none_or(|at| now - at >= REPORT_EVERY);
        if !due {
            return None;
        }
        self.reported = Some(now);
        let (first, since) = *self.recent.front()?;
        let seconds = (now - since).as_secs_f64();
        let rate = if seconds > 0.0 { (step - first) as f64 / seconds } else { 0.0 };
        let left_s = if rate > 0.0 { all.saturating_sub(step) as f64 / rate } else { 0.0 };
        let rss_bytes = rss_bytes().unwrap_or(0);
        let step = step.saturating_sub(self.before);
        Some(Event::Progress {
            phase: self.phase,
            step,
            total: self.total,
            rate,
            left_s,
            rss_bytes,
            device_bytes: None,
        })
    }
}

/// Resident memory of this process, from the kernel.
pub fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
