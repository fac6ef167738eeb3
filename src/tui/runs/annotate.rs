//! Star, tags and note of a run: asked for and taken in.

use super::export;
use crate::run::notes::{Notes, tags_of};
use crate::tui::input::LineInput;
use crate::tui::keys::Action;
use crate::tui::model::{Asked, Model, Popup};
use crate::tui::msg::Effect;

/// What to change about the notes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Annotation {
    Star(bool),
    /// In the place of those that there are.
    Tags(Vec<String>),
    Note(String),
}

/// The action on the run with the cursor.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(row) = model.runs.selected() else { return Vec::new() };
    let (run, notes) = (row.id.clone(), &row.notes);
    let (title, text, input, then) = match action {
        Action::Star => return vec![Effect::Annotate { run, change: Annotation::Star(!notes.star) }],
        Action::Tag => {
            let text = format!("Tags of {}, between commas or spaces:", row.name);
            ("Tags", text, notes.tags.join(", "), Asked::Tags(run))
        }
        _ => ("Note", format!("Note on {}, one line:", row.name), notes.note.clone(), Asked::Note(run)),
    };
    model.popups.push(Popup::Prompt { title, text, input: LineInput::new(&input), then });
    Vec::new()
}

/// Tags, a note, or what to export were typed; gives back the question where it is another.
pub fn answered(model: &mut Model, line: &str, then: Asked) -> Result<Vec<Effect>, Asked> {
    match then {
        Asked::Tags(run) => Ok(match tags_of(line) {
            Ok(tags) => vec![Effect::Annotate { run, change: Annotation::Tags(tags) }],
            Err(error) => {
                model.complain(format!("no tag is changed: {error}"));
                Vec::new()
            }
        }),
        Asked::Note(run) => Ok(vec![Effect::Annotate { run, change: Annotation::Note(line.to_owned()) }]),
        Asked::ExportFormat { run, name } => Ok(export::format_said(model, line, run, name)),
        Asked::ExportFolder { run, name, format } => Ok(export::folder_said(model, line, run, name, format)),
        other => Err(other),
    }
}

/// Takes in the notes of a run as they are on disk now.
pub fn taken(model: &mut Model, run: &str, notes: Notes) {
    if let Some(row) = model.runs.rows.iter_mut().find(|row| row.id == run) {
        row.notes = notes;
        model.runs.arrange();
    }
}
