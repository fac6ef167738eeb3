//! Pace of a phase: rate, time left, when to report and when to save.

use crate::run::event::{Event, Phase};
use std::time::{Duration, Instant};

/// Seconds between two progress events.
const REPORT_EVERY: Duration = Duration::from_millis(1000);
/// Steps over which the rate is taken.
const WINDOW: usize = 32;
/// Steps from which on a worker's own rate counts.
const FEW_STEPS: usize = 4;

/// The clock of one phase in one worker.
pub struct Pace {
    phase: Phase,
    /// Steps before those that are counted: the warm-up of the search.
    before: usize,
    total: usize,
    /// What a counted step costs of one before them.
    cost: f64,
    /// Steps a second of an earlier worker: what holds until this one has a few steps of its own.
    expected: Option<f64>,
    /// Ends of the last steps of this worker: (step, time).
    recent: std::collections::VecDeque<(usize, Instant)>,
    /// Whether this worker has done a step: the first reads weights and fills caches, and says nothing of the others.
    is_warm: bool,
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
            cost: 1.0,
            expected: None,
            recent: [(step, now)].into(),
            is_warm: false,
            reported: None,
            saved: now,
            save_every: Duration::from_secs_f64(save_every_s),
        }
    }

    /// Expects the rate that an earlier worker had, until this one has a few steps of its own.
    pub fn expecting(self, rate: Option<f64>) -> Pace {
        Pace { expected: rate.filter(|rate| *rate > 0.0), ..self }
    }

    /// Counts a step as so much work as `cost` of those before the counted ones.
    pub fn costing(self, cost: f64) -> Pace {
        Pace { cost, ..self }
    }

    /// What can be said before the first step: the time left at the rate that is expected.
    pub fn first_word(&self) -> Option<Event> {
        let (step, _) = *self.recent.front()?;
        self.expected.map(|rate| self.event(step, rate))
    }

    /// Steps a second over the last while; none before the second step.
    pub fn rate(&self) -> Option<f64> {
        let ((first, since), (last, until)) = (self.recent.front()?, self.recent.back()?);
        let seconds = (*until - *since).as_secs_f64();
        let steps = last - first;
        match self.expected {
            Some(rate) if steps < FEW_STEPS => Some(rate),
            _ => (seconds > 0.0 && steps > 0).then(|| steps as f64 / seconds),
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
        if step == self.before && self.cost != 1.0 {
            // What follows has a pace of its own, of which nothing is known yet.
            (self.recent, self.expected) = ([(step, now)].into(), None);
            return None;
        }
        if !std::mem::replace(&mut self.is_warm, true) && self.expected.is_none() {
            self.recent.clear();
        }
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
        Some(self.event(step, self.rate().unwrap_or(0.0)))
    }

    fn event(&self, step: usize, rate: f64) -> Event {
        let before = self.before.saturating_sub(step) as f64;
        let counted = (self.before + self.total).saturating_sub(step.max(self.before)) as f64;
        let left = before + counted * if before > 0.0 { self.cost } else { 1.0 };
        Event::Progress {
            phase: self.phase,
            step: step.saturating_sub(self.before),
            total: self.total,
            rate,
            // 0 of both: not known.
            left_s: if rate > 0.0 { left / rate } else { 0.0 },
            rss_bytes: rss_bytes().unwrap_or(0),
            device_bytes: None,
        }
    }
}

/// Resident memory of this process, from the kernel.
pub fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(pace: &Pace, step: usize) -> f64 {
        let Event::Progress { left_s, .. } = pace.event(step, 10.0) else { panic!("no progress") };
        left_s
    }

    #[test]
    fn the_time_left_of_a_warm_up_counts_the_dearer_steps_after_it() {
        let mut pace = Pace::new(Phase::Search, 0, (20, 100), 5.0).costing(5.0);
        // 10 warm-up steps at 10 a second, then 100 that take five times as long.
        assert_eq!((left(&pace, 10), left(&pace, 20), left(&pace, 70)), (51.0, 10.0, 5.0));
        assert!(pace.tick(19).is_some() && pace.tick(20).is_none(), "there is no pace of the search yet");
        assert_eq!(pace.rate(), None);
        pace.tick(21);
        assert!(pace.rate() > Some(0.0), "the worker is warm");
        assert!(Pace::new(Phase::Retrain, 0, (0, 5), 5.0).tick(5).is_some());
    }

    #[test]
    fn the_first_step_of_a_worker_is_no_pace() {
        let mut pace = Pace::new(Phase::Retrain, 0, (0, 9), 5.0);
        std::thread::sleep(Duration::from_millis(30));
        let Some(Event::Progress { rate, left_s, .. }) = pace.tick(1) else { panic!("no progress") };
        assert_eq!((rate, left_s, pace.rate()), (0.0, 0.0, None));
        pace.tick(2);
        assert!(pace.rate() > Some(1.0 / 0.03), "{:?}", pace.rate());
        let mut expecting = Pace::new(Phase::Retrain, 4, (0, 9), 5.0).expecting(Some(2.0));
        let Some(Event::Progress { rate, left_s, .. }) = expecting.tick(5) else { panic!("no progress") };
        assert_eq!((rate, left_s), (2.0, 2.0));
    }
}
