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
    for (line, (label, value, style)) in fields(row, zone, look).into_iter().take(usize::from(LINES) - 1).enumerate() {
        let value = cut(&value, room, look.glyphs().ellipsis);
        put(buf, area, 1 + line as u16, vec![span(format!("{label:<9}"), look.faint()), span(value, style)]);
    }
}

/// What there is to say, a line each.
fn fields(row: &RunRow, zone: &TimeZone, look: Look) -> Vec<(&'static str, String, Style)> {
    let started = row.started.as_deref().map_or("not yet".into(), |time| moment(time, zone));
    let parent = row.parent.as_ref().map_or(String::new(), |parent| format!(", from run {parent}"));
    let mut fields = vec![
        ("what", format!("model {}, data {}", row.model, row.data), Style::new()),
        ("started", format!("{started}{parent}"), Style::new()),
        ("folder", row.dir.clone(), Style::new()),
    ];
    if let Some(damage) = &row.damage {
        fields.push(("warning", format!("{damage}; its name is not known"), look.warning()));
    }
    if let Some(place) = row.place {
        let text = format!("place {place}; it starts when a slot of its device is free");
        fields.push(("queue", text, Style::new()));
    }
    match (&row.error, &row.score) {
        _ if row.unreadable.is_some() => {
            // The folder stands above.
            let brief = |reason: &String| reason.replace(&format!("{}/", row.dir), "");
            fields.extend(row.unreadable.as_ref().map(|reason| ("error", brief(reason), look.bad())));
        }
        _ if row.place.is_some() => {}
        (Some(error), _) => fields.push(("error", error.clone(), look.bad())),
        (None, Some((name, value))) => {
            let less = if is_better_less(name) { " (less is better)" } else { "" };
            fields.push(("score", format!("{} {name}{less}", figure(*value)), look.strong()));
        }
        (None, None) => {}
    }
    fields.extend(losses(row).map(|losses| ("loss", losses, Style::new())));
    let (tags, note) = (row.notes.tags.join(", "), &row.notes.note);
    match (tags.is_empty(), note.is_empty()) {
        (true, true) => {}
        (true, false) => fields.push(("note", note.clone(), Style::new())),
        (false, true) => fields.push(("tags", tags, look.accent())),
        (false, false) => fields.push(("tags", format!("{tags}; {note}"), look.accent())),
    }
    fields
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
