//! Where the points of a curve come from. They are told in blocks, since a frame goes through tens of thousands of them.

use super::lens::Extent;
use crate::run::history::{Axis, Curves, Metric};

/// Points that are told at once, at most, where they are made for it.
pub const BLOCK: usize = 256;

/// What is told points.
pub type Take<'a> = dyn FnMut(&[(f64, f64)]) + 'a;

/// Points of a curve, their places rising.
pub trait Points {
    /// Tells all of them, as (place, value).
    fn blocks(&self, take: &mut Take<'_>);

    /// The first and the last place whose value is one that is shown.
    fn ends(&self, is_shown: &dyn Fn(f64) -> bool) -> Option<Extent>;
}

impl Points for Vec<(f64, f64)> {
    fn blocks(&self, take: &mut Take<'_>) {
        take(self);
    }

    fn ends(&self, is_shown: &dyn Fn(f64) -> bool) -> Option<Extent> {
        let shown = |(x, value): &&(f64, f64)| x.is_finite() && is_shown(*value);
        Some((self.iter().find(shown)?.0, self.iter().rfind(shown)?.0))
    }
}

/// A figure of a phase over an axis.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    pub curves: &'a Curves,
    pub metric: Metric,
    pub axis: Axis,
    /// Weight of what came before in the running mean; 0: values as they were logged.
    pub weight: f64,
}

impl Points for Trace<'_> {
    fn blocks(&self, take: &mut Take<'_>) {
        let mut block = [(0.0, 0.0); BLOCK];
        let mut mean = Mean::of(self.weight);
        for (number, values) in self.curves.column(self.metric).chunks(BLOCK).enumerate() {
            for (i, (value, point)) in values.iter().zip(&mut block).enumerate() {
                *point = (self.curves.x(self.axis, number * BLOCK + i), mean.take(*value));
            }
            take(&block[..values.len()]);
        }
    }

    // A mean of values that are shown is shown as well.
    fn ends(&self, is_shown: &dyn Fn(f64) -> bool) -> Option<Extent> {
        let values = self.curves.column(self.metric);
        let place = |index: usize| self.curves.x(self.axis, index);
        let shown = |index: &usize| place(*index).is_finite() && is_shown(values[*index]);
        let (first, last) = ((0..values.len()).find(shown)?, (0..values.len()).rfind(shown)?);
        Some((place(first), place(last)))
    }
}

/// The running mean of values, without the pull of its beginning.
struct Mean {
    weight: f64,
    sum: f64,
    /// The weights of the values in the sum.
    share: f64,
}

impl Mean {
    fn of(weight: f64) -> Mean {
        Mean { weight, sum: 0.0, share: 0.0 }
    }

    /// The mean after a value; none after one that is no number, which counts for nothing.
    fn take(&mut self, value: f64) -> f64 {
        if self.weight == 0.0 {
            return value;
        }
        if !value.is_finite() {
            return f64::NAN;
        }
        self.sum = self.weight * self.sum + (1.0 - self.weight) * value;
        self.share = self.weight * self.share + (1.0 - self.weight);
        self.sum / self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(values: &[f64]) -> Curves {
        let mut curves = Curves::default();
        for (i, value) in values.iter().enumerate() {
            let value = Some(*value).filter(|value| !value.is_nan());
            curves.push(i + 1, 0.0, None, [value, None, None, None, None, None, None]);
        }
        curves
    }

    fn trace(curves: &Curves, weight: f64) -> Trace<'_> {
        Trace { curves, metric: Metric::TrainLoss, axis: Axis::Step, weight }
    }

    fn told(points: &dyn Points) -> Vec<(f64, f64)> {
        let mut all = Vec::new();
        points.blocks(&mut |block| all.extend_from_slice(block));
        all
    }

    #[test]
    fn a_long_trace_is_told_in_its_order_block_by_block() {
        let values: Vec<f64> = (0..3 * BLOCK + 7).map(|i| i as f64 / 2.0).collect();
        let curves = curves(&values);
        let expected: Vec<(f64, f64)> = values.iter().map(|value| (2.0 * value + 1.0, *value)).collect();
        assert_eq!(told(&trace(&curves, 0.0)), expected);
        assert_eq!(trace(&curves, 0.0).ends(&|value| value.is_finite()), expected.ends(&|value| value.is_finite()));
    }

    #[test]
    fn the_running_mean_of_a_constant_is_the_constant_and_a_gap_stays_one() {
        let curves = curves(&[3.0, 3.0, f64::NAN, 3.0, 3.0]);
        let told = told(&trace(&curves, 0.9));
        let near = |(_, value): &(f64, f64)| (value - 3.0).abs() < 1e-12;
        assert!(told[2].1.is_nan() && told.iter().filter(|point| near(point)).count() == 4, "{told:?}");
    }

    #[test]
    fn the_ends_are_those_of_values_that_are_shown() {
        let curves = curves(&[1.0, -2.0, f64::NAN, 5.0, f64::NAN]);
        assert_eq!(trace(&curves, 0.0).ends(&|value| value.is_finite()), Some((1.0, 4.0)));
        assert_eq!(trace(&curves, 0.0).ends(&|value| value < 0.0), Some((2.0, 2.0)));
        assert_eq!(trace(&curves, 0.0).ends(&|value| value > 9.0), None);
    }
}
