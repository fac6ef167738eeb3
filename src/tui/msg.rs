//! What comes into the model, and what it asks of the world.

use super::monitor::Head;
use super::presets::PresetRow;
use super::runs::RunRow;
use crate::experiment::{PresetDoc, Problem};
use crate::run::event::Record;
use crate::run::lifecycle::When;
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
    /// The run on the monitor cannot be read.
    Lost { run: String, error: String },
    /// The presets that there are.
    Presets(Vec<PresetRow>),
    /// A preset was read for the form.
    PresetOpened(Box<PresetDoc>),
    /// The form was saved under a name.
    PresetSaved(String),
    /// Problems of the form after edit number `edit`, files looked at.
    Checked { edit: u64, problems: Vec<Problem> },
    /// The run cannot start with these problems.
    Refused(Vec<Problem>),
    /// A run was started in the background.
    Started { run: String },
    /// What deleting a run would take away.
    Weighed { run: String, dir: String, files: usize, bytes: u64 },
    /// Something asked for is done.
    Done(String),
    /// Something asked for did not work.
    Failed(String),
}

/// Something to do outside the model. Each answers by a [`Msg`].
#[derive(Clone, Debug)]
pub enum Effect {
    Start {
        doc: Box<PresetDoc>,
        name: Option<String>,
        when: When,
    },
    Pause(String),
    Resume(String),
    Stop(String),
    /// Put a waiting run before all others.
    QueueFirst(String),
    /// Look how much a run holds, to ask before deleting it.
    Weigh(String),
    Remove(String),
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
    /// Nothing.
    Nothing,
}
