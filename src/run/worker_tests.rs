use super::super::follow::Follower;
use super::super::state::state;
use super::super::store::{NewRun, Store};
use super::super::view::State;
use super::*;
use candle_core::Tensor;
use serde_json::json;

fn new_run() -> (tempfile::TempDir, RunDir) {
    let home = tempfile::tempdir().unwrap();
    let run = Store::new(home.path()).create(NewRun { name: "r", ..NewRun::default() }).unwrap();
    (home, run)
}

fn events(run: &RunDir) -> Vec<Event> {
    Follower::new(&run.events_path()).read_all().unwrap().into_iter().map(|record| record.event).collect()
}

fn finish() -> JobResult {
    let (ranks, metrics, timing) = (Ranks::from([("m".into(), 2)]), Metrics::new(), Timing::new());
    Ok(JobEnd::Finished { ranks, metrics, timing })
}

#[test]
fn a_run_is_locked_and_tells_of_its_worker_while_the_job_runs() {
    let (_home, run) = new_run();
    let outcome = work(&run, &Signals::none(), &Turn::Apart, |context| {
        assert_eq!(state(context.dir()).unwrap(), State::Running);
        let second = work(context.dir(), &Signals::none(), &Turn::Apart, |_| finish());
        assert!(matches!(second, Err(WorkerError::Lock(LockError::Held { holder: Some(_) }))));
        assert!(context.take_checkpoint().is_none());
        assert_eq!(context.experiment(), &Experiment::default());
        finish()
    });
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    let events = events(&run);
    assert!(matches!(&events[0], Event::Schema { .. }));
    assert!(matches!(&events[1], Event::Started { pid, device, .. } if *pid == std::process::id() && device == "cpu"));
    assert!(matches!(&events[2], Event::Finished { run: id, dir, ranks, .. }
        if id == run.id() && dir == run.path().to_str().unwrap() && ranks["m"] == 2));
    assert_eq!(events.len(), 3);
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let (_home, run) = new_run();
    work(&run, &Signals::none(), &Turn::Apart, |_| finish()).unwrap();
    let before = events(&run);
    let again = work(&run, &Signals::none(), &Turn::Apart, |_| panic!("the job must not run"));
    assert_eq!((again.unwrap(), events(&run)), (Outcome::Finished, before));
}

#[test]
fn a_second_worker_goes_on_from_the_checkpoint_and_voids_what_came_after() {
    let (_home, run) = new_run();
    let tensor = Tensor::new(&[1.5f32], &Device::Cpu).unwrap();
    let first = work(&run, &Signals::none(), &Turn::Apart, |context| {
        let checkpoint =
            Checkpoint { phase: Phase::Search, step: 4, meta: json!({"n": 1}), tensors: vec![("w".into(), tensor)] };
        context.save(&checkpoint).unwrap();
        Ok(JobEnd::Paused { phase: Phase::Search, step: 4 })
    });
    assert_eq!(first.unwrap(), Outcome::Paused);
    assert_eq!(state(&run).unwrap(), State::Paused);
    work(&run, &Signals::none(), &Turn::Apart, |context| {
        let checkpoint = context.take_checkpoint().unwrap();
        assert_eq!((checkpoint.step, &checkpoint.meta), (4, &json!({"n": 1})));
        assert_eq!(checkpoint.tensor("w").unwrap().to_vec1::<f32>().unwrap(), [1.5]);
        finish()
    })
    .unwrap();
    let events = events(&run);
    assert!(matches!(&events[2], Event::Checkpoint { phase: Phase::Search, step: 4 }));
    assert!(matches!(&events[5], Event::Resumed { phase: Phase::Search, step: 4 }), "{events:?}");
}

#[test]
fn a_worker_after_one_that_made_no_checkpoint_begins_anew() {
    let (_home, run) = new_run();
    let failed = work(&run, &Signals::none(), &Turn::Apart, |_| {
        Err(JobError::new(Phase::Search, 2, "loss is NaN", "lower the rate"))
    });
    assert_eq!(failed.unwrap(), Outcome::Failed);
    assert_eq!(state(&run).unwrap(), State::Failed);
    work(&run, &Signals::none(), &Turn::Apart, |_| finish()).unwrap();
    let events = events(&run);
    assert!(matches!(&events[2], Event::Failed { phase: Phase::Search, step: 2, error, advice, .. }
        if error == "loss is NaN" && advice == "lower the rate"));
    assert!(matches!(&events[4], Event::Resumed { phase: Phase::Prepare, step: 0 }));
}

#[test]
fn a_panic_is_a_failure_at_the_step_that_was_reached() {
    let (_home, run) = new_run();
    let outcome = work(&run, &Signals::none(), &Turn::Apart, |context| {
        context.emit(Event::Checkpoint { phase: Phase::Retrain, step: 7 }).unwrap();
        panic!("index {} is out of range", 3)
    });
    assert_eq!(outcome.unwrap(), Outcome::Failed);
    let Some(Event::Failed { phase, step, error, .. }) = events(&run).pop() else { panic!("no failed event") };
    assert_eq!((phase, step), (Phase::Retrain, 7));
    assert!(error.contains("index 3 is out of range"), "{error}");
}

#[test]
fn settings_that_do_not_read_are_a_failure_with_the_place() {
    let (_home, run) = new_run();
    std::fs::write(run.experiment_path(), "[lora]\nrank = \"eight\"\n").unwrap();
    let outcome = work(&run, &Signals::none(), &Turn::Apart, |_| panic!("the job must not run"));
    assert_eq!(outcome.unwrap(), Outcome::Failed);
    let Some(Event::Failed { error, advice, .. }) = events(&run).pop() else { panic!("no failed event") };
    assert!(error.contains("experiment.toml") && error.contains("line 2") && !advice.is_empty(), "{error}");
}

#[test]
fn checkpoints_of_which_none_is_whole_are_a_failure_that_names_the_newest() {
    let (_home, run) = new_run();
    std::fs::create_dir(run.checkpoints_path()).unwrap();
    std::fs::write(run.checkpoints_path().join("000003-search-9.safetensors"), "torn").unwrap();
    work(&run, &Signals::none(), &Turn::Apart, |_| panic!("the job must not run")).unwrap();
    let Some(Event::Failed { error, .. }) = events(&run).pop() else { panic!("no failed event") };
    assert!(error.contains("000003-search-9"), "{error}");
}

#[test]
fn a_job_hears_what_is_asked_of_it_but_not_what_was_asked_before() {
    let (_home, run) = new_run();
    let stop = Request::Stop { reason: "asked".into() };
    super::super::control::ask(&run.control_path(), &stop).unwrap();
    work(&run, &Signals::none(), &Turn::Apart, |context| {
        assert_eq!(context.request(), None);
        super::super::control::ask(&context.dir().control_path(), &stop).unwrap();
        assert_eq!(context.request(), Some(stop.clone()));
        Ok(JobEnd::Stopped { phase: Phase::Search, step: 1, reason: "asked".into() })
    })
    .unwrap();
    assert_eq!(state(&run).unwrap(), State::Stopped);
}

#[test]
fn another_choice_of_an_allocation_is_taken_over_until_the_ranks_are_allocated() {
    let (_home, run) = new_run();
    let choice = |threshold| AllocationSettings { threshold: Some(threshold), ..AllocationSettings::default() };
    work(&run, &Signals::none(), &Turn::Apart, |context| {
        // What is on the disk may say more than what the job began with.
        let mut pinned = context.experiment().clone();
        pinned.model.revision = Some("abc".into());
        context.dir().write_experiment(&pinned).unwrap();
        super::super::control::ask_allocation(&context.dir().control_path(), &choice(0.3)).unwrap();
        assert_eq!(context.request(), None);
        assert_eq!(context.experiment().allocation, choice(0.3));
        let (ranks, terms) = Default::default();
        let (phase, rule) = (Phase::Allocate, "threshold".into());
        context.emit(Event::Allocated { phase, ranks, parameters: 0, undecided: false, rule, terms }).unwrap();
        super::super::control::ask_allocation(&context.dir().control_path(), &choice(0.4)).unwrap();
        assert_eq!(context.request(), None);
        finish()
    })
    .unwrap();
    let experiment = run.experiment().unwrap();
    assert_eq!((experiment.allocation, experiment.model.revision.as_deref()), (choice(0.3), Some("abc")));
    let events = events(&run);
    let chosen = events.iter().filter(|event| matches!(event, Event::Allocation { .. })).count();
    let refused = |event: &Event| matches!(event, Event::Log { message, .. } if message.contains("changes nothing"));
    assert_eq!((chosen, events.iter().filter(|event| refused(event)).count()), (1, 1), "{events:?}");
}

#[test]
fn what_was_set_aside_is_freed_when_the_worker_ends() {
    let (_home, run) = new_run();
    work(&run, &Signals::none(), &Turn::Apart, |context| {
        assert_eq!(std::fs::metadata(context.dir().path().join("reserve")).unwrap().len(), Reserve::SIZE as u64);
        finish()
    })
    .unwrap();
    assert!(!run.path().join("reserve").exists());
}
