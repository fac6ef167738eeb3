//! Clicks and the wheel do what keys do.

use crate::fixtures::*;
use autolora::run::view::State;
use autolora::tui::model::{Model, Screen};
use autolora::tui::msg::{Effect, Msg};
use autolora::tui::update::update;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

fn event(kind: MouseEventKind, column: u16, row: u16) -> Msg {
    Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

fn click(model: &mut Model, column: u16, row: u16) -> Vec<Effect> {
    update(model, event(MouseEventKind::Down(MouseButton::Left), column, row))
}

/// Where a text stands on the frame.
fn place(model: &Model, text: &str) -> (u16, u16) {
    let shown = frame(model, model.size.0, model.size.1);
    let found = shown.lines().enumerate().find_map(|(row, line)| {
        // The backend puts every line in quotes.
        let line = line.trim_start_matches('"');
        line.find(text).map(|at| (line[..at].chars().count() as u16, row as u16))
    });
    found.unwrap_or_else(|| panic!("no {text:?} on\n{shown}"))
}

fn click_on(model: &mut Model, text: &str) -> Vec<Effect> {
    let (column, row) = place(model, text);
    click(model, column, row)
}

fn selected(model: &Model) -> &str {
    model.runs.selected().map_or("", |row| &row.name)
}

#[test]
fn a_click_on_a_run_moves_the_cursor_to_it_from_above_and_from_below() {
    let mut model = with_runs(rows());
    for name in ["gone", "big", "next", "demo"] {
        click_on(&mut model, &format!(" {name} "));
        assert_eq!(selected(&model), name);
    }
    // Under the table the same run is told in words: no line of the list.
    click_on(&mut model, "folder");
    assert_eq!(selected(&model), "demo");
}

#[test]
fn the_wheel_scrolls_lists_and_texts() {
    let mut model = with_runs(rows());
    update(&mut model, event(MouseEventKind::ScrollDown, 5, 5));
    assert_eq!(selected(&model), rows()[3].name);
    update(&mut model, event(MouseEventKind::ScrollUp, 5, 5));
    assert_eq!(selected(&model), rows()[0].name);
    model.size = (80, 12);
    press(&mut model, "?");
    let before = frame(&model, 80, 12);
    update(&mut model, event(MouseEventKind::ScrollDown, 5, 5));
    assert_ne!(frame(&model, 80, 12), before);
}

#[test]
fn a_click_on_a_cell_of_the_map_moves_the_cursor_to_it() {
    let mut model = finished().watched(State::Finished);
    let cursor = |model: &Model| match model.screen() {
        Screen::Monitor(monitor) => monitor.cursor,
        _ => panic!("the monitor is left"),
    };
    assert_eq!(cursor(&model), (0, 0));
    let (query, _) = place(&model, "query");
    let (value, row) = place(&model, "value");
    click(&mut model, value + 3, row + 2);
    assert_eq!(cursor(&model), (1, 1));
    click(&mut model, query + 3, row + 1);
    assert_eq!(cursor(&model), (0, 0));
}

#[test]
fn a_click_in_the_key_bar_presses_the_key() {
    let mut model = with_runs(rows());
    click_on(&mut model, "? help");
    assert!(frame(&model, 80, 24).contains(" Help"));
    click_on(&mut model, "Esc close");
    assert!(matches!(click_on(&mut model, "q quit")[..], [Effect::Quit(0)]));
}

#[test]
fn a_click_while_a_value_is_typed_changes_nothing() {
    let mut model = form(PRESET);
    press(&mut model, "/lora");
    let before = frame(&model, 80, 24);
    click(&mut model, 40, 8);
    assert_eq!(frame(&model, 80, 24), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clicks_anywhere_leave_a_state_that_can_be_drawn(
        clicks in prop::collection::vec((0u16..200, 0u16..70, 0usize..3), 1..12),
        size in (0u16..130, 0u16..50),
        which in 0usize..3,
    ) {
        let mut model = match which {
            0 => with_runs(rows()),
            1 => form(PRESET),
            _ => finished().watched(State::Finished),
        };
        model.size = size;
        for (column, row, kind) in clicks {
            let kinds = [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollDown, MouseEventKind::Moved];
            update(&mut model, event(kinds[kind], column, row));
            frame(&model, size.0, size.1);
            prop_assert!(matches!(model.screens.first(), Some(Screen::Runs)));
        }
    }
}
