//! The table of runs: the chosen columns that fit, the run with the cursor in words below.

use super::columns::{BEFORE, Column, fitting};
use super::names::name_of;
use super::order::{Key, Order};
use super::{RunRow, Runs, detail, filter, is_sorted_by};
use crate::run::view::State;
use crate::tui::draw::{below, inset, plain, put, put_ends, span, top};
use crate::tui::form::input_spans;
use crate::tui::look::Look;
use crate::tui::model::{Model, first_line};
use crate::tui::text::{pad, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines from which there is room for details.
const DETAILS_FROM: u16 = 19;

/// Columns that the table has on a screen of so many.
pub fn table_columns(screen: u16) -> u16 {
    inset(Rect::new(0, 0, screen, 1), 1).width
}

/// Draws the screen.
pub fn view(buf: &mut Buffer, area: Rect, model: &Model) {
    let (look, runs) = (model.look, &model.runs);
    let area = inset(area, 1);
    title(buf, area, runs, look);
    if runs.shown.is_empty() {
        empty(buf, below(area, 2), model);
        return;
    }
    let details = if area.height >= DETAILS_FROM { detail::LINES } else { 0 };
    let table = below(top(area, area.height - details), 2);
    let chosen = runs.kept.shown();
    let (columns, name_width) = fitting(&chosen, area.width);
    let order = runs.kept.order;
    put(buf, area, 1, heading(columns, name_width, order, order.rises(runs.shown()), look));
    let height = usize::from(table.height);
    let first = first_line(runs.index(), runs.shown.len(), height);
    for (line, (index, row)) in runs.shown().enumerate().skip(first).take(height).enumerate() {
        let has_cursor = index == runs.index();
        put(buf, table, line as u16, row_spans(row, has_cursor, columns, name_width, model));
    }
    if details > 0
        && let Some(row) = runs.selected()
    {
        detail::draw(buf, below(area, area.height - details), row, &model.zone, look);
    }
}

/// What is shown of how many; the filter while there is one.
fn title(buf: &mut Buffer, area: Rect, runs: &Runs, look: Look) {
    let active = runs.rows.iter().filter(|row| row.state == State::Running).count();
    let mut counts = vec![format!("{active} running"), format!("{} in all", runs.rows.len())];
    if !runs.filter.is_empty() {
        counts.insert(1, format!("{} shown", runs.shown.len()));
    }
    if !runs.marked.is_empty() {
        counts.insert(0, format!("{} marked", runs.marked.len()));
    }
    let chosen = runs.kept.shown();
    let shown = fitting(&chosen, area.width).0;
    let is_told = |key| matches!(key, Key::Star | Key::Name) || shown.iter().any(|column| key == Key::Column(*column));
    if runs.kept.order != Order::default() && !is_told(runs.kept.order.key) {
        counts.insert(0, format!("by {}", runs.kept.order.words()));
    }
    let counts = counts.join(", ");
    let mut left = vec![span("AutoLoRA", look.strong()), plain("  runs")];
    if runs.filtering || !runs.filter.is_empty() {
        left.push(span("  find ", look.faint()));
        let room = usize::from(area.width).saturating_sub(22 + counts.len());
        left.extend(input_spans(&runs.filter, room, runs.filtering, look));
    }
    put_ends(buf, area, 0, left, vec![span(counts, look.faint())]);
}

/// The names of the columns; the one that the table is sorted by points up or down.
fn heading(columns: &[Column], name_width: usize, order: Order, rises: bool, look: Look) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let arrow = if rises { glyphs.rising } else { glyphs.falling };
    let cell = |column: Option<Column>, title: &str, width: usize| {
        if is_sorted_by(order, column) {
            return span(pad(&format!("{title} {arrow}"), width, ""), look.strong());
        }
        span(pad(title, width, ""), look.faint())
    };
    let star = if order.key == Key::Star { format!("{}{arrow}", glyphs.star) } else { String::new() };
    let mut spans = vec![span(format!("{:>1$}", star, BEFORE - 1), look.strong()), plain(" ")];
    spans.push(cell(None, "name", name_width));
    for column in columns {
        spans.push(plain("  "));
        spans.push(cell(Some(*column), column.title(), column.width()));
    }
    spans
}

fn row_spans(
    row: &RunRow,
    has_cursor: bool,
    columns: &[Column],
    name_width: usize,
    model: &Model,
) -> Vec<Span<'static>> {
    let (look, glyphs) = (model.look, model.look.glyphs());
    let styled = |style: Style| if has_cursor { look.under_cursor(style) } else { style };
    let pointer = if has_cursor { glyphs.pointer } else { " " };
    let marked = model.runs.marked.iter().position(|id| *id == row.id);
    let star = if row.notes.star { glyphs.star } else { " " };
    let (mark, mark_style) = match marked {
        // In the colour that the comparison gives it.
        Some(at) if model.runs.can_compare() => {
            let hue = model.runs.hues().get(at).copied().unwrap_or(at);
            ((at + 1).to_string(), look.series(hue).patch(look.strong()))
        }
        Some(_) => (glyphs.said.to_owned(), look.accent()),
        None => (" ".to_owned(), Style::new()),
    };
    let mut spans = vec![
        span(pointer, styled(look.strong())),
        span(mark, styled(mark_style)),
        span(star, styled(look.accent())),
        span(if row.damage.is_some() { "!" } else { " " }, styled(look.warning())),
    ];
    let (name, apart) = name_of(row, &model.runs.rows, columns, name_width, &model.zone, look);
    spans.extend([span(name, styled(look.strong())), span(apart, styled(look.faint()))]);
    for column in columns {
        let (text, style) = column.cell(row, &model.zone, look);
        spans.push(span(format!("  {}", pad(&text, column.width(), glyphs.ellipsis)), styled(style)));
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
    if !model.runs.rows.is_empty() {
        put(buf, area, 0, vec![plain("No run has all these words.")]);
        let hint = format!("In a field: {}. -word: without it.", filter::hint());
        for (line, text) in wrap(&hint, usize::from(area.width)).into_iter().enumerate() {
            put(buf, area, 1 + line as u16, vec![span(text, look.faint())]);
        }
        return;
    }
    put(buf, area, 0, vec![plain("No runs yet.")]);
    let key = |name: &'static str| span(name, look.accent().patch(look.strong()));
    put(buf, area, 2, vec![key("n"), plain("  start one: the form opens with the demo, which needs no network")]);
    put(buf, area, 3, vec![key("p"), plain("  choose another preset first")]);
}

/// The list of columns for its popup.
pub fn column_lines(model: &Model, cursor: usize) -> Vec<Vec<Span<'static>>> {
    let (look, glyphs) = (model.look, model.look.glyphs());
    let kept = &model.runs.kept;
    let chosen = kept.shown();
    let fitting = fitting(&chosen, table_columns(model.size.0)).0;
    let line = |(at, (column, is_shown)): (usize, &(Column, bool))| {
        let (column, is_on) = (*column, *is_shown);
        let has_cursor = at == cursor;
        let styled = |style: Style| if has_cursor { look.under_cursor(style) } else { style };
        let pointer = if has_cursor { glyphs.pointer } else { " " };
        let box_ = if is_on { "[x]" } else { "[ ]" };
        let about = if is_on && !fitting.contains(&column) {
            format!("(no room) {}", column.about())
        } else {
            column.about().into()
        };
        vec![
            span(format!("{pointer} {box_} "), styled(if is_on { look.accent() } else { look.faint() })),
            span(format!("{:<11}", column.title()), styled(if is_on { look.strong() } else { Style::new() })),
            span(about, styled(look.faint())),
        ]
    };
    kept.columns.iter().enumerate().map(line).collect()
}
