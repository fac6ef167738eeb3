//! The figures of the training steps: which ones, over what, how smooth, and which part of them; drawn with a read-out.

use super::{Curve, Monitor, Pane};
use crate::run::event::Phase;
use crate::run::history::{Axis, Curves, Metric};
use crate::tui::chart::{self, Curve as Line, Lens, Plot, Trace, extent, plot_columns};
use crate::tui::draw::{below, plain, span};
use crate::tui::look::Look;
use crate::tui::text::figure;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines below which there is no chart.
pub const LEAST_LINES: u16 = 4;

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
    pub lens: Lens,
    /// The step with the cursor.
    pub cursor: Option<usize>,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { group: Group::default(), lens: Lens::smooth(), cursor: None }
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

    /// The axis that was chosen where these curves can be told over it: baselines know of no epochs.
    fn axis(&self, curves: &Curves) -> Axis {
        if curves.has_axis(self.lens.axis) { self.lens.axis } else { Axis::default() }
    }

    /// The next axis that can be told.
    pub fn next_axis(&mut self, curves: &Curves) {
        self.lens.axis = self.axis(curves);
        self.lens.next_axis(|axis| curves.has_axis(axis));
    }

    /// Half or twice the part that is shown, around the cursor, else at its end.
    pub fn zoom(&mut self, closer: bool, curves: &Curves) {
        let axis = self.axis(curves);
        let cursor = self.cursor.and_then(|step| Some(curves.x(axis, index_of(curves, step)?)));
        self.lens.zoom(closer, extent(curves, axis), cursor);
    }

    /// All that there is.
    pub fn reset(&mut self) {
        self.lens.reset();
        self.cursor = None;
    }

    /// Moves the cursor by about a column of the chart; it begins at the newest step.
    pub fn move_cursor(&mut self, forward: bool, curves: &Curves, columns: u16) {
        let Some(newest) = curves.len().checked_sub(1) else { return };
        let stride = (self.lens.part() * newest as f64 / plot_columns(columns).max(1) as f64).max(1.0) as usize;
        let at = self.cursor.and_then(|step| index_of(curves, step));
        let to = match (at, forward) {
            (None, _) => newest,
            (Some(at), true) => (at + stride).min(newest),
            (Some(at), false) => at.saturating_sub(stride),
        };
        self.cursor = Some(curves.steps()[to] as usize);
        let axis = self.axis(curves);
        self.lens.follow(extent(curves, axis), curves.x(axis, to));
    }
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

/// Draws the figures that are chosen.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let figures = &monitor.figures;
    let phase = phase_of(monitor.shown_curve());
    let curves = monitor.view.curves(phase);
    let weight = figures.lens.weight();
    let of = match phase {
        Phase::Retrain => " of retraining",
        Phase::Baseline => " of the baselines",
        Phase::Search if monitor.view.has_warmup_alone() => " of the warm-up",
        _ => " of the search",
    };
    let metrics: Vec<Metric> = figures.group.metrics().iter().copied().filter(|metric| curves.has(*metric)).collect();
    let axis = figures.axis(curves);
    let trace = |weight| move |metric: &Metric| Trace { curves, metric: *metric, axis, weight };
    let raw: Vec<Trace> = metrics.iter().map(trace(0.0)).collect();
    let shown: Vec<Trace> = metrics.iter().map(trace(weight)).collect();
    let (styles, marks) = (styles(look), MARKS);
    let cursor = figures.cursor.and_then(|step| index_of(curves, step));
    let moment = monitor.past_step().filter(|_| phase == Phase::Search).and_then(|step| index_of(curves, step));
    let values = Values { curves, metrics: &metrics, at: cursor.or(moment), axis, look };
    // The numbers count for more than their names, and whose they are.
    let name = figures.group.name();
    let of_all = (format!("{name}{of}"), true, false);
    let ways = [of_all, (name.into(), true, false), (name.into(), true, true), (name.into(), false, false)];
    let fits = |(title, named, brief): &(String, bool, bool)| {
        let numbers = values.spans(*named, *brief);
        let taken: usize = numbers.iter().map(Span::width).sum();
        (title.len() + taken + 10 <= usize::from(area.width)).then(|| (title.clone(), numbers))
    };
    let (title, numbers) = ways.iter().find_map(fits).unwrap_or_else(|| (String::new(), values.spans(false, false)));
    monitor.pane_rule(buf, area, Pane::Figures, &title, numbers, look);
    // As logged, faint below its running mean.
    let beneath: Vec<Line> = match weight > 0.0 {
        true => raw.iter().map(|points| Line { points, style: look.faint(), mark: "." }).collect(),
        false => Vec::new(),
    };
    let lines: Vec<Line> =
        shown.iter().enumerate().map(|(i, points)| Line { points, style: styles[i], mark: marks[i] }).collect();
    let plot = Plot {
        curves: &lines,
        beneath: &beneath,
        axis,
        log: figures.lens.log,
        range: figures.lens.range(extent(curves, axis)),
        moment: moment.map(|index| curves.x(axis, index)),
        cursor: cursor.map(|index| curves.x(axis, index)),
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
    /// The logged step that they are of; the newest where none.
    at: Option<usize>,
    axis: Axis,
    look: Look,
}

impl Values<'_> {
    /// `named`: each with its name; `brief`: with the step alone, whatever the axis.
    fn spans(&self, named: bool, brief: bool) -> Vec<Span<'static>> {
        let look = self.look;
        let mut spans = Vec::new();
        if let Some(index) = self.at {
            let step = format!("step {}", self.curves.steps()[index]);
            // In the unit of the axis, since that is where one reads it off.
            let place = match self.axis {
                _ if brief => step,
                Axis::Step => step,
                axis => format!("{} {}, {step}", axis.name(), chart::place(axis, self.curves.x(axis, index))),
            };
            spans.push(span(place, look.strong()));
        }
        for (i, metric) in self.metrics.iter().enumerate() {
            // As they were logged, however smooth the curves are.
            let value = match self.at {
                Some(index) => self.curves.column(*metric).get(index).copied().filter(|value| !value.is_nan()),
                None => self.curves.last(*metric).map(|(_, value)| value),
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
    fn what_is_read_out_is_in_the_unit_of_the_axis_where_there_is_room() {
        let (curves, look) =
            (curves(10), Look { depth: crate::tui::palette::Depth::None, unicode: true, letters: true });
        let values = Values { curves: &curves, metrics: &[Metric::TrainLoss], at: Some(3), axis: Axis::Tokens, look };
        let text = |brief| values.spans(false, brief).iter().map(|span| span.content.clone()).collect::<String>();
        assert_eq!((text(false).as_str(), text(true).as_str()), ("tokens 40, step 4  * 0.2500", "step 4  * 0.2500"));
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
        assert_eq!(figures.lens.axis, Axis::Time);
        figures.lens.axis = Axis::Epoch;
        assert_eq!((figures.axis(&bare), figures.axis(&curves)), (Axis::Step, Axis::Epoch));
        figures.next_axis(&bare);
        assert_eq!(figures.lens.axis, Axis::Time, "from the one that is shown");
    }

    #[test]
    fn a_zoom_is_into_what_is_known_of_the_axis() {
        let mut curves = Curves::default();
        for step in 1..=9 {
            let tokens = (step > 3).then_some(step as u64 * 100);
            curves.push(step, 0.0, tokens, [Some(1.0), None, None, None, None, None, None]);
        }
        let mut figures = Figures::default();
        figures.lens.axis = Axis::Tokens;
        figures.zoom(true, &curves);
        assert_eq!(figures.lens.range(extent(&curves, Axis::Tokens)), Some((650.0, 900.0)));
    }

    #[test]
    fn a_zoom_keeps_the_cursor_in_sight_and_the_end_where_there_is_none() {
        let curves = curves(1001);
        let mut figures = Figures::default();
        figures.zoom(true, &curves);
        assert_eq!(figures.lens.range(extent(&curves, figures.lens.axis)), Some((501.0, 1001.0)));
        figures.cursor = Some(601);
        figures.zoom(true, &curves);
        let (from, to) = figures.lens.range(extent(&curves, figures.lens.axis)).unwrap();
        assert!(from < 601.0 && to > 601.0 && (to - from - 250.0).abs() < 1.0, "{from} {to}");
        for _ in 0..300 {
            figures.move_cursor(false, &curves, 100);
        }
        assert_eq!(figures.cursor, Some(1));
        assert_eq!(figures.lens.range(extent(&curves, figures.lens.axis)).unwrap().0, 1.0);
        (0..40).for_each(|_| figures.zoom(false, &curves));
        assert_eq!(figures.lens.range(extent(&curves, figures.lens.axis)), None);
    }
}
