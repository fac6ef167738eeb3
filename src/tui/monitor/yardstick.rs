//! Which terms of a module are kept, under the rule whose ranks are shown: what of them is measured, and against what.

use super::Monitor;
use crate::experiment::{AllocationSettings, Rule};
use crate::run::view::By;
use crate::search::allocation::{default_threshold, line_of, reaches};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Value,
    Energy,
}

/// What measures the terms of all modules in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yardstick {
    pub measure: Measure,
    pub rule: Option<Rule>,
    /// What a value must reach; of energies the share of the largest one in the model. None where a rule has no such line.
    pub limit: Option<f64>,
    /// What energies are measured against: the limit, else the least that is kept.
    cutoff: f64,
}

/// The terms of a module.
#[derive(Debug)]
pub struct Terms<'a> {
    measured: &'a [f32],
    pub reference: f64,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// Those that reach what they are measured against.
    ByLimit,
    /// By term.
    ByRank(Vec<bool>),
}

impl Yardstick {
    /// That of the rule whose ranks are shown. `line`: what a value must reach, where the rule has such a line.
    pub fn of(monitor: &Monitor, line: Option<f64>, ranks: &[Option<usize>]) -> Yardstick {
        let choice = monitor.choice_shown();
        let rule = choice.as_ref().map(|choice| choice.rule);
        let has_energy = (0..ranks.len()).any(|module| !monitor.energy(module).is_empty());
        if line.is_some() || !has_energy || !matches!(rule, Some(Rule::Energy | Rule::Budget)) {
            return Yardstick { measure: Measure::Value, rule, limit: line, cutoff: 0.0 };
        }
        let share = choice.filter(|choice| choice.rule == Rule::Energy);
        let share = share.and_then(|choice| choice.threshold.or(default_threshold(choice.rule, monitor.view.rank)));
        let energies = || (0..ranks.len()).map(|module| monitor.energy(module));
        let largest = energies().flatten().copied().fold(0.0, f32::max);
        let least = || {
            let of_module = |(energy, rank): (&[f32], &Option<usize>)| {
                let mut sorted = energy.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                sorted.get(rank.as_ref()?.checked_sub(1)?).copied()
            };
            energies().zip(ranks).filter_map(of_module).reduce(f32::min).unwrap_or(largest)
        };
        let cutoff = share.map_or_else(|| f64::from(least()), |share| share * f64::from(largest));
        Yardstick { measure: Measure::Energy, rule, limit: share, cutoff }
    }

    /// The terms of a module of which so many are kept.
    pub fn terms<'a>(&self, monitor: &'a Monitor, module: usize, rank: Option<usize>) -> Terms<'a> {
        let values = monitor.values(module);
        let (measured, reference) = match self.measure {
            Measure::Energy if monitor.energy(module).len() == values.len() => (monitor.energy(module), self.cutoff),
            _ => (values, self.limit.unwrap_or_else(|| mean(values))),
        };
        let kept = match rank {
            Some(rank) if self.measure == Measure::Energy || self.limit.is_none() => {
                Kept::ByRank(largest_of(measured, rank))
            }
            _ => Kept::ByLimit,
        };
        Terms { measured, reference, kept }
    }

    /// What terms are measured against, in words.
    pub fn reference_words(&self, reference: f64) -> String {
        match (self.measure, self.limit) {
            (Measure::Value, Some(_)) => format!("threshold {}", in_digits(reference)),
            (Measure::Value, None) => format!("mean {reference:.3}"),
            (Measure::Energy, Some(share)) => format!("{} % of the largest energy", in_digits(100.0 * share)),
            (Measure::Energy, None) => "least energy kept".into(),
        }
    }
}

impl Terms<'_> {
    /// Whether a term is kept.
    pub fn is_kept(&self, term: usize) -> bool {
        match &self.kept {
            Kept::ByLimit => reaches(self.measure(term), self.reference),
            Kept::ByRank(kept) => kept.get(term).copied().unwrap_or(false),
        }
    }

    /// What is measured of a term.
    pub fn measure(&self, term: usize) -> f64 {
        self.measured.get(term).map_or(0.0, |measured| f64::from(*measured))
    }

    /// The largest of these.
    pub fn largest(&self) -> f64 {
        (0..self.measured.len()).map(|term| self.measure(term)).fold(0.0, f64::max)
    }
}

/// A threshold, with the digits that it needs of four behind the point.
pub fn in_digits(line: f64) -> String {
    let text = format!("{line:.4}");
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "0" && line != 0.0 { format!("{line:.1e}") } else { trimmed.to_owned() }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|alpha| f64::from(*alpha)).sum::<f64>() / values.len().max(1) as f64
}

/// Which terms are the so many largest; of equal ones the first.
fn largest_of(measured: &[f32], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by(|a, b| measured[*b].total_cmp(&measured[*a]));
    let mut kept = vec![false; measured.len()];
    order.into_iter().take(count).for_each(|term| kept[term] = true);
    kept
}

impl Monitor {
    /// What a selection value must reach to be kept, where the rule that holds, or held at the moment that is shown, or that
    /// is tried, has such a line.
    pub fn line(&self) -> Option<f64> {
        let said = self.settings().map(|settings| &settings.allocation);
        match (&self.what_if, self.moment.at) {
            (Some(what_if), _) => line_of(&what_if.choice(), self.view.rank),
            (None, Some(at)) => self.view.line_at(at, said),
            (None, None) => self.view.line(said),
        }
    }

    /// The choice that the ranks are of, as they are shown: of the past the one that held then, where that is known.
    fn choice_shown(&self) -> Option<AllocationSettings> {
        if let Some(what_if) = &self.what_if {
            return Some(what_if.choice());
        }
        match self.moment.at.map(|at| self.view.by(at)) {
            // What is said may have been chosen later; nothing was where this is all that held.
            Some(Some(By::Line(_))) if self.view.held.len() > 1 || self.view.inherited.is_some() => None,
            Some(Some(By::Choice(choice))) => Some(choice.clone()),
            _ => Some(self.allocation()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_not_rounded_to_another() {
        let told = [0.125, 0.1275, 0.5, 15.0, 2.5, 0.0, 1e-5, 0.076_923].map(in_digits);
        assert_eq!(told, ["0.125", "0.1275", "0.5", "15", "2.5", "0", "1.0e-5", "0.0769"]);
    }

    #[test]
    fn the_largest_are_kept_and_of_equal_ones_the_first() {
        assert_eq!(largest_of(&[0.1, 0.4, 0.1, 0.3], 2), [false, true, false, true]);
        assert_eq!(largest_of(&[0.1, 0.1, 0.1], 2), [true, true, false]);
        assert_eq!(largest_of(&[0.1], 0), [false]);
        assert_eq!(largest_of(&[0.1], 5), [true]);
    }
}
