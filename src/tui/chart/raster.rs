//! Curves as cells: which a curve touches, and how they are drawn, as dots of braille or as marks.

use super::lens::hull;
use super::trace::Points;
use crate::tui::draw::anew;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A value where it is drawn: itself, or its logarithm.
pub fn scaled(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// Whether a value can be drawn: a number, above 0 where it is its logarithm that is drawn.
pub fn has_place(value: f64, log: bool) -> bool {
    value.is_finite() && (value > 0.0 || !log)
}

/// What the plot spans.
pub struct Range {
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Range {
    /// How far down from the top a value is, as a share of the height. By quarters: the height itself may be too large for a
    /// number.
    pub fn down(&self, y: f64) -> f64 {
        (self.y.1 / 4.0 - y / 4.0) / (self.y.1 / 4.0 - self.y.0 / 4.0)
    }

    /// The value so far down.
    pub fn value_at(&self, down: f64) -> f64 {
        self.y.1 * (1.0 - down) + self.y.0 * down
    }

    /// What curves span whose places are between these; some height for what is flat, some length for a single point.
    pub fn of(x: (f64, f64), (low, high): (f64, f64)) -> Range {
        let y = if high - low <= f64::EPSILON * high.abs().max(1.0) {
            let half = low.abs().max(1.0) * 0.05;
            ((low - half).max(f64::MIN), (high + half).min(f64::MAX))
        } else {
            (low, high)
        };
        Range { x: lengthened(x), y }
    }
}

/// Gives a single place some length.
pub fn lengthened((from, to): (f64, f64)) -> (f64, f64) {
    (from, if to <= from { from + 1.0 } else { to })
}

/// A curve in the columns of a plot, made in one pass over its points, however many there are.
pub struct Columns {
    x: (f64, f64),
    log: bool,
    /// The least and the largest value of each, as it is scaled.
    spans: Vec<Option<(f64, f64)>>,
    /// The points since the last gap that share a column, as they were told: a logarithm costs more than all the rest.
    stroke: Option<Stroke>,
    /// The last point with a value that is not beyond the end.
    last: Option<(f64, f64)>,
}

/// Points of one column.
#[derive(Clone, Copy)]
struct Stroke {
    column: usize,
    /// Where the next column begins on the axis.
    until: f64,
    low: f64,
    high: f64,
    last: (f64, f64),
}

impl Columns {
    /// `count` columns from one place on the axis to another.
    pub fn of(points: &dyn Points, x: (f64, f64), count: usize, log: bool) -> Columns {
        let mut columns = Columns { x, log, spans: vec![None; count], stroke: None, last: None };
        if count > 0 {
            points.blocks(&mut |block| columns.take(block));
            columns.lift();
        }
        columns
    }

    fn take(&mut self, block: &[(f64, f64)]) {
        let log = self.log;
        for (x, value) in block {
            let (x, value) = (*x, *value);
            match &mut self.stroke {
                // Nearly all points of a long run: as little as can be is done for each.
                Some(stroke) if x < stroke.until && has_place(value, log) => {
                    stroke.low = stroke.low.min(value);
                    stroke.high = stroke.high.max(value);
                    stroke.last = (x, value);
                }
                _ => self.begin(x, value),
            }
        }
    }

    /// Takes a point that is the first of its column, or in none.
    fn begin(&mut self, x: f64, value: f64) {
        let before = self.stroke;
        self.lift();
        let ((from, to), is_shown) = (self.x, x.is_finite() && has_place(value, self.log));
        if !is_shown || x > to || x < from {
            if is_shown && x < from {
                self.last = Some((x, value));
            }
            return;
        }
        let width = (to - from) / (self.spans.len() - 1).max(1) as f64;
        // What is cut here is what is rounded: no place is before the first.
        let column = ((x - from) / width + 0.5) as usize;
        if let Some(before) = before.filter(|before| before.column + 1 < column) {
            self.connect(before, column, value);
        }
        let until = (from + (column as f64 + 0.5) * width).min(to);
        self.stroke = Some(Stroke { column, until, low: value, high: value, last: (x, value) });
    }

    /// Draws what is in hand; what follows is not joined to it.
    fn lift(&mut self) {
        if let Some(Stroke { column, low, high, last, .. }) = self.stroke.take() {
            self.touch(column, scaled(low, self.log));
            self.touch(column, scaled(high, self.log));
            self.last = Some(last);
        }
    }

    /// The line from the last point of a stroke to one further on, at the columns between theirs.
    fn connect(&mut self, before: Stroke, column: usize, value: f64) {
        let (last, value) = (scaled(before.last.1, self.log), scaled(value, self.log));
        for between in before.column + 1..column {
            let share = (between - before.column) as f64 / (column - before.column) as f64;
            self.touch(between, last * (1.0 - share) + value * share);
        }
    }

    /// The place of the last point that is not beyond the end, and its value, as it is scaled.
    pub fn last(&self) -> Option<(f64, f64)> {
        self.last.map(|(x, value)| (x, scaled(value, self.log)))
    }

    fn touch(&mut self, column: usize, value: f64) {
        if let Some(span) = self.spans.get_mut(column) {
            *span = Some(span.map_or((value, value), |span| hull(span, (value, value))));
        }
    }

    /// The least and the largest value; none where there is no point in sight.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        self.spans.iter().flatten().copied().reduce(hull)
    }

    /// For every column the lowest and highest row that the curve touches, rows counted from the top.
    pub fn rows(&self, range: &Range, rows: usize) -> Vec<Option<(usize, usize)>> {
        let row = |y: f64| (range.down(y).clamp(0.0, 1.0) * rows.saturating_sub(1) as f64).round() as usize;
        let mut spans: Vec<Option<(usize, usize)>> =
            self.spans.iter().map(|span| span.map(|(low, high)| (row(high), row(low)))).collect();
        join(&mut spans);
        spans
    }
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

    fn rows(points: Vec<(f64, f64)>, (columns, rows): (usize, usize)) -> Vec<Option<(usize, usize)>> {
        let x = points.ends(&|value| value.is_finite()).unwrap();
        let columns = Columns::of(&points, x, columns, false);
        columns.rows(&Range::of(x, columns.extremes().unwrap()), rows)
    }

    #[test]
    fn a_spike_of_one_step_in_fifty_thousand_survives() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_234].1 = 9.0;
        points[7_001].1 = -3.0;
        let spans = rows(points, (60, 20));
        assert_eq!(spans.iter().flatten().map(|span| span.0).min(), Some(0));
        assert_eq!(spans.iter().flatten().map(|span| span.1).max(), Some(19));
    }

    #[test]
    fn few_points_are_joined_by_lines() {
        let expected: Vec<_> = (0..11).map(|i| Some((10 - i, 10 - i))).collect();
        assert_eq!(rows(vec![(1.0, 0.0), (11.0, 10.0)], (11, 11)), expected);
    }

    #[test]
    fn a_value_that_is_no_number_leaves_a_gap() {
        let spans = rows(vec![(0.0, 1.0), (5.0, f64::NAN), (10.0, 1.0)], (11, 3));
        assert_eq!(spans.iter().flatten().count(), 2);
    }

    #[test]
    fn on_a_log_scale_columns_are_of_logarithms_and_what_has_none_leaves_a_gap() {
        let points = vec![(0.0, 10.0), (2.0, 1000.0), (3.0, 0.0), (4.0, -5.0), (6.0, 100.0)];
        let columns = Columns::of(&points, (0.0, 6.0), 7, true);
        let one = |value| Some((value, value));
        assert_eq!(columns.spans, [one(1.0), one(2.0), one(3.0), None, None, None, one(2.0)]);
        assert_eq!((columns.extremes(), columns.last()), (Some((1.0, 3.0)), Some((6.0, 2.0))));
    }

    #[test]
    fn what_is_not_in_sight_is_not_joined_to_what_is() {
        let points = vec![(0.0, 1.0), (4.0, 2.0), (6.0, 3.0), (10.0, 9.0)];
        let columns = Columns::of(&points, (4.0, 8.0), 5, false);
        assert_eq!(columns.spans, [Some((2.0, 2.0)), Some((2.5, 2.5)), Some((3.0, 3.0)), None, None]);
        assert_eq!((columns.extremes(), columns.last()), (Some((2.0, 3.0)), Some((6.0, 3.0))));
        // A name stands beside the end of a curve that ends before.
        assert_eq!(Columns::of(&points, (20.0, 30.0), 5, false).last(), Some((10.0, 9.0)));
    }
}
