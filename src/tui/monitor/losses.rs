//! The losses: a chart, and the latest values in numbers.

use super::chart::{self, Curve as Line};
use super::{Curve, Monitor};
use crate::tui::draw::{below, plain, rule, span};
use crate::tui::look::Look;
use crate::tui::text::figure;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Lines below which there is no chart.
pub const LEAST_LINES: u16 = 4;

/// Draws the losses of the curve that is chosen.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let view = &monitor.view;
    let (title, train, validation) = match monitor.shown_curve() {
        Curve::Retrain => ("losses of retraining", &view.retrain_loss[..], &[][..]),
        Curve::Baseline => ("losses of the head alone", &view.baseline_loss[..], &[][..]),
        Curve::Search | Curve::Present => ("losses of the search", &view.search_train[..], &view.search_validation[..]),
    };
    let (mark, other) = ("*", "o");
    let mut numbers = Vec::new();
    for (name, points, style, mark) in
        [("train", train, look.accent(), mark), ("validation", validation, look.second(), other)]
    {
        if let Some((_, value)) = points.last() {
            if !numbers.is_empty() {
                numbers.push(plain("  "));
            }
            let key = if look.unicode && look.is_coloured() { "" } else { mark };
            numbers.push(span(format!("{key}{name} {}", figure(*value)), style));
        }
    }
    rule(buf, area, 0, title, numbers, look);
    let curves = [
        Line { points: train, style: look.accent(), mark },
        Line { points: validation, style: look.second(), mark: other },
    ];
    let shown = if validation.is_empty() { &curves[..1] } else { &curves[..] };
    chart::draw(buf, below(area, 1), shown, look);
}
