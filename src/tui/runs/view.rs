//! The table of runs: as many columns as fit, the selected run in words below.

use super::RunRow;
use crate::run::event::Phase;
use crate::run::view::{State, is_better_less};
use crate::tui::draw::{below, inset, plain, put, put_ends, rule, span, top};
use crate::tui::look::Look;
use crate::tui::model::{Model, first_line};
use crate::tui::monitor::short;
use crate::tui::text::{cut, figure, moment, pad};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// One column: heading, width, how wide the screen must be for it, what it says of a run.
struct Column {
    title: &'static str,
    width: usize,
    from: u16,
    cell: fn(&RunRow, &TimeZone, Look) -> (String, Style),
}

const COLUMNS: [Column; 8] = [
    Column { title: "state", width: 10, from: 0, cell: state },
    Column { title: "phase", width: 8, from: 50, cell: phase },
    Column { title: "progress", width: 14, from: 64, cell: progress },
    Column { title: "score", width: 7, from: 72, cell: score },
    Column { title: "started", width: 11, from: 78, cell: started },
    Column { title: "model", width: 16, from: 98, cell: |row, _, _| (brief(&row.model), Style::new()) },
    Column { title: "data", width: 16, from: 116, cell: |row, _, _| (brief(&row.data), Style::new()) },
    Column { title: "id", width: 20, from: 138, cell: |row, _, look| (row.id.clone(), look.faint()) },
];

/// A model or dataset in few columns: what is embedded has no need to say so here.
fn brief(id: &str) -> String {
    let name = short(id);
    name.strip_prefix("builtin:").unwrap_or(name).to_owned()
}

/// Lines below the table about the selected run.
const DETAIL_LINES: u16 = 5;

fn state(row: &RunRow, _: &TimeZone, look: Look) -> (String, Style) {
    let (glyph, style) = look.state(row.state);
    (format!("{glyph} {}", row.state.name()), style)
}

fn phase(row: &RunRow, _: &TimeZone, _: Look) -> (String, Style) {
    let name = if row.state == State::Finished { "" } else { row.phase.map_or("", Phase::name) };
    (name.to_owned(), Style::new())
}

fn progress(row: &RunRow, _: &TimeZone, _: Look) -> (String, Style) {
    let text = match (row.state, row.total) {
        (State::Queued, _) => row.place.map_or(String::new(), |place| format!("place {place}")),
        (State::Finished, _) | (_, 0) => String::new(),
        (_, total) => {
            let percent = 100.0 * row.step as f64 / total as f64;
            let steps = format!("{}/{total}", row.step);
            if steps.len() <= 9 { format!("{steps:<9}{percent:>3.0} %") } else { steps }
        }
    };
    (text, Style::new())
}

fn score(row: &RunRow, _: &TimeZone, look: Look) -> (String, Style) {
    (row.score.as_ref().map_or(String::new(), |(_, value)| figure(*value)), look.strong())
}

fn started(row: &RunRow, zone: &TimeZone, _: Look) -> (String, Style) {
    // Year and century are in the line below; here every column counts.
    let text = row.started.as_deref().map_or(String::new(), |time| moment(time, zone));
    (text.strip_prefix("20").and_then(|rest| rest.get(3..)).unwrap_or(&text).to_owned(), Style::new())
}

/// Draws the screen.
pub fn view(buf: &mut Buffer, area: Rect, model: &Model) {
    let (look, runs) = (model.look, &model.runs);
    let area = inset(area, 1);
    let active = runs.rows.iter().filter(|row| row.state == State::Running).count();
    let counts = format!("{active} running, {} in all", runs.rows.len());
    let title = vec![span("AutoLoRA", look.strong()), plain("  runs")];
    put_ends(buf, area, 0, title, vec![span(counts, look.faint())]);
    if runs.rows.is_empty() {
        empty(buf, below(area, 2), model);
        return;
    }
    let details = if area.height >= 16 { DETAIL_LINES } else { 0 };
    let table = below(top(area, area.height - details), 2);
    let name_width = name_width(area.width);
    let mut heading = pad("  name", name_width + 2, "");
    for column in columns(area.width) {
        heading.push_str("  ");
        heading.push_str(&pad(column.title, column.width, ""));
    }
    put(buf, area, 1, vec![span(heading, look.faint())]);
    let first = first_line(runs.index(), runs.rows.len(), usize::from(table.height));
    for (line, (index, row)) in runs.rows.iter().enumerate().skip(first).take(usize::from(table.height)).enumerate() {
        let has_cursor = index == runs.index();
        put(buf, table, line as u16, row_spans(row, has_cursor, name_width, area.width, model));
    }
    if details > 0
        && let Some(row) = runs.selected()
    {
        detail(buf, below(area, area.height - details), row, model);
    }
}

fn columns(screen: u16) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| screen + 2 >= column.from)
}

fn name_width(screen: u16) -> usize {
    let others: usize = columns(screen).map(|column| column.width + 2).sum();
    usize::from(screen).saturating_sub(others + 2).clamp(8, 32)
}

fn row_spans(row: &RunRow, has_cursor: bool, name_width: usize, screen: u16, model: &Model) -> Vec<Span<'static>> {
    let (look, ellipsis) = (model.look, model.look.glyphs().ellipsis);
    let pointer = if has_cursor { look.glyphs().pointer } else { " " };
    let mark = |style: Style| if has_cursor { style.patch(look.selected()) } else { style };
    let mut spans = vec![
        span(format!("{pointer} "), mark(look.strong())),
        span(pad(&row.name, name_width, ellipsis), mark(look.strong())),
    ];
    for column in columns(screen) {
        let (text, style) = (column.cell)(row, &model.zone, look);
        spans.push(span(format!("  {}", pad(&text, column.width, ellipsis)), mark(style)));
    }
    spans
}

/// What there is to do where there are no runs.
fn empty(buf: &mut Buffer, area: Rect, model: &Model) {
    let look = model.look;
    if !model.runs.loaded {
        put(buf, area, 0, vec![span("reading the runs", look.faint())]);
        return;
    }
    put(buf, area, 0, vec![plain("No runs yet.")]);
    let key = |name: &'static str| span(name, look.accent().patch(look.strong()));
    put(buf, area, 2, vec![key("n"), plain("  start one: the form opens with the demo, which needs no network")]);
    put(buf, area, 3, vec![key("p"), plain("  choose another preset first")]);
}

/// The selected run in words.
fn detail(buf: &mut Buffer, area: Rect, row: &RunRow, model: &Model) {
    let look = model.look;
    rule(buf, area, 0, &row.name, vec![span(&row.id, look.faint())], look);
    let room = usize::from(area.width).saturating_sub(9);
    let field = |label: &str, value: &str, style: Style| {
        vec![span(format!("{label:<9}"), look.faint()), span(cut(value, room, look.glyphs().ellipsis), style)]
    };
    let what = format!("model {}, data {}", row.model, row.data);
    put(buf, area, 1, field("what", &what, Style::new()));
    let started = row.started.as_deref().map_or("not yet".into(), |time| moment(time, &model.zone));
    put(buf, area, 2, field("started", &started, Style::new()));
    put(buf, area, 3, field("folder", &row.dir, Style::new()));
    match (&row.error, &row.score) {
        _ if row.place.is_some() => {
            let text = format!("place {}; it starts when a slot of its device is free", row.place.unwrap_or_default());
            put(buf, area, 4, field("queue", &text, Style::new()));
        }
        (Some(error), _) => put(buf, area, 4, field("error", error, look.bad())),
        (None, Some((name, value))) => {
            let less = if is_better_less(name) { " (less is better)" } else { "" };
            put(buf, area, 4, field("score", &format!("{} {name}{less}", figure(*value)), look.strong()));
        }
        (None, None) => {}
    }
}
