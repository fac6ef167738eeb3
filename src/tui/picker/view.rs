//! The picker in lines: what is typed, what there is, and how many more.

use super::{Candidate, Picker, What};
use crate::tui::draw::{plain, span};
use crate::tui::form::input_spans;
use crate::tui::look::Look;
use crate::tui::model::first_line;
use crate::tui::text::{cut, cut_inside, pad, width, wrap};
use ratatui::style::Style;
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// Columns of the origins.
const ORIGINS: usize = 9;

/// Lines for what the list has no room for of the row with the cursor, and lines from which there is room for them.
const WHOLE: usize = 3;
const WHOLE_FROM: usize = 12;

/// As many lines as `height` says, in so many columns.
pub fn lines(picker: &Picker, columns: usize, height: usize, look: Look) -> Vec<Line> {
    let mut lines = vec![line_itself(picker, columns, look), Vec::new()];
    let texts = text_columns(picker, columns);
    // The same lines whatever the cursor is on: a list that jumps is not read.
    let is_cut = |candidate: &Candidate| is_cut(picker, candidate, columns, texts);
    let whole = if height >= WHOLE_FROM && picker.found.candidates.iter().any(is_cut) { WHOLE } else { 0 };
    let room = height.saturating_sub(3 + whole);
    let rows = picker.rows();
    let first = first_line(picker.cursor, rows, room);
    for row in (first..rows).take(room) {
        lines.push(row_spans(picker, row, columns, texts, look));
    }
    while lines.len() + 1 + whole < height {
        lines.push(Vec::new());
    }
    if whole > 0 {
        lines.extend(in_full(picker, columns, texts, look));
        lines.resize_with(height.saturating_sub(1), Vec::new);
    }
    lines.push(vec![span(count(picker, first + room), look.faint())]);
    lines
}

/// Columns that are left for the fact of a row.
fn fact_columns(picker: &Picker, columns: usize, texts: usize) -> usize {
    let origins = if has_origins(picker) { 2 + ORIGINS } else { 0 };
    columns.saturating_sub(2 + texts + origins + 2)
}

fn is_cut(picker: &Picker, candidate: &Candidate, columns: usize, texts: usize) -> bool {
    width(&candidate.text) > texts || width(&candidate.fact) > fact_columns(picker, columns, texts)
}

/// What the list cuts of the row with the cursor, below a blank line.
fn in_full(picker: &Picker, columns: usize, texts: usize, look: Look) -> Vec<Line> {
    let Some(candidate) = picker.pointed().filter(|candidate| is_cut(picker, candidate, columns, texts)) else {
        return Vec::new();
    };
    let text = if width(&candidate.text) > texts { format!("{}  ", candidate.text) } else { String::new() };
    let all = wrap(&format!("{text}{}", candidate.fact), columns);
    std::iter::once(Vec::new())
        .chain(all.into_iter().take(WHOLE - 1).map(|line| vec![span(line, look.faint())]))
        .collect()
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

/// Columns of the texts: as wide as the widest, so that the facts stand in a column; but the facts, which tell what is to be
/// chosen between, have the room that they need, up to three fifths, and the texts are cut inside.
fn text_columns(picker: &Picker, columns: usize) -> usize {
    let all = || picker.matches.iter().map(|found| picker.candidate(found));
    let widest = all().map(|candidate| width(&candidate.text)).max().unwrap_or(0).max(12);
    let facts = all().map(|candidate| width(&candidate.fact)).max().unwrap_or(0);
    let origins = if has_origins(picker) { ORIGINS + 2 } else { 0 };
    let room = columns.saturating_sub(2 + origins + 2);
    widest.min(room.saturating_sub(facts).max(room * 2 / 5)).max(12).min(columns.saturating_sub(2))
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
    let (text, marks) = cut_with_marks(&candidate.text, &found.marks, texts, ellipsis);
    spans.extend(marked(&pad(&text, texts, ellipsis), &marks, has_cursor, look));
    if has_origins(picker) {
        spans.push(span(format!("  {:<ORIGINS$}", candidate.origin.name()), look.faint()));
    }
    let room = fact_columns(picker, columns, texts);
    spans.push(plain("  "));
    spans.push(span(cut(&candidate.fact, room, ellipsis), Style::new()));
    spans
}

/// A text cut inside, and which of its characters are marked then.
fn cut_with_marks(text: &str, marks: &[u32], columns: usize, ellipsis: &str) -> (String, Vec<u32>) {
    let cut = cut_inside(text, columns, ellipsis);
    let count = |text: &str| text.chars().count() as u32;
    let (start, end) = (count(&cut.start), count(text).saturating_sub(count(&cut.end)));
    let kept = marks.iter().filter_map(|mark| match *mark {
        mark if mark < start => Some(mark),
        mark if mark >= end => Some(mark - end + start + count(&cut.gap)),
        _ => None,
    });
    (cut.text(), kept.collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_follow_what_is_cut_inside() {
        assert_eq!(cut_with_marks("abcdefghij", &[0, 4, 9], 7, "…"), ("abc…hij".into(), vec![0, 6]));
        assert_eq!(cut_with_marks("abcdef", &[1, 5], 7, "…"), ("abcdef".into(), vec![1, 5]));
    }
}
