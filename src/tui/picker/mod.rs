//! A line to type with what there is to pick from below it: models, datasets, files, names of layers, devices.
//!
//! The line is the value: what is typed can always be taken as it is. What was there before is replaced by the first character,
//! and edited after a key that moves in it.

mod gather;
mod matching;
mod view;

pub use gather::gather;
pub use matching::{Match, matching};
pub use view::lines;

use super::form;
use super::input::LineInput;
use super::keys::Action;
use super::model::{Asked, Model, Popup, moved};
use super::msg::Effect;
use super::text::clean;
use crate::experiment::parse::looks_like_path;
use crate::model::targets::ALL_LINEAR;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Models,
    Datasets,
    /// Files with rows.
    Files,
    /// Folders of PEFT.
    Adapters,
    /// Names of layers, several of them with commas between.
    Targets,
    Devices,
    /// Files with a preset.
    Presets,
}

impl What {
    /// What a setting is picked from; `None` where it is typed.
    pub fn of(key: &str) -> Option<What> {
        Some(match key {
            "model.id" => What::Models,
            "data.id" => What::Datasets,
            "data.train" | "data.validation" | "data.test" => What::Files,
            "lora.init_from" => What::Adapters,
            "lora.targets" => What::Targets,
            "runtime.device" => What::Devices,
            _ => return None,
        })
    }
}

/// What to look for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub what: What,
    /// The folder as it is typed, with its last slash; empty where none is. A relative one starts at the working directory.
    pub folder: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub candidates: Vec<Candidate>,
    /// How many there are beyond these.
    pub more: usize,
}

/// Where a candidate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Builtin,
    Catalogue,
    Cache,
    Folder,
    File,
    /// The program knows it.
    Known,
}

impl Origin {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Builtin => "builtin",
            Origin::Catalogue => "catalogue",
            Origin::Cache => "hub cache",
            Origin::Folder => "folder",
            Origin::File => "file",
            Origin::Known => "",
        }
    }
}

/// Something to pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What the line is when it is taken.
    pub text: String,
    pub origin: Origin,
    /// Size, task, whether it is here.
    pub fact: String,
    /// A folder that is gone into and not taken.
    pub enters: bool,
}

impl Candidate {
    /// One that is taken.
    pub fn new(text: impl Into<String>, origin: Origin, fact: impl Into<String>) -> Candidate {
        Candidate { text: text.into(), origin, fact: fact.into(), enters: false }
    }
}

/// What the picked text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The setting with the cursor in the form.
    Setting(&'static str),
    /// The file of a preset to take in.
    Import,
}

/// The popup.
#[derive(Clone, Debug)]
pub struct Picker {
    pub purpose: Purpose,
    input: LineInput,
    /// Whether the line is as it was: the next character replaces it.
    untouched: bool,
    ask: Ask,
    gathering: bool,
    found: Found,
    matches: Vec<Match>,
    /// The row with the cursor: 0 is the line itself where it has a row.
    cursor: usize,
}

/// What a key in the popup leads to.
enum Picked {
    Text(String),
    /// Go on, with this line.
    Into(String),
}

impl Picker {
    /// One on the present value, and what to look for.
    pub fn new(purpose: Purpose, value: &str) -> (Picker, Effect) {
        let what = match purpose {
            Purpose::Setting(key) => What::of(key).unwrap_or(What::Files),
            Purpose::Import => What::Presets,
        };
        let ask = Ask { what, folder: folder_of(what, value).to_owned() };
        let picker = Picker {
            purpose,
            input: LineInput::new(value),
            untouched: true,
            ask: ask.clone(),
            gathering: true,
            found: Found::default(),
            matches: Vec::new(),
            cursor: 0,
        };
        (picker, Effect::Gather(ask))
    }

    /// Takes in what was found, where it still is what is looked for.
    pub fn take(&mut self, ask: &Ask, found: Found) {
        if self.ask == *ask {
            self.gathering = false;
            self.found = found;
            self.look();
        }
    }

    /// Takes an editing key into the line.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        if self.untouched && plain && matches!(key.code, KeyCode::Char(_)) {
            self.input = LineInput::default();
        }
        if !self.input.key(key) {
            return Vec::new();
        }
        self.edited()
    }

    /// Takes a pasted text into the line.
    pub fn paste(&mut self, text: &str) -> Vec<Effect> {
        if self.untouched {
            self.input = LineInput::default();
        }
        self.input.insert(&clean(text.trim()));
        self.edited()
    }

    fn edited(&mut self) -> Vec<Effect> {
        self.untouched = false;
        let folder = folder_of(self.ask.what, &self.input.text()).to_owned();
        if folder == self.ask.folder {
            self.look();
            return Vec::new();
        }
        self.ask.folder = folder;
        self.gathering = true;
        self.found = Found::default();
        self.look();
        vec![Effect::Gather(self.ask.clone())]
    }

    /// What comes before the part of the line that is looked for: of a list, the names before.
    fn kept(&self) -> String {
        let text = self.input.text();
        match self.ask.what {
            What::Targets => text.rfind(',').map_or(String::new(), |at| {
                let rest = &text[at + 1..];
                format!("{}{}", &text[..=at], &rest[..rest.len() - rest.trim_start().len()])
            }),
            _ => String::new(),
        }
    }

    /// The part of the line that candidates must match.
    fn typed(&self) -> String {
        self.input.text()[self.kept().len()..].to_owned()
    }

    /// Finds what matches, and puts the cursor on the best.
    fn look(&mut self) {
        let typed = self.typed();
        // In a folder only the names count: its own letters are in every candidate.
        let skip = self.ask.folder.len();
        let name = if self.untouched { "" } else { typed.get(skip..).unwrap_or_default() };
        let texts = self.found.candidates.iter().map(|candidate| candidate.text.get(skip..).unwrap_or_default());
        self.matches = matching(name, texts);
        let shift = self.ask.folder.chars().count() as u32;
        for found in &mut self.matches {
            found.marks.iter_mut().for_each(|mark| *mark += shift);
        }
        // Of a list the name that is last in the line.
        let own = self.untouched.then(|| self.matches.iter().position(|found| self.candidate(found).text == typed));
        let best = usize::from(self.has_own_row() && !self.matches.is_empty());
        self.cursor = own.flatten().map_or(best, |place| place + usize::from(self.has_own_row()));
    }

    fn candidate(&self, found: &Match) -> &Candidate {
        &self.found.candidates[found.place]
    }

    /// Whether the line has a row of its own: not where a candidate is the same.
    fn has_own_row(&self) -> bool {
        let typed = self.typed();
        !self.found.candidates.iter().any(|candidate| candidate.text == typed && !candidate.enters)
    }

    fn rows(&self) -> usize {
        self.matches.len() + usize::from(self.has_own_row())
    }

    /// The candidate with the cursor; none where that is on the line's own row.
    fn pointed(&self) -> Option<&Candidate> {
        let place = self.cursor.checked_sub(usize::from(self.has_own_row()))?;
        self.matches.get(place).map(|found| self.candidate(found))
    }

    /// The line with a candidate in the place of what is looked for; all layers are not named beside others.
    fn line_with(&self, candidate: &Candidate) -> String {
        let is_all = self.ask.what == What::Targets && candidate.text == ALL_LINEAR;
        if is_all { candidate.text.clone() } else { format!("{}{}", self.kept(), candidate.text) }
    }

    /// What Enter does.
    fn picked(&self) -> Picked {
        match self.pointed() {
            None => Picked::Text(self.input.text()),
            Some(candidate) => {
                let text = self.line_with(candidate);
                if candidate.enters { Picked::Into(text) } else { Picked::Text(text) }
            }
        }
    }

    /// Puts the candidate with the cursor into the line, as a shell completes.
    fn complete(&mut self) -> Vec<Effect> {
        let Some(candidate) = self.pointed() else { return Vec::new() };
        let text = self.line_with(candidate);
        self.become_line(&text)
    }

    fn become_line(&mut self, text: &str) -> Vec<Effect> {
        self.input = LineInput::new(text);
        self.edited()
    }
}

/// The folder that a line begins with, where candidates are the entries of one.
fn folder_of(what: What, text: &str) -> &str {
    let in_folders = match what {
        What::Files | What::Adapters | What::Presets => true,
        What::Models => looks_like_path(text),
        What::Datasets | What::Targets | What::Devices => false,
    };
    match text.rfind('/') {
        Some(at) if in_folders => &text[..=at],
        _ => "",
    }
}

/// The title of the popup.
pub fn title(picker: &Picker) -> String {
    match picker.purpose {
        Purpose::Setting(key) => key.to_owned(),
        Purpose::Import => "Import a preset from a file".into(),
    }
}

/// An action on the popup, which has been taken off.
pub fn act(model: &mut Model, mut picker: Box<Picker>, action: Action) -> Vec<Effect> {
    let effects = match action {
        Action::Cancel => return Vec::new(),
        Action::Accept => match picker.picked() {
            Picked::Text(text) => {
                let untouched = picker.untouched && picker.input.text() == text;
                return finish(model, picker.purpose, &text, untouched);
            }
            Picked::Into(text) => picker.become_line(&text),
        },
        Action::Complete => picker.complete(),
        moving => {
            picker.cursor = moved(picker.cursor, picker.rows(), moving);
            Vec::new()
        }
    };
    model.popups.push(Popup::Picker(picker));
    effects
}

fn finish(model: &mut Model, purpose: Purpose, text: &str, untouched: bool) -> Vec<Effect> {
    match purpose {
        // A default that was only looked at is not said.
        Purpose::Setting(_) if untouched => Vec::new(),
        Purpose::Setting(_) => form::picked(model, text),
        Purpose::Import if text.trim().is_empty() => {
            model.complain("nothing imported: no file was named");
            Vec::new()
        }
        Purpose::Import => {
            let file = text.trim().to_owned();
            let name = file.rsplit('/').next().unwrap_or_default();
            let input = LineInput::new(name.strip_suffix(".toml").unwrap_or(name));
            let question = "Name under which to save it:".into();
            let then = Asked::ImportPreset(file);
            model.popups.push(Popup::Prompt { title: "Import the preset", text: question, input, then });
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picker(key: &'static str, value: &str, candidates: &[&str]) -> Picker {
        let (mut picker, Effect::Gather(ask)) = Picker::new(Purpose::Setting(key), value) else { panic!() };
        let candidate =
            |text: &&str| Candidate { enters: text.ends_with('/'), ..Candidate::new(*text, Origin::Catalogue, "") };
        picker.take(&ask, Found { candidates: candidates.iter().map(candidate).collect(), more: 0 });
        picker
    }

    fn typed(picker: &mut Picker, text: &str) -> Vec<Effect> {
        text.chars().flat_map(|c| picker.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))).collect()
    }

    fn picked(picker: &Picker) -> String {
        match picker.picked() {
            Picked::Text(text) => text,
            Picked::Into(text) => format!("into {text}"),
        }
    }

    const MODELS: [&str; 3] = ["builtin:demo", "FacebookAI/roberta-base", "openai-community/gpt2"];

    #[test]
    fn the_cursor_begins_on_the_present_value_and_typing_replaces_it() {
        let mut picker = picker("model.id", MODELS[1], &MODELS);
        assert_eq!((picked(&picker).as_str(), picker.rows()), (MODELS[1], 3));
        typed(&mut picker, "gpt");
        assert_eq!(picked(&picker), MODELS[2]);
        picker.cursor = 0;
        assert_eq!(picked(&picker), "gpt", "the line itself is above");
        typed(&mut picker, "-x");
        assert_eq!(picked(&picker), "gpt-x", "what matches nothing is taken as it is");
    }

    #[test]
    fn a_key_that_moves_keeps_the_value_to_be_edited() {
        let mut picker = picker("model.id", "me/mine", &MODELS);
        picker.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
        typed(&mut picker, "-2");
        assert_eq!(picked(&picker), "me/mine-2");
    }

    #[test]
    fn a_list_that_is_only_looked_at_stays_and_all_layers_take_its_place() {
        let mut picker = picker("lora.targets", "query, value", &["all-linear", "query", "value", "output.dense"]);
        assert_eq!(picked(&picker), "query, value");
        picker.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
        typed(&mut picker, ", all");
        assert_eq!(picked(&picker), "all-linear");
    }

    #[test]
    fn names_of_a_list_are_completed_one_by_one() {
        let mut picker = picker("lora.targets", "query, value", &["all-linear", "query", "value", "output.dense"]);
        picker.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
        typed(&mut picker, ", outd");
        assert_eq!(picked(&picker), "query, value, output.dense");
        picker.complete();
        typed(&mut picker, ",que");
        assert_eq!(picked(&picker), "query, value, output.dense,query");
    }

    #[test]
    fn a_folder_is_gone_into_and_its_names_alone_count() {
        let mut picker = picker("data.train", "", &["data/", "train.tsv"]);
        typed(&mut picker, "da");
        assert_eq!(picked(&picker), "into data/");
        let effects = picker.complete();
        assert!(matches!(&effects[..], [Effect::Gather(Ask { folder, .. })] if folder == "data/"));
        let old = Ask { folder: String::new(), ..picker.ask.clone() };
        picker.take(&old, Found { candidates: vec![Candidate::new("late", Origin::File, "")], more: 0 });
        assert!(picker.found.candidates.is_empty(), "what was asked before is not taken");
        let new = picker.ask.clone();
        let candidates = ["data/dev.tsv", "data/train.tsv"].map(|text| Candidate::new(text, Origin::File, "")).to_vec();
        picker.take(&new, Found { candidates, more: 0 });
        typed(&mut picker, "tr");
        assert_eq!((picked(&picker).as_str(), picker.rows()), ("data/train.tsv", 2));
        assert_eq!(picker.matches[0].marks, [5, 6]);
    }

    #[test]
    fn models_are_looked_for_in_folders_once_a_path_is_typed() {
        assert_eq!(folder_of(What::Models, "google-bert/bert"), "");
        assert_eq!(folder_of(What::Models, "./models/x"), "./models/");
        assert_eq!(folder_of(What::Models, "~/m"), "~/");
        assert_eq!(folder_of(What::Datasets, "glue/sst2"), "");
        assert_eq!(folder_of(What::Files, "a/b"), "a/");
    }
}
