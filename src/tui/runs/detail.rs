//! The run with the cursor in words.

use super::RunRow;
use crate::run::view::is_better_less;
use crate::tui::draw::{put, rule, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, figure, moment};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Lines that it takes.
pub const LINES: u16 = 7;

/// Draws it.
pub fn draw(buf: &mut Buffer, area: Rect, row: &RunRow, zone: &TimeZone, look: Look) {
    let star = if row.notes.star { format!("{} ", look.glyphs().star) } else { String::new() };
    rule(buf, area, 0, &format!("{star}{}", row.name), vec![span(&row.id, look.faint())], look);
    let room = usize::from(area.width).saturating_sub(9);
    let mut field = |line: u16, label: &str, value: &str, style: Style| {
        let value = cut(value, room, look.glyphs().ellipsis);
        put(buf, area, line, vec![span(format!("{label:<9}"), look.faint()), span(value, style)]);
    };
    field(1, "what", &format!("model {}, data {}", row.model, row.data), Style::new());
    let started = row.started.as_deref().map_or("not yet".into(), |time| moment(time, zone));
    let parent = row.parent.as_ref().map_or(String::new(), |parent| format!(", from run {parent}"));
    field(2, "started", &format!("{started}{parent}"), Style::new());
    field(3, "folder", &row.dir, Style::new());
    if let Some(losses) = losses(row) {
        field(4, "loss", &losses, Style::new());
    }
    match (&row.error, &row.score) {
        (Some(error), _) => field(5, "error", error, look.bad()),
        (None, Some((name, value))) => {
            let less = if is_better_less(name) { " (less is better)" } else { "" };
            field(5, "score", &format!("{} {name}{less}", figure(*value)), look.strong());
        }
        (None, None) => {}
    }
    let notes = [row.notes.tags.join(", "), row.notes.note.clone()];
    let said: Vec<&str> = notes.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    match (row.notes.tags.is_empty(), said.is_empty()) {
        (_, true) => {}
        (false, _) => field(6, "tags", &said.join("  "), look.accent()),
        (true, _) => field(6, "note", &said.join("  "), Style::new()),
    }
}

/// Best and latest validation loss, each with its step.
fn losses(row: &RunRow) -> Option<String> {
    let at = |(step, loss): (usize, f64)| format!("{} at step {step}", figure(loss));
    match (row.best, row.last) {
        (None, None) => None,
        (Some(best), Some(last)) if best == last => Some(format!("validation: best and last {}", at(last))),
        (best, last) => {
            let words = [("best", best), ("last", last)];
            let known: Vec<String> =
                words.into_iter().filter_map(|(word, value)| Some(format!("{word} {}", at(value?)))).collect();
            Some(format!("validation: {}", known.join(", ")))
        }
    }
}
