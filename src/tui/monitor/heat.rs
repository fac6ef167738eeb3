//! The heat map: selection values and rank of every module, a row per layer, a column per kind.

use super::Monitor;
use crate::run::view::{ModuleView, State};
use crate::search::allocation::reaches;
use crate::tui::draw::{plain, put, rule, span};
use crate::tui::look::Look;
use crate::tui::model::first_line;
use crate::tui::text::{grouped, pad, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Most blocks that a cell draws; with more values a block is the largest of several.
const MOST_BLOCKS: usize = 32;
/// Lines that the map needs besides its rows: rule, headings, sums.
pub const FRAME_LINES: u16 = 3;

/// Columns of the map with all its kinds.
pub fn full_width(monitor: &Monitor) -> u16 {
    let kinds = monitor.grid.kinds.len().max(1);
    let columns = label_width(monitor) + kinds * (cell_width(monitor) + 2);
    u16::try_from(columns).unwrap_or(u16::MAX)
}

fn label_width(monitor: &Monitor) -> usize {
    monitor.grid.layers.iter().map(|name| width(name)).max().unwrap_or(0).max(5) + 1
}

/// k, as far as is known.
fn terms(monitor: &Monitor) -> usize {
    let seen = monitor.view.modules.iter().map(|module| module.alpha.len()).max().unwrap_or(0);
    seen.max(monitor.view.rank)
}

/// Blocks, a space, the rank.
fn cell_width(monitor: &Monitor) -> usize {
    let blocks = terms(monitor).min(MOST_BLOCKS);
    let heading = monitor.grid.kinds.iter().map(|kind| width(kind)).max().unwrap_or(0);
    (blocks + 1 + rank_width(monitor)).max(heading.min(18))
}

fn rank_width(monitor: &Monitor) -> usize {
    terms(monitor).to_string().len().max(2)
}

/// What a module's selection values are measured against: the rule's threshold, else their mean.
pub(super) fn reference(monitor: &Monitor, module: &ModuleView) -> f64 {
    let mean = || module.alpha.iter().map(|alpha| f64::from(*alpha)).sum::<f64>() / module.alpha.len().max(1) as f64;
    monitor.view.threshold.unwrap_or_else(mean)
}

pub(super) fn is_kept(alpha: f32, reference: f64) -> bool {
    reaches(f64::from(alpha), reference)
}

/// Shade of a value: 0 and 1 below the reference, 2 to 4 at or above it.
fn shade(alpha: f32, reference: f64) -> usize {
    let ratio = f64::from(alpha) / reference.max(f64::MIN_POSITIVE);
    match is_kept(alpha, reference) {
        false if ratio < 0.5 => 0,
        false => 1,
        true if ratio < 1.25 => 2,
        true if ratio < 1.75 => 3,
        true => 4,
    }
}

fn shade_style(shade: usize, look: Look) -> Style {
    match shade {
        0 | 1 => look.faint(),
        2 | 3 => look.accent().remove_modifier(Modifier::BOLD),
        _ => look.accent().add_modifier(Modifier::BOLD),
    }
}

/// Draws the map with its sums.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let title = if monitor.view.allocated { "allocated ranks" } else { "emerging ranks" };
    let legend = if monitor.grid.cells.is_empty() { Vec::new() } else { legend(monitor, look) };
    rule(buf, area, 0, title, legend, look);
    if monitor.grid.cells.is_empty() {
        let text =
            if monitor.state.is_none() { "reading the log" } else { "no modules yet: the model is being prepared" };
        put(buf, area, 1, vec![span(format!(" {text}"), look.faint())]);
        return;
    }
    let columns = shown_columns(monitor, area.width);
    headings(buf, area, monitor, columns.clone(), look);
    let height = usize::from(area.height.saturating_sub(FRAME_LINES));
    let rows = monitor.grid.layers.len();
    let first = first_line(monitor.cursor.0, rows, height);
    let mut line = 2;
    for row in first..rows.min(first + height) {
        put(buf, area, line, row_spans(monitor, row, columns.clone(), look));
        line += 1;
    }
    put(buf, area, line, sums(monitor, look));
}

/// The kinds that fit, with the cursor's among them.
fn shown_columns(monitor: &Monitor, columns: u16) -> std::ops::Range<usize> {
    let kinds = monitor.grid.kinds.len();
    let room = usize::from(columns).saturating_sub(label_width(monitor));
    let fit = (room / (cell_width(monitor) + 2)).clamp(1, kinds.max(1));
    let first = first_line(monitor.cursor.1, kinds, fit);
    first..kinds.min(first + fit)
}

fn legend(monitor: &Monitor, look: Look) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let against = match monitor.view.threshold {
        Some(threshold) => format!("{threshold:.3}"),
        None => "its mean".into(),
    };
    let mut spans = Vec::new();
    for (i, glyph) in glyphs.shades.iter().enumerate() {
        if i == 2 {
            spans.push(span(format!(" below {against}  "), look.faint()));
        }
        spans.push(span(*glyph, shade_style(i, look)));
    }
    spans.push(span(" at least that", look.faint()));
    spans
}

fn headings(buf: &mut Buffer, area: Rect, monitor: &Monitor, columns: std::ops::Range<usize>, look: Look) {
    let (cell, ellipsis) = (cell_width(monitor), look.glyphs().ellipsis);
    let mut text = pad("layer", label_width(monitor), ellipsis);
    for column in columns.clone() {
        text.push_str("  ");
        text.push_str(&pad(&monitor.grid.kinds[column], cell, ellipsis));
    }
    let hidden = monitor.grid.kinds.len() - columns.len();
    let more = if hidden > 0 { format!(" +{hidden} more") } else { String::new() };
    let room = usize::from(area.width).saturating_sub(width(&more));
    put(buf, area, 1, vec![span(pad(&text, room, ellipsis), look.faint()), span(more, look.faint())]);
}

fn row_spans(monitor: &Monitor, row: usize, columns: std::ops::Range<usize>, look: Look) -> Vec<Span<'static>> {
    let label = label_width(monitor);
    let mut spans = vec![span(format!("{:>1$} ", monitor.grid.layers[row], label - 1), look.faint())];
    for column in columns {
        let has_cursor = monitor.cursor == (row, column);
        spans.push(if has_cursor { span(format!(" {}", look.glyphs().pointer), look.strong()) } else { plain("  ") });
        match monitor.grid.module(row, column).and_then(|index| monitor.view.modules.get(index)) {
            Some(module) => spans.extend(cell_spans(monitor, module, has_cursor, look)),
            None => spans.push(plain(" ".repeat(cell_width(monitor)))),
        }
    }
    spans
}

fn cell_spans(monitor: &Monitor, module: &ModuleView, has_cursor: bool, look: Look) -> Vec<Span<'static>> {
    let blocks = terms(monitor).min(MOST_BLOCKS);
    let mut spans = Vec::with_capacity(blocks + 2);
    if module.alpha.is_empty() {
        spans.push(plain(" ".repeat(blocks)));
    } else {
        let reference = reference(monitor, module);
        let per_block = module.alpha.len().div_ceil(MOST_BLOCKS);
        for values in module.alpha.chunks(per_block) {
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let shade = shade(largest, reference);
            spans.push(span(look.glyphs().shades[shade], shade_style(shade, look)));
        }
        spans.push(plain(" ".repeat(blocks.saturating_sub(spans.len()))));
    }
    let rank = module.rank.map_or("-".to_owned(), |rank| rank.to_string());
    let mut style = look.strong();
    if has_cursor {
        style = style.patch(look.selected());
    }
    spans.push(plain(" "));
    spans.push(span(format!("{rank:>0$}", rank_width(monitor)), style));
    let used = blocks + 1 + rank_width(monitor);
    spans.push(plain(" ".repeat(cell_width(monitor).saturating_sub(used))));
    spans
}

/// Mean rank and parameters, against the same rank everywhere.
fn sums(monitor: &Monitor, look: Look) -> Vec<Span<'static>> {
    let view = &monitor.view;
    let known: Vec<usize> = view.modules.iter().filter_map(|module| module.rank).collect();
    if known.is_empty() {
        let text = match (view.warmup, monitor.state) {
            (Some((step, total)), Some(State::Running)) => format!("warm-up {step}/{total}: ranks emerge after it"),
            _ => "no ranks yet".into(),
        };
        return vec![span(text, look.faint())];
    }
    let mean = known.iter().sum::<usize>() as f64 / known.len() as f64;
    let uniform: usize =
        view.modules.iter().map(|module| view.rank * (module.shape.inputs + module.shape.outputs)).sum();
    let share = 100.0 * view.lora_parameters() as f64 / uniform.max(1) as f64;
    let (word, style) = match (view.allocated, view.undecided) {
        (_, true) => ("undecided", look.warning()),
        (true, false) => ("allocated", look.good()),
        (false, false) => ("emerging", look.accent()),
    };
    vec![
        span(word, style),
        plain(format!(": mean rank {mean:.2}, ")),
        span(format!("{} LoRA parameters", grouped(view.lora_parameters())), look.strong()),
        span(format!(", {share:.0} % of rank {}", view.rank), look.faint()),
    ]
}
