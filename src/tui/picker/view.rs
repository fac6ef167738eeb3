//! The picker in lines: what is typed, what there is, and how many more.

use super::{Picker, What};
use crate::tui::draw::{plain, span};
use crate::tui::form::input_spans;
use crate::tui::look::Look;
use crate::tui::model::first_line;
use crate::tui::text::{cut, pad, width};
use ratatui::style::Style;
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// Columns of the origins.
const ORIGINS: usize = 9;

/// As many lines as `height` says, in so many columns.
pub fn lines(picker: &Picker, columns: usize, height: usize, look: Look) -> Vec<Line> {
    let mut lines = vec![line_itself(picker, columns, look), Vec::new()];
    let room = height.saturating_sub(3);
    let rows = picker.rows();
    let first = first_line(picker.cursor, rows, room);
    let texts = text_columns(picker, columns);
    for row in (first..rows).take(room) {
        lines.push(row_spans(picker, row, columns, texts, look));
    }
    while lines.len() + 1 < height {
        lines.push(Vec::new());
    }
    lines.push(vec![span(count(picker, first + room), look.faint())]);
    lines
}

/// The line that is typed. Untouched it is marked as a whole: a character would replace it.
fn line_itself(picker: &Picker, columns: usize, look: Look) -> Line {
    if picker.untouched && !picker.input.is_empty() {
        let text = picker.input.window(columns.saturating_sub(1).max(1)).0;
        return vec![span(text, look.strong().patch(look.selected()))];
    }
    input_spans(&picker.input, columns, true, look)
}

fn count(picker: &Picker, shown: usize) -> String {
    let all = picker.rows();
    let below = all.saturating_sub(shown) + picker.found.more;
    match (picker.gathering, picker.matches.len(), below) {
        (true, ..) => "looking".into(),
        (false, 0, 0) if picker.found.candidates.is_empty() => "there is nothing to pick from here".into(),
        (false, 0, 0) => "nothing matches: what is typed is taken as it is".into(),
        (false, _, 0) => String::new(),
        (false, _, below) => format!("and {below} more"),
    }
}

/// Columns of the texts: as wide as the widest, so that the facts stand in a column.
fn text_columns(picker: &Picker, columns: usize) -> usize {
    let widest = picker.matches.iter().map(|found| width(&picker.candidate(found).text)).max().unwrap_or(0);
    let room = columns.saturating_sub(2);
    let facts = if has_origins(picker) { ORIGINS + 2 } else { 2 };
    widest.clamp(12, (room.saturating_sub(facts) * 2 / 3).max(12)).min(room)
}

fn has_origins(picker: &Picker) -> bool {
    !matches!(picker.ask.what, What::Targets | What::Devices)
}

fn row_spans(picker: &Picker, row: usize, columns: usize, texts: usize, look: Look) -> Line {
    let ellipsis = look.glyphs().ellipsis;
    let has_cursor = row == picker.cursor;
    let pointer = if has_cursor { look.glyphs().pointer } else { " " };
    let mut spans = vec![span(format!("{pointer} "), look.strong())];
    let Some(place) = row.checked_sub(usize::from(picker.has_own_row())) else {
        let text = picker.input.text();
        let said = if text.is_empty() { "nothing".to_owned() } else { text };
        let fact = match (picker.input.is_empty(), picker.untouched) {
            (true, _) => "the default holds",
            (false, true) => "as it is",
            (false, false) => "as typed",
        };
        let style = if has_cursor { look.selected() } else { Style::new() };
        spans.push(span(cut(&said, columns.saturating_sub(14), ellipsis), style));
        spans.push(span(format!("  {fact}"), look.faint()));
        return spans;
    };
    let Some(found) = picker.matches.get(place) else { return spans };
    let candidate = picker.candidate(found);
    spans.extend(marked(&pad(&candidate.text, texts, ellipsis), &found.marks, has_cursor, look));
    let mut used = 2 + texts;
    if has_origins(picker) {
        spans.push(span(format!("  {:<ORIGINS$}", candidate.origin.name()), look.faint()));
        used += 2 + ORIGINS;
    }
    let room = columns.saturating_sub(used + 2);
    spans.push(plain("  "));
    spans.push(span(cut(&candidate.fact, room, ellipsis), Style::new()));
    spans
}

/// A text whose marked characters stand out.
fn marked(text: &str, marks: &[u32], has_cursor: bool, look: Look) -> Line {
    let base = if has_cursor { look.selected() } else { Style::new() };
    let hit = base.patch(look.accent()).patch(look.strong());
    let mut spans: Line = Vec::new();
    let mut piece = String::new();
    let mut in_hit = false;
    for (at, c) in text.chars().enumerate() {
        let is_hit = marks.binary_search(&(at as u32)).is_ok();
        if is_hit != in_hit && !piece.is_empty() {
            spans.push(span(std::mem::take(&mut piece), if in_hit { hit } else { base }));
        }
        in_hit = is_hit;
        piece.push(c);
    }
    spans.push(span(piece, if in_hit { hit } else { base }));
    spans
}
