//! The rows of a classification dataset: files or catalogue to texts with class ids.

use super::catalogue;
use super::error::DataError;
use super::labels::Labels;
use super::table::{Column, ReadOptions, Table};
use crate::experiment::DataSettings;
use std::path::{Path, PathBuf};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub text: String,
    pub pair: Option<String>,
    /// Class id.
    pub label: u32,
}

/// The rows of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As the user wrote it, or `builtin:demo/train.tsv`.
    pub file: String,
    /// SHA-256 of the file, hexadecimal: what a run records to be reproducible.
    pub sha256: String,
    pub examples: Vec<Example>,
}

/// A dataset before it is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub train: Part,
    /// D_val, where it has a file of its own.
    pub validation: Option<Part>,
    /// The held-out rows, for evaluation alone.
    pub test: Option<Part>,
    pub labels: Labels,
}

impl Dataset {
    /// Reads what `[data]` names. `model_labels` are the model's class names by id, if it has any. The labels are those of the whole training file.
    pub fn load(settings: &DataSettings, model_labels: Option<&[String]>) -> Result<Self, DataError> {
        let files = Files::of(settings)?;
        let columns: Vec<Column> = [
            Some(Column::new("data.text", files.text)),
            Some(Column::new("data.label", files.label)),
            settings.text_pair.as_deref().map(|name| Column::new("data.text_pair", name)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let read = |setting, source: &Source, max_rows| {
            let (format, header, quote) = (settings.format, settings.header, settings.quote.as_deref());
            let max_bad_share = settings.max_bad_share;
            source.read(setting, ReadOptions { columns: &columns, format, header, quote, max_rows, max_bad_share })
        };
        let train = read("data.train", &files.train, settings.max_train_rows)?;
        let validation = files.validation.map(|source| read("data.validation", &source, None)).transpose()?;
        let test = files.test.map(|source| read("data.test", &source, settings.max_test_rows)).transpose()?;
        let seen: Vec<&str> = train.0.rows.iter().map(|row| row.fields[LABEL].as_str()).collect();
        let train_file = train.0.file.clone();
        let labels = Labels::learn(&train_file, &seen, model_labels)?;
        let part = |(table, sha256)| part(table, sha256, &labels, &train_file);
        Ok(Self {
            train: part(train)?,
            validation: validation.map(part).transpose()?,
            test: test.map(part).transpose()?,
            labels,
        })
    }
}

/// Places of the columns in [`super::table::Row::fields`].
const TEXT: usize = 0;
const LABEL: usize = 1;
const PAIR: usize = 2;

/// Where a part's bytes are.
enum Source {
    Path(PathBuf),
    Embedded(catalogue::File),
}

impl Source {
    fn read(&self, setting: &'static str, options: ReadOptions) -> Result<(Table, String), DataError> {
        match self {
            Source::Path(path) => Table::open(setting, path, options),
            Source::Embedded(file) => Table::embedded(file.name, file.bytes, options),
        }
    }
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

fn part(table: Table, sha256: String, labels: &Labels, train_file: &str) -> Result<Part, DataError> {
    let ids = labels.ids(&table, LABEL, train_file)?;
    let example = |(row, label): (super::table::Row, u32)| {
        let mut fields = row.fields.into_iter();
        let text = fields.nth(TEXT).unwrap_or_default();
        Example { text, pair: fields.nth(PAIR - TEXT - 1), label }
    };
    Ok(Part { file: table.file, sha256, examples: table.rows.into_iter().zip(ids).map(example).collect() })
}
