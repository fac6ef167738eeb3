//! Time travel: which moment of the search is shown, which other one it is compared with, and the replay.

use super::Monitor;
use crate::run::event::{Energy, Selection};
use crate::tui::msg::Effect;

/// Parts of the search that a long stride goes through.
const LONG: usize = 20;
/// Frames of a replay from the beginning, at most.
const FRAMES: usize = 200;

/// A moment of the search, and another one.
#[derive(Debug, Default)]
pub struct Moment {
    /// The snapshot that is shown; the newest one where none.
    pub at: Option<usize>,
    /// The snapshot that it is compared with.
    pub mark: Option<usize>,
    /// Whether the search is replayed from here.
    pub playing: bool,
    /// A snapshot that was read from the log, since it is not kept.
    fetched: Option<Fetched>,
}

/// Values and energies of a snapshot, modules in the order of the model.
#[derive(Debug)]
struct Fetched {
    index: usize,
    values: Vec<Vec<f32>>,
    energy: Vec<Vec<f32>>,
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    Back,
    Forward,
    LongBack,
    LongForward,
    /// The last snapshot at or before a step.
    To(usize),
    /// The newest, and on with it as it changes.
    Now,
}

impl Monitor {
    /// The snapshot that is shown.
    pub fn shown(&self) -> Option<usize> {
        let newest = self.view.snapshots.len().checked_sub(1)?;
        Some(self.moment.at.map_or(newest, |at| at.min(newest)))
    }

    /// Whether a moment of the past is shown.
    pub fn is_past(&self) -> bool {
        self.moment.at.is_some()
    }

    /// The step that is shown, where it is of the past.
    pub fn past_step(&self) -> Option<usize> {
        self.view.snapshots.step(self.moment.at?)
    }

    /// Selection values of a module at the moment that is shown.
    pub fn values(&self, module: usize) -> &[f32] {
        let kept = || match self.moment.at {
            Some(at) => self.view.snapshots.at(at).map(|snapshot| snapshot.values(module)),
            None => self.view.modules.get(module).map(|module| module.alpha.as_slice()),
        };
        self.exact().and_then(|fetched| Some(fetched.values.get(module)?.as_slice())).or_else(kept).unwrap_or_default()
    }

    /// Energies of a module's terms at that moment; empty where they are not known.
    pub fn energy(&self, module: usize) -> &[f32] {
        let kept = || match self.moment.at {
            Some(at) => self.view.snapshots.at(at).map(|snapshot| snapshot.energy(module)),
            None => self.view.modules.get(module).map(|module| module.energy.as_slice()),
        };
        self.exact().and_then(|fetched| Some(fetched.energy.get(module)?.as_slice())).or_else(kept).unwrap_or_default()
    }

    /// What was read of the moment that is shown.
    fn exact(&self) -> Option<&Fetched> {
        self.moment.fetched.as_ref().filter(|fetched| Some(fetched.index) == self.moment.at)
    }

    /// Goes to another moment; asks for its values where they are not kept.
    pub fn go(&mut self, go: Go) -> Vec<Effect> {
        let Some(now) = self.shown() else { return Vec::new() };
        let newest = self.view.snapshots.len() - 1;
        let long = (newest / LONG).max(1);
        let to = match go {
            Go::Back => now.saturating_sub(1),
            Go::Forward => now + 1,
            Go::LongBack => now.saturating_sub(long),
            Go::LongForward => now + long,
            Go::To(step) => self.view.snapshots.index_at(step).unwrap_or(0),
            Go::Now => usize::MAX,
        };
        self.moment.at = (to < newest || matches!(go, Go::To(_))).then_some(to.min(newest));
        if self.moment.at.is_none() {
            self.moment.playing = false;
        }
        self.fetch()
    }

    /// One frame of the replay.
    pub fn tick(&mut self) -> Vec<Effect> {
        if !self.moment.playing {
            return Vec::new();
        }
        let stride = (self.view.snapshots.len() / FRAMES).max(1);
        let next = self.moment.at.map_or(usize::MAX, |at| at + stride);
        if next + 1 >= self.view.snapshots.len() {
            return self.go(Go::Now);
        }
        self.moment.at = Some(next);
        Vec::new()
    }

    /// Starts or stops the replay; at the newest moment it starts over.
    pub fn play(&mut self) -> Vec<Effect> {
        self.moment.playing = !self.moment.playing && self.view.snapshots.len() > 1;
        if self.moment.playing && self.moment.at.is_none() {
            self.moment.at = Some(0);
        }
        if self.moment.playing { Vec::new() } else { self.fetch() }
    }

    /// Marks the moment that is shown, to compare others with it; takes the mark away where there is one.
    pub fn mark(&mut self) {
        self.moment.mark = if self.moment.mark.is_some() { None } else { self.shown() };
    }

    /// Asks for the values of the moment, where they are in the log alone.
    fn fetch(&self) -> Vec<Effect> {
        let snapshots = &self.view.snapshots;
        let missing = self.moment.at.filter(|at| snapshots.at(*at).is_none_or(|kept| kept.index != *at));
        let wanted = missing.and_then(|index| Some((index, snapshots.place(index)?)));
        let run = || self.head.as_ref().map_or(&self.run, |head| &head.id).clone();
        wanted.map(|(index, place)| Effect::Fetch { run: run(), index, place }).into_iter().collect()
    }

    /// Takes the values of a snapshot that were asked for.
    pub fn fetched(&mut self, index: usize, selection: &Selection, energy: &Energy) {
        let rows = |of: &Selection| -> Vec<Vec<f32>> {
            self.view.modules.iter().map(|module| of.get(&module.path).cloned().unwrap_or_default()).collect()
        };
        self.moment.fetched = Some(Fetched { index, values: rows(selection), energy: rows(energy) });
    }

    /// Keeps moments within the snapshots that there are, which a worker may have gone back behind.
    pub(super) fn mend_moment(&mut self) {
        let len = self.view.snapshots.len();
        let exists = |index: &usize| *index < len;
        self.moment.at = self.moment.at.filter(exists);
        self.moment.mark = self.moment.mark.filter(exists);
        self.moment.playing &= self.moment.at.is_some();
        self.came = self.came.map(|came| came.min(len));
    }
}
