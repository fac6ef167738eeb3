//! What changes by itself: the runs and the log of the run on the monitor, looked at a few times a second, told only
//! when something is different.

use super::monitor::{Head, Then};
use super::msg::{Msg, Watching};
use super::runs::RunRow;
use super::runs::folder::{RunsFolder, data_name};
use super::seen::{self, Seen};
use crate::run::directory::RunDir;
use crate::run::event::Event;
use crate::run::file::{FileError, timestamp};
use crate::run::follow::{ANEW, Follower, both_ends};
use crate::run::state::state;
use crate::run::store::{Store, StoreError};
use crate::run::view::{RunView, State};
use jiff::Timestamp;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::error::SendError;

/// Time between looks at the log on the monitor.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// The same at a run that could not be read: what keeps it away may take long, and every look may hang for a while.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
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

/// Follows runs; `marks`: whether that counts as having seen them. An error may pass, as that of a network's disk does: the
/// run is tried again until it can be read, or is no more.
fn follow(runs: Vec<String>, marks: bool, to: &UnboundedSender<Msg>, stopped: &Receiver<()>) {
    let mut chases: Vec<Chase> = runs.into_iter().map(|run| Chase::of(run, marks)).collect();
    loop {
        let mut wait = LOOK_AGAIN;
        chases.retain_mut(|chase| match chase.look(to) {
            Some(next) => {
                wait = wait.min(next);
                true
            }
            None => false,
        });
        if chases.is_empty() || to.is_closed() || !goes_on(stopped, wait) {
            return;
        }
    }
}

/// Why a run cannot be followed.
enum Trouble {
    /// It may be over at the next look.
    Passing(String),
    /// There is no such run, or not any more.
    Final(String),
    /// Nobody listens.
    Unheard,
}

impl From<FileError> for Trouble {
    fn from(error: FileError) -> Trouble {
        Trouble::Passing(error.to_string())
    }
}

impl<T> From<SendError<T>> for Trouble {
    fn from(_: SendError<T>) -> Trouble {
        Trouble::Unheard
    }
}

/// A run that is to be followed, however often that fails.
struct Chase {
    /// What was asked for.
    run: String,
    marks: bool,
    followed: Option<Followed>,
    /// The error that the screen shows, and when to try again.
    failed: Option<(String, Instant)>,
}

impl Chase {
    fn of(run: String, marks: bool) -> Chase {
        Chase { run, marks, followed: None, failed: None }
    }

    /// Looks, where it is time to. Gives the time until the next look; none where there is nothing to look at any more.
    fn look(&mut self, to: &UnboundedSender<Msg>) -> Option<Duration> {
        let early = self.failed.as_ref().map(|(_, at)| at.saturating_duration_since(Instant::now()));
        if let Some(left) = early.filter(|left| !left.is_zero()) {
            return Some(left);
        }
        let looked = self.try_to(to);
        let lost = |error: String| Msg::Lost { run: self.run.clone(), error };
        match looked {
            Ok(more) => {
                if self.failed.take().is_some() {
                    to.send(Msg::Regained { run: self.run.clone() }).ok()?;
                }
                Some(if more { Duration::ZERO } else { LOG_LOOK })
            }
            Err(Trouble::Passing(error)) => {
                if self.failed.as_ref().is_none_or(|(told, _)| *told != error) {
                    let shown = if self.followed.is_some() { "what is shown is from before, and it" } else { "it" };
                    to.send(lost(format!("{error}; {shown} is tried again every second"))).ok()?;
                }
                self.failed = Some((error, Instant::now() + LOOK_AGAIN));
                Some(LOOK_AGAIN)
            }
            Err(Trouble::Final(error)) => {
                // The screen may be gone with its receiver; then nobody needs to know.
                let _ = to.send(lost(error));
                None
            }
            Err(Trouble::Unheard) => None,
        }
    }

    fn try_to(&mut self, to: &UnboundedSender<Msg>) -> Result<bool, Trouble> {
        let followed = match &mut self.followed {
            Some(followed) => followed,
            none => none.insert(Followed::open(&self.run, self.marks, to)?),
        };
        followed.look(to)
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
    fn open(run: &str, marks: bool, to: &UnboundedSender<Msg>) -> Result<Followed, Trouble> {
        let (dir, head, glimpse) = open(run)?;
        let looked = Looked { id: marks.then(|| head.id.clone()), kept: None, newest: None };
        let seen = head.seen.as_ref().map(|seen| seen.seq);
        let run = run.to_owned();
        to.send(Msg::Opened(Box::new(head)))?;
        if let Some((view, state)) = glimpse {
            to.send(Msg::Glimpse { run: run.clone(), view: Box::new(view), state })?;
        }
        let follower = Follower::new(&dir.events_path());
        let filling = Some(Box::default());
        Ok(Followed { run, dir, follower, filling, seen, then: None, told: None, said: Instant::now(), looked })
    }

    /// Looks once; gives whether there is more to read at once.
    fn look(&mut self, to: &UnboundedSender<Msg>) -> Result<bool, Trouble> {
        // The state first: what it is derived from is then in the records that are read after it.
        let read = state(&self.dir).and_then(|state| Ok((state, self.follower.poll_lines()?)));
        // What the folder cannot be asked for is no answer: only one that is not there is gone.
        if std::fs::metadata(self.dir.path()).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            self.looked.id = None;
            return Err(Trouble::Final("this run was deleted".into()));
        }
        let (now, lines) = read?;
        if self.follower.begins_anew() {
            // As if it was opened now, but for where it was left: that was in the other one.
            (self.filling, self.seen, self.then, self.looked.newest) = (Some(Box::default()), None, None, None);
            to.send(Msg::Failed(ANEW.into()))?;
        }
        let is_behind = !self.follower.is_caught_up();
        // Now its settings say what was found out.
        if self.filling.is_none() && lines.iter().any(|line| matches!(line.record.event, Event::Prepared { .. })) {
            to.send(Msg::Opened(Box::new(head_of(&self.dir))))?;
        }
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
                        return Ok(true);
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
            None if lines.is_empty() && self.told == Some(now) => return Ok(is_behind),
            None => {
                self.told = Some(now);
                let (places, records) = lines.into_iter().map(|line| (line.place, line.record)).unzip();
                Msg::Followed { run: run(), records, places, state: now }
            }
        };
        to.send(msg)?;
        if self.filling.is_none() {
            self.looked.keep_now_and_then();
        }
        Ok(is_behind)
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
fn open(run: &str) -> Result<(RunDir, Head, Option<Glimpse>), Trouble> {
    let found = Store::of_user().and_then(|store| store.find(run)).map_err(|error| match error {
        StoreError::File(error) if !error.is_missing() => error.into(),
        error => Trouble::Final(error.to_string()),
    });
    let dir = found?.run;
    let head = head_of(&dir);
    // What is read in a moment needs no glimpse, which shows less.
    let ends = both_ends(&dir.events_path(), HEAD, TAIL, LONG)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::run::event::Phase;
    use crate::run::log::EventLog;
    use crate::run::store::NewRun;

    #[test]
    fn settings_are_told_anew_once_a_worker_has_found_them_out() {
        let home = tempfile::tempdir().unwrap();
        let dir = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
        let (to, mut messages) = tokio::sync::mpsc::unbounded_channel();
        let looked = Looked { id: None, kept: None, newest: None };
        let (follower, said) = (Follower::new(&dir.events_path()), Instant::now());
        let run = dir.id().to_owned();
        let filling = Some(Box::default());
        let mut followed = Followed { run, dir, follower, filling, seen: None, then: None, told: None, said, looked };
        let mut heads = |followed: &mut Followed| {
            followed.look(&to).unwrap_or_else(|_| panic!("it cannot be followed"));
            let mut heads = Vec::new();
            while let Ok(message) = messages.try_recv() {
                heads.extend(if let Msg::Opened(head) = message { Some(head) } else { None });
            }
            heads
        };
        assert_eq!(heads(&mut followed), []);
        let mut log = EventLog::open(&followed.dir.events_path()).unwrap();
        log.append(Event::Phase { phase: Phase::Prepare, total: 0, epochs: None }).unwrap();
        assert_eq!(heads(&mut followed), []);
        let mut experiment = Experiment::default();
        experiment.data.text = Some("sentence".into());
        followed.dir.write_experiment(&experiment).unwrap();
        log.append(prepared()).unwrap();
        let found = heads(&mut followed);
        let text = found.iter().map(|head| head.settings.as_ref().and_then(|settings| settings.data.text.clone()));
        assert_eq!(text.collect::<Vec<_>>(), [Some("sentence".to_owned())]);
    }

    fn prepared() -> Event {
        Event::Prepared {
            phase: Phase::Prepare,
            model: "m".into(),
            train_rows: 1,
            validation_rows: 1,
            test_rows: 0,
            truncated_rows: 0,
            labels: Vec::new(),
            rank: 1,
            threshold: None,
            trainable_parameters: 1,
            frozen_parameters: 1,
            head_parameters: 0,
            modules: Vec::new(),
            warmup_steps: 0,
            task: "classification".into(),
            metric: "accuracy".into(),
            max_length: 8,
        }
    }
}
