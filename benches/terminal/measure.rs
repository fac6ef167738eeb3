//! The measurements.

use crate::support::{Output, Session, size};
use crate::synthetic::Run;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take at most.
const LIMIT: Duration = Duration::from_secs(120);
/// A screen that sends nothing for so long is done.
const QUIET: Duration = Duration::from_secs(5);
/// Bytes that end an update.
const END: &[u8] = b"\x1b[?2026l";

/// What is started, and where.
pub struct Place<'a> {
    pub program: &'a str,
    pub home: &'a Path,
    pub arguments: &'a [&'a str],
}

impl Place<'_> {
    fn start(&self) -> Session {
        Session::of(self.program, self.home, self.arguments, size(160, 45), &[])
    }
}

/// A program that has drawn its first frame.
pub struct Opened {
    pub session: Session,
    /// From before it was spawned to the end of that frame.
    pub first: Duration,
}

impl Opened {
    /// The first whole update that shows a text.
    pub fn of(place: &Place, text: &str) -> Opened {
        let session = place.start();
        let is_there = |output: &Output| {
            output.bytes.windows(END.len()).any(|window| window == END)
                && output.screen.screen().contents().contains(text)
        };
        let seen = session.waits(LIMIT, is_there);
        let seen = seen.unwrap_or_else(|| panic!("no {text:?} on:\n{}", session.screen()));
        Opened { first: seen - session.start, session }
    }
}

/// The first screen with some text on it, of a program that has no updates.
pub fn first_text(place: &Place) -> Opened {
    let session = place.start();
    let has_text =
        |output: &Output| output.screen.screen().contents().chars().filter(|c| c.is_alphanumeric()).count() >= 40;
    let seen = session.waits(LIMIT, has_text).unwrap_or_else(|| panic!("nothing on:\n{}", session.screen()));
    Opened { first: seen - session.start, session }
}

/// Waits until the screen is quiet; gives the time from the start to its last bytes.
pub fn settle(session: &Session) -> Duration {
    let start = Instant::now();
    loop {
        let last = session.output().pieces.last().map_or(session.start, |(time, _)| *time);
        if last.elapsed() >= QUIET {
            return last - session.start;
        }
        assert!(start.elapsed() < LIMIT, "it is never quiet");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What happens while nobody does anything.
pub struct Idle {
    /// Percent of one core.
    pub cpu: f64,
    pub bytes: usize,
    /// Bytes a second in the fullest 2 s.
    pub most: f64,
}

pub fn idle(session: &Session, watch: Duration) -> Idle {
    let (start, before, sent) = (Instant::now(), cpu_s(session), session.sent());
    std::thread::sleep(watch);
    let cpu = 100.0 * (cpu_s(session) - before) / start.elapsed().as_secs_f64();
    Idle { cpu, bytes: session.sent() - sent, most: fullest(session, start) }
}

/// What a run costs that goes on, 50 steps a second.
pub struct Live {
    /// Bytes a second.
    pub mean: f64,
    /// Bytes a second in the fullest 2 s.
    pub most: f64,
    /// Percent of one core.
    pub cpu: f64,
}

pub fn live(session: &Session, run: &mut Run, watch: Duration) -> Live {
    const STEP: Duration = Duration::from_millis(20);
    let (start, before, sent) = (Instant::now(), cpu_s(session), session.sent());
    let mut next = start;
    while start.elapsed() < watch {
        run.step();
        next += STEP;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let seconds = start.elapsed().as_secs_f64();
    let mean = (session.sent() - sent) as f64 / seconds;
    Live { mean, most: fullest(session, start), cpu: 100.0 * (cpu_s(session) - before) / seconds }
}

/// Bytes a second in the fullest 2 s since a moment.
fn fullest(session: &Session, start: Instant) -> f64 {
    let output = session.output();
    let mut before = 0;
    let sizes = output.pieces.iter().map(|(time, sent)| (*time, sent - std::mem::replace(&mut before, *sent)));
    let pieces: Vec<(Instant, usize)> = sizes.filter(|(time, _)| *time >= start).collect();
    let window = Duration::from_secs(2);
    let held = |from: Instant| -> usize {
        pieces.iter().filter(|(time, _)| *time >= from && *time < from + window).map(|(_, bytes)| bytes).sum()
    };
    pieces.iter().map(|(time, _)| held(*time)).max().unwrap_or(0) as f64 / window.as_secs_f64()
}

/// Times from a key to the first bytes that answer it, in ms.
pub struct Keys {
    pub half: f64,
    pub p99: f64,
    pub most: f64,
    /// Keys that nothing answered within a second.
    pub silent: usize,
}

pub fn keys(session: &mut Session, count: usize) -> Keys {
    // Over the map, into the help, the table of runs, the form, the presets and back; each changes something.
    // A monitor is found as it was left, so that the cursor has to come back: at an edge a key would change nothing.
    const KEYS: [&str; 21] = [
        "j", "l", "k", "h", "?", "\x1b", "j", "G", "g", "l", "h", "\x1b", "n", "j", "\x1b[B", "\x1b", "p", "\x1b[B",
        "\x1b", "\r", "j",
    ];
    let mut times = Vec::new();
    let mut silent = 0;
    for key in KEYS.iter().cycle().take(count) {
        let sent = session.sent();
        let start = Instant::now();
        session.send(key);
        match session.waits(Duration::from_secs(1), |output| output.bytes.len() > sent) {
            Some(_) => {
                let output = session.output();
                let came = output.pieces.iter().find(|(_, total)| *total > sent).map_or(start, |(time, _)| *time);
                times.push(came.saturating_duration_since(start).as_secs_f64() * 1e3);
            }
            None => silent += 1,
        }
        // The rest of the frame, and what is read behind it: the next key comes to a quiet screen.
        let quiet = Duration::from_millis(if *key == "\r" { 1500 } else { 60 });
        let mut last = session.sent();
        loop {
            std::thread::sleep(quiet);
            let now = session.sent();
            if now == last {
                break;
            }
            last = now;
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Keys { half: at(0.5), p99: at(0.99), most: at(1.0), silent }
}

/// Seconds that the process was on a core so far.
fn cpu_s(session: &Session) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", session.pid())).expect("the program is there");
    // After the name, which may hold anything: state is field 3, utime 14, stime 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().expect("ticks are numbers")).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// Resident bytes.
pub fn rss(session: &Session) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", session.pid())).expect("the program is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel counts pages");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("in kB");
    kib * 1024.0
}
