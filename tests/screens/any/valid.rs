//! What holds in every state, and for every frame.

use crate::fixtures::*;
use autolora::experiment::{PresetDoc, Source};
use autolora::tui::keys::Context;
use autolora::tui::model::{Model, Popup, Screen};
use autolora::tui::monitor::Monitor;
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// Whether a place is one of a list, or the first of an empty one.
fn is_in(place: usize, len: usize) -> bool {
    place < len.max(1)
}

pub fn check(model: &Model, shown: &Buffer) {
    frame_is_clean(shown);
    assert!(matches!(model.screens.first(), Some(Screen::Runs)), "the runs are always behind");
    let others = model.screens.iter().skip(1);
    assert!(others.clone().all(|screen| !matches!(screen, Screen::Runs)));
    assert!(others.count() <= 2 && model.popups.len() <= 3, "{:?} {:?}", model.screens, model.popups);
    lists(model);
    for screen in &model.screens {
        match screen {
            Screen::Form(form) => {
                let source = Source { name: "form".into(), text: form.doc.text(), folder: None };
                assert!(PresetDoc::open(&source).is_ok(), "what is in the form is no preset:\n{}", form.doc.text());
                assert_eq!(form.focus().is_some(), !form.fields().is_empty(), "the cursor is on no line");
            }
            Screen::Monitor(monitor) => of_monitor(monitor),
            Screen::Compare(compare) => assert!((2..=8).contains(&compare.sides.len())),
            Screen::Runs | Screen::Presets => {}
        }
    }
    for popup in &model.popups {
        fits(popup, model);
    }
}

fn lists(model: &Model) {
    let runs = &model.runs;
    assert_eq!(runs.selected().is_some(), runs.shown().len() > 0, "the cursor is on no run");
    assert!(runs.marked.iter().all(|id| runs.row(id).is_some()), "a run is marked that is gone");
    let mut marked = runs.marked.clone();
    marked.sort();
    marked.dedup();
    assert_eq!(marked.len(), runs.marked.len(), "a run is marked twice");
    let presets = &model.presets;
    assert!(is_in(presets.cursor, presets.shown().len()), "the cursor is on no preset");
}

fn of_monitor(monitor: &Monitor) {
    let (row, column) = monitor.cursor;
    assert!(
        is_in(row, monitor.grid.layers.len()) && is_in(column, monitor.grid.kinds.len()),
        "no module: {row} {column}"
    );
    let snapshots = monitor.view.snapshots.len();
    for moment in [monitor.moment.at, monitor.moment.mark, monitor.shown()].into_iter().flatten() {
        assert!(moment < snapshots, "moment {moment} of {snapshots}");
    }
    assert!(!monitor.moment.playing || monitor.moment.at.is_some(), "a replay of the present");
}

/// A popup is over what it is about, and its cursor in its list.
fn fits(popup: &Popup, model: &Model) {
    match popup {
        Popup::Samples { .. } => assert!(model.monitor_shown().is_some(), "samples of no run"),
        Popup::Changes { .. } => assert!(model.monitor_shown().is_some(), "changes of no run"),
        Popup::Card(_) => assert!(model.monitor_shown().is_some(), "a card about no run"),
        Popup::Columns { .. } => assert!(matches!(model.screen(), Screen::Runs), "columns of no table"),
        Popup::Preflight(_) => assert!(matches!(model.screen(), Screen::Form(_)), "a preflight of no form"),
        Popup::Problems(list) => {
            assert!(is_in(list.cursor, list.problems.len()), "the cursor is on no problem");
            assert!(!list.of_form || matches!(model.screen(), Screen::Form(_)), "problems of no form");
        }
        _ => {}
    }
}

/// No frame steers the terminal, and nothing stands over half of a wide character.
fn frame_is_clean(shown: &Buffer) {
    for line in shown.content.chunks(usize::from(shown.area.width).max(1)) {
        for (at, cell) in line.iter().enumerate() {
            assert!(!cell.symbol().contains(char::is_control), "{:?}", cell.symbol());
            if cell.symbol().width() > 1 {
                let next = line.get(at + 1).map(|cell| cell.symbol());
                assert_eq!(next, Some(" "), "{:?} is cut at {at} of\n{:?}", cell.symbol(), text(line));
            }
        }
    }
}

fn text(line: &[ratatui::buffer::Cell]) -> String {
    line.iter().map(|cell| cell.symbol()).collect()
}

/// Esc, and a yes where it asks whether to leave the form, leads back to the runs; and Ctrl-C ends the program from anywhere.
pub fn leads_out(model: &mut Model) {
    let control_c = Msg::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(matches!(update(model, control_c)[..], [Effect::Quit(130)]));
    for _ in 0..24 {
        let is_asked = matches!(model.popups.last(), Some(Popup::Confirm { title: "Leave the form", .. }));
        update(model, key(if is_asked { KeyCode::Char('y') } else { KeyCode::Esc }));
    }
    assert!(model.popups.is_empty() && model.screens.len() == 1, "{:?} {:?}", model.screens, model.popups);
    assert_eq!(model.context(), Context::Runs);
    assert!(matches!(update(model, key(KeyCode::Char('q')))[..], [Effect::Quit(0)]));
}
