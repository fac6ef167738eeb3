//! Small things that every screen draws: cleaned spans, lines, rules, bars.

use super::look::Look;
use super::text::{clean, cut, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A piece of a line; the text is cleaned, wherever it comes from.
pub fn span(text: impl AsRef<str>, style: Style) -> Span<'static> {
    Span::styled(clean(text.as_ref()).into_owned(), style)
}

/// A piece in the terminal's own style.
pub fn plain(text: impl AsRef<str>) -> Span<'static> {
    span(text, Style::new())
}

/// A style that keeps nothing of what was drawn there before: a cell takes a new colour, but stays dim.
pub fn anew(style: Style) -> Style {
    Style::reset().patch(style)
}

/// Writes a line of an area, cut at its width; nothing below its end.
pub fn put(buf: &mut Buffer, area: Rect, line: u16, spans: impl Into<Line<'static>>) {
    if line < area.height {
        buf.set_line(area.x, area.y + line, &spans.into(), area.width);
    }
}

/// Writes a line with a left and a right end; the left is cut where both do not fit.
pub fn put_ends(buf: &mut Buffer, area: Rect, line: u16, left: Vec<Span<'static>>, right: Vec<Span<'static>>) {
    if line >= area.height {
        return;
    }
    let right = Line::from(right);
    let taken = (right.width() as u16).min(area.width);
    let room = area.width - taken;
    buf.set_line(area.x, area.y + line, &Line::from(left), room.saturating_sub(u16::from(taken > 0)));
    buf.set_line(area.x + room, area.y + line, &right, taken);
}

/// A titled horizontal line; `right` stands near its end where there is room for both.
pub fn rule(buf: &mut Buffer, area: Rect, line: u16, title: &str, right: Vec<Span<'static>>, look: Look) {
    if line >= area.height || area.width < 4 {
        return;
    }
    let (glyph, columns) = (look.glyphs().rule, usize::from(area.width));
    let y = area.y + line;
    buf.set_stringn(area.x, y, glyph.repeat(columns), columns, look.faint());
    let title = cut(title, columns.saturating_sub(6), look.glyphs().ellipsis);
    let mut end = 0;
    if !title.is_empty() {
        buf.set_stringn(area.x + 2, y, format!(" {title} "), columns - 2, anew(look.strong()));
        end = 4 + width(&title);
    }
    let right = Line::from(right);
    let needed = right.width() + 4;
    if right.width() > 0 && end + needed <= columns {
        let x = area.x + (columns - needed) as u16;
        buf.set_stringn(x, y, " ".repeat(needed - 2), needed - 2, Style::reset());
        buf.set_line(x + 1, y, &right, needed as u16 - 2);
    }
}

/// A bar of `columns` columns, `share` of it full.
pub fn bar(share: f64, columns: usize, look: Look) -> Vec<Span<'static>> {
    let full = (share.clamp(0.0, 1.0) * columns as f64).round() as usize;
    let glyphs = look.glyphs();
    vec![
        span(glyphs.bar_full.repeat(full), look.accent()),
        span(glyphs.bar_empty.repeat(columns.saturating_sub(full)), look.faint()),
    ]
}

/// The part of an area below its first `lines` lines.
pub fn below(area: Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

/// The first `lines` lines of an area.
pub fn top(area: Rect, lines: u16) -> Rect {
    Rect { height: lines.min(area.height), ..area }
}

/// The area without `columns` columns at both sides.
pub fn inset(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width / 2);
    Rect { x: area.x + columns, width: area.width - 2 * columns, ..area }
}
