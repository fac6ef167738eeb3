//! Parquet, as the hub has it: columns of texts, numbers, and lists of them, or whole rows with lists and structures in each
//! other; class names in the metadata of Hugging Face `datasets`.

use super::{Classes, places};
use crate::data::error::{DataError, shown};
use crate::data::input::{Input, Place};
use crate::data::reader::{Field, ReadOptions, Sink, named};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use ::parquet::record::reader::RowIter;
use ::parquet::record::{Field as Value, Row};
use ::parquet::schema::types::Type;
use serde_json::Value as Json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Reads the rows of a file; gives its SHA-256. `line` of a row is its number.
pub(super) fn read(input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let reader = open(input)?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let names = names(&schema);
    places(&input.name, &names, options.columns)?;
    let asked = |field: &&Arc<Type>| match options.form {
        Some(form) => form.reads(field.name()),
        None => options.columns.iter().any(|column| column.name == field.name()),
    };
    let fields = schema.get_fields().iter().filter(asked).cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let projection = projection.map_err(|e| broken(input, &e))?;
    let mut rows = RowIter::from_file(Some(projection), reader.as_ref()).map_err(|e| broken(input, &e))?;
    for number in 1.. {
        if sink.done {
            break;
        }
        // The library asserts what a damaged file may break.
        let next = catch_unwind(AssertUnwindSafe(|| rows.next()));
        let next = next.map_err(|_| damaged(input, "a page does not hold what the file's footer says".into()))?;
        let Some(row) = next else { break };
        let row = row.map_err(|e| broken(input, &e))?;
        match options.form {
            Some(form) => sink.whole(input, number, form, json_of(row))?,
            None => {
                let fields = asked_fields(row, options).and_then(|fields| named(options.columns, fields));
                sink.row(input, number, fields)?;
            }
        }
    }
    input.sha256()
}

/// The names of the columns, and the class names of those that have some.
pub(super) fn first(input: &Input) -> Result<(Vec<String>, Classes), DataError> {
    let reader = open(input)?;
    let metadata = reader.metadata().file_metadata();
    let said = metadata.key_value_metadata().into_iter().flatten().find(|pair| pair.key == "huggingface");
    let said = said.and_then(|pair| serde_json::from_str::<Json>(pair.value.as_deref()?).ok());
    let features = said.as_ref().and_then(|said| said.pointer("/info/features")?.as_object());
    let classes = features.into_iter().flatten().filter_map(|(name, feature)| Some((name.clone(), classes(feature)?)));
    Ok((names(metadata.schema()), classes.collect()))
}

/// The names of a `ClassLabel`, also inside a list: `{"names": [...], "_type": "ClassLabel"}`,
/// `{"feature": {...}, "_type": "Sequence"}` (or `"List"`), `[{...}]`.
pub fn classes(feature: &Json) -> Option<Vec<String>> {
    let inner = match feature {
        Json::Array(items) => items.first()?,
        feature => feature.get("feature").unwrap_or(feature),
    };
    let names =
        inner.get("names").filter(|_| inner.get("_type").is_some_and(|kind| kind == "ClassLabel"))?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn names(schema: &Type) -> Vec<String> {
    schema.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

fn open(input: &Input) -> Result<Box<dyn FileReader>, DataError> {
    fn reader<R: ChunkReader + 'static>(input: &Input, source: R) -> Result<Box<dyn FileReader>, DataError> {
        Ok(Box::new(SerializedFileReader::new(source).map_err(|e| broken(input, &e))?))
    }
    let opened = catch_unwind(AssertUnwindSafe(|| match &input.place {
        Place::Disk(path) => reader(input, input.file(path)?),
        Place::Memory(bytes) => reader(input, bytes::Bytes::copy_from_slice(bytes)),
    }));
    opened.unwrap_or_else(|_| Err(damaged(input, "its footer is damaged".into())))
}

fn broken(input: &Input, error: &ParquetError) -> DataError {
    let text = error.to_string();
    let text = ["Parquet error: ", "EOF: ", "NYI: ", "External: "]
        .iter()
        .fold(text.as_str(), |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    let compression = ["flate2", "brotli", "lzo"].into_iter().find(|feature| text.contains(feature));
    if let Some(feature) = compression.filter(|_| text.contains("Disabled feature")) {
        let name = if feature == "flate2" { "gzip" } else { feature };
        return damaged(
            input,
            format!("its compression, {name}, is not read here; write it with snappy, zstd, or none"),
        );
    }
    damaged(input, shown(text))
}

fn damaged(input: &Input, message: String) -> DataError {
    DataError::Parquet { file: input.name.clone(), message }
}

/// The asked columns of a row in the order in which they are asked.
fn asked_fields(row: Row, options: &ReadOptions) -> Result<Vec<Field>, String> {
    let mut columns = row.into_columns();
    let mut field = |name: &str| {
        let value = columns.iter_mut().find(|(column, _)| column == name);
        let value = value.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null));
        let wrong = || format!("\"{}\" is neither a text, a number nor a list of them", shown(name));
        match value {
            Value::Null => Ok(Field::Missing),
            Value::ListInternal(list) => {
                let items = list.elements().iter().map(|item| scalar(item).ok_or_else(wrong));
                items.collect::<Result<_, _>>().map(Field::List)
            }
            value => scalar(&value).map(Field::Text).ok_or_else(wrong),
        }
    };
    options.columns.iter().map(|column| field(column.name)).collect()
}

/// A row as the JSON object that it was made of.
fn json_of(row: Row) -> serde_json::Map<String, Json> {
    row.into_columns().into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Group(row) => Json::Object(json_of(row)),
        Value::ListInternal(list) => list.elements().iter().map(|item| json(item.clone())).collect(),
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Long(value) => value.into(),
        Value::Double(value) => value.into(),
        value => scalar(&value).map_or(Json::Null, Json::String),
    }
}

fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::Str(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Byte(value) => value.to_string(),
        Value::Short(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::UByte(value) => value.to_string(),
        Value::UShort(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::ULong(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        // A text column that its writer did not mark as text.
        Value::Bytes(bytes) => bytes.as_utf8().ok()?.to_owned(),
        _ => return None,
    })
}
