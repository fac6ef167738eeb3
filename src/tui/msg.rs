//! What comes into the model, and what it asks of the world.

use super::form::ProblemList;
use super::kept::Kept;
use super::monitor::{Head, Then};
use super::picker::{Ask, Found};
use super::preflight::Stage;
use super::presets::DifferenceView;
use super::presets::PresetRow;
use super::runs::{Annotation, ExportFormat, RunRow};
use crate::experiment::{AllocationSettings, PresetDoc, Problem};
use crate::run::event::Record;
use crate::run::lifecycle::When;
use crate::run::notes::Notes;
use crate::run::referring::Referrer;
use crate::run::view::{RunView, State};
use crossterm::event::{KeyEvent, MouseEvent};

/// Something happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key went down.
    Key(KeyEvent),
    /// The mouse did something; only where it was asked for.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The runs table, newest first; sent when it changed.
    Runs(Vec<RunRow>),
    /// The run on the monitor was found.
    Opened(Box<Head>),
    /// The run on the monitor as the ends of its log tell it: all of it is being read.
    Glimpse { run: String, view: Box<RunView>, state: State },
    /// The share of a run's log that is read, while its history is.
    Reading { run: String, read: f64 },
    /// A run with all of its history. `then`: where it stood when it was last looked at.
    Filled { run: String, view: Box<RunView>, state: State, then: Option<Then> },
    /// New lines of the log of a run, each with the bytes before it, or another state.
    Followed { run: String, records: Vec<Record>, places: Vec<u64>, state: State },
    /// A snapshot of the selection that was read from the log.
    Fetched { run: String, index: usize, record: Box<Record> },
    /// The files of a run's adapter, the largest first, and their bytes.
    Adapter { run: String, files: Vec<(String, u64)> },
    /// The time of a replay's next frame has come.
    Tick,
    /// A run that is shown cannot be read; where that may pass, it says so.
    Lost { run: String, error: String },
    /// It can be read again, and is followed from where it was.
    Regained { run: String },
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
    /// A preset cannot be opened or taken in, with all that is wrong in it.
    Wrong(ProblemList),
    /// A saved preset has another name.
    PresetRenamed { from: String, to: String },
    /// What a preset says otherwise than the defaults.
    Differs(DifferenceView),
    /// Something is in the way of what was asked for: a question first.
    InTheWay { title: &'static str, text: String, then: Effect },
    /// The device of what was asked for is in use by others: a question first.
    Crowded { text: String, start: Effect },
    /// The same, of the run that the preflight of this number is about.
    PreflightCrowded { number: u64, text: String },
    /// What there is to pick from.
    Gathered { ask: Ask, found: Found },
    /// How far the preflight of this number is.
    Preflight { number: u64, stage: Stage },
    /// Something asked for is done.
    Done(String),
    /// Runs were deleted, in words; `is_all`: all that were to be.
    Removed { runs: Vec<String>, text: String, is_all: bool },
    /// Something asked for did not work.
    Failed(String),
}

/// What a run holds on the disk, and which others refer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    pub run: String,
    pub dir: String,
    pub files: usize,
    pub bytes: u64,
    pub referrers: Vec<Referrer>,
}

/// Something to do outside the model. Each answers by a [`Msg`].
#[derive(Clone, Debug)]
pub enum Effect {
    Start {
        doc: Box<PresetDoc>,
        name: Option<String>,
        /// Id of the run that it is made from.
        parent: Option<String>,
        when: When,
    },
    /// Read the snapshot of the selection that begins after so many bytes of the log.
    Fetch {
        run: String,
        index: usize,
        place: u64,
    },
    /// Look at the files of the adapter of a finished run.
    LookAtAdapter(String),
    /// Keep a choice for the allocation to come.
    ChooseAllocation {
        run: String,
        choice: AllocationSettings,
    },
    /// Start a run that takes the search of another and allocates by this choice.
    Retrain {
        run: String,
        choice: AllocationSettings,
    },
    /// Start, retrain or resume by this effect, whoever uses the device.
    Begin {
        start: Box<Effect>,
        when: When,
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
    /// Write what a run learned into a folder.
    ExportRun {
        run: String,
        name: String,
        format: ExportFormat,
        folder: String,
    },
    /// Put a waiting run before all others.
    QueueFirst(String),
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
    RenamePreset {
        from: String,
        to: String,
    },
    /// Save the preset of a file, over the saved one of that name where `replace` says so.
    ImportPreset {
        file: String,
        name: String,
        replace: bool,
    },
    /// Write a preset into a file, over the one that is there where `replace` says so.
    ExportPreset {
        name: String,
        file: String,
        replace: bool,
    },
    /// What a preset says otherwise than the defaults.
    Compare(String),
    /// Look what there is to pick from.
    Gather(Ask),
    /// See in another process what a run would take.
    Preflight {
        number: u64,
        doc: Box<PresetDoc>,
    },
    /// End that process.
    EndPreflight,
    /// Check a form, its files too.
    Check {
        edit: u64,
        doc: Box<PresetDoc>,
    },
    /// Ring for the end of a run, with this line about it. The loop takes this one.
    Ring(String),
    /// Stop the program, so that the shell has the terminal, until it is brought back.
    PutAside,
    /// Leave with this exit code.
    Quit(u8),
}

impl Effect {
    /// Whether it writes a small file for the user, which is done in a moment.
    pub fn writes_at_once(&self) -> bool {
        matches!(
            self,
            Effect::Keep(_) | Effect::Annotate { .. } | Effect::SavePreset { .. } | Effect::CopyPreset { .. }
        )
    }
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
