//! CSV (RFC 4180) and TSV.

use super::lines::{Lines, content};
use super::{Format, places};
use crate::data::error::DataError;
use crate::data::input::Input;
use crate::data::reader::{Field, ReadOptions, Sink, named};

/// Reads the rows of a file; gives its SHA-256.
pub(super) fn read(
    input: &Input,
    separator: char,
    format: Format,
    options: &ReadOptions,
    sink: &mut Sink,
) -> Result<String, DataError> {
    let has_header = options.header.unwrap_or_else(|| {
        options.columns.is_empty() || !options.columns.iter().all(|c| c.name.parse::<usize>().is_ok())
    });
    let mut records = Records::open(input, separator, quote(format, options.quote)?)?;
    let Some(first) = records.next()? else { return records.lines.finish() };
    let names: Vec<String> =
        if has_header { records.fields.clone() } else { (1..=records.fields.len()).map(|n| n.to_string()).collect() };
    let places = places(&input.name, &names, options.columns)?;
    let mut line = if has_header { records.next()? } else { Some(first) };
    while let Some(start) = line.filter(|_| !sink.done) {
        let fields = &mut records.fields;
        let row = if fields.len() == names.len() {
            let asked = places.iter().map(|place| Field::Text(fields[*place].clone())).collect();
            named(options.columns, asked)
        } else {
            let (seen, expected) = (count(fields.len()), count(names.len()));
            Err(format!("{seen} where {expected} expected; a separator or a quote is missing or one too many"))
        };
        sink.row(input, start, row)?;
        line = records.next()?;
    }
    records.lines.finish()
}

/// The names in the first record, or its fields where `header` is false; none where the file is empty.
pub(super) fn first(
    input: &Input,
    separator: char,
    format: Format,
    setting: Option<&str>,
) -> Result<Vec<String>, DataError> {
    let mut records = Records::open(input, separator, quote(format, setting)?)?;
    records.next()?;
    Ok(records.fields)
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field".into() } else { format!("{fields} fields") }
}

/// The quote character in force, if any.
fn quote(format: Format, setting: Option<&str>) -> Result<Option<char>, DataError> {
    match (setting, format) {
        (None, Format::Csv) => Ok(Some('"')),
        (None, _) | (Some(""), _) => Ok(None),
        (Some(text), _) => match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() => Ok(Some(char::from(*byte))),
            _ => Err(DataError::Quote { seen: text.to_owned() }),
        },
    }
}

/// The records of a file, one at a time. Empty lines between them are skipped.
struct Records<'a> {
    input: &'a Input,
    lines: Lines<'a>,
    separator: char,
    quote: Option<char>,
    /// Of the record that was read last.
    fields: Vec<String>,
}

/// Where in a field a record is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote inside quotes: it was the closing one, or the first of a doubled one.
    Closing,
}

/// A quoted field longer than this has lost its closing quote.
const LONGEST: usize = 1 << 26;

impl<'a> Records<'a> {
    fn open(input: &'a Input, separator: char, quote: Option<char>) -> Result<Self, DataError> {
        Ok(Self { input, lines: Lines::open(input)?, separator, quote, fields: Vec::new() })
    }

    /// Reads a record into `fields`; gives the line on which it starts.
    fn next(&mut self) -> Result<Option<usize>, DataError> {
        self.fields.clear();
        let mut start = 0;
        let mut at = At::Start;
        let mut field = String::new();
        while let Some((number, line)) = self.lines.next()? {
            let text = content(line);
            if at != At::Quoted {
                if text.is_empty() {
                    continue;
                }
                start = number;
            }
            let Some(quote) = self.quote else {
                self.fields.extend(text.split(self.separator).map(str::to_owned));
                return Ok(Some(start));
            };
            for c in text.chars() {
                at = match at {
                    At::Quoted if c == quote => At::Closing,
                    At::Start if c == quote => At::Quoted,
                    At::Closing if c == quote => {
                        field.push(c);
                        At::Quoted
                    }
                    At::Quoted => {
                        field.push(c);
                        At::Quoted
                    }
                    _ if c == self.separator => {
                        self.fields.push(std::mem::take(&mut field));
                        At::Start
                    }
                    _ => {
                        field.push(c);
                        At::Plain
                    }
                };
            }
            if at != At::Quoted {
                self.fields.push(field);
                return Ok(Some(start));
            }
            field.push_str(&line[text.len()..]);
            if field.len() > LONGEST {
                break;
            }
        }
        match (at, self.quote) {
            (At::Quoted, Some(quote)) => {
                Err(DataError::OpenQuote { file: self.input.name.clone(), line: start, quote })
            }
            _ => Ok(None),
        }
    }
}
