//! The runs table: newest first, the cursor staying on its run while others come and go.

mod view;

pub use view::view;

use super::keys::Action;
use super::model::{Model, Popup, Screen, Then, moved};
use super::monitor::Monitor;
use super::msg::Effect;
use super::text::bytes;
use crate::run::event::Phase;
use crate::run::view::State;

/// The preset that a new run starts from.
const FIRST_PRESET: &str = "demo";

/// One run as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub id: String,
    pub name: String,
    pub dir: String,
    pub state: State,
    /// Its place in the queue, from 1, while it waits.
    pub place: Option<usize>,
    pub phase: Option<Phase>,
    /// Step of the phase and its total (0: unknown).
    pub step: usize,
    pub total: usize,
    /// The figure of the test split and its name.
    pub score: Option<(String, f64)>,
    pub model: String,
    pub data: String,
    /// RFC 3339, UTC.
    pub started: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Runs {
    pub rows: Vec<RunRow>,
    /// Whether the folder has been read.
    pub loaded: bool,
    /// The id with the cursor.
    cursor: Option<String>,
}

impl Runs {
    /// Takes the rows as they are now.
    pub fn show(&mut self, rows: Vec<RunRow>) {
        let before = self.index();
        self.rows = rows;
        self.loaded = true;
        let kept = self.cursor.as_ref().is_some_and(|id| self.rows.iter().any(|row| row.id == *id));
        if !kept {
            // The run is gone: the one that took its place.
            self.select(before);
        }
    }

    /// Where the cursor is.
    pub fn index(&self) -> usize {
        let at = self.cursor.as_ref().and_then(|id| self.rows.iter().position(|row| row.id == *id));
        at.unwrap_or(0)
    }

    /// The run with the cursor.
    pub fn selected(&self) -> Option<&RunRow> {
        self.rows.get(self.index())
    }

    /// Puts the cursor on a run, also one that the next look at the folder brings.
    pub fn point_to(&mut self, id: &str) {
        self.cursor = Some(id.to_owned());
    }

    fn select(&mut self, index: usize) {
        let index = index.min(self.rows.len().saturating_sub(1));
        self.cursor = self.rows.get(index).map(|row| row.id.clone());
    }
}

/// An action on the runs screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => {
            if let Some(row) = model.runs.selected() {
                let monitor = Monitor::new(&row.id);
                model.screens.push(Screen::Monitor(Box::new(monitor)));
            }
        }
        Action::QueueFirst => {
            return model.runs.selected().map(|row| Effect::QueueFirst(row.id.clone())).into_iter().collect();
        }
        Action::NewRun => return vec![Effect::OpenPreset(FIRST_PRESET.into())],
        Action::Remove => return model.runs.selected().map(|row| Effect::Weigh(row.id.clone())).into_iter().collect(),
        moving => {
            let to = moved(model.runs.index(), model.runs.rows.len(), moving);
            model.runs.select(to);
        }
    }
    Vec::new()
}

/// Asks before a run is deleted, saying what goes.
pub fn ask_removal(model: &mut Model, run: &str, dir: &str, files: usize, size: u64) {
    let Some(row) = model.runs.rows.iter().find(|row| row.id == run) else { return };
    let text = format!(
        "Delete run {} ({})? Its folder goes, with log, checkpoints and adapter: {files} files, {}.\n{dir}",
        row.name,
        row.id,
        bytes(size)
    );
    let then = Then::Effect(Effect::Remove(run.to_owned()));
    model.popups.push(Popup::Confirm { title: "Delete the run", text, then });
}
