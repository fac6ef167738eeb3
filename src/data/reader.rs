//! Rows of a data file, one at a time: files larger than memory are read. What is broken is counted and named.

use super::error::{BadRow, DataError, shown};
use super::form::Form;
use super::formats::{self, Format};
use super::input::{Input, hex};
use super::triples::{LeftOut, Record};
use sha2::{Digest, Sha256};

/// A column that is asked for, and the setting that asks: errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Key of the setting, e.g. `data.text`.
    pub setting: &'static str,
    /// Name in the header or the object; 1, 2, ... without a header.
    pub name: &'a str,
    /// Names of the values 0, 1, ... where the file says whole numbers and the dataset has names for them.
    pub classes: Option<&'a [String]>,
}

impl<'a> Column<'a> {
    /// A column whose values are what the file says.
    pub fn new(setting: &'static str, name: &'a str) -> Self {
        Self { setting, name, classes: None }
    }
}

/// How to read a file.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions<'a> {
    /// The columns of a row, in the order in which [`Row::fields`] gives them.
    pub columns: &'a [Column<'a>],
    /// Rows that are read whole, instead of columns.
    pub form: Option<&'a Form>,
    /// `data.format`; unset: by the file's ending.
    pub format: Option<Format>,
    /// `data.header`; unset: yes, unless all columns are given as numbers. Formats with names of their own have none.
    pub header: Option<bool>,
    /// `data.quote`; unset: `"` in CSV, none in TSV; empty: none.
    pub quote: Option<&'a str>,
    /// Takes only that many rows.
    pub max_rows: Option<usize>,
    /// `data.max_bad_share`: a larger share of broken rows is an error. 0: any.
    pub max_bad_share: f64,
}

impl<'a> ReadOptions<'a> {
    /// These columns, everything else as unset settings have it.
    pub fn of(columns: &'a [Column<'a>]) -> Self {
        Self { columns, form: None, format: None, header: None, quote: None, max_rows: None, max_bad_share: 0.0 }
    }
}

/// What a row says in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text; numbers and booleans as JSON writes them.
    Text(String),
    /// A list of such texts: words, tags.
    List(Vec<String>),
    /// JSON's and parquet's null.
    Missing,
    /// A whole row of instruction data.
    Object(serde_json::Map<String, serde_json::Value>),
}

impl Field {
    /// The text of a filled field, else why the row is broken. `column` is for the message.
    pub fn text(&self, column: &Column) -> Result<&str, String> {
        match self {
            Field::Text(text) if !text.trim().is_empty() => Ok(text),
            Field::Text(_) | Field::Missing => Err(format!("the {} is empty", shown(column.name))),
            Field::List(_) => Err(format!("the {} is a list, where a text is needed", shown(column.name))),
            Field::Object(_) => Err("a row where a text is needed".into()),
        }
    }

    /// The items of a filled list, else why the row is broken.
    pub fn list(&self, column: &Column) -> Result<&[String], String> {
        match self {
            Field::List(items) if !items.is_empty() => Ok(items),
            Field::List(_) | Field::Missing => Err(format!("the {} are empty", shown(column.name))),
            Field::Text(_) => Err(format!("the {} are a text, where a list is needed", shown(column.name))),
            Field::Object(_) => Err("a row where a list is needed".into()),
        }
    }
}

/// One row: the asked columns and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line of the file, or row of a parquet file, from 1.
    pub line: usize,
    /// One per asked column. Of a whole row its one object, or of triples the prompt and one text.
    pub fields: Vec<Field>,
}

/// What the reader of a row says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    /// Not usable, and why: counted with the rows that the format itself finds broken.
    Broken(String),
}

/// Who takes the rows of files: told the file and the row.
pub type Each<'a> = dyn FnMut(&Input, Row) -> Result<Verdict, DataError> + 'a;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Of the file's content; of several files, of their hashes in order, each with a line end.
    pub sha256: String,
    /// Rows taken.
    pub rows: usize,
    pub bad: BadRows,
    pub left_out: LeftOut,
}

/// Rows that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    pub count: usize,
    /// The first ten.
    pub first: Vec<BadRow>,
}

/// Reads the rows of `files`, which have the same columns, in order.
///
/// # Errors
/// A file that cannot be read or lacks a column; no row; more broken rows than `max_bad_share` allows; those of `each`.
pub fn read(files: &[Input], options: &ReadOptions, each: &mut Each) -> Result<Summary, DataError> {
    let mut sink =
        Sink { each, most: options.max_rows.unwrap_or(usize::MAX), summary: Summary::default(), done: false };
    let mut hashes = Vec::with_capacity(files.len());
    for input in files {
        hashes.push(formats::read(input, options, &mut sink)?);
    }
    let mut summary = sink.summary;
    let name = files.first().map_or("", |input| &input.name);
    if summary.rows + summary.bad.count == 0 {
        let file = name.to_owned();
        return Err(match summary.left_out.is_empty() {
            true => DataError::Empty { file },
            false => DataError::AllLeftOut { file, what: summary.left_out.to_string() },
        });
    }
    let total = summary.rows + summary.bad.count;
    if summary.rows == 0 || summary.bad.count as f64 > options.max_bad_share * total as f64 {
        let BadRows { count, first } = summary.bad;
        return Err(DataError::BadRows { count, total, allowed: options.max_bad_share, first });
    }
    summary.sha256 = match hashes.as_slice() {
        [one] => one.clone(),
        many => hex(&Sha256::digest(many.iter().map(|hash| format!("{hash}\n")).collect::<String>())),
    };
    Ok(summary)
}

/// Takes rows from a format and counts them.
pub(super) struct Sink<'a, 'b> {
    each: &'a mut Each<'b>,
    most: usize,
    summary: Summary,
    /// No more rows are wanted.
    pub(super) done: bool,
}

impl Sink<'_, '_> {
    /// A row, or why it is broken.
    pub(super) fn row(
        &mut self,
        input: &Input,
        line: usize,
        fields: Result<Vec<Field>, String>,
    ) -> Result<(), DataError> {
        let verdict = match fields {
            Ok(fields) => (self.each)(input, Row { line, fields })?,
            Err(why) => Verdict::Broken(why),
        };
        match verdict {
            Verdict::Taken => self.summary.rows += 1,
            Verdict::Broken(why) => {
                let bad = &mut self.summary.bad;
                bad.count += 1;
                if bad.first.len() < 10 {
                    bad.first.push(BadRow { file: input.name.clone(), line, why });
                }
            }
        }
        self.done |= self.summary.rows >= self.most;
        Ok(())
    }

    /// A row that is read whole.
    pub(super) fn whole(
        &mut self,
        input: &Input,
        line: usize,
        form: &Form,
        row: serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), DataError> {
        match form {
            Form::Instruction(_) => self.row(input, line, Ok(vec![Field::Object(row)])),
            Form::Triples(_) => self.record(input, line, Record::parse(&row)),
        }
    }

    /// Triples with their texts, each of which is a row.
    pub(super) fn record(
        &mut self,
        input: &Input,
        line: usize,
        record: Result<Record, String>,
    ) -> Result<(), DataError> {
        let record = match record {
            Ok(record) => record,
            Err(why) => return self.row(input, line, Err(why)),
        };
        let prompt = record.prompt.clone();
        for (of_text, text) in record.rows(&mut self.summary.left_out) {
            if self.done {
                break;
            }
            let fields = vec![Field::Text(prompt.clone()), Field::Text(text)];
            self.row(input, of_text.unwrap_or(line), Ok(fields))?;
        }
        Ok(())
    }
}

/// The fields of a row in the order of the columns, whole numbers replaced by class names where there are some.
pub(super) fn named(columns: &[Column], fields: Vec<Field>) -> Result<Vec<Field>, String> {
    let name = |column: &Column, text: String| match column.classes {
        None => Ok(text),
        Some(classes) if classes.contains(&text) => Ok(text),
        Some(classes) => match text.parse::<i64>().map(|number| (number, usize::try_from(number))) {
            Ok((_, Ok(place))) if place < classes.len() => Ok(classes[place].clone()),
            // The hub's way to say that a row has no label, e.g. in the test sets of GLUE.
            Ok((-1, _)) => Err(format!("the {} is -1: the row has none", shown(column.name))),
            _ => Err(format!(
                "the {} \"{}\" is none of the {} classes of the dataset",
                shown(column.name),
                shown(&text),
                classes.len()
            )),
        },
    };
    let named = |(column, field): (&Column, Field)| match field {
        Field::Text(text) => name(column, text).map(Field::Text),
        Field::List(items) => {
            items.into_iter().map(|item| name(column, item)).collect::<Result<_, _>>().map(Field::List)
        }
        whole => Ok(whole),
    };
    if columns.iter().all(|column| column.classes.is_none()) {
        return Ok(fields);
    }
    columns.iter().zip(fields).map(named).collect()
}
