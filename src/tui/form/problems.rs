//! All that is wrong with a preset, in the words of `preset check`, and the way to each of it.

use super::{Field, Form};
use crate::experiment::{Problem, Problems, setting};
use crate::tui::draw::{plain, span};
use crate::tui::keys::Action;
use crate::tui::look::Look;
use crate::tui::model::{Model, Popup, moved};
use crate::tui::msg::Effect;
use crate::tui::text::wrap;
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// The popup.
#[derive(Clone, Debug)]
pub struct ProblemList {
    pub title: String,
    pub problems: Vec<Problem>,
    pub cursor: usize,
    /// Whether they are those of the form below: then there are ways to their settings.
    pub of_form: bool,
}

/// Problems in the order in which `preset check` tells them.
pub fn in_order(problems: Vec<Problem>) -> Vec<Problem> {
    Problems::new("", "", problems).list().to_vec()
}

/// Whether a problem has a line in the form.
pub fn has_field(problem: &Problem) -> bool {
    setting(&problem.key).is_some()
}

impl ProblemList {
    /// Whether an action does something.
    pub fn can(&self, action: Action) -> bool {
        self.of_form || !matches!(action, Action::Accept | Action::Unset)
    }

    /// Those of a form.
    pub fn of_form(form: &Form) -> ProblemList {
        ProblemList { title: "Problems".into(), problems: form.problems.clone(), cursor: 0, of_form: true }
    }
}

impl Form {
    /// Goes to the next problem that has a line here, or to the one before.
    pub fn go_to_problem(&mut self, forward: bool) -> bool {
        let keys: Vec<String> =
            self.problems.iter().filter(|problem| has_field(problem)).map(|problem| problem.key.clone()).collect();
        let here = self.focus().map(Field::key).and_then(|key| keys.iter().position(|known| known == key));
        let count = keys.len();
        let to = match here {
            _ if count == 0 => return false,
            None if forward => 0,
            None => count - 1,
            Some(here) => (here + if forward { 1 } else { count - 1 }) % count,
        };
        self.go_to(&keys[to]);
        true
    }
}

/// Gives the list of a form that is open the form's problems as they are now; one that has none any more goes.
pub fn look_again(model: &mut Model) {
    let Some(problems) = model.form().map(|form| form.problems.clone()) else { return };
    for popup in &mut model.popups {
        if let Popup::Problems(list) = popup
            && list.of_form
        {
            let cursor =
                list.problems.get(list.cursor).and_then(|here| problems.iter().position(|known| known == here));
            list.cursor = cursor.unwrap_or(list.cursor).min(problems.len().saturating_sub(1));
            list.problems.clone_from(&problems);
        }
    }
    model.popups.retain(|popup| !matches!(popup, Popup::Problems(list) if list.of_form && list.problems.is_empty()));
}

/// An action on the list, which has been taken off.
pub fn act(model: &mut Model, mut list: ProblemList, action: Action) -> Vec<Effect> {
    let problem = list.problems.get(list.cursor).cloned();
    match (action, problem) {
        (Action::Cancel, _) => return Vec::new(),
        (Action::Accept, Some(problem)) if list.of_form && has_field(&problem) => {
            if let Some(form) = model.form() {
                form.go_to(&problem.key);
            }
            return Vec::new();
        }
        (Action::Accept, Some(problem)) if !problem.key.is_empty() => {
            model.complain(format!("{} has no line in the form; x takes it out of the preset", problem.key));
        }
        (Action::Unset, Some(problem)) if list.of_form && !problem.key.is_empty() => {
            let Some(form) = model.form() else { return Vec::new() };
            let before = form.doc.text();
            form.doc.unset(&problem.key);
            if form.doc.text() == before {
                model.complain(format!("{} cannot be taken out here: edit the file", problem.key));
            } else {
                let effects = form.edited();
                list.problems = form.problems.clone();
                list.cursor = list.cursor.min(list.problems.len().saturating_sub(1));
                if !list.problems.is_empty() {
                    model.popups.push(Popup::Problems(Box::new(list)));
                }
                return effects;
            }
        }
        (moving, _) => list.cursor = moved(list.cursor, list.problems.len(), moving),
    }
    model.popups.push(Popup::Problems(Box::new(list)));
    Vec::new()
}

/// The lines of the popup, and which of them the cursor is on.
pub fn lines(list: &ProblemList, columns: usize, look: Look) -> (Vec<Line>, usize) {
    let glyphs = look.glyphs();
    let (mut lines, mut at): (Vec<Line>, usize) = (Vec::new(), 0);
    for (place, problem) in list.problems.iter().enumerate() {
        let has_cursor = place == list.cursor;
        if has_cursor {
            at = lines.len();
        }
        let pointer = if has_cursor { glyphs.pointer } else { " " };
        let style = if has_cursor { look.under_cursor(look.bad()) } else { look.bad() };
        let mut mark = format!("{pointer} {} ", glyphs.error);
        let indent = mark.chars().count();
        for text in wrap(&problem.to_string(), columns.saturating_sub(indent)) {
            lines.push(vec![span(&mark, look.strong()), span(text, style)]);
            mark = " ".repeat(indent);
        }
        for text in problem.help.iter().flat_map(|help| wrap(help, columns.saturating_sub(indent))) {
            lines.push(vec![plain(" ".repeat(indent)), span(text, look.faint())]);
        }
    }
    (lines, at)
}
