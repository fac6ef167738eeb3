//! Curves as characters. Every column draws its smallest and largest value, so that a spike of one step survives.

use crate::tui::look::Look;
use crate::tui::text::{figure, pad, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// One curve, drawn over those before it.
pub struct Curve<'a> {
    /// (step, value) with rising steps.
    pub points: &'a [(f64, f64)],
    pub style: Style,
    /// The character where there is no braille, or no colour to tell curves apart.
    pub mark: &'static str,
}

/// Columns left of the plot: a figure and the axis.
const MARGIN: u16 = 9;

/// Draws curves with a scale at the left and first and last step below. Needs 2 lines and some columns to show anything.
pub fn draw(buf: &mut Buffer, area: Rect, curves: &[Curve], look: Look) {
    if area.height < 2 || area.width < MARGIN + 8 {
        return;
    }
    let plot = Rect { x: area.x + MARGIN, y: area.y, width: area.width - MARGIN, height: area.height - 1 };
    let all = || curves.iter().flat_map(|curve| curve.points).filter(|point| finite(point));
    let Some(first) = all().next() else {
        let text = "no losses yet";
        buf.set_stringn(plot.x, plot.y + plot.height / 2, text, usize::from(plot.width), look.faint());
        return;
    };
    let mut range = Range { x: (first.0, first.0), y: (first.1, first.1) };
    all().for_each(|point| range.take(point));
    range.widen();

    // Braille has 2 by 4 dots in a cell; several curves in it need colour to be told apart.
    let braille = look.unicode && (look.is_coloured() || curves.len() == 1);
    let dots = if braille { (2, 4) } else { (1, 1) };
    let size = (usize::from(plot.width) * dots.0, usize::from(plot.height) * dots.1);
    for curve in curves {
        let spans = rasterise(curve.points, &range, size);
        if braille {
            draw_braille(buf, plot, &spans, curve.style);
        } else {
            draw_marks(buf, plot, &spans, curve);
        }
    }
    scale(buf, area, plot, &range, look);
}

fn finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

/// What the plot spans.
struct Range {
    x: (f64, f64),
    y: (f64, f64),
}

impl Range {
    fn take(&mut self, (x, y): &(f64, f64)) {
        self.x = (self.x.0.min(*x), self.x.1.max(*x));
        self.y = (self.y.0.min(*y), self.y.1.max(*y));
    }

    /// Gives a flat curve some height, and a single point some length.
    fn widen(&mut self) {
        if self.y.1 - self.y.0 <= f64::EPSILON * self.y.1.abs().max(1.0) {
            let half = self.y.0.abs().max(1.0) * 0.05;
            self.y = (self.y.0 - half, self.y.1 + half);
        }
        if self.x.1 <= self.x.0 {
            self.x.1 = self.x.0 + 1.0;
        }
    }
}

/// For every column the lowest and highest row that the curve touches, rows counted from the top.
fn rasterise(points: &[(f64, f64)], range: &Range, (columns, rows): (usize, usize)) -> Vec<Option<(usize, usize)>> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; columns];
    if columns == 0 || rows == 0 {
        return spans;
    }
    let column = |x: f64| (x - range.x.0) / (range.x.1 - range.x.0) * (columns - 1) as f64;
    let row = |y: f64| {
        let share = ((range.y.1 - y) / (range.y.1 - range.y.0)).clamp(0.0, 1.0);
        (share * (rows - 1) as f64).round() as usize
    };
    let mut touch = |at: usize, y: f64| {
        let row = row(y);
        if let Some(span) = spans.get_mut(at) {
            *span = Some(span.map_or((row, row), |(top, bottom)| (top.min(row), bottom.max(row))));
        }
    };
    let mut before: Option<(f64, f64)> = None;
    for point in points {
        if !finite(point) {
            before = None;
            continue;
        }
        let at = column(point.0).round() as usize;
        if let Some(last) = before {
            // The line between two points, at the columns between theirs.
            let from = column(last.0).round() as usize;
            for between in from + 1..at {
                let share = (between - from) as f64 / (at - from) as f64;
                touch(between, last.1 + share * (point.1 - last.1));
            }
        }
        touch(at, point.1);
        before = Some(*point);
    }
    join(&mut spans);
    spans
}

/// Lengthens the spans so that neighbours touch: a curve, not a cloud.
fn join(spans: &mut [Option<(usize, usize)>]) {
    for i in 1..spans.len() {
        if let (Some((top, bottom)), Some((next_top, next_bottom))) = (spans[i - 1], spans[i]) {
            if next_top > bottom + 1 {
                spans[i] = Some((bottom + 1, next_bottom));
            } else if top > next_bottom + 1 {
                spans[i] = Some((next_top, top - 1));
            }
        }
    }
}

fn draw_braille(buf: &mut Buffer, plot: Rect, spans: &[Option<(usize, usize)>], style: Style) {
    /// Bits of the dots of a braille character, by column and row.
    const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    for (x, pair) in (plot.left()..plot.right()).zip(spans.chunks(2)) {
        for y in 0..usize::from(plot.height) {
            let mut bits = 0;
            for (span, dots) in pair.iter().zip(DOTS) {
                let Some((top, bottom)) = *span else { continue };
                for (dot, bit) in dots.into_iter().enumerate() {
                    if (top..=bottom).contains(&(4 * y + dot)) {
                        bits |= bit;
                    }
                }
            }
            if bits != 0
                && let Some(cell) = buf.cell_mut((x, plot.y + y as u16))
            {
                let under = cell.symbol().chars().next().map_or(0, u32::from);
                let under = if (0x2800..0x2900).contains(&under) { under - 0x2800 } else { 0 };
                cell.set_char(char::from_u32(0x2800 + (bits | under)).unwrap_or(' ')).set_style(style);
            }
        }
    }
}

fn draw_marks(buf: &mut Buffer, plot: Rect, spans: &[Option<(usize, usize)>], curve: &Curve) {
    for (x, span) in (plot.left()..plot.right()).zip(spans) {
        let Some((top, bottom)) = *span else { continue };
        for y in top..=bottom {
            if let Some(cell) = buf.cell_mut((x, plot.y + y as u16)) {
                cell.set_symbol(curve.mark).set_style(curve.style);
            }
        }
    }
}

/// The axes: largest and smallest value at the left, the middle where there is room, steps below.
fn scale(buf: &mut Buffer, area: Rect, plot: Rect, range: &Range, look: Look) {
    let glyphs = look.glyphs();
    let last = plot.height - 1;
    for y in 0..plot.height {
        let share = f64::from(y) / f64::from(last.max(1));
        let value = range.y.1 - share * (range.y.1 - range.y.0);
        let has_figure = y == 0 || y == last || (last >= 4 && last.is_multiple_of(2) && y == last / 2);
        let text = if has_figure { figure(value) } else { String::new() };
        let text = format!("{text:>7} {}", glyphs.vertical);
        buf.set_stringn(area.x, plot.y + y, text, usize::from(MARGIN), look.faint());
    }
    let (from, to) = (format!("step {:.0}", range.x.0), format!("{:.0}", range.x.1));
    let room = usize::from(plot.width).saturating_sub(width(&to));
    let line = format!("{}{to}", pad(&from, room, ""));
    buf.set_stringn(plot.x, plot.bottom(), line, usize::from(plot.width), look.faint());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::palette::Depth;
    use proptest::prelude::*;

    fn range(points: &[(f64, f64)]) -> Range {
        let mut range = Range { x: (points[0].0, points[0].0), y: (points[0].1, points[0].1) };
        points.iter().for_each(|point| range.take(point));
        range.widen();
        range
    }

    #[test]
    fn a_spike_of_one_step_in_fifty_thousand_survives() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_234].1 = 9.0;
        points[7_001].1 = -3.0;
        let spans = rasterise(&points, &range(&points), (60, 20));
        assert_eq!(spans.iter().flatten().map(|span| span.0).min(), Some(0));
        assert_eq!(spans.iter().flatten().map(|span| span.1).max(), Some(19));
    }

    #[test]
    fn few_points_are_joined_by_lines() {
        let points = [(1.0, 0.0), (11.0, 10.0)];
        let spans = rasterise(&points, &range(&points), (11, 11));
        let expected: Vec<_> = (0..11).map(|i| Some((10 - i, 10 - i))).collect();
        assert_eq!(spans, expected);
    }

    #[test]
    fn a_value_that_is_no_number_leaves_a_gap() {
        let points = [(0.0, 1.0), (5.0, f64::NAN), (10.0, 1.0)];
        let spans = rasterise(&points, &range(&[points[0], points[2]]), (11, 3));
        assert_eq!(spans.iter().flatten().count(), 2);
    }

    proptest! {
        #[test]
        fn any_points_on_any_area_are_drawn_without_a_panic(
            values in prop::collection::vec(prop::num::f64::ANY, 0..50),
            width in 0u16..90,
            height in 0u16..12,
            unicode: bool,
            colour: bool,
        ) {
            let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            let area = Rect::new(0, 0, width, height);
            let mut buf = Buffer::empty(area);
            let depth = if colour { Depth::Many } else { Depth::None };
            let look = Look { depth, unicode, letters: true };
            let curve = || Curve { points: &points, style: Style::new(), mark: "*" };
            draw(&mut buf, area, &[curve(), curve()], look);
        }
    }
}
