//! The runs table: sorted, filtered, marked; the cursor stays on its run while others come and go.

mod annotate;
pub mod columns;
mod detail;
pub mod export;
pub mod filter;
pub mod folder;
pub mod names;
pub mod order;
mod removal;
mod view;

pub use annotate::{Annotation, answered, taken as annotated};
pub use columns::Column;
pub use detail::lines as detail_lines;
pub use export::{ExportFormat, ask as ask_export};
pub use removal::ask as ask_removal;
pub use view::{column_lines, view};

use super::compare::Compare;
use super::input::LineInput;
use super::kept::Kept;
use super::keys::{Action, Context};
use super::model::{Model, Popup, Screen, moved};
use super::monitor::why_no_control;
use super::msg::Effect;
use super::text::clean;
use crate::run::best::At;
use crate::run::compare::{FEWEST, MOST};
use crate::run::event::Phase;
use crate::run::notes::Notes;
use crate::run::outlook::Left;
use crate::run::view::State;
use crossterm::event::KeyEvent;
use order::{Key, Order};

/// The preset that a new run starts from.
const FIRST_PRESET: &str = "demo";
/// The name of the figure that a run under way is known by.
const UNDER_WAY: &str = "val loss";

/// What stands for the state of a run that cannot be read.
const UNREADABLE: &str = "unreadable";

/// The ranks of a run in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    pub mean: f64,
    /// LoRA parameters at these ranks, where the sizes of the modules are known.
    pub parameters: Option<usize>,
    /// Whether they are allocated, not only emerging.
    pub allocated: bool,
}

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
    /// Whether these are steps of the warm-up.
    pub warms_up: bool,
    /// Time left of all phases, while a worker is at work.
    pub left: Option<Left>,
    /// The ranks that were found.
    pub ranks: Option<Ranked>,
    /// The figure of the test split and its name.
    pub score: Option<(String, f64)>,
    /// Lowest and latest validation loss of the search, as far as the log has been read.
    pub best: Option<At>,
    pub last: Option<At>,
    /// Seconds that it took, of one that ended by itself.
    pub took: Option<f64>,
    pub model: String,
    pub data: String,
    /// RFC 3339, UTC.
    pub started: Option<String>,
    /// Id of the run that it was made from.
    pub parent: Option<String>,
    /// What that one is called, where it is still there.
    pub parent_name: Option<String>,
    /// What the user keeps about it.
    pub notes: Notes,
    /// Why it failed.
    pub error: Option<String>,
    /// What is wrong with the file that tells who it is.
    pub damage: Option<String>,
    /// Why its state cannot be told; `state` is what was known before.
    pub unreadable: Option<String>,
    /// Whether a part of its log is still to be read, from which figures may come.
    pub reads_on: bool,
}

impl RunRow {
    /// Whether a worker has it, be it at work or in the queue: it cannot be deleted.
    pub fn has_worker(&self) -> bool {
        self.state.is_active() || self.place.is_some()
    }

    /// Its state in a word.
    pub fn state_word(&self) -> &'static str {
        if self.unreadable.is_some() { UNREADABLE } else { self.state.name() }
    }

    /// The figure that the run is known by now: its score, before that its best validation loss.
    pub fn figure(&self) -> Option<(&str, f64)> {
        let score = self.score.as_ref().map(|(name, value)| (name.as_str(), *value));
        score.or_else(|| self.best.map(|(_, loss)| (UNDER_WAY, loss)))
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Runs {
    /// All runs, newest first.
    pub rows: Vec<RunRow>,
    /// Whether the folder has been read.
    pub loaded: bool,
    /// Columns and order, as the user likes them.
    pub kept: Kept,
    /// Ids of the marked runs in the order in which they were marked.
    pub marked: Vec<String>,
    /// Places in `rows` of those that are shown, in their order.
    shown: Vec<usize>,
    /// The id with the cursor.
    cursor: Option<String>,
    filter: LineInput,
    filtering: bool,
}

impl Runs {
    /// Takes the rows as they are now.
    pub fn show(&mut self, rows: Vec<RunRow>) {
        let before = self.index();
        self.rows = rows;
        self.loaded = true;
        self.marked.retain(|id| self.rows.iter().any(|row| row.id == *id));
        self.arrange();
        let kept = self.cursor.as_ref().is_some_and(|id| self.rows.iter().any(|row| row.id == *id));
        if !kept {
            // The run is gone: the one that took its place.
            self.select(before);
        }
    }

    /// Filters and sorts anew.
    pub fn arrange(&mut self) {
        let filter = self.filter.text();
        let mut shown: Vec<usize> =
            (0..self.rows.len()).filter(|at| filter::matches(&filter, &self.rows[*at])).collect();
        shown.sort_by(|a, b| self.kept.order.compare(&self.rows[*a], &self.rows[*b]));
        self.shown = shown;
    }

    /// The runs that are shown, in their order.
    pub fn shown(&self) -> impl ExactSizeIterator<Item = &RunRow> {
        self.shown.iter().map(|at| &self.rows[*at])
    }

    /// Where the cursor is among the runs that are shown.
    pub fn index(&self) -> usize {
        let at = self.cursor.as_ref().and_then(|id| self.shown().position(|row| row.id == *id));
        at.unwrap_or(0)
    }

    /// The run with the cursor.
    pub fn selected(&self) -> Option<&RunRow> {
        self.shown.get(self.index()).map(|at| &self.rows[*at])
    }

    /// The row of a run.
    pub fn row(&self, id: &str) -> Option<&RunRow> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// Puts the cursor on a run, also one that the next look at the folder brings.
    pub fn point_to(&mut self, id: &str) {
        self.cursor = Some(id.to_owned());
    }

    fn select(&mut self, index: usize) {
        let index = index.min(self.shown.len().saturating_sub(1));
        self.cursor = self.shown.get(index).map(|at| self.rows[*at].id.clone());
    }

    /// Where keys go.
    pub fn context(&self) -> Context {
        if self.filtering { Context::RunsFilter } else { Context::Runs }
    }

    /// Whether a filter or marks are there, which Esc takes away.
    pub fn can_clear(&self) -> bool {
        !self.filter.is_empty() || !self.marked.is_empty()
    }

    /// Takes away the filter, where there is none the marks.
    pub fn clear(&mut self) {
        self.filtering = false;
        if self.filter.is_empty() {
            self.marked.clear();
        }
        self.filter = LineInput::default();
        self.arrange();
    }

    /// Takes a key into the filter.
    pub fn type_key(&mut self, key: KeyEvent) {
        self.filter.key(key);
        self.arrange();
    }

    /// Takes pasted text into the filter, while that is typed.
    pub fn paste(&mut self, text: &str) {
        if self.filtering {
            self.filter.insert(&clean(text.trim()));
            self.arrange();
        }
    }

    /// The runs that an action on several is about: the marked ones, else that with the cursor.
    fn meant(&self) -> Vec<&RunRow> {
        if self.marked.is_empty() {
            return self.selected().into_iter().collect();
        }
        self.marked.iter().filter_map(|id| self.row(id)).collect()
    }

    /// Whether there is a run to delete among those that are meant.
    pub fn can_remove(&self) -> bool {
        self.meant().iter().any(|row| !row.has_worker())
    }

    /// Whether the marked runs can be compared.
    pub fn can_compare(&self) -> bool {
        (FEWEST..=MOST).contains(&self.marked.len())
    }

    /// Why an action does nothing to the run with the cursor.
    pub fn why_not(&self, action: Action) -> Option<String> {
        let row = self.selected()?;
        match action {
            Action::Remove => Some(format!("{} is at work or waits for it: s stops it first", row.name)),
            Action::QueueFirst if row.place.is_some() => Some(format!("{} is the first in the queue", row.name)),
            Action::QueueFirst => Some(format!("{} does not wait in the queue", row.name)),
            action => why_no_control(action, Some(row.state)).map(str::to_owned),
        }
    }

    /// What to do so that runs can be compared.
    pub fn how_to_compare(&self) -> String {
        match self.marked.len() {
            0..FEWEST => format!("mark {FEWEST} to {MOST} runs with v, then c compares them"),
            count => {
                format!("{count} runs are marked, and {MOST} are the most that can be compared: v takes a mark away")
            }
        }
    }

    /// The colours that the marked runs have in a comparison.
    pub fn hues(&self) -> Vec<usize> {
        self.kept.hues.of(self.marked.iter().map(String::as_str))
    }

    fn mark(&mut self) {
        let Some(id) = self.selected().map(|row| row.id.clone()) else { return };
        match self.marked.iter().position(|marked| *marked == id) {
            Some(at) => drop(self.marked.remove(at)),
            None => self.marked.push(id),
        }
        self.select(self.index() + 1);
    }

    /// Marks all runs that are shown; takes their marks away where all have one.
    fn mark_all(&mut self) {
        let shown: Vec<String> = self.shown().map(|row| row.id.clone()).collect();
        if shown.iter().all(|id| self.marked.contains(id)) {
            self.marked.retain(|id| !shown.contains(id));
            return;
        }
        for id in shown {
            if !self.marked.contains(&id) {
                self.marked.push(id);
            }
        }
    }
}

/// An action on the runs screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => {
            if let Some(row) = model.runs.selected() {
                let monitor = model.monitor_of(&row.id);
                model.screens.push(Screen::Monitor(Box::new(monitor)));
            }
        }
        Action::QueueFirst => {
            return model.runs.selected().map(|row| Effect::QueueFirst(row.id.clone())).into_iter().collect();
        }
        Action::NewRun => return vec![Effect::OpenPreset(FIRST_PRESET.into())],
        Action::Rerun => {
            return model.runs.selected().map(|row| Effect::OpenRerun(row.id.clone())).into_iter().collect();
        }
        Action::Remove => return removal::weigh(&model.runs),
        Action::Star | Action::Tag | Action::Note => return annotate::act(model, action),
        Action::MarkRun => model.runs.mark(),
        Action::MarkAll => model.runs.mark_all(),
        Action::Compare => {
            let runs = &mut model.runs;
            let sides = runs.marked.iter().filter_map(|id| runs.row(id)).zip(runs.hues());
            let compare = Compare::new(sides.map(|(row, hue)| (row.id.clone(), row.name.clone(), hue)));
            model.screens.push(Screen::Compare(Box::new(compare)));
            if runs.kept.hues.keep(runs.marked.iter().map(String::as_str)) {
                return vec![keep(model)];
            }
        }
        Action::Filter => model.runs.filtering = true,
        Action::Accept => model.runs.filtering = false,
        Action::Cancel => model.runs.clear(),
        Action::Columns => model.popups.push(Popup::Columns { cursor: 0 }),
        Action::Details => {
            if let Some(row) = model.runs.selected() {
                let run = row.id.clone();
                model.popups.push(Popup::Details { run, scroll: 0 });
            }
        }
        Action::Sort | Action::Reverse => {
            let order = model.runs.kept.order;
            let room = view::table_columns(model.size.0);
            let columns = model.runs.kept.shown();
            let shown = columns::fitting(&columns, room).0;
            model.runs.kept.order = match action {
                Action::Sort => Order { key: order.key.next(shown), reversed: false },
                _ => Order { reversed: !order.reversed, ..order },
            };
            model.runs.arrange();
            model.say(format!("sorted by {}", model.runs.kept.order.words()));
            return vec![keep(model)];
        }
        moving => {
            let to = moved(model.runs.index(), model.runs.shown.len(), moving);
            model.runs.select(to);
        }
    }
    Vec::new()
}

/// Remembers columns and order.
fn keep(model: &mut Model) -> Effect {
    model.runs.kept.edit += 1;
    Effect::Keep(Box::new(model.runs.kept.clone()))
}

/// An action on the list of columns, whose cursor is on `cursor`.
pub fn in_columns(model: &mut Model, cursor: usize, action: Action) -> Vec<Effect> {
    let columns = &mut model.runs.kept.columns;
    let last = columns.len().saturating_sub(1);
    let mut to = cursor.min(last);
    match action {
        Action::Toggle => columns.iter_mut().skip(to).take(1).for_each(|(_, is_shown)| *is_shown = !*is_shown),
        Action::MoveUp if to > 0 => to -= 1,
        Action::MoveDown if to < last => to += 1,
        Action::Unset => *columns = Kept::default().columns,
        moving => {
            model.popups.push(Popup::Columns { cursor: moved(cursor, columns.len(), moving) });
            return Vec::new();
        }
    }
    if to != cursor.min(last) {
        columns.swap(cursor.min(last), to);
    }
    model.popups.push(Popup::Columns { cursor: to });
    vec![keep(model)]
}

/// The key that the heading of the names, or of a column, is marked for.
fn is_sorted_by(order: Order, column: Option<Column>) -> bool {
    order.key == column.map_or(Key::Name, Key::Column)
}

#[cfg(test)]
mod tests;
