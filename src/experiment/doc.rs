//! A preset that is edited: values change, and the user's comments, order and formatting stay.

use super::kind::{bare, typed};
use super::layer::{Layer, syntax};
use super::parse::{Reading, Source, excluded_by, looks_like_path, read};
use super::problem::{Place, Problem, Problems};
use super::{Experiment, Kind, SETTINGS, Setting, check, check_files, setting};
use std::path::{Path, PathBuf};
use toml::Value;
use toml_edit::{Document, DocumentMut, InlineTable, Item, Table, TableLike};

/// A preset's text, open for editing. Holds only what the user said: defaults are never written.
#[derive(Clone, Debug)]
pub struct PresetDoc {
    /// What errors call it.
    pub name: String,
    /// Where relative paths start; `None`: the working directory.
    pub folder: Option<PathBuf>,
    document: DocumentMut,
    /// Whether its lines end as Windows ends them.
    crlf: bool,
}

impl PresetDoc {
    /// Opens a preset. Wrong keys and values are no hindrance: [`PresetDoc::check`] tells them.
    ///
    /// # Errors
    /// [`Problems`] where the text is not TOML.
    pub fn open(source: &Source) -> Result<PresetDoc, Problems> {
        let document = source.text.parse::<DocumentMut>();
        let document =
            document.map_err(|error| Problems::new(&source.name, &source.text, syntax(&source.text, &error)))?;
        let lines = source.text.matches('\n').count();
        let crlf = lines > 0 && source.text.matches("\r\n").count() * 2 > lines;
        Ok(PresetDoc { name: source.name.clone(), folder: source.folder.clone(), document, crlf })
    }

    /// A preset in which nothing is said.
    pub fn empty(name: &str) -> PresetDoc {
        PresetDoc { name: name.into(), folder: None, document: DocumentMut::new(), crlf: false }
    }

    /// The text to save, all lines ending as most did.
    pub fn text(&self) -> String {
        let text = self.document.to_string();
        // What is edited gets plain line ends from toml_edit, whatever the others are.
        if self.crlf { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
    }

    /// The preset as [`super::parse`] takes it.
    pub fn source(&self) -> Source {
        Source { name: self.name.clone(), text: self.text(), folder: self.folder.clone() }
    }

    /// What is said of a setting, right or wrong; `None` where nothing is.
    pub fn get(&self, key: &str) -> Option<Value> {
        let mut item = self.document.as_item();
        for name in key.split('.') {
            item = item.as_table_like()?.get(name)?;
        }
        item.as_value().map(|value| bare(&value.clone().decorated("", "").to_string()))
    }

    /// What is said of a setting as a person would type it: texts without quotes, lists without brackets.
    pub fn get_typed(&self, key: &str) -> Option<String> {
        self.get(key).map(|value| as_typed(&value))
    }

    /// Says a value, right or wrong, in the place of the old one or at the end of its table.
    ///
    /// # Errors
    /// A [`Problem`] where there is no such setting or the preset has something else in the way, such as a value
    /// where the table should be. The preset is then as it was.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), Problem> {
        self.put(key, edit_form(value))
    }

    /// Says what a person typed, read as `--set` reads it; a number keeps its spelling (`1e-3`), nothing unsets.
    ///
    /// # Errors
    /// As [`PresetDoc::set`]. That the value does not fit is for [`PresetDoc::check`] to say.
    pub fn set_typed(&mut self, key: &str, text: &str) -> Result<(), Problem> {
        let Some(setting) = setting(key) else { return Err(obstacle(key, "is no setting")) };
        if text.trim().is_empty() {
            self.unset(key);
            return Ok(());
        }
        let value = typed(setting.kind, text);
        let spelled = text.trim().parse::<toml_edit::Value>().ok().filter(|_| bare(text) == value);
        self.put(key, spelled.unwrap_or_else(|| edit_form(&value)))
    }

    /// Says what a person typed who stands in the working directory, as [`PresetDoc::set_typed`]: a relative path becomes
    /// absolute, since those of the preset start at its own folder. What means the same as before stays as it is written.
    ///
    /// # Errors
    /// As [`PresetDoc::set_typed`].
    pub fn set_typed_here(&mut self, key: &str, text: &str) -> Result<(), Problem> {
        let Some(setting) = setting(key) else { return Err(obstacle(key, "is no setting")) };
        if text.trim().is_empty() {
            self.unset(key);
            return Ok(());
        }
        let working = std::env::current_dir().unwrap_or_default();
        let here = match typed(setting.kind, text) {
            Value::String(text) => absolute(setting, &text, &working).map(Value::String),
            _ => None,
        };
        let value = here.clone().unwrap_or_else(|| typed(setting.kind, text));
        let before = self.get_meant(key).map(Value::String).filter(|_| is_path(setting)).or_else(|| self.get(key));
        if before.or_else(setting.default).is_some_and(|before| is_same(setting.kind, &before, &value)) {
            return Ok(());
        }
        match here {
            Some(path) => self.set(key, &path),
            None => self.set_typed(key, text),
        }
    }

    /// What is said of a setting as a person would type it who stands elsewhere: [`PresetDoc::get_typed`], a relative path
    /// as what it means.
    pub fn get_meant(&self, key: &str) -> Option<String> {
        let said = self.get_typed(key)?;
        let of = setting(key).filter(|of| of.kind == Kind::Path || (is_path(of) && looks_like_path(&said)));
        Some(of.and_then(|of| absolute(of, &said, &self.base())).unwrap_or(said))
    }

    /// Whether a setting is said, and no otherwise than its default.
    pub fn says_default(&self, key: &str) -> bool {
        let default = setting(key).and_then(|of| Some((of.kind, (of.default)()?)));
        default.zip(self.get(key)).is_some_and(|((kind, default), said)| is_same(kind, &default, &said))
    }

    /// Whether two presets say the same, however it is written.
    pub fn says_the_same(&self, other: &PresetDoc) -> bool {
        let said = |doc: &PresetDoc| {
            let mut doc = doc.clone();
            doc.anchor();
            doc.document.to_string().parse::<toml::Table>().ok().map(without_empty_tables)
        };
        self.text() == other.text() || said(self).is_some_and(|own| said(other) == Some(own))
    }

    /// Takes back what is said of a setting. Comments stay, also the one on its line.
    pub fn unset(&mut self, key: &str) {
        let text = self.text();
        let Ok(document) = Document::parse(text.as_str()) else { return };
        if let Some(shorter) = without(&text, &document, key) {
            // The text without one of its lines is TOML again; were it not, nothing would change.
            self.document = shorter.parse().unwrap_or_else(|_| self.document.clone());
            return;
        }
        let (group, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut item = Some(self.document.as_item_mut());
        for part in group.split('.') {
            item = item.and_then(|item| item.as_table_like_mut()?.get_mut(part));
        }
        if let Some(table) = item.and_then(|item| item.as_inline_table_mut()) {
            table.remove(name);
        }
    }

    /// Says what `--set KEY=VALUE` arguments say, and unsets what they exclude, as [`super::parse`] does. Paths of the
    /// preset become absolute, since those of the arguments start at the working directory.
    ///
    /// # Errors
    /// [`Problems`] where an argument is no `KEY=VALUE`, names no setting, or has something in its way. The values are
    /// for [`PresetDoc::check`]. The preset is then as it was.
    pub fn apply(&mut self, sets: &[String]) -> Result<(), Problems> {
        let Layer { entries, mut problems, .. } = Layer::from_arguments(sets);
        let mut edited = self.clone();
        edited.anchor();
        let said: Vec<&str> = entries.iter().map(|entry| entry.setting.key).collect();
        for entry in &entries {
            let key = entry.setting.key;
            let excluded = excluded_by(entry, edited.get(key).as_ref());
            excluded.iter().filter(|other| !said.contains(other)).for_each(|other| edited.unset(other));
            if entry.is_unset() {
                edited.unset(key);
            } else if let Err(obstacle) = edited.set(key, &entry.value) {
                problems.push(Problem { place: entry.place.clone(), ..obstacle });
            }
        }
        if !problems.is_empty() {
            return Err(Problems::new(&self.name, &self.text(), problems));
        }
        *self = edited;
        Ok(())
    }

    /// The experiment, where the preset has no problem, and all problems: of the text, of the whole, and of files.
    pub fn check(&self) -> (Option<Experiment>, Vec<Problem>) {
        let Reading { experiment, problems } = read(&self.source(), &[], &[check, check_files]);
        (problems.is_empty().then_some(experiment), problems)
    }

    /// Makes relative paths absolute, so that the preset means the same in another folder.
    pub fn anchor(&mut self) {
        let folder = self.base();
        self.folder = None;
        for setting in SETTINGS.iter().filter(|setting| is_path(setting)) {
            let Some(Value::String(text)) = self.get(setting.key) else { continue };
            if let Some(absolute) = absolute(setting, &text, &folder) {
                // The setting was found a moment ago, so that there is nothing in its way.
                let _ = self.set(setting.key, &Value::String(absolute));
            }
        }
    }

    /// Where its relative paths start.
    fn base(&self) -> PathBuf {
        let working = std::env::current_dir().unwrap_or_default();
        self.folder.as_ref().map_or_else(|| working.clone(), |folder| working.join(folder))
    }

    fn put(&mut self, key: &str, mut value: toml_edit::Value) -> Result<(), Problem> {
        if setting(key).is_none() {
            return Err(obstacle(key, "is no setting"));
        }
        let (group, name) = key.rsplit_once('.').unwrap_or(("", key));
        let is_first = self.document.as_table().is_empty();
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        let mut style = Style::Header;
        for part in group.split('.') {
            let new = || style.table(is_first);
            let item = table.entry(part).or_insert_with(new);
            style = Style::of(item);
            table =
                item.as_table_like_mut().ok_or_else(|| obstacle(key, "cannot be set: its table is a value here"))?;
        }
        match table.get_mut(name) {
            Some(Item::Value(old)) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            Some(_) => return Err(obstacle(key, "cannot be set: it is a table here")),
            None => {
                value.decor_mut().clear();
                table.insert(name, Item::Value(value));
            }
        }
        Ok(())
    }
}

/// Whether a setting may hold a path.
fn is_path(setting: &Setting) -> bool {
    setting.kind == Kind::Path || setting.key == "model.id"
}

/// The absolute path that a relative one means in a folder; `None` for what is absolute or no path there.
fn absolute(setting: &Setting, text: &str, folder: &Path) -> Option<String> {
    if text.is_empty() || text.starts_with(['/', '~']) || !is_path(setting) {
        return None;
    }
    let path = folder.join(text);
    let is_meant = setting.kind == Kind::Path || looks_like_path(text) || path.is_dir();
    let tidy: PathBuf = path.components().collect();
    tidy.into_os_string().into_string().ok().filter(|_| is_meant)
}

/// Whether two values are one for a setting of this kind.
fn is_same(kind: Kind, a: &Value, b: &Value) -> bool {
    a == b || matches!((kind.fit(a), kind.fit(b)), (Ok(a), Ok(b)) if a == b)
}

fn without_empty_tables(table: toml::Table) -> toml::Table {
    let pruned = table.into_iter().map(|(key, value)| match value {
        Value::Table(inner) => (key, Value::Table(without_empty_tables(inner))),
        value => (key, value),
    });
    pruned.filter(|(_, value)| !matches!(value, Value::Table(inner) if inner.is_empty())).collect()
}

/// How a table is written, which those inside it follow.
#[derive(Clone, Copy)]
enum Style {
    Header,
    Dotted,
    Inline,
}

impl Style {
    fn of(item: &Item) -> Style {
        match item {
            Item::Table(table) if table.is_dotted() => Style::Dotted,
            Item::Value(_) => Style::Inline,
            _ => Style::Header,
        }
    }

    /// A new table; one with a header stands apart from what is before it.
    fn table(self, is_first: bool) -> Item {
        match self {
            Style::Inline => Item::Value(InlineTable::new().into()),
            Style::Dotted => {
                let mut table = Table::new();
                table.set_dotted(true);
                Item::Table(table)
            }
            Style::Header => {
                let mut table = Table::new();
                table.set_implicit(true);
                table.decor_mut().set_prefix(if is_first { "" } else { "\n" });
                Item::Table(table)
            }
        }
    }
}

fn obstacle(key: &str, message: &str) -> Problem {
    Problem { key: key.into(), place: Place::Unsaid, message: message.into(), help: None }
}

/// The text without the lines of a setting but with the comment behind it; `None` where it stands in an inline table
/// or is not said.
fn without(text: &str, document: &Document<&str>, key: &str) -> Option<String> {
    let (group, name) = key.rsplit_once('.')?;
    let mut item = document.as_item();
    for part in group.split('.') {
        item = item.as_table()?.get(part)?;
    }
    let (key, item) = item.as_table()?.get_key_value(name)?;
    let (start, end) = (key.span()?.start, item.as_value()?.span()?.end);
    let start = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text.get(end..)?.find('\n').map_or(text.len(), |newline| end + newline + 1);
    let comment = text.get(end..line_end)?.trim_start();
    Some([text.get(..start)?, comment, text.get(line_end..)?].concat())
}

/// A value as toml_edit writes it.
fn edit_form(value: &Value) -> toml_edit::Value {
    // Both crates write the same TOML; a value that one prints the other reads.
    value.to_string().parse().unwrap_or_else(|_| as_typed(value).into())
}

/// A value as a person would type it.
fn as_typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_typed).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}
