//! JSON Lines: one object a line.

use super::lines::Lines;
use super::place;
use crate::data::error::{DataError, shown};
use crate::data::input::Input;
use crate::data::reader::{Field, ReadOptions, Sink, named};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Reads the rows of a file; gives its SHA-256. A row is broken where it is no object or lacks an asked key.
pub(super) fn read(input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let mut lines = Lines::open(input)?;
    let mut first = true;
    while !sink.done {
        let Some((number, line)) = lines.next()? else { break };
        if line.trim().is_empty() {
            continue;
        }
        let row = match object(input, number, line, first)? {
            Ok(object) => {
                if first {
                    // In the first object the setting is likely wrong; later, the row.
                    let keys: Vec<String> = object.0.iter().map(|(key, _)| key.clone()).collect();
                    for column in options.columns {
                        place(&input.name, &keys, column)?;
                    }
                }
                first = false;
                match options.whole {
                    true => Ok(vec![Field::Object(object.0.into_iter().collect())]),
                    false => fields(object.0, options).and_then(|fields| named(options.columns, fields)),
                }
            }
            Err(why) => Err(why),
        };
        sink.row(input, number, row)?;
    }
    lines.finish()
}

/// The keys of the first object; none where there is none.
pub(super) fn first(input: &Input) -> Result<Vec<String>, DataError> {
    let mut lines = Lines::open(input)?;
    let mut fault = None;
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        match object(input, number, line, true)? {
            Ok(object) => return Ok(object.0.into_iter().map(|(key, _)| key).collect()),
            Err(why) => fault = fault.or(Some((number, why))),
        }
    }
    // Not one object in the whole file: its first line says why.
    let broken =
        |(line, why)| DataError::Broken { file: input.name.clone(), line, message: format!("{why}; every line is so") };
    fault.map_or(Ok(Vec::new()), |fault| Err(broken(fault)))
}

/// The object of a line, else why the row is broken.
fn object(input: &Input, line: usize, source: &str, first: bool) -> Result<Result<Object, String>, DataError> {
    if first && source.trim_start().starts_with('[') {
        let advice = "a JSON array; one object a line is needed: `jq -c '.[]' IN.json > OUT.jsonl`";
        return Err(DataError::Broken { file: input.name.clone(), line, message: advice.into() });
    }
    let parsed: Result<Object, _> = serde_json::from_str(source);
    Ok(parsed.map_err(|e| message(&e)).and_then(|object| {
        let keys = &object.0;
        match keys.iter().enumerate().find(|(i, (key, _))| keys[..*i].iter().any(|other| other.0 == *key)) {
            Some((_, (key, _))) => Err(format!("the key \"{}\" is there twice", shown(key))),
            None => Ok(object),
        }
    }))
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

/// serde_json's message without its line number, which is always 1 here.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    format!("not a JSON object: {} (column {})", shown(reason), error.column())
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
