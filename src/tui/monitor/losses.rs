//! The losses: a chart, and the latest values in numbers.

use super::chart::{self, Curve as Line};
use super::{Curve, Monitor};
use crate::run::history::{Axis, Metric};
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
    let (title, curves) = match monitor.shown_curve() {
        Curve::Retrain => ("losses of retraining", &view.retrain),
        Curve::Baseline => ("losses of the head alone", &view.baseline),
        Curve::Search | Curve::Present => ("losses of the search", &view.search),
    };
    let points = |metric| -> Vec<(f64, f64)> {
        let column = curves.column(metric).iter().enumerate();
        column.map(|(i, value)| (curves.x(Axis::Step, i), *value)).collect()
    };
    let (train, validation) = (points(Metric::TrainLoss), points(Metric::ValidationLoss));
    let (mark, other) = ("*", "o");
    let mut numbers = Vec::new();
    for (name, points, style, mark) in
        [("train", &train, look.accent(), mark), ("validation", &validation, look.second(), other)]
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
        Line { points: &train, style: look.accent(), mark },
        Line { points: &validation, style: look.second(), mark: other },
    ];
    let shown = if validation.is_empty() { &curves[..1] } else { &curves[..] };
    chart::draw(buf, below(area, 1), shown, look);
}
