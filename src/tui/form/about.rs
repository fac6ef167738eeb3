//! What there is to say of the setting with the cursor: below the list, or beside it where there is room.

use super::fields::Field;
use super::problems::has_field;
use super::{Form, as_typed, shown_value};
use crate::experiment::{Kind, Problem, Setting, difference_of};
use crate::run::inherit::makes_the_search;
use crate::tui::draw::{below, put, rule, span};
use crate::tui::look::Look;
use crate::tui::picker::What;
use crate::tui::presets::{DifferenceView, difference};
use crate::tui::text::{cut, pad, width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// Columns of the labels beside the list.
const LABELS: usize = 9;
/// Columns of a value that is told in passing.
const IN_PASSING: usize = 24;

const ABOUT_NAME: &str = "what to call the run; several runs may have one name";

/// Help, range and problem of the line with the cursor, and its value where it is longer than `room`.
pub fn under(buf: &mut Buffer, area: Rect, form: &Form, room: usize, look: Look) {
    let columns = usize::from(area.width);
    let mut lines: Vec<Line> = Vec::new();
    let mut say = |text: &str, style: Style| lines.extend(wrapped(text, columns, style));
    match form.focus() {
        None => rule(buf, area, 0, "", Vec::new(), look),
        Some(Field::RunName) => {
            rule(buf, area, 0, "name", Vec::new(), look);
            say(ABOUT_NAME, Style::new());
        }
        Some(field @ Field::Setting(setting)) => {
            let short = source(form, field);
            let long = form.said_before(field).map(|before| format!("{short}, {}", was(before, look)));
            // Both ends of the rule have to fit, or the right one is left out.
            let fits = |source: &String| width(setting.key) + width(source) + 8 <= columns;
            let source = long.filter(fits).unwrap_or(short.to_owned());
            rule(buf, area, 0, setting.key, vec![span(source, look.faint())], look);
            // First, since there are few lines.
            if let Some(problem) = problem(form, field) {
                say(&in_words(problem, look), look.bad());
            }
            say(setting.help, Style::new());
            if let Some(note) = note(form, setting) {
                say(&note, look.warning());
            }
            let allowed = format!("{}, default {}", setting.kind.allowed(), default_of(setting));
            let way = way(field, look).map_or(String::new(), |way| format!("; {way}"));
            say(&format!("{allowed}{way}"), look.faint());
            if let Some(value) = form.said(field).filter(|value| width(value) > room) {
                say(&value, Style::new());
            }
        }
    }
    let room = usize::from(area.height.saturating_sub(1));
    if room > 0 && lines.len() > room {
        lines.truncate(room);
        // A blank and the mark, in place of what they would not fit behind.
        if let Some(last) = lines.last_mut() {
            let mark = look.glyphs().ellipsis;
            let text: String = last.iter().map(|span| span.content.as_ref()).collect();
            let style = last.first().map_or(Style::new(), |span| span.style);
            *last = vec![span(format!("{} {mark}", cut(&text, columns.saturating_sub(2), "")), style)];
        }
    }
    for (line, spans) in lines.into_iter().enumerate() {
        put(buf, area, 1 + line as u16, spans);
    }
}

/// The same with a line for each fact, and below it what the form says otherwise than the defaults.
pub fn beside(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let columns = usize::from(area.width);
    let lines = match form.focus() {
        None => Vec::new(),
        Some(Field::RunName) => {
            rule(buf, area, 0, "name", Vec::new(), look);
            wrapped(ABOUT_NAME, columns, Style::new())
        }
        Some(field @ Field::Setting(setting)) => {
            rule(buf, area, 0, setting.key, vec![span(source(form, field), look.faint())], look);
            facts(form, field, setting, columns, look)
        }
    };
    let taken = lines.len() as u16;
    for (line, spans) in lines.into_iter().enumerate() {
        put(buf, area, 1 + line as u16, spans);
    }
    differences(buf, below(area, 2 + taken), form, look);
}

fn facts(form: &Form, field: Field, setting: &Setting, columns: usize, look: Look) -> Vec<Line> {
    let mut lines = wrapped(setting.help, columns, Style::new());
    lines.push(Vec::new());
    let mut fact = |label: &str, text: &str, style: Style| {
        let mut label = pad(label, LABELS, "");
        for text in wrap(text, columns.saturating_sub(LABELS)) {
            lines.push(vec![span(&label, look.faint()), span(text, style)]);
            label = " ".repeat(LABELS);
        }
    };
    let unit = |text: String| match setting.unit {
        "" => text,
        unit if text == UNSET => format!("{text} ({unit})"),
        unit => format!("{text} {unit}"),
    };
    let value = shown_value(form, field).unwrap_or(UNSET.into());
    fact("value", &unit(value), look.strong());
    if let Some(before) = form.said_before(field) {
        fact("before", &was(before, look), Style::new());
    }
    fact("default", &unit(default_of(setting)), Style::new());
    fact("allowed", &setting.kind.allowed(), Style::new());
    fact("keys", &way(field, look).unwrap_or("Enter, then type it".into()), Style::new());
    let after = [note(form, setting).map(|note| (note, look.warning()))];
    let problem = problem(form, field).map(|problem| (in_words(problem, look), look.bad()));
    for (text, style) in after.into_iter().chain([problem]).flatten() {
        lines.push(Vec::new());
        lines.extend(wrapped(&text, columns, style));
    }
    lines
}

fn differences(buf: &mut Buffer, area: Rect, form: &Form, look: Look) {
    let view = DifferenceView { name: String::new(), rows: difference_of(&form.doc), scroll: 0 };
    let count = view.rows.len();
    rule(buf, area, 0, "otherwise than the defaults", vec![span(count.to_string(), look.faint())], look);
    let mut lines = difference::lines(&view, usize::from(area.width), look);
    let room = usize::from(area.height.saturating_sub(1));
    if lines.len() > room && room > 0 {
        lines.truncate(room - 1);
        lines.push(vec![span("and more: v lists all", look.faint())]);
    }
    for (line, spans) in lines.into_iter().enumerate() {
        put(buf, area, 1 + line as u16, spans);
    }
}

const UNSET: &str = "unset";

fn wrapped(text: &str, columns: usize, style: Style) -> Vec<Line> {
    wrap(text, columns).into_iter().map(|line| vec![span(line, style)]).collect()
}

fn default_of(setting: &Setting) -> String {
    (setting.default)().map_or(UNSET.to_owned(), |value| as_typed(&value))
}

/// Where the value comes from.
fn source(form: &Form, field: Field) -> &'static str {
    match (form.said(field).is_some(), form.said_before(field).is_some()) {
        (true, false) => "said in the preset",
        (true, true) => "changed here",
        (false, true) => "taken back here",
        (false, false) => "default",
    }
}

fn was(before: Option<String>, look: Look) -> String {
    match before {
        Some(before) => format!("the preset says {}", cut(&before, IN_PASSING, look.glyphs().ellipsis)),
        None => "the preset leaves it at its default".into(),
    }
}

/// How the value is changed, where that is not by typing it.
fn way(field: Field, look: Look) -> Option<String> {
    match field {
        Field::Setting(Setting { kind: Kind::Bool | Kind::Choice(_), .. }) => {
            Some(format!("{} changes it", look.glyphs().left_right))
        }
        Field::Setting(setting) if What::of(setting.key).is_some() => Some("Enter lists what there is".into()),
        _ => None,
    }
}

/// Why another value would not do what it says.
fn note(form: &Form, setting: &Setting) -> Option<String> {
    let is_fixed = setting.key != SEARCH_FROM && makes_the_search(setting.key);
    let taken = is_fixed && form.doc.get(SEARCH_FROM).is_some();
    taken.then(|| {
        format!(
            "stays as it is: it made the search that {SEARCH_FROM} takes; x on {SEARCH_FROM} has the run search anew"
        )
    })
}

const SEARCH_FROM: &str = "search.from";

/// What is wrong with a line. A problem without a place of its own is shown wherever the cursor is, or nobody would see it.
fn problem(form: &Form, field: Field) -> Option<&Problem> {
    form.problem(field).or_else(|| form.problems.iter().find(|problem| !has_field(problem)))
}

fn in_words(problem: &Problem, look: Look) -> String {
    let help = problem.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
    format!("{} {} {}{help}", look.glyphs().error, problem.key, problem.message)
}
