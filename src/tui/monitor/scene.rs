//! The ranks that a frame shows, what they are compared with, and their parts: worked out once a frame.

use super::Monitor;
use super::what_if::Outcome;
use crate::experiment::{AllocationSettings, Rule};
use crate::run::settled::stability;
use crate::run::view::shares_of_energy;
use crate::search::allocation::{line_of, reaches};
use crate::search::stability::Stability;

/// Where the ranks of a frame come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The search as it is now.
    Emerging,
    /// The rule's own word at its end.
    Allocated,
    /// A moment of the past, by its step.
    Past(usize),
    /// A choice that is tried.
    Tried,
}

/// What ranks are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The moment that the user marked.
    Mark(usize),
    /// What holds, for a choice that is tried.
    Actual,
    /// The step up to which the user had seen the run.
    LastLook(usize),
}

/// Everything about ranks that a frame needs.
#[derive(Debug)]
pub struct Scene {
    pub source: Source,
    pub ranks: Vec<Option<usize>>,
    /// What the choice that is tried comes to.
    pub tried: Option<Outcome>,
    pub against: Option<Against>,
    /// Ranks that they are compared with; empty where there are none.
    before: Vec<Option<usize>>,
    /// Share of each module in the energy of all, where the log has energies.
    pub shares: Option<Vec<f64>>,
    /// What a value must reach, where the rule has such a line.
    pub line: Option<f64>,
}

impl Scene {
    /// The scene of a monitor as it stands.
    pub fn of(monitor: &Monitor) -> Scene {
        let tried = monitor.tried();
        let source = match (&tried, monitor.past_step()) {
            (Some(_), _) => Source::Tried,
            (None, Some(step)) => Source::Past(step),
            (None, None) if monitor.view.allocated => Source::Allocated,
            _ => Source::Emerging,
        };
        let actual = monitor.actual_ranks();
        let (against, before) = compared(monitor, source, &actual);
        let ranks = match &tried {
            Some(outcome) => outcome.ranks.iter().copied().map(Some).collect(),
            None => actual,
        };
        Scene { source, ranks, tried, against, before, shares: shares(monitor), line: monitor.line() }
    }

    /// Rank and change of a module: the rank that it is compared with where that is another.
    pub fn rank(&self, module: usize) -> Option<usize> {
        self.ranks.get(module).copied().flatten()
    }

    /// The rank before, of a module whose rank is another now; `Some(None)`: it was undecided.
    pub fn changed_from(&self, module: usize) -> Option<Option<usize>> {
        let before = *self.before.get(module)?;
        (before != self.rank(module)).then_some(before)
    }

    /// Modules whose rank is another now.
    pub fn changes(&self) -> usize {
        (0..self.ranks.len()).filter(|module| self.changed_from(*module).is_some()).count()
    }
}

fn compared(monitor: &Monitor, source: Source, actual: &[Option<usize>]) -> (Option<Against>, Vec<Option<usize>>) {
    let snapshots = &monitor.view.snapshots;
    if source == Source::Tried {
        return (Some(Against::Actual), actual.to_vec());
    }
    if let Some((mark, step)) = monitor.moment.mark.and_then(|mark| Some((mark, snapshots.step(mark)?))) {
        return (Some(Against::Mark(step)), snapshots.ranks_at(mark));
    }
    let seen = monitor.then.as_ref().and_then(|then| then.snapshot).filter(|_| source == Source::Emerging);
    match seen.and_then(|index| Some((index, snapshots.step(index)?))) {
        Some((index, step)) => (Some(Against::LastLook(step)), snapshots.ranks_at(index)),
        None => (None, Vec::new()),
    }
}

fn shares(monitor: &Monitor) -> Option<Vec<f64>> {
    shares_of_energy((0..monitor.view.modules.len()).map(|module| monitor.energy(module)))
}

impl Monitor {
    /// Ranks of the moment that is shown, as the run's own rule gave them.
    pub fn actual_ranks(&self) -> Vec<Option<usize>> {
        match self.moment.at {
            Some(at) => self.view.snapshots.ranks_at(at),
            None => self.view.modules.iter().map(|module| module.rank).collect(),
        }
    }

    /// The choice of allocation that holds.
    pub fn allocation(&self) -> AllocationSettings {
        let said = || self.settings().map(|settings| settings.allocation.clone());
        self.view.allocation.clone().or_else(said).unwrap_or_default()
    }

    /// The rule that the ranks are of, as they are shown.
    pub fn rule_shown(&self) -> Rule {
        self.what_if.as_ref().map_or_else(|| self.allocation().rule, |what_if| what_if.rule)
    }

    /// What a selection value must reach to be kept, where the rule that holds, or that is tried, has such a line.
    pub fn line(&self) -> Option<f64> {
        match &self.what_if {
            Some(what_if) => line_of(&what_if.choice(), self.view.rank),
            None => self.view.line(self.settings().map(|settings| &settings.allocation)),
        }
    }

    /// What a module's values are measured against: that line, else their mean.
    pub fn reference(&self, line: Option<f64>, values: &[f32]) -> f64 {
        let mean = || values.iter().map(|alpha| f64::from(*alpha)).sum::<f64>() / values.len().max(1) as f64;
        line.unwrap_or_else(mean)
    }

    /// How settled the search is at the moment that is shown.
    pub fn stability(&self) -> Option<Stability> {
        let patience = self.settings().map_or(100, |settings| settings.search.stable_steps);
        stability(&self.view, self.shown()?, patience, self.line())
    }
}

/// Whether a selection value is kept.
pub fn is_kept(alpha: f32, reference: f64) -> bool {
    reaches(f64::from(alpha), reference)
}
