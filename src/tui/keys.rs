//! The key table: what dispatches keys is what the key bar and the help show.

use super::monitor::Pane;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key is pressed: the top popup, or the screen where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    Runs,
    /// The filter of the runs is being typed.
    RunsFilter,
    /// The list of columns of the runs table.
    Columns,
    /// All that the table knows of a run.
    Details,
    Compare,
    Presets,
    Form,
    /// A value of the form is being typed.
    FormEdit,
    /// The form's filter is being typed.
    FormFilter,
    Monitor,
    /// Another rule or threshold is being tried on the monitor.
    WhatIf,
    /// The filter of the monitor's log is being typed.
    LogFilter,
    /// All samples of a run.
    Samples,
    /// Modules whose rank differs between two moments.
    Changes,
    /// What happened while one was away.
    Card,
    Help,
    /// A yes-or-no question.
    Confirm,
    /// Whether to start beside what uses the device.
    Crowded,
    /// A question with a line to type.
    Prompt,
    /// A line to type with what there is to pick from.
    Picker,
    /// The card before the start.
    Preflight,
    /// The list of what is wrong.
    Problems,
    /// What a preset says otherwise than the defaults.
    Difference,
    /// The filter of the presets is being typed.
    PresetFilter,
    /// Every screen.
    Screen,
}

impl Context {
    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Context::Runs => "Runs",
            Context::RunsFilter => "Typing a filter",
            Context::Columns => "Columns",
            Context::Details => "Details of a run",
            Context::Compare => "Compare",
            Context::Presets => "Presets",
            Context::Form => "Form",
            Context::FormEdit => "Typing a value",
            Context::FormFilter => "Typing a filter",
            Context::Monitor => "Monitor",
            Context::WhatIf => "What if",
            Context::LogFilter => "Typing a filter of the log",
            Context::Changes => "Changes of rank",
            Context::Card => "Since you looked",
            Context::Samples => "Samples",
            Context::Help => "Help",
            Context::Confirm => "Question",
            Context::Crowded => "Question",
            Context::Prompt => "Question",
            Context::Picker => "Picking a value",
            Context::Preflight => "Before the start",
            Context::Problems => "Problems",
            Context::Difference => "Difference",
            Context::PresetFilter => "Typing a filter",
            Context::Screen => "Everywhere",
        }
    }

    /// Whether keys that no binding takes go into a line of text.
    pub fn is_typing(self) -> bool {
        matches!(
            self,
            Context::RunsFilter
                | Context::FormEdit
                | Context::FormFilter
                | Context::LogFilter
                | Context::Prompt
                | Context::Picker
                | Context::PresetFilter
        )
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    NextGroup,
    PreviousGroup,
    Open,
    NewRun,
    Rerun,
    MarkRun,
    MarkAll,
    Compare,
    Star,
    Tag,
    Note,
    Sort,
    Reverse,
    Columns,
    Details,
    Toggle,
    MoveUp,
    MoveDown,
    NextPane,
    PreviousPane,
    Presets,
    Pause,
    Resume,
    Stop,
    Remove,
    SaveAs,
    Edit,
    Unset,
    Filter,
    Start,
    Queue,
    QueueFirst,
    Curve,
    Parent,
    Samples,
    StartNow,
    Complete,
    Problems,
    NextProblem,
    PreviousProblem,
    Difference,
    Rename,
    Import,
    Export,
    ExportRun,
    Full,
    EarlierStep,
    LaterStep,
    Earlier,
    Later,
    Now,
    Replay,
    Mark,
    Changes,
    Jump,
    WhatIf,
    Figures,
    Axis,
    LogScale,
    Smoothing,
    ZoomIn,
    ZoomOut,
    ZoomAll,
    Accept,
    Cancel,
    Back,
    Help,
    Quit,
}

/// One line of the table.
#[derive(Debug)]
pub struct Binding {
    pub context: Context,
    /// The panes of the monitor whose keys these are: the key bar names them while one of them has the focus, and first.
    /// They hold everywhere. None: of all panes.
    pub panes: &'static [Pane],
    /// The keys, the first being the one that the key bar names.
    pub keys: &'static [KeyCode],
    pub action: Action,
    /// One or two words for the key bar; empty: in the help alone.
    pub label: &'static str,
    /// One line for the help.
    pub help: &'static str,
}

use KeyCode::{BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

const fn bind(
    context: Context,
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding { context, panes: &[], keys, action, label, help }
}

/// A key of the monitor that belongs to some of its panes.
const fn of(
    panes: &'static [Pane],
    keys: &'static [KeyCode],
    action: Action,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding { context: Context::Monitor, panes, keys, action, label, help }
}

/// The panes that show a moment of the search, and those that show one thing among several.
const MOMENT: &[Pane] = &[Pane::Map, Pane::Module, Pane::History];
const FIGURES: &[Pane] = &[Pane::Figures];
const FULL: &[Pane] = &[Pane::Module, Pane::Samples, Pane::Result, Pane::Machine, Pane::Log];

/// Every key of the program.
pub static BINDINGS: &[Binding] = &[
    bind(Context::Runs, &[Enter], Action::Open, "open", "watch the run"),
    bind(Context::Runs, &[Char('c')], Action::Compare, "compare", "compare the marked runs, 2 to 8 of them"),
    bind(Context::Runs, &[Char('n')], Action::NewRun, "new run", "fill in the form for a new run"),
    bind(Context::Runs, &[Char('p')], Action::Presets, "presets", "shipped and saved presets"),
    bind(Context::Runs, &[Char(' ')], Action::Pause, "pause", "checkpoint and pause the run"),
    bind(Context::Runs, &[Char('r')], Action::Resume, "resume", "go on from the last checkpoint"),
    bind(Context::Runs, &[Char('s')], Action::Stop, "stop", "checkpoint and stop; one that waits leaves the queue"),
    bind(Context::Runs, &[Char('F')], Action::QueueFirst, "first", "put a run that waits before all others"),
    bind(Context::Runs, &[Char('E')], Action::ExportRun, "export", "write the adapter, a merged model, or the ranks"),
    bind(Context::Runs, &[Char('d'), Delete], Action::Remove, "delete", "delete the run's folder, after a question"),
    bind(Context::Runs, &[Char('v')], Action::MarkRun, "mark", "mark the run, to compare or delete several"),
    bind(Context::Runs, &[Char('V')], Action::MarkAll, "", "mark all runs that are shown, or none of them"),
    bind(Context::Runs, &[Char('e')], Action::Rerun, "rerun", "the form with what the run's preset says, to change it"),
    bind(Context::Runs, &[Char('/')], Action::Filter, "find", "runs with words; state:failed tag:x is:starred -no"),
    bind(Context::Runs, &[Char('o')], Action::Sort, "", "sort by the next column"),
    bind(Context::Runs, &[Char('O')], Action::Reverse, "", "turn the order round"),
    bind(Context::Runs, &[Char('C')], Action::Columns, "", "choose the columns"),
    bind(Context::Runs, &[Char('i')], Action::Details, "", "all that is known of the run, its note from end to end"),
    bind(Context::Runs, &[Char('*')], Action::Star, "", "star the run, or take the star away"),
    bind(Context::Runs, &[Char('t')], Action::Tag, "", "tags of the run"),
    bind(Context::Runs, &[Char('N')], Action::Note, "", "a note on the run"),
    bind(Context::Runs, &[Up, Char('k')], Action::Up, "", "one run up"),
    bind(Context::Runs, &[Down, Char('j')], Action::Down, "", "one run down"),
    bind(Context::Runs, &[PageUp], Action::PageUp, "", "ten runs up"),
    bind(Context::Runs, &[PageDown], Action::PageDown, "", "ten runs down"),
    bind(Context::Runs, &[Home, Char('g')], Action::First, "", "the first run"),
    bind(Context::Runs, &[End, Char('G')], Action::Last, "", "the last run"),
    bind(Context::RunsFilter, &[Enter, Tab, Down], Action::Accept, "to the runs", "to the runs that were found"),
    bind(Context::RunsFilter, &[Esc], Action::Cancel, "clear", "show all runs again"),
    bind(Context::Columns, &[Char(' '), Char('x')], Action::Toggle, "show or hide", "show the column, or hide it"),
    bind(Context::Columns, &[Char('K')], Action::MoveUp, "", "move the column to the left"),
    bind(Context::Columns, &[Char('J')], Action::MoveDown, "move", "move the column to the right"),
    bind(Context::Columns, &[Char('u'), Delete], Action::Unset, "usual ones", "the usual columns again"),
    bind(Context::Columns, &[Up, Char('k')], Action::Up, "", "one column up"),
    bind(Context::Columns, &[Down, Char('j')], Action::Down, "", "one column down"),
    bind(Context::Columns, &[Home, Char('g')], Action::First, "", "the first column"),
    bind(Context::Columns, &[End, Char('G')], Action::Last, "", "the last column"),
    bind(Context::Columns, &[Esc, Enter, Char('C')], Action::Cancel, "close", "back to the runs"),
    bind(Context::Details, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Details, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Details, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Details, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Details, &[Home, Char('g')], Action::First, "", "the first line"),
    bind(Context::Details, &[End, Char('G')], Action::Last, "", "the last line"),
    bind(Context::Details, &[Esc, Enter, Char('i')], Action::Cancel, "close", "back to the runs"),
    bind(Context::Compare, &[Tab, Char(']')], Action::NextPane, "next pane", "losses, scores, ranks, settings"),
    bind(Context::Compare, &[BackTab, Char('[')], Action::PreviousPane, "", "the pane before"),
    bind(Context::Compare, &[Char('c')], Action::Curve, "curve", "which losses: validation, training, retraining"),
    bind(Context::Compare, &[Char('x')], Action::Axis, "axis", "losses over steps, epochs, tokens, time"),
    bind(Context::Compare, &[Char('y')], Action::LogScale, "log", "losses on a logarithmic scale, and back"),
    bind(Context::Compare, &[Char('o')], Action::Smoothing, "smooth", "how smooth the losses are"),
    bind(Context::Compare, &[Char('+'), Char('=')], Action::ZoomIn, "", "closer to the cursor, or to the end"),
    bind(Context::Compare, &[Char('-')], Action::ZoomOut, "", "half as close"),
    bind(Context::Compare, &[Char('0')], Action::ZoomAll, "", "all steps, no cursor"),
    bind(Context::Compare, &[Left, Char('h')], Action::Left, "", "in losses the step before; else runs to the left"),
    bind(Context::Compare, &[Right, Char('l')], Action::Right, "", "in losses the next step; else runs to the right"),
    bind(Context::Compare, &[Up, Char('k')], Action::Up, "", "in losses closer; else one line up"),
    bind(Context::Compare, &[Down, Char('j')], Action::Down, "", "in losses wider; else one line down"),
    bind(Context::Compare, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Compare, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Compare, &[Home, Char('g')], Action::First, "", "the first line"),
    bind(Context::Compare, &[End, Char('G')], Action::Last, "", "the last line"),
    bind(Context::Presets, &[Enter], Action::Open, "use", "load the preset into the form"),
    bind(Context::Presets, &[Char('w')], Action::SaveAs, "copy", "save a copy under another name"),
    bind(Context::Presets, &[Char('d'), Delete], Action::Remove, "delete", "delete a saved preset, after a question"),
    bind(Context::Presets, &[Char('r')], Action::Rename, "rename", "give a saved preset another name"),
    bind(Context::Presets, &[Char('v')], Action::Difference, "diff", "what it says otherwise than the defaults"),
    bind(Context::Presets, &[Char('i')], Action::Import, "", "save the preset of a file; all errors are told"),
    bind(Context::Presets, &[Char('x')], Action::Export, "", "write the preset into a file, comments and all"),
    bind(Context::Presets, &[Char('/')], Action::Filter, "find", "find a preset by letters of its name"),
    bind(Context::Presets, &[Up, Char('k')], Action::Up, "", "one preset up"),
    bind(Context::Presets, &[Down, Char('j')], Action::Down, "", "one preset down"),
    bind(Context::Presets, &[Home, Char('g')], Action::First, "", "the first preset"),
    bind(Context::Presets, &[End, Char('G')], Action::Last, "", "the last preset"),
    bind(
        Context::PresetFilter,
        &[Enter, Tab, Down],
        Action::Accept,
        "to the presets",
        "to the presets that were found",
    ),
    bind(Context::PresetFilter, &[Esc], Action::Cancel, "clear", "show all presets again"),
    bind(Context::Form, &[Char('s')], Action::Start, "start", "see what the run would take, then start it"),
    bind(Context::Form, &[Char('S')], Action::StartNow, "now", "start at once, in the background, and watch it"),
    bind(Context::Form, &[Char('Q')], Action::Queue, "queue", "start the run once a slot of its device is free"),
    bind(Context::Form, &[Enter], Action::Edit, "edit", "type or pick a value, or take the next of a choice"),
    bind(Context::Form, &[Char('w')], Action::SaveAs, "save", "save as a preset; comments stay"),
    bind(Context::Form, &[Char('/')], Action::Filter, "find", "find a setting by its name"),
    bind(Context::Form, &[Char('p')], Action::Presets, "load", "load another preset"),
    bind(Context::Form, &[Tab, Char(']')], Action::NextGroup, "next", "next group of settings"),
    bind(Context::Form, &[BackTab, Char('[')], Action::PreviousGroup, "", "previous group of settings"),
    bind(Context::Form, &[Right, Char('l'), Char(' ')], Action::Right, "", "next value of a choice"),
    bind(Context::Form, &[Left, Char('h')], Action::Left, "", "previous value of a choice"),
    bind(Context::Form, &[Delete, Char('x'), Backspace], Action::Unset, "", "take the value back to its default"),
    bind(Context::Form, &[Char('!')], Action::Problems, "", "all that is wrong, and the way to each of it"),
    bind(Context::Form, &[Char('n')], Action::NextProblem, "", "the next setting that is wrong"),
    bind(Context::Form, &[Char('N')], Action::PreviousProblem, "", "the setting before that is wrong"),
    bind(Context::Form, &[Char('v')], Action::Difference, "", "what is said otherwise than the defaults"),
    bind(Context::Form, &[Up, Char('k')], Action::Up, "", "one setting up"),
    bind(Context::Form, &[Down, Char('j')], Action::Down, "", "one setting down"),
    bind(Context::Form, &[PageUp], Action::PageUp, "", "ten settings up"),
    bind(Context::Form, &[PageDown], Action::PageDown, "", "ten settings down"),
    bind(Context::Form, &[Home, Char('g')], Action::First, "", "the first setting"),
    bind(Context::Form, &[End, Char('G')], Action::Last, "", "the last setting"),
    bind(Context::FormEdit, &[Enter, Tab], Action::Accept, "take", "take the value; nothing unsets it"),
    bind(Context::FormEdit, &[Esc], Action::Cancel, "leave it", "keep the value as it was"),
    bind(
        Context::FormFilter,
        &[Enter, Tab, Down],
        Action::Accept,
        "to the settings",
        "to the settings that were found",
    ),
    bind(Context::FormFilter, &[Esc], Action::Cancel, "clear", "show all settings again"),
    bind(Context::Monitor, &[Tab], Action::NextPane, "pane", "the next pane: arrows go there"),
    bind(Context::Monitor, &[BackTab], Action::PreviousPane, "", "the pane before"),
    of(FULL, &[Char('f'), Enter], Action::Full, "full", "the pane on the whole screen, and back"),
    bind(Context::Monitor, &[Up, Char('k')], Action::Up, "", "one layer up; in figures closer, in the log older"),
    bind(Context::Monitor, &[Down, Char('j')], Action::Down, "", "one layer down; in figures wider, in the log newer"),
    bind(Context::Monitor, &[Left, Char('h')], Action::Left, "", "the module to the left; in figures the step before"),
    bind(Context::Monitor, &[Right, Char('l')], Action::Right, "", "the module to the right; in figures the next step"),
    bind(Context::Monitor, &[PageUp], Action::PageUp, "", "ten layers up"),
    bind(Context::Monitor, &[PageDown], Action::PageDown, "", "ten layers down"),
    bind(Context::Monitor, &[Home, Char('g')], Action::First, "", "the first layer"),
    bind(Context::Monitor, &[End, Char('G')], Action::Last, "", "the last layer"),
    of(MOMENT, &[Char('<'), Char(',')], Action::EarlierStep, "earlier", "one step back in the search"),
    bind(Context::Monitor, &[Char('>')], Action::LaterStep, "", "one step on in the search"),
    bind(Context::Monitor, &[Char('[')], Action::Earlier, "", "a twentieth of the search back"),
    bind(Context::Monitor, &[Char(']')], Action::Later, "", "a twentieth of the search on"),
    bind(Context::Monitor, &[Char(':')], Action::Jump, "", "jump to a step of the search"),
    bind(Context::Monitor, &[Char('.')], Action::Now, "now", "back to the present"),
    of(&[Pane::History], &[Char('p')], Action::Replay, "replay", "replay the search from here, or stop the replay"),
    of(&[Pane::History], &[Char('m')], Action::Mark, "mark", "mark this moment, to compare others; or unmark"),
    bind(Context::Monitor, &[Char('d')], Action::Changes, "", "the modules whose rank differs from the mark"),
    of(MOMENT, &[Char('w')], Action::WhatIf, "what if", "try another rule, threshold or budget"),
    of(FIGURES, &[Char('c')], Action::Curve, "phase", "figures (or samples) of the present phase, of others"),
    of(FIGURES, &[Char('v')], Action::Figures, "figures", "which figures: losses, norms, learning rates"),
    of(FIGURES, &[Char('x')], Action::Axis, "axis", "figures over steps, epochs, tokens, time"),
    of(FIGURES, &[Char('y')], Action::LogScale, "log", "figures on a logarithmic scale, and back"),
    of(FIGURES, &[Char('o')], Action::Smoothing, "smooth", "how smooth the curves are: 0.6, 0.9, 0.98, not at all"),
    bind(Context::Monitor, &[Char('+'), Char('=')], Action::ZoomIn, "", "closer to the cursor, or to the end"),
    bind(Context::Monitor, &[Char('-')], Action::ZoomOut, "", "half as close"),
    bind(Context::Monitor, &[Char('0')], Action::ZoomAll, "", "all steps, no cursor"),
    of(&[Pane::Log], &[Char('/')], Action::Filter, "find", "find in the log"),
    bind(Context::Monitor, &[Char('t')], Action::Samples, "texts", "all that was sampled of what the model writes"),
    bind(Context::Monitor, &[Char(' ')], Action::Pause, "pause", "checkpoint and pause the run"),
    bind(Context::Monitor, &[Char('r')], Action::Resume, "resume", "go on from the last checkpoint"),
    bind(Context::Monitor, &[Char('s')], Action::Stop, "stop", "checkpoint and stop the run"),
    bind(Context::Monitor, &[Char('P')], Action::Parent, "", "the run whose search this one took; Esc comes back"),
    bind(
        Context::Monitor,
        &[Char('E')],
        Action::ExportRun,
        "export",
        "write the adapter, a merged model, or the ranks",
    ),
    bind(Context::WhatIf, &[Left, Char('h')], Action::Left, "less", "a lower threshold, or a smaller budget"),
    bind(Context::WhatIf, &[Right, Char('l')], Action::Right, "more", "a higher threshold, or a larger budget"),
    bind(Context::WhatIf, &[PageDown], Action::PageDown, "", "ten times as much less"),
    bind(Context::WhatIf, &[PageUp], Action::PageUp, "", "ten times as much more"),
    bind(Context::WhatIf, &[Down, Char('j')], Action::Down, "rule", "the next rule"),
    bind(Context::WhatIf, &[Up, Char('k')], Action::Up, "", "the rule before"),
    bind(Context::WhatIf, &[Char('e')], Action::Edit, "type", "type the value"),
    bind(Context::WhatIf, &[Enter], Action::Accept, "keep", "keep the choice for this run, or retrain with it"),
    bind(Context::WhatIf, &[Char('<'), Char(',')], Action::EarlierStep, "", "one step back in the search"),
    bind(Context::WhatIf, &[Char('>')], Action::LaterStep, "", "one step on in the search"),
    bind(Context::WhatIf, &[Char('[')], Action::Earlier, "", "a twentieth of the search back"),
    bind(Context::WhatIf, &[Char(']')], Action::Later, "", "a twentieth of the search on"),
    bind(Context::WhatIf, &[Char('.')], Action::Now, "", "back to the present"),
    bind(Context::WhatIf, &[Esc, Char('w')], Action::Cancel, "leave it", "back to the ranks as they are"),
    bind(Context::WhatIf, &[Char('?')], Action::Help, "help", "this help"),
    bind(Context::WhatIf, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
    bind(Context::LogFilter, &[Enter, Tab], Action::Accept, "take", "keep the filter"),
    bind(Context::LogFilter, &[Esc], Action::Cancel, "clear", "show all of the log again"),
    bind(Context::Changes, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Changes, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Changes, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Changes, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Changes, &[Home, Char('g')], Action::First, "", "the first line"),
    bind(Context::Changes, &[End, Char('G')], Action::Last, "", "the last line"),
    bind(Context::Changes, &[Esc, Char('d'), Enter], Action::Cancel, "close", "close the changes"),
    bind(Context::Changes, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
    bind(Context::Card, &[Esc, Enter, Char(' ')], Action::Cancel, "close", "to the monitor"),
    bind(Context::Card, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
    bind(Context::Samples, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Samples, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Samples, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Samples, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Samples, &[Home, Char('g')], Action::First, "", "the newest sample; new ones show as they come"),
    bind(Context::Samples, &[End, Char('G')], Action::Last, "", "the oldest sample"),
    bind(Context::Samples, &[Esc, Char('t'), Enter], Action::Cancel, "close", "close the samples"),
    bind(Context::Samples, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
    bind(Context::Help, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Help, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Help, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Help, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Help, &[Home, Char('g')], Action::First, "", "the first line"),
    bind(Context::Help, &[End, Char('G')], Action::Last, "", "the last line"),
    bind(Context::Help, &[Esc, Char('?'), Enter], Action::Cancel, "close", "close the help"),
    bind(Context::Help, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
    bind(Context::Confirm, &[Char('y')], Action::Accept, "yes", "do it"),
    bind(Context::Confirm, &[Esc, Char('n')], Action::Cancel, "no", "leave it as it is"),
    bind(Context::Crowded, &[Char('Q')], Action::Queue, "wait in the queue", "start once a slot of the device is free"),
    bind(Context::Crowded, &[Char('y')], Action::Accept, "start now", "start beside what is at work"),
    bind(Context::Crowded, &[Esc, Char('n')], Action::Cancel, "leave it", "start nothing"),
    bind(Context::Prompt, &[Enter], Action::Accept, "ok", "take the line"),
    bind(Context::Prompt, &[Esc], Action::Cancel, "cancel", "leave it"),
    bind(Context::Picker, &[Enter], Action::Accept, "take", "take what the cursor is on, or go into the folder"),
    bind(Context::Picker, &[Tab], Action::Complete, "complete", "put it into the line, as a shell completes"),
    bind(Context::Picker, &[Esc], Action::Cancel, "leave it", "keep the value as it was"),
    bind(Context::Picker, &[Up], Action::Up, "", "one line up; the first is what is typed, as it is"),
    bind(Context::Picker, &[Down], Action::Down, "", "one line down"),
    bind(Context::Picker, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Picker, &[PageDown], Action::PageDown, "", "ten lines down"),
    bind(Context::Preflight, &[Char('y'), Enter], Action::Accept, "start", "start the run, before the answer too"),
    bind(Context::Preflight, &[Char('Q')], Action::Queue, "queue", "start the run once a slot of its device is free"),
    bind(Context::Preflight, &[Char('e')], Action::Edit, "to the setting", "to the setting that a remark is about"),
    bind(Context::Preflight, &[Esc, Char('n')], Action::Cancel, "back", "back to the form; what is tried is ended"),
    bind(Context::Preflight, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Preflight, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Preflight, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Preflight, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Problems, &[Enter], Action::Accept, "to the setting", "to the setting that is wrong"),
    bind(Context::Problems, &[Char('x'), Delete], Action::Unset, "take out", "take the key out of the preset"),
    bind(Context::Problems, &[Esc, Char('!')], Action::Cancel, "close", "close the list"),
    bind(Context::Problems, &[Up, Char('k')], Action::Up, "", "one problem up"),
    bind(Context::Problems, &[Down, Char('j'), Char('n')], Action::Down, "", "one problem down"),
    bind(Context::Problems, &[Home, Char('g')], Action::First, "", "the first problem"),
    bind(Context::Problems, &[End, Char('G')], Action::Last, "", "the last problem"),
    bind(Context::Difference, &[Esc, Char('v'), Enter], Action::Cancel, "close", "close the list"),
    bind(Context::Difference, &[Up, Char('k')], Action::Up, "", "one line up"),
    bind(Context::Difference, &[Down, Char('j')], Action::Down, "", "one line down"),
    bind(Context::Difference, &[PageUp], Action::PageUp, "", "ten lines up"),
    bind(Context::Difference, &[PageDown, Char(' ')], Action::PageDown, "", "ten lines down"),
    bind(Context::Screen, &[Esc], Action::Back, "back", "close what is on top, then back to the screen before"),
    bind(Context::Screen, &[Char('?')], Action::Help, "help", "this help"),
    bind(Context::Screen, &[Char('q')], Action::Quit, "quit", "leave the program; runs go on"),
];

/// The bindings that hold in a context, its own first.
pub fn bindings(context: Context) -> impl Iterator<Item = &'static Binding> {
    let is_screen =
        matches!(context, Context::Runs | Context::Compare | Context::Presets | Context::Form | Context::Monitor);
    let own = BINDINGS.iter().filter(move |binding| binding.context == context);
    own.chain(BINDINGS.iter().filter(move |binding| is_screen && binding.context == Context::Screen))
}

/// The bindings that the key bar names in a context: those of the pane with the focus first, no other pane's.
pub fn named(context: Context, focus: Option<Pane>) -> impl Iterator<Item = &'static Binding> {
    let has_label = move |binding: &&Binding| !binding.label.is_empty();
    let own = bindings(context).filter(move |binding| focus.is_some_and(|pane| binding.panes.contains(&pane)));
    own.chain(bindings(context).filter(|binding| binding.panes.is_empty())).filter(has_label)
}

/// What a key means in a context.
pub fn action(context: Context, key: KeyEvent) -> Option<Action> {
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    bindings(context).find(|binding| binding.keys.contains(&key.code)).map(|binding| binding.action)
}

/// The name of a key for the bar and the help.
pub fn key_name(key: KeyCode, unicode: bool) -> String {
    let name = match (key, unicode) {
        (Char(' '), _) => "Space",
        (Char(c), _) => return c.to_string(),
        (Up, true) => "↑",
        (Down, true) => "↓",
        (Left, true) => "←",
        (Right, true) => "→",
        (Up, false) => "Up",
        (Down, false) => "Down",
        (Left, false) => "Left",
        (Right, false) => "Right",
        (Enter, _) => "Enter",
        (Esc, _) => "Esc",
        (Tab, _) => "Tab",
        (BackTab, _) => "Shift-Tab",
        (Backspace, _) => "Backspace",
        (Delete, _) => "Del",
        (Home, _) => "Home",
        (End, _) => "End",
        (PageUp, _) => "PgUp",
        (PageDown, _) => "PgDn",
        (other, _) => return format!("{other:?}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const CONTEXTS: [Context; 23] = [
        Context::Runs,
        Context::RunsFilter,
        Context::Columns,
        Context::Compare,
        Context::Presets,
        Context::Form,
        Context::FormEdit,
        Context::FormFilter,
        Context::Monitor,
        Context::WhatIf,
        Context::LogFilter,
        Context::Changes,
        Context::Card,
        Context::Samples,
        Context::Help,
        Context::Confirm,
        Context::Crowded,
        Context::Prompt,
        Context::Picker,
        Context::Preflight,
        Context::Problems,
        Context::Difference,
        Context::PresetFilter,
    ];

    #[test]
    fn no_key_means_two_things() {
        for context in CONTEXTS {
            let mut seen = HashSet::new();
            for key in bindings(context).flat_map(|binding| binding.keys) {
                assert!(seen.insert(key), "{key:?} is bound twice in {context:?}");
            }
        }
    }

    #[test]
    fn every_context_has_a_way_out() {
        for context in CONTEXTS {
            let out = [Action::Back, Action::Cancel];
            assert!(bindings(context).any(|binding| out.contains(&binding.action)), "{context:?}");
        }
    }

    #[test]
    fn typing_contexts_bind_no_characters() {
        for context in CONTEXTS.into_iter().filter(|context| context.is_typing()) {
            let keys = bindings(context).flat_map(|binding| binding.keys);
            assert_eq!(keys.filter(|key| matches!(key, Char(_))).count(), 0);
        }
    }

    #[test]
    fn control_keys_are_not_plain_ones() {
        let key = |modifiers| KeyEvent::new(Char('s'), modifiers);
        assert_eq!(action(Context::Form, key(KeyModifiers::NONE)), Some(Action::Start));
        assert_eq!(action(Context::Form, key(KeyModifiers::CONTROL)), None);
        assert_eq!(action(Context::Runs, KeyEvent::new(Char('G'), KeyModifiers::SHIFT)), Some(Action::Last));
    }
}
