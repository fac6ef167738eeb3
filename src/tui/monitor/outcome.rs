//! What came out: figures of the run beside its baselines.

use super::Monitor;
use crate::run::fold::evaluated_words;
use crate::tui::draw::{put, rule, span};
use crate::tui::look::Look;
use crate::tui::text::{figure, pad};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// What was evaluated, as the events call it, and its heading: the run, then what it is compared with.
fn columns(monitor: &Monitor) -> Vec<(&str, String)> {
    let mut columns: Vec<(&str, String)> = Vec::new();
    for (_, what, _) in &monitor.view.evaluations {
        if !columns.iter().any(|(known, _)| known == what) {
            columns.push((what, evaluated_words(what)));
        }
    }
    columns.sort_by_key(|(what, _)| (*what != "run", what.to_string()));
    columns
}

/// The names of the figures, the score first.
fn names(monitor: &Monitor) -> Vec<&str> {
    monitor.view.score_first(monitor.view.evaluations.iter().flat_map(|(_, _, metrics)| metrics.keys()))
}

/// Columns that a figure takes, at least.
const LEAST_WIDTH: usize = 6;

/// Lines that the figures need; 0 where there are none.
pub fn lines(monitor: &Monitor) -> u16 {
    match names(monitor).len() {
        0 => 0,
        count => u16::try_from(count).unwrap_or(u16::MAX - 2) + 2,
    }
}

/// Draws the figures, a line each, a column for the run and for each baseline.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let columns = columns(monitor);
    let width = |title: &str| title.len().max(LEAST_WIDTH) + 2;
    let taken: usize = columns.iter().map(|(_, title)| width(title)).sum();
    let name_width = usize::from(area.width).saturating_sub(taken).clamp(8, 24);
    let mut heading = vec![span(" ".repeat(name_width), look.faint())];
    heading.extend(columns.iter().map(|(_, title)| span(format!("{title:>0$}", width(title)), look.faint())));
    put(buf, area, 1, heading);
    let names = names(monitor);
    let room = usize::from(area.height.saturating_sub(2));
    let hidden = names.len().saturating_sub(room);
    let mut facts = Vec::new();
    if let Some(what) = monitor.view.no_better_than() {
        facts.push(span(format!("no better than {what}"), look.warning()));
    }
    if hidden > 0 {
        let start = if facts.is_empty() { "" } else { "  " };
        facts.push(span(format!("{start}+{hidden} more: autolora show"), look.faint()));
    }
    rule(buf, area, 0, "result on the held-out split", facts, look);
    for (line, name) in names.into_iter().take(room).enumerate() {
        let of_name = if *name == *monitor.view.metric { look.strong() } else { Style::new() };
        let mut spans = vec![span(pad(name, name_width, look.glyphs().ellipsis), of_name)];
        for (what, title) in &columns {
            let found = monitor.view.evaluations.iter().rev().find(|(_, known, _)| known == what);
            let value = found.and_then(|(_, _, metrics)| metrics.get(name));
            let style = if *what == "run" { look.strong() } else { Style::new() };
            spans.push(span(format!("{:>1$}", value.map_or("-".into(), |value| figure(*value)), width(title)), style));
        }
        put(buf, area, 2 + line as u16, spans);
    }
}
