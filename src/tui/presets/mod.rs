//! The presets: shipped and saved.

mod view;

pub use view::view;

use super::input::LineInput;
use super::keys::Action;
use super::model::{Asked, Model, Popup, Then, moved};
use super::msg::Effect;

/// One preset as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetRow {
    pub name: String,
    /// Saved by the user; else shipped with the program.
    pub saved: bool,
    /// File of a saved one.
    pub path: String,
    /// The comment that the preset begins with, line ends kept.
    pub description: String,
    /// What it says, as (key, value).
    pub said: Vec<(&'static str, String)>,
}

/// The list.
#[derive(Debug, Default)]
pub struct PresetList {
    pub rows: Vec<PresetRow>,
    /// Whether the folder has been read.
    pub loaded: bool,
    pub cursor: usize,
}

impl PresetList {
    /// Takes the presets as they are now.
    pub fn show(&mut self, rows: Vec<PresetRow>) {
        let name = self.selected().map(|row| row.name.clone());
        let kept = name.and_then(|name| rows.iter().position(|row| row.name == name));
        self.cursor = kept.unwrap_or(self.cursor).min(rows.len().saturating_sub(1));
        self.rows = rows;
        self.loaded = true;
    }

    /// Whether the user saved a preset under this name.
    pub fn has_saved(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.saved && row.name == name)
    }

    /// The preset with the cursor.
    pub fn selected(&self) -> Option<&PresetRow> {
        self.rows.get(self.cursor)
    }
}

/// An action on the presets screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(row) = model.presets.selected() else { return Vec::new() };
    let name = row.name.clone();
    match action {
        Action::Open => {
            let open = Effect::OpenPreset(name);
            if !model.has_unsaved_form() {
                return vec![open];
            }
            let text = "The changes in the form are not saved. Load another preset over them?".into();
            model.popups.push(Popup::Confirm { title: "Load the preset", text, then: Then::Effect(open) });
        }
        Action::Remove => {
            let text = format!("Delete the saved preset {name}?\n{}", row.path);
            let then = Then::Effect(Effect::DeletePreset(name));
            model.popups.push(Popup::Confirm { title: "Delete the preset", text, then });
        }
        Action::SaveAs => {
            let input = LineInput::new(&format!("{name}-copy"));
            let text = format!("Name of the copy of {name}:");
            model.popups.push(Popup::Prompt { title: "Save as", text, input, then: Asked::CopyPreset(name) });
        }
        moving => model.presets.cursor = moved(model.presets.cursor, model.presets.rows.len(), moving),
    }
    Vec::new()
}
