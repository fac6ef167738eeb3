//! A file as rows of the columns that are asked for.

use super::error::{DataError, nearest, nearest_sibling, shown};
use super::formats::{self, Format};
use std::path::Path;

/// A column that is asked for, and the setting that asks: errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Key of the setting, e.g. `data.text`.
    pub setting: &'static str,
    /// Name in the header or the object; 1, 2, ... without a header.
    pub name: &'a str,
}

/// How to read a file.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions<'a> {
    /// The columns of a row, in the order in which [`Row::fields`] gives them.
    pub columns: &'a [Column<'a>],
    /// `data.header`; unset: yes, unless all columns are given as numbers. JSONL has none.
    pub header: Option<bool>,
    /// `data.quote`; unset: `"` in CSV, none in TSV; empty: none.
    pub quote: Option<&'a str>,
    /// Reads only that many rows.
    pub max_rows: Option<usize>,
}

/// One row: the asked columns and the line on which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Counts from 1.
    pub line: usize,
    /// One text per asked column.
    pub fields: Vec<String>,
}

/// The rows of a file. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As the user wrote it: for messages.
    pub file: String,
    pub rows: Vec<Row>,
}

impl Table {
    /// Reads a file of the disk; its ending tells the format. `setting` is the key that named it.
    pub fn open(setting: &'static str, path: &Path, options: ReadOptions) -> Result<(Self, Vec<u8>), DataError> {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                DataError::NotFound { setting, file: file.clone(), nearest: nearest_sibling(path) }
            }
            _ => DataError::Read { file: file.clone(), source },
        })?;
        let table = Self::parse(&file, &bytes, options)?;
        Ok((table, bytes))
    }

    /// Reads the bytes of a file called `file`, whose ending tells the format.
    pub fn parse(file: &str, bytes: &[u8], options: ReadOptions) -> Result<Self, DataError> {
        let format = Format::of(file)?;
        let text = utf8(file, bytes)?;
        let rows = match format.separator() {
            Some(separator) => delimited(file, text, separator, format, options)?,
            None => formats::json_lines(file, text, options)?,
        };
        Ok(Self { file: file.to_owned(), rows })
    }
}

/// CSV and TSV: the header, then the asked fields of each record.
fn delimited(
    file: &str,
    text: &str,
    separator: u8,
    format: Format,
    options: ReadOptions,
) -> Result<Vec<Row>, DataError> {
    let has_header = options.header.unwrap_or_else(|| {
        options.columns.is_empty() || !options.columns.iter().all(|c| c.name.parse::<usize>().is_ok())
    });
    let quote = quote(format, options.quote)?;
    let most = options.max_rows.map_or(usize::MAX, |rows| rows.saturating_add(usize::from(has_header)));
    let mut records = formats::records(file, text, separator, quote, most)?.into_iter();
    let empty = |header| DataError::Empty { file: file.to_owned(), header };
    let first = records.next().ok_or_else(|| empty(false))?;
    let names: Vec<String> =
        if has_header { first.fields.clone() } else { (1..=first.fields.len()).map(|n| n.to_string()).collect() };
    let places = places(file, &names, options.columns)?;
    let data: Vec<Row> = (!has_header)
        .then_some(first)
        .into_iter()
        .chain(records)
        .map(|Row { line, fields }| Row { line, fields: places.iter().map(|p| fields[*p].clone()).collect() })
        .collect();
    if data.is_empty() { Err(empty(has_header)) } else { Ok(data) }
}

/// Where each asked column is among `names`.
fn places(file: &str, names: &[String], columns: &[Column]) -> Result<Vec<usize>, DataError> {
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(DataError::DuplicateColumn { file: file.to_owned(), column: shown(twice) });
    }
    let place = |column: &Column| {
        names.iter().position(|name| name == column.name).ok_or_else(|| DataError::MissingColumn {
            setting: column.setting,
            column: shown(column.name),
            file: file.to_owned(),
            present: names.iter().map(|n| shown(n)).collect(),
            nearest: nearest(column.name, names.iter().map(String::as_str)),
        })
    };
    columns.iter().map(place).collect()
}

/// The quote character in force, if any.
fn quote(format: Format, setting: Option<&str>) -> Result<Option<u8>, DataError> {
    match (setting, format) {
        (None, Format::Csv) => Ok(Some(b'"')),
        (None, _) | (Some(""), _) => Ok(None),
        (Some(text), _) => match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() => Ok(Some(*byte)),
            _ => Err(DataError::Quote { seen: text.to_owned() }),
        },
    }
}

/// The text of a file without its byte order mark.
fn utf8<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let error = |line, advice| DataError::Utf8 { file: file.to_owned(), line, advice };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(error(1, "it is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        error(line, "save it as UTF-8, or convert it, e.g. with `iconv -f LATIN1 -t UTF-8`")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
