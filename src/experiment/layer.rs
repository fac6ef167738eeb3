//! One layer of what the user said, a text or the `--set` arguments, taken apart into settings and places.

use super::kind::{seen, typed};
use super::nearest::{nearest, ranked};
use super::problem::{Place, Problem};
use super::{SETTINGS, Setting};
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
        let mut last_line = 0;
        for error in errors {
            let place = lines.place(error.span().unwrap_or(0..0));
            // One slip makes the parser stumble several times on its line; the first is the one to read.
            if let Place::Text { line, .. } = place
                && line != last_line
            {
                last_line = line;
                let message = not_toml(error.message());
                layer.problems.push(Problem { key: String::new(), place, message, help: None });
            }
        }
        layer.take_table("", root.get_ref(), &lines);
        // Beside an error of syntax on the same line, whatever else is found there is noise.
        let torn: Vec<_> = layer.problems.iter().filter(|p| p.key.is_empty()).filter_map(Problem::line).collect();
        layer.problems.retain(|p| p.key.is_empty() || !p.line().is_some_and(|line| torn.contains(&line)));
        layer
    }

    /// Takes `KEY=VALUE` arguments apart.
    pub fn from_arguments(sets: &[String]) -> Layer {
        let mut layer = Layer::default();
        for argument in sets {
            let place = Place::Set(seen_argument(argument));
            match argument.split_once('=') {
                None => layer.problem("", place, "must be KEY=VALUE".into(), suggestion(argument)),
                Some((key, text)) => match super::parse::setting(key.trim()) {
                    Some(setting) => layer.entries.push(Entry { setting, value: typed(setting.kind, text), place }),
                    None => layer.unknown(key.trim(), place),
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
                _ => self.unknown(&key, place),
            }
        }
    }

    fn take_value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>, lines: &Lines) {
        self.entries.push(Entry { setting, value: plain(value.get_ref()), place: lines.place(value.span()) });
    }

    fn unknown(&mut self, key: &str, place: Place) {
        let what = match (key.contains('.'), &place) {
            (false, Place::Text { .. }) => "is no table of settings",
            _ => "is no setting",
        };
        let help = suggestion(key);
        self.problem(&printable_key(key), place, what.into(), help);
    }

    fn problem(&mut self, key: &str, place: Place, message: String, help: Option<String>) {
        self.problems.push(Problem { key: key.into(), place, message, help });
    }
}

/// The errors of syntax of a text that toml_edit refused.
pub(crate) fn syntax(text: &str, refusal: &toml_edit::TomlError) -> Vec<Problem> {
    let mut problems = Layer::from_text(text).problems;
    problems.retain(|problem| problem.key.is_empty());
    if problems.is_empty() {
        let place = Lines::new(text).place(refusal.span().unwrap_or(0..0));
        problems.push(Problem { key: String::new(), place, message: not_toml(refusal.message()), help: None });
    }
    problems
}

fn not_toml(message: &str) -> String {
    format!("not TOML: {}", message.replace('\n', ", "))
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

/// A value without places; a number that TOML's 64 bits cannot hold becomes its text, which no number's kind accepts.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => {
            i64::from_str_radix(n.as_str(), n.radix()).map_or_else(|_| Value::String(n.to_string()), Value::Integer)
        }
        DeValue::Float(x) => x.as_str().parse().map_or_else(|_| Value::String(x.to_string()), Value::Float),
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
    argument.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn printable_key(key: &str) -> String {
    key.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// From bytes to lines and columns.
struct Lines<'a> {
    text: &'a str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Lines { text }
    }

    fn place(&self, span: Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Place::Text { span: start..span.end.clamp(start, self.text.len()), line, column }
    }
}
