//! The presets: shipped and saved.

pub mod difference;
mod view;

pub use difference::DifferenceView;
pub use view::view;

use super::input::LineInput;
use super::keys::Action;
use super::model::{Asked, Model, Popup, Screen, Then, moved};
use super::msg::Effect;
use super::picker::{Match, Picker, Purpose, matching};
use super::text::clean;
use crate::experiment::Presets;
use crossterm::event::KeyEvent;

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
    /// Among those that are shown.
    pub cursor: usize,
    /// What to find; empty: all are shown.
    pub filter: LineInput,
    /// Whether it is being typed.
    pub filtering: bool,
}

impl PresetList {
    /// Takes the presets as they are now.
    pub fn show(&mut self, rows: Vec<PresetRow>) {
        let name = self.selected().map(|row| row.name.clone());
        self.rows = rows;
        self.loaded = true;
        match name {
            Some(name) => self.point_to(&name),
            None => self.cursor = self.cursor.min(self.shown().len().saturating_sub(1)),
        }
    }

    /// The rows that are shown, the best first where something is to be found: in their name, else in what they are about.
    pub fn shown(&self) -> Vec<Match> {
        let typed = self.filter.text();
        let mut shown = matching(&typed, self.rows.iter().map(|row| row.name.as_str()));
        if !self.filter.is_empty() {
            let words: Vec<String> = typed.split_whitespace().map(str::to_lowercase).collect();
            let about = |row: &PresetRow| {
                let about = row.description.to_lowercase();
                !words.is_empty() && words.iter().all(|word| about.contains(word))
            };
            let by_name: Vec<usize> = shown.iter().map(|found| found.place).collect();
            let others = self.rows.iter().enumerate().filter(|(place, row)| !by_name.contains(place) && about(row));
            shown.extend(others.map(|(place, _)| Match { place, marks: Vec::new() }));
        }
        shown
    }

    /// Whether not all are shown, or a filter is being typed.
    pub fn is_filtered(&self) -> bool {
        self.filtering || !self.filter.is_empty()
    }

    /// Ends the filter; the cursor stays on its preset.
    pub fn show_all(&mut self) {
        let name = self.selected().map(|row| row.name.clone());
        self.filter = LineInput::default();
        self.filtering = false;
        if let Some(name) = name {
            self.point_to(&name);
        }
    }

    /// Takes a key into the filter.
    pub fn type_key(&mut self, key: KeyEvent) {
        if self.filtering && self.filter.key(key) {
            self.cursor = 0;
        }
    }

    /// Takes pasted text into the filter.
    pub fn paste(&mut self, text: &str) {
        if self.filtering {
            self.filter.insert(&clean(text.trim()));
            self.cursor = 0;
        }
    }

    fn point_to(&mut self, name: &str) {
        let shown = self.shown();
        let place = shown.iter().position(|found| self.rows.get(found.place).is_some_and(|row| row.name == name));
        self.cursor = place.unwrap_or(self.cursor).min(shown.len().saturating_sub(1));
    }

    /// Whether the user saved a preset under this name.
    pub fn has_saved(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.saved && row.name == name)
    }

    /// The preset with the cursor.
    pub fn selected(&self) -> Option<&PresetRow> {
        self.rows.get(self.shown().get(self.cursor)?.place)
    }
}

/// A saved preset has another name: the cursor and the form go with it.
pub fn renamed(model: &mut Model, from: &str, to: &str) {
    for row in model.presets.rows.iter_mut().filter(|row| row.saved && row.name == from) {
        row.name = to.to_owned();
    }
    model.presets.point_to(to);
    for screen in &mut model.screens {
        if let Screen::Form(form) = screen
            && form.saved_as.as_deref() == Some(from)
        {
            form.saved_as = Some(to.to_owned());
            form.doc.name = to.to_owned();
        }
    }
    model.say(format!("{from} is called {to} now"));
}

/// Does what saves a preset under a name, after a question where it would hide one of the program.
pub fn unless_it_hides(model: &mut Model, name: &str, effect: Effect) -> Vec<Effect> {
    if !Presets::is_shipped(name) || model.presets.has_saved(name) {
        return vec![effect];
    }
    let text = format!(
        "{name} is a preset of the program, which yours would hide: from then on {name} means yours, here and on the command line. Save it under this name?"
    );
    model.popups.push(Popup::Confirm { title: "The name of a shipped preset", text, then: Then::Effect(effect) });
    Vec::new()
}

/// What a typed name or path is asked for, where it needs no other question.
pub fn answered(text: &str, then: &Asked) -> Option<Effect> {
    Some(match then {
        Asked::RenamePreset(from) => Effect::RenamePreset { from: from.clone(), to: text.to_owned() },
        Asked::ImportPreset(file) => Effect::ImportPreset { file: file.clone(), name: text.to_owned(), replace: false },
        Asked::ExportPreset(name) => Effect::ExportPreset { name: name.clone(), file: text.to_owned(), replace: false },
        Asked::SaveForm
        | Asked::CopyPreset(_)
        | Asked::Step
        | Asked::Threshold
        | Asked::Tags(_)
        | Asked::Note(_)
        | Asked::ExportFormat { .. }
        | Asked::ExportFolder { .. } => return None,
    })
}

/// An action on the presets screen.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Filter => {
            model.presets.filtering = true;
            return Vec::new();
        }
        Action::Accept => {
            model.presets.filtering = false;
            return Vec::new();
        }
        Action::Cancel => {
            model.presets.show_all();
            return Vec::new();
        }
        Action::Import => {
            let (picker, gather) = Picker::new(Purpose::Import, "");
            model.popups.push(Popup::Picker(Box::new(picker)));
            return vec![gather];
        }
        _ => {}
    }
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
            let input = LineInput::offering(&format!("{name}-copy"));
            let text = format!("Name of the copy of {name}:");
            model.popups.push(Popup::Prompt { title: "Save as", text, input, then: Asked::CopyPreset(name) });
        }
        Action::Difference => return vec![Effect::Compare(name)],
        Action::Rename => {
            let input = LineInput::offering(&name);
            let text = format!("New name of {name}:");
            model.popups.push(Popup::Prompt { title: "Rename", text, input, then: Asked::RenamePreset(name) });
        }
        Action::Export => {
            let input = LineInput::offering(&format!("{name}.toml"));
            let text = format!("File to write {name} into:");
            model.popups.push(Popup::Prompt { title: "Export", text, input, then: Asked::ExportPreset(name) });
        }
        moving => model.presets.cursor = moved(model.presets.cursor, model.presets.shown().len(), moving),
    }
    Vec::new()
}
