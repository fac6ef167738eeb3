//! The list of presets, and what the selected one says.

use super::PresetRow;
use crate::tui::draw::{below, inset, plain, put, put_ends, rule, span, top};
use crate::tui::form::input_spans;
use crate::tui::model::{Model, first_line};
use crate::tui::picker::Match;
use crate::tui::text::{cut, pad, width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Draws the screen.
pub fn view(buf: &mut Buffer, area: Rect, model: &Model) {
    let (look, presets) = (model.look, &model.presets);
    let area = inset(area, 1);
    let saved = presets.rows.iter().filter(|row| row.saved).count();
    let counts = format!("{saved} saved, {} in all", presets.rows.len());
    put_ends(buf, area, 0, vec![span("AutoLoRA", look.strong()), plain("  presets")], vec![span(counts, look.faint())]);
    let shown = presets.shown();
    if presets.is_filtered() {
        let mut spans = vec![span("find ", look.faint())];
        let room = usize::from(area.width).saturating_sub(20);
        spans.extend(input_spans(&presets.filter, room, presets.filtering, look));
        put_ends(buf, area, 1, spans, vec![span(format!("{} found", shown.len()), look.faint())]);
    }
    if !presets.loaded {
        put(buf, area, 2, vec![span("reading the presets", look.faint())]);
        return;
    }
    let body = below(area, if presets.is_filtered() { 2 } else { 1 });
    let wanted = u16::try_from(shown.len()).unwrap_or(u16::MAX - 1).saturating_add(1);
    let list = wanted.min((body.height / 2).max(2));
    rows(buf, top(body, list), &shown, model);
    if let Some(row) = presets.selected() {
        about(buf, below(body, list + 1), row, model);
    }
}

fn rows(buf: &mut Buffer, area: Rect, shown: &[Match], model: &Model) {
    let (look, presets) = (model.look, &model.presets);
    let ellipsis = look.glyphs().ellipsis;
    let longest = presets.rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).clamp(6, 28);
    let heading = format!("  {}  {:<8}", pad("name", longest, ""), "kind");
    put(buf, area, 0, vec![span(heading, look.faint())]);
    let height = usize::from(area.height.saturating_sub(1));
    if shown.is_empty() {
        put(
            buf,
            area,
            1,
            vec![span("no preset has these letters in its name, nor these words in its first lines", look.faint())],
        );
    }
    let first = first_line(presets.cursor, shown.len(), height);
    let found = shown.iter().filter_map(|found| presets.rows.get(found.place)).enumerate();
    for (line, (index, row)) in found.skip(first).take(height).enumerate() {
        let has_cursor = index == presets.cursor;
        let pointer = if has_cursor { look.glyphs().pointer } else { " " };
        let mark = |style: Style| if has_cursor { look.under_cursor(style) } else { style };
        let kind = if row.saved { "saved" } else { "shipped" };
        let room = usize::from(area.width).saturating_sub(longest + 14);
        let first_line = row.description.lines().next().unwrap_or_default();
        let spans = vec![
            span(format!("{pointer} {}", pad(&row.name, longest, ellipsis)), mark(look.strong())),
            span(format!("  {kind:<8}"), mark(Style::new())),
            span(format!("  {}", pad(first_line, room, ellipsis)), mark(look.faint())),
        ];
        put(buf, area, 1 + line as u16, spans);
    }
}

/// The comment of the selected preset, and its settings as far as there is room.
fn about(buf: &mut Buffer, area: Rect, row: &PresetRow, model: &Model) {
    let (look, ellipsis) = (model.look, model.look.glyphs().ellipsis);
    let path = cut(&row.path, usize::from(area.width / 2), ellipsis);
    rule(buf, area, 0, &row.name, vec![span(path, look.faint())], look);
    let mut line = 1;
    for text in wrap(&row.description, usize::from(area.width)).into_iter().take(4) {
        put(buf, area, line, vec![plain(text)]);
        line += 1;
    }
    let fields = below(area, line + 1);
    // Two columns of settings where they fit.
    let columns: usize = if area.width >= 100 { 2 } else { 1 };
    let column_width = usize::from(area.width) / columns;
    let key_width = row.said.iter().map(|(key, _)| width(key)).max().unwrap_or(0).max(32) + 2;
    let height = usize::from(fields.height);
    let fits = height * columns;
    let hidden = row.said.len().saturating_sub(fits);
    for (index, (key, value)) in
        row.said.iter().take(if hidden > 0 { fits.saturating_sub(1) } else { fits }).enumerate()
    {
        let x = fields.x + (index / height.max(1) * column_width) as u16;
        let at = Rect { x, width: column_width as u16, ..fields };
        let room = column_width.saturating_sub(key_width + 1);
        let spans = vec![span(format!("{key:<key_width$}"), look.faint()), plain(cut(value, room, ellipsis))];
        put(buf, at, (index % height.max(1)) as u16, spans);
    }
    if hidden > 0 && height > 0 {
        let x = fields.x + ((columns - 1) * column_width) as u16;
        let at = Rect { x, width: column_width as u16, ..fields };
        put(buf, at, fields.height - 1, vec![span(format!("and {} more", hidden + 1), look.faint())]);
    }
}
