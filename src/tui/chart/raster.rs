//! Curves as cells: which a curve touches, and how they are drawn, as dots of braille or as marks.

use crate::tui::draw::anew;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A value where it is drawn: itself, or its logarithm.
pub fn scaled(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// What the plot spans.
pub struct Range {
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Range {
    pub fn take(&mut self, (x, y): (f64, f64)) {
        self.x = (self.x.0.min(x), self.x.1.max(x));
        self.y = (self.y.0.min(y), self.y.1.max(y));
    }

    /// How far down from the top a value is, as a share of the height. By quarters: the height itself may be too large for a
    /// number.
    pub fn down(&self, y: f64) -> f64 {
        (self.y.1 / 4.0 - y / 4.0) / (self.y.1 / 4.0 - self.y.0 / 4.0)
    }

    /// The value so far down.
    pub fn value_at(&self, down: f64) -> f64 {
        self.y.1 * (1.0 - down) + self.y.0 * down
    }

    /// Gives a flat curve some height, and a single point some length.
    pub fn widen(&mut self) {
        if self.y.1 - self.y.0 <= f64::EPSILON * self.y.1.abs().max(1.0) {
            let half = self.y.0.abs().max(1.0) * 0.05;
            self.y = ((self.y.0 - half).max(f64::MIN), (self.y.1 + half).min(f64::MAX));
        }
        if self.x.1 <= self.x.0 {
            self.x.1 = self.x.0 + 1.0;
        }
    }
}

/// For every column the lowest and highest row that the curve touches, rows counted from the top.
pub fn rasterise(
    points: &[(f64, f64)],
    range: &Range,
    (columns, rows): (usize, usize),
    log: bool,
) -> Vec<Option<(usize, usize)>> {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; columns];
    if columns == 0 || rows == 0 {
        return spans;
    }
    let column = |x: f64| (x - range.x.0) / (range.x.1 - range.x.0) * (columns - 1) as f64;
    let row = |y: f64| (range.down(y).clamp(0.0, 1.0) * (rows - 1) as f64).round() as usize;
    let mut touch = |at: usize, y: f64| {
        let row = row(y);
        if let Some(span) = spans.get_mut(at) {
            *span = Some(span.map_or((row, row), |(top, bottom)| (top.min(row), bottom.max(row))));
        }
    };
    let mut before: Option<(f64, f64)> = None;
    for point in points {
        let point = (point.0, scaled(point.1, log));
        if !point.0.is_finite() || !point.1.is_finite() || point.0 < range.x.0 || point.0 > range.x.1 {
            before = None;
            continue;
        }
        let at = column(point.0).round() as usize;
        if let Some(last) = before {
            // The line between two points, at the columns between theirs.
            let from = column(last.0).round() as usize;
            for between in from + 1..at {
                let share = (between - from) as f64 / (at - from) as f64;
                touch(between, last.1 * (1.0 - share) + point.1 * share);
            }
        }
        touch(at, point.1);
        before = Some(point);
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

/// `taken`: the cells of curves that share theirs with each other and hide all else; none: this one is hidden.
pub fn draw_braille(
    buf: &mut Buffer,
    plot: Rect,
    spans: &[Option<(usize, usize)>],
    style: Style,
    mut taken: Option<&mut [bool]>,
) {
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
                let mut under = if (0x2800..0x2900).contains(&under) { under - 0x2800 } else { 0 };
                let place = y * usize::from(plot.width) + usize::from(x - plot.x);
                if let Some(taken) = taken.as_mut().and_then(|taken| taken.get_mut(place))
                    && !std::mem::replace(taken, true)
                {
                    under = 0;
                }
                cell.set_char(char::from_u32(0x2800 + (bits | under)).unwrap_or(' ')).set_style(anew(style));
            }
        }
    }
}

pub fn draw_marks(buf: &mut Buffer, plot: Rect, spans: &[Option<(usize, usize)>], mark: &str, style: Style) {
    for (x, span) in (plot.left()..plot.right()).zip(spans) {
        let Some((top, bottom)) = *span else { continue };
        for y in top..=bottom {
            if let Some(cell) = buf.cell_mut((x, plot.y + y as u16)) {
                cell.set_symbol(mark).set_style(anew(style));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(points: &[(f64, f64)]) -> Range {
        let mut range = Range { x: (points[0].0, points[0].0), y: (points[0].1, points[0].1) };
        points.iter().for_each(|point| range.take(*point));
        range.widen();
        range
    }

    #[test]
    fn a_spike_of_one_step_in_fifty_thousand_survives() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_234].1 = 9.0;
        points[7_001].1 = -3.0;
        let spans = rasterise(&points, &range(&points), (60, 20), false);
        assert_eq!(spans.iter().flatten().map(|span| span.0).min(), Some(0));
        assert_eq!(spans.iter().flatten().map(|span| span.1).max(), Some(19));
    }

    #[test]
    fn few_points_are_joined_by_lines() {
        let points = [(1.0, 0.0), (11.0, 10.0)];
        let spans = rasterise(&points, &range(&points), (11, 11), false);
        let expected: Vec<_> = (0..11).map(|i| Some((10 - i, 10 - i))).collect();
        assert_eq!(spans, expected);
    }

    #[test]
    fn a_value_that_is_no_number_leaves_a_gap() {
        let points = [(0.0, 1.0), (5.0, f64::NAN), (10.0, 1.0)];
        let spans = rasterise(&points, &range(&[points[0], points[2]]), (11, 3), false);
        assert_eq!(spans.iter().flatten().count(), 2);
    }
}
