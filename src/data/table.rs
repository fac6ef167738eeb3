//! The rows of a whole file in memory, as texts.

use super::error::DataError;
use super::input::Input;
use super::reader::{self, Field, Verdict};
use std::path::Path;

pub use super::reader::{Column, ReadOptions};

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
    /// Reads a file; gives its rows and its SHA-256.
    pub fn open(setting: &'static str, path: &Path, options: ReadOptions) -> Result<(Self, String), DataError> {
        Self::read(Input::disk(setting, path), options)
    }

    /// Reads bytes of the program.
    pub fn embedded(file: &str, bytes: &'static [u8], options: ReadOptions) -> Result<(Self, String), DataError> {
        Self::read(Input::embedded("data.id", file, bytes), options)
    }

    fn read(input: Input, options: ReadOptions) -> Result<(Self, String), DataError> {
        let mut table = Self { file: input.name.clone(), rows: Vec::new() };
        let summary = reader::read(&[input], &options, &mut |_, row| {
            let text = |(column, field): (&Column, &Field)| field.text(column).map(str::to_owned);
            let fields: Result<Vec<String>, String> = options.columns.iter().zip(&row.fields).map(text).collect();
            Ok(match fields {
                Ok(fields) => {
                    table.rows.push(Row { line: row.line, fields });
                    Verdict::Taken
                }
                Err(why) => Verdict::Broken(why),
            })
        })?;
        Ok((table, summary.sha256))
    }
}
