//! A dataset before tokens: what `[data]` names, checked once from end to end, then read as often as needed. Rows are never
//! all in memory.

use super::catalogue;
use super::error::{DataError, shown};
use super::labels::{Labels, Learning};
use super::table::{Column, ReadOptions, Row, Table};
use super::target::{Target, TargetKind};
use crate::experiment::{DataSettings, Task};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text {
        text: String,
        pair: Option<String>,
    },
    /// The words of a tagged sentence.
    Words(Vec<String>),
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub content: Content,
    /// Tags are one a word.
    pub target: Target,
}

impl Example {
    /// A text with a class.
    pub fn text(text: impl Into<String>, class: u32) -> Example {
        Example { content: Content::Text { text: text.into(), pair: None }, target: Target::Class(class) }
    }

    /// The first text, or the words with spaces between.
    pub fn shown_text(&self) -> String {
        match &self.content {
            Content::Text { text, .. } => text.clone(),
            Content::Words(words) => words.join(" "),
        }
    }
}

/// The rows of one file.
#[derive(Clone, Debug)]
pub struct Part {
    /// As the user wrote it, or `builtin:demo/train.tsv`.
    pub file: String,
    /// SHA-256 of the file, hexadecimal: what a run records to be reproducible.
    pub sha256: String,
    /// Number of examples.
    pub examples: usize,
    reader: Reader,
    labels: Labels,
    /// What to call the training file where a label is unknown.
    train_file: String,
}

/// A dataset before it is split.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub task: Task,
    pub train: Part,
    /// D_val, where it has a file of its own.
    pub validation: Option<Part>,
    /// The held-out rows, for evaluation alone.
    pub test: Option<Part>,
    /// The classes; none in a regression.
    pub labels: Labels,
}

impl Dataset {
    /// Reads what `[data]` names, to the end of every file. `model_labels` are the model's class names by id, if it has any.
    /// The labels are those of the whole training file.
    pub fn load(settings: &DataSettings, model_labels: Option<&[String]>) -> Result<Self, DataError> {
        let files = Files::of(settings)?;
        let reader = |setting, source, max_rows| Reader {
            setting,
            source,
            task: settings.task,
            text: files.text.to_owned(),
            label: files.label.to_owned(),
            pair: settings.text_pair.clone(),
            header: settings.header,
            quote: settings.quote.clone(),
            max_rows,
        };
        let train = reader("data.train", files.train, settings.max_train_rows);
        let validation = files.validation.map(|source| reader("data.validation", source, None));
        let test = files.test.map(|source| reader("data.test", source, settings.max_test_rows));

        let mut learning = Learning::new(settings.task);
        let (seen, train_examples) = train.scan(|row| learning.see(row))?;
        let train_file = seen.file.clone();
        let labels = learning.finish(&train_file, model_labels)?;
        let part = |reader: Reader, seen: Seen, examples| Part {
            file: seen.file,
            sha256: seen.sha256,
            examples,
            reader,
            labels: labels.clone(),
            train_file: train_file.clone(),
        };
        let check = |reader: Reader| {
            let (seen, examples) = reader.scan(|row| reader.example(row, &labels, &train_file).map(drop))?;
            Ok::<Part, DataError>(part(reader, seen, examples))
        };
        Ok(Self {
            task: settings.task,
            validation: validation.map(check).transpose()?,
            test: test.map(check).transpose()?,
            train: part(train, seen, train_examples),
            labels,
        })
    }
}

impl Part {
    /// Every example, in the order of the file, to `each`.
    pub fn each(&self, mut each: impl FnMut(Example) -> Result<(), DataError>) -> Result<(), DataError> {
        let mut read = |row: Row| each(self.reader.example(row, &self.labels, &self.train_file)?);
        self.reader.scan(&mut read).map(drop)
    }

    /// All examples in memory: for small sets.
    pub fn examples(&self) -> Result<Vec<Example>, DataError> {
        let mut all = Vec::with_capacity(self.examples);
        self.each(|example| {
            all.push(example);
            Ok(())
        })?;
        Ok(all)
    }

    /// The kind of the targets.
    pub fn targets(&self) -> TargetKind {
        match self.reader.task {
            Task::Regression => TargetKind::Score,
            Task::Tagging => TargetKind::Tags,
            Task::Classification | Task::Generation => TargetKind::Class,
        }
    }

    /// What decides the examples: the content of the file, how it is read, and the classes. For keys of caches.
    pub fn fingerprint(&self) -> String {
        let Reader { task, text, label, pair, header, quote, max_rows, .. } = &self.reader;
        format!("{:?}", (&self.sha256, task, text, label, pair, header, quote, max_rows, &self.labels.names))
    }
}

/// Places of the columns in [`Row::fields`].
const TEXT: usize = 0;
pub(super) const LABEL: usize = 1;
const PAIR: usize = 2;

/// What a whole reading of a file found.
struct Seen {
    file: String,
    sha256: String,
}

/// A file and how to read it.
#[derive(Clone, Debug)]
struct Reader {
    setting: &'static str,
    source: Source,
    task: Task,
    text: String,
    label: String,
    pair: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    max_rows: Option<usize>,
}

impl Reader {
    /// Gives every row to `each`; returns what the file is and the number of rows.
    fn scan(&self, mut each: impl FnMut(Row) -> Result<(), DataError>) -> Result<(Seen, usize), DataError> {
        let columns: Vec<Column> = [
            Some(Column { setting: "data.text", name: &self.text }),
            Some(Column { setting: "data.label", name: &self.label }),
            self.pair.as_deref().map(|name| Column { setting: "data.text_pair", name }),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (header, quote, max_rows) = (self.header, self.quote.as_deref(), self.max_rows);
        let options = ReadOptions { columns: &columns, header, quote, max_rows };
        let (table, sha256) = self.source.read(self.setting, options)?;
        check_filled(&table, &columns)?;
        let rows = table.rows.len();
        let file = table.file;
        for row in table.rows {
            each(row)?;
        }
        Ok((Seen { file, sha256 }, rows))
    }

    fn example(&self, row: Row, labels: &Labels, train_file: &str) -> Result<Example, DataError> {
        let target = labels.target(self.task, &row, &self.setting_file(), train_file)?;
        let mut fields = row.fields.into_iter();
        let text = fields.nth(TEXT).unwrap_or_default();
        let pair = fields.nth(PAIR - TEXT - 1);
        Ok(Example { content: Content::Text { text, pair }, target })
    }

    /// The file, as errors name it.
    fn setting_file(&self) -> String {
        match &self.source {
            Source::Path(path) => shown(&path.display().to_string()),
            Source::Embedded(file) => file.name.to_owned(),
        }
    }
}

/// Where a part's bytes are.
#[derive(Clone, Debug)]
enum Source {
    Path(PathBuf),
    Embedded(catalogue::File),
}

impl Source {
    fn read(&self, setting: &'static str, options: ReadOptions) -> Result<(Table, String), DataError> {
        match self {
            Source::Path(path) => {
                let (table, bytes) = Table::open(setting, path, options)?;
                Ok((table, sha256(&bytes)))
            }
            Source::Embedded(file) => Ok((Table::parse(file.name, file.bytes, options)?, sha256(file.bytes))),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of a dataset and the columns to take from them.
struct Files<'a> {
    train: Source,
    validation: Option<Source>,
    test: Option<Source>,
    text: &'a str,
    label: &'a str,
}

impl<'a> Files<'a> {
    fn of(settings: &'a DataSettings) -> Result<Self, DataError> {
        let path = |path: &Option<PathBuf>| path.as_deref().map(Path::to_owned).map(Source::Path);
        let Some(id) = &settings.id else {
            let train = path(&settings.train).ok_or(DataError::NoTraining)?;
            let (validation, test) = (path(&settings.validation), path(&settings.test));
            return Ok(Self { train, validation, test, text: &settings.text, label: &settings.label });
        };
        let paths =
            [("data.train", &settings.train), ("data.validation", &settings.validation), ("data.test", &settings.test)];
        if let Some((setting, _)) = paths.into_iter().find(|(_, path)| path.is_some()) {
            return Err(DataError::IdAndPaths { setting });
        }
        let entry = catalogue::find(id)?;
        Ok(Self {
            train: Source::Embedded(entry.train),
            validation: Some(Source::Embedded(entry.validation)),
            test: Some(Source::Embedded(entry.test)),
            text: entry.text,
            label: entry.label,
        })
    }
}

/// An empty text or label is an error that names the first ten lines.
fn check_filled(table: &Table, columns: &[Column]) -> Result<(), DataError> {
    for (place, column) in columns.iter().enumerate() {
        let empty: Vec<usize> =
            table.rows.iter().filter(|row| row.fields[place].trim().is_empty()).map(|row| row.line).collect();
        if !empty.is_empty() {
            return Err(DataError::EmptyField {
                file: table.file.clone(),
                column: super::error::shown(column.name),
                count: empty.len(),
                first: empty.into_iter().take(10).collect(),
            });
        }
    }
    Ok(())
}
