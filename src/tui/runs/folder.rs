//! The folder of the runs, looked at again and again: what did not change is not read again.

use super::{Ranked, RunRow};
use crate::experiment::Experiment;
use crate::run::directory::RunDir;
use crate::run::event::{Event, Metrics, Phase, Record};
use crate::run::follow::tail;
use crate::run::history::Metric;
use crate::run::notes::Notes;
use crate::run::outlook::Left;
use crate::run::queue::Queue;
use crate::run::scan::{Scan, mean_rank};
use crate::run::state::state;
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Bytes at the end of a log that tell how far a run is.
const TAIL: usize = 1 << 16;
/// Bytes of the logs of runs at work that a look reads for their best loss, and of the log of another.
const PORTION: u64 = 1 << 22;
const PORTION_AT_REST: u64 = 1 << 20;

/// The runs, and what need not be read again, by the names of their folders.
#[derive(Default)]
pub struct RunsFolder {
    known: HashMap<OsString, Known>,
    looked: bool,
}

struct Known {
    run: RunDir,
    row: RunRow,
    experiment: Experiment,
    /// As it was when row and settings were read.
    stamps: Option<Stamps>,
    scan: Scan,
    /// Bytes of the log that `scan` has seen.
    scanned: u64,
}

/// What changes where anything of a run does, seen without opening a file.
#[derive(Clone, Copy, PartialEq)]
struct Stamps {
    /// Of the directory: files that come, go, or are replaced, such as the notes.
    folder: Stamp,
    /// A worker writes here as soon as it has the lock.
    log: Stamp,
    /// Of a run that seems to have crashed: its host may be another one, of which that is all there is to see.
    heartbeat: Stamp,
}

/// Time of the last change, and bytes.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Stamps {
    fn of(run: &RunDir, state: State) -> Stamps {
        let heartbeat = if state == State::Crashed { stamp(&run.heartbeat_path()) } else { None };
        Stamps { folder: stamp(run.path()), log: stamp(&run.events_path()), heartbeat }
    }

    fn log_length(&self) -> u64 {
        self.log.map_or(0, |(_, length)| length)
    }
}

impl RunsFolder {
    /// All runs of the user, newest first.
    ///
    /// # Errors
    /// Why the folder cannot be read.
    pub fn look(&mut self) -> Result<Vec<RunRow>, String> {
        let store = Store::of_user().map_err(|error| error.to_string())?;
        self.look_at(&store).map_err(|error| error.to_string())
    }

    fn look_at(&mut self, store: &Store) -> Result<Vec<RunRow>, crate::run::store::StoreError> {
        let folders = store.folders()?;
        let names: HashSet<&OsStr> = folders.iter().filter_map(|folder| folder.file_name()).collect();
        self.known.retain(|name, _| names.contains(name.as_os_str()));
        for name in names {
            // One whose file is damaged may be mended.
            let known = self.known.get(name).map(|known| &known.run);
            if known.is_none_or(|run| run.damage().is_some())
                && let Ok(run) = RunDir::open(&store.root().join(name))
                && known != Some(&run)
            {
                self.known.insert(name.to_owned(), Known::new(run));
            }
        }
        let mut all: Vec<&mut Known> = self.known.values_mut().collect();
        all.sort_by(|a, b| b.run.id().cmp(a.run.id()));
        all.iter_mut().for_each(|known| known.look());
        // The first rows come from the ends of the logs alone.
        if std::mem::replace(&mut self.looked, true) {
            scan_some(&mut all);
        }
        for known in &mut all {
            known.row.reads_on = known.is_behind_by(1);
        }
        let mut rows: Vec<RunRow> = all.iter().map(|known| known.row.clone()).collect();
        name_parents(&mut rows);
        if rows.iter().any(|row| row.state == State::Queued) {
            let queue = Queue::of_user().ok().and_then(|queue| queue.look().ok()).unwrap_or_default();
            for row in &mut rows {
                row.place = queue.place(&row.id).filter(|_| row.state == State::Queued);
            }
        }
        Ok(rows)
    }

    /// Whether there is more to read of the logs of runs at work.
    pub fn is_behind(&self) -> bool {
        self.known.values().any(|known| known.row.state.is_active() && known.is_behind_by(PORTION))
    }
}

/// Reads on in the logs: of runs at work first, then of the newest of the others.
fn scan_some(all: &mut [&mut Known]) {
    let mut left = PORTION;
    for known in all.iter_mut().filter(|known| known.row.state.is_active()) {
        left = left.saturating_sub(known.scan(left));
    }
    let mut left = left.min(PORTION_AT_REST);
    for known in all.iter_mut().filter(|known| !known.row.state.is_active()) {
        left = left.saturating_sub(known.scan(left));
    }
}

impl Known {
    fn new(run: RunDir) -> Known {
        let experiment = settings(&run);
        let row = first_row(&run, &experiment);
        Known { run, row, experiment, stamps: None, scan: Scan::default(), scanned: 0 }
    }

    fn look(&mut self) {
        let now = Stamps::of(&self.run, self.row.state);
        // What could not be read is looked at again: whom it may be read by changes no time of it.
        let was_unreadable = self.row.unreadable.is_some();
        let before = self.stamps.replace(now).filter(|_| !was_unreadable);
        let row = &mut self.row;
        // A lock that is let go, or a heartbeat that stops, changes no file.
        if before != Some(now) || row.state.is_active() || row.state == State::Queued {
            row.unreadable = match state(&self.run) {
                Ok(state) => {
                    row.state = state;
                    None
                }
                Err(error) => Some(error.to_string()),
            };
        }
        if before.is_none_or(|before| before.folder != now.folder) {
            row.notes = Notes::read(&self.run).unwrap_or_default();
        }
        if row.unreadable.is_none() && before.is_none_or(|before| before.log != now.log) {
            self.read_end();
        }
        if !self.row.state.is_active() {
            // Whoever died has no time left.
            self.row.left = None;
        }
    }

    /// Takes in what the end of the log says, together with what is known of its beginning.
    fn read_end(&mut self) {
        let records = tail(&self.run.events_path(), TAIL).unwrap_or_default();
        let view = RunView::of(self.scan.prepared.as_deref().into_iter().chain(&records));
        let row = &mut self.row;
        if row.model.is_empty() {
            self.experiment = settings(&self.run);
            describe(row, &self.experiment);
        }
        // The end of a long log may not hold the evaluation any more.
        let known = row.score.take().filter(|_| view.phase.is_none_or(|phase| phase > Phase::Evaluate));
        take(row, &view, &self.experiment);
        row.score = row.score.take().or(known);
        row.ranks = row.ranks.or_else(|| of_end(&records));
        self.know_ranks();
    }

    /// What was allocated counts, wherever in the log it stands.
    fn know_ranks(&mut self) {
        if let Some(allocated) = self.scan.allocated {
            let (mean, parameters) = (allocated.mean_rank, Some(allocated.parameters));
            self.row.ranks = Some(Ranked { mean, parameters, allocated: true });
        }
    }

    fn is_behind_by(&self, bytes: u64) -> bool {
        self.stamps.is_some_and(|stamps| stamps.log_length().saturating_sub(self.scanned) >= bytes)
    }

    /// Reads on in the log where it has more; gives the bytes that it read, about `most`.
    fn scan(&mut self, most: u64) -> u64 {
        let length = self.stamps.map_or(0, |stamps| stamps.log_length());
        if most == 0 || length == self.scanned {
            return 0;
        }
        let (before, knew) = (self.scan.offset(), self.scan.prepared.is_some());
        // What cannot be read now is tried again when it has changed.
        let at_end = self.scan.advance(&self.run.events_path(), most).unwrap_or(true);
        self.scanned = if at_end { length } else { self.scan.offset() };
        // Of a run at rest once all of it is read: figures that change by reading alone would look like news.
        if at_end || self.row.state.is_active() {
            (self.row.best, self.row.last) = (self.scan.validation.best(), self.scan.validation.last());
            match self.scan.prepared.is_some() && !knew {
                // Now the sizes of the modules are known, and how many rows there are.
                true => self.read_end(),
                false => self.know_ranks(),
            }
        }
        if !self.row.state.is_active() {
            self.row.left = None;
            if at_end {
                // One worker's names of modules for each of a thousand runs would be much; a next one says them again.
                self.scan.prepared = None;
            }
        }
        self.scan.offset().saturating_sub(before)
    }
}

/// Takes in where a run is, and what it came to.
fn take(row: &mut RunRow, view: &RunView, experiment: &Experiment) {
    (row.phase, row.step, row.total) = (view.phase, view.step, view.total);
    row.warms_up = view.warmup.is_some();
    if let Some((step, total)) = view.warmup {
        (row.step, row.total) = (step, total);
    }
    row.score = score(&view.metrics, experiment);
    row.took = if view.timing.is_empty() { None } else { view.took() };
    row.error = view.error.as_ref().map(|(error, _)| error.clone());
    row.left = left(view, experiment);
    let ranks: Vec<usize> = view.modules.iter().filter_map(|module| module.rank).collect();
    row.ranks = mean_rank(ranks.iter().copied()).map(|mean| Ranked {
        mean,
        parameters: Some(view.lora_parameters()).filter(|parameters| *parameters > 0 || mean == 0.0),
        allocated: view.allocated || view.ended == Some(State::Finished),
    });
}

/// Time left of all phases; of the present one where the pace of a later one is not known.
fn left(view: &RunView, experiment: &Experiment) -> Option<Left> {
    let of_phase = || Some(Left { seconds: view.left_s?, at_least: has_more(view, experiment) });
    view.left_in_all(experiment).or_else(of_phase)
}

/// Whether a phase that takes its time follows the present one, or may.
fn has_more(view: &RunView, experiment: &Experiment) -> bool {
    let controls = &experiment.baseline;
    let scores = view.test_rows > 0 || view.train_rows == 0;
    let compares = scores && (controls.uniform.is_some() || controls.head_only);
    view.phase.is_some_and(|phase| phase < Phase::Retrain || (phase < Phase::Baseline && compares))
}

/// The ranks that a run's last word names.
fn of_end(records: &[Record]) -> Option<Ranked> {
    let Event::Finished { ranks, metrics, .. } = &records.last()?.event else { return None };
    let mean = mean_rank(ranks.values().copied())?;
    let parameters = metrics.get("lora_parameters").map(|parameters| *parameters as usize);
    Some(Ranked { mean, parameters, allocated: true })
}

/// The row of a run of which all of the log was read.
pub fn row_of(run: &RunDir, view: &RunView, state: State, place: Option<usize>, notes: &Notes) -> RunRow {
    let experiment = settings(run);
    let mut row = RunRow { state, place, notes: notes.clone(), ..first_row(run, &experiment) };
    take(&mut row, view, &experiment);
    row.left = row.left.filter(|_| state.is_active());
    (row.best, row.last) = (view.search.least(Metric::ValidationLoss), view.search.last(Metric::ValidationLoss));
    row
}

/// The row of a run whose log cannot be read.
pub fn unreadable_row(run: &RunDir, reason: String) -> RunRow {
    RunRow { unreadable: Some(reason), ..first_row(run, &settings(run)) }
}

/// Gives rows the names of the runs that they were made from.
pub fn name_parents(rows: &mut [RunRow]) {
    let names: HashMap<String, String> = rows.iter().map(|row| (row.id.clone(), row.name.clone())).collect();
    for row in rows {
        row.parent_name = row.parent.as_ref().and_then(|parent| names.get(parent).cloned());
    }
}

fn first_row(run: &RunDir, experiment: &Experiment) -> RunRow {
    let mut row = RunRow {
        id: run.id().to_owned(),
        name: run.info().name.clone(),
        dir: run.path().display().to_string(),
        state: State::Queued,
        place: None,
        phase: None,
        step: 0,
        total: 0,
        warms_up: false,
        left: None,
        ranks: None,
        score: None,
        best: None,
        last: None,
        took: None,
        model: String::new(),
        data: String::new(),
        started: Some(run.info().created.clone()).filter(|created| !created.is_empty()),
        parent: run.info().parent.clone(),
        parent_name: None,
        notes: Notes::default(),
        error: None,
        damage: run.damage().map(String::from),
        unreadable: None,
        reads_on: false,
    };
    describe(&mut row, experiment);
    row
}

/// The settings of a run; the defaults where they cannot be read, which the run's own error tells better.
pub fn settings(run: &RunDir) -> Experiment {
    run.experiment().unwrap_or_default()
}

fn describe(row: &mut RunRow, experiment: &Experiment) {
    row.model.clone_from(&experiment.model.id);
    row.data = data_name(experiment);
}

/// The dataset, or the path of the training file.
pub fn data_name(experiment: &Experiment) -> String {
    let train = || experiment.data.train.as_ref().map(|path| path.display().to_string());
    experiment.data.id.clone().or_else(train).unwrap_or_default()
}

/// The figure that is the run's score: the one that was asked for, else the task's usual one.
fn score(metrics: &Metrics, experiment: &Experiment) -> Option<(String, f64)> {
    let named = |name: &str| metrics.get(name).map(|value| (name.to_owned(), *value));
    named(&experiment.evaluate.metric.resolve(experiment.data.task).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{Event, Phase, Ranks, Step, Timing};
    use crate::run::lock::Lock;
    use crate::run::log::EventLog;
    use crate::run::notes;
    use crate::run::store::NewRun;

    fn step(step: usize, loss: f64) -> Event {
        Event::Step(Step { validation_loss: Some(loss), ..Step::new(Phase::Search, step, 1.0, 1e-3) })
    }

    fn of_demo() -> Experiment {
        let mut experiment = Experiment::default();
        experiment.data.id = Some("builtin:demo".into());
        experiment
    }

    fn make(store: &Store, name: &str) -> RunDir {
        store.create(NewRun { name, experiment: of_demo(), ..NewRun::default() }).unwrap()
    }

    #[test]
    fn rows_follow_states_notes_and_the_best_loss_newest_first() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let (old, run) = (make(&store, "old"), make(&store, "new"));
        let mut folder = RunsFolder::default();
        let mut look = || folder.look_at(&store).unwrap();
        let states = |rows: &[RunRow]| rows.iter().map(|row| (row.name.clone(), row.state)).collect::<Vec<_>>();
        assert_eq!(states(&look()), [("new".into(), State::Queued), ("old".into(), State::Queued)]);

        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        lock.sign().unwrap();
        let mut log = EventLog::open(&run.events_path()).unwrap();
        for (n, loss) in [(1, 0.9), (2, 0.3), (3, 0.5)] {
            log.append(step(n, loss)).unwrap();
        }
        let rows = look();
        assert_eq!((rows[0].state, rows[0].step), (State::Running, 3));
        assert_eq!((rows[0].best, rows[0].last), (Some((2, 0.3)), Some((3, 0.5))));
        drop(lock);
        assert_eq!(look()[0].state, State::Crashed, "a lock that is let go changes no file");

        notes::change(&old, |notes| notes.set_note("keep")).unwrap();
        assert_eq!(look()[1].notes.note, "keep");
        log.append(Event::Allocated {
            phase: Phase::Allocate,
            ranks: Ranks::from([("q".to_string(), 1), ("v".to_string(), 2)]),
            parameters: 3600,
            undecided: false,
            rule: "threshold".into(),
            terms: Default::default(),
        })
        .unwrap();
        let allocated = Some(Ranked { mean: 1.5, parameters: Some(3600), allocated: true });
        assert_eq!(look()[0].ranks, allocated);
        let metrics = Metrics::from([("accuracy".to_string(), 0.9), ("majority_accuracy".to_string(), 0.5)]);
        let (ranks, timing) = (Ranks::new(), Timing::new());
        let (id, dir) = (run.id().to_string(), String::new());
        log.append(Event::Finished { phase: Phase::Export, run: id, dir, ranks, metrics, timing }).unwrap();
        let rows = look();
        assert_eq!((rows[0].state, &rows[0].score), (State::Finished, &Some(("accuracy".into(), 0.9))));
        assert_eq!(rows[0].ranks, allocated, "whatever its last word names");
        std::fs::remove_dir_all(run.path()).unwrap();
        assert_eq!(states(&look()), [("old".into(), State::Queued)]);
    }

    #[test]
    fn a_run_at_rest_is_not_read_again_and_one_that_is_resumed_is() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let run = make(&store, "r");
        let mut log = EventLog::open(&run.events_path()).unwrap();
        log.append(Event::Stopped { phase: Phase::Search, step: 3, reason: "asked".into() }).unwrap();
        let mut folder = RunsFolder::default();
        assert_eq!(folder.look_at(&store).unwrap()[0].state, State::Stopped);
        // Other bytes, as many, of the same time: who reads them again sees a crash.
        let (path, before) = (run.events_path(), std::fs::metadata(run.events_path()).unwrap());
        std::fs::write(&path, " ".repeat(before.len() as usize)).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before.modified().unwrap()).unwrap();
        assert_eq!(folder.look_at(&store).unwrap()[0].state, State::Stopped);
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        lock.sign().unwrap();
        log.append(Event::Resumed { phase: Phase::Search, step: 3 }).unwrap();
        assert_eq!(folder.look_at(&store).unwrap()[0].state, State::Running);
    }

    #[test]
    fn a_long_log_is_caught_up_with_in_portions() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let run = make(&store, "r");
        let mut log = EventLog::open(&run.events_path()).unwrap();
        log.append(step(1, 0.25)).unwrap();
        let message = "x".repeat(100_000);
        for _ in 0..60 {
            let message = message.clone();
            log.append(Event::Log { phase: Phase::Search, level: "info".into(), message }).unwrap();
        }
        log.append(step(2, 0.5)).unwrap();
        let _lock = Lock::acquire(&run.lock_path()).unwrap();
        let mut folder = RunsFolder::default();
        let best = |folder: &mut RunsFolder| {
            let rows = folder.look_at(&store).unwrap();
            (rows[0].best, rows[0].last, folder.is_behind(), rows[0].reads_on)
        };
        assert_eq!(best(&mut folder), (None, None, true, true), "the first rows do not wait");
        let at_first = Some((1, 0.25));
        assert_eq!(best(&mut folder), (at_first, at_first, false, true), "less than a portion is left");
        assert_eq!(best(&mut folder), (at_first, Some((2, 0.5)), false, false));
    }

    #[test]
    fn a_run_whose_files_cannot_be_read_is_shown_as_such_until_they_can() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let run = make(&store, "r");
        EventLog::open(&run.events_path()).unwrap();
        let mut folder = RunsFolder::default();
        let mut look = || folder.look_at(&store).unwrap().remove(0);
        assert_eq!((look().state_word(), look().damage), ("queued", None));
        // In place of the log stands something that nobody can read.
        let aside = run.path().join("aside");
        fs::rename(run.events_path(), &aside).unwrap();
        fs::create_dir(run.events_path()).unwrap();
        let row = look();
        assert_eq!((row.state_word(), row.state), ("unreadable", State::Queued), "not a crash");
        assert!(row.unreadable.is_some_and(|reason| reason.contains("events.jsonl")));
        fs::remove_dir(run.events_path()).unwrap();
        fs::rename(&aside, run.events_path()).unwrap();
        assert_eq!(look().state_word(), "queued");

        let file = run.path().join("run.json");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, "").unwrap();
        let mut folder = RunsFolder::default();
        let mut look = || folder.look_at(&store).unwrap().remove(0);
        let row = look();
        assert_eq!((row.name.as_str(), row.damage.as_deref()), (run.id(), Some("run.json is empty")));
        fs::write(&file, whole).unwrap();
        assert_eq!((look().name.as_str(), look().damage), ("r", None));
    }
}
