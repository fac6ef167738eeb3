//! The losses of all runs over each other: raw faint under smoothed, a cursor that reads all of them, a zoom.

use super::{Compare, Side};
use crate::run::compare::Losses;
use crate::run::history::Axis;
use crate::tui::chart::{self, Curve, Extent, Plot, Trace, extent, hull, plot_columns};
use crate::tui::look::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// What marks the runs: their numbers.
const MARKS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];
/// Runs up to which the raw values stand faint under the smoothed ones; of more they would hide everything.
const MOST_RAW: usize = 3;

/// Draws the curves that are chosen, each in the colour of its run, its number behind its end.
pub fn draw(buf: &mut Buffer, area: Rect, compare: &Compare, look: Look) {
    let lens = &compare.lens;
    let traces = |weight: f64| -> Vec<Trace> {
        compare.sides.iter().map(|side| side.trace(compare.losses, lens.axis, weight)).collect()
    };
    let (raw, shown) = (traces(0.0), traces(lens.weight()));
    let beneath: Vec<Curve> = match lens.weight() == 0.0 || raw.len() > MOST_RAW {
        true => Vec::new(),
        false => raw.iter().map(|points| Curve { points, style: look.faint(), mark: "." }).collect(),
    };
    let hues = compare.sides.iter().map(|side| look.series(side.hue));
    let marked = shown.iter().zip(hues).zip(MARKS.iter().cycle());
    let curves: Vec<Curve> = marked.map(|((points, style), mark)| Curve { points, style, mark }).collect();
    let plot = Plot {
        curves: &curves,
        beneath: &beneath,
        named: compare.sides.len(),
        axis: lens.axis,
        log: lens.log,
        range: lens.range(compare.extent()),
        cursor: compare.cursor,
        empty: "no losses yet",
        ..Plot::default()
    };
    chart::draw(buf, area, &plot, look);
}

impl Side {
    fn trace(&self, losses: Losses, axis: Axis, weight: f64) -> Trace<'_> {
        let (curves, metric) = losses.source(&self.view);
        Trace { curves, metric, axis, weight }
    }

    /// The loss at a place on the axis: the last one logged there or before, whatever the smoothing of the curve. None beyond
    /// its end.
    pub fn loss_at(&self, losses: Losses, axis: Axis, x: f64) -> Option<f64> {
        let curves = losses.curves(&self.view);
        let (first, last) = extent(curves, axis)?;
        if !(first..=last).contains(&x) {
            return None;
        }
        let (_, metric) = losses.source(&self.view);
        let values = curves.column(metric).iter().take(curves.steps_up_to(axis, |at| at <= x));
        values.rev().find(|value| !value.is_nan()).copied()
    }

    /// The nearest logged places on the axis at least as far before or behind one.
    fn place(&self, losses: Losses, axis: Axis, x: f64, forward: bool) -> Option<f64> {
        let curves = losses.curves(&self.view);
        let at = match forward {
            true => curves.steps_up_to(axis, |at| at < x),
            false => curves.steps_up_to(axis, |at| at <= x).checked_sub(1)?,
        };
        (at < curves.len()).then(|| curves.x(axis, at)).filter(|x| x.is_finite())
    }
}

impl Compare {
    /// Where the curves that are chosen begin and end on the axis.
    pub fn extent(&self) -> Option<Extent> {
        let of = |side: &Side| extent(self.losses.curves(&side.view), self.lens.axis);
        let known = self.sides.iter().filter_map(of).filter(|(first, last)| first.is_finite() && last.is_finite());
        known.reduce(hull)
    }

    /// Moves the cursor by about a column of a chart of so many, to a step that a run has logged; it begins at the newest.
    pub fn move_cursor(&mut self, forward: bool, columns: u16) {
        let Some((first, last)) = self.extent() else { return };
        let to = match self.cursor {
            None => last,
            Some(x) => {
                let stride = self.lens.part() * (last - first) / plot_columns(columns).max(1) as f64;
                // At least to another step, however close one looks.
                let beyond = (x.abs() * 1e-9).max(f64::MIN_POSITIVE).max(stride);
                let wanted = if forward { x + beyond } else { x - beyond };
                let axis = self.lens.axis;
                let places = self.sides.iter().filter_map(|side| side.place(self.losses, axis, wanted, forward));
                let nearest = if forward { places.reduce(f64::min) } else { places.reduce(f64::max) };
                nearest.unwrap_or(if forward { last } else { first })
            }
        };
        self.cursor = Some(to);
        let extent = self.extent();
        self.lens.follow(extent, to);
    }

    /// Half or twice the part that is shown, around the cursor, else at its end.
    pub fn zoom(&mut self, closer: bool) {
        self.lens.zoom(closer, self.extent(), self.cursor);
    }

    /// All that there is.
    pub fn reset(&mut self) {
        self.lens.reset();
        self.cursor = None;
    }

    /// The next axis that one of the runs can tell; the cursor stays at its step.
    pub fn next_axis(&mut self) {
        let before = self.lens.axis;
        let losses = self.losses;
        let sides = &self.sides;
        self.lens.next_axis(|axis| sides.iter().any(|side| losses.curves(&side.view).has_axis(axis)));
        let axis = self.lens.axis;
        self.cursor = self.cursor.and_then(|x| {
            let moved = |side: &Side| {
                let curves = losses.curves(&side.view);
                let at = (0..curves.len()).rev().find(|index| curves.x(before, *index) <= x)?;
                (curves.x(before, curves.len() - 1) >= x).then(|| curves.x(axis, at)).filter(|x| x.is_finite())
            };
            sides.iter().find_map(moved)
        });
    }
}
