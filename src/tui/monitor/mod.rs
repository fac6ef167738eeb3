//! The monitor of one run: a fold over its log, a moment of its search, a choice that is tried, and panes to look at.

mod act;
mod adapter;
mod catch_up;
mod changes;
mod figures;
mod grid;
mod heat;
mod history;
mod log;
mod machine;
mod meter;
mod module;
mod moment;
mod outcome;
mod panes;
mod report;
mod samples;
mod scene;
mod status;
mod view;
mod ways;
mod what_if;
mod yardstick;

pub use act::{act, act_what_if, why_no_control};
pub use adapter::AdapterFile;
pub use catch_up::Then;
pub use changes::changes;
pub use figures::Figures;
pub use log::LogView;
pub use moment::{Go, Moment};
pub use panes::Pane;
pub use samples::all_lines as sample_lines;
pub use status::short;
pub use view::view;
pub use ways::Ways;
pub use what_if::WhatIf;

use super::seen::Seen;
use crate::experiment::Experiment;
use crate::run::event::{Phase, Record};
use crate::run::view::{RunView, State};
use grid::Grid;
use ways::Again;

/// Who a run is, read once when the monitor opens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    pub id: String,
    pub name: String,
    pub dir: String,
    /// The dataset, or the training file's name.
    pub data: String,
    /// The run's settings, where they can be read.
    pub settings: Option<Box<Experiment>>,
    /// Up to where the user had seen it, and for how many seconds nobody looked.
    pub seen: Option<Seen>,
    pub away_s: Option<f64>,
}

/// Which phase's figures the chart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// Those of the present phase.
    #[default]
    Present,
    Search,
    Retrain,
    /// Of the baselines.
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
    /// The run as it is shown.
    pub view: RunView,
    /// Share of the log that is read, while it is not all of it.
    pub read: Option<f64>,
    pub grid: Grid,
    /// Row and column of the module with the cursor.
    pub cursor: (usize, usize),
    pub curve: Curve,
    pub figures: Figures,
    pub moment: Moment,
    pub what_if: Option<WhatIf>,
    pub log: LogView,
    pub focus: Pane,
    /// Whether the pane with the focus has the whole screen.
    pub full: bool,
    /// Where the run stood at the last look, once that event was read.
    pub then: Option<Then>,
    /// Snapshots that there were when the user came: what changes later changes before their eyes.
    pub came: Option<usize>,
    /// What was looked at before, until it is there again.
    again: Option<Again>,
    /// The run from which this one was opened, as the one whose search it took.
    pub child: Option<String>,
    /// Files of the adapter of a finished run: none before they are asked for, empty before the answer.
    pub adapter: Option<Vec<AdapterFile>>,
    /// Why the run cannot be read.
    pub lost: Option<String>,
}

impl Monitor {
    /// The run to go back to where nothing was read of this one.
    pub fn way_back(&mut self) -> Option<String> {
        self.child.take_if(|_| self.state.is_none())
    }

    /// Takes who the run is; said once more, what a worker found out of its settings.
    pub fn opened(&mut self, head: Head) {
        match &mut self.head {
            Some(known) if known.id == head.id => (known.settings, known.data) = (head.settings, head.data),
            _ => self.head = Some(head),
        }
    }

    /// The monitor of a run of which nothing is read yet.
    pub fn new(run: &str) -> Monitor {
        Monitor {
            run: run.to_owned(),
            head: None,
            state: None,
            view: RunView::default(),
            read: None,
            grid: Grid::default(),
            cursor: (0, 0),
            curve: Curve::default(),
            figures: Figures::default(),
            moment: Moment::default(),
            what_if: None,
            log: LogView::default(),
            focus: Pane::default(),
            full: false,
            then: None,
            came: None,
            again: None,
            child: None,
            adapter: None,
            lost: None,
        }
    }

    /// The settings of the run, once they are read.
    pub fn settings(&self) -> Option<&Experiment> {
        self.head.as_ref()?.settings.as_deref()
    }

    /// Shows a run by the ends of its log until all of it is read.
    pub fn glimpse(&mut self, view: RunView, state: State) {
        self.view = view;
        self.state = Some(state);
        self.read = Some(0.0);
        self.mend_moment();
        self.arrange();
    }

    /// Shows a run with all of its history. Gives what happened since the last look, where that was a while ago.
    pub fn fill(&mut self, view: RunView, state: State, then: Option<Then>) -> Option<Vec<String>> {
        (self.came, self.view, self.then, self.read) = (Some(view.snapshots.len()), view, then, None);
        self.settle(state);
        self.look_again();
        catch_up::card(self)
    }

    /// Takes in new lines of the log, each with the bytes before it, and the state at their end.
    pub fn follow(&mut self, records: &[Record], places: &[u64], state: State) {
        for (i, record) in records.iter().enumerate() {
            self.view.apply_at(record, places.get(i).copied());
        }
        self.settle(state);
    }

    fn settle(&mut self, state: State) {
        self.state = Some(state);
        self.lost = None;
        self.mend_moment();
        self.arrange();
    }

    /// Whether the files of the adapter are to be looked at: once, when the run is finished.
    pub fn wants_adapter(&mut self) -> bool {
        let wants = self.adapter.is_none() && self.adapter_dir().is_some();
        if wants {
            self.adapter = Some(Vec::new());
        }
        wants
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
            (Curve::Present, _) if self.is_past() => Curve::Search,
            (Curve::Present, Some(Phase::Baseline)) => Curve::Baseline,
            (Curve::Present, _) if !self.view.retrain.is_empty() => Curve::Retrain,
            (Curve::Present, _) => Curve::Search,
            (curve, _) => curve,
        }
    }
}
