use super::super::event::{AllTerms, Energy, Ranks, Timing};
use super::super::view::State;
use super::*;
use proptest::prelude::*;

const MODULES: [&str; 2] = ["layer.0.query", "layer.10.query"];

fn prepared() -> Event {
    let shape = ModuleShape { inputs: 3, outputs: 5 };
    Event::Prepared {
        phase: Phase::Prepare,
        model: "m".into(),
        train_rows: 10,
        validation_rows: 4,
        test_rows: 2,
        truncated_rows: 0,
        labels: vec!["no".into(), "yes".into()],
        rank: 2,
        threshold: Some(0.5),
        trainable_parameters: 40,
        frozen_parameters: 100,
        head_parameters: 8,
        modules: MODULES.iter().map(|path| (path.to_string(), shape.clone())).collect(),
        warmup_steps: 2,
        task: "classification".into(),
        metric: "accuracy".into(),
        max_length: 64,
    }
}

fn step(phase: Phase, step: usize) -> Event {
    let validation_loss = (phase == Phase::Search).then_some(2.0 / step as f64);
    Event::Step(Step { validation_loss, ..Step::new(phase, step, 1.0 / step as f64, 1e-3) })
}

fn selection(step: usize) -> Event {
    let alpha = |module: usize| vec![step as f32, module as f32];
    let modules = MODULES.iter().enumerate().map(|(i, path)| (path.to_string(), alpha(i))).collect();
    let ranks = MODULES.iter().map(|path| (path.to_string(), step % 3)).collect();
    Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy: Energy::new() })
}

fn ranks(rank: usize) -> Ranks {
    MODULES.iter().map(|path| (path.to_string(), rank)).collect()
}

fn evaluated(phase: Phase, what: &str, accuracy: f64) -> Event {
    Event::Evaluated { phase, what: what.into(), metrics: Metrics::from([("accuracy".into(), accuracy)]) }
}

fn finished() -> Event {
    let metrics = Metrics::from([("accuracy".into(), 0.9), ("majority_accuracy".into(), 0.5)]);
    let (run, dir, timing) = ("r".into(), "d".into(), Timing::from([("total_s".into(), 3.0)]));
    Event::Finished { phase: Phase::Export, run, dir, ranks: ranks(1), metrics, timing }
}

/// What a worker does from a checkpoint on, one event after another, each with the checkpoint that precedes it.
fn whole_job(search: usize, retrain: usize) -> Vec<((Phase, usize), Event)> {
    let mut job = vec![((Phase::Prepare, 0), prepared())];
    job.push(((Phase::Search, 0), Event::Phase { phase: Phase::Search, total: search, epochs: None }));
    for n in 1..=search {
        job.push(((Phase::Search, n - 1), step(Phase::Search, n)));
        job.push(((Phase::Search, n - 1), selection(n)));
    }
    let (phase, undecided, rule) = (Phase::Allocate, false, "threshold".to_string());
    job.push((
        (phase, 0),
        Event::Allocated { phase, ranks: ranks(1), parameters: 16, undecided, rule, terms: AllTerms::new() },
    ));
    job.push(((Phase::Retrain, 0), Event::Phase { phase: Phase::Retrain, total: retrain, epochs: None }));
    for n in 1..=retrain {
        job.push(((Phase::Retrain, n - 1), step(Phase::Retrain, n)));
    }
    job.push(((Phase::Evaluate, 0), evaluated(Phase::Evaluate, "majority", 0.5)));
    job.push(((Phase::Evaluate, 0), evaluated(Phase::Evaluate, "run", 0.9)));
    job.push(((Phase::Export, 0), finished()));
    job
}

fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let record = |(seq, event)| Record { seq: seq as u64, time: "2026-01-01T00:00:00.000Z".into(), event };
    events.into_iter().enumerate().map(record).collect()
}

fn started(pid: u32) -> Event {
    Event::Started { pid, host: "h".into(), device: "cpu".into(), threads: 2, version: "0".into() }
}

/// A worker that dies after `log` events, another that goes on from the checkpoint `back` events before, and so on.
fn with_crashes(job: &[((Phase, usize), Event)], crashes: &[(usize, usize)]) -> Vec<Record> {
    let mut events = vec![started(1)];
    let mut next = 0;
    for (forward, back) in crashes {
        let end = (next + forward).min(job.len() - 1);
        events.extend(job[next..end].iter().map(|(_, event)| event.clone()));
        // Not one that does not exist: from the start of the step in which the checkpoint lies.
        let checkpoint = job[end.saturating_sub(*back)].0;
        next = job.iter().position(|(at, _)| *at == checkpoint).unwrap_or(0);
        events.push(started(1));
        events.push(Event::Resumed { phase: checkpoint.0, step: checkpoint.1 });
        if checkpoint.0 > Phase::Prepare {
            // The next worker loads model and data again.
            events.push(prepared());
        }
    }
    events.extend(job[next..].iter().map(|(_, event)| event.clone()));
    records(events)
}

proptest! {
    #[test]
    fn a_run_that_crashed_and_went_on_looks_like_one_that_did_not(
        search in 1usize..12,
        retrain in 1usize..12,
        crashes in proptest::collection::vec((0usize..40, 0usize..15), 0..5),
    ) {
        let job = whole_job(search, retrain);
        let clean = RunView::of(&with_crashes(&job, &[]));
        let mut crashed = RunView::of(&with_crashes(&job, &crashes));
        // That it crashed and went on is what its log tells.
        (crashed.log, crashed.rank_lines) = (clean.log.clone(), clean.rank_lines);
        crashed.last_seq = clean.last_seq;
        prop_assert_eq!(crashed, clean);
    }

    #[test]
    fn steps_rise_in_every_curve_whatever_the_log_says(steps in proptest::collection::vec(1usize..20, 0..60)) {
        let log = records(steps.iter().flat_map(|&n| [step(Phase::Search, n), selection(n)]));
        let view = RunView::of(&log);
        prop_assert!(view.search.steps().is_sorted_by(|a, b| a < b));
        let steps: Vec<_> = (0..view.snapshots.len()).map(|i| view.snapshots.step(i)).collect();
        prop_assert!(steps.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_resumed_search_shows_the_selection_and_ranks_of_its_checkpoint() {
    let mut events: Vec<Event> = vec![prepared()];
    events.extend((1..=5).flat_map(|n| [step(Phase::Search, n), selection(n)]));
    events.push(Event::Resumed { phase: Phase::Search, step: 2 });
    let view = RunView::of(&records(events));
    assert_eq!((view.phase, view.step), (Some(Phase::Search), 2));
    assert_eq!(view.modules[1].alpha, [2.0, 1.0]);
    assert_eq!(view.ranks(), ranks(2));
    assert_eq!(
        (view.search.len(), view.search.last(Metric::ValidationLoss), view.snapshots.len()),
        (2, Some((2, 1.0)), 2)
    );
}

#[test]
fn a_resumed_retraining_keeps_the_allocated_ranks() {
    let job = whole_job(3, 4);
    let mut events: Vec<Event> = job[..job.len() - 3].iter().map(|(_, event)| event.clone()).collect();
    events.extend([Event::Resumed { phase: Phase::Retrain, step: 1 }, prepared()]);
    let view = RunView::of(&records(events));
    assert!(view.allocated);
    assert_eq!((view.ranks(), view.retrain.len(), view.search.len()), (ranks(1), 1, 3));
    assert_eq!((view.phase, view.step), (Some(Phase::Retrain), 1));
}

#[test]
fn what_ended_a_run_is_known_until_a_worker_goes_on() {
    let paused = Event::Paused { phase: Phase::Search, step: 7 };
    let mut log = records([started(1), paused]);
    assert_eq!(RunView::of(&log).ended, Some(State::Paused));
    log.push(Record { event: Event::Unknown, ..log[1].clone() });
    assert_eq!(RunView::of(&log).ended, Some(State::Paused));
    log.push(Record { event: started(2), ..log[1].clone() });
    assert_eq!((RunView::of(&log).ended, RunView::of(&log).pid), (None, Some(2)));
}

#[test]
fn figures_of_the_run_keep_their_name_and_others_say_whose_they_are() {
    let log = [evaluated(Phase::Evaluate, "majority", 0.5), evaluated(Phase::Evaluate, "run", 0.9)];
    let view = RunView::of(&records(log));
    assert_eq!(view.metrics, Metrics::from([("accuracy".into(), 0.9), ("majority_accuracy".into(), 0.5)]));
}

#[test]
fn modules_keep_the_order_of_the_model() {
    let view = RunView::of(&records([prepared(), selection(1)]));
    assert_eq!(view.modules.iter().map(|m| m.path.as_str()).collect::<Vec<_>>(), MODULES);
    assert_eq!(view.lora_parameters(), 2 * 8);
    let mut huge = view.clone();
    huge.modules.iter_mut().for_each(|module| (module.shape.inputs, module.shape.outputs) = (1 << 63, 1 << 63));
    assert_eq!((huge.lora_parameters(), huge.uniform_parameters(3)), (usize::MAX, usize::MAX));
    // Without the line that names them, they come in the order of the selection.
    assert_eq!(RunView::of(&records([selection(1)])).modules.len(), 2);
}

#[test]
fn the_log_of_a_view_does_not_grow_without_end() {
    let note = |n: usize| Event::Log { phase: Phase::Search, level: "info".into(), message: n.to_string() };
    let view = RunView::of(&records((0..1500).map(note)));
    assert_eq!((view.log.len(), view.log[0].2.as_str()), (1000, "500"));
}

#[test]
fn a_run_that_learned_nothing_is_told_from_one_that_did() {
    let view = |ours: f64, blind: f64, what: &str, figure: &str| {
        let mut view = RunView { metric: "accuracy".into(), ..RunView::default() };
        let of = |value| Metrics::from([(figure.to_string(), value)]);
        view.evaluations = vec![(Phase::Evaluate, "run".into(), of(ours)), (Phase::Evaluate, what.into(), of(blind))];
        view.no_better_than().map(str::to_owned)
    };
    assert_eq!(view(0.8, 0.7, "majority", "accuracy"), None);
    assert_eq!(view(0.7, 0.7, "majority", "accuracy").as_deref(), Some("majority"));
    assert_eq!(view(1.5, 2.0, "mean", "test_loss"), None, "a loss is better where it is less");
    assert_eq!(view(2.5, 2.0, "mean", "test_loss").as_deref(), Some("mean"));
    assert_eq!(view(0.7, 0.9, "head_only", "accuracy"), None);
    assert_eq!(view(0.7, 0.7, "untuned", "accuracy").as_deref(), Some("untuned"));
}

#[test]
fn errors_and_perplexity_are_better_where_they_are_less() {
    let verdict = |metric: &str, ours: f64, untuned: f64| {
        let of = |value| Metrics::from([(metric.to_string(), value), ("test_loss".to_string(), 1.0)]);
        let mut view = RunView { metric: metric.into(), ..RunView::default() };
        view.evaluations =
            vec![(Phase::Evaluate, "run".into(), of(ours)), (Phase::Evaluate, "untuned".into(), of(untuned))];
        view.no_better_than().is_some()
    };
    for less in ["ter", "perplexity"] {
        assert!(!verdict(less, 29.8, 110.7) && verdict(less, 110.7, 29.8) && verdict(less, 30.0, 30.0));
    }
    assert!(!verdict("bleu", 73.3, 0.1) && verdict("bleu", 0.1, 73.3));
}

fn sample(input: &str, output: &str) -> Event {
    Event::Sample { phase: Phase::Evaluate, input: input.into(), reference: "r".into(), output: output.into() }
}

#[test]
fn a_sample_that_is_written_again_counts_once_and_goes_with_what_is_void() {
    let resumed = |phase| Event::Resumed { phase, step: 1 };
    let of = |events: Vec<Event>| {
        let samples = RunView::of(&records(events)).samples;
        samples.into_iter().map(|sample| format!("{} {}", sample.input, sample.output)).collect::<Vec<_>>()
    };
    let first = || vec![sample("a", "1"), sample("b", "1"), sample("c", "1")];
    let within = [resumed(Phase::Evaluate), sample("b", "2"), sample("d", "2")];
    assert_eq!(of(first().into_iter().chain(within).collect()), ["a 1", "c 1", "b 2", "d 2"]);
    assert!(of(first().into_iter().chain([resumed(Phase::Retrain)]).collect()).is_empty());
    assert_eq!(of((0..150).map(|n| sample(&n.to_string(), "")).collect()).len(), 100);
}

#[test]
fn figures_stand_in_their_usual_order_with_the_score_first() {
    let view = RunView { metric: "ter".into(), ..RunView::default() };
    let names = ["bleu", "chrf", "cider", "mean_rank", "perplexity", "ter", "test_loss"].map(String::from);
    let expected = ["ter", "bleu", "chrf", "cider", "perplexity", "mean_rank", "test_loss"];
    assert_eq!(view.score_first(&names), expected);
}

#[test]
fn the_time_of_a_run_is_booked_on_its_phases_and_that_of_another_run_is_not() {
    let phase = |phase| Event::Phase { phase, total: 0, epochs: None };
    let events = [
        phase(Phase::Prepare),
        phase(Phase::Search),
        Event::Inherited { phase: Phase::Search, run: "other".into(), dir: "/other".into() },
        phase(Phase::Prepare),
        phase(Phase::Retrain),
        phase(Phase::Export),
    ];
    let records: Vec<Record> = events
        .into_iter()
        .enumerate()
        .map(|(i, event)| Record { seq: i as u64, time: format!("2026-11-23T20:33:{:02}.000Z", i * i), event })
        .collect();
    // Ends at 0, 1, 4, 9, 16 and 25 s.
    let view = RunView::of(&records);
    assert_eq!(view.durations(), [(Phase::Prepare, 7.0), (Phase::Search, 5.0), (Phase::Retrain, 9.0)]);
    assert_eq!(view.took(), Some(21.0));
}

#[test]
fn what_ranks_were_allocated_by_is_known_of_every_moment() {
    use crate::experiment::Rule;
    let choice = |rule, threshold| Event::Allocation { phase: Phase::Search, rule, threshold, budget: None };
    let mut events = vec![prepared(), selection(1), selection(2)];
    events.extend([choice(Rule::Threshold, Some(0.4)), selection(3), choice(Rule::Energy, None), selection(4)]);
    let lines = |view: &RunView| (0..view.snapshots.len()).map(|index| view.line_at(index, None)).collect::<Vec<_>>();
    let view = RunView::of(&records(events.clone()));
    let first = view.threshold;
    assert!(first.is_some());
    assert_eq!(lines(&view), [first, first, Some(0.4), None]);
    // Who goes on from step 2 does step 3 by the newest choice; what the next worker prepares says nothing new.
    events.extend([Event::Resumed { phase: Phase::Search, step: 2 }, prepared(), selection(3)]);
    assert_eq!(lines(&RunView::of(&records(events))), [first, first, None]);
}

#[test]
fn a_rule_that_looks_at_no_single_value_has_no_line() {
    use crate::experiment::{AllocationSettings, Rule};
    let at = |seq, event| Record { seq, time: String::new(), event };
    let mut view = RunView { rank: 4, threshold: Some(0.25), ..RunView::default() };
    assert_eq!(view.line(None), Some(0.25));
    let energy = AllocationSettings { rule: Rule::Energy, threshold: None, budget: None };
    assert_eq!(view.line(Some(&energy)), None, "0.15 of the largest energy is no selection value");
    view.apply(&at(
        1,
        Event::Allocation { phase: Phase::Search, rule: Rule::Energy, threshold: Some(0.3), budget: None },
    ));
    assert_eq!(view.line(None), None);
    view.apply(&at(
        2,
        Event::Allocation { phase: Phase::Search, rule: Rule::Threshold, threshold: Some(0.3), budget: None },
    ));
    assert_eq!(view.line(Some(&energy)), Some(0.3), "what was chosen later wins");
}

#[test]
fn resuming_goes_on_from_a_checkpoint_and_without_one_starts_again() {
    let mut records = vec![prepared(), step(Phase::Search, 1)];
    let resumes = |events: &[Event]| {
        let record =
            |(seq, event): (usize, &Event)| Record { seq: seq as u64, time: String::new(), event: event.clone() };
        RunView::of(&events.iter().enumerate().map(record).collect::<Vec<_>>()).how_to_resume("r")
    };
    assert_eq!(resumes(&records), "autolora resume r starts it again, no checkpoint yet");
    records.push(Event::Checkpoint { phase: Phase::Search, step: 1 });
    assert_eq!(resumes(&records), "autolora resume r goes on from the last checkpoint");
    let inherited = Event::Inherited { phase: Phase::Search, run: "p".into(), dir: "/p".into() };
    assert_eq!(resumes(&[inherited]), "autolora resume r goes on from the last checkpoint");
}

#[test]
fn waiting_in_the_queue_is_no_work() {
    let at = |second: u64, event| Record { seq: second, time: format!("2026-01-01T00:00:{second:02}.000Z"), event };
    let queued = || Event::Queued { pid: 1, host: "h".into(), device: "cpu".into(), place: 1 };
    let stopped = Event::Stopped { phase: Phase::Prepare, step: 0, reason: "asked".into() };
    let view = RunView::of(&[at(0, queued()), at(13, stopped)]);
    assert_eq!((view.took(), view.waits), (None, true));
    let said = Event::Log { phase: Phase::Prepare, level: "info".into(), message: "hm".into() };
    let view = RunView::of(&[at(0, queued()), at(10, started(1)), at(12, said)]);
    assert_eq!((view.took(), view.waits), (Some(2.0), false));
}
