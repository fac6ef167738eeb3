//! Curves as characters. Every column draws its smallest and largest value, so that a spike of one step survives.

mod lens;

pub use lens::{Extent, Lens, extent, smoothed};

use crate::run::history::Axis;
use crate::tui::look::Look;
use crate::tui::text::{duration, figure, pad, width};
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

/// What is drawn, and how.
#[derive(Default)]
pub struct Plot<'a> {
    pub curves: &'a [Curve<'a>],
    /// So many of the last curves have their marks behind their ends, so that no colour is needed to tell them apart.
    pub named: usize,
    /// Values that are drawn as a line across, e.g. a threshold.
    pub levels: &'a [f64],
    pub axis: Axis,
    /// Whether the values are spaced by their logarithm; those that have none are left out.
    pub log: bool,
    /// The part of the axis to show; all that there is where none.
    pub range: Option<(f64, f64)>,
    /// Places on the axis that are marked by a line down: the moment that is shown, the cursor.
    pub moment: Option<f64>,
    pub cursor: Option<f64>,
    /// What to say where there is nothing to draw.
    pub empty: &'a str,
}

/// Columns left of the plot: a figure and the axis.
const MARGIN: u16 = 9;
/// And right of it, for the marks behind the curves.
const NAMES: u16 = 2;

/// Columns that are left for the curves.
pub fn plot_columns(width: u16) -> usize {
    usize::from(width.saturating_sub(MARGIN))
}

/// Draws curves with a scale at the left and the ends of the axis below. Needs 2 lines and some columns to show anything.
pub fn draw(buf: &mut Buffer, area: Rect, plot: &Plot, look: Look) {
    if area.height < 2 || area.width < MARGIN + 8 {
        return;
    }
    let names = if plot.named > 0 && area.width > MARGIN + 2 * NAMES + 8 { NAMES } else { 0 };
    let inner = Rect { x: area.x + MARGIN, y: area.y, width: area.width - MARGIN - names, height: area.height - 1 };
    let shown = |point: &&(f64, f64)| {
        point.0.is_finite()
            && scaled(point.1, plot.log).is_finite()
            && plot.range.is_none_or(|(from, to)| point.0 >= from && point.0 <= to)
    };
    let mut all = plot.curves.iter().flat_map(|curve| curve.points).filter(shown);
    let Some(first) = all.next() else {
        buf.set_stringn(inner.x, inner.y + inner.height / 2, plot.empty, usize::from(inner.width), look.faint());
        return;
    };
    let y = scaled(first.1, plot.log);
    let mut range = Range { x: (first.0, first.0), y: (y, y) };
    all.for_each(|point| range.take((point.0, scaled(point.1, plot.log))));
    if let Some((from, to)) = plot.range {
        range.x = (from, to);
    }
    for level in plot.levels.iter().map(|level| scaled(*level, plot.log)).filter(|level| level.is_finite()) {
        range.y = (range.y.0.min(level), range.y.1.max(level));
    }
    range.widen();

    // Braille has 2 by 4 dots in a cell; several curves in it need colour to be told apart.
    let braille = look.unicode && (look.is_coloured() || plot.curves.len() == 1);
    let dots = if braille { (2, 4) } else { (1, 1) };
    let size = (usize::from(inner.width) * dots.0, usize::from(inner.height) * dots.1);
    for level in plot.levels {
        draw_level(buf, inner, &range, scaled(*level, plot.log), look);
    }
    for (place, style) in [(plot.moment, look.accent()), (plot.cursor, look.strong())] {
        draw_place(buf, inner, &range, place, style, look);
    }
    for curve in plot.curves {
        let spans = rasterise(curve.points, &range, size, plot.log);
        if braille {
            draw_braille(buf, inner, &spans, curve.style);
        } else {
            draw_marks(buf, inner, &spans, curve);
        }
    }
    if names > 0 {
        name_ends(buf, inner, &range, plot, look);
    }
    scale(buf, area, inner, &range, plot, look);
    for level in plot.levels {
        // Its figure stands at the scale, since curves may hide the line.
        if let Some(y) = level_row(inner, &range, scaled(*level, plot.log)) {
            let text = format!("{:>7} {}", figure(*level), look.glyphs().pointer);
            buf.set_stringn(area.x, y, text, usize::from(MARGIN), look.strong());
        }
    }
}

fn scaled(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// The line of the screen on which a value is, where it is in sight.
fn level_row(plot: Rect, range: &Range, level: f64) -> Option<u16> {
    let share = range.down(level);
    (0.0..=1.0).contains(&share).then(|| plot.y + (share * f64::from(plot.height - 1)).round() as u16)
}

/// A line across, below the curves.
fn draw_level(buf: &mut Buffer, plot: Rect, range: &Range, level: f64, look: Look) {
    let Some(y) = level_row(plot, range, level) else { return };
    let glyph = look.glyphs().rule;
    buf.set_stringn(plot.x, y, glyph.repeat(usize::from(plot.width)), usize::from(plot.width), look.faint());
}

/// A line down, below the curves.
fn draw_place(buf: &mut Buffer, plot: Rect, range: &Range, place: Option<f64>, style: Style, look: Look) {
    let share = place.map(|x| (x - range.x.0) / (range.x.1 - range.x.0));
    let Some(share) = share.filter(|share| (0.0..=1.0).contains(share)) else { return };
    let x = plot.x + (share * f64::from(plot.width - 1)).round() as u16;
    for y in plot.top()..plot.bottom() {
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_symbol(look.glyphs().vertical).set_style(style);
        }
    }
}

/// What the plot spans.
struct Range {
    x: (f64, f64),
    y: (f64, f64),
}

impl Range {
    fn take(&mut self, (x, y): (f64, f64)) {
        self.x = (self.x.0.min(x), self.x.1.max(x));
        self.y = (self.y.0.min(y), self.y.1.max(y));
    }

    /// How far down from the top a value is, as a share of the height. By quarters: the height itself may be too large for a
    /// number.
    fn down(&self, y: f64) -> f64 {
        (self.y.1 / 4.0 - y / 4.0) / (self.y.1 / 4.0 - self.y.0 / 4.0)
    }

    /// The value so far down.
    fn value_at(&self, down: f64) -> f64 {
        self.y.1 * (1.0 - down) + self.y.0 * down
    }

    /// Gives a flat curve some height, and a single point some length.
    fn widen(&mut self) {
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
fn rasterise(
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

/// The marks of the curves behind their last values in sight; where two end at one place, one stands above or below it.
fn name_ends(buf: &mut Buffer, inner: Rect, range: &Range, plot: &Plot, look: Look) {
    let mut taken: Vec<(u16, u16)> = Vec::new();
    for curve in &plot.curves[plot.curves.len().saturating_sub(plot.named)..] {
        let in_sight =
            |point: &&(f64, f64)| (range.x.0..=range.x.1).contains(&point.0) && scaled(point.1, plot.log).is_finite();
        let Some((x, value)) = curve.points.iter().rev().find(in_sight) else { continue };
        let Some(row) = level_row(inner, range, scaled(*value, plot.log)) else { continue };
        let share = (x - range.x.0) / (range.x.1 - range.x.0);
        let x = inner.x + (share * f64::from(inner.width - 1)).round() as u16 + 1;
        let mut rows: Vec<u16> = (inner.top()..inner.bottom()).collect();
        rows.sort_by_key(|y| y.abs_diff(row));
        let Some(y) = rows.into_iter().find(|y| !taken.contains(&(x, *y))) else { continue };
        taken.push((x, y));
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_symbol(curve.mark).set_style(curve.style.patch(look.strong()));
        }
    }
}

/// The axes: largest and smallest value at the left, the middle where there is room, the ends of the axis below.
fn scale(buf: &mut Buffer, area: Rect, inner: Rect, range: &Range, plot: &Plot, look: Look) {
    let glyphs = look.glyphs();
    let last = inner.height - 1;
    for y in 0..inner.height {
        let share = f64::from(y) / f64::from(last.max(1));
        let value = range.value_at(share);
        let value = if plot.log { 10f64.powf(value).min(f64::MAX) } else { value };
        let has_figure = y == 0 || y == last || (last >= 4 && last.is_multiple_of(2) && y == last / 2);
        let text = if has_figure { figure(value) } else { String::new() };
        let text = format!("{text:>7} {}", glyphs.vertical);
        buf.set_stringn(area.x, inner.y + y, text, usize::from(MARGIN), look.faint());
    }
    let log = if plot.log { ", values on a log scale" } else { "" };
    let from = format!("{} {}{log}", plot.axis.name(), place(plot.axis, range.x.0));
    let to = place(plot.axis, range.x.1);
    let room = usize::from(inner.width).saturating_sub(width(&to));
    let line = format!("{}{to}", pad(&from, room, ""));
    buf.set_stringn(inner.x, inner.bottom(), line, usize::from(inner.width), look.faint());
}

/// A place on an axis, in words.
pub fn place(axis: Axis, x: f64) -> String {
    match axis {
        Axis::Step => format!("{x:.0}"),
        Axis::Epoch => format!("{x:.2}"),
        Axis::Tokens => count(x),
        Axis::Time => duration(x),
    }
}

/// A large number in short: `940`, `12.3k`, `4.56M`.
fn count(x: f64) -> String {
    match x {
        _ if x < 1e4 => format!("{x:.0}"),
        _ if x < 1e6 => format!("{:.1}k", x / 1e3),
        _ if x < 1e9 => format!("{:.2}M", x / 1e6),
        _ => format!("{:.2}G", x / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::palette::Depth;
    use proptest::prelude::*;

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

    #[test]
    fn a_part_of_the_axis_is_scaled_to_what_is_in_it() {
        let points: Vec<(f64, f64)> =
            (0..100).map(|i| (f64::from(i), if i < 50 { 1000.0 } else { f64::from(i) })).collect();
        let area = Rect::new(0, 0, 60, 8);
        let mut buf = Buffer::empty(area);
        let look = Look { depth: Depth::Many, unicode: true, letters: true };
        let curves = [Curve { points: &points, style: Style::new(), mark: "*" }];
        draw(&mut buf, area, &Plot { curves: &curves, range: Some((60.0, 90.0)), ..Plot::default() }, look);
        let row = |y: u16| (0..60).map(|x| buf[(x, y)].symbol()).collect::<String>();
        assert!(row(0).contains("90.00") && row(6).contains("60.00"), "{} {}", row(0), row(6));
        assert!(row(7).contains("step 60") && row(7).trim_end().ends_with("90"));
    }

    #[test]
    fn curves_that_end_at_one_place_are_named_beside_each_other() {
        let points: Vec<(f64, f64)> = (0..30).map(|i| (f64::from(i), f64::from(i))).collect();
        let area = Rect::new(0, 0, 60, 8);
        let mut buf = Buffer::empty(area);
        let look = Look { depth: Depth::Many, unicode: true, letters: true };
        let of = |points, mark| Curve { points, style: Style::new(), mark };
        let curves = [of(&points[..], "."), of(&points, "1"), of(&points, "2"), of(&points[..10], "3")];
        draw(&mut buf, area, &Plot { curves: &curves, named: 3, ..Plot::default() }, look);
        let column = |x: u16| (0..7).map(|y| buf[(x, y)].symbol()).collect::<String>();
        assert!(column(58).starts_with("12"), "{:?}", column(58));
        let third = (0..60).find(|x| column(*x).contains('3'));
        assert!(third.is_some_and(|x| (20..30).contains(&x)), "{third:?}");
        assert!(!(9..60).any(|x| column(x).contains('.')), "what is not named has no mark in braille");
    }

    #[test]
    fn the_largest_numbers_have_a_scale() {
        let area = Rect::new(0, 0, 60, 8);
        let look = Look { depth: Depth::Many, unicode: true, letters: true };
        for values in [[1e308, -1e308], [f64::MAX, f64::MIN], [f64::MAX, f64::MAX]] {
            let points = [(0.0, values[0]), (5.0, values[1])];
            let mut buf = Buffer::empty(area);
            let curves = [Curve { points: &points, style: Style::new(), mark: "*" }];
            draw(&mut buf, area, &Plot { curves: &curves, ..Plot::default() }, look);
            let text = (0..8).flat_map(|y| (0..60).map(move |x| (x, y))).map(|at| buf[at].symbol()).collect::<String>();
            assert!(text.contains("e308") && !text.contains("nan") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn places_are_short() {
        assert_eq!(place(Axis::Tokens, 4_560_000.0), "4.56M");
        assert_eq!(place(Axis::Epoch, 1.5), "1.50");
        assert_eq!(place(Axis::Time, 125.0), "2 min 05 s");
    }

    proptest! {
        #[test]
        fn any_points_on_any_area_are_drawn_without_a_panic(
            values in prop::collection::vec(prop::num::f64::ANY, 0..50),
            width in 0u16..90,
            height in 0u16..12,
            unicode: bool,
            colour: bool,
            log: bool,
            named in 0usize..4,
            range in prop::option::of((prop::num::f64::ANY, prop::num::f64::ANY)),
            place in prop::option::of(prop::num::f64::ANY),
        ) {
            let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, y)| (i as f64, *y)).collect();
            let area = Rect::new(0, 0, width, height);
            let mut buf = Buffer::empty(area);
            let depth = if colour { Depth::Many } else { Depth::None };
            let look = Look { depth, unicode, letters: true };
            let curve = || Curve { points: &points, style: Style::new(), mark: "*" };
            let plot = Plot {
                curves: &[curve(), curve()],
                named,
                levels: &[place.unwrap_or(0.5)],
                log,
                range,
                moment: place,
                cursor: place,
                ..Plot::default()
            };
            draw(&mut buf, area, &plot, look);
        }
    }
}
