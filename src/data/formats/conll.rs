//! CoNLL and IOB2: a word a line, its tag in the last column, an empty line between sentences.

use super::lines::{Lines, content};
use crate::data::error::{DataError, nearest, shown};
use crate::data::input::Input;
use crate::data::reader::{Field, ReadOptions, Sink, named};

/// Names of the first column and of the last; the others are 2, 3, ...
pub const WORDS: &str = "tokens";
pub const TAGS: &str = "tags";

/// Reads the sentences of a file, each a row of lists; gives the file's SHA-256. A sentence is broken where a line has one
/// column only, or not as many as the first line of the file.
pub(super) fn read(input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let mut lines = Lines::open(input)?;
    let mut places: Option<Vec<usize>> = None;
    let mut sentence = Sentence::default();
    while !sink.done {
        let Some((number, line)) = lines.next()? else { break };
        let line = content(line);
        if line.trim().is_empty() {
            sentence.end(input, options, sink)?;
            continue;
        }
        let columns = split(line);
        if columns[0] == "-DOCSTART-" {
            continue;
        }
        if places.is_none() && columns.len() > 1 {
            let names = names(columns.len());
            let found: Result<_, _> = options.columns.iter().map(|c| place(input, c, &names)).collect();
            places = Some(found?);
            sentence.width = columns.len();
        }
        if sentence.line == 0 {
            sentence.line = number;
            sentence.lists = vec![Vec::new(); options.columns.len()];
        }
        let expected = sentence.width.max(2);
        if columns.len() != expected || columns[0].is_empty() {
            sentence.why.get_or_insert_with(|| match columns.len() {
                seen if seen == expected => format!("line {number} has no word"),
                1 => format!("line {number} has 1 column where {expected} are needed: a word and its tag"),
                seen => format!("line {number} has {seen} columns where {expected} are expected"),
            });
            continue;
        }
        for (list, place) in sentence.lists.iter_mut().zip(places.iter().flatten()) {
            list.push(columns[*place].to_owned());
        }
    }
    if !sink.done {
        sentence.end(input, options, sink)?;
    }
    lines.finish()
}

/// The columns of a line: at tabs where it has some, else at spaces.
fn split(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// The names of so many columns.
pub(super) fn names(width: usize) -> Vec<String> {
    let name = |n: usize| match n {
        1 => WORDS.to_owned(),
        n if n == width => TAGS.to_owned(),
        n => n.to_string(),
    };
    (1..=width).map(name).collect()
}

/// Where an asked column is: by name, or by number.
fn place(input: &Input, column: &crate::data::reader::Column, names: &[String]) -> Result<usize, DataError> {
    let number = column.name.parse::<usize>().ok().filter(|n| (1..=names.len()).contains(n));
    names.iter().position(|name| name == column.name).or(number.map(|n| n - 1)).ok_or_else(|| {
        DataError::MissingColumn {
            setting: column.setting,
            column: shown(column.name),
            file: input.name.clone(),
            present: names.to_vec(),
            nearest: nearest(column.name, names.iter().map(String::as_str)),
        }
    })
}

/// The names of the columns in the first sentence; none where there is none.
pub(super) fn first(input: &Input) -> Result<Vec<String>, DataError> {
    let mut lines = Lines::open(input)?;
    while let Some((_, line)) = lines.next()? {
        let columns = split(content(line));
        if columns.len() > 1 && columns[0] != "-DOCSTART-" {
            return Ok(names(columns.len()));
        }
    }
    Ok(Vec::new())
}

/// Whether a text file without an ending of its own looks like this format: in its first lines every word has two columns
/// or more, the last one a tag (`O`, `B-x`, ...), and there is an empty line or a `-DOCSTART-`.
pub(super) fn looks_like(input: &Input) -> Result<bool, DataError> {
    const LINES: usize = 2000;
    let mut lines = Lines::open(input)?;
    let (mut words, mut breaks) = (0, 0);
    while let Some((_, line)) = lines.next()?.filter(|(number, _)| *number <= LINES) {
        let columns = split(content(line));
        if columns.iter().all(|column| column.is_empty()) || columns[0] == "-DOCSTART-" {
            breaks += 1;
        } else if columns.len() > 1 && columns.last().is_some_and(|tag| is_tag(tag)) {
            words += 1;
        } else {
            return Ok(false);
        }
    }
    Ok(words > 0 && breaks > 0)
}

fn is_tag(text: &str) -> bool {
    text == "O" || text.split_once('-').is_some_and(|(prefix, kind)| "BIESLU".contains(prefix) && !kind.is_empty())
}

/// The sentence that is being read.
#[derive(Default)]
struct Sentence {
    /// Line of its first word; 0: none yet.
    line: usize,
    /// A list per asked column.
    lists: Vec<Vec<String>>,
    /// Why it is broken.
    why: Option<String>,
    /// Columns of the file; 0: not yet known.
    width: usize,
}

impl Sentence {
    /// Hands the sentence on, if there is one.
    fn end(&mut self, input: &Input, options: &ReadOptions, sink: &mut Sink) -> Result<(), DataError> {
        if self.line == 0 {
            return Ok(());
        }
        let lists = std::mem::take(&mut self.lists).into_iter().map(Field::List).collect();
        let fields = self.why.take().map_or_else(|| named(options.columns, lists), Err);
        sink.row(input, std::mem::take(&mut self.line), fields)
    }
}
