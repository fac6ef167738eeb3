//! The module with the cursor: its selection values in numbers, against the threshold.

use super::Monitor;
use super::heat::{is_kept, reference};
use crate::run::view::ModuleView;
use crate::tui::draw::{plain, put, rule, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, grouped, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Lines of the module with the cursor where there is no room for its bars.
pub const LINES: u16 = 2;

/// Lines of its bars: rule, a line a value, the threshold.
pub fn panel_lines(monitor: &Monitor) -> u16 {
    let values = module(monitor).map_or(0, |module| module.alpha.len());
    if values == 0 { LINES } else { u16::try_from(values).unwrap_or(u16::MAX - 2).saturating_add(2) }
}

fn module(monitor: &Monitor) -> Option<&ModuleView> {
    monitor.module().and_then(|index| monitor.view.modules.get(index))
}

/// Draws the module, with bars where they fit, else in two lines.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let Some(module) = module(monitor) else { return };
    if module.alpha.is_empty() || area.height < panel_lines(monitor) {
        put(buf, area, 0, about(module, area.width, look));
        put(buf, area, 1, values(monitor, module, area.width, look));
        return;
    }
    let facts = facts(module);
    let room = usize::from(area.width).saturating_sub(width(&facts) + 9);
    rule(buf, area, 0, &cut_start(&module.path, room, look), vec![span(facts, look.faint())], look);
    let reference = reference(monitor, module);
    let largest = module.alpha.iter().copied().fold(0.0, f32::max);
    // Room for twice the threshold, so that it stays where it is while values grow.
    let full = f64::from(largest).max(2.0 * reference).max(f64::MIN_POSITIVE);
    let columns = usize::from(area.width).saturating_sub(12);
    for (line, alpha) in module.alpha.iter().enumerate() {
        let style = value_style(*alpha, reference, look);
        let mut spans = vec![span(format!("{:>3}  ", line + 1), look.faint()), span(format!("{alpha:.3}  "), style)];
        let full_columns = (f64::from(*alpha).max(0.0) / full * columns as f64).round() as usize;
        spans.push(span(look.glyphs().bar_full.repeat(full_columns), style));
        put(buf, area, 1 + line as u16, spans);
    }
    let at = (reference.max(0.0) / full * columns as f64).round() as usize;
    let text = format!("{}^ {} {reference:.3}", " ".repeat(12 + at.saturating_sub(1)), reference_name(monitor));
    put(buf, area, 1 + module.alpha.len() as u16, vec![span(text, look.faint())]);
}

/// The end of a path, which tells modules apart.
fn cut_start(path: &str, columns: usize, look: Look) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let ends = (0..parts.len()).map(|first| parts[first..].join("."));
    let mark = look.glyphs().ellipsis;
    let fitting = |(first, end): (usize, String)| {
        let text = if first == 0 { end } else { format!("{mark}.{end}") };
        (width(&text) <= columns).then_some(text)
    };
    ends.enumerate().find_map(fitting).unwrap_or_else(|| cut(path, columns, mark))
}

fn reference_name(monitor: &Monitor) -> &'static str {
    if monitor.view.threshold.is_some() { "threshold" } else { "mean" }
}

fn value_style(alpha: f32, reference: f64, look: Look) -> Style {
    if is_kept(alpha, reference) { look.accent().add_modifier(Modifier::BOLD) } else { look.faint() }
}

fn facts(module: &ModuleView) -> String {
    let k = module.alpha.len();
    let size = module.rank.map(|rank| rank * (module.shape.inputs + module.shape.outputs));
    match (module.rank, size) {
        (Some(rank), Some(size)) if k > 0 => format!("rank {rank} of {k}, {} parameters", grouped(size)),
        (Some(rank), Some(size)) => format!("rank {rank}, {} parameters", grouped(size)),
        _ => format!("{} x {}", module.shape.outputs, module.shape.inputs),
    }
}

/// Path, rank and parameters.
fn about(module: &ModuleView, columns: u16, look: Look) -> Vec<Span<'static>> {
    let text = format!("  {}", facts(module));
    let room = usize::from(columns).saturating_sub(width(&text));
    vec![span(cut_start(&module.path, room, look), look.strong()), plain(text)]
}

/// The selection values as numbers.
fn values(monitor: &Monitor, module: &ModuleView, columns: u16, look: Look) -> Vec<Span<'static>> {
    if module.alpha.is_empty() {
        return Vec::new();
    }
    let reference = reference(monitor, module);
    let end = format!(" {} {reference:.3}", reference_name(monitor));
    let room = usize::from(columns).saturating_sub(width(&end));
    let mut spans = Vec::new();
    let mut used = 0;
    for alpha in &module.alpha {
        let text = format!("{alpha:.3} ");
        used += width(&text);
        if used > room {
            break;
        }
        spans.push(span(text, value_style(*alpha, reference, look)));
    }
    spans.push(span(end, look.faint()));
    spans
}
