//! The rank theatre: other moments, other choices, panes, and what happened while one was away.

use crate::fixtures::*;
use crate::show;
use autolora::experiment::Rule;
use autolora::run::event::{Event, Selected};
use autolora::run::machine::{Gpu, Machine};
use autolora::run::view::State;
use autolora::tui::keys::Context;
use autolora::tui::model::{Model, Popup};
use autolora::tui::monitor::{Head, Pane};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::seen::Seen;
use autolora::tui::update::update;
use crossterm::event::KeyCode;

fn monitor(model: &mut Model) -> &mut autolora::tui::monitor::Monitor {
    model.monitor().expect("the monitor is shown")
}

fn keys(model: &mut Model, codes: &[KeyCode]) -> Vec<Effect> {
    codes.iter().flat_map(|code| update(model, key(*code))).collect()
}

#[test]
fn another_moment_beside_the_present() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "m[[[[[[[[");
    assert_eq!(monitor(&mut model).past_step(), Some(80));
    show("theatre_past", &model);
    press(&mut model, "d");
    show("theatre_changes", &model);
    keys(&mut model, &[KeyCode::Esc]);
    press(&mut model, ".");
    assert_eq!(monitor(&mut model).past_step(), None);
}

#[test]
fn steps_are_gone_through_one_by_one_and_by_number() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "<<<>");
    assert_eq!(monitor(&mut model).past_step(), Some(118));
    press(&mut model, ":");
    assert_eq!(model.context(), Context::Prompt);
    update(
        &mut model,
        Msg::Key(crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL)),
    );
    press(&mut model, "30");
    keys(&mut model, &[KeyCode::Enter]);
    assert_eq!(monitor(&mut model).past_step(), Some(30));
    press(&mut model, ":");
    press(&mut model, "x");
    keys(&mut model, &[KeyCode::Enter]);
    assert!(model.notice.as_ref().is_some_and(|notice| notice.bad && notice.text.contains("whole number")));
    // Past the end is the present; before the beginning its first moment.
    press(&mut model, "[[[[[[[[[[[[[[[[[[[[[[[[");
    assert_eq!(monitor(&mut model).past_step(), Some(1));
    press(&mut model, "]]]]]]]]]]]]]]]]]]]]]]]]");
    assert_eq!(monitor(&mut model).past_step(), None);
    press(&mut model, "<");
    keys(&mut model, &[KeyCode::Esc]);
    assert!(monitor(&mut model).past_step().is_none() && model.screens.len() == 2, "Esc leads to the present first");
}

#[test]
fn a_replay_goes_from_the_beginning_to_the_present() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "p");
    assert!(model.is_playing());
    let mut seen = vec![monitor(&mut model).past_step()];
    while model.is_playing() {
        update(&mut model, Msg::Tick);
        seen.push(monitor(&mut model).past_step());
    }
    assert_eq!((seen.first(), seen.last()), (Some(&Some(1)), Some(&None)));
    assert_eq!(seen.len(), 120);
    update(&mut model, Msg::Tick);
    assert_eq!(monitor(&mut model).past_step(), None);
}

#[test]
fn values_of_a_moment_that_is_not_kept_are_read_from_the_log() {
    let mut log = Log::of_size(24, &["q", "k", "v", "o", "up", "gate", "down"], 64, 64);
    log.prepared().search(120);
    let mut model = log.watched(State::Running);
    press(&mut model, ":");
    update(
        &mut model,
        Msg::Key(crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL)),
    );
    press(&mut model, "34");
    let effects = keys(&mut model, &[KeyCode::Enter]);
    let [Effect::Fetch { run, index: 33, place }] = &effects[..] else { panic!("{effects:?}") };
    let before = monitor(&mut model).values(0).to_vec();
    let record = log.record(*place as usize);
    let Event::Selection(Selected { step: 34, modules, .. }) = &record.event else { panic!("{record:?}") };
    let exact = modules["bert.encoder.layer.0.q"].clone();
    update(&mut model, Msg::Fetched { run: run.clone(), index: 33, record: Box::new(record.clone()) });
    assert_eq!(monitor(&mut model).values(0), exact);
    assert_ne!(before, exact);
}

#[test]
fn another_rule_changes_ranks_at_once_and_can_be_kept() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "w");
    assert_eq!(model.context(), Context::WhatIf);
    press(&mut model, "lllll");
    show("theatre_what_if", &model);
    let tried = monitor(&mut model).tried().unwrap();
    let as_it_is: usize = monitor(&mut model).actual_ranks().iter().map(|rank| rank.unwrap() * 192).sum();
    assert!(tried.parameters < as_it_is, "a higher threshold keeps less: {} of {as_it_is}", tried.parameters);
    let effects = keys(&mut model, &[KeyCode::Enter]);
    let [Effect::ChooseAllocation { choice, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((choice.rule, choice.threshold), (Rule::Threshold, Some(0.1375)));
    assert_eq!(model.context(), Context::Monitor);
    assert_eq!(monitor(&mut model).line(), Some(0.1375));
}

#[test]
fn after_the_allocation_a_choice_is_for_a_new_run() {
    let mut model = finished().watched(State::Finished);
    press(&mut model, "wj");
    let choice = monitor(&mut model).what_if.as_ref().unwrap().choice();
    assert_eq!(choice.rule, Rule::Energy, "mean does not go with softmax");
    keys(&mut model, &[KeyCode::Enter]);
    assert_eq!(model.context(), Context::Confirm);
    let effects = keys(&mut model, &[KeyCode::Char('y')]);
    assert!(matches!(&effects[..], [Effect::Retrain { choice: kept, .. }] if *kept == choice), "{effects:?}");
    let mut model = finished().watched(State::Finished);
    press(&mut model, "wjjj");
    keys(&mut model, &[KeyCode::Esc]);
    assert!(monitor(&mut model).what_if.is_none());
}

#[test]
fn a_value_can_be_typed_and_a_wrong_one_is_told() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "we");
    update(
        &mut model,
        Msg::Key(crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL)),
    );
    press(&mut model, "0.2");
    keys(&mut model, &[KeyCode::Enter]);
    assert_eq!(monitor(&mut model).what_if.as_ref().unwrap().threshold(), Some(0.2));
    press(&mut model, "e-1");
    keys(&mut model, &[KeyCode::Enter]);
    assert!(model.notice.as_ref().is_some_and(|notice| notice.bad));
    assert_eq!(monitor(&mut model).what_if.as_ref().unwrap().threshold(), Some(0.2));
}

#[test]
fn every_pane_on_the_whole_screen() {
    let mut model = finished().watched(State::Finished);
    // Side by side, the module has a pane of its own.
    model.size = (120, 40);
    for pane in [Pane::Module, Pane::History, Pane::Figures, Pane::Result, Pane::Machine, Pane::Log] {
        keys(&mut model, &[KeyCode::Tab]);
        assert_eq!(monitor(&mut model).focus, pane);
        press(&mut model, "f");
        if matches!(pane, Pane::History | Pane::Figures) {
            show(&format!("theatre_full_{}", format!("{pane:?}").to_lowercase()), &model);
        }
        press(&mut model, "f");
    }
    keys(&mut model, &[KeyCode::Tab]);
    assert_eq!(monitor(&mut model).focus, Pane::Map);
    keys(&mut model, &[KeyCode::BackTab]);
    assert_eq!(monitor(&mut model).focus, Pane::Log);
}

#[test]
fn figures_are_smoothed_scaled_and_read_out() {
    let mut model = finished().watched(State::Finished);
    press(&mut model, "coy");
    monitor(&mut model).focus = Pane::Figures;
    press(&mut model, "f");
    keys(&mut model, &[KeyCode::Left, KeyCode::Left, KeyCode::Left]);
    press(&mut model, "++x");
    show("theatre_figures", &model);
    press(&mut model, "v");
    assert!(frame(&model, 120, 40).contains("gradient norm of the search"));
}

#[test]
fn the_log_is_filtered_and_scrolled() {
    let mut log = searching();
    for n in 0..40 {
        log.say("info", &format!("note {n}"));
    }
    let mut model = log.watched(State::Running);
    press(&mut model, "/warning");
    assert_eq!(model.context(), Context::LogFilter);
    assert!(frame(&model, 80, 24).contains("12 rows of the validation split"));
    assert!(!frame(&model, 80, 24).contains("note 39"));
    keys(&mut model, &[KeyCode::Esc]);
    assert!(frame(&model, 80, 24).contains("note 39"));
    press(&mut model, "kkkkk");
    assert!(frame(&model, 80, 24).contains("note 34") && !frame(&model, 80, 24).contains("note 39"));
    press(&mut model, "g");
    assert!(frame(&model, 80, 24).contains("800 rows to train"));
}

#[test]
fn a_gpu_shows_memory_load_heat_power_and_what_slows_it() {
    let gpu = Gpu {
        index: 0,
        name: "NVIDIA H100 80GB HBM3".into(),
        used_bytes: 31_200_000_000,
        total_bytes: 85_500_000_000,
        load_percent: Some(97),
        temperature: Some(71),
        power: Some(688.4),
        power_limit: Some(700.0),
        throttled: vec!["power cap".into()],
    };
    let machine = Machine {
        host_used_bytes: 61_000_000_000,
        host_total_bytes: 128_000_000_000,
        load: 3.2,
        cores: 16,
        worker_cores: Some(1.1),
        gpu: Some(gpu),
    };
    let mut log = searching();
    log.push(Event::Machine { phase: autolora::run::event::Phase::Search, machine });
    let mut model = log.watched(State::Running);
    monitor(&mut model).focus = Pane::Machine;
    show("theatre_machine", &model);
}

#[test]
fn who_comes_back_is_told_what_happened() {
    let mut log = searching();
    log.say("warning", "the loss jumped");
    let mut model = with_runs(rows());
    let run = "20261123-203312-a1b2";
    model.screens.push(autolora::tui::model::Screen::Monitor(Box::new(autolora::tui::monitor::Monitor::new(run))));
    let head = |away_s| Head {
        id: run.into(),
        name: "demo".into(),
        settings: Some(Box::default()),
        // After search step 40.
        seen: Some(Seen { seq: 25 + 2 * 40, time: "2026-11-23T20:40:00.000Z".into() }),
        away_s: Some(away_s),
        ..Head::default()
    };
    update(&mut model, Msg::Opened(Box::new(head(7300.0))));
    update(&mut model, log.filled(State::Running, 25 + 2 * 40));
    let Some(Popup::Card(lines)) = model.popups.last() else { panic!("no card") };
    assert!(lines[0].contains("2 h 01 min") && lines[1].contains("from 40 to 120 of 300"), "{lines:?}");
    show("theatre_card", &model);
    keys(&mut model, &[KeyCode::Enter]);
    assert!(model.popups.is_empty());
    assert!(frame(&model, 120, 40).contains("changed since you looked"), "{}", frame(&model, 120, 40));
    // Whoever was away for a moment only is told nothing.
    let mut model = with_runs(rows());
    model.screens.push(autolora::tui::model::Screen::Monitor(Box::new(autolora::tui::monitor::Monitor::new(run))));
    update(&mut model, Msg::Opened(Box::new(head(20.0))));
    update(&mut model, log.filled(State::Running, 25 + 2 * 40));
    assert!(model.popups.is_empty());
}

#[test]
fn a_long_log_shows_its_end_first_and_then_its_history() {
    let log = searching();
    let mut model = log.watched(State::Running);
    let whole = frame(&model, 120, 40);
    let run = "20261123-203312-a1b2";
    let view = monitor(&mut model).view.clone();
    update(&mut model, Msg::Glimpse { run: run.into(), view: Box::new(view), state: State::Running });
    assert!(frame(&model, 120, 40).contains("reading its history, 0 %"));
    update(&mut model, Msg::Reading { run: run.into(), read: 0.5 });
    let shown = frame(&model, 120, 40);
    assert!(shown.contains("reading its history, 50 %") && shown.contains("search 120/300"), "{shown}");
    update(&mut model, log.filled(State::Running, u64::MAX));
    assert_eq!(frame(&model, 120, 40), whole);
}
