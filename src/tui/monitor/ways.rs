//! How a run is looked at: remembered when its monitor is left, for who comes back to it.

use super::{Curve, Figures, Monitor, Pane};
use crate::tui::input::LineInput;
use crate::tui::msg::Effect;

use super::moment::Go;

/// What is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Ways {
    curve: Curve,
    figures: Figures,
    filter: LineInput,
    focus: Pane,
    again: Again,
}

/// What can be looked at again only once the log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    cursor: (usize, usize),
    /// The step of the marked moment.
    mark: Option<usize>,
}

impl Monitor {
    /// How the run is looked at.
    pub fn ways(&self) -> Ways {
        let mark = self.moment.mark.and_then(|mark| self.view.snapshots.step(mark));
        // Left before the log was read: nothing was looked at otherwise.
        let again = self.again.clone().unwrap_or(Again { cursor: self.cursor, mark });
        let (figures, filter) = (self.figures.clone(), self.log.filter.clone());
        Ways { curve: self.curve, figures, filter, focus: self.focus, again }
    }

    /// Looks at the run as it was looked at before.
    pub fn look_as(&mut self, ways: &Ways) {
        (self.curve, self.figures, self.focus) = (ways.curve, ways.figures.clone(), ways.focus);
        self.log.filter = ways.filter.clone();
        self.again = Some(ways.again.clone());
    }

    /// Goes back to the module and the mark that were looked at, once all of the log is there.
    pub(super) fn look_again(&mut self) {
        let Some(Again { cursor: (row, column), mark }) = self.again.take() else { return };
        let last = (self.grid.layers.len().saturating_sub(1), self.grid.kinds.len().saturating_sub(1));
        self.cursor = (row.min(last.0), column.min(last.1));
        self.moment.mark = mark.and_then(|step| self.view.snapshots.index_at(step));
    }

    /// Takes back one thing of how the run is looked at: a filter of the log, the whole screen, the past. None where there is
    /// no such thing.
    pub fn step_back(&mut self) -> Option<Vec<Effect>> {
        if self.focus == Pane::Log && !self.log.filter.is_empty() {
            (self.log.filter, self.log.scroll) = (LineInput::default(), 0);
            return Some(Vec::new());
        }
        if std::mem::take(&mut self.full) {
            return Some(Vec::new());
        }
        self.is_past().then(|| self.go(Go::Now))
    }
}
