//! Every screen and popup as a picture, keys as (before, keys, after), and any keys on any size without a panic.

mod any;
mod fixtures;
mod form;
mod generation;
mod keys;
mod mouse;
mod runs;
mod theatre;

use autolora::run::event::Event;
use autolora::run::view::State;
use autolora::tui::msg::Msg;
use autolora::tui::update::update;
use crossterm::event::KeyCode;
use fixtures::*;

/// Kinds of modules of a large model.
const LARGE: [&str; 4] =
    ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];

/// Compares the frame at both sizes with the stored ones.
fn show(name: &str, model: &autolora::tui::model::Model) {
    insta::assert_snapshot!(format!("{name}_80x24"), frame(model, 80, 24));
    insta::assert_snapshot!(format!("{name}_120x40"), frame(model, 120, 40));
}

#[test]
fn runs() {
    show("runs", &with_runs(rows()));
}

#[test]
fn runs_before_they_are_read() {
    show("runs_reading", &model());
}

#[test]
fn no_runs() {
    show("runs_empty", &with_runs(Vec::new()));
}

#[test]
fn a_failed_run_selected_says_why() {
    let mut model = with_runs(rows());
    press(&mut model, "jjjj");
    show("runs_failed_selected", &model);
}

#[test]
fn deleting_a_run_asks_first() {
    let mut model = with_runs(rows());
    press(&mut model, "jjj");
    update(&mut model, Msg::Weighed(vec![weight("20261122-235959-abcd")]));
    show("runs_delete", &model);
}

#[test]
fn presets() {
    let mut model = with_runs(rows());
    press(&mut model, "p");
    update(&mut model, Msg::Presets(preset_rows()));
    press(&mut model, "j");
    show("presets", &model);
}

#[test]
fn the_form() {
    show("form", &form(PRESET));
}

#[test]
fn the_form_on_a_group() {
    let mut model = form(PRESET);
    press(&mut model, "]]]]jj");
    show("form_group", &model);
}

#[test]
fn the_form_with_problems() {
    let mut model =
        form("[model]\nid = \"builtin:demo\"\n[data]\nid = \"builtin:demo\"\n[lora]\nrank = 0\n[search]\nlr = 1\n");
    press(&mut model, "s");
    show("form_problems", &model);
}

#[test]
fn typing_a_value() {
    let mut model = form(PRESET);
    press(&mut model, "jjjjjj");
    update(&mut model, key(KeyCode::Enter));
    press(&mut model, "sentence-2");
    show("form_typing", &model);
}

#[test]
fn finding_a_setting() {
    let mut model = form(PRESET);
    press(&mut model, "/lr");
    show("form_filter", &model);
}

#[test]
fn saving_the_form() {
    let mut model = form(PRESET);
    press(&mut model, "w");
    show("form_save", &model);
}

#[test]
fn monitor_before_anything_is_read() {
    let mut model = with_runs(rows());
    update(&mut model, key(KeyCode::Enter));
    show("monitor_reading", &model);
}

#[test]
fn monitor_warming_up() {
    let mut log = Log::new();
    log.prepared().warmup(7);
    show("monitor_warmup", &log.watched(State::Running));
}

#[test]
fn monitor_searching() {
    show("monitor_search", &searching().watched(State::Running));
}

#[test]
fn monitor_retraining() {
    let mut log = Log::new();
    log.prepared().warmup(20).search(300).allocate().retrain();
    show("monitor_retrain", &log.watched(State::Running));
}

#[test]
fn monitor_finished() {
    show("monitor_finished", &finished().watched(State::Finished));
}

#[test]
fn monitor_failed() {
    let mut log = Log::new();
    log.prepared().warmup(20).search(56).fail(
        "the training loss is not a number at step 57 of the search (learning rate of the weights 0.3, of the selection 0.01)",
        "lower search.weights.lr, for instance to 0.001, or set search.clip_norm to 1.0, and resume",
    );
    show("monitor_failed", &log.watched(State::Failed));
}

#[test]
fn monitor_crashed() {
    show("monitor_crashed", &searching().watched(State::Crashed));
}

#[test]
fn monitor_of_a_large_model() {
    let mut log = Log::of_size(24, &LARGE, 8, 1024);
    log.prepared().warmup(20).search(200);
    let mut model = log.watched(State::Running);
    press(&mut model, "jjjjjjjjjjjjjjll");
    show("monitor_large", &model);
    insta::assert_snapshot!("monitor_large_160x45", frame(&model, 160, 45));
}

#[test]
fn monitor_of_a_run_that_cannot_be_read() {
    let mut model = with_runs(rows());
    update(&mut model, key(KeyCode::Enter));
    update(
        &mut model,
        Msg::Lost { run: rows()[0].id.clone(), error: "cannot read /runs/x/events.jsonl: permission denied".into() },
    );
    show("monitor_lost", &model);
}

#[test]
fn help() {
    let mut model = searching().watched(State::Running);
    press(&mut model, "?");
    show("help_monitor", &model);
    let mut model = form(PRESET);
    press(&mut model, "?");
    show("help_form", &model);
}

#[test]
fn without_colour_and_unicode_everything_is_ascii() {
    let mut log = Log::of_size(24, &LARGE, 8, 1024);
    log.prepared().warmup(20).search(200);
    let mut models =
        [with_runs(rows()), form(PRESET), finished().watched(State::Finished), log.watched(State::Running)];
    for model in &mut models {
        model.look = PLAIN;
        assert!(frame(model, 120, 40).is_ascii());
    }
    insta::assert_snapshot!("ascii_monitor_80x24", frame(&models[2], 80, 24));
    insta::assert_snapshot!("ascii_runs_80x24", frame(&models[0], 80, 24));
    insta::assert_snapshot!("ascii_search_80x24", frame(&models[3], 80, 24));
}

#[test]
fn control_characters_of_a_log_never_reach_the_terminal() {
    let evil = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\rd\u{202e}e";
    let mut rows = rows();
    rows[0].name = evil.into();
    rows[0].model = evil.into();
    let mut log = searching();
    log.say("warning", evil).fail(evil, evil);
    let mut failed = log.watched(State::Failed);
    update(&mut failed, Msg::Failed(evil.into()));
    let mut presets = preset_rows();
    presets[0].description = evil.into();
    presets[0].name = evil.into();
    let mut listed = with_runs(Vec::new());
    press(&mut listed, "p");
    update(&mut listed, Msg::Presets(presets));
    for model in [with_runs(rows), failed, listed] {
        let shown = frame(&model, 120, 40);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(bad), "{shown:?}");
        assert!(shown.contains("a?]0;owned?b"), "{shown}");
    }
}

#[test]
fn a_run_that_waits_selected_says_where_it_stands() {
    let mut model = with_runs(rows());
    press(&mut model, "G");
    show("runs_queued_selected", &model);
    let mut log = Log::new();
    log.push(Event::Queued { pid: 7, host: "gpu1".into(), device: "cuda:0 or cuda:1".into(), place: 2 });
    show("monitor_queued", &log.watched(State::Queued));
}
