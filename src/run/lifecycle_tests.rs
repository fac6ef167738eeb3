use super::super::state::state;
use super::super::store::{NewRun, Store};
use super::*;
use crate::experiment::Rule;

fn new_run() -> (tempfile::TempDir, RunDir) {
    let home = tempfile::tempdir().unwrap();
    let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
    (home, run)
}

fn log(run: &RunDir, event: Event) {
    EventLog::open(&run.events_path()).unwrap().append(event).unwrap();
}

#[test]
fn a_run_without_worker_is_stopped_by_a_line_in_its_log() {
    let (_home, run) = new_run();
    log(&run, Event::Checkpoint { phase: Phase::Search, step: 3 });
    log(&run, Event::Paused { phase: Phase::Search, step: 3 });
    assert_eq!(stop(&run, "asked", |_| ()).unwrap(), State::Stopped);
    assert_eq!(state(&run).unwrap(), State::Stopped);
    let Some(Event::Stopped { phase, step, reason }) = last_event(&run).unwrap() else { panic!("no stopped event") };
    assert_eq!((phase, step, reason.as_str()), (Phase::Search, 3, "asked"));
    // Once more adds nothing.
    let before = fs::read(run.events_path()).unwrap();
    assert_eq!(stop(&run, "asked", |_| ()).unwrap(), State::Stopped);
    assert_eq!(fs::read(run.events_path()).unwrap(), before);
}

#[test]
fn what_has_no_worker_cannot_be_paused_and_says_why() {
    let (_home, run) = new_run();
    let error = pause(&run, |_| ()).unwrap_err().to_string();
    assert!(error.contains("queued") && error.contains("no worker"), "{error}");
    log(&run, Event::Paused { phase: Phase::Search, step: 3 });
    assert_eq!(pause(&run, |_| ()).unwrap(), State::Paused);
}

#[test]
fn a_finished_run_is_neither_stopped_nor_paused_nor_resumed() {
    let (_home, run) = new_run();
    let (ranks, metrics, timing) = Default::default();
    log(&run, Event::Finished { phase: Phase::Export, run: "r".into(), dir: "d".into(), ranks, metrics, timing });
    for result in [pause(&run, |_| ()).map(|_| ()), stop(&run, "asked", |_| ()).map(|_| ()), resume(&run)] {
        let error = result.unwrap_err();
        assert!(matches!(error, LifecycleError::WrongState { state: State::Finished, .. }), "{error}");
    }
}

fn choice(rule: Rule) -> AllocationSettings {
    AllocationSettings { rule, threshold: Some(0.25), budget: None }
}

#[test]
fn a_choice_of_an_allocation_is_kept_and_the_state_stays_what_it_was() {
    let (_home, run) = new_run();
    let kept = |run: &RunDir| run.experiment().unwrap().allocation;
    assert_eq!(choose_allocation(&run, &choice(Rule::Energy)).unwrap(), State::Queued);
    assert_eq!(kept(&run), choice(Rule::Energy));
    log(&run, Event::Paused { phase: Phase::Search, step: 3 });
    assert_eq!(choose_allocation(&run, &choice(Rule::Threshold)).unwrap(), State::Paused);
    assert_eq!(kept(&run), choice(Rule::Threshold));
    let view = RunView::of(&Follower::new(&run.events_path()).read_all().unwrap());
    assert_eq!((view.ended, view.line(None), view.step), (Some(State::Paused), Some(0.25), 3));
    assert_eq!(view.allocation, Some(choice(Rule::Threshold)));
    let error = choose_allocation(&run, &choice(Rule::Mean)).unwrap_err().to_string();
    assert!(error.contains("does not go with search.selection softmax"), "{error}");
    let (ranks, terms) = Default::default();
    let (phase, rule) = (Phase::Allocate, "threshold".into());
    log(&run, Event::Allocated { phase, ranks, parameters: 0, undecided: false, rule, terms });
    let error = choose_allocation(&run, &choice(Rule::Energy)).unwrap_err().to_string();
    assert!(error.contains("autolora retrain"), "{error}");
    assert_eq!(kept(&run), choice(Rule::Threshold));
}

#[test]
fn a_run_at_work_is_not_removed_and_one_without_worker_is_gone_whole() {
    let (_home, run) = new_run();
    let mut lock = Lock::acquire(&run.lock_path()).unwrap();
    lock.sign().unwrap();
    let error = remove(&run, false, |_| ()).unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()) && error.contains("--force"), "{error}");
    assert!(run.path().exists());
    drop(lock);
    fs::write(run.lock_path(), "").unwrap();
    let size = run.size();
    assert_eq!(remove(&run, false, |_| ()).unwrap(), size);
    assert!(size > 1000);
    assert_eq!(fs::read_dir(run.path().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn who_comes_second_is_told_that_the_run_was_deleted() {
    for force in [false, true] {
        let (_home, run) = new_run();
        let mine = RunDir::open(run.path()).unwrap();
        remove(&run, false, |_| ()).unwrap();
        let error = remove(&mine, force, |_| ()).unwrap_err();
        assert!(matches!(&error, LifecycleError::Gone { id } if id == run.id()), "{error}");
    }
}

#[test]
fn a_stop_is_heard_by_the_worker_that_holds_the_run() {
    let (_home, run) = new_run();
    let worker = |run: &RunDir| {
        let mut lock = Lock::acquire(&run.lock_path()).unwrap();
        let mut control = control::Control::clear(&run.control_path()).unwrap();
        // A slow start: whoever asks meanwhile must wait until the lock is signed.
        std::thread::sleep(Duration::from_millis(100));
        lock.sign().unwrap();
        while control.poll().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        log(run, Event::Stopped { phase: Phase::Search, step: 9, reason: "heard".into() });
    };
    std::thread::scope(|scope| {
        scope.spawn(|| worker(&run));
        while state(&run).unwrap() != State::Running {
            std::thread::yield_now();
        }
        assert_eq!(stop(&run, "asked", |_| ()).unwrap(), State::Stopped);
    });
}

#[test]
fn a_worker_that_does_not_answer_is_named() {
    let (_home, run) = new_run();
    let mut lock = Lock::acquire(&run.lock_path()).unwrap();
    lock.sign().unwrap();
    let error = end_worker(&run, &Request::Pause, Duration::from_millis(50), |_| ()).unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
}

#[test]
fn what_a_stopped_worker_is_waited_for_is_told_once_and_the_way_out_too() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let (_home, run) = new_run();
    let mut worker = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = worker.id();
    let _lock = Lock::acquire(&run.lock_path()).unwrap();
    fs::write(run.lock_path(), serde_json::to_vec(&Holder { pid, ..Holder::this_process() }).unwrap()).unwrap();
    let kill = |signal| {
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    kill(rustix::process::Signal::STOP);
    while !is_stopped(pid) {
        std::thread::yield_now();
    }
    let told = std::cell::RefCell::new(Vec::new());
    let limit = SILENCE + Duration::from_millis(500);
    let tell = |text: &str| told.borrow_mut().push(text.to_owned());
    let error = end_worker(&run, &Request::Pause, limit, tell).unwrap_err().to_string();
    kill(rustix::process::Signal::KILL);
    worker.wait().unwrap();
    let told = told.into_inner();
    assert_eq!(told.len(), 1, "{told:?}");
    for text in [&told[0], &error] {
        assert!(text.contains(&format!("kill -CONT {pid} lets it go on")), "{text}");
    }
}

#[test]
fn a_worker_that_dies_before_it_begins_is_reported_with_the_end_of_its_log() {
    let (_home, run) = new_run();
    let script = run.path().join("program");
    fs::write(&script, "#!/bin/sh\necho cannot do it >&2\nexit 1\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let child = spawn_worker(&script, &run, When::Now).unwrap();
    let error = wait_for_start(&run, child, Duration::from_secs(10)).unwrap_err().to_string();
    assert!(error.contains("cannot do it"), "{error}");
}

#[test]
fn an_end_at_once_is_seen_and_a_worker_that_stays_is_left() {
    let (_home, run) = new_run();
    let lock = Lock::acquire(&run.lock_path()).unwrap();
    assert_eq!(early_end(&run, Duration::from_millis(50)).unwrap(), None);
    log(&run, Event::Phase { phase: Phase::Search, total: 3, epochs: None });
    assert_eq!(early_end(&run, Duration::MAX).unwrap(), None, "at work: no longer waited for");
    let (error, advice) = ("no such column".into(), String::new());
    let (ranks, metrics, timing) = Default::default();
    let (id, dir) = ("r".into(), "d".into());
    log(&run, Event::Failed { phase: Phase::Prepare, step: 0, run: id, dir, error, advice, ranks, metrics, timing });
    drop(lock);
    assert_eq!(early_end(&run, END_LIMIT).unwrap(), Some(State::Failed));
}

#[test]
fn a_worker_that_is_just_being_ended_is_waited_for() {
    let (_home, run) = new_run();
    let mut lock = Lock::acquire(&run.lock_path()).unwrap();
    lock.sign().unwrap();
    assert!(settled(&run).unwrap().has_worker(), "this process lives");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(60));
            drop(lock);
        });
        assert_eq!(settled(&run).unwrap().state, State::Crashed);
    });
}
