//! Keys as (before, keys, after).

use crate::fixtures::*;
use autolora::run::lifecycle::When;
use autolora::run::view::State;
use autolora::tui::keys::{Action, Context};
use autolora::tui::model::{Model, Screen};
use autolora::tui::msg::{Effect, Msg, Watching};
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[test]
fn enter_opens_the_monitor_and_escape_leads_back() {
    let mut model = with_runs(rows());
    assert_eq!(model.watching(), Watching::Runs);
    press(&mut model, "j");
    effects(&mut model, KeyCode::Enter);
    assert_eq!(model.watching(), Watching::Run("20261123-193007-00ff".into()));
    effects(&mut model, KeyCode::Esc);
    assert_eq!(model.watching(), Watching::Runs);
    effects(&mut model, KeyCode::Esc);
    assert_eq!(model.screens.len(), 1);
}

#[test]
fn a_key_right_behind_escape_is_no_other_key() {
    let alt = |c| Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT));
    let mut model = with_runs(rows());
    press(&mut model, "?");
    assert!(matches!(&update(&mut model, alt('q'))[..], [Effect::Quit(0)]));
    assert!(model.popups.is_empty());
    // Where nothing is on top it is Alt with a key, which is none of ours; so it is in a line that is typed.
    assert!(update(&mut model, alt('q')).is_empty());
    press(&mut model, "/");
    assert!(update(&mut model, alt('q')).is_empty());
    assert_eq!(model.context(), Context::RunsFilter);
}

#[test]
fn q_leaves_with_0_from_runs_and_monitor_and_help() {
    let mut model = with_runs(rows());
    assert!(matches!(char_effect(&mut model, 'q'), Effect::Quit(0)));
    effects(&mut model, KeyCode::Enter);
    assert!(matches!(char_effect(&mut model, 'q'), Effect::Quit(0)));
    press(&mut model, "?");
    assert_eq!(model.context(), Context::Help);
    assert!(matches!(char_effect(&mut model, 'q'), Effect::Quit(0)));
}

#[test]
fn control_c_leaves_with_130_from_anywhere() {
    let control_c = || Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    let mut typing = form(PRESET);
    press(&mut typing, "/abc");
    for mut model in [with_runs(rows()), typing, searching().watched(State::Running)] {
        assert!(matches!(update(&mut model, control_c())[..], [Effect::Quit(130)]));
    }
}

#[test]
fn control_z_puts_the_program_aside_from_anywhere() {
    let control_z = || Msg::Key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL));
    let mut typing = form(PRESET);
    press(&mut typing, "/abc");
    let mut helped = with_runs(rows());
    press(&mut helped, "?");
    for mut model in [with_runs(rows()), typing, helped] {
        assert!(matches!(update(&mut model, control_z())[..], [Effect::PutAside]));
    }
}

#[test]
fn runs_are_paused_resumed_and_stopped_where_their_state_allows() {
    let mut model = with_runs(rows());
    let running = rows()[0].id.clone();
    assert!(matches!(char_effect(&mut model, ' '), Effect::Pause(run) if run == running));
    assert!(matches!(char_effect(&mut model, 's'), Effect::Stop(run) if run == running));
    assert!(effects(&mut model, KeyCode::Char('r')).is_empty());
    assert!(effects(&mut model, KeyCode::Char('d')).is_empty(), "a running run is not deleted");
    press(&mut model, "jj");
    assert!(matches!(char_effect(&mut model, 'r'), Effect::Resume(run) if run == rows()[2].id));
    assert!(effects(&mut model, KeyCode::Char(' ')).is_empty());
}

#[test]
fn a_run_that_waits_is_put_first_or_taken_out() {
    let mut model = with_runs(rows());
    assert!(effects(&mut model, KeyCode::Char('F')).is_empty(), "a running run does not wait");
    press(&mut model, "G");
    let waits = rows()[8].id.clone();
    assert!(matches!(char_effect(&mut model, 'F'), Effect::QueueFirst(run) if run == waits));
    assert!(matches!(char_effect(&mut model, 's'), Effect::Stop(run) if run == waits));
    let mut first = rows();
    first[8].place = Some(1);
    update(&mut model, Msg::Runs(first));
    assert!(effects(&mut model, KeyCode::Char('F')).is_empty(), "nobody is before it");
}

#[test]
fn the_form_starts_a_run_at_once_or_in_its_turn() {
    for (c, expected) in [('S', When::Now), ('Q', When::InTurn)] {
        assert!(matches!(char_effect(&mut form(PRESET), c), Effect::Start { when, .. } if when == expected));
    }
}

#[test]
fn deleting_needs_a_yes() {
    let mut model = with_runs(rows());
    press(&mut model, "jjj");
    let id = rows()[3].id.clone();
    assert!(matches!(char_effect(&mut model, 'd'), Effect::Weigh(runs) if runs == [id.clone()]));
    let weighed = || Msg::Weighed(vec![weight(&id)]);
    update(&mut model, weighed());
    assert!(effects(&mut model, KeyCode::Enter).is_empty(), "Enter is no yes");
    assert_eq!(model.context(), Context::Confirm);
    assert!(effects(&mut model, KeyCode::Esc).is_empty());
    update(&mut model, weighed());
    assert!(matches!(char_effect(&mut model, 'y'), Effect::Remove(runs) if runs == [id.clone()]));
    assert!(model.popups.is_empty());
}

#[test]
fn what_is_deleted_is_gone_from_the_table_at_once() {
    let mut model = with_runs(rows());
    let (gone, count) = (rows()[3].id.clone(), rows().len());
    let text = "it is deleted".into();
    update(&mut model, Msg::Removed { runs: vec![gone.clone()], text, is_all: true });
    assert!(model.runs.rows.len() == count - 1 && model.runs.row(&gone).is_none());
}

#[test]
fn who_goes_on_before_the_question_is_not_asked_elsewhere() {
    let mut model = with_runs(rows());
    press(&mut model, "jjj");
    assert!(matches!(char_effect(&mut model, 'd'), Effect::Weigh(_)));
    press(&mut model, "?");
    effects(&mut model, KeyCode::Esc);
    effects(&mut model, KeyCode::Enter);
    assert!(matches!(model.screen(), Screen::Monitor(_)));
    update(&mut model, Msg::Weighed(vec![weight(&rows()[3].id)]));
    assert!(model.popups.is_empty());
}

#[test]
fn the_cursor_stays_on_its_run_when_others_come_and_go() {
    let mut model = with_runs(rows());
    press(&mut model, "jj");
    let mut more = rows();
    more.insert(0, row("20261124-000000-0000", "newer", State::Running));
    update(&mut model, Msg::Runs(more.clone()));
    assert_eq!(model.runs.selected().map(|row| row.id.clone()), Some(rows()[2].id.clone()));
    more.remove(3);
    update(&mut model, Msg::Runs(more.clone()));
    assert_eq!(model.runs.selected().map(|row| row.id.clone()), Some(more[3].id.clone()));
}

#[test]
fn a_new_run_goes_from_the_form_to_its_monitor() {
    let mut model = with_runs(rows());
    assert!(matches!(char_effect(&mut model, 'n'), Effect::OpenPreset(name) if name == "demo"));
    let mut model = form(PRESET);
    assert!(matches!(char_effect(&mut model, 'S'), Effect::Start { name: None, parent: None, .. }));
    assert!(effects(&mut model, KeyCode::Char('S')).is_empty(), "not twice");
    assert!(effects(&mut model, KeyCode::Char('s')).is_empty(), "nor with its card");
    update(&mut model, Msg::Started { run: "new".into() });
    assert_eq!(model.watching(), Watching::Run("new".into()));
    effects(&mut model, KeyCode::Esc);
    assert!(matches!(model.screen(), Screen::Runs));
}

#[test]
fn a_start_that_fails_can_be_tried_again() {
    let mut model = form(PRESET);
    press(&mut model, "S");
    update(&mut model, Msg::Failed("no space".into()));
    assert!(matches!(char_effect(&mut model, 'S'), Effect::Start { .. }));
}

#[test]
fn a_wrong_value_is_told_at_once_and_keeps_the_run_from_starting() {
    let mut model = form(PRESET);
    press(&mut model, "/lora.rank");
    effects(&mut model, KeyCode::Enter);
    effects(&mut model, KeyCode::Enter);
    assert_eq!(model.context(), Context::FormEdit);
    effects(&mut model, KeyCode::Backspace);
    press(&mut model, "0");
    assert!(matches!(effect(&mut model, KeyCode::Enter), Effect::Check { .. }));
    let form = model.form().unwrap();
    assert_eq!(form.doc.get_typed("lora.rank").as_deref(), Some("0"));
    assert_eq!(form.problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["lora.rank"]);
    effects(&mut model, KeyCode::Esc);
    assert!(effects(&mut model, KeyCode::Char('s')).is_empty());
    assert!(model.notice.as_ref().is_some_and(|notice| notice.bad));
}

#[test]
fn what_is_typed_keeps_comments_and_escape_keeps_the_old_value() {
    let mut model = form(PRESET);
    effects(&mut model, KeyCode::Down);
    for last in [KeyCode::Esc, KeyCode::Enter] {
        effects(&mut model, KeyCode::Enter);
        effects(&mut model, KeyCode::End);
        press(&mut model, "q?");
        effects(&mut model, last);
        let text = model.form().unwrap().doc.text();
        assert!(text.contains("# My first preset.") && text.contains("# small"), "{text}");
        assert_eq!(text.contains("builtin:demoq?"), last == KeyCode::Enter);
    }
}

#[test]
fn looking_at_a_default_does_not_say_it() {
    let mut model = form(PRESET);
    press(&mut model, "/epsilon");
    for _ in 0..3 {
        effects(&mut model, KeyCode::Enter);
    }
    assert_eq!(model.form().unwrap().doc.text(), PRESET);
}

#[test]
fn choices_are_stepped_through_and_values_taken_back() {
    let mut model = form(PRESET);
    press(&mut model, "/search.hypergradient");
    effects(&mut model, KeyCode::Enter);
    let said = |model: &mut Model| model.form().unwrap().doc.get_typed("search.hypergradient");
    effects(&mut model, KeyCode::Right);
    assert_eq!(said(&mut model).as_deref(), Some("implicit"));
    effects(&mut model, KeyCode::Left);
    effects(&mut model, KeyCode::Left);
    assert_eq!(said(&mut model).as_deref(), Some("first-order"));
    press(&mut model, "x");
    assert_eq!(said(&mut model), None);
}

#[test]
fn leaving_a_changed_form_asks() {
    let mut model = form(PRESET);
    press(&mut model, "/bool");
    effects(&mut model, KeyCode::Esc);
    press(&mut model, "/data.shuffle");
    effects(&mut model, KeyCode::Enter);
    effects(&mut model, KeyCode::Right);
    effects(&mut model, KeyCode::Esc);
    assert!(model.popups.is_empty(), "the first one ends the filter");
    effects(&mut model, KeyCode::Esc);
    assert_eq!(model.context(), Context::Confirm);
    press(&mut model, "n");
    assert!(effects(&mut model, KeyCode::Char('q')).is_empty());
    assert!(matches!(char_effect(&mut model, 'y'), Effect::Quit(0)));
    effects(&mut model, KeyCode::Esc);
    press(&mut model, "y");
    assert!(matches!(model.screen(), Screen::Runs));
}

#[test]
fn a_form_is_saved_under_a_name_and_a_taken_name_asks() {
    let mut model = form(PRESET);
    press(&mut model, "w");
    assert!(matches!(effect(&mut model, KeyCode::Enter), Effect::SavePreset { name, .. } if name == "my-demo"));
    update(&mut model, Msg::PresetSaved("my-demo".into()));
    press(&mut model, "w");
    update(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
    press(&mut model, "sst2");
    assert!(effects(&mut model, KeyCode::Enter).is_empty());
    assert!(matches!(char_effect(&mut model, 'y'), Effect::SavePreset { name, .. } if name == "sst2"));
}

#[test]
fn a_late_check_does_not_overwrite_a_newer_one() {
    let mut model = form(PRESET);
    let problem = autolora::experiment::Problem {
        key: "data.train".into(),
        place: autolora::experiment::Place::Unsaid,
        message: "is missing".into(),
        help: None,
    };
    update(&mut model, Msg::Checked { edit: 7, problems: vec![problem.clone()] });
    assert!(model.form().unwrap().problems.is_empty());
    update(&mut model, Msg::Checked { edit: 0, problems: vec![problem] });
    assert_eq!(model.form().unwrap().problems.len(), 1);
}

#[test]
fn presets_are_loaded_copied_and_deleted_but_not_shipped_ones() {
    let mut model = with_runs(rows());
    press(&mut model, "p");
    update(&mut model, Msg::Presets(preset_rows()));
    assert!(effects(&mut model, KeyCode::Char('d')).is_empty());
    assert!(matches!(effect(&mut model, KeyCode::Enter), Effect::OpenPreset(name) if name == "demo"));
    press(&mut model, "jd");
    assert!(matches!(char_effect(&mut model, 'y'), Effect::DeletePreset(name) if name == "sst2"));
    press(&mut model, "w");
    assert!(
        matches!(effect(&mut model, KeyCode::Enter), Effect::CopyPreset { from, to } if from == "sst2" && to == "sst2-copy")
    );
}

#[test]
fn arrows_walk_the_modules_and_stop_at_the_edges() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "jjjllll");
    assert_eq!(model.monitor().unwrap().cursor, (1, 1));
    assert!(frame(&model, 80, 24).contains("layer.1.attention.self.value"));
    press(&mut model, "gh");
    assert_eq!(model.monitor().unwrap().cursor, (0, 0));
}

#[test]
fn the_key_bar_names_only_what_works_now() {
    let mut model = with_runs(rows());
    let bar = |model: &Model| frame(model, 120, 40).lines().last().unwrap_or_default().to_owned();
    assert!(bar(&model).contains("Space pause") && !bar(&model).contains("resume"));
    press(&mut model, "jj");
    assert!(!bar(&model).contains("Space pause") && bar(&model).contains("r resume"));
    assert!(!bar(&model).contains("Esc back"));
}

/// The whole help on a context.
fn frame_with_help(about: Context) -> String {
    let mut model = with_runs(rows());
    model.popups.push(autolora::tui::model::Popup::Help { about, scroll: 0 });
    frame(&model, 80, 200)
}

#[test]
fn what_was_said_of_a_run_goes_when_it_ends_by_itself() {
    let followed =
        |state| Msg::Followed { run: "20261123-203312-a1b2".into(), records: Vec::new(), places: Vec::new(), state };
    for (state, stays) in [(State::Stopped, true), (State::Paused, true), (State::Finished, false)] {
        let mut model = searching().watched(State::Running);
        update(&mut model, Msg::Done("demo goes on".into()));
        update(&mut model, followed(state));
        assert_eq!(model.notice.is_some(), stays, "{state:?}");
    }
}

#[test]
fn every_binding_of_a_screen_is_in_its_help_and_no_line_of_it_is_cut() {
    let screens = [Context::Runs, Context::Compare, Context::Presets, Context::Form, Context::Monitor, Context::WhatIf];
    for context in screens {
        let help = autolora::tui::popup::help_lines(context, LOOK);
        let shown = frame_with_help(context);
        for line in &help {
            let text: String = line.iter().map(|span| span.content.as_ref()).collect();
            assert!(shown.contains(&format!("│ {text} ")), "{text:?} is cut:\n{shown}");
        }
        for binding in autolora::tui::keys::bindings(context) {
            let is_there = help.iter().flatten().any(|span| span.content == binding.help);
            assert!(is_there, "{context:?}: {:?}", binding.action);
        }
    }
    assert!(autolora::tui::keys::bindings(Context::Runs).any(|binding| binding.action == Action::Help));
}
