//! What comes into the model, and what it asks of the world.

use super::kept::Kept;
use super::monitor::Head;
use super::presets::PresetRow;
use super::runs::{Annotation, RunRow};
use crate::experiment::{Experiment, PresetDoc, Problem};
use crate::run::event::Record;
use crate::run::notes::Notes;
use crate::run::view::State;
use crossterm::event::KeyEvent;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key went down.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The runs table, newest first; sent when it changed.
    Runs(Vec<RunRow>),
    /// The run on the monitor was found.
    Opened(Box<Head>),
    /// New lines of the log of the run on the monitor, or another state.
    Followed { run: String, records: Vec<Record>, state: State },
    /// The settings of a run that is compared; `None` where they cannot be read.
    Settings { run: String, experiment: Option<Box<Experiment>> },
    /// The run on the monitor cannot be read.
    Lost { run: String, error: String },
    /// The presets that there are.
    Presets(Vec<PresetRow>),
    /// A preset was read for the form.
    PresetOpened(Box<PresetDoc>),
    /// The preset of a run was read for the form, and a name for the new run found.
    RerunOpened { doc: Box<PresetDoc>, name: String, parent: String },
    /// The form was saved under a name.
    PresetSaved(String),
    /// Problems of the form after edit number `edit`, files looked at.
    Checked { edit: u64, problems: Vec<Problem> },
    /// The run cannot start with these problems.
    Refused(Vec<Problem>),
    /// A run was started in the background.
    Started { run: String },
    /// What deleting runs would take away.
    Weighed(Vec<Weight>),
    /// The notes of a run are these now.
    Annotated { run: String, notes: Box<Notes> },
    /// Something asked for is done.
    Done(String),
    /// Something asked for did not work.
    Failed(String),
}

/// What a run holds on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    pub run: String,
    pub dir: String,
    pub files: usize,
    pub bytes: u64,
}

/// Something to do outside the model. Each answers by a [`Msg`].
#[derive(Clone, Debug)]
pub enum Effect {
    Start {
        doc: Box<PresetDoc>,
        name: Option<String>,
        /// Id of the run that it is made from.
        parent: Option<String>,
    },
    Pause(String),
    Resume(String),
    Stop(String),
    /// Look how much runs hold, to ask before deleting them.
    Weigh(Vec<String>),
    Remove(Vec<String>),
    /// Change what the user keeps about a run.
    Annotate {
        run: String,
        change: Annotation,
    },
    /// Remember columns and order of the runs table.
    Keep(Box<Kept>),
    /// Open the preset of a run, for another run.
    OpenRerun(String),
    ListPresets,
    OpenPreset(String),
    SavePreset {
        name: String,
        doc: Box<PresetDoc>,
    },
    CopyPreset {
        from: String,
        to: String,
    },
    DeletePreset(String),
    /// Check a form, its files too.
    Check {
        edit: u64,
        doc: Box<PresetDoc>,
    },
    /// Leave with this exit code.
    Quit(u8),
}

/// What the top screen needs to be told about as it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The runs table.
    Runs,
    /// The log of a run, by id or another of its names.
    Run(String),
    /// The logs of runs that are compared, by their ids.
    Several(Vec<String>),
    /// Nothing.
    Nothing,
}
