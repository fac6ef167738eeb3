//! The losses of all runs over each other.

use super::Compare;
use crate::tui::chart::{self, Curve, Plot};
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// What marks the runs where there is no colour to tell them apart: their numbers.
const MARKS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

/// Draws the curves that are chosen, each in the colour of its run.
pub fn draw(buf: &mut Buffer, area: Rect, compare: &Compare, look: Look) {
    let points: Vec<_> = compare.sides.iter().map(|side| compare.losses.of(&side.view, compare.axis)).collect();
    let curves: Vec<Curve> = points
        .iter()
        .enumerate()
        .map(|(place, points)| Curve { points, style: look.series(place), mark: MARKS[place % MARKS.len()] })
        .collect();
    let (axis, log) = (compare.axis, compare.log);
    let plot = Plot { curves: &curves, axis, log, empty: "no losses yet", ..Plot::default() };
    chart::draw(buf, area, &plot, look);
}
