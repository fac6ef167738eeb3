//! The rows to predict for: JSON Lines with `text` (and `text_pair`), `words`, or `prompt`.

use crate::data::dataset::{Content, Example};
use crate::data::error::{kind, nearest, shown};
use crate::data::{Dialogue, Target};
use crate::experiment::{Choice, Task};
use serde_json::{Map, Value};
use std::io::BufRead;

/// Reads rows one after the other.
pub struct Rows<R> {
    input: R,
    /// For messages.
    file: String,
    task: Task,
    /// Lines read so far.
    line: usize,
}

/// A row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("{file}:{line}: {problem}")]
    Broken { file: String, line: usize, problem: String },
    #[error("cannot read {file} after line {line}: {source}")]
    Read { file: String, line: usize, source: std::io::Error },
}

impl<R: BufRead> Rows<R> {
    /// Rows of `input`, which messages call `file`, as `task` has them.
    pub fn new(input: R, file: String, task: Task) -> Rows<R> {
        Rows { input, file, task, line: 0 }
    }

    /// The next row; `None` at the end. Empty lines are skipped; keys that the task does not know, too.
    ///
    /// # Errors
    /// [`RowError`] with the line.
    pub fn next_row(&mut self) -> Result<Option<Example>, RowError> {
        loop {
            let mut bytes = Vec::new();
            let read = self.input.read_until(b'\n', &mut bytes);
            let count = read.map_err(|source| RowError::Read { file: self.file.clone(), line: self.line, source })?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            let row = self.row(&bytes);
            let row = row.map_err(|problem| RowError::Broken { file: self.file.clone(), line: self.line, problem })?;
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    fn row(&self, bytes: &[u8]) -> Result<Option<Example>, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_string())?;
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            return Ok(None);
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let reason = message.split(" at line ").next().unwrap_or(&message).to_string();
            format!("not JSON: {} (column {})", shown(&reason), error.column())
        })?;
        let Value::Object(map) = value else {
            return Err(format!("{}; one JSON object a line is needed, such as {}", kind(&value), example(self.task)));
        };
        match self.task {
            Task::Tagging => words(&map),
            Task::Generation => prompt(&map),
            task => texts(&map, task),
        }
        .map(Some)
    }
}

fn texts(map: &Map<String, Value>, task: Task) -> Result<Example, String> {
    let text = match map.get("text") {
        Some(value) => text_of("text", value)?,
        None => return Err(missing("text", map, task)),
    };
    let pair = match map.get("text_pair") {
        None | Some(Value::Null) => None,
        Some(value) => Some(text_of("text_pair", value)?),
    };
    let target = if task == Task::Regression { Target::Score(0.0) } else { Target::Class(0) };
    Ok(Example { content: Content::Text { text, pair }, target })
}

fn prompt(map: &Map<String, Value>) -> Result<Example, String> {
    let value = map.get("prompt").ok_or_else(|| missing("prompt", map, Task::Generation))?;
    let content = Content::Dialogue(Dialogue::plain(&text_of("prompt", value)?, ""));
    Ok(Example { content, target: Target::Tags(Vec::new()) })
}

fn words(map: &Map<String, Value>) -> Result<Example, String> {
    let value = map.get("words").ok_or_else(|| missing("words", map, Task::Tagging))?;
    let Value::Array(items) = value else {
        return Err(format!("\"words\" is {}; a list of words is needed", kind(value)));
    };
    let words: Vec<String> = items.iter().map(|item| text_of("words", item)).collect::<Result<_, _>>()?;
    // Which tag does not matter: it marks where a word begins.
    Ok(Example { target: Target::Tags(vec![0; words.len()]), content: Content::Words(words) })
}

/// A text; a number or a truth value as it is written.
fn text_of(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(format!("\"{key}\" has {}; a text is needed", kind(other))),
    }
}

fn missing(key: &str, map: &Map<String, Value>, task: Task) -> String {
    let keys = || map.keys().map(String::as_str);
    let near =
        nearest(key, keys()).map_or(String::new(), |near| format!(" (is {} meant for \"{key}\"?)", shown(&near)));
    let present: Vec<String> = keys().map(shown).collect();
    let present = if present.is_empty() { "it is empty".into() } else { format!("it has {}", present.join(", ")) };
    format!("no \"{key}\" in this row, {present}{near}; {} needs {}", task.name(), example(task))
}

/// A row of the task.
fn example(task: Task) -> &'static str {
    match task {
        Task::Tagging => "{\"words\": [\"...\", \"...\"]}",
        Task::Generation => "{\"prompt\": \"...\"}",
        _ => "{\"text\": \"...\"}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(task: Task, text: &[u8]) -> Result<Vec<Content>, String> {
        let mut rows = Rows::new(text, "in.jsonl".into(), task);
        let mut found = Vec::new();
        while let Some(row) = rows.next_row().map_err(|e| e.to_string())? {
            found.push(row.content);
        }
        Ok(found)
    }

    #[test]
    fn rows_are_texts_pairs_or_words() {
        let text = "\u{feff}{\"text\": \"a\", \"label\": 1}\n\n{\"text\": 5, \"text_pair\": \"b\"}\r\n{\"text\": \"\"}";
        let row = |text: &str, pair: Option<&str>| Content::Text { text: text.into(), pair: pair.map(String::from) };
        let rows = all(Task::Classification, text.as_bytes()).unwrap();
        assert_eq!(rows, [row("a", None), row("5", Some("b")), row("", None)]);
        let words = all(Task::Tagging, b"{\"words\": [\"a\", 5]}\n{\"words\": []}\n").unwrap();
        assert_eq!(words, [Content::Words(vec!["a".into(), "5".into()]), Content::Words(Vec::new())]);
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        for (task, text, said) in [
            (Task::Classification, &b"{\"text\": \"a\"}\n{\"text\""[..], "in.jsonl:2: not JSON: EOF"),
            (Task::Classification, b"\n\n[1]", "in.jsonl:3: a list; one JSON object a line is needed"),
            (Task::Classification, b"{\"txt\": \"a\"}", "it has txt (is txt meant for \"text\"?)"),
            (Task::Regression, b"{}", "it is empty; regression needs {\"text\""),
            (Task::Classification, b"{\"text\": null}", "\"text\" has null"),
            (Task::Classification, b"{\"text\": \"\xff\"}", "in.jsonl:1: not UTF-8"),
            (Task::Tagging, b"{\"text\": \"a b\"}", "no \"words\""),
            (Task::Tagging, b"{\"words\": \"a b\"}", "\"words\" is a text; a list of words is needed"),
            (Task::Tagging, b"{\"words\": [[\"a\"]]}", "\"words\" has a list"),
        ] {
            let error = all(task, text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
