//! WebNLG's XML: entries with triples and the texts that tell them, as the releases of 2017 and 2020 have them.
//!
//! `<benchmark><entries><entry><modifiedtripleset><mtriple>s | p | o</mtriple>...</modifiedtripleset><lex comment="good"
//! lang="en">text</lex>...</entry>...`. The modified triples are those that the writers saw; an entry without them has the first
//! of its original sets. Where a `lex` has a `text` inside (the enriched release), that is the text. Elements of other names are
//! passed over, but not where they would tear a text.

use super::lines::ADVICE;
use crate::data::error::{DataError, shown};
use crate::data::input::{Bytes, Input, finish};
use crate::data::reader::{ReadOptions, Sink};
use crate::data::triples::{Record, Text, Triple, linearised};
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::io::{self, BufRead, Read};

/// What stands for the columns.
const COLUMNS: [&str; 2] = ["modifiedtripleset", "lex"];

/// Reads the entries of a file, one row per text; gives its SHA-256. A row's line is that of its `<lex`.
pub(super) fn read(input: &Input, _: &ReadOptions, sink: &mut Sink) -> Result<String, DataError> {
    let mut entries = Entries::open(input)?;
    while !sink.done {
        let Some(Entry { line, why, modified, original, texts }) = entries.next()? else { break };
        let triples = if modified.is_empty() { original } else { modified };
        let record = match why {
            Some(why) => Err(why),
            None if triples.is_empty() => {
                Err("the entry has no triples: its modifiedtripleset is missing or empty".into())
            }
            None => triples
                .iter()
                .map(|text| Triple::parse(text))
                .collect::<Result<Vec<_>, _>>()
                .map(|triples| Record { prompt: linearised(&triples), texts }),
        };
        sink.record(input, line, record)?;
    }
    finish(entries.reader.into_inner().bytes).map_err(|source| input.unreadable(source))
}

/// The names that stand for columns, if the file has an entry.
pub(super) fn first(input: &Input) -> Result<Vec<String>, DataError> {
    let entry = Entries::open(input)?.next()?;
    Ok(entry.map_or(Vec::new(), |_| COLUMNS.map(str::to_owned).to_vec()))
}

/// An entry, its triples as they are written.
#[derive(Default)]
struct Entry {
    /// Of its first tag.
    line: usize,
    /// Why it cannot be used.
    why: Option<String>,
    modified: Vec<String>,
    /// Of the first original set.
    original: Vec<String>,
    texts: Vec<Text>,
}

/// An element that is open.
struct Open {
    name: String,
    line: usize,
    /// Whether others are inside.
    is_outer: bool,
}

/// The entries of a file, one at a time.
struct Entries<'a> {
    input: &'a Input,
    reader: Reader<Counting<'a>>,
    path: Vec<Open>,
    entry: Entry,
    /// Sets of original triples of the entry so far.
    originals: usize,
    /// Of the element whose text is being read.
    text: String,
}

impl<'a> Entries<'a> {
    fn open(input: &'a Input) -> Result<Self, DataError> {
        let mut bytes = input.open()?;
        let start = bytes.fill_buf().map_err(|source| input.unreadable(source))?;
        if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            let advice = "it is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`";
            return Err(DataError::Utf8 { file: input.name.clone(), line: 1, advice });
        }
        let reader = Reader::from_reader(Counting { bytes, line: 1 });
        let (path, entry) = (Vec::new(), Entry::default());
        Ok(Self { input, reader, path, entry, originals: 0, text: String::new() })
    }

    fn next(&mut self) -> Result<Option<Entry>, DataError> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let start = self.reader.get_ref().line;
            let event = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.failed(error, start)),
            };
            let line = self.reader.get_ref().line;
            match event {
                Event::Start(tag) => self.start(&tag, line)?,
                Event::Empty(tag) => {
                    self.start(&tag, line)?;
                    if let Some(entry) = self.end() {
                        return Ok(Some(entry));
                    }
                }
                Event::End(_) => {
                    if let Some(entry) = self.end() {
                        return Ok(Some(entry));
                    }
                }
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(sign)) => self.text.push(sign),
                    _ => match named(&reference) {
                        Some(sign) => self.text.push(sign),
                        None => {
                            let name = shown(&reference);
                            self.entry.why.get_or_insert_with(|| {
                                format!("line {line}: &{name}; is no entity of XML; write the character itself")
                            });
                        }
                    },
                },
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
                Event::Eof => {
                    return match self.path.last() {
                        None => Ok(None),
                        Some(open) => Err(self.broken(
                            line,
                            format!("the file ends inside <{}>, which line {} opens", shown(&open.name), open.line),
                        )),
                    };
                }
            }
        }
    }

    fn start(&mut self, tag: &BytesStart, line: usize) -> Result<(), DataError> {
        let name = tag.local_name().as_ref().to_owned();
        if self.path.is_empty() && name != "benchmark" {
            let message = format!("<{}> where WebNLG's XML begins with <benchmark>", shown(&name));
            return Err(self.broken(line, message));
        }
        match name.as_str() {
            "entry" => {
                self.entry = Entry { line, ..Entry::default() };
                self.originals = 0;
            }
            "originaltripleset" => self.originals += 1,
            "lex" => {
                let (language, mark) = (self.attribute(tag, "lang", line)?, self.attribute(tag, "comment", line)?);
                self.entry.texts.push(Text { text: String::new(), language, mark, line: Some(line) });
            }
            _ => {}
        }
        if let Some(outer) = self.path.last_mut() {
            outer.is_outer = true;
            if outer.name == "lex" && !self.text.trim().is_empty() {
                self.entry.why.get_or_insert_with(|| torn(line));
            }
        }
        // What is between the tags of an element that holds others is no text.
        self.text.clear();
        self.path.push(Open { name, line, is_outer: false });
        Ok(())
    }

    /// Closes the innermost element; gives the entry, if it was one.
    fn end(&mut self) -> Option<Entry> {
        let open = self.path.pop()?;
        let text = std::mem::take(&mut self.text);
        let within = |name: &str| self.path.last().is_some_and(|outer| outer.name == name);
        match open.name.as_str() {
            "mtriple" if within("modifiedtripleset") => self.entry.modified.push(text),
            "otriple" if within("originaltripleset") && self.originals == 1 => self.entry.original.push(text),
            "text" if within("lex") => {
                if let Some(lex) = self.entry.texts.last_mut() {
                    lex.text = text;
                }
            }
            "lex" if open.is_outer && !text.trim().is_empty() => {
                self.entry.why.get_or_insert_with(|| torn(open.line));
            }
            "lex" if !open.is_outer => {
                if let Some(lex) = self.entry.texts.last_mut() {
                    lex.text = text;
                }
            }
            "entry" => return Some(std::mem::take(&mut self.entry)),
            _ => {}
        }
        None
    }

    /// An attribute of a tag; empty where it has none.
    fn attribute(&self, tag: &BytesStart, name: &str, line: usize) -> Result<String, DataError> {
        for attribute in tag.attributes() {
            let attribute =
                attribute.map_err(|error| self.broken(line, format!("not XML: {}", shown(&error.to_string()))))?;
            if attribute.key.local_name().as_ref() == name {
                return Ok(attribute.value.trim().to_owned());
            }
        }
        Ok(String::new())
    }

    fn broken(&self, line: usize, message: String) -> DataError {
        DataError::Broken { file: self.input.name.clone(), line, message }
    }

    /// `line` is where the tag or the text begins that cannot be read: what never closes is read to the end of the file.
    fn failed(&self, error: Error, line: usize) -> DataError {
        match error {
            Error::Io(source) => self.input.unreadable(io::Error::new(source.kind(), source.to_string())),
            Error::Encoding(_) => {
                let line = self.reader.get_ref().line;
                DataError::Utf8 { file: self.input.name.clone(), line, advice: ADVICE }
            }
            Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let opened = self.path.last().map_or(line, |open| open.line);
                let message = format!(
                    "not XML: </{}> where </{}> is needed, for the tag that line {opened} opens",
                    shown(&found),
                    shown(&expected)
                );
                self.broken(line, message)
            }
            Error::IllFormed(IllFormedError::UnclosedReference) => {
                self.broken(line, "not XML: a & that begins no entity; it is written &amp;".into())
            }
            error => self.broken(line, format!("not XML: {}", shown(&error.to_string()))),
        }
    }
}

fn torn(line: usize) -> String {
    format!("line {line}: a lex with both text and tags inside; < in a text is written &lt;")
}

/// The sign of an entity that XML itself has.
fn named(name: &str) -> Option<char> {
    let all = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
    all.into_iter().find(|(known, _)| *known == name).map(|(_, sign)| sign)
}

/// A file's bytes with the number of the line on which the next one is.
struct Counting<'a> {
    bytes: Bytes<'a>,
    line: usize,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.line += newlines(&buffer[..count]);
        Ok(count)
    }
}

impl BufRead for Counting<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let passed = self.bytes.buffer();
        self.line += newlines(&passed[..count.min(passed.len())]);
        self.bytes.consume(count);
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
