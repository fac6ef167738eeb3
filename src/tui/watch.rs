//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::{Head, Then};
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use super::runs::folder::{RunsFolder, data_name};
use super::seen::{self, Seen};
use crate::run::directory::RunDir;
use crate::run::file::timestamp;
use crate::run::follow::{ANEW, Follower, both_ends};
use crate::run::state::state;
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use jiff::Timestamp;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// Time between looks at the runs.
const RUNS_LOOK: Duration = Duration::from_millis(1000);
/// The same while the logs of runs at work are read for what the table shows of them.
const CATCH_UP: Duration = Duration::from_millis(100);
/// Bytes at the end of a log that tell how far a run is.
const TAIL: usize = 1 << 16;
/// Bytes from which on a log takes longer to read than an eye notices.
const LONG: u64 = 1 << 22;
/// Bytes at its beginning that tell what it is.
const HEAD: usize = 1 << 17;
/// How long the end of a watch is waited for.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Time between two notes of up to where a run was seen.
const SEEN_EVERY: Duration = Duration::from_secs(30);

/// The folder of the runs: who comes back to them finds what was known, and no log is read twice.
pub type SharedFolder = Arc<Mutex<RunsFolder>>;

/// Something that is watched, on a thread of its own: one heap and one stack for as long as it takes. Ends when dropped.
pub struct Watch {
    /// Closed when dropped, which wakes the thread.
    stop: Option<Sender<()>>,
    done: Receiver<()>,
}

impl Watch {
    /// Watches until it is dropped. `folder`: what earlier watches have read of the runs.
    pub fn start(watching: &Watching, folder: &SharedFolder, to: UnboundedSender<Msg>) -> Option<Watch> {
        let (stop, stopped) = channel();
        let (ends, done) = channel();
        let (watching, folder) = (watching.clone(), Arc::clone(folder));
        let body = move || {
            match watching {
                Watching::Runs => watch_runs(&folder, &to, &stopped),
                Watching::Run(run) => follow(vec![run], true, &to, &stopped),
                Watching::Several(runs) => follow(runs, false, &to, &stopped),
                Watching::Nothing => {}
            }
            drop(ends);
        };
        if let Err(error) = std::thread::Builder::new().name("watch".into()).spawn(body) {
            tracing::error!("no thread to watch with: {error}");
            return None;
        }
        Some(Watch { stop: Some(stop), done })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.take();
        // It notes up to where a run was seen. A file system that does not answer keeps nobody.
        let _ = self.done.recv_timeout(LAST_WORDS);
    }
}

/// Waits; false where the watch is over.
fn goes_on(stopped: &Receiver<()>, wait: Duration) -> bool {
    stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
}

fn watch_runs(folder: &SharedFolder, to: &UnboundedSender<Msg>, stopped: &Receiver<()>) {
    // No other watch is at work on it, but for one that the file system keeps. What a panic left half done is looked at anew.
    let mut table = folder.lock().unwrap_or_else(PoisonError::into_inner);
    let mut told: Option<Result<Vec<RunRow>, String>> = None;
    loop {
        let rows = table.look();
        if told.as_ref() != Some(&rows) {
            let msg = match &rows {
                Ok(rows) => Msg::Runs(rows.clone()),
                Err(error) => Msg::Failed(error.clone()),
            };
            if to.send(msg).is_err() {
                return;
            }
            told = Some(rows);
        }
        if !goes_on(stopped, if table.is_behind() { CATCH_UP } else { RUNS_LOOK }) {
            return;
        }
    }
}

/// Follows runs; `marks`: whether that counts as having seen them.
fn follow(runs: Vec<String>, marks: bool, to: &UnboundedSender<Msg>, stopped: &Receiver<()>) {
    let mut followed: Vec<Followed> = runs.into_iter().filter_map(|run| Followed::open(run, marks, to)).collect();
    loop {
        let mut wait = LOG_LOOK;
        followed.retain_mut(|run| match run.look(to) {
            Some(more) => {
                if more {
                    wait = Duration::ZERO;
                }
                true
            }
            None => false,
        });
        if followed.is_empty() || to.is_closed() || !goes_on(stopped, wait) {
            return;
        }
    }
}

/// A run that is followed. Its history is folded here, and goes to the screen as one; later lines go one by one.
struct Followed {
    /// What was asked for.
    run: String,
    dir: RunDir,
    follower: Follower,
    /// The fold of the history, until all of it is read.
    filling: Option<Box<RunView>>,
    /// The event up to which the run was seen before, and where the run stood then.
    seen: Option<u64>,
    then: Option<Then>,
    told: Option<State>,
    /// When the screen was last told how far the reading is.
    said: Instant,
    looked: Looked,
}

impl Followed {
    fn open(run: String, marks: bool, to: &UnboundedSender<Msg>) -> Option<Followed> {
        let (dir, head, glimpse) = match open(&run) {
            Ok(found) => found,
            Err(error) => {
                // The screen may be gone with its receiver; then nobody needs to know.
                let _ = to.send(Msg::Lost { run, error });
                return None;
            }
        };
        let looked = Looked { id: marks.then(|| head.id.clone()), kept: None, newest: None };
        let seen = head.seen.as_ref().map(|seen| seen.seq);
        to.send(Msg::Opened(Box::new(head))).ok()?;
        if let Some((view, state)) = glimpse {
            to.send(Msg::Glimpse { run: run.clone(), view: Box::new(view), state }).ok()?;
        }
        let follower = Follower::new(&dir.events_path());
        let filling = Some(Box::default());
        Some(Followed { run, dir, follower, filling, seen, then: None, told: None, said: Instant::now(), looked })
    }

    /// Looks once; whether there is more to read at once, or nothing where the run cannot be followed any more.
    fn look(&mut self, to: &UnboundedSender<Msg>) -> Option<bool> {
        // The state first: what it is derived from is then in the records that are read after it.
        let read = state(&self.dir).and_then(|state| Ok((state, self.follower.poll_lines()?)));
        if !self.dir.path().is_dir() {
            self.looked.id = None;
            let _ = to.send(Msg::Lost { run: self.run.clone(), error: "this run was deleted".into() });
            return None;
        }
        let (now, lines) = match read {
            Ok(read) => read,
            Err(error) => {
                let _ = to.send(Msg::Lost { run: self.run.clone(), error: error.to_string() });
                return None;
            }
        };
        if self.follower.begins_anew() {
            // As if it was opened now, but for where it was left: that was in the other one.
            (self.filling, self.seen, self.then, self.looked.newest) = (Some(Box::default()), None, None, None);
            to.send(Msg::Failed(ANEW.into())).ok()?;
        }
        let is_behind = !self.follower.is_caught_up();
        self.looked.newest = lines.last().map(|line| line.record.seq).or(self.looked.newest);
        let run = || self.run.clone();
        let msg = match self.filling.take() {
            Some(mut view) => {
                for line in &lines {
                    view.apply_at(&line.record, Some(line.place));
                    if self.seen == Some(line.record.seq) {
                        self.then = Some(Then::of(&view));
                    }
                }
                if is_behind {
                    self.filling = Some(view);
                    if self.said.elapsed() < LOG_LOOK {
                        return Some(true);
                    }
                    self.said = Instant::now();
                    let length = std::fs::metadata(self.dir.events_path()).map_or(0, |file| file.len());
                    let read = self.follower.place() as f64 / length.max(1) as f64;
                    Msg::Reading { run: run(), read }
                } else {
                    self.told = Some(now);
                    Msg::Filled { run: run(), view, state: now, then: self.then.take() }
                }
            }
            None if lines.is_empty() && self.told == Some(now) => return Some(is_behind),
            None => {
                self.told = Some(now);
                let (places, records) = lines.into_iter().map(|line| (line.place, line.record)).unzip();
                Msg::Followed { run: run(), records, places, state: now }
            }
        };
        to.send(msg).ok()?;
        if self.filling.is_none() {
            self.looked.keep_now_and_then();
        }
        Some(is_behind)
    }
}

/// Keeps up to where a run was seen: now and then, since the terminal may be killed, and when the screen is left.
struct Looked {
    /// None: looking at it does not count.
    id: Option<String>,
    /// What was kept last, and when.
    kept: Option<(u64, Instant)>,
    newest: Option<u64>,
}

impl Looked {
    fn keep_now_and_then(&mut self) {
        if self.kept.is_none_or(|(_, at)| at.elapsed() >= SEEN_EVERY) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        let Some(id) = &self.id else { return };
        let Some(seq) = self.newest.filter(|seq| self.kept.is_none_or(|(kept, _)| kept != *seq)) else { return };
        seen::keep(id, &Seen { seq, time: timestamp() });
        self.kept = Some((seq, Instant::now()));
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        self.keep();
    }
}

/// Who a run is, where it can be told at once.
pub fn head(run: &str) -> Option<Head> {
    let found = Store::of_user().ok()?.find(run).ok()?;
    Some(head_of(&found.run))
}

/// What the ends of a log tell of a run, and its state.
type Glimpse = (RunView, State);

/// A run, and a glimpse of it where its log is long.
fn open(run: &str) -> Result<(RunDir, Head, Option<Glimpse>), String> {
    let found = Store::of_user().and_then(|store| store.find(run)).map_err(|error| error.to_string())?;
    let dir = found.run;
    let head = head_of(&dir);
    // What is read in a moment needs no glimpse, which shows less.
    let ends = both_ends(&dir.events_path(), HEAD, TAIL, LONG).map_err(|error| error.to_string())?;
    let glimpse = ends.map(|records| RunView::of(&records)).zip(state(&dir).ok());
    Ok((dir, head, glimpse))
}

fn head_of(dir: &RunDir) -> Head {
    let experiment = dir.experiment().ok();
    let seen = seen::load(dir.id());
    let since = |seen: &Seen| {
        let then = seen.time.parse::<Timestamp>().ok()?;
        Some(Timestamp::now().duration_since(then).as_secs_f64().max(0.0))
    };
    Head {
        id: dir.id().to_owned(),
        name: dir.info().name.clone(),
        dir: dir.path().display().to_string(),
        data: data_name(&experiment.clone().unwrap_or_default()),
        settings: experiment.map(Box::new),
        away_s: seen.as_ref().and_then(since),
        seen,
    }
}
