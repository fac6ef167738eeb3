//! The file formats, one file each. All are read as a stream.

pub mod conll;
mod delimited;
mod json_array;
mod json_lines;
mod lines;
mod parquet;
mod webnlg;

use super::error::{DataError, nearest, shown};
use super::input::Input;
use super::reader::{Column, ReadOptions, Sink};
use std::collections::BTreeMap;
use std::path::Path;

pub use crate::experiment::FileFormat as Format;

/// The format of a file name's ending.
pub fn format_of(file: &str) -> Result<Format, DataError> {
    let ending = Path::new(file).extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("tsv" | "tab") => Ok(Format::Tsv),
        Some("jsonl" | "ndjson" | "json") => Ok(Format::JsonLines),
        Some("parquet") => Ok(Format::Parquet),
        Some("conll" | "iob" | "iob2" | "bio") => Ok(Format::Conll),
        Some("xml") => Ok(Format::WebNlg),
        other => Err(DataError::Format {
            file: file.to_owned(),
            seen: other.map_or("(the name has no ending)".to_owned(), |e| format!(".{}", shown(e))),
        }),
    }
}

/// What can be said of a file after a look at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub format: Format,
    /// Names of the columns in order. Without a header in the format, those of the first row.
    pub columns: Vec<String>,
    /// Class names by column, as the dataset's features give them.
    pub classes: Classes,
}

/// Class names by column.
pub type Classes = BTreeMap<String, Vec<String>>;

/// Looks at a file. `format`: `data.format`. With `tagging`, a text file that is not JSON may turn out to be CoNLL, unless
/// `header` or `quote` say otherwise.
pub fn look(
    input: &Input,
    format: Option<Format>,
    header: Option<bool>,
    quote: Option<&str>,
    tagging: bool,
) -> Result<Look, DataError> {
    let by_name = format.map_or_else(|| format_of(&input.name), Ok);
    let may_be_conll = tagging && format.is_none() && header != Some(true) && quote.is_none();
    let format = match by_name {
        Ok(Format::Tsv | Format::Csv) | Err(_) if may_be_conll && conll::looks_like(input)? => Format::Conll,
        by_name => by_name?,
    };
    let mut classes = Classes::new();
    let columns = match format {
        Format::Csv => delimited::first(input, ',', format, quote)?,
        Format::Tsv => delimited::first(input, '\t', format, quote)?,
        Format::JsonLines => json_lines::first(input)?,
        Format::Conll => conll::first(input)?,
        Format::WebNlg => webnlg::first(input)?,
        Format::Parquet => {
            let (columns, named) = parquet::first(input)?;
            classes = named;
            columns
        }
    };
    Ok(Look { format, columns, classes })
}

/// Reads the rows of a file; gives its SHA-256.
pub(super) fn read(input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let format = options.format.map_or_else(|| format_of(&input.name), Ok)?;
    match format {
        Format::Csv => delimited::read(input, ',', format, options, sink),
        Format::Tsv => delimited::read(input, '\t', format, options, sink),
        Format::JsonLines => json_lines::read(input, options, sink),
        Format::Conll => conll::read(input, options, sink),
        Format::Parquet => parquet::read(input, options, sink),
        Format::WebNlg => webnlg::read(input, options, sink),
    }
}

/// Where each asked column is among `names`.
fn places(file: &str, names: &[String], columns: &[Column]) -> Result<Vec<usize>, DataError> {
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| !name.is_empty() && names[..*i].contains(name))
    {
        return Err(DataError::DuplicateColumn { file: file.to_owned(), column: shown(twice) });
    }
    columns.iter().map(|column| place(file, names, column)).collect()
}

fn place(file: &str, names: &[String], column: &Column) -> Result<usize, DataError> {
    names.iter().position(|name| name == column.name).ok_or_else(|| DataError::MissingColumn {
        setting: column.setting,
        column: shown(column.name),
        file: file.to_owned(),
        present: names.iter().map(|n| shown(n)).collect(),
        nearest: nearest(column.name, names.iter().map(String::as_str)),
    })
}
