//! The ranks that a frame shows, what they are compared with, and their parts: worked out once a frame.

use super::Monitor;
use super::what_if::Outcome;
use super::yardstick::{Terms, Yardstick};
use crate::experiment::AllocationSettings;
use crate::run::settled::stability;
use crate::run::view::shares_of_energy;
use crate::search::stability::Stability;

/// Steps for which a change of rank that happens before one's eyes is marked.
const FRESH_STEPS: usize = 25;

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
    /// Modules whose rank changed a moment ago, while one looks on, and whether it rose.
    fresh: Vec<Option<bool>>,
    /// Share of each module in the energy of all, where the log has energies.
    pub shares: Option<Vec<f64>>,
    /// What a value must reach, where the rule has such a line.
    pub line: Option<f64>,
    pub yardstick: Yardstick,
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
        let fresh = if source == Source::Emerging { monitor.fresh_changes() } else { Vec::new() };
        let line = monitor.line();
        let yardstick = Yardstick::of(monitor, line, &ranks);
        Scene { source, ranks, tried, against, before, fresh, shares: shares(monitor), line, yardstick }
    }

    /// The terms of a module, and which of them are kept.
    pub fn terms<'a>(&self, monitor: &'a Monitor, module: usize) -> Terms<'a> {
        self.yardstick.terms(monitor, module, self.rank(module))
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

    /// Whether a module's rank rose a moment ago, or fell, while one looks on.
    pub fn freshly(&self, module: usize) -> Option<bool> {
        self.fresh.get(module).copied().flatten()
    }

    /// Modules of which that is so.
    pub fn fresh(&self) -> usize {
        self.fresh.iter().flatten().count()
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
        Some((index, step)) => (Some(Against::LastLook(step)), while_away(monitor, index, actual)),
        None => (None, Vec::new()),
    }
}

/// Ranks at a snapshot that was seen, of modules whose rank had changed by the time that the user came back; of the others
/// those that they have now: what changes before one's eyes is no news.
fn while_away(monitor: &Monitor, seen: usize, actual: &[Option<usize>]) -> Vec<Option<usize>> {
    let snapshots = &monitor.view.snapshots;
    let before = snapshots.ranks_at(seen);
    let Some(came) = monitor.came.map(|came| came.checked_sub(1).map_or(Vec::new(), |last| snapshots.ranks_at(last)))
    else {
        return before;
    };
    let changed = |(module, rank): (usize, &Option<usize>)| match came.get(module) {
        Some(then) if then != rank => *rank,
        _ => actual.get(module).copied().flatten(),
    };
    before.iter().enumerate().map(changed).collect()
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

    /// Of each module whether its rank rose in the last few steps, or fell; only what changed since the user came.
    fn fresh_changes(&self) -> Vec<Option<bool>> {
        let snapshots = &self.view.snapshots;
        let (Some(came), Some(newest)) = (self.came, snapshots.len().checked_sub(1)) else { return Vec::new() };
        let Some(now) = snapshots.step(newest) else { return Vec::new() };
        let first = snapshots.index_at(now.saturating_sub(FRESH_STEPS)).unwrap_or(0).max(came.saturating_sub(1));
        let flips = snapshots.flips_between(first, newest);
        if flips.is_empty() {
            return Vec::new();
        }
        let before = snapshots.ranks_at(first);
        let mut fresh = vec![None; self.view.modules.len()];
        for module in flips.iter().map(|flip| flip.module as usize) {
            let (before, now) = (before.get(module).copied().flatten(), self.view.modules.get(module));
            let now = now.and_then(|module| module.rank);
            if let Some(change) = fresh.get_mut(module).filter(|_| before != now) {
                *change = Some(before < now);
            }
        }
        fresh
    }

    /// How settled the search is at the moment that is shown.
    pub fn stability(&self) -> Option<Stability> {
        let patience = self.settings().map_or(100, |settings| settings.search.stable_steps);
        stability(&self.view, self.shown()?, patience, self.line())
    }
}
