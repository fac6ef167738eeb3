//! Runs side by side: their losses over each other, the settings that differ, ranks, figures. It follows runs at work.

mod curves;
mod hues;
mod tables;
mod view;

pub use hues::Hues;
pub use view::view;

use super::chart::Lens;
use super::keys::Action;
use super::model::{Model, moved};
use super::monitor::Head;
use super::msg::Effect;
use super::runs::names::end_of_id;
use crate::experiment::Experiment;
use crate::run::compare::{self, Losses, Setting};
use crate::run::event::Record;
use crate::run::history::Snapshots;
use crate::run::view::{RunView, State};

/// Selection values of so many steps are forgotten.
const FORGET_AT: usize = 64;

/// One part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Curves,
    Scores,
    Ranks,
    Settings,
}

impl Pane {
    /// All, in the order of Tab.
    pub const ALL: [Pane; 4] = [Pane::Curves, Pane::Scores, Pane::Ranks, Pane::Settings];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Pane::Curves => "losses",
            Pane::Settings => "settings",
            Pane::Ranks => "ranks",
            Pane::Scores => "scores",
        }
    }

    fn place(self) -> usize {
        Pane::ALL.iter().position(|pane| *pane == self).unwrap_or(0)
    }
}

/// One of the runs. Its place gives its number.
#[derive(Debug, Default)]
pub struct Side {
    pub id: String,
    pub name: String,
    /// Its colour, by its place in the palette.
    pub hue: usize,
    /// `None` where the settings are not read yet, or cannot be.
    pub experiment: Option<Experiment>,
    pub view: RunView,
    /// Known once the log was read.
    pub state: Option<State>,
    /// Why the run cannot be read.
    pub lost: Option<String>,
}

/// The screen.
#[derive(Debug)]
pub struct Compare {
    pub sides: Vec<Side>,
    pub pane: Pane,
    pub losses: Losses,
    /// How they are looked at.
    pub lens: Lens,
    /// The place on the axis with the cursor.
    pub cursor: Option<f64>,
    /// The settings that differ, worked out when settings come.
    settings: Vec<Setting>,
    /// Lines that each pane is scrolled down by.
    scroll: [usize; 4],
    /// Runs that are left out behind the first one, where not all fit beside each other.
    shift: usize,
}

impl Compare {
    /// The comparison of runs, by id, name and colour, of which nothing is read yet.
    pub fn new(runs: impl Iterator<Item = (String, String, usize)>) -> Compare {
        Compare {
            sides: runs.map(|(id, name, hue)| Side { id, name, hue, ..Side::default() }).collect(),
            pane: Pane::default(),
            losses: Losses::default(),
            lens: Lens::smooth(),
            cursor: None,
            settings: Vec::new(),
            scroll: [0; 4],
            shift: 0,
        }
    }

    /// The ids of the runs.
    pub fn ids(&self) -> Vec<String> {
        self.sides.iter().map(|side| side.id.clone()).collect()
    }

    fn side(&mut self, run: &str) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.id == run)
    }

    /// A run was found, and its settings where they can be read.
    pub fn opened(&mut self, head: Head) {
        if let Some(side) = self.side(&head.id) {
            side.name = head.name;
            side.experiment = head.settings.map(|settings| *settings);
            self.settings = compare::settings(&self.compared());
        }
    }

    /// Takes a run with all of its history.
    pub fn filled(&mut self, run: &str, view: RunView, state: State) {
        let Some(side) = self.side(run) else { return };
        side.view = view;
        forget_history(&mut side.view);
        side.state = Some(state);
        side.lost = None;
    }

    /// Takes in new lines of the log of a run and the state at their end.
    pub fn follow(&mut self, run: &str, records: &[Record], state: State) {
        let Some(side) = self.side(run) else { return };
        records.iter().for_each(|record| side.view.apply(record));
        forget_history(&mut side.view);
        side.state = Some(state);
        side.lost = None;
    }

    /// A run cannot be read.
    pub fn lost(&mut self, run: &str, error: String) {
        if let Some(side) = self.side(run) {
            side.lost = Some(error);
        }
    }

    /// It can be read again. Gives its name.
    pub fn regained(&mut self, run: &str) -> Option<String> {
        let side = self.side(run)?;
        side.lost = None;
        Some(side.name.clone())
    }

    /// Whether the curves are in sight on a terminal of this size.
    pub fn shows_curves(&self, size: (u16, u16)) -> bool {
        view::curve_columns(self, size) > 0
    }

    /// What a run is called: its name, and the end of its id where another has the same one.
    fn called(&self, run: usize) -> String {
        let Side { id, name, .. } = &self.sides[run];
        match self.sides.iter().filter(|side| side.name == *name).count() {
            1 => name.clone(),
            _ => format!("{name} {}", end_of_id(id)),
        }
    }

    fn compared(&self) -> Vec<compare::Side<'_>> {
        self.sides.iter().map(|side| compare::Side { experiment: side.experiment.as_ref(), view: &side.view }).collect()
    }

    fn has_same_rows(&self) -> bool {
        compare::other_rows(&self.settings).is_empty()
    }
}

/// Selection values over time are for the monitor, and those of eight runs take much memory. The modules keep the last
/// ones.
fn forget_history(view: &mut RunView) {
    if view.snapshots.len() > FORGET_AT {
        view.snapshots = Snapshots::default();
    }
}

/// An action on the screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let size = model.size;
    let Some(compare) = model.comparison() else { return Vec::new() };
    let next = |by: usize| Pane::ALL[(compare.pane.place() + by) % Pane::ALL.len()];
    match action {
        Action::NextPane => compare.pane = next(1),
        Action::PreviousPane => compare.pane = next(Pane::ALL.len() - 1),
        Action::Curve => {
            let at = Losses::ALL.iter().position(|losses| *losses == compare.losses).unwrap_or(0);
            compare.losses = Losses::ALL[(at + 1) % Losses::ALL.len()];
            // Steps of another phase are others.
            compare.reset();
        }
        Action::Axis => compare.next_axis(),
        Action::LogScale => compare.lens.log = !compare.lens.log,
        Action::Smoothing => compare.lens.smoothe(),
        Action::ZoomIn => compare.zoom(true),
        Action::ZoomOut => compare.zoom(false),
        Action::ZoomAll => compare.reset(),
        Action::Left | Action::Right if compare.pane == Pane::Curves => {
            compare.move_cursor(action == Action::Right, view::curve_columns(compare, size));
        }
        Action::Up | Action::Down if compare.pane == Pane::Curves => compare.zoom(action == Action::Up),
        Action::Left => compare.shift = compare.shift.min(view::most_shift(compare, size)).saturating_sub(1),
        Action::Right => compare.shift = (compare.shift + 1).min(view::most_shift(compare, size)),
        moving => {
            let last = view::last_scroll(compare, size);
            let scroll = &mut compare.scroll[compare.pane.place()];
            *scroll = moved((*scroll).min(last), last + 1, moving);
        }
    }
    Vec::new()
}
