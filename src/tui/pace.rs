//! When a frame may go: changes by themselves are spread out once they have become many bytes, so that a slow link keeps
//! room for keys; what answers a key goes at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes a second that changes by themselves may take, over any [`WINDOW`].
pub const MOST: usize = 8 << 10;
/// Where the byte rate is looked at.
pub const WINDOW: Duration = Duration::from_secs(2);
/// Bytes of one [`WINDOW`].
const BUDGET: usize = MOST * WINDOW.as_secs() as usize;
/// Least time between frames: 30 a second.
pub const SHORTEST: Duration = Duration::from_millis(33);
/// Most time between a change and its frame, where the frame before it was taken.
pub const LONGEST: Duration = Duration::from_secs(2);
/// The share of the budget that a window may hold before frames are spread out.
const SHARE_AT_ONCE: f64 = 0.4;
/// Of the budget, and of what the link takes, the share that frames are spread out to: the rest is for keys.
const SHARE_OF_BUDGET: f64 = 0.8;
const SHARE_OF_LINK: f64 = 0.5;
/// A frame that is taken faster than this says nothing of the link: a buffer on the way held it.
const BLOCKED: Duration = Duration::from_millis(20);

/// What went out lately, and what the link made of it.
#[derive(Debug, Default)]
pub struct Pace {
    /// Time and bytes of the frames of the last [`WINDOW`], oldest first.
    sent: VecDeque<(Instant, usize)>,
    /// The last frame, however long ago.
    last: Option<(Instant, usize)>,
    /// Bytes a second that the link took when it was the bottleneck.
    link: Option<f64>,
}

impl Pace {
    /// When a frame of so many bytes may go that answers no key.
    pub fn earliest(&self, now: Instant, bytes: usize) -> Instant {
        let mut at = now.max(self.not_before(now));
        // The window ending with this frame may hold no more than the budget.
        let mut held: usize = self.sent.iter().map(|(_, bytes)| bytes).sum();
        for (time, gone) in &self.sent {
            if *time + WINDOW > at && held + bytes > BUDGET {
                at = *time + WINDOW;
            }
            held -= gone;
        }
        at
    }

    /// When the next frame that answers no key may go, whatever its size.
    pub fn not_before(&self, now: Instant) -> Instant {
        let Some((time, bytes)) = self.last else { return now };
        let held = |(sent, _): &&(Instant, usize)| now.saturating_duration_since(*sent) < WINDOW;
        let held: usize = self.sent.iter().filter(held).map(|(_, bytes)| bytes).sum();
        let is_little = (held as f64) < BUDGET as f64 * SHARE_AT_ONCE;
        let own = if is_little { f64::INFINITY } else { MOST as f64 * SHARE_OF_BUDGET };
        let rate = self.link.map_or(f64::INFINITY, |link| link * SHARE_OF_LINK).min(own);
        let spread = Duration::try_from_secs_f64(bytes as f64 / rate.max(1.0)).unwrap_or(LONGEST);
        time + spread.clamp(SHORTEST, LONGEST)
    }

    /// A frame went out.
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        self.forget(now);
        self.sent.push_back((now, bytes));
        self.last = Some((now, bytes));
    }

    /// The terminal took a frame, in so much time.
    pub fn taken(&mut self, bytes: usize, took: Duration) {
        if took < BLOCKED {
            // It may have become faster: tried step by step.
            self.link = self.link.map(|link| link * 1.5).filter(|link| *link < 2.0 * MOST as f64);
            return;
        }
        let seen = bytes as f64 / took.as_secs_f64();
        self.link = Some(self.link.map_or(seen, |link| (link + seen) / 2.0));
    }

    /// Bytes a second over the last [`WINDOW`].
    pub fn rate(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.sent.iter().map(|(_, bytes)| bytes).sum::<usize>() / WINDOW.as_secs() as usize
    }

    fn forget(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|(time, _)| now.duration_since(*time) >= WINDOW) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends frames of these sizes as early as they may; gives when each went, from the start.
    fn send(pace: &mut Pace, start: Instant, sizes: &[usize]) -> Vec<Duration> {
        let mut now = start;
        let mut times = Vec::new();
        for size in sizes {
            now = pace.earliest(now, *size);
            pace.sent(now, *size);
            times.push(now - start);
        }
        times
    }

    #[test]
    fn small_frames_come_thirty_times_a_second_and_large_ones_seldom() {
        let start = Instant::now();
        assert_eq!(send(&mut Pace::default(), start, &[100; 3]), [Duration::ZERO, SHORTEST, 2 * SHORTEST]);
        let large = send(&mut Pace::default(), start, &[40_000; 3]);
        assert_eq!(large, [Duration::ZERO, LONGEST, 2 * LONGEST]);
    }

    #[test]
    fn a_burst_goes_at_once_and_a_stream_is_spread_over_the_window() {
        let times = send(&mut Pace::default(), Instant::now(), &[1000; 60]);
        assert!(times[5] <= 5 * SHORTEST, "{:?}", times[5]);
        let gaps: Vec<Duration> = times[30..].windows(2).map(|two| two[1] - two[0]).collect();
        // 1000 bytes at 8192 B/s are 122 ms, at 0.8 of it 153 ms: no frame waits much longer than the others.
        assert!(gaps.iter().all(|gap| (100..250).contains(&gap.as_millis())), "{gaps:?}");
    }

    #[test]
    fn a_key_is_answered_whatever_went_before_and_counts_after_it() {
        let start = Instant::now();
        let mut pace = Pace::default();
        // Keys do not ask; their frames are told all the same.
        for i in 0..40 {
            pace.sent(start + i * MS, 1000);
        }
        assert!(pace.earliest(start + 40 * MS, 500) >= start + WINDOW);
    }

    #[test]
    fn a_slow_link_gets_fewer_frames_and_a_fast_one_its_own_again() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let gap = |pace: &mut Pace| {
            pace.last = Some((start, 1000));
            pace.not_before(start) - start
        };
        let fast = gap(&mut pace);
        // 1 kB/s: half of it is 2 s a frame.
        pace.taken(1000, Duration::from_secs(1));
        assert_eq!(gap(&mut pace), LONGEST);
        for _ in 0..12 {
            pace.taken(1000, MS);
        }
        assert_eq!(gap(&mut pace), fast);
    }

    #[test]
    fn the_rate_is_that_of_the_window() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.sent(start, 3000);
        pace.sent(start + WINDOW / 2, 1000);
        assert_eq!(pace.rate(start + WINDOW / 2), 2000);
        assert_eq!(pace.rate(start + WINDOW), 500);
        assert_eq!(pace.rate(start + 10 * WINDOW), 0);
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_its_budget_and_no_frame_waits_for_ever(
            sizes in prop::collection::vec(1usize..20_000, 1..60),
        ) {
            let budget = MOST * 2;
            let times = send(&mut Pace::default(), Instant::now(), &sizes);
            for (i, from) in times.iter().enumerate() {
                let held: Vec<usize> =
                    (i..times.len()).filter(|j| times[*j] < *from + WINDOW).map(|j| sizes[j]).collect();
                // One frame alone may be larger than the budget.
                prop_assert!(held.len() == 1 || held.iter().sum::<usize>() <= budget, "{held:?}");
                if i > 0 {
                    prop_assert!(*from - times[i - 1] <= LONGEST);
                }
            }
        }
    }
}
