//! The run with the cursor in words.

use super::RunRow;
use crate::run::view::{State, is_better_less};
use crate::tui::draw::{put, rule, span};
use crate::tui::look::Look;
use crate::tui::text::{clean, cut, figure, grouped, moment, rough_duration, width, wrap};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines that it takes.
pub const LINES: u16 = 8;

/// Columns of the labels.
const LABELS: usize = 9;

/// Draws it; what does not fit is in the popup that `i` opens.
pub fn draw(buf: &mut Buffer, area: Rect, row: &RunRow, zone: &TimeZone, look: Look) {
    let star = if row.notes.star { format!("{} ", look.glyphs().star) } else { String::new() };
    let room = usize::from(area.width).saturating_sub(LABELS);
    let fields = fields(row, zone, look);
    let is_cut = fields.len() + 1 > usize::from(area.height)
        || fields.iter().any(|(_, value, _)| width(&clean(value)) > room || value.contains('\n'));
    let mut right = vec![span(&row.id, look.faint())];
    if is_cut {
        right.insert(0, span("i shows all  ", look.accent()));
    }
    // A name is whole in the popup; where it begins and the id are enough here.
    let taken: usize = right.iter().map(Span::width).sum::<usize>() + width(&star) + 10;
    let name = cut(&row.name, usize::from(area.width).saturating_sub(taken), look.glyphs().ellipsis);
    rule(buf, area, 0, &format!("{star}{name}"), right, look);
    for (line, (label, value, style)) in fields.into_iter().enumerate() {
        let value = cut(&value, room, look.glyphs().ellipsis);
        put(buf, area, 1 + line as u16, vec![span(format!("{label:<LABELS$}"), look.faint()), span(value, style)]);
    }
}

/// All of it in lines of so many columns, nothing cut.
pub fn lines(row: &RunRow, zone: &TimeZone, columns: usize, look: Look) -> Vec<Vec<Span<'static>>> {
    let mut all = vec![("name", row.name.clone(), look.strong()), ("id", row.id.clone(), Style::new())];
    all.extend(fields(row, zone, look));
    let mut lines = Vec::new();
    for (label, value, style) in all {
        for (at, text) in wrap(&value, columns.saturating_sub(LABELS)).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(vec![span(format!("{label:<LABELS$}"), look.faint()), span(text, style)]);
        }
    }
    lines
}

/// What there is to say, a line each.
fn fields(row: &RunRow, zone: &TimeZone, look: Look) -> Vec<(&'static str, String, Style)> {
    let started = row.started.as_deref().map_or("not yet".into(), |time| moment(time, zone));
    let called = row.parent_name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
    let parent = row.parent.as_ref().map_or(String::new(), |parent| format!(", from run {parent}{called}"));
    let mut fields = vec![
        ("what", format!("model {}, data {}", row.model, row.data), Style::new()),
        ("started", format!("{started}{parent}"), Style::new()),
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
            // The folder stands below.
            let brief = |reason: &String| reason.replace(&format!("{}/", row.dir), "");
            fields.extend(row.unreadable.as_ref().map(|reason| ("error", brief(reason), look.bad())));
        }
        _ if row.place.is_some() => {}
        (None, _) if row.state == State::Crashed => {
            let place = row.phase.map_or(String::new(), |phase| format!(" in {}", phase.name()));
            fields.push(("error", format!("the worker died{place}; r goes on from the last checkpoint"), look.bad()));
        }
        (Some(error), _) => fields.push(("error", error.clone(), look.bad())),
        (None, Some((name, value))) => {
            let less = if is_better_less(name) { " (less is better)" } else { "" };
            fields.push(("score", format!("{} {name}{less}", figure(*value)), look.strong()));
        }
        (None, None) => {}
    }
    fields.extend(progress(row).map(|progress| ("progress", progress, Style::new())));
    fields.extend(ranks(row).map(|ranks| ("ranks", ranks, Style::new())));
    fields.extend(losses(row).map(|losses| ("loss", losses, Style::new())));
    if !row.notes.tags.is_empty() {
        fields.push(("tags", row.notes.tags.join(", "), look.accent()));
    }
    if !row.notes.note.is_empty() {
        fields.push(("note", row.notes.note.clone(), Style::new()));
    }
    fields.push(("folder", row.dir.clone(), Style::new()));
    fields
}

/// Where a run is that is not finished, and how long it has to go.
fn progress(row: &RunRow) -> Option<String> {
    let phase = row.phase.filter(|_| row.state != State::Finished && row.place.is_none())?;
    let what = if row.warms_up { ", warm-up" } else { "" };
    let steps = if row.total > 0 { format!(" {}/{}", row.step, row.total) } else { String::new() };
    let left = row.left.map_or(String::new(), |left| format!(", {} left in all", left.words(rough_duration)));
    Some(format!("{}{what}{steps}{left}", phase.name()))
}

/// The ranks in short.
fn ranks(row: &RunRow) -> Option<String> {
    let ranks = row.ranks?;
    let parameters = ranks.parameters.map_or(String::new(), |count| format!(", {} LoRA parameters", grouped(count)));
    let kind = if ranks.allocated { "allocated" } else { "emerging" };
    Some(format!("mean {:.2}{parameters}; {kind}", ranks.mean))
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
