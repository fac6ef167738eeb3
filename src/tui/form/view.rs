//! The form: groups at the left, settings at the right, what the one with the cursor means below or beside them.

use super::about::{beside, under};
use super::fields::{COMMON_TITLE, Field, fields_of, groups};
use super::{Form, shown_value};
use crate::tui::draw::{below, inset, plain, put, put_ends, span, top};
use crate::tui::input::LineInput;
use crate::tui::look::Look;
use crate::tui::model::first_line;
use crate::tui::text::{cut, cut_inside, pad, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Columns of the list of groups.
const GROUPS_WIDTH: u16 = 24;
/// Columns below which there is no list of groups.
const GROUPS_FROM: u16 = 64;
/// Lines about the setting with the cursor: rule, help, range, problem.
const ABOUT_LINES: u16 = 6;
/// Columns from which they stand beside the settings, with a gap between.
const BESIDE_FROM: u16 = 110;
const GAP: u16 = 3;
/// Columns that they have there at most.
const BESIDE_MOST: u16 = 90;

/// Draws the screen.
pub fn view(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let area = inset(area, 1);
    title(buf, area, form, look);
    let about_lines = match area.height {
        _ if area.width >= BESIDE_FROM => 0,
        14.. => ABOUT_LINES,
        height => height.saturating_sub(4).min(3),
    };
    let body = below(top(area, area.height.saturating_sub(about_lines)), 2);
    let has_groups = area.width >= GROUPS_FROM;
    if has_groups {
        group_list(buf, Rect { width: GROUPS_WIDTH, ..body }, form, look);
    }
    let left = if has_groups { GROUPS_WIDTH } else { 0 };
    let list = Rect { x: body.x + left, width: body.width - left, ..body };
    if about_lines == 0 && area.width >= BESIDE_FROM {
        let panel = (list.width / 2).min(BESIDE_MOST);
        let list = Rect { width: list.width - panel - GAP, ..list };
        field_list(buf, list, form, look);
        beside(buf, Rect { x: list.right() + GAP, width: panel, ..body }, form, look);
        return;
    }
    field_list(buf, list, form, look);
    under(buf, below(area, area.height.saturating_sub(about_lines)), form, value_room(form, list.width), look);
}

/// What the screen is.
const TITLE: &str = "AutoLoRA  new run";

fn title(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let changed = if form.is_changed() { ", changed" } else { "" };
    let origin = match &form.parent {
        Some(parent) => format!("from run {parent}"),
        None => format!("preset {}", cut(&form.doc.name, 28, look.glyphs().ellipsis)),
    };
    let right = match form.problems.len() {
        _ if form.starting => span("starting", look.accent()),
        0 => span(format!("{} ready to start", look.glyphs().done), look.good()),
        1 => span(format!("{} 1 problem, ! shows it", look.glyphs().error), look.bad()),
        n => span(format!("{} {n} problems, ! lists them", look.glyphs().error), look.bad()),
    };
    let room = usize::from(area.width).saturating_sub(TITLE.len() + right.width() + 4 + changed.len());
    let origin = cut(&origin, room, look.glyphs().ellipsis);
    let left = vec![span(TITLE, look.strong()), plain("  "), span(format!("{origin}{changed}"), look.faint())];
    put_ends(buf, area, 0, left, vec![right]);
    if form.is_filtered() {
        let mut spans = vec![span("find ", look.faint())];
        spans.extend(input_spans(&form.filter, usize::from(area.width).saturating_sub(20), form.filtering, look));
        put_ends(buf, area, 1, spans, vec![span(format!("{} found", form.fields().len()), look.faint())]);
    } else if area.width < GROUPS_FROM {
        put(buf, area, 1, vec![span(groups().get(form.group).copied().unwrap_or_default(), look.strong())]);
    }
}

fn group_list(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let groups = groups();
    let height = usize::from(area.height);
    let first = first_line(form.group, groups.len(), height);
    for (line, (index, group)) in groups.iter().enumerate().skip(first).take(height).enumerate() {
        let has_cursor = index == form.group && !form.is_filtered();
        let pointer = if has_cursor { look.glyphs().pointer } else { " " };
        let style = if has_cursor { look.strong() } else { Style::new() };
        // A table inside another stands below it, indented.
        let name = group.rsplit_once('.').map_or((*group).to_owned(), |(_, name)| format!("  {name}"));
        let wrong = match *group {
            COMMON_TITLE => 0,
            group => fields_of(group).into_iter().filter(|field| form.problem(*field).is_some()).count(),
        };
        let mut spans = vec![span(format!("{pointer} {name}"), style)];
        if wrong > 0 {
            spans.push(span(format!(" {}{wrong}", look.glyphs().error), look.bad()));
        }
        put(buf, area, line as u16, spans);
    }
}

/// The name of a line: without its table where the table is the heading.
fn label(form: &Form, field: Field) -> &'static str {
    let full = form.is_filtered() || groups().get(form.group) == Some(&COMMON_TITLE);
    match field {
        Field::Setting(setting) if !full => setting.name(),
        _ => field.key(),
    }
}

fn label_width(form: &Form, columns: u16) -> usize {
    let longest = form.fields().into_iter().map(|field| width(label(form, field))).max().unwrap_or(0);
    // A name is told whole below; values have a little more than half.
    longest.min(usize::from(columns) * 9 / 20)
}

/// Columns of the values in a list of so many.
fn value_room(form: &Form, columns: u16) -> usize {
    usize::from(columns).saturating_sub(label_width(form, columns) + 6)
}

fn field_list(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let fields = form.fields();
    if fields.is_empty() {
        put(buf, area, 0, vec![span("no setting has this in its name or its help", look.faint())]);
        return;
    }
    let label_width = label_width(form, area.width);
    let height = usize::from(area.height);
    let first = first_line(form.field, fields.len(), height);
    if fields.len() > height && !form.is_filtered() && area.y > 0 {
        // In the line above the list, which is free: what is not in sight would be thought not to be there.
        let text = format!("{}-{} of {}", first + 1, first + height, fields.len());
        let above = Rect { y: area.y - 1, height: 1, ..area };
        put_ends(buf, above, 0, Vec::new(), vec![span(text, look.faint())]);
    }
    for (line, (index, field)) in fields.iter().enumerate().skip(first).take(height).enumerate() {
        let has_cursor = index == form.field && !form.filtering;
        let mut spans = marks(form, *field, has_cursor, look);
        let style = if has_cursor { look.strong() } else { Style::new() };
        let label = cut_inside(label(form, *field), label_width, look.glyphs().ellipsis).text();
        spans.push(span(pad(&label, label_width, ""), style));
        spans.push(plain("  "));
        spans.extend(value_spans(form, *field, has_cursor, value_room(form, area.width), look));
        put(buf, area, line as u16, spans);
    }
}

/// The cursor, and whether the line is wrong, changed, or said.
fn marks(form: &Form, field: Field, has_cursor: bool, look: Look) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let pointer = if has_cursor { glyphs.pointer } else { " " };
    let mark = if form.problem(field).is_some() {
        span(glyphs.error, look.bad())
    } else if form.said_before(field).is_some() {
        span(glyphs.changed, look.accent())
    } else if form.said(field).is_some() {
        span(glyphs.said, look.accent())
    } else {
        plain(" ")
    };
    vec![span(format!("{pointer} "), look.strong()), mark, plain(" ")]
}

fn value_spans(form: &Form, field: Field, has_cursor: bool, room: usize, look: Look) -> Vec<Span<'static>> {
    if let (true, Some(input)) = (has_cursor, &form.editing) {
        return input_spans(input, room, true, look);
    }
    let (text, style) = match (form.said(field), shown_value(form, field), field) {
        (Some(said), _, _) if form.problem(field).is_some() => (said, look.bad()),
        (Some(said), _, _) => (said, look.strong()),
        (None, Some(default), _) => (default, look.faint()),
        (None, None, Field::RunName) => (form.doc.name.clone(), look.faint()),
        (None, None, Field::Setting(_)) => ("unset".to_owned(), look.faint()),
    };
    let style = if has_cursor { look.under_cursor(style) } else { style };
    let unit = match field {
        Field::Setting(setting) if text != "unset" => setting.unit,
        _ => "",
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let room = room.saturating_sub(width(&unit));
    vec![span(cut_inside(&text, room, look.glyphs().ellipsis).text(), style), span(unit, look.faint())]
}

/// A line that is typed, its cursor a reversed cell.
pub fn input_spans(input: &LineInput, room: usize, has_cursor: bool, look: Look) -> Vec<Span<'static>> {
    let (text, column) = input.window(room.saturating_sub(1).max(1));
    if !has_cursor {
        return vec![span(text, look.strong())];
    }
    if input.is_offer() {
        // Marked as a whole: what is typed takes its place.
        return vec![span(text, look.selected()), span(" ", look.strong())];
    }
    let mut used = 0;
    let split = text.char_indices().find(|(_, c)| {
        let here = used >= column;
        used += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
        here
    });
    let (before, rest) = text.split_at(split.map_or(text.len(), |(at, _)| at));
    let mut rest = rest.chars();
    let under = rest.next().unwrap_or(' ');
    vec![span(before, look.strong()), span(under.to_string(), look.selected()), span(rest.as_str(), look.strong())]
}
