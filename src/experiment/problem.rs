//! What is wrong with a preset: every problem at once, as plain data for the form and as a miette report for people.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::ops::Range;

/// Where a problem was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the preset's text: bytes, and for people line and column, from 1.
    Text { span: Range<usize>, line: usize, column: usize },
    /// In an argument `--set KEY=VALUE`.
    Set(String),
    /// Nowhere: something needed is missing, or comes from a default.
    Unsaid,
}

impl Place {
    /// The line of the preset, from 1, where it is in its text.
    pub fn line(&self) -> Option<usize> {
        match self {
            Place::Text { line, .. } => Some(*line),
            _ => None,
        }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as in [`super::Setting::key`], or the wrong key as it was written; empty for a syntax error.
    pub key: String,
    /// Where it was said.
    pub place: Place,
    /// What is wrong and what is allowed, to follow the key: the form shows it beside the field.
    pub message: String,
    /// What to write instead, where that can be known.
    pub help: Option<String>,
}

impl Problem {
    /// What is wrong with which key, without its place in a text that the user may not see.
    pub fn what(&self) -> String {
        match self.key.as_str() {
            "" => self.message.clone(),
            key => format!("{key} {}", self.message),
        }
    }

    /// The line of the preset, from 1, where it was said there.
    pub fn line(&self) -> Option<usize> {
        self.place.line()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Text { line, .. } => write!(f, "line {line}: ")?,
            Place::Set(argument) => write!(f, "--set {argument}: ")?,
            Place::Unsaid => {}
        }
        f.write_str(&self.what())
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match &self.place {
            Place::Text { span, .. } => Some(Box::new(std::iter::once(LabeledSpan::underline(span.clone())))),
            _ => None,
        }
    }
}

/// Every problem of a preset and its `--set` arguments. Never empty.
#[derive(Debug)]
pub struct Problems {
    name: String,
    source: NamedSource<String>,
    list: Vec<Problem>,
}

impl Problems {
    /// The problems `list` of the preset `name` with the text `text`, in the order of the text.
    pub fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Problems {
        // Stable, so that the problems of one place, and those of no place, keep their order.
        list.sort_by_key(|problem| match &problem.place {
            Place::Text { span, .. } => (0, span.start),
            Place::Set(_) => (1, 0),
            Place::Unsaid => (2, 0),
        });
        let name = printable(name);
        Problems { source: NamedSource::new(&name, printable(text)), name, list }
    }

    /// The problems, those of the text first and in its order.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// The exit code of a verb that ends by this.
    pub fn exit_code(&self) -> u8 {
        2
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list.len() {
            1 => write!(f, "1 problem in {}", self.name),
            n => write!(f, "{n} problems in {}", self.name),
        }
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Whether a character changes the order in which a terminal shows those around it: what is read is then not what is there.
pub(crate) fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character steers a terminal instead of being shown: a control, or one that [`reorders`].
pub(crate) fn steers(c: char) -> bool {
    c.is_control() || reorders(c)
}

/// A text as an error quotes it: one that goes on and on loses its middle.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 120;
    const KEPT: usize = 50;
    let count = text.chars().count();
    if count <= MOST {
        return format!("{text:?}");
    }
    let first: String = text.chars().take(KEPT).collect();
    let last: String = text.chars().skip(count - KEPT).collect();
    format!("{:?} ({count} characters)", format!("{first}...{last}"))
}

/// The text with every control character but newline and tab replaced, and what reorders text, byte for byte so that spans
/// hold: what a file holds must not steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let replaced = steers(c) && !matches!(c, '\n' | '\t');
            let filler = if c == '\r' { ' ' } else { '?' };
            let (c, count) = if replaced { (filler, c.len_utf8()) } else { (c, 1) };
            std::iter::repeat_n(c, count)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_byte_for_byte() {
        let text = "a\u{1b}[31m\u{9b}b\tc\u{202e}d\r\n";
        let shown = printable(text);
        assert_eq!(shown, "a?[31m??b\tc???d \n");
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn what_is_very_long_is_quoted_without_its_middle() {
        assert_eq!(quoted("a\u{1b}"), "\"a\\u{1b}\"");
        let long = quoted(&format!("begin{}end", "x".repeat(10_000)));
        assert!(
            long.starts_with("\"beginx") && long.ends_with("xend\" (10008 characters)") && long.len() < 140,
            "{long}"
        );
    }
}
