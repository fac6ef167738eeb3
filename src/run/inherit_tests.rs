use super::super::event::{Energy, ModuleShape, Ranks, Selected, Selection, Terms};
use super::super::log::EventLog;
use super::super::state::state;
use super::super::store::{NewRun, Store, StoreError};
use super::super::view::{RunView, State};
use super::*;
use crate::experiment::Rule;

fn selection(step: usize, alpha: f32) -> Event {
    let modules = Selection::from([("m".into(), vec![alpha, 1.0 - alpha])]);
    let (ranks, energy) = (Ranks::from([("m".into(), 1)]), Energy::new());
    Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy })
}

fn prepared() -> Event {
    Event::Prepared {
        phase: Phase::Prepare,
        model: "x".into(),
        train_rows: 1,
        validation_rows: 1,
        test_rows: 0,
        truncated_rows: 0,
        labels: Vec::new(),
        rank: 2,
        threshold: Some(0.5),
        trainable_parameters: 0,
        frozen_parameters: 0,
        head_parameters: 0,
        modules: vec![("m".into(), ModuleShape { inputs: 3, outputs: 5 })],
        warmup_steps: 0,
        task: String::new(),
        metric: String::new(),
        max_length: 0,
    }
}

fn allocated() -> Event {
    let terms = Terms { alpha: vec![0.1 + 0.2, 0.7], beta: vec![-1.0, 1.0], energy: vec![0.5, 0.25] };
    let (ranks, terms) = (Ranks::from([("m".into(), 1)]), AllTerms::from([("m".into(), terms)]));
    let (phase, rule) = (Phase::Allocate, "threshold".into());
    Event::Allocated { phase, ranks, parameters: 8, undecided: false, rule, terms }
}

/// A run whose worker died in the search, went on, and is past it.
fn searched(events: impl IntoIterator<Item = Event>) -> (tempfile::TempDir, Store, RunDir) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(home.path());
    let run = store.create(NewRun { name: "parent", ..NewRun::default() }).unwrap();
    let mut log = EventLog::open(&run.events_path()).unwrap();
    events.into_iter().for_each(|event| drop(log.append(event).unwrap()));
    (home, store, run)
}

fn whole() -> Vec<Event> {
    let phase = |phase| Event::Phase { phase, total: 3, epochs: None };
    let sha256 = BTreeMap::from([("data.train".to_string(), "ab".to_string())]);
    vec![
        phase(Phase::Prepare),
        Event::Inputs { phase: Phase::Prepare, commit: None, sha256 },
        prepared(),
        phase(Phase::Search),
        selection(1, 0.6),
        selection(2, 0.9),
        Event::Resumed { phase: Phase::Search, step: 1 },
        prepared(),
        selection(2, 0.7),
        selection(3, 0.3),
        allocated(),
        phase(Phase::Retrain),
    ]
}

fn child(store: &Store, parent: &RunDir, change: impl FnOnce(&mut Experiment)) -> Result<RunDir, StoreError> {
    let mut experiment = parent.experiment().unwrap();
    experiment.search.from = Some(parent.path().into());
    change(&mut experiment);
    store.create(NewRun { name: "child", parent: Some(parent.id()), experiment, preset: "" })
}

#[test]
fn the_log_of_the_new_run_tells_the_search_alone_and_nothing_that_is_void() {
    let (_home, store, parent) = searched(whole());
    let run = child(&store, &parent, |experiment| experiment.allocation.rule = Rule::Energy).unwrap();
    std::fs::remove_dir_all(parent.path()).unwrap();
    let records = Follower::new(&run.events_path()).read_all().unwrap();
    assert_eq!(
        records.iter().map(|record| record.seq).collect::<Vec<_>>(),
        (0..records.len() as u64).collect::<Vec<_>>()
    );
    assert!(matches!(records[0].event, Event::Schema { version: SCHEMA, .. }));
    assert!(matches!(&records[records.len() - 1].event, Event::Inherited { run, .. } if run == parent.id()));
    let view = RunView::of(&records);
    assert_eq!((view.snapshots.len(), &view.modules[0].alpha[..], view.allocated), (3, &[0.3, 0.7][..], false));
    assert_eq!(view.snapshots.at(1).unwrap().values(0), [0.7, 0.3]);
    assert_eq!(state(&run).unwrap(), State::Queued, "no worker has been there yet");
    let terms = terms_of(&run).unwrap().unwrap();
    assert_eq!(terms["m"].alpha, [0.1 + 0.2, 0.7], "to the bit");
    let checkpoint = super::super::checkpoint::Checkpoints::new(&run.checkpoints_path(), 1);
    let checkpoint = checkpoint.newest(&candle_core::Device::Cpu).unwrap().unwrap();
    assert_eq!((checkpoint.phase, &checkpoint.meta["inputs"]["data.train"]), (Phase::Allocate, &"ab".into()));
}

#[test]
fn the_past_of_the_new_run_is_drawn_by_what_the_parent_chose() {
    let mut events = whole();
    let choice = Event::Allocation { phase: Phase::Search, rule: Rule::Threshold, threshold: Some(0.3), budget: None };
    events.insert(9, choice);
    let (_home, store, parent) = searched(events);
    let run = child(&store, &parent, |experiment| experiment.allocation.rule = Rule::Energy).unwrap();
    let view = RunView::of(&Follower::new(&run.events_path()).read_all().unwrap());
    let lines: Vec<Option<f64>> = (0..3).map(|index| view.line_at(index, None)).collect();
    assert_eq!(
        (lines, view.allocation, view.inherited.as_deref()),
        (vec![Some(0.5), Some(0.5), Some(0.3)], None, Some(parent.id()))
    );
}

#[test]
fn a_run_searches_itself_unless_it_took_a_search() {
    let (_home, _store, run) = searched([]);
    assert_eq!(terms_of(&run).unwrap(), None);
    std::fs::write(run.path().join(FILE), "{").unwrap();
    assert!(terms_of(&run).unwrap_err().to_string().contains(FILE));
}

#[test]
fn a_search_that_has_not_ended_or_says_too_little_is_refused() {
    let refused = |events: Vec<Event>| {
        let (_home, store, parent) = searched(events);
        child(&store, &parent, |_| {}).unwrap_err().to_string()
    };
    let mut events = whole();
    events.truncate(10);
    assert!(refused(events).contains("has not ended: search"), "it is in its search");
    assert!(refused(Vec::new()).contains("has not begun"));
    let mut events = whole();
    events.extend([Event::Resumed { phase: Phase::Search, step: 1 }, selection(2, 0.8)]);
    assert!(refused(events).contains("has not ended"), "its worker died before the ranks were kept");
    let mut events = whole();
    if let Event::Allocated { terms, .. } = &mut events[10] {
        terms.clear();
    }
    assert!(refused(events).contains("earlier version"));
}

#[test]
fn settings_that_made_the_search_cannot_be_others() {
    let (_home, store, parent) = searched(whole());
    let error = child(&store, &parent, |experiment| {
        (experiment.lora.rank, experiment.retrain.lr, experiment.runtime.seed) = (4, 0.5, 7);
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("lora.rank is 8 there, 4 here") && !error.contains("retrain.lr"), "{error}");
    assert!(child(&store, &parent, |experiment| experiment.retrain.lr = 0.5).is_ok());
    // What the worker of the parent found out, and a preset leaves open.
    let mut pinned = parent.experiment().unwrap();
    (pinned.model.revision, pinned.data.label) = (Some("abc".into()), Some("label".into()));
    parent.write_experiment(&pinned).unwrap();
    let open = |experiment: &mut Experiment| (experiment.model.revision, experiment.data.label) = (None, None);
    assert!(child(&store, &parent, open).is_ok());
    let other = child(&store, &parent, |experiment| experiment.data.label = Some("other".into()));
    assert!(other.unwrap_err().to_string().contains("data.label"));
    let error = child(&store, &parent, |experiment| experiment.search.from = Some("/nonexistent".into())).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}
