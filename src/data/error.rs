//! What can be wrong with data. Every message says where, what was seen, what is allowed, and the next step.

use crate::experiment::problem::steers;
use std::path::{Path, PathBuf};

/// An error of a data file, its labels or its tokens. `file` is as the user wrote it, `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{setting}: no such file {file}{}", nearest_hint(nearest))]
    NotFound { setting: &'static str, file: String, nearest: Option<String> },
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error(
        "{file}: unknown format {seen}; allowed: .csv, .tsv, .jsonl (one JSON object a line), .parquet, \
         .conll (a word and its tag a line), .xml (WebNLG's); data.format names it where the ending does not"
    )]
    Format { file: String, seen: String },
    #[error("data.quote: {seen:?} is not one ASCII character such as \" or '")]
    Quote { seen: String },
    #[error("{file} has no rows")]
    Empty { file: String },
    #[error("{file} has no rows that are read: {what}")]
    AllLeftOut { file: String, what: String },
    #[error(
        "{setting}: {file} is a folder without .xml files; a folder is read where it holds those of WebNLG, other data is a file"
    )]
    NoFiles { setting: &'static str, file: String },
    #[error("{file} has triples and texts, as WebNLG's XML: data.task must be \"generation\", and is \"{task}\"")]
    OnlyWritten { file: String, task: crate::experiment::Task },
    #[error("{setting} = \"{column}\": {file} is WebNLG's XML, which has no columns; leave it out")]
    NoColumns { setting: &'static str, column: String, file: String },
    #[error("{file}:{line}: not UTF-8 text; {advice}")]
    Utf8 { file: String, line: usize, advice: &'static str },
    #[error("{file}:{line}: a quote opens here and never closes; a {quote} inside a field is written twice")]
    OpenQuote { file: String, line: usize, quote: char },
    #[error("{file}:{line}: {message}")]
    Broken { file: String, line: usize, message: String },
    #[error("{file} changed while it was read; start again once nobody writes to it")]
    Changed { file: String },
    #[error("{file}: reading was interrupted")]
    Interrupted { file: String },
    #[error("{file} is no parquet file that can be read: {message}")]
    Parquet { file: String, message: String },
    #[error(
        "{}; repair {}, or set data.max_bad_share (now {allowed}) to the share of rows that may be left out",
        bad_rows(*.count, *.total, first), if *.count == 1 { "it" } else { "them" }
    )]
    BadRows { count: usize, total: usize, allowed: f64, first: Vec<BadRow> },
    #[error("{file}: the column \"{column}\" is there twice; rename one")]
    DuplicateColumn { file: String, column: String },
    #[error("{setting} = \"{column}\": {file} has no such column{}; its columns: {}", nearest_hint(nearest), present.join(", "))]
    MissingColumn { setting: &'static str, column: String, file: String, present: Vec<String>, nearest: Option<String> },
    #[error(
        "{file}: no column of the {what} can be told by its name; set {setting} to one of {}{advice}",
        present.join(", ")
    )]
    NoGuess { setting: &'static str, what: &'static str, file: String, present: Vec<String>, advice: String },
    #[error("{file}: every row has the label \"{label}\"; at least two are needed")]
    OneLabel { file: String, label: String },
    #[error(
        "{file}:{line}: the label \"{label}\" is not among those of the training file {train_file}: {}{}",
        first_of(known),
        if label.parse::<f64>().is_ok() && known.len() > 2 { "; for numbers on a scale: data.task = \"regression\"" } else { "" }
    )]
    UnknownLabel { file: String, line: usize, label: String, train_file: String, known: Vec<String> },
    #[error("data: no training data; give data.train (a file) or data.id (a dataset: `autolora datasets`)")]
    NoTraining,
    #[error(
        "data: both data.id and {setting} are given; a dataset of the catalogue brings its own files, so give one of them"
    )]
    IdAndPaths { setting: &'static str },
    #[error(
        "data.id = \"{id}\": no such dataset{}; there is {}; a dataset of the hub is owner/name; files of your own are data.train",
        nearest_hint(nearest), present.join(", ")
    )]
    UnknownDataset { id: String, nearest: Option<String>, present: Vec<String> },
    #[error(
        "{setting}{}: the dataset {place} {}; it has {}",
        if wanted.is_empty() { String::new() } else { format!(" = \"{wanted}\"") },
        if wanted.is_empty() { "has several: say which" } else { "has none of that name" },
        present.join(", ")
    )]
    NotInRepository { setting: &'static str, wanted: String, place: String, present: Vec<String> },
    #[error(
        "the dataset {place} has no files of rows by split, such as data/train-00000-of-00001.parquet or \
         train.jsonl; it has {}{}; download what you need and give it as data.train and data.test",
        present.join(", "), if present.len() > 7 { ", ..." } else { "" }
    )]
    NoRowsInRepository { place: String, present: Vec<String> },
    #[error(transparent)]
    Hub(#[from] super::hub::HubError),
    #[error("{file}: {rows} training rows split by search.validation_share = {share} leave no row for {side}")]
    EmptySplit { file: String, rows: usize, share: f64, side: &'static str },
    #[error("{file} is no tokenizer that can be read: {message}")]
    Tokenizer { file: String, message: String },
    #[error("data.max_length = {max_length}: the tokenizer adds {added} tokens of its own to a row, so at least {} are needed", added + 1)]
    TooShort { max_length: usize, added: usize },
    #[error("{file}: rows from {row} on cannot be tokenised: {message}")]
    Encode { file: String, row: usize, message: String },
    #[error(
        "the token cache {} cannot be used: {source}; {}", path.display(),
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded =>
                "make room there, or set AUTOLORA_HOME to another disk",
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem =>
                "make it writable, or set AUTOLORA_HOME to another folder",
            _ => "it may be deleted, and is made again",
        }
    )]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("row {row} of {rows} was asked for: a fault of the program")]
    NoRow { row: usize, rows: usize },
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |name| format!("; did you mean {name}?"))
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub file: String,
    /// Line, or row of a parquet file, from 1.
    pub line: usize,
    pub why: String,
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// One broken row in a line; several below each other.
fn bad_rows(count: usize, total: usize, first: &[BadRow]) -> String {
    match first {
        [row] => row.to_string(),
        rows => {
            let mut text = format!("{count} of {total} rows are broken");
            for row in rows {
                text.push_str(&format!("\n  {row}"));
            }
            if count > rows.len() {
                text.push_str(&format!("\n  and {} more", count - rows.len()));
            }
            text + "\n"
        }
    }
}

/// Text of a data file as it may appear in a message: control characters escaped, at most 80 characters.
pub fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MOST {
            out.push('…');
            break;
        }
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The candidate most like `name`, if one is alike enough to be a slip of it.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_lowercase();
    // The end of an id is as good as the whole: `sst2` means `glue/sst2`.
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let end = candidate.rsplit('/').next().unwrap_or(&candidate);
        strsim::jaro_winkler(&folded, &candidate).max(strsim::jaro_winkler(&folded, end))
    };
    candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| shown(candidate))
}

/// What a JSON value is, in words.
pub fn kind(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A list, cut after its first dozen.
fn first_of(all: &[String]) -> String {
    const MOST: usize = 12;
    let rest = all.len().saturating_sub(MOST);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", all[..all.len() - rest].join(", "))
}

/// The entry of `path`'s folder whose name is most like its own.
pub fn nearest_sibling(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = nearest(name, names.iter().map(String::as_str)).filter(|near| *near != name);
    near.map(|found| path.with_file_name(found).display().to_string())
}
