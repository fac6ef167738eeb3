//! The figures of a phase's steps, in columns.

/// A figure that a training step logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    TrainLoss,
    ValidationLoss,
    GradNorm,
    DirectNorm,
    MixedNorm,
    Lr,
    SelectionLr,
}

impl Metric {
    /// All of them, in the order in which to show them.
    pub const ALL: [Metric; 7] = [
        Metric::TrainLoss,
        Metric::ValidationLoss,
        Metric::GradNorm,
        Metric::DirectNorm,
        Metric::MixedNorm,
        Metric::Lr,
        Metric::SelectionLr,
    ];

    /// The name in events.
    pub fn key(self) -> &'static str {
        match self {
            Metric::TrainLoss => "train_loss",
            Metric::ValidationLoss => "validation_loss",
            Metric::GradNorm => "grad_norm",
            Metric::DirectNorm => "direct_norm",
            Metric::MixedNorm => "mixed_norm",
            Metric::Lr => "lr",
            Metric::SelectionLr => "selection_lr",
        }
    }

    /// The name on screens.
    pub fn name(self) -> &'static str {
        match self {
            Metric::TrainLoss => "train",
            Metric::ValidationLoss => "validation",
            Metric::GradNorm => "gradient",
            Metric::DirectNorm => "direct term",
            Metric::MixedNorm => "mixed term",
            Metric::Lr => "weights",
            Metric::SelectionLr => "selection",
        }
    }
}

/// What the figures are drawn over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    #[default]
    Step,
    Epoch,
    Tokens,
    Time,
}

impl Axis {
    /// All of them, in the order in which a key goes through them.
    pub const ALL: [Axis; 4] = [Axis::Step, Axis::Epoch, Axis::Tokens, Axis::Time];

    /// The word below a chart.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Step => "step",
            Axis::Epoch => "epoch",
            Axis::Tokens => "tokens",
            Axis::Time => "time",
        }
    }
}

/// The steps of a phase that were logged, rising, and their figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Steps of the whole phase, and the passes over its rows that they make.
    total: usize,
    epochs: Option<f64>,
    steps: Vec<u32>,
    /// Seconds of work on the run.
    seconds: Vec<f32>,
    /// As a column below.
    tokens: Vec<f32>,
    /// By [`Metric::ALL`]; empty where the figure was never logged, `NaN` where a step has none.
    columns: [Vec<f64>; Metric::ALL.len()],
}

impl Curves {
    /// Takes how long the phase is.
    pub fn plan(&mut self, total: usize, epochs: Option<f64>) {
        (self.total, self.epochs) = (total, epochs);
    }

    /// Adds a step; what is there of this step or later ones gives way.
    pub fn push(&mut self, step: usize, seconds: f64, tokens: Option<u64>, values: [Option<f64>; Metric::ALL.len()]) {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        self.keep(self.steps.partition_point(|known| *known < step));
        let before = self.steps.len();
        self.steps.push(step);
        self.seconds.push(seconds as f32);
        extend(&mut self.tokens, before, tokens.map(|tokens| tokens as f32), f32::NAN);
        for (column, value) in self.columns.iter_mut().zip(values) {
            extend(column, before, value, f64::NAN);
        }
    }

    /// Drops what is after `step`.
    pub fn truncate_after(&mut self, step: usize) {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        self.keep(self.steps.partition_point(|known| *known <= step));
    }

    fn keep(&mut self, len: usize) {
        self.steps.truncate(len);
        self.seconds.truncate(len);
        self.tokens.truncate(len);
        for column in &mut self.columns {
            column.truncate(len);
        }
    }

    /// Logged steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether no step was logged.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Steps of the whole phase; 0 where that is not known.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The steps that were logged.
    pub fn steps(&self) -> &[u32] {
        &self.steps
    }

    /// A figure at each of [`Curves::steps`], `NaN` where a step has none; empty where it was never logged.
    pub fn column(&self, metric: Metric) -> &[f64] {
        &self.columns[metric as usize]
    }

    /// Whether a figure was logged.
    pub fn has(&self, metric: Metric) -> bool {
        !self.column(metric).is_empty()
    }

    /// Whether the axis can be told.
    pub fn has_axis(&self, axis: Axis) -> bool {
        match axis {
            Axis::Step | Axis::Time => true,
            Axis::Epoch => self.epochs.is_some() && self.total > 0,
            Axis::Tokens => !self.tokens.is_empty(),
        }
    }

    /// Where a logged step is on an axis: steps, passes over the rows, tokens, seconds of work.
    pub fn x(&self, axis: Axis, index: usize) -> f64 {
        let step = || self.steps.get(index).map_or(f64::NAN, |step| f64::from(*step));
        match axis {
            Axis::Step => step(),
            Axis::Epoch => step() * self.epochs.unwrap_or(f64::NAN) / self.total.max(1) as f64,
            Axis::Tokens => self.tokens.get(index).map_or(f64::NAN, |tokens| f64::from(*tokens)),
            Axis::Time => self.seconds.get(index).map_or(f64::NAN, |seconds| f64::from(*seconds)),
        }
    }

    /// The logged steps before the first whose place on an axis is known and not `within`: those whose place is not known
    /// (tokens, at the start) come before all that are.
    pub fn steps_up_to(&self, axis: Axis, within: impl Fn(f64) -> bool) -> usize {
        let is_before = |at: f64| at.is_nan() || within(at);
        (0..self.len()).take_while(|index| is_before(self.x(axis, *index))).count()
    }

    /// The newest value of a figure, and its step.
    pub fn last(&self, metric: Metric) -> Option<(usize, f64)> {
        let found = self.column(metric).iter().rposition(|value| !value.is_nan())?;
        Some((self.steps[found] as usize, self.column(metric)[found]))
    }

    /// The smallest value of a figure, and its first step.
    pub fn least(&self, metric: Metric) -> Option<(usize, f64)> {
        let finite = self.column(metric).iter().enumerate().filter(|(_, value)| value.is_finite());
        let (found, value) = finite.min_by(|a, b| a.1.total_cmp(b.1))?;
        Some((self.steps[found] as usize, *value))
    }
}

/// Adds a value to a column, which begins at the first one: `gap` where there is none.
fn extend<T: Copy>(column: &mut Vec<T>, before: usize, value: Option<T>, gap: T) {
    if value.is_some() || !column.is_empty() {
        column.resize(before, gap);
        column.push(value.unwrap_or(gap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(train: f64, validation: Option<f64>) -> [Option<f64>; 7] {
        [Some(train), validation, None, None, None, None, None]
    }

    #[test]
    fn a_figure_that_comes_late_has_gaps_before_it() {
        let mut curves = Curves::default();
        curves.plan(10, Some(5.0));
        curves.push(1, 0.5, None, losses(3.0, None));
        assert!(!curves.has(Metric::ValidationLoss) && !curves.has_axis(Axis::Tokens));
        curves.push(2, 1.0, Some(40), losses(2.0, Some(1.0)));
        curves.push(4, 2.0, Some(80), losses(2.5, None));
        assert!(curves.column(Metric::ValidationLoss)[0].is_nan());
        assert_eq!(curves.last(Metric::ValidationLoss), Some((2, 1.0)));
        assert_eq!(curves.least(Metric::TrainLoss), Some((2, 2.0)));
        let xs = |axis| (0..3).map(|i| curves.x(axis, i)).collect::<Vec<_>>();
        assert_eq!((xs(Axis::Step), xs(Axis::Epoch)), (vec![1.0, 2.0, 4.0], vec![0.5, 1.0, 2.0]));
        assert_eq!((xs(Axis::Time), xs(Axis::Tokens)[1..].to_vec()), (vec![0.5, 1.0, 2.0], vec![40.0, 80.0]));
    }

    #[test]
    fn steps_without_a_place_on_an_axis_come_before_those_with_one() {
        let mut curves = Curves::default();
        for (step, tokens) in [(1, None), (2, None), (3, Some(30)), (5, Some(50)), (6, Some(60))] {
            curves.push(step, 0.0, tokens, losses(1.0, None));
        }
        let up_to = |axis, place: f64| curves.steps_up_to(axis, |at| at <= place);
        assert_eq!([29.0, 30.0, 55.0, 99.0].map(|tokens| up_to(Axis::Tokens, tokens)), [2, 3, 4, 5]);
        assert_eq!([0.0, 2.0, 5.5].map(|step| up_to(Axis::Step, step)), [0, 2, 4]);
    }

    #[test]
    fn a_step_that_is_done_again_replaces_itself_and_what_followed() {
        let mut curves = Curves::default();
        for step in 1..=5 {
            curves.push(step, 0.0, None, losses(step as f64, None));
        }
        curves.push(3, 0.0, None, losses(30.0, None));
        assert_eq!((curves.steps(), curves.column(Metric::TrainLoss)), (&[1, 2, 3][..], &[1.0, 2.0, 30.0][..]));
        curves.truncate_after(1);
        assert_eq!(curves.len(), 1);
        curves.truncate_after(0);
        assert_eq!(curves, Curves::default());
    }
}
