//! Curves as characters. Every column draws its smallest and largest value, so that a spike of one step survives.

mod lens;
mod raster;
mod trace;

pub use lens::{Extent, Lens, extent, hull};
pub use trace::{BLOCK, Points, Take, Trace};

use crate::run::history::Axis;
use crate::tui::draw::anew;
use crate::tui::look::Look;
use crate::tui::text::{duration, figure, pad, width};
use raster::{Columns, Range, draw_braille, draw_marks, has_place, lengthened, scaled};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// One curve, drawn over those before it.
pub struct Curve<'a> {
    pub points: &'a dyn Points,
    pub style: Style,
    /// The character where there is no braille, or no colour to tell curves apart.
    pub mark: &'static str,
}

/// A value as a line across, on a part of the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pub value: f64,
    pub from: f64,
    pub to: f64,
}

impl Level {
    /// From end to end.
    pub fn all_along(value: f64) -> Level {
        Level { value, from: f64::NEG_INFINITY, to: f64::INFINITY }
    }
}

/// What is drawn, and how.
#[derive(Default)]
pub struct Plot<'a> {
    pub curves: &'a [Curve<'a>],
    /// Curves below all others, e.g. of what is smoothed.
    pub beneath: &'a [Curve<'a>],
    /// What stands right of the plot for each of `curves`, at its end; none at all where it is empty.
    pub names: &'a [String],
    /// So many of the last curves have their marks behind their ends, so that no colour is needed to tell them apart.
    pub named: usize,
    /// Values that are drawn as a line across, e.g. a threshold.
    pub levels: &'a [Level],
    pub axis: Axis,
    /// What to say beside the axis.
    pub note: &'a str,
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
    let inner = Rect { x: area.x + MARGIN, y: area.y, width: area.width - MARGIN, height: area.height - 1 };
    let marks = if plot.named > 0 && area.width > MARGIN + 2 * NAMES + 8 { NAMES } else { 0 };
    // A blank before each name, where they leave enough for the curves.
    let longest = plot.names.iter().map(|name| width(name) + 1).max().unwrap_or(0);
    let a_line = plot.names.len().div_ceil(usize::from(inner.height));
    let names = u16::try_from(longest * a_line).ok().filter(|names| *names < inner.width / 2).unwrap_or(0);
    let inner = Rect { width: inner.width - marks - names, ..inner };
    // Braille has 2 by 4 dots in a cell; several curves in it need colour to be told apart.
    let braille = look.unicode && (look.is_coloured() || plot.curves.len() == 1 && plot.beneath.is_empty());
    let dots = if braille { (2, 4) } else { (1, 1) };
    let size = (usize::from(inner.width) * dots.0, usize::from(inner.height) * dots.1);
    let is_shown = |value: f64| has_place(value, plot.log);
    let ends = || {
        let all = plot.beneath.iter().chain(plot.curves).filter_map(|curve| curve.points.ends(&is_shown));
        all.reduce(hull)
    };
    let x = plot.range.or_else(ends).map(lengthened);
    let columns_of = |curve: &Curve| Some(Columns::of(curve.points, x?, size.0, plot.log));
    let beneath: Vec<Columns> = plot.beneath.iter().filter_map(columns_of).collect();
    let above: Vec<Columns> = plot.curves.iter().filter_map(columns_of).collect();
    let extremes = beneath.iter().chain(&above).filter_map(Columns::extremes);
    let extremes = extremes.reduce(hull);
    let Some((x, extremes)) = x.zip(extremes) else {
        let (y, room) = (inner.y + inner.height / 2, usize::from(inner.width));
        buf.set_stringn(inner.x, y, why_empty(plot), room, look.faint());
        return;
    };
    let levels = plot.levels.iter().map(|level| scaled(level.value, plot.log)).filter(|level| level.is_finite());
    let range = Range::of(x, levels.fold(extremes, |range, level| hull(range, (level, level))));
    for level in plot.levels {
        draw_level(buf, inner, &range, *level, plot.log, look);
    }
    for (place, style) in [(plot.moment, look.accent()), (plot.cursor, look.strong())] {
        draw_place(buf, inner, &range, place, style, look);
    }
    let mut draw_curve = |curve: &Curve, columns: &Columns, taken: Option<&mut [bool]>| {
        let spans = columns.rows(&range, size.1);
        match braille {
            true => draw_braille(buf, inner, &spans, curve.style, taken),
            false => draw_marks(buf, inner, &spans, curve.mark, curve.style),
        }
    };
    for (curve, columns) in plot.beneath.iter().zip(&beneath) {
        draw_curve(curve, columns, None);
    }
    // The cells of the curves that hide what is beneath them.
    let mut taken = vec![false; usize::from(inner.width) * usize::from(inner.height)];
    for (curve, columns) in plot.curves.iter().zip(&above) {
        draw_curve(curve, columns, Some(&mut taken));
    }
    if names > 0 {
        let column = Rect { x: inner.right() + 1, width: names - 1, ..inner };
        draw_names(buf, column, &range, plot, &above, a_line);
    }
    if marks > 0 {
        name_ends(buf, inner, &range, plot, &above, look);
    }
    scale(buf, area, inner, &range, plot, look);
    for level in plot.levels {
        // Its figure stands at the scale, since curves may hide the line.
        if let Some(y) = level_row(inner, &range, scaled(level.value, plot.log)) {
            let text = format!("{:>7} {}", at_scale(level.value), look.glyphs().pointer);
            buf.set_stringn(area.x, y, text, usize::from(MARGIN), look.strong());
        }
    }
}

/// Why nothing is drawn.
fn why_empty<'a>(plot: &Plot<'a>) -> &'a str {
    let has = |log| plot.curves.iter().any(|curve| curve.points.ends(&|value| has_place(value, log)).is_some());
    match (has(false), has(plot.log)) {
        (true, true) => "no value in this part of the axis",
        (true, false) => "no value above 0, which a log scale needs",
        (false, _) => plot.empty,
    }
}

/// A figure in the columns before an axis.
fn at_scale(value: f64) -> String {
    let text = figure(value);
    // An exponent of three digits.
    if text.len() > usize::from(MARGIN) - 2 { format!("{value:.0e}") } else { text }
}

/// The line of the screen on which a value is, where it is in sight.
fn level_row(plot: Rect, range: &Range, level: f64) -> Option<u16> {
    (0.0..=1.0).contains(&range.down(level)).then(|| plot.y + row_of(range, level, plot.height))
}

/// The line of `height` on which a value is, or the one nearest to it.
fn row_of(range: &Range, value: f64, height: u16) -> u16 {
    (range.down(value).clamp(0.0, 1.0) * f64::from(height.saturating_sub(1))).round() as u16
}

/// A line across, below the curves.
fn draw_level(buf: &mut Buffer, plot: Rect, range: &Range, level: Level, log: bool, look: Look) {
    let Some(y) = level_row(plot, range, scaled(level.value, log)) else { return };
    let column = |x: f64| {
        let share = ((x - range.x.0) / (range.x.1 - range.x.0)).clamp(0.0, 1.0);
        (share * f64::from(plot.width.saturating_sub(1))).round() as u16
    };
    let (first, last) = (column(level.from), column(level.to));
    let columns = usize::from((last + 1).saturating_sub(first));
    buf.set_stringn(plot.x + first, y, look.glyphs().rule.repeat(columns), columns, look.faint());
}

/// A line down, below the curves.
fn draw_place(buf: &mut Buffer, plot: Rect, range: &Range, place: Option<f64>, style: Style, look: Look) {
    let share = place.map(|x| (x - range.x.0) / (range.x.1 - range.x.0));
    let Some(share) = share.filter(|share| (0.0..=1.0).contains(share)) else { return };
    let x = plot.x + (share * f64::from(plot.width - 1)).round() as u16;
    for y in plot.top()..plot.bottom() {
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_symbol(look.glyphs().vertical).set_style(anew(style));
        }
    }
}

/// The marks of the curves behind their last values in sight; where two end at one place, one stands above or below it.
fn name_ends(buf: &mut Buffer, inner: Rect, range: &Range, plot: &Plot, columns: &[Columns], look: Look) {
    let mut taken: Vec<(u16, u16)> = Vec::new();
    let named = plot.curves.len().saturating_sub(plot.named);
    for (curve, columns) in plot.curves.iter().zip(columns).skip(named) {
        let Some((x, value)) = columns.last().filter(|(x, _)| *x >= range.x.0) else { continue };
        let Some(row) = level_row(inner, range, value) else { continue };
        let share = (x - range.x.0) / (range.x.1 - range.x.0);
        let x = inner.x + (share * f64::from(inner.width - 1)).round() as u16 + 1;
        let mut rows: Vec<u16> = (inner.top()..inner.bottom()).collect();
        rows.sort_by_key(|y| y.abs_diff(row));
        let Some(y) = rows.into_iter().find(|y| !taken.contains(&(x, *y))) else { continue };
        taken.push((x, y));
        if let Some(cell) = buf.cell_mut((x, y)) {
            cell.set_symbol(curve.mark).set_style(anew(curve.style.patch(look.strong())));
        }
    }
}

/// The names of the curves beside their right ends, in the order of these ends: `a_line` of them on each line, from the top of
/// `column` down, as near to the ends as those after them leave room for.
fn draw_names(buf: &mut Buffer, column: Rect, range: &Range, plot: &Plot, columns: &[Columns], a_line: usize) {
    let end = |(curve, columns): (usize, &Columns)| Some((curve, columns.last()?.1));
    let mut ends: Vec<(usize, f64)> = columns.iter().enumerate().filter_map(end).collect();
    ends.sort_by(|a, b| b.1.total_cmp(&a.1));
    let lines: Vec<&[(usize, f64)]> = ends.chunks(a_line.max(1)).collect();
    let mut next = 0;
    for (place, curves) in lines.iter().enumerate() {
        let last = (usize::from(column.height) + place).saturating_sub(lines.len());
        let wanted = curves.first().map_or(0, |(_, end)| usize::from(row_of(range, *end, column.height)));
        let row = wanted.max(next).min(last);
        next = row + 1;
        let mut x = column.x;
        for (curve, _) in *curves {
            let Some(name) = plot.names.get(*curve) else { continue };
            let room = usize::from(column.right().saturating_sub(x));
            (x, _) = buf.set_stringn(x, column.y + row as u16, name, room, plot.curves[*curve].style);
            x += 1;
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
        let text = if has_figure(y, last) { at_scale(value) } else { String::new() };
        let text = format!("{text:>7} {}", glyphs.vertical);
        buf.set_stringn(area.x, inner.y + y, text, usize::from(MARGIN), look.faint());
    }
    let log = if plot.log { ", values on a log scale" } else { "" };
    let note = if plot.note.is_empty() { String::new() } else { format!(", {}", plot.note) };
    let from = format!("{} {}{log}{note}", plot.axis.name(), place(plot.axis, range.x.0));
    let to = place(plot.axis, range.x.1);
    let room = usize::from(inner.width).saturating_sub(width(&to));
    let line = format!("{}{to}", pad(&from, room, ""));
    buf.set_stringn(inner.x, inner.bottom(), line, usize::from(inner.width), look.faint());
}

/// Whether a line of a scale has a figure: the ends, and lines between them about as far from each other as 5.
fn has_figure(y: u16, last: u16) -> bool {
    let parts = if last < 4 { 1 } else { (last / 5).max(2) };
    (0..=parts).any(|part| (f64::from(part * last) / f64::from(parts)).round() as u16 == y)
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
        fn of<'a>(points: &'a Vec<(f64, f64)>, mark: &'static str) -> Curve<'a> {
            Curve { points, style: Style::new(), mark }
        }
        let short = points[..10].to_vec();
        let curves = [of(&points, "."), of(&points, "1"), of(&points, "2"), of(&short, "3")];
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
            let points = vec![(0.0, values[0]), (5.0, values[1])];
            let mut buf = Buffer::empty(area);
            let curves = [Curve { points: &points, style: Style::new(), mark: "*" }];
            draw(&mut buf, area, &Plot { curves: &curves, ..Plot::default() }, look);
            let text = (0..8).flat_map(|y| (0..60).map(move |x| (x, y))).map(|at| buf[at].symbol()).collect::<String>();
            assert!(text.contains("e308") && !text.contains("nan") && !text.contains("inf"), "{text}");
            assert!((0..7).all(|y| buf[(8, y)].symbol() == "│"), "{text}");
        }
    }

    #[test]
    fn why_nothing_is_drawn_is_told() {
        let says = |values: [f64; 2], plot: Plot| {
            let points = vec![(1.0, values[0]), (9.0, values[1])];
            let curves = [Curve { points: &points, style: Style::new(), mark: "*" }];
            why_empty(&Plot { curves: &curves, empty: "no steps yet", ..plot }).to_owned()
        };
        assert_eq!(says([f64::NAN; 2], Plot::default()), "no steps yet");
        assert_eq!(
            says([0.0, -1.0], Plot { log: true, ..Plot::default() }),
            "no value above 0, which a log scale needs"
        );
        assert_eq!(
            says([1.0; 2], Plot { range: Some((2.0, 3.0)), ..Plot::default() }),
            "no value in this part of the axis"
        );
    }

    #[test]
    fn a_scale_has_figures_at_its_ends_and_between_them() {
        let lines = |last: u16| (0..=last).filter(|y| has_figure(*y, last)).collect::<Vec<_>>();
        assert_eq!((lines(0), lines(3), lines(4)), (vec![0], vec![0, 3], vec![0, 2, 4]));
        assert_eq!((lines(7), lines(21)), (vec![0, 4, 7], vec![0, 5, 11, 16, 21]));
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
                levels: &[Level { to: place.unwrap_or(9.0), ..Level::all_along(place.unwrap_or(0.5)) }],
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
