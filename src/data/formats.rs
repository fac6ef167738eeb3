//! The file formats: CSV (RFC 4180), TSV, JSON Lines.

use super::error::{DataError, nearest, shown};
use super::table::{ReadOptions, Row};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::path::Path;

/// A format, known by a file's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Tsv,
    JsonLines,
}

impl Format {
    /// The format of a file name.
    pub fn of(file: &str) -> Result<Self, DataError> {
        let ending = Path::new(file).extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("jsonl" | "ndjson" | "json") => Ok(Self::JsonLines),
            other => Err(DataError::Format {
                file: file.to_owned(),
                seen: other.map_or("(the name has no ending)".to_owned(), |e| format!(".{}", shown(e))),
            }),
        }
    }

    /// What separates fields; `None` for JSON.
    pub fn separator(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::JsonLines => None,
        }
    }
}

/// The first `most` records of a delimited file, all fields; every record has as many fields as the first. Empty lines are
/// skipped.
pub fn records(file: &str, text: &str, separator: u8, quote: Option<u8>, most: usize) -> Result<Vec<Row>, DataError> {
    let mut rows: Vec<Row> = Vec::new();
    let mut keep = |row: Row| {
        let expected = rows.first().map_or(row.fields.len(), |first: &Row| first.fields.len());
        if row.fields.len() != expected {
            return Err(DataError::Fields { file: file.to_owned(), line: row.line, seen: row.fields.len(), expected });
        }
        rows.push(row);
        Ok(rows.len() < most)
    };
    match quote {
        None => {
            for (index, line) in text.split('\n').enumerate() {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let fields = || line.split(char::from(separator)).map(str::to_owned).collect();
                if !line.is_empty() && !keep(Row { line: index + 1, fields: fields() })? {
                    break;
                }
            }
        }
        Some(quote) => quoted(file, text, separator, quote, keep)?,
    }
    Ok(rows)
}

/// Records with quoting, to `keep` until it says no.
fn quoted(
    file: &str,
    text: &str,
    separator: u8,
    quote: u8,
    mut keep: impl FnMut(Row) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let bytes = text.as_bytes();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .quote(quote)
        .from_reader(bytes);
    let mut record = csv::StringRecord::new();
    // The reader's own line count does not see the empty lines that it skips, so lines are counted here.
    let (mut counted, mut line) = (0, 1);
    loop {
        let before = reader.position().byte() as usize;
        let more = reader.read_record(&mut record).map_err(|e| DataError::Broken {
            file: file.to_owned(),
            line,
            message: e.to_string(),
        })?;
        if !more {
            return Ok(());
        }
        let skipped = bytes[before..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        let (start, end) = (before + skipped, reader.position().byte() as usize);
        line += newlines(&bytes[counted..start]);
        counted = start;
        if end == bytes.len() && leaves_quote_open(&bytes[start..end], separator, quote) {
            return Err(DataError::OpenQuote { file: file.to_owned(), line, quote: char::from(quote) });
        }
        if !keep(Row { line, fields: record.iter().map(str::to_owned).collect() })? {
            return Ok(());
        }
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// Whether the last record of a file ends inside quotes.
fn leaves_quote_open(record: &[u8], separator: u8, quote: u8) -> bool {
    let (mut inside, mut field_start) = (false, true);
    for byte in record {
        if *byte == quote && (inside || field_start) {
            // A doubled quote closes and opens again, so that only the parity counts.
            inside = !inside;
            field_start = !inside;
        } else {
            field_start = !inside && (*byte == separator || *byte == b'\n');
        }
    }
    inside
}

/// The keys of a JSON object in order, doubles kept.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a JSON object such as {\"text\": \"...\", \"label\": 0}")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The asked keys of one JSON object a line. Numbers and booleans become their JSON text.
pub fn json_lines(file: &str, text: &str, options: ReadOptions) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    for (index, source) in text.split('\n').enumerate().filter(|(_, source)| !source.trim().is_empty()) {
        if options.max_rows.is_some_and(|most| rows.len() >= most) {
            break;
        }
        let line = index + 1;
        let broken = |message| DataError::Broken { file: file.to_owned(), line, message };
        if rows.is_empty() && source.trim_start().starts_with('[') {
            let advice = "a JSON array; one object a line is needed: `jq -c '.[]' IN.json > OUT.jsonl`";
            return Err(broken(advice.to_owned()));
        }
        let object: Object = serde_json::from_str(source).map_err(|e| broken(json_message(&e)))?;
        rows.push(Row { line, fields: fields(file, line, &object.0, options)? });
    }
    if rows.is_empty() { Err(DataError::Empty { file: file.to_owned(), header: false }) } else { Ok(rows) }
}

/// serde_json's message without its line number, which is always 1 here.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    format!("not a JSON object: {} (column {})", shown(reason), error.column())
}

fn fields(file: &str, line: usize, object: &[(String, Value)], options: ReadOptions) -> Result<Vec<String>, DataError> {
    if let Some((_, (key, _))) =
        object.iter().enumerate().find(|(i, (key, _))| object[..*i].iter().any(|o| o.0 == *key))
    {
        return Err(DataError::Broken {
            file: file.to_owned(),
            line,
            message: format!("the key \"{}\" is there twice", shown(key)),
        });
    }
    let field = |name: &str, setting: &'static str| {
        let value = object.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        match value {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Some(other) => Err(DataError::Broken {
                file: file.to_owned(),
                line,
                message: format!("\"{}\" is {}; a text or a number is needed", shown(name), kind(other)),
            }),
            None => {
                let present: Vec<String> = object.iter().map(|(key, _)| shown(key)).collect();
                // In the first object the setting is likely wrong; later, the row.
                Err(if line == 1 {
                    let nearest = nearest(name, object.iter().map(|(key, _)| key.as_str()));
                    DataError::MissingColumn { setting, column: shown(name), file: file.to_owned(), present, nearest }
                } else {
                    DataError::MissingKey { file: file.to_owned(), line, column: shown(name), present }
                })
            }
        }
    };
    options.columns.iter().map(|c| field(c.name, c.setting)).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        _ => "of another type",
    }
}
