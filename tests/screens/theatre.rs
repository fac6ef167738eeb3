//! The rank theatre: other moments, other choices, panes, and what happened while one was away.

use crate::fixtures::*;
use crate::stages::*;
use autolora::experiment::Rule;
use autolora::run::event::{Event, Phase, Selected};
use autolora::run::view::State;
use autolora::tui::keys::Context;
use autolora::tui::model::{Model, Popup};
use autolora::tui::monitor::{Head, Pane};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::seen::Seen;
use autolora::tui::update::update;
use crossterm::event::KeyCode;

pub fn monitor(model: &mut Model) -> &mut autolora::tui::monitor::Monitor {
    model.monitor().expect("the monitor is shown")
}

pub fn keys(model: &mut Model, codes: &[KeyCode]) -> Vec<Effect> {
    codes.iter().flat_map(|code| update(model, key(*code))).collect()
}

#[test]
fn another_moment_beside_the_present() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "m[[[[[[[[");
    assert_eq!(monitor(&mut model).past_step(), Some(80));
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
fn a_choice_that_changes_no_rank_says_so_before_a_run_is_made_of_it() {
    let mut model = finished().watched(State::Finished);
    press(&mut model, "w");
    assert!(frame(&model, 120, 40).contains("0 of 4 modules differ"), "{}", frame(&model, 120, 40));
    assert!(keys(&mut model, &[KeyCode::Enter]).is_empty());
    let shown = frame(&model, 80, 24).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("retrain with the same ranks"), "{shown}");
    assert!(matches!(&keys(&mut model, &[KeyCode::Char('y')])[..], [Effect::Retrain { .. }]));
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
        press(&mut model, "f");
    }
    keys(&mut model, &[KeyCode::Tab]);
    assert_eq!(monitor(&mut model).focus, Pane::Map);
    keys(&mut model, &[KeyCode::BackTab]);
    assert_eq!(monitor(&mut model).focus, Pane::Log);
}

#[test]
fn figures_are_smoothed_scaled_and_read_out() {
    let mut model = crate::every::read_out();
    press(&mut model, "v");
    assert!(frame(&model, 120, 40).contains("gradient norm of the search"));
}

#[test]
fn an_axis_that_the_log_has_no_places_for_is_zoomed_into_all_the_same() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "x");
    // Read again, without the number of epochs.
    let mut log = Log::new();
    log.step_at(Phase::Search, 0, 0.5, None);
    update(&mut model, log.filled(State::Running, u64::MAX));
    monitor(&mut model).focus = Pane::Figures;
    keys(&mut model, &[KeyCode::Left, KeyCode::Down, KeyCode::Up]);
    assert!(frame(&model, 80, 24).contains("losses of the search"));
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
    assert!(frame(&model, 80, 24).contains("a worker starts on turing"));
}

#[test]
fn who_comes_back_is_told_what_happened() {
    let mut model = away(7300.0);
    let Some(Popup::Card(lines)) = model.popups.last() else { panic!("no card") };
    assert!(lines[0].contains("2 h 01 min") && lines[1].contains("from 40 to 120 of 300"), "{lines:?}");
    keys(&mut model, &[KeyCode::Enter]);
    assert!(model.popups.is_empty());
    assert!(frame(&model, 120, 40).contains("changed since you looked"), "{}", frame(&model, 120, 40));
    // Whoever was away for a moment only is told nothing.
    assert!(away(20.0).popups.is_empty());
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

/// The line of a frame that holds a text.
fn line_with<'a>(frame: &'a str, text: &str) -> &'a str {
    frame.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} in\n{frame}"))
}

#[test]
fn the_meter_says_when_the_search_ends_by_itself() {
    let mut model = searching().watched(State::Running);
    let settings = monitor(&mut model).head.as_mut().unwrap().settings.as_mut().unwrap();
    (settings.search.stop_when_stable, settings.search.stable_steps) = (true, 90);
    for columns in [80, 120] {
        let shown = frame(&model, columns, 24);
        assert!(shown.contains("stops when stable for 90 steps: 77 so far"), "{shown}");
        assert!(!line_with(&shown, "stops when").contains('…'), "{shown}");
    }
    // One that is looked at later does not end any more.
    monitor(&mut model).state = Some(State::Stopped);
    assert!(frame(&model, 80, 24).contains("no change for 77 of 90 steps"));
}

#[test]
fn the_time_left_is_that_of_the_phase_and_of_the_run() {
    let mut model = searching().watched(State::Running);
    // 180 steps are left at 12.34 a second; 300 of retraining take a fifth of that each.
    assert!(frame(&model, 80, 24).contains("15 s left, all phases about 20 s"));
    monitor(&mut model).head.as_mut().unwrap().settings = None;
    assert!(
        line_with(&frame(&model, 80, 24), "15 s left").contains("15 s left \""),
        "nothing is known of what follows"
    );
}

#[test]
fn a_finished_run_shows_all_its_layers_in_80_columns() {
    let mut log = Log::of_size(4, &["attention.self.query", "attention.self.value"], 8, 96);
    log.prepared().warmup(20).search(300).allocate().retrain().finish();
    let metrics = ["accuracy", "loss", "f1", "mcc", "precision", "recall"].map(|name| (name.to_owned(), 0.5));
    let phase = autolora::run::event::Phase::Evaluate;
    log.push(Event::Evaluated { phase, what: "run".into(), metrics: metrics.into() });
    let mut model = log.watched(State::Finished);
    insta::assert_snapshot!("theatre_finished_80x24", frame(&model, 80, 24));
    for layer in 0..4 {
        assert!(frame(&model, 80, 24).contains(&format!("\n\"     {layer} ")), "{}", frame(&model, 80, 24));
    }
    monitor(&mut model).focus = Pane::Figures;
    assert!(frame(&model, 80, 24).contains("losses of retraining"));
}

#[test]
fn what_does_nothing_says_why() {
    let said = |model: &Model| model.notice.as_ref().map(|notice| notice.text.clone()).unwrap_or_default();
    let mut model = searching().watched(State::Running);
    press(&mut model, "t");
    assert!(said(&model).contains("no samples"), "{}", said(&model));
    press(&mut model, "d");
    assert!(said(&model).contains("m marks"), "{}", said(&model));
    press(&mut model, "r");
    assert!(said(&model).contains("at it already"), "{}", said(&model));
    let mut log = Log::new();
    log.prepared();
    let mut model = log.watched(State::Running);
    press(&mut model, "w");
    assert!(said(&model).contains("no selection values yet"), "{}", said(&model));
}

#[test]
fn the_log_has_whole_messages_and_says_where_a_filter_finds_none() {
    let mut log = searching();
    let long = "the memory of the search is about 129 MB, that of retraining 131 MB, that of the evaluation 112 MB";
    log.say("info", long);
    let mut model = log.watched(State::Running);
    let shown = frame(&model, 80, 24);
    assert!(shown.contains("129 MB, that of") && shown.contains("evaluation 112 MB"), "{shown}");
    press(&mut model, "/gpu");
    assert!(frame(&model, 80, 24).contains("no line has \"gpu\""), "{}", frame(&model, 80, 24));
}

#[test]
fn who_comes_back_to_a_finished_run_is_told_what_it_came_to() {
    let log = finished();
    let mut model = with_runs(rows());
    let run = "20261123-203312-a1b2";
    model.screens.push(autolora::tui::model::Screen::Monitor(Box::new(autolora::tui::monitor::Monitor::new(run))));
    let seen = Seen { seq: 25 + 2 * 40, time: "2026-11-23T20:40:00.000Z".into() };
    let head = Head { id: run.into(), seen: Some(seen), away_s: Some(7300.0), ..Head::default() };
    update(&mut model, Msg::Opened(Box::new(head)));
    update(&mut model, log.filled(State::Finished, 25 + 2 * 40));
    let Some(Popup::Card(lines)) = model.popups.last() else { panic!("no card") };
    let text = lines.join("\n");
    assert!(text.contains("from search, step 40 of 300 to the end: the run is finished"), "{text}");
    assert!(text.contains("score    0.9525 accuracy") && text.contains("best     validation loss"), "{text}");
    assert!(!text.contains("step 0"), "{text}");
}

#[test]
fn curves_are_smoothed_at_first_and_their_numbers_are_as_logged() {
    let mut model = searching().watched(State::Running);
    assert!(frame(&model, 80, 24).contains("smooth 0.6"));
    assert!(frame(&model, 80, 24).contains("train 0.3689"));
    press(&mut model, "ooo");
    assert!(!frame(&model, 80, 24).contains("smooth"));
    assert!(frame(&model, 80, 24).contains("train 0.3689"));
}

#[test]
fn lines_of_a_history_are_named_without_colour_too() {
    let mut log = Log::of_size(2, &["query", "value"], 12, 96);
    log.prepared().warmup(20).search(120);
    let mut model = log.watched(State::Running);
    (monitor(&mut model).focus, monitor(&mut model).full) = (Pane::History, true);
    for look in [LOOK, PLAIN] {
        model.look = look;
        let shown = frame(&model, 80, 40);
        let names: std::collections::BTreeSet<usize> = shown
            .lines()
            .filter_map(|line| line.trim_end_matches([' ', '"']).rsplit(' ').next())
            .filter_map(|name| name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok())
            .collect();
        assert!((1..=12).all(|term| names.contains(&term)), "{names:?}\n{shown}");
    }
    insta::assert_snapshot!("theatre_history_ascii_80x24", frame(&model, 80, 24));
}

#[test]
fn the_shades_of_a_rule_without_a_line_are_told() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "wj");
    let shown = frame(&model, 120, 40);
    assert!(shown.contains("by energy") && shown.contains("dropped") && shown.contains("kept"), "{shown}");
    monitor(&mut model).what_if = None;
    // On the whole screen each shade has its number.
    press(&mut model, "f");
    assert!(frame(&model, 120, 40).contains("kept from 0.125"), "{}", frame(&model, 120, 40));
}

#[test]
fn no_line_of_a_help_is_cut_at_80_columns() {
    use autolora::tui::popup::help_lines;
    for context in [Context::Runs, Context::Compare, Context::Form, Context::Presets, Context::Monitor, Context::WhatIf]
    {
        for line in help_lines(context, LOOK) {
            let columns: usize = line.iter().map(|span| span.width()).sum();
            assert!(columns <= 72, "{context:?}: {columns} columns: {line:?}");
        }
    }
}

#[test]
fn a_moment_of_the_past_is_drawn_by_the_rule_that_held_then() {
    let mut model = changing_its_rule().watched(State::Running);
    assert_eq!(monitor(&mut model).line(), Some(0.2));
    press(&mut model, ":");
    update(
        &mut model,
        Msg::Key(crossterm::event::KeyEvent::new(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL)),
    );
    press(&mut model, "80");
    keys(&mut model, &[KeyCode::Enter]);
    assert_eq!(monitor(&mut model).line(), Some(0.125));
    assert!(frame(&model, 80, 24).contains("kept: at least 0.125"), "{}", frame(&model, 80, 24));
    press(&mut model, ">");
    assert_eq!(monitor(&mut model).line(), Some(0.2), "step 81 was the first by the new rule");
    // A choice that is kept is in the settings at once; the past stays as it was.
    press(&mut model, "<");
    monitor(&mut model).head.as_mut().unwrap().settings.as_mut().unwrap().allocation.rule = Rule::Energy;
    assert_eq!(monitor(&mut model).line(), Some(0.125));
    press(&mut model, ".");
    let mut log = changing_its_rule();
    log.push(Event::Allocation { phase: Phase::Search, rule: Rule::Energy, threshold: Some(0.3), budget: None });
    let mut model = log.watched(State::Running);
    assert!(frame(&model, 120, 40).contains("by energy"));
    press(&mut model, "<");
    assert!(!frame(&model, 120, 40).contains("by energy") && monitor(&mut model).line() == Some(0.2));
}

#[test]
fn the_result_gives_way_to_the_past_where_there_is_little_room() {
    let mut model = finished().watched(State::Finished);
    assert!(frame(&model, 80, 24).contains("result, held-out split"));
    press(&mut model, "[");
    assert!(!frame(&model, 80, 24).contains("result, held-out split"));
    assert!(frame(&model, 80, 24).contains("losses of the search"));
    press(&mut model, ".");
    assert!(frame(&model, 80, 24).contains("result, held-out split"));
}

#[test]
fn esc_takes_back_the_filter_before_the_screen() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "/warning");
    keys(&mut model, &[KeyCode::Enter]);
    press(&mut model, "f");
    keys(&mut model, &[KeyCode::Esc]);
    assert!(monitor(&mut model).log.filter.is_empty() && monitor(&mut model).full);
    keys(&mut model, &[KeyCode::Esc]);
    assert!(!monitor(&mut model).full);
    keys(&mut model, &[KeyCode::Esc]);
    assert_eq!(model.context(), Context::Runs);
}

#[test]
fn who_comes_back_finds_the_monitor_as_it_was_left() {
    let log = searching();
    let mut model = log.watched(State::Running);
    press(&mut model, "jl<<<m.");
    monitor(&mut model).focus = Pane::Figures;
    press(&mut model, "hhhx");
    let cursor = monitor(&mut model).figures.cursor;
    assert!(cursor.is_some());
    keys(&mut model, &[KeyCode::Esc, KeyCode::Enter]);
    assert!(monitor(&mut model).view.modules.is_empty(), "nothing is read yet");
    update(&mut model, log.filled(State::Running, u64::MAX));
    let monitor = monitor(&mut model);
    assert_eq!((monitor.cursor, monitor.focus, monitor.figures.cursor), ((1, 1), Pane::Figures, cursor));
    assert_eq!(monitor.moment.mark.and_then(|mark| monitor.view.snapshots.step(mark)), Some(117));
}

#[test]
fn what_changes_before_ones_eyes_is_marked_for_a_while_and_is_no_news() {
    let mut model = looking_on();
    let shown = frame(&model, 80, 24);
    assert!(shown.contains(" just now") && shown.contains('▼') && !shown.contains("since you looked"), "{shown}");
    let mut log = Log::new();
    log.prepared().search(35).selected(36..=120);
    let records: Vec<_> = log.records().iter().skip(76).cloned().collect();
    let places = records.iter().map(|record| record.seq).collect();
    let run = "20261123-203312-a1b2".into();
    update(&mut model, Msg::Followed { run, records, places, state: State::Running });
    assert!(!frame(&model, 80, 24).contains("just now"), "{}", frame(&model, 80, 24));
    // What changed while one was away stays as it was told.
    let mut model = away(7300.0);
    keys(&mut model, &[KeyCode::Enter]);
    let told = |model: &Model| line_with(&frame(model, 120, 40), "changed since you looked").to_owned();
    let before = told(&model);
    let mut later = searching();
    let from = later.records().len();
    later.selected(121..=150);
    let records: Vec<_> = later.records()[from..].to_vec();
    let places = records.iter().map(|record| record.seq).collect();
    let run = "20261123-203312-a1b2".into();
    update(&mut model, Msg::Followed { run, records, places, state: State::Running });
    let count = |line: &str| line.split(" changed since").next()?.split(' ').next_back()?.parse::<usize>().ok();
    assert!(count(&before).is_some_and(|count| count > 0), "{before}");
    assert_eq!(count(&before), count(&told(&model)));
}

#[test]
fn every_kind_of_module_is_reached_and_the_edges_say_how_many_are_beyond() {
    let mut model = many_kinds().watched(State::Running);
    let heading = |model: &Model| frame(model, 80, 24).lines().nth(4).unwrap_or_default().to_owned();
    let heading = |model: &Model| {
        let shown = frame(model, 80, 24);
        shown
            .lines()
            .find(|line| line.contains("_proj") || line.contains("router"))
            .map_or_else(|| heading(model), str::to_owned)
    };
    assert!(heading(&model).contains("layer") && heading(&model).contains('›'), "{}", heading(&model));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        seen.extend(heading(&model).split_whitespace().map(str::to_owned));
        press(&mut model, "l");
    }
    let kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "fc1", "fc2", "router"];
    assert!(kinds.iter().all(|kind| seen.contains(*kind)), "{seen:?}");
    assert!(heading(&model).contains("‹ 5") && !heading(&model).contains('›'), "{}", heading(&model));
}

#[test]
fn the_key_bar_names_the_keys_of_the_pane_with_the_focus_first() {
    let mut model = finished().watched(State::Finished);
    let bar = |model: &Model| {
        frame(model, 120, 40).lines().last().unwrap_or_default().trim_start_matches(['"', ' ']).to_owned()
    };
    assert!(bar(&model).starts_with("< earlier  w what if  Tab pane"), "{}", bar(&model));
    monitor(&mut model).focus = Pane::Figures;
    assert!(bar(&model).starts_with("c phase  v figures  x axis  y log  o smooth  Tab pane"), "{}", bar(&model));
    monitor(&mut model).focus = Pane::Log;
    assert!(bar(&model).starts_with("f full  / find  Tab pane"), "{}", bar(&model));
    // They hold wherever the focus is.
    monitor(&mut model).focus = Pane::Map;
    press(&mut model, "x");
    assert!(frame(&model, 120, 40).contains("epoch"));
}

#[test]
fn a_key_of_the_figures_brings_them_where_another_pane_has_their_place() {
    let mut model = finished().watched(State::Finished);
    let mut focus_after = |focus: Pane, full: bool, columns: u16| {
        (model.size, monitor(&mut model).focus, monitor(&mut model).full) = ((columns, 24), focus, full);
        press(&mut model, "y");
        (monitor(&mut model).focus, monitor(&mut model).full)
    };
    assert_eq!(focus_after(Pane::History, false, 80), (Pane::Figures, false));
    assert_eq!(focus_after(Pane::Map, true, 160), (Pane::Figures, true));
    assert_eq!(focus_after(Pane::Map, false, 80), (Pane::Map, false), "they are in sight below the map");
    assert_eq!(focus_after(Pane::History, false, 160), (Pane::History, false), "and beside the history");
}

#[test]
fn a_read_out_is_in_the_unit_of_the_axis() {
    let mut model = searching().watched(State::Running);
    monitor(&mut model).focus = Pane::Figures;
    keys(&mut model, &[KeyCode::Left]);
    assert!(frame(&model, 120, 40).contains("step 120"));
    press(&mut model, "x");
    assert!(frame(&model, 120, 40).contains("epoch 2.40, step 120"), "{}", frame(&model, 120, 40));
    press(&mut model, "x");
    assert!(frame(&model, 120, 40).contains("tokens 61.4k, step 120"), "{}", frame(&model, 120, 40));
}

#[test]
fn what_is_said_covers_no_line() {
    let mut model = searching().watched(State::Running);
    let last = "12 rows of the validation split";
    assert!(frame(&model, 80, 24).contains(last));
    update(&mut model, Msg::Done("demo pauses after its next checkpoint".into()));
    let shown = frame(&model, 80, 24);
    assert!(shown.contains(last) && shown.contains("demo pauses after"), "{shown}");
    update(&mut model, Msg::Failed("a long story ".repeat(30)));
    assert!(frame(&model, 80, 24).contains(last), "{}", frame(&model, 80, 24));
}

#[test]
fn a_retrained_run_names_the_run_whose_search_it_took_and_leads_there_and_back() {
    let mut model = retrained().watched(State::Finished);
    let parent = rows()[3].id.clone();
    assert!(line_with(&frame(&model, 160, 45), "demo").contains(&format!("retrained from {parent}")));
    assert!(line_with(&frame(&model, 80, 24), "demo").contains("from "), "{}", frame(&model, 80, 24));
    press(&mut model, "jP");
    assert_eq!(monitor(&mut model).run, parent);
    assert_eq!(model.watching(), autolora::tui::msg::Watching::Run(parent));
    keys(&mut model, &[KeyCode::Esc]);
    assert_eq!(monitor(&mut model).run, "20261123-203312-a1b2");
    keys(&mut model, &[KeyCode::Esc]);
    assert_eq!(model.context(), Context::Runs);
    let mut model = searching().watched(State::Running);
    press(&mut model, "P");
    assert!(model.notice.as_ref().is_some_and(|notice| notice.text.contains("its own search")), "{:?}", model.notice);
}

#[test]
fn a_finished_run_says_where_its_adapter_is_and_what_the_machine_did_over_all() {
    let mut model = finished().watched(State::Finished);
    assert!(frame(&model, 80, 24).contains("adapter  /runs/20261123-203312-a1b2/adapter  14.6 kB"));
    monitor(&mut model).focus = Pane::Result;
    press(&mut model, "f");
    let shown = frame(&model, 120, 40);
    for said in [
        "PeftModel.from_pretrained(model, \"/runs/20261123-203312-a1b2/adapter\")",
        "adapter_model.safetensors 11.0 kB",
        "rank 2: 1 module, rank 3: 3 modules",
        "0.2475 better than head alone",
    ] {
        assert!(shown.contains(said), "no {said:?} in\n{shown}");
    }
    let model = {
        let mut model = on_a_gpu().watched(State::Finished);
        monitor(&mut model).focus = Pane::Machine;
        press(&mut model, "f");
        model
    };
    let shown = frame(&model, 120, 40);
    assert!(shown.contains("host memory at most 70.6 GB") && shown.contains("mean load 78 %"), "{shown}");
    assert!(shown.contains("GPU load, %") && shown.contains("peaks and means until"), "{shown}");
}

#[test]
fn baselines_that_are_planned_are_in_the_chain_of_phases_from_the_start() {
    let mut model = searching().watched(State::Running);
    assert!(!frame(&model, 80, 24).contains("baseline"));
    monitor(&mut model).head.as_mut().unwrap().settings.as_mut().unwrap().baseline.head_only = true;
    assert!(frame(&model, 80, 24).contains("evaluate › baseline › export"), "{}", frame(&model, 80, 24));
}

#[test]
fn under_a_rule_of_energies_those_are_kept_whose_energy_is_largest() {
    let rules =
        [(Rule::Energy, Some(0.6), "from 60 % of the largest energy"), (Rule::Budget, None, "the largest energies")];
    for (rule, threshold, legend) in rules {
        let mut log = Log::of_size(1, &["fc"], 4, 96);
        log.prepared();
        log.push(Event::Allocation { phase: Phase::Search, rule, threshold, budget: None });
        let path = "bert.encoder.layer.0.fc".to_owned();
        let of = |values: [f32; 4]| [(path.clone(), values.to_vec())].into();
        // The smallest value has the largest energy.
        let (modules, energy) = (of([0.4, 0.3, 0.2, 0.1]), of([0.1, 0.2, 0.3, 0.4]));
        let ranks = [(path.clone(), 2)].into();
        log.push(Event::Selection(Selected { phase: Phase::Search, step: 1, modules, ranks, energy }));
        let mut model = log.watched(State::Running);
        press(&mut model, "f");
        let shown = frame(&model, 160, 45);
        assert!(shown.contains(&format!("kept: {legend}")), "{shown}");
        let cell =
            shown.lines().find_map(|line| Some(line.split_once("\u{25b8}")?.1).filter(|cell| cell.contains(" 2 ")));
        let kept: Vec<bool> =
            cell.unwrap_or_default().chars().take(4).map(|block| "\u{2592}\u{2593}\u{2588}".contains(block)).collect();
        assert_eq!(kept, [false, false, true, true], "{rule}: {shown}");
    }
}

#[test]
fn many_selection_values_lose_their_zeros_before_one_is_left_out() {
    let line = |rank: usize| {
        let mut log = Log::of_size(2, &["fc"], rank, 96);
        log.prepared().search(30);
        let shown = frame(&log.watched(State::Running), 80, 24);
        shown.lines().find(|line| line.contains("threshold 0.")).map(str::to_owned).unwrap_or_default()
    };
    let beginning = |line: &str, with: &str| line.split_whitespace().filter(|word| word.starts_with(with)).count();
    assert_eq!(
        (beginning(&line(8), "0."), beginning(&line(8), ".")),
        (9, 0),
        "8 values and the threshold: {}",
        line(8)
    );
    assert_eq!((beginning(&line(12), "."), line(12).contains('\u{2026}')), (12, false), "{}", line(12));
    assert!(line(16).contains('\u{2026}'), "{}", line(16));
}

#[test]
fn who_looks_for_the_run_it_was_made_from_and_finds_none_stays() {
    let mut model = retrained().watched(State::Finished);
    press(&mut model, "P");
    let parent = monitor(&mut model).run.clone();
    assert_ne!(parent, "20261123-203312-a1b2");
    update(&mut model, Msg::Lost { run: parent, error: "no run of that name".into() });
    assert_eq!(monitor(&mut model).run, "20261123-203312-a1b2");
    assert!(frame(&model, 120, 40).contains("cannot be shown: no run of that name"));
}

#[test]
fn what_a_worker_found_out_is_in_the_settings_and_where_one_was_stays() {
    let mut model = searching().watched(State::Running);
    let seen = Seen { seq: 3, time: "2026-11-23T20:00:00.000Z".into() };
    monitor(&mut model).head.as_mut().unwrap().seen = Some(seen.clone());
    let mut head = Head { id: "20261123-203312-a1b2".into(), settings: Some(Box::default()), ..Head::default() };
    head.settings.as_mut().unwrap().data.text = Some("sentence".into());
    update(&mut model, Msg::Opened(Box::new(head)));
    let head = monitor(&mut model).head.clone().unwrap();
    assert_eq!((head.seen, head.name.as_str()), (Some(seen), "demo"));
    assert_eq!(head.settings.unwrap().data.text.as_deref(), Some("sentence"));
}
