//! JSON: one object a line, or an array of objects.

use super::json_array::Elements;
use super::lines::Lines;
use super::place;
use crate::data::error::{DataError, shown};
use crate::data::input::Input;
use crate::data::reader::{Field, ReadOptions, Sink, named};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::collections::VecDeque;

/// Reads the rows of a file; gives its SHA-256. A row is broken where it is no object or lacks an asked key.
pub(super) fn read(input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let mut objects = Objects::open(input)?;
    let mut first = true;
    while !sink.done {
        let Some((number, source)) = objects.next()? else { break };
        match object(number, &source) {
            Ok(object) => {
                if first {
                    // In the first object the setting is likely wrong; later, the row.
                    let keys: Vec<String> = object.0.iter().map(|(key, _)| key.clone()).collect();
                    for column in options.columns {
                        place(&input.name, &keys, column)?;
                    }
                }
                first = false;
                match options.form {
                    Some(form) => sink.whole(input, number, form, object.0.into_iter().collect())?,
                    None => {
                        let row = fields(object.0, options).and_then(|fields| named(options.columns, fields));
                        sink.row(input, number, row)?;
                    }
                }
            }
            Err(why) => sink.row(input, number, Err(why))?,
        }
    }
    objects.lines.finish()
}

/// The objects of a file as texts, each with the line on which it begins.
struct Objects<'a> {
    input: &'a Input,
    lines: Lines<'a>,
    /// Where the file is an array.
    array: Option<Elements>,
    waiting: VecDeque<(usize, String)>,
    /// Number of the line that was read last.
    last: usize,
}

impl<'a> Objects<'a> {
    fn open(input: &'a Input) -> Result<Self, DataError> {
        Ok(Self { input, lines: Lines::open(input)?, array: None, waiting: VecDeque::new(), last: 0 })
    }

    fn next(&mut self) -> Result<Option<(usize, String)>, DataError> {
        let broken = |line, message: String| {
            Err(DataError::Broken { file: self.input.name.clone(), line, message: shown(&message) })
        };
        loop {
            if let Some(found) = self.waiting.pop_front() {
                return Ok(Some(found));
            }
            let Some((number, line)) = self.lines.next()? else {
                return match &self.array {
                    Some(array) if !array.is_closed() => {
                        broken(self.last.max(1), "the file ends before its JSON array does: a `]` is missing".into())
                    }
                    _ => Ok(None),
                };
            };
            if self.array.is_none() && line.trim().is_empty() {
                continue;
            }
            if self.array.is_none() && self.last == 0 && line.trim_start().starts_with('[') {
                self.array = Some(Elements::new());
            }
            self.last = number;
            match &mut self.array {
                None => return Ok(Some((number, line.to_owned()))),
                Some(array) => {
                    let read = array.read(number, line, |line, element| self.waiting.push_back((line, element)));
                    if let Err(why) = read {
                        return broken(number, format!("not a JSON array: {why}"));
                    }
                }
            }
        }
    }
}

/// The keys of the first object; none where there is none.
pub(super) fn first(input: &Input) -> Result<Vec<String>, DataError> {
    let mut objects = Objects::open(input)?;
    let mut fault = None;
    while let Some((number, source)) = objects.next()? {
        match object(number, &source) {
            Ok(object) => return Ok(object.0.into_iter().map(|(key, _)| key).collect()),
            Err(why) => fault = fault.or(Some((number, why))),
        }
    }
    // Not one object in the whole file: its first line says why.
    let broken =
        |(line, why)| DataError::Broken { file: input.name.clone(), line, message: format!("{why}; every line is so") };
    fault.map_or(Ok(Vec::new()), |fault| Err(broken(fault)))
}

/// The object that a text is, else why the row is broken. `line` is that on which it begins.
fn object(line: usize, source: &str) -> Result<Object, String> {
    let object: Object = serde_json::from_str(source).map_err(|e| message(&e, line))?;
    let keys = &object.0;
    match keys.iter().enumerate().find(|(i, (key, _))| keys[..*i].iter().any(|other| other.0 == *key)) {
        Some((_, (key, _))) => Err(format!("the key \"{}\" is there twice", shown(key))),
        None => Ok(object),
    }
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

/// serde_json's message with its place in the file: objects of an array may be of several lines.
fn message(error: &serde_json::Error, line: usize) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    let place = match error.line() {
        0 | 1 => format!("column {}", error.column()),
        further => format!("line {}, column {}", line + further - 1, error.column()),
    };
    format!("not a JSON object: {} ({place})", shown(reason))
}

/// The asked values of an object.
fn fields(mut object: Vec<(String, Value)>, options: &ReadOptions) -> Result<Vec<Field>, String> {
    let mut field = |name: &str| {
        let Some(place) = object.iter().position(|(key, _)| key == name) else {
            let present: Vec<String> = object.iter().map(|(key, _)| shown(key)).collect();
            return Err(format!("no \"{}\" in this row; it has {}", shown(name), present.join(", ")));
        };
        let wrong = |seen: &str| format!("\"{}\" is {seen}; a text, a number or a list of them is needed", shown(name));
        match std::mem::take(&mut object[place].1) {
            Value::Null => Ok(Field::Missing),
            Value::Array(items) => {
                let item = |item| scalar(item).ok_or_else(|| wrong("a list of lists, objects or nulls"));
                items.into_iter().map(item).collect::<Result<_, _>>().map(Field::List)
            }
            value => scalar(value).map(Field::Text).ok_or_else(|| wrong("an object")),
        }
    };
    options.columns.iter().map(|column| field(column.name)).collect()
}

/// A text as it is; a number or a boolean as JSON writes it.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
