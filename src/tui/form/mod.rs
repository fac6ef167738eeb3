//! The form: a preset that is edited, checked at every change, and started.

mod about;
mod dataset;
mod fields;
pub mod problems;
mod view;

pub use problems::ProblemList;
pub use view::{input_spans, view};

use super::input::LineInput;
use super::keys::{Action, Context};
use super::model::{Asked, Model, Popup, moved};
use super::msg::Effect;
use super::picker::{Picker, Purpose, What};
use super::preflight::Preflight;
use super::presets::DifferenceView;
use super::text::clean;
use crate::experiment::{Choice, PresetDoc, Problem, SETTINGS, Setting, Task, check, difference_of, read};
use crate::run::lifecycle::When;
use crossterm::event::KeyEvent;
use fields::{COMMON_TITLE, Field, fields_of, first_fields, found, groups};
use problems::in_order;

/// The setting that others follow.
const DATASET: &str = "data.id";

/// The screen.
#[derive(Debug)]
pub struct Form {
    pub doc: PresetDoc,
    /// What the run will be called; empty: as the preset.
    pub name: String,
    /// Id of the run whose preset this is, where it is a run's.
    pub parent: Option<String>,
    /// The saved preset that this is, so that saving over it needs no question.
    pub saved_as: Option<String>,
    /// What is wrong now, in the order of `preset check`.
    pub problems: Vec<Problem>,
    /// Counts edits, so that a check that comes late is known as such.
    pub edit: u64,
    /// Counts preflights, so that what an earlier one says is known as such.
    pub flights: u64,
    /// Whether the run has been asked for.
    pub starting: bool,
    /// The preset as it was loaded or saved.
    kept: PresetDoc,
    /// What it said when it was loaded: shown first, and in its place also where it is taken back.
    first: Vec<&'static str>,
    group: usize,
    field: usize,
    /// Where the cursor was when the filter was begun.
    left: usize,
    editing: Option<LineInput>,
    /// What to find; the settings shown are those found where it is not empty.
    filter: LineInput,
    filtering: bool,
}

impl Form {
    /// A form on a preset.
    pub fn new(doc: PresetDoc) -> Form {
        let said = |setting: &&Setting| doc.get(setting.key).is_some();
        let mut form = Form {
            kept: doc.clone(),
            first: SETTINGS.iter().filter(said).map(|setting| setting.key).collect(),
            doc,
            name: String::new(),
            parent: None,
            saved_as: None,
            problems: Vec::new(),
            edit: 0,
            flights: 0,
            starting: false,
            group: 0,
            field: 0,
            left: 0,
            editing: None,
            filter: LineInput::default(),
            filtering: false,
        };
        form.look_over();
        form
    }

    /// Whether something is not saved.
    pub fn is_changed(&self) -> bool {
        self.doc.text() != self.kept.text()
    }

    /// Notes that a run has started from it, which keeps what it says.
    pub fn started(&mut self) {
        self.starting = false;
        self.kept = self.doc.clone();
    }

    /// Notes that it is saved under a name.
    pub fn saved(&mut self, name: &str) {
        self.saved_as = Some(name.to_owned());
        self.doc.name = name.to_owned();
        self.kept = self.doc.clone();
    }

    /// Where keys go.
    pub fn context(&self) -> Context {
        match (&self.editing, self.filtering) {
            (Some(_), _) => Context::FormEdit,
            (None, true) => Context::FormFilter,
            (None, false) => Context::Form,
        }
    }

    /// Whether the run is to write texts.
    fn is_generation(&self) -> bool {
        self.doc.get_typed("data.task").as_deref() == Some(Task::Generation.name())
    }

    /// The lines that are shown.
    pub fn fields(&self) -> Vec<Field> {
        if self.is_filtered() {
            return found(&self.filter.text());
        }
        groups().get(self.group).map_or_else(Vec::new, |group| self.fields_in(group))
    }

    /// The lines of a group. The first one begins with what the preset says: what holds is not to be looked for.
    fn fields_in(&self, group: &str) -> Vec<Field> {
        match group {
            COMMON_TITLE => first_fields(&self.first, self.is_generation()),
            group => fields_of(group),
        }
    }

    /// Whether the lines are those that a filter found.
    pub fn is_filtered(&self) -> bool {
        self.filtering || !self.filter.is_empty()
    }

    /// Ends the filter and shows a group from its first line.
    fn show_group(&mut self, group: usize) {
        self.filter = LineInput::default();
        self.filtering = false;
        (self.group, self.field) = (group, 0);
    }

    /// Ends the filter: the cursor stays on the setting that was found; while the filter is still typed, it goes back to
    /// where it was.
    pub fn leave_filter(&mut self) {
        let found = self.focus().filter(|_| !self.filtering);
        let left = self.left;
        self.show_group(self.group);
        self.field = left.min(self.fields().len().saturating_sub(1));
        if let Some(found) = found {
            self.go_to(found.key());
        }
    }

    /// The line with the cursor.
    pub fn focus(&self) -> Option<Field> {
        self.fields().get(self.field).copied()
    }

    /// What the user said of a line.
    pub fn said(&self, field: Field) -> Option<String> {
        match field {
            Field::RunName => Some(self.name.clone()).filter(|name| !name.is_empty()),
            Field::Setting(setting) => self.doc.get_meant(setting.key),
        }
    }

    /// What a line's value was when the preset was loaded or saved, where it is another now: `None` in it where it was not
    /// said.
    pub fn said_before(&self, field: Field) -> Option<Option<String>> {
        let Field::Setting(setting) = field else { return None };
        let before = self.kept.get_meant(setting.key);
        (before != self.doc.get_meant(setting.key)).then_some(before)
    }

    /// What is wrong with a line.
    pub fn problem(&self, field: Field) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.key == field.key())
    }

    /// The check that looks at files too, for now.
    pub fn check(&self) -> Effect {
        Effect::Check { edit: self.edit, doc: Box::new(self.doc.clone()) }
    }

    /// Everything that can be said without looking at files.
    fn look_over(&mut self) {
        self.problems = in_order(read(&self.doc.source(), &[], &[check]).problems);
    }

    /// Takes problems over and goes to the first setting that has one.
    pub fn refuse(&mut self, problems: Vec<Problem>) {
        self.problems = in_order(problems);
        if let Some(first) = self.problems.iter().find(|problem| problems::has_field(problem)) {
            self.go_to(&first.key.clone());
        }
    }

    /// Puts the cursor on a setting, in the group that is shown, else in the first one that has it.
    pub fn go_to(&mut self, key: &str) {
        let place = |group: &str| self.fields_in(group).into_iter().position(|line| line.key() == key);
        let present = groups().iter().enumerate().skip(self.group).take(1);
        let mut places = present.chain(groups().iter().enumerate());
        if let Some((group, field)) = places.find_map(|(at, group)| Some((at, place(group)?))) {
            self.show_group(group);
            self.editing = None;
            self.field = field;
        }
    }

    /// Takes pasted text into the line that is typed.
    pub fn paste(&mut self, text: &str) {
        let cleaned = clean(text.trim());
        if let Some(input) = &mut self.editing {
            input.insert(&cleaned);
        } else if self.filtering {
            self.filter.insert(&cleaned);
            self.field = 0;
        }
    }

    /// Takes a key into the line that is typed.
    pub fn type_key(&mut self, key: KeyEvent) {
        if let Some(input) = &mut self.editing {
            input.key(key);
        } else if self.filtering {
            self.filter.key(key);
            self.field = 0;
        }
    }

    /// Says a value of the line with the cursor; an empty text takes it back.
    fn say(&mut self, text: &str) -> Result<Vec<Effect>, Problem> {
        match self.focus() {
            None => return Ok(Vec::new()),
            Some(Field::RunName) => {
                self.name = text.trim().to_owned();
                return Ok(Vec::new());
            }
            Some(Field::Setting(setting)) => {
                let before = self.doc.text();
                self.doc.set_typed_here(setting.key, text)?;
                if self.doc.text() == before {
                    return Ok(Vec::new());
                }
                // Back at a default that the preset leaves to the program, it is left to it again.
                if self.kept.get(setting.key).is_none() && self.doc.says_default(setting.key) {
                    self.doc.unset(setting.key);
                }
            }
        }
        Ok(self.edited())
    }

    /// What to pick from for the line with the cursor, where there is such.
    fn picker(&self) -> Option<(Picker, Effect)> {
        let Some(Field::Setting(setting)) = self.focus() else { return None };
        What::of(setting.key)?;
        let value = shown_value(self, Field::Setting(setting)).unwrap_or_default();
        Some(Picker::new(Purpose::Setting(setting.key), &value))
    }

    /// Counts an edit and checks what it made.
    fn edited(&mut self) -> Vec<Effect> {
        if self.doc.says_the_same(&self.kept) {
            // Nothing is left of the edits, nor of what they did to the text.
            let name = std::mem::take(&mut self.doc.name);
            self.doc = self.kept.clone();
            self.doc.name = name;
        }
        self.edit += 1;
        self.look_over();
        vec![self.check()]
    }

    /// The next or previous word of a choice, `None` where the line has none to choose from.
    fn stepped(&self, forward: bool) -> Option<String> {
        let field = self.focus()?;
        let mut words: Vec<&str> = field.words().to_vec();
        if words.is_empty() {
            return None;
        }
        if field.is_optional() {
            words.insert(0, "");
        }
        let now = shown_value(self, field).unwrap_or_default();
        let at = words.iter().position(|word| *word == now).unwrap_or(0);
        let to = if forward { at + 1 } else { at + words.len() - 1 };
        words.get(to % words.len()).map(|word| (*word).to_owned())
    }
}

/// The value that holds for a line: said or default; `None` where it is unset.
fn shown_value(form: &Form, field: Field) -> Option<String> {
    form.said(field).or_else(|| match field {
        Field::RunName => None,
        Field::Setting(setting) => (setting.default)().map(|value| as_typed(&value)),
    })
}

/// A default as a person would type it.
fn as_typed(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(as_typed).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// An action on the form.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if action == Action::SaveAs {
        let Some(form) = model.form() else { return Vec::new() };
        let name = form.doc.name.clone();
        // The name of a shipped preset is not offered: a saved one would hide it.
        let offer = if model.presets.has_saved(&name) { name } else { format!("my-{name}") };
        let input = LineInput::offering(&offer);
        let text = "Name of the preset; what it says is saved, its comments too:".into();
        model.popups.push(Popup::Prompt { title: "Save the preset", text, input, then: Asked::SaveForm });
        return Vec::new();
    }
    let Some(form) = model.form() else { return Vec::new() };
    match action {
        Action::Start | Action::StartNow | Action::Queue if form.starting => return Vec::new(),
        Action::Start | Action::StartNow | Action::Queue if !form.problems.is_empty() => {
            let problems = std::mem::take(&mut form.problems);
            let first = problems.first().map(with_help).unwrap_or_default();
            form.refuse(problems);
            model.complain(format!("not started: {first}"));
            return Vec::new();
        }
        Action::Start => {
            form.flights += 1;
            let (number, doc) = (form.flights, Box::new(form.doc.clone()));
            model.popups.push(Popup::Preflight(Box::new(Preflight::new(number))));
            return vec![Effect::Preflight { number, doc }];
        }
        Action::StartNow => return start(model, When::Now),
        Action::Queue => return start(model, When::InTurn),
        Action::Problems => {
            let list = ProblemList::of_form(form);
            model.popups.push(Popup::Problems(Box::new(list)));
            return Vec::new();
        }
        Action::NextProblem | Action::PreviousProblem => {
            if !form.go_to_problem(action == Action::NextProblem) {
                model.complain("what is wrong has no line here: ! lists it");
            }
            return Vec::new();
        }
        Action::Difference => {
            let (name, rows) = (form.doc.name.clone(), difference_of(&form.doc));
            model.popups.push(Popup::Difference(Box::new(DifferenceView { name, rows, scroll: 0 })));
            return Vec::new();
        }
        Action::Edit => {
            if let Some((picker, gather)) = form.picker() {
                model.popups.push(Popup::Picker(Box::new(picker)));
                return vec![gather];
            }
        }
        _ => {}
    }
    match on_form(form, action) {
        Ok(effects) => effects,
        Err(text) => {
            model.complain(text);
            Vec::new()
        }
    }
}

/// Asks for the run, whatever a preflight would say.
pub fn start(model: &mut Model, when: When) -> Vec<Effect> {
    let Some(form) = model.form().filter(|form| !form.starting) else { return Vec::new() };
    form.starting = true;
    let name = Some(form.name.clone()).filter(|name| !name.is_empty());
    vec![Effect::Start { doc: Box::new(form.doc.clone()), name, parent: form.parent.clone(), when }]
}

/// Takes what was picked for the setting with the cursor.
pub fn picked(model: &mut Model, text: &str) -> Vec<Effect> {
    let Some(form) = model.form() else { return Vec::new() };
    let before = form.doc.get_typed(DATASET);
    let effects = match form.say(text) {
        Ok(effects) => effects,
        Err(problem) => {
            model.complain(with_help(&problem));
            return Vec::new();
        }
    };
    if form.focus().is_some_and(|field| field.key() == DATASET)
        && form.doc.get_typed(DATASET) != before
        && let Some(told) = dataset::follow(form)
    {
        let effects = form.edited();
        model.say(told);
        return effects;
    }
    effects
}

fn with_help(problem: &Problem) -> String {
    let what = problem.what();
    match &problem.help {
        Some(help) => format!("{what}; {help}"),
        None => what,
    }
}

fn on_form(form: &mut Form, action: Action) -> Result<Vec<Effect>, String> {
    let said = |form: &mut Form, text: &str| form.say(text).map_err(|problem| with_help(&problem));
    match action {
        Action::Edit => match (form.stepped(true), form.focus()) {
            (Some(word), _) => said(form, &word),
            (None, Some(field)) => {
                form.editing = Some(LineInput::offering(&shown_value(form, field).unwrap_or_default()));
                Ok(Vec::new())
            }
            (None, None) => Ok(Vec::new()),
        },
        Action::Accept => match form.editing.take() {
            Some(input) => {
                let text = input.text();
                // Enter on an untouched default must not turn it into something said.
                let untouched = form.focus().and_then(|field| shown_value(form, field)).unwrap_or_default() == text;
                if untouched { Ok(Vec::new()) } else { said(form, &text) }
            }
            None => {
                form.filtering = false;
                Ok(Vec::new())
            }
        },
        Action::Cancel => {
            if form.editing.take().is_none() {
                form.leave_filter();
            }
            Ok(Vec::new())
        }
        Action::Left | Action::Right => match form.stepped(action == Action::Right) {
            Some(word) => said(form, &word),
            None => Ok(Vec::new()),
        },
        Action::Unset => {
            if let Some(Field::Setting(setting)) = form.focus() {
                form.doc.unset(setting.key);
                return Ok(form.edited());
            }
            form.name.clear();
            Ok(Vec::new())
        }
        Action::Filter => {
            if !form.is_filtered() {
                form.left = form.field;
            }
            form.filtering = true;
            form.field = 0;
            Ok(Vec::new())
        }
        Action::NextGroup | Action::PreviousGroup => {
            let count = groups().len();
            let step = if action == Action::NextGroup { 1 } else { count - 1 };
            form.show_group((form.group + step) % count);
            Ok(Vec::new())
        }
        moving => {
            form.field = moved(form.field, form.fields().len(), moving);
            Ok(Vec::new())
        }
    }
}
