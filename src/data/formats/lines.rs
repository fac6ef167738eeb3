//! A text file line by line, checked to be UTF-8.

use crate::data::error::DataError;
use crate::data::input::{Bytes, Input, finish};
use std::io::BufRead;

/// The lines of a file. Holds one line at a time.
pub(super) struct Lines<'a> {
    input: &'a Input,
    bytes: Bytes<'a>,
    line: Vec<u8>,
    number: usize,
}

/// A line longer than this is not text.
const LONGEST: u64 = 1 << 28;

/// What to do with text that is not UTF-8.
pub(super) const ADVICE: &str = "save it as UTF-8, or convert it, e.g. with `iconv -f LATIN1 -t UTF-8`";

impl<'a> Lines<'a> {
    pub fn open(input: &'a Input) -> Result<Self, DataError> {
        Ok(Self { input, bytes: input.open()?, line: Vec::new(), number: 0 })
    }

    /// The next line with its number, from 1, and its line end. Without the byte order mark.
    pub fn next(&mut self) -> Result<Option<(usize, &str)>, DataError> {
        self.line.clear();
        let mut limited = std::io::Read::take(&mut self.bytes, LONGEST);
        let count = limited.read_until(b'\n', &mut self.line).map_err(|source| self.input.unreadable(source))?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        let error = |advice| DataError::Utf8 { file: self.input.name.clone(), line: self.number, advice };
        let mut bytes = self.line.as_slice();
        if self.number == 1 {
            if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                return Err(error("it is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`"));
            }
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| error(ADVICE))?;
        Ok(Some((self.number, text)))
    }

    /// Reads to the end: the SHA-256 of the file.
    pub fn finish(self) -> Result<String, DataError> {
        finish(self.bytes).map_err(|source| self.input.unreadable(source))
    }
}

/// A line without its end, `\n` or `\r\n`.
pub(super) fn content(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}
