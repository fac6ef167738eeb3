//! One layer of what the user said, a text or the `--set` arguments, taken apart into settings and places.

use super::kind::{seen, typed};
use super::nearest::{nearest, ranked};
use super::problem::{Place, Problem, steers};
use super::{SETTINGS, Setting};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// One setting as said.
#[derive(Clone)]
pub(crate) struct Entry {
    pub setting: &'static Setting,
    /// The value as said; an empty text from an argument unsets an optional setting.
    pub value: Value,
    pub place: Place,
}

impl Entry {
    /// Whether this is `--set KEY=`, which takes an optional setting back to unset.
    pub fn is_unset(&self) -> bool {
        matches!((&self.place, &self.value), (Place::Set(_), Value::String(text)) if text.is_empty())
            && (self.setting.default)().is_none()
    }
}

/// The settings of a layer and what could not be taken for one.
#[derive(Default)]
pub(crate) struct Layer {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    /// Whether a syntax error may have swallowed settings.
    pub torn: bool,
}

impl Layer {
    /// Takes a preset's text apart, going on after errors of syntax.
    pub fn from_text(text: &str) -> Layer {
        let lines = Lines::new(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut layer = Layer { torn: !errors.is_empty(), ..Layer::default() };
        let mut torn_lines = BTreeSet::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let place = lines.place(span.clone());
            // One slip makes the parser stumble several times on its line; the first is the one to read.
            if torn_lines.insert(place.line()) {
                let message = not_toml(error.message(), text.get(span).unwrap_or_default());
                layer.problems.push(Problem { key: String::new(), place, message, help: None });
            }
        }
        if layer.torn {
            // The parser may give up the lines after an error: without the torn ones it finds the rest.
            let mended = without_lines(text, &torn_lines);
            layer.take_table("", DeTable::parse_recoverable(&mended).0.get_ref(), &lines);
        } else {
            layer.take_table("", root.get_ref(), &lines);
        }
        // What the parser makes up to go on, beside an error or without any text of its own, was not said.
        let said = |place: &Place| {
            let is_empty = matches!(place, Place::Text { span, .. } if span.is_empty());
            !is_empty && !torn_lines.contains(&place.line())
        };
        layer.entries.retain(|entry| said(&entry.place));
        layer.problems.retain(|problem| problem.key.is_empty() || said(&problem.place));
        layer
    }

    /// Takes `KEY=VALUE` arguments apart.
    pub fn from_arguments(sets: &[String]) -> Layer {
        let mut layer = Layer::default();
        for argument in sets {
            let place = Place::Set(seen_argument(argument));
            match argument.split_once('=') {
                None => layer.problem("", place, "must be KEY=VALUE".into(), suggestion(argument)),
                Some((key, _)) if key.trim().is_empty() => layer.problem("", place, "must be KEY=VALUE".into(), None),
                Some((key, text)) => match super::parse::setting(key.trim()) {
                    Some(setting) => layer.entries.push(Entry { setting, value: typed(setting.kind, text), place }),
                    None => layer.unknown(key.trim(), place, "is no setting"),
                },
            }
        }
        layer
    }

    fn take_table(&mut self, path: &str, table: &DeTable<'_>, lines: &Lines) {
        for (name, value) in table {
            let key = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
            let place = lines.place(name.span());
            match (super::parse::setting(&key), value.get_ref()) {
                (Some(setting), _) => self.take_value(setting, value, lines),
                (None, DeValue::Table(table)) if is_group(&key) => self.take_table(&key, table, lines),
                (None, value) if is_group(&key) => {
                    let message = format!("is a table of settings, not {}", seen(&plain(value)));
                    self.problem(&key, place, message, Some(format!("begin it with [{key}]")));
                }
                (None, DeValue::Table(_)) => self.unknown(&key, place, "is no table of settings"),
                _ => self.unknown(&key, place, "is no setting"),
            }
        }
    }

    fn take_value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>, lines: &Lines) {
        self.entries.push(Entry { setting, value: plain(value.get_ref()), place: lines.place(value.span()) });
    }

    fn unknown(&mut self, key: &str, place: Place, what: &str) {
        self.problem(&printable_key(key), place, what.into(), suggestion(key));
    }

    fn problem(&mut self, key: &str, place: Place, message: String, help: Option<String>) {
        self.problems.push(Problem { key: key.into(), place, message, help });
    }
}

/// The text with some of its lines blank, every other byte in its place.
fn without_lines(text: &str, blank: &BTreeSet<Option<usize>>) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines
        .flat_map(|(i, line)| {
            let is_blank = blank.contains(&Some(i + 1));
            line.chars().flat_map(move |c| {
                let (c, count) = if is_blank && c != '\n' { (' ', c.len_utf8()) } else { (c, 1) };
                std::iter::repeat_n(c, count)
            })
        })
        .collect()
}

/// The errors of syntax of a text that toml_edit refused.
pub(crate) fn syntax(text: &str, refusal: &toml_edit::TomlError) -> Vec<Problem> {
    let mut problems = Layer::from_text(text).problems;
    problems.retain(|problem| problem.key.is_empty());
    if problems.is_empty() {
        let place = Lines::new(text).place(refusal.span().unwrap_or(0..0));
        problems.push(Problem { key: String::new(), place, message: not_toml(refusal.message(), ""), help: None });
    }
    problems
}

pub(crate) fn not_toml(message: &str, at: &str) -> String {
    match message {
        "duplicate key" => format!("not TOML: {} is here a second time", printable_key(at)),
        message => format!("not TOML: {}", message.replace('\n', ", ")),
    }
}

/// Puts `value` into `table` under a dotted key.
pub(crate) fn put(table: &mut toml::Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
        }
        Some((group, rest)) => {
            let inner = table.entry(group).or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The names of the tables, in the order of the registry.
fn groups() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    SETTINGS.iter().map(Setting::group).filter(move |group| std::mem::replace(&mut last, group) != *group)
}

fn is_group(key: &str) -> bool {
    groups().any(|group| group == key || group.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// The right key for a wrong one: the same name elsewhere, else the nearest.
fn suggestion(key: &str) -> Option<String> {
    if key == "name" {
        return Some("--name names a run, and a preset is called as its file is".into());
    }
    let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
    let elsewhere: Vec<_> =
        SETTINGS.iter().filter(|setting| setting.name() == name).map(|setting| setting.key).collect();
    let keys = || SETTINGS.iter().map(|setting| setting.key);
    match elsewhere.as_slice() {
        [] => {
            let names = keys().chain(groups());
            // A short wrong key is a name without its table: compare with the names alone.
            let of_group = key.rsplit_once('.').filter(|(group, _)| is_group(group));
            let in_group = of_group.and_then(|(group, name)| {
                let names = SETTINGS.iter().filter(|setting| setting.group() == group).map(Setting::name);
                nearest(name, names).map(|name| format!("{group}.{name}"))
            });
            let near = in_group.or_else(|| nearest(key, names).map(String::from));
            near.or_else(|| {
                let name = ranked(name, SETTINGS.iter().map(Setting::name)).into_iter().next()?;
                SETTINGS.iter().find(|setting| setting.name() == name).map(|setting| setting.key.into())
            })
            .map(|near| format!("did you mean {near}?"))
        }
        [one] => Some(format!("did you mean {one}?")),
        several => Some(format!("did you mean {}?", several.join(" or "))),
    }
}

/// A value without places; a whole number that 64 bits cannot hold becomes a decimal, which is out of every range.
pub(crate) fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or_else(
            |_| Value::Float(i128::from_str_radix(n.as_str(), n.radix()).map_or(f64::INFINITY, |n| n as f64)),
            Value::Integer,
        ),
        DeValue::Float(x) => Value::Float(x.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Table(
            table.iter().map(|(name, value)| (name.get_ref().to_string(), plain(value.get_ref()))).collect(),
        ),
    }
}

/// An argument as errors show it.
fn seen_argument(argument: &str) -> String {
    argument.chars().take(120).map(|c| if steers(c) { '?' } else { c }).collect()
}

pub(crate) fn printable_key(key: &str) -> String {
    key.chars().map(|c| if steers(c) { '?' } else { c }).collect()
}

/// From bytes to lines and columns.
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines { text, starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    pub fn place(&self, span: Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let line = self.starts.partition_point(|line| *line <= start);
        let line_start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(line_start..start).map_or(1, |before| before.chars().count() + 1);
        Place::Text { span: start..span.end.clamp(start, self.text.len()), line, column }
    }
}
