//! The monitor of one run: a fold over its log, and a cursor on a module.

mod chart;
mod grid;
mod heat;
mod losses;
mod module;
mod outcome;
mod samples;
mod status;
mod view;

pub use samples::all_lines as sample_lines;
pub use status::short;
pub use view::view;

use super::keys::Action;
use super::model::{Model, moved};
use super::msg::Effect;
use crate::run::event::{Phase, Record};
use crate::run::view::{RunView, State};
use grid::Grid;

/// Who a run is, read once when the monitor opens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub id: String,
    pub name: String,
    pub dir: String,
    /// The dataset, or the training file's name.
    pub data: String,
}

/// Which losses the chart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// Those of the present phase.
    #[default]
    Present,
    Search,
    Retrain,
    /// Of the head alone.
    Baseline,
}

/// The screen.
#[derive(Debug)]
pub struct Monitor {
    /// What was asked for: an id, a name, `last`.
    pub run: String,
    /// Known once the run was found.
    pub head: Option<Head>,
    /// Known once the log was read.
    pub state: Option<State>,
    pub view: RunView,
    pub grid: Grid,
    /// Row and column of the module with the cursor.
    pub cursor: (usize, usize),
    pub curve: Curve,
    /// Why the run cannot be read.
    pub lost: Option<String>,
}

impl Monitor {
    /// The monitor of a run of which nothing is read yet.
    pub fn new(run: &str) -> Monitor {
        Monitor {
            run: run.to_owned(),
            head: None,
            state: None,
            view: RunView::default(),
            grid: Grid::default(),
            cursor: (0, 0),
            curve: Curve::default(),
            lost: None,
        }
    }

    /// Takes in new lines of the log and the state at their end.
    pub fn follow(&mut self, records: &[Record], state: State) {
        for record in records {
            self.view.apply(record);
        }
        self.state = Some(state);
        self.lost = None;
        self.arrange();
    }

    /// Arranges the modules anew where there are others.
    pub fn arrange(&mut self) {
        let known = self.grid.cells.iter().flatten().flatten().count();
        if known != self.view.modules.len() {
            self.grid = Grid::of(&self.view.modules);
            self.cursor = (0, 0);
        }
    }

    /// Index of the module with the cursor.
    pub fn module(&self) -> Option<usize> {
        self.grid.module(self.cursor.0, self.cursor.1)
    }

    /// The curve that is shown, never [`Curve::Present`].
    pub fn shown_curve(&self) -> Curve {
        match (self.curve, self.view.phase) {
            (Curve::Present, Some(Phase::Baseline)) => Curve::Baseline,
            (Curve::Present, _) if !self.view.retrain.is_empty() => Curve::Retrain,
            (Curve::Present, _) => Curve::Search,
            (curve, _) => curve,
        }
    }
}

/// An action on the monitor.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(monitor) = model.monitor() else { return Vec::new() };
    let (row, column) = monitor.cursor;
    match action {
        Action::Curve => {
            monitor.curve = match (monitor.curve, monitor.view.baseline.is_empty()) {
                (Curve::Present, _) => Curve::Search,
                (Curve::Search, _) => Curve::Retrain,
                (Curve::Retrain, false) => Curve::Baseline,
                _ => Curve::Present,
            };
        }
        Action::Left => monitor.cursor.1 = column.saturating_sub(1),
        Action::Right => monitor.cursor.1 = (column + 1).min(monitor.grid.kinds.len().saturating_sub(1)),
        moving => monitor.cursor.0 = moved(row, monitor.grid.layers.len(), moving),
    }
    Vec::new()
}
