//! The state of the program: screens and popups, each a stack.

use super::compare::Compare;
use super::endings::Endings;
use super::form::{Form, ProblemList};
use super::input::LineInput;
use super::keys::{Action, Context};
use super::look::Look;
use super::monitor::{Monitor, Pane, Ways};
use super::msg::{Effect, Watching};
use super::picker::Picker;
use super::preflight::Preflight;
use super::presets::{DifferenceView, PresetList};
use super::runs::{ExportFormat, Runs};
use crate::run::view::{SampleView, State};
use jiff::tz::TimeZone;

/// The size of a terminal that does not tell its own.
pub const FALLBACK_SIZE: (u16, u16) = (80, 24);

/// Runs of which it is remembered how they were looked at.
const MOST_WAYS: usize = 32;

/// Everything that a frame shows.
#[derive(Debug)]
pub struct Model {
    pub look: Look,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// Zone in which times are shown.
    pub zone: TimeZone,
    /// Never empty; the last is shown.
    pub screens: Vec<Screen>,
    /// The last is on top and takes the keys.
    pub popups: Vec<Popup>,
    pub runs: Runs,
    pub presets: PresetList,
    /// Which runs have ended since they were first seen.
    pub endings: Endings,
    /// How runs were looked at, by their ids, the newest last.
    pub ways: Vec<(String, Ways)>,
    /// One line about the last thing that was asked for; goes at the next key.
    pub notice: Option<Notice>,
}

/// A screen.
#[derive(Debug)]
pub enum Screen {
    Runs,
    Compare(Box<Compare>),
    Presets,
    Form(Box<Form>),
    Monitor(Box<Monitor>),
}

/// A layer over the screen.
#[derive(Clone, Debug)]
pub enum Popup {
    /// The help on the context below, scrolled down by so many lines.
    Help { about: Context, scroll: usize },
    /// All samples of the run on the monitor, scrolled down by so many lines. `shown`: how many there were when the
    /// newest one was left, so that later ones do not push away what is read.
    Samples { shown: Option<usize>, scroll: usize },
    /// The columns of the runs table, with the place of the cursor.
    Columns { cursor: usize },
    /// All that the table knows of a run, scrolled down by so many lines.
    Details { run: String, scroll: usize },
    /// The modules whose rank differs between the moment that is shown and the mark.
    Changes { scroll: usize },
    /// What happened while one was away.
    Card(Vec<String>),
    /// A yes-or-no question.
    Confirm { title: &'static str, text: String, then: Then },
    /// Whether to start beside what uses the device, or to wait.
    Crowded { text: String, start: Box<Effect> },
    /// A question with a line to type.
    Prompt { title: &'static str, text: String, input: LineInput, then: Asked },
    /// A line to type with what there is to pick from.
    Picker(Box<Picker>),
    /// What the run would take.
    Preflight(Box<Preflight>),
    /// All that is wrong.
    Problems(Box<ProblemList>),
    /// What a preset says otherwise than the defaults.
    Difference(Box<DifferenceView>),
}

/// What a yes does.
#[derive(Clone, Debug)]
pub enum Then {
    Effect(Effect),
    /// Back to the screen before.
    Back,
}

/// What a typed line is for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The name under which to save the form.
    SaveForm,
    /// The name of the copy of this preset.
    CopyPreset(String),
    /// The tags of this run.
    Tags(String),
    /// The note on this run.
    Note(String),
    /// The new name of this preset.
    RenamePreset(String),
    /// The name of the preset of this file.
    ImportPreset(String),
    /// The file that this preset is written into.
    ExportPreset(String),
    /// What of this run is written, by its id and name.
    ExportFormat { run: String, name: String },
    /// The folder that it is written into.
    ExportFolder { run: String, name: String, format: ExportFormat },
    /// A step of the search to show.
    Step,
    /// The threshold or budget that is tried.
    Threshold,
}

/// One line about the last thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub bad: bool,
}

impl Model {
    /// The runs screen, before anything is read.
    pub fn new(look: Look, zone: TimeZone) -> Model {
        Model {
            look,
            size: FALLBACK_SIZE,
            zone,
            screens: vec![Screen::Runs],
            popups: Vec::new(),
            runs: Runs::default(),
            presets: PresetList::default(),
            endings: Endings::default(),
            ways: Vec::new(),
            notice: None,
        }
    }

    /// The screen that is shown.
    pub fn screen(&self) -> &Screen {
        self.screens.last().unwrap_or(&Screen::Runs)
    }

    /// The form, where it is the screen that is shown.
    pub fn form(&mut self) -> Option<&mut Form> {
        match self.screens.last_mut() {
            Some(Screen::Form(form)) => Some(form),
            _ => None,
        }
    }

    /// The monitor, where it is the screen that is shown.
    pub fn monitor(&mut self) -> Option<&mut Monitor> {
        match self.screens.last_mut() {
            Some(Screen::Monitor(monitor)) => Some(monitor),
            _ => None,
        }
    }

    /// The comparison, where it is the screen that is shown.
    pub fn comparison(&mut self) -> Option<&mut Compare> {
        match self.screens.last_mut() {
            Some(Screen::Compare(compare)) => Some(compare),
            _ => None,
        }
    }

    /// The monitor to look at, where it is the screen that is shown.
    pub fn monitor_shown(&self) -> Option<&Monitor> {
        match self.screen() {
            Screen::Monitor(monitor) => Some(monitor),
            _ => None,
        }
    }

    /// The pane of the monitor that has the focus.
    pub fn focus(&self) -> Option<Pane> {
        self.monitor_shown().map(|monitor| monitor.focus)
    }

    /// A monitor of a run that is looked at as it was before.
    pub fn monitor_of(&self, run: &str) -> Monitor {
        let mut monitor = Monitor::new(run);
        if let Some((_, ways)) = self.ways.iter().find(|(known, _)| known == run) {
            monitor.look_as(ways);
        }
        monitor
    }

    /// Shows a run in the place of the one on the monitor.
    pub fn put_in_place(&mut self, run: &str) {
        let monitor = self.monitor_of(run);
        self.screens.pop();
        self.screens.push(Screen::Monitor(Box::new(monitor)));
    }

    /// Remembers how the run on the monitor is looked at.
    pub fn keep_ways(&mut self) {
        let Some(monitor) = self.monitor_shown() else { return };
        let run = monitor.head.as_ref().map_or(&monitor.run, |head| &head.id).clone();
        let ways = monitor.ways();
        self.ways.retain(|(known, _)| *known != run);
        self.ways.push((run, ways));
        if self.ways.len() > MOST_WAYS {
            self.ways.remove(0);
        }
    }

    /// Whether a replay goes on.
    pub fn is_playing(&self) -> bool {
        self.monitor_shown().is_some_and(|monitor| monitor.moment.playing)
    }

    /// The samples of the run on the monitor.
    pub fn samples(&self) -> &[SampleView] {
        match self.screen() {
            Screen::Monitor(monitor) => &monitor.view.samples,
            _ => &[],
        }
    }

    /// Whether a form with unsaved changes is open anywhere.
    pub fn has_unsaved_form(&self) -> bool {
        self.screens.iter().any(|screen| matches!(screen, Screen::Form(form) if form.is_changed()))
    }

    /// The context of the screen alone.
    pub fn screen_context(&self) -> Context {
        match self.screen() {
            Screen::Runs => self.runs.context(),
            Screen::Compare(_) => Context::Compare,
            Screen::Presets if self.presets.filtering => Context::PresetFilter,
            Screen::Presets => Context::Presets,
            Screen::Form(form) => form.context(),
            Screen::Monitor(monitor) if monitor.log.typing => Context::LogFilter,
            Screen::Monitor(monitor) if monitor.what_if.is_some() => Context::WhatIf,
            Screen::Monitor(_) => Context::Monitor,
        }
    }

    /// Where a key goes now.
    pub fn context(&self) -> Context {
        match self.popups.last() {
            Some(Popup::Help { .. }) => Context::Help,
            Some(Popup::Samples { .. }) => Context::Samples,
            Some(Popup::Columns { .. }) => Context::Columns,
            Some(Popup::Details { .. }) => Context::Details,
            Some(Popup::Changes { .. }) => Context::Changes,
            Some(Popup::Card(_)) => Context::Card,
            Some(Popup::Confirm { .. }) => Context::Confirm,
            Some(Popup::Crowded { .. }) => Context::Crowded,
            Some(Popup::Prompt { .. }) => Context::Prompt,
            Some(Popup::Picker(_)) => Context::Picker,
            Some(Popup::Preflight(_)) => Context::Preflight,
            Some(Popup::Problems(_)) => Context::Problems,
            Some(Popup::Difference(_)) => Context::Difference,
            None => self.screen_context(),
        }
    }

    /// What must be watched for the screen that is shown.
    pub fn watching(&self) -> Watching {
        match self.screen() {
            Screen::Runs => Watching::Runs,
            Screen::Monitor(monitor) => Watching::Run(monitor.run.clone()),
            Screen::Compare(compare) => Watching::Several(compare.ids()),
            Screen::Presets | Screen::Form(_) => Watching::Nothing,
        }
    }

    /// The run that pause, resume and stop are about, and its state.
    pub fn run_in_focus(&self) -> Option<(String, State)> {
        match self.screen() {
            Screen::Runs => self.runs.selected().map(|row| (row.id.clone(), row.state)),
            Screen::Monitor(monitor) => {
                monitor.head.as_ref().zip(monitor.state).map(|(head, state)| (head.id.clone(), state))
            }
            _ => None,
        }
    }

    /// Whether an action makes sense now; the key bar shows only those that do.
    pub fn can(&self, action: Action) -> bool {
        match self.popups.last() {
            Some(Popup::Preflight(preflight)) => return preflight.can(action),
            Some(Popup::Problems(list)) => return list.can(action),
            Some(_) => return true,
            None => {}
        }
        let state = || self.run_in_focus().map(|(_, state)| state);
        match action {
            Action::Pause => state() == Some(State::Running),
            Action::Resume => {
                let resumable = [State::Paused, State::Stopped, State::Crashed, State::Failed];
                state().is_some_and(|state| resumable.contains(&state))
            }
            Action::Stop => matches!(state(), Some(State::Running | State::Stalled | State::Queued)),
            Action::QueueFirst => self.runs.selected().is_some_and(|row| row.place.is_some_and(|place| place > 1)),
            Action::Remove => match self.screen() {
                Screen::Runs => self.runs.can_remove(),
                _ => self.presets.selected().is_some_and(|row| row.saved),
            },
            Action::Open => match self.screen() {
                Screen::Presets => self.presets.selected().is_some(),
                _ => self.runs.selected().is_some(),
            },
            Action::Rename => self.presets.selected().is_some_and(|row| row.saved),
            Action::Export => self.presets.selected().is_some(),
            Action::ExportRun => state() == Some(State::Finished),
            Action::Difference => !matches!(self.screen(), Screen::Presets) || self.presets.selected().is_some(),
            Action::NextProblem | Action::PreviousProblem | Action::Problems => {
                matches!(self.screen(), Screen::Form(form) if !form.problems.is_empty())
            }
            Action::SaveAs => !matches!(self.screen(), Screen::Presets) || self.presets.selected().is_some(),
            Action::Samples => !self.samples().is_empty(),
            Action::EarlierStep
            | Action::LaterStep
            | Action::Earlier
            | Action::Later
            | Action::Replay
            | Action::Mark
            | Action::Jump
            | Action::WhatIf => self.monitor_shown().is_some_and(|monitor| !monitor.view.snapshots.is_empty()),
            Action::Now => self.monitor_shown().is_some_and(Monitor::is_past),
            Action::Parent => self.monitor_shown().is_some_and(|monitor| monitor.view.inherited.is_some()),
            Action::Changes => self.monitor_shown().is_some_and(|monitor| monitor.moment.mark.is_some()),
            Action::Back => self.screens.len() > 1 || self.runs.can_clear(),
            Action::Compare => self.runs.can_compare(),
            Action::Curve
            | Action::Axis
            | Action::LogScale
            | Action::Smoothing
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::ZoomAll => match self.screen() {
                Screen::Compare(compare) => compare.shows_curves(self.size),
                _ => true,
            },
            Action::Rerun
            | Action::MarkRun
            | Action::MarkAll
            | Action::Star
            | Action::Tag
            | Action::Note
            | Action::Details => self.runs.selected().is_some(),
            Action::Filter if matches!(self.screen(), Screen::Runs) => !self.runs.rows.is_empty(),
            _ => true,
        }
    }

    /// What to do first, where an action makes no sense yet and that is not plain to see.
    pub fn why_not(&self, action: Action) -> Option<String> {
        if let Some(Popup::Preflight(preflight)) = self.popups.last() {
            return preflight.why_not(action);
        }
        match (action, self.screen()) {
            (Action::Compare, _) => Some(self.runs.how_to_compare()),
            (Action::ExportRun, _) => self.run_in_focus().map(|_| "only a finished run can be exported".into()),
            (Action::Curve | Action::Axis | Action::LogScale | Action::Smoothing, Screen::Compare(_)) => {
                Some("the losses are in another pane: Tab goes there".into())
            }
            (action, Screen::Runs) => self.runs.why_not(action),
            _ => self.monitor_shown()?.why_not(action).map(str::to_owned),
        }
    }

    /// Says something in one line.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false });
    }

    /// Says in one line that something did not work.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true });
    }
}

/// The cursor of a list of `len` lines after a moving action.
pub fn moved(cursor: usize, len: usize, action: Action) -> usize {
    let last = len.saturating_sub(1);
    let to = match action {
        Action::Up => cursor.saturating_sub(1),
        Action::Down => cursor + 1,
        Action::PageUp => cursor.saturating_sub(10),
        Action::PageDown => cursor + 10,
        Action::First => 0,
        Action::Last => last,
        _ => cursor,
    };
    to.min(last)
}

/// The first line to show so that the cursor is in sight, near the middle.
pub fn first_line(cursor: usize, len: usize, height: usize) -> usize {
    cursor.saturating_sub(height / 2).min(len.saturating_sub(height))
}
