//! From an error to a report on stderr and an exit code.

use super::out::say;
use super::preset::PresetVerbError;
use crate::experiment::PresetError;
use crate::experiment::problem;
use crate::run::compare::CompareError;
use crate::run::directory::DirError;
use crate::run::file::FileError;
use crate::run::inherit::InheritError;
use crate::run::lifecycle::LifecycleError;
use crate::run::notes::NotesError;
use crate::run::process::is_stopped;
use crate::run::store::StoreError;
use crate::tui::TuiError;
use miette::Report;
use std::io;

/// Why a verb ends otherwise than well.
#[derive(Debug)]
pub enum CliError {
    /// Told on stderr.
    Told { code: u8, report: Report },
    /// Whoever read our output is gone, e.g. `head`: nobody is left to tell.
    ReaderGone,
}

impl CliError {
    /// An error that is its message and perhaps some advice.
    pub fn new(code: u8, message: impl std::fmt::Display, advice: Option<String>) -> CliError {
        // A message may quote a file, whose control characters must not reach the terminal.
        let steers = |c: char| c != '\n' && problem::steers(c);
        let plain = |text: String| -> String {
            text.chars()
                .flat_map(|c| if steers(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
                .collect()
        };
        let (message, advice) = (plain(message.to_string()), advice.map(plain));
        let report = match advice {
            Some(advice) => miette::miette!(help = advice, "{message}"),
            None => miette::miette!("{message}"),
        };
        CliError::Told { code, report }
    }

    /// Tells it, and gives the exit code.
    pub fn report(self) -> u8 {
        match self {
            CliError::Told { code, report } => {
                say(format!("{report:?}"));
                code
            }
            CliError::ReaderGone => 0,
        }
    }
}

impl From<io::Error> for CliError {
    /// An error of writing the answer.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::ReaderGone,
            _ => CliError::new(1, format!("cannot write the answer: {error}"), None),
        }
    }
}

impl From<PresetVerbError> for CliError {
    fn from(error: PresetVerbError) -> Self {
        match error {
            PresetVerbError::Output(error) => error.into(),
            PresetVerbError::Preset(error) => error.into(),
        }
    }
}

impl From<PresetError> for CliError {
    fn from(error: PresetError) -> Self {
        CliError::Told { code: error.exit_code(), report: Report::new(error) }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let (code, advice) = match &error {
            StoreError::NotFound { .. } => (3, None),
            StoreError::Ambiguous { .. } => (3, Some("say more of its id".into())),
            StoreError::BadName { .. } => (2, Some("choose another one with --name".into())),
            StoreError::Inherit(
                error @ (InheritError::Dir(DirError::NotARun { .. }) | InheritError::Differs { .. }),
            ) => (2, inherit_advice(error)),
            StoreError::Inherit(error) => (1, inherit_advice(error)),
            StoreError::NoHome(_) => (1, Some("set AUTOLORA_HOME to a folder".into())),
            StoreError::Dir(_) => (1, None),
            StoreError::File(_) => (1, Some("AUTOLORA_HOME moves the runs to another folder".into())),
        };
        CliError::new(code, error, advice)
    }
}

fn inherit_advice(error: &InheritError) -> Option<String> {
    match error {
        InheritError::NotSearched { run, .. } => Some(format!("autolora resume {run} goes on with it")),
        InheritError::Differs { .. } => Some("keep them, or search anew: --set search.from=".into()),
        _ => None,
    }
}

impl From<LifecycleError> for CliError {
    fn from(error: LifecycleError) -> Self {
        let (code, advice) = match &error {
            LifecycleError::Busy { .. } => (4, None),
            LifecycleError::Gone { .. } => (3, None),
            LifecycleError::Unfit { help, .. } => (2, help.clone()),
            LifecycleError::Dir(DirError::Experiment { .. }) => (1, Some("make a new run from its preset.toml".into())),
            // Told with the error.
            LifecycleError::NoAnswer { holder: Some(holder), .. } if holder.is_here() && is_stopped(holder.pid) => {
                (1, None)
            }
            LifecycleError::NoAnswer { holder: Some(holder), .. } => {
                (1, Some(format!("if it hangs, end it on {} with kill -9 {}; then resume", holder.host, holder.pid)))
            }
            _ => (1, None),
        };
        CliError::new(code, error, advice)
    }
}

impl From<DirError> for CliError {
    fn from(error: DirError) -> Self {
        let code = if matches!(error, DirError::NotARun { .. }) { 3 } else { 1 };
        CliError::new(code, error, None)
    }
}

impl From<TuiError> for CliError {
    fn from(error: TuiError) -> Self {
        CliError::Told { code: error.exit_code(), report: Report::new(error) }
    }
}

impl From<NotesError> for CliError {
    fn from(error: NotesError) -> Self {
        let code = match &error {
            NotesError::BadTag { .. } | NotesError::TooMany { .. } | NotesError::LongNote { .. } => 2,
            NotesError::Busy { .. } => 4,
            NotesError::Broken { .. } | NotesError::File(_) => 1,
        };
        CliError::new(code, error, None)
    }
}

impl From<CompareError> for CliError {
    fn from(error: CompareError) -> Self {
        CliError::new(2, error, None)
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        CliError::new(1, error, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_does_not_steer_the_terminal() {
        let error = CliError::new(1, "model_type `a\x1b[31m`", Some("see\x07\nthere".into()));
        let CliError::Told { report, .. } = error else { panic!() };
        assert_eq!(report.to_string(), "model_type `a\\u{1b}[31m`");
        assert_eq!(report.help().unwrap().to_string(), "see\\u{7}\nthere");
    }
}
