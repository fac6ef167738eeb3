//! How curves are looked at: over what, how smooth, on which scale, and which part of them.

use crate::run::history::{Axis, Curves};

/// Weights of the running mean; the first is none.
const SMOOTHING: [f64; 4] = [0.0, 0.6, 0.9, 0.98];
/// The least part of the axis that a zoom leaves.
const LEAST_PART: f64 = 1e-4;

/// First and last place on an axis.
pub type Extent = (f64, f64);

/// From the lesser of two beginnings to the larger of two ends.
pub fn hull(a: Extent, b: Extent) -> Extent {
    (a.0.min(b.0), a.1.max(b.1))
}

/// How curves are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Lens {
    pub axis: Axis,
    /// Whether values are spaced by their logarithm.
    pub log: bool,
    smoothing: usize,
    /// The part of the axis that is shown, as shares of what there is; to the end where it reaches 1.
    zoom: (f64, f64),
}

impl Default for Lens {
    fn default() -> Lens {
        Lens { axis: Axis::Step, log: false, smoothing: 0, zoom: (0.0, 1.0) }
    }
}

impl Lens {
    /// A look at curves that jump from step to step: a little smooth.
    pub fn smooth() -> Lens {
        Lens { smoothing: 1, ..Lens::default() }
    }

    /// The next axis of those that can be told.
    pub fn next_axis(&mut self, can: impl Fn(Axis) -> bool) {
        let at = Axis::ALL.iter().position(|axis| *axis == self.axis).unwrap_or(0);
        let mut others = (1..=Axis::ALL.len()).map(|i| Axis::ALL[(at + i) % Axis::ALL.len()]);
        self.axis = others.find(|axis| can(*axis)).unwrap_or_default();
    }

    /// The next weight of the running mean.
    pub fn smoothe(&mut self) {
        self.smoothing = (self.smoothing + 1) % SMOOTHING.len();
    }

    /// The weight of the running mean; 0 where there is none.
    pub fn weight(&self) -> f64 {
        SMOOTHING[self.smoothing]
    }

    /// Half or twice the part that is shown, around a place, else at its end.
    pub fn zoom(&mut self, closer: bool, extent: Option<Extent>, around: Option<f64>) {
        let (from, to) = self.zoom;
        let width = ((to - from) * if closer { 0.5 } else { 2.0 }).clamp(LEAST_PART, 1.0);
        let middle = around.and_then(|x| share(x, extent?));
        let end = middle.map_or(to, |middle| middle + width / 2.0).clamp(width, 1.0);
        self.zoom = (end - width, end);
    }

    /// All that there is.
    pub fn reset(&mut self) {
        self.zoom = (0.0, 1.0);
    }

    /// The share of the axis that is shown.
    pub fn part(&self) -> f64 {
        self.zoom.1 - self.zoom.0
    }

    /// Moves the part that is shown so that a place is in it.
    pub fn follow(&mut self, extent: Option<Extent>, x: f64) {
        let Some(share) = extent.and_then(|extent| share(x, extent)) else { return };
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

    /// The part of the axis that is shown; none where that is all.
    pub fn range(&self, extent: Option<Extent>) -> Option<Extent> {
        if self.zoom == (0.0, 1.0) {
            return None;
        }
        let (first, last) = extent?;
        Some((first + self.zoom.0 * (last - first), first + self.zoom.1 * (last - first)))
    }
}

/// How far along an axis a place is, from 0 to 1; none where the log does not say, as for epochs without their number.
fn share(x: f64, (first, last): Extent) -> Option<f64> {
    let share = (x - first) / (last - first).max(f64::MIN_POSITIVE);
    share.is_finite().then(|| share.clamp(0.0, 1.0))
}

/// Where the logged steps of a phase begin and end on an axis, of those whose place on it is known.
pub fn extent(curves: &Curves, axis: Axis) -> Option<Extent> {
    let places = || (0..curves.len()).map(|index| curves.x(axis, index));
    Some((places().find(|x| x.is_finite())?, places().rfind(|x| x.is_finite())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoom_is_around_a_place_or_at_the_end_and_stays_within_what_there_is() {
        let all = Some((0.0, 1000.0));
        let shown = |lens: &Lens| lens.range(all).map(|(from, to)| (from.round(), to.round()));
        let mut lens = Lens::default();
        lens.zoom(true, all, None);
        assert_eq!(shown(&lens), Some((500.0, 1000.0)));
        lens.zoom(true, all, Some(600.0));
        assert_eq!(shown(&lens), Some((475.0, 725.0)));
        lens.follow(all, 100.0);
        assert_eq!(shown(&lens), Some((100.0, 350.0)));
        lens.zoom(true, all, Some(0.0));
        assert_eq!(shown(&lens), Some((0.0, 125.0)));
        (0..9).for_each(|_| lens.zoom(false, all, None));
        assert_eq!((shown(&lens), lens.range(None)), (None, None));
    }
}
