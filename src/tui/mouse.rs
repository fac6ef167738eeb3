//! The mouse, where it was asked for: every event of it becomes keys, so that it can do nothing that they cannot.
//!
//! Where things are is read off the frame itself: a screen marks its cursor by reversing it, lists have a line for each
//! item, and the key bar is made of the table that dispatches keys.

use super::keys::{Action, Context, bindings};
use super::model::{Model, Screen};
use super::msg::{Effect, Msg};
use super::update::update;
use super::view::{key_at, paint};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

/// Lines that one step of the wheel goes.
const WHEEL_LINES: u16 = 3;

/// Takes an event of the mouse in.
pub fn act(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => press(model, Action::Up, WHEEL_LINES),
        MouseEventKind::ScrollDown => press(model, Action::Down, WHEEL_LINES),
        MouseEventKind::Down(MouseButton::Left) => click(model, at),
        _ => Vec::new(),
    }
}

fn click(model: &mut Model, at: Position) -> Vec<Effect> {
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    if let Some(key) = key_at(model, area, at) {
        return update(model, Msg::Key(KeyEvent::new(key, KeyModifiers::NONE)));
    }
    // Over a popup, lines are text.
    if !model.popups.is_empty() || model.context().is_typing() {
        return Vec::new();
    }
    let frame = drawn(model, area);
    let Some(cursor) = cursor(&frame) else { return Vec::new() };
    if !is_one_list(&frame, cursor.y, at.y) {
        return Vec::new();
    }
    let (action, lines) = if at.y < cursor.y { (Action::Up, cursor.y - at.y) } else { (Action::Down, at.y - cursor.y) };
    let mut effects = press(model, action, lines);
    if matches!(model.screen(), Screen::Monitor(_)) {
        effects.extend(to_column(model, area, at.x));
    }
    effects
}

/// Goes from cell to cell of a line until the cursor has reached a column.
fn to_column(model: &mut Model, area: Rect, x: u16) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut before = None;
    while let Some(cursor) = cursor(&drawn(model, area)) {
        // Where a step changes nothing, the line ends.
        if before == Some(cursor) || (cursor.left()..cursor.right()).contains(&x) {
            break;
        }
        let action = if x < cursor.left() { Action::Left } else { Action::Right };
        // A cell shows its values left of the rank that is marked: they belong to it, and it is reached from the left.
        let passed = before.is_some_and(|before: Rect| before.left() < cursor.left() && x < cursor.left());
        if passed {
            break;
        }
        before = Some(cursor);
        effects.extend(press(model, action, 1));
    }
    effects
}

/// Presses the key of an action a number of times, where there is one.
fn press(model: &mut Model, action: Action, times: u16) -> Vec<Effect> {
    let Some(key) = key_of(model.context(), action) else { return Vec::new() };
    (0..times).flat_map(|_| update(model, Msg::Key(KeyEvent::new(key, KeyModifiers::NONE)))).collect()
}

fn key_of(context: Context, action: Action) -> Option<KeyCode> {
    bindings(context).find(|binding| binding.action == action)?.keys.first().copied()
}

fn drawn(model: &Model, area: Rect) -> Buffer {
    let mut frame = Buffer::empty(area);
    paint(model, &mut frame);
    frame
}

/// The first reversed piece of a line.
fn cursor(frame: &Buffer) -> Option<Rect> {
    let area = frame.area;
    let is_marked = |x, y| frame.cell((x, y)).is_some_and(|cell| cell.modifier.contains(Modifier::REVERSED));
    let (x, y) = (area.top()..area.bottom())
        .flat_map(|y| (area.left()..area.right()).map(move |x| (x, y)))
        .find(|(x, y)| is_marked(*x, *y))?;
    let end = (x..area.right()).find(|x| !is_marked(*x, y)).unwrap_or(area.right());
    Some(Rect::new(x, y, end - x, 1))
}

/// Whether no blank line and no ruled one stands between two lines, nor at the second.
fn is_one_list(frame: &Buffer, from: u16, to: u16) -> bool {
    let text = |y| -> String {
        let cells = (frame.area.left()..frame.area.right()).filter_map(|x| frame.cell((x, y)));
        cells.map(|cell| cell.symbol().to_owned()).collect()
    };
    let ends = |line: &str| {
        line.trim().is_empty() || line.trim_start().starts_with("──") || line.trim_start().starts_with("--")
    };
    !(from.min(to)..=from.max(to)).filter(|y| *y != from).any(|y| ends(&text(y)))
}
