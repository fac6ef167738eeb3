//! The export of a run: which format, which folder. Another process does it: a viewer touches no tensor.

use crate::experiment::home::expand_tilde;
use crate::experiment::nearest::nearest;
use crate::experiment::problem::quoted;
use crate::tui::input::LineInput;
use crate::tui::model::{Asked, Model, Popup, Screen};
use crate::tui::msg::Effect;
use serde_json::Value;
use std::process::{Command, Stdio};

/// What can be written of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Peft,
    Merged,
    Config,
}

impl ExportFormat {
    /// All, the usual one first.
    pub const ALL: [ExportFormat; 3] = [ExportFormat::Peft, ExportFormat::Merged, ExportFormat::Config];

    /// The word of `autolora export --format`.
    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::Peft => "peft",
            ExportFormat::Merged => "merged",
            ExportFormat::Config => "config",
        }
    }

    /// The format that a word means, also where only its beginning is said.
    fn of(said: &str) -> Option<ExportFormat> {
        ExportFormat::ALL.into_iter().find(|format| !said.is_empty() && format.name().starts_with(&said.to_lowercase()))
    }
}

/// Asks for the format.
pub fn ask(model: &mut Model) -> Vec<Effect> {
    let Some((run, _)) = model.run_in_focus() else { return Vec::new() };
    let name = match model.screen() {
        Screen::Monitor(monitor) => monitor.head.as_ref().map(|head| head.name.clone()),
        _ => model.runs.selected().map(|row| row.name.clone()),
    };
    ask_format(model, run.clone(), name.unwrap_or(run));
    Vec::new()
}

fn ask_format(model: &mut Model, run: String, name: String) {
    let text = format!(
        "Write what of {name}?\n\
         peft: an adapter that PEFT loads\n\
         merged: a whole model, the adapter in its weights\n\
         config: the ranks alone, for another training"
    );
    let input = LineInput::offering(ExportFormat::Peft.name());
    let then = Asked::ExportFormat { run, name };
    model.popups.push(Popup::Prompt { title: "Export", text, input, then });
}

/// A format was typed.
pub fn format_said(model: &mut Model, line: &str, run: String, name: String) -> Vec<Effect> {
    let said = line.trim();
    let Some(format) = ExportFormat::of(said) else {
        let near = nearest(said, ExportFormat::ALL.map(ExportFormat::name));
        let advice = near.map_or("peft, merged or config".into(), |near| format!("did you mean {near}?"));
        model.complain(format!("there is no format {}: {advice}", quoted(said)));
        ask_format(model, run, name);
        return Vec::new();
    };
    let text = format!("Folder to write {name} into, as {}; an earlier one of it there is replaced:", format.name());
    let input = LineInput::offering(&format!("{name}-{}", format.name()));
    let then = Asked::ExportFolder { run, name, format };
    model.popups.push(Popup::Prompt { title: "Export", text, input, then });
    Vec::new()
}

/// A folder was typed.
pub fn folder_said(model: &mut Model, line: &str, run: String, name: String, format: ExportFormat) -> Vec<Effect> {
    let folder = line.trim().to_owned();
    if folder.is_empty() {
        model.complain("nothing is exported: it needs a folder");
        return Vec::new();
    }
    model.say(format!("writing {name} as {}; it goes on while you look elsewhere", format.name()));
    vec![Effect::ExportRun { run, name, format, folder }]
}

/// Exports by a process of this very program, and tells where that is.
///
/// # Errors
/// What the process says.
pub fn export(run: &str, name: &str, format: ExportFormat, folder: &str) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot start a process: {error}"))?;
    let mut command = Command::new(program);
    crate::run::heap::for_a_worker(&mut command);
    command.args(["export", run, "--format", format.name(), "--json", "--out"]).arg(expand_tilde(folder));
    let answer = command.env("NO_COLOR", "1").stdin(Stdio::null()).output();
    let answer = answer.map_err(|error| format!("cannot start a process: {error}"))?;
    if !answer.status.success() {
        let said = in_one_line(&String::from_utf8_lossy(&answer.stderr));
        let why = if said.is_empty() { answer.status.to_string() } else { said };
        return Err(format!("{name} is not exported: {why}"));
    }
    let told: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    let written = told["out"].as_str().unwrap_or(folder);
    let path = std::path::absolute(written).map_or(written.to_owned(), |path| path.display().to_string());
    Ok(format!("{name} is written to {path} as {}, {}", format.name(), checked(&told)))
}

/// Whether what was written was read back, in words.
fn checked(told: &Value) -> String {
    let files = told["files"].as_array().map_or(0, Vec::len);
    let read = if told["readback"].is_null() { "" } else { ", read back and compared" };
    format!("{files} files{read}")
}

/// A report of many lines in one.
fn in_one_line(report: &str) -> String {
    let bare = |line: &str| line.trim().trim_start_matches(['\u{d7}', '\u{2502}', 'x', '|']).trim().to_owned();
    report.lines().map(bare).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_beginning() {
        let of = |said: &str| ExportFormat::of(said).map(ExportFormat::name);
        assert_eq!(["peft", "M", "conf", "x", ""].map(of), [Some("peft"), Some("merged"), Some("config"), None, None]);
    }

    #[test]
    fn a_report_becomes_a_line() {
        assert_eq!(in_one_line("  \u{d7} a is b\n  \u{2502} c\n\n  help: do d\n"), "a is b c help: do d");
    }
}
