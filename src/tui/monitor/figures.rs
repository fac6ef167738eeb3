//! The figures of the training steps: which ones, over what, how smooth, and which part of them; drawn with a read-out.

use super::chart::{self, Curve as Line, Plot, plot_columns};
use super::{Curve, Monitor, Pane};
use crate::run::event::Phase;
use crate::run::history::{Axis, Curves, Metric};
use crate::tui::draw::{below, plain, span};
use crate::tui::look::Look;
use crate::tui::text::figure;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines below which there is no chart.
pub const LEAST_LINES: u16 = 4;
/// Weights of the running mean, the usual one first; 0: as it was logged.
const SMOOTHING: [f64; 4] = [0.6, 0.9, 0.98, 0.0];
/// The least part of the axis that a zoom leaves.
const LEAST_PART: f64 = 1e-4;

/// Figures that share a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    #[default]
    Losses,
    Gradient,
    Terms,
    Rates,
}

impl Group {
    const ALL: [Group; 4] = [Group::Losses, Group::Gradient, Group::Terms, Group::Rates];

    /// The figures.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Group::Losses => &[Metric::TrainLoss, Metric::ValidationLoss],
            Group::Gradient => &[Metric::GradNorm],
            Group::Terms => &[Metric::DirectNorm, Metric::MixedNorm],
            Group::Rates => &[Metric::Lr, Metric::SelectionLr],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Group::Losses => "losses",
            Group::Gradient => "gradient norm",
            Group::Terms => "hypergradient norms",
            Group::Rates => "learning rates",
        }
    }
}

/// How figures are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub group: Group,
    pub axis: Axis,
    pub log: bool,
    smoothing: usize,
    /// The part of the axis that is shown, as shares of what there is; to the end where it reaches 1.
    zoom: (f64, f64),
    /// The step with the cursor.
    pub cursor: Option<usize>,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { group: Group::Losses, axis: Axis::Step, log: false, smoothing: 0, zoom: (0.0, 1.0), cursor: None }
    }
}

impl Figures {
    /// The next group of which something was logged.
    pub fn next_group(&mut self, curves: &Curves) {
        let at = Group::ALL.iter().position(|group| *group == self.group).unwrap_or(0);
        let others = (1..=Group::ALL.len()).map(|i| Group::ALL[(at + i) % Group::ALL.len()]);
        let logged = |group: &Group| group.metrics().iter().any(|metric| curves.has(*metric));
        self.group = others.into_iter().find(logged).unwrap_or_default();
    }

    /// The next axis that can be told.
    pub fn next_axis(&mut self, curves: &Curves) {
        let at = Axis::ALL.iter().position(|axis| *axis == self.axis).unwrap_or(0);
        let mut others = (1..=Axis::ALL.len()).map(|i| Axis::ALL[(at + i) % Axis::ALL.len()]);
        self.axis = others.find(|axis| curves.has_axis(*axis)).unwrap_or_default();
    }

    /// The next weight of the running mean.
    pub fn smoothe(&mut self) {
        self.smoothing = (self.smoothing + 1) % SMOOTHING.len();
    }

    /// Half or twice the part that is shown, around the cursor, else at its end.
    pub fn zoom(&mut self, closer: bool, curves: &Curves) {
        let (from, to) = self.zoom;
        let width = ((to - from) * if closer { 0.5 } else { 2.0 }).clamp(LEAST_PART, 1.0);
        let cursor = self.cursor.and_then(|step| {
            let (first, last) = extent(curves, self.axis)?;
            let index = index_of(curves, step)?;
            Some(((curves.x(self.axis, index) - first) / (last - first).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0))
        });
        let end = cursor.map_or(to, |middle| middle + width / 2.0).clamp(width, 1.0);
        self.zoom = (end - width, end);
    }

    /// All that there is.
    pub fn reset(&mut self) {
        (self.zoom, self.cursor) = ((0.0, 1.0), None);
    }

    /// Moves the cursor by about a column of the chart; it begins at the newest step.
    pub fn move_cursor(&mut self, forward: bool, curves: &Curves, columns: u16) {
        let Some(newest) = curves.len().checked_sub(1) else { return };
        let (from, to) = self.zoom;
        let stride = ((to - from) * newest as f64 / plot_columns(columns).max(1) as f64).max(1.0) as usize;
        let at = self.cursor.and_then(|step| index_of(curves, step));
        let to = match (at, forward) {
            (None, _) => newest,
            (Some(at), true) => (at + stride).min(newest),
            (Some(at), false) => at.saturating_sub(stride),
        };
        self.cursor = Some(curves.steps()[to] as usize);
        self.follow_cursor(curves, to);
    }

    /// Moves the part that is shown so that the cursor is in it.
    fn follow_cursor(&mut self, curves: &Curves, index: usize) {
        let Some((first, last)) = extent(curves, self.axis) else { return };
        let share = (curves.x(self.axis, index) - first) / (last - first).max(f64::MIN_POSITIVE);
        let (from, to) = self.zoom;
        let shift = if share < from {
            share - from
        } else if share > to {
            share - to
        } else {
            0.0
        };
        self.zoom = (from + shift, to + shift);
    }

    fn range(&self, curves: &Curves) -> Option<(f64, f64)> {
        if self.zoom == (0.0, 1.0) {
            return None;
        }
        let (first, last) = extent(curves, self.axis)?;
        Some((first + self.zoom.0 * (last - first), first + self.zoom.1 * (last - first)))
    }
}

/// First and last place on an axis.
fn extent(curves: &Curves, axis: Axis) -> Option<(f64, f64)> {
    let last = curves.len().checked_sub(1)?;
    Some((curves.x(axis, 0), curves.x(axis, last)))
}

/// The logged step at or before a step.
fn index_of(curves: &Curves, step: usize) -> Option<usize> {
    curves.steps().partition_point(|known| *known as usize <= step).checked_sub(1)
}

/// The phase whose figures a choice shows.
pub fn phase_of(curve: Curve) -> Phase {
    match curve {
        Curve::Retrain => Phase::Retrain,
        Curve::Baseline => Phase::Baseline,
        Curve::Search | Curve::Present => Phase::Search,
    }
}

/// (x, value) of a figure.
pub fn points(curves: &Curves, metric: Metric, axis: Axis) -> Vec<(f64, f64)> {
    curves.column(metric).iter().enumerate().map(|(i, value)| (curves.x(axis, i), *value)).collect()
}

/// The running mean of values, without the pull of its beginning.
pub fn smoothed(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut mean, mut share) = (0.0, 0.0);
    let of = |(x, value): &(f64, f64)| {
        if !value.is_finite() {
            return (*x, f64::NAN);
        }
        mean = weight * mean + (1.0 - weight) * value;
        share = weight * share + (1.0 - weight);
        (*x, mean / share)
    };
    points.iter().map(of).collect()
}

/// Draws the figures that are chosen.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let figures = &monitor.figures;
    let phase = phase_of(monitor.shown_curve());
    let curves = monitor.view.curves(phase);
    let weight = SMOOTHING[figures.smoothing];
    let of = match phase {
        Phase::Retrain => " of retraining",
        Phase::Baseline => " of the baselines",
        _ => " of the search",
    };
    let metrics: Vec<Metric> = figures.group.metrics().iter().copied().filter(|metric| curves.has(*metric)).collect();
    let raw: Vec<Vec<(f64, f64)>> = metrics.iter().map(|metric| points(curves, *metric, figures.axis)).collect();
    let smooth: Vec<Vec<(f64, f64)>> =
        if weight > 0.0 { raw.iter().map(|points| smoothed(points, weight)).collect() } else { Vec::new() };
    let (styles, marks) = (styles(look), MARKS);
    let cursor = figures.cursor.and_then(|step| index_of(curves, step));
    let moment = monitor.past_step().filter(|_| phase == Phase::Search).and_then(|step| index_of(curves, step));
    let values = Values { curves, metrics: &metrics, raw: &raw, at: cursor.or(moment), look };
    // The numbers count for more than their names, and whose they are.
    let name = figures.group.name();
    let ways = [(format!("{name}{of}"), true), (name.into(), true), (name.into(), false)];
    let fits = |(title, named): &(String, bool)| {
        let numbers = values.spans(*named);
        let taken: usize = numbers.iter().map(Span::width).sum();
        (title.len() + taken + 10 <= usize::from(area.width)).then(|| (title.clone(), numbers))
    };
    let (title, numbers) = ways.iter().find_map(fits).unwrap_or_else(|| (String::new(), values.spans(false)));
    monitor.pane_rule(buf, area, Pane::Figures, &title, numbers, look);
    // As logged, faint below its running mean.
    let beneath: Vec<Line> = match smooth.is_empty() {
        true => Vec::new(),
        false => raw.iter().map(|points| Line { points, style: look.faint(), mark: "." }).collect(),
    };
    let shown = if smooth.is_empty() { &raw } else { &smooth };
    let lines: Vec<Line> =
        shown.iter().enumerate().map(|(i, points)| Line { points, style: styles[i], mark: marks[i] }).collect();
    let plot = Plot {
        curves: &lines,
        beneath: &beneath,
        axis: figures.axis,
        log: figures.log,
        range: figures.range(curves),
        moment: moment.map(|index| curves.x(figures.axis, index)),
        cursor: cursor.map(|index| curves.x(figures.axis, index)),
        note: &if weight > 0.0 { format!("smooth {weight}, faint as logged") } else { String::new() },
        empty: "no steps yet",
        ..Plot::default()
    };
    chart::draw(buf, below(area, 1), &plot, look);
}

/// Characters of the curves where there is no braille or no colour.
const MARKS: [&str; 2] = ["*", "o"];

fn styles(look: Look) -> [Style; MARKS.len()] {
    [look.accent(), look.second()]
}

/// The numbers beside the title.
struct Values<'a> {
    curves: &'a Curves,
    metrics: &'a [Metric],
    /// As they were logged, however smooth the curves are.
    raw: &'a [Vec<(f64, f64)>],
    /// The logged step that they are of; the newest where none.
    at: Option<usize>,
    look: Look,
}

impl Values<'_> {
    fn spans(&self, named: bool) -> Vec<Span<'static>> {
        let look = self.look;
        let mut spans = Vec::new();
        if let Some(index) = self.at {
            spans.push(span(format!("step {}", self.curves.steps()[index]), look.strong()));
        }
        for (i, metric) in self.metrics.iter().enumerate() {
            let shown = &self.raw[i];
            let value = match self.at {
                Some(index) => shown.get(index).map(|point| point.1).filter(|value| !value.is_nan()),
                None => shown.iter().rev().map(|point| point.1).find(|value| !value.is_nan()),
            };
            let Some(value) = value else { continue };
            if !spans.is_empty() {
                spans.push(plain("  "));
            }
            let key =
                if look.unicode && look.is_coloured() { String::new() } else { format!("{} ", MARKS[i % MARKS.len()]) };
            let name = if named { format!("{} ", metric.name()) } else { String::new() };
            spans.push(span(format!("{key}{name}{}", figure(value)), styles(look)[i % MARKS.len()]));
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(steps: usize) -> Curves {
        let mut curves = Curves::default();
        curves.plan(steps, Some(2.0));
        for step in 1..=steps {
            let x = step as f64;
            curves.push(step, x, Some(step as u64 * 10), [Some(1.0 / x), None, Some(x), None, None, Some(0.1), None]);
        }
        curves
    }

    #[test]
    fn groups_and_axes_without_figures_are_passed_over() {
        let curves = curves(10);
        let mut figures = Figures::default();
        let groups: Vec<Group> = (0..4)
            .map(|_| {
                figures.next_group(&curves);
                figures.group
            })
            .collect();
        assert_eq!(groups, [Group::Gradient, Group::Rates, Group::Losses, Group::Gradient]);
        let mut bare = Curves::default();
        bare.push(1, 0.0, None, [Some(1.0), None, None, None, None, None, None]);
        figures.next_axis(&bare);
        assert_eq!(figures.axis, Axis::Time);
    }

    #[test]
    fn a_zoom_keeps_the_cursor_in_sight_and_the_end_where_there_is_none() {
        let curves = curves(1001);
        let mut figures = Figures::default();
        figures.zoom(true, &curves);
        assert_eq!(figures.range(&curves), Some((501.0, 1001.0)));
        figures.cursor = Some(601);
        figures.zoom(true, &curves);
        let (from, to) = figures.range(&curves).unwrap();
        assert!(from < 601.0 && to > 601.0 && (to - from - 250.0).abs() < 1.0, "{from} {to}");
        for _ in 0..300 {
            figures.move_cursor(false, &curves, 100);
        }
        assert_eq!(figures.cursor, Some(1));
        assert_eq!(figures.range(&curves).unwrap().0, 1.0);
        (0..40).for_each(|_| figures.zoom(false, &curves));
        assert_eq!(figures.range(&curves), None);
    }

    #[test]
    fn the_running_mean_of_a_constant_is_the_constant() {
        let points: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i), 3.0)).collect();
        assert!(smoothed(&points, 0.9).iter().all(|(_, value)| (value - 3.0).abs() < 1e-12));
        let gap = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0)];
        assert!(smoothed(&gap, 0.9)[1].1.is_nan() && (smoothed(&gap, 0.9)[2].1 - 1.0).abs() < 1e-12);
    }
}
