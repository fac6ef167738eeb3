//! The list of presets, and what the selected one says.

use super::PresetRow;
use crate::tui::draw::{below, inset, plain, put, put_ends, rule, span, top};
use crate::tui::form::input_spans;
use crate::tui::model::{Model, first_line};
use crate::tui::picker::Match;
use crate::tui::text::{pad, width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

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
    let wanted = u16::try_from(shown.len().max(1)).unwrap_or(u16::MAX - 1).saturating_add(1);
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

/// Columns of a setting's name, at least.
const KEYS: usize = 24;
/// Of a value, where two settings stand beside each other.
const VALUES: usize = 18;

/// The comment of the selected preset, its file, and its settings as far as there is room.
fn about(buf: &mut Buffer, area: Rect, row: &PresetRow, model: &Model) {
    let look = model.look;
    let columns = usize::from(area.width);
    rule(buf, area, 0, &row.name, vec![span(if row.saved { "saved" } else { "shipped" }, look.faint())], look);
    let mut above: Vec<Line> = wrap(&row.description, columns).into_iter().map(|text| vec![plain(text)]).collect();
    above.extend(wrap(&row.path, columns).into_iter().map(|text| vec![span(text, look.faint())]));
    // The settings have at least half of the room.
    let most = usize::from(area.height.saturating_sub(2)) / 2;
    if above.len() > most {
        above.truncate(most.saturating_sub(1));
        above.push(vec![span("and more in the file", look.faint())]);
    }
    let taken = above.len() as u16;
    for (line, spans) in above.into_iter().enumerate() {
        put(buf, area, 1 + line as u16, spans);
    }
    let fields = below(area, taken + 2);
    let keys = row.said.iter().map(|(key, _)| width(key)).max().unwrap_or(0).max(KEYS) + 2;
    let settings = |room: usize| -> Vec<Line> {
        let lines = |(key, value): &(&'static str, String)| {
            let texts = wrap(value, room.saturating_sub(keys + 2)).into_iter().enumerate();
            let key = *key;
            let line = move |(at, text): (usize, String)| {
                vec![span(format!("{:<keys$}", if at == 0 { key } else { "" }), look.faint()), plain(text)]
            };
            texts.map(line).collect::<Vec<Line>>()
        };
        row.said.iter().flat_map(lines).collect()
    };
    let height = usize::from(fields.height);
    let mut lines = settings(columns);
    // Two columns where one does not do, and their values have room.
    let halves: usize = if lines.len() > height && columns / 2 >= keys + VALUES { 2 } else { 1 };
    let half = columns / halves;
    if halves > 1 {
        lines = settings(half);
    }
    let hidden = (lines.len() + 1).saturating_sub(height * halves);
    if lines.len() > height * halves && height > 0 {
        lines.truncate(height * halves - 1);
        lines
            .push(vec![span(format!("and {hidden} more lines: v lists what differs from the defaults"), look.faint())]);
    }
    for (at, spans) in lines.into_iter().enumerate() {
        let x = fields.x + (at / height.max(1) * half) as u16;
        put(buf, Rect { x, width: half as u16, ..fields }, (at % height.max(1)) as u16, spans);
    }
}
