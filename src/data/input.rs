//! The bytes of a data file, read once from front to back and hashed as they pass.

use super::error::{DataError, nearest_sibling};
use crate::experiment::regular;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A data file, on disk or in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Key of the setting that names it, e.g. `data.train`: for messages.
    pub setting: &'static str,
    /// As the user wrote it; its ending tells the format.
    pub name: String,
    pub place: Place,
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Disk(PathBuf),
    Memory(Cow<'static, [u8]>),
}

impl Input {
    /// A file of the disk.
    pub fn disk(setting: &'static str, path: &Path) -> Self {
        Self { setting, name: path.display().to_string(), place: Place::Disk(path.to_owned()) }
    }

    /// A file inside the program.
    pub fn embedded(setting: &'static str, name: &str, bytes: &'static [u8]) -> Self {
        Self { setting, name: name.to_owned(), place: Place::Memory(Cow::Borrowed(bytes)) }
    }

    /// Bytes at hand.
    pub fn memory(setting: &'static str, name: &str, bytes: &[u8]) -> Self {
        Self { setting, name: name.to_owned(), place: Place::Memory(Cow::Owned(bytes.to_owned())) }
    }

    /// Opens it to be read and hashed.
    pub(super) fn open(&self) -> Result<Bytes<'_>, DataError> {
        let reader: Box<dyn Read + '_> = match &self.place {
            Place::Disk(path) => Box::new(self.file(path)?),
            Place::Memory(bytes) => Box::new(&bytes[..]),
        };
        Ok(BufReader::with_capacity(1 << 18, Hashing { reader, hash: Sha256::new() }))
    }

    /// Opens the file of the disk.
    pub(super) fn file(&self, path: &Path) -> Result<File, DataError> {
        let file = regular::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                DataError::NotFound { setting: self.setting, file: self.name.clone(), nearest: nearest_sibling(path) }
            }
            _ => self.unreadable(source),
        })?;
        Ok(file)
    }

    /// SHA-256 of the content, hexadecimal.
    pub fn sha256(&self) -> Result<String, DataError> {
        finish(self.open()?).map_err(|source| self.unreadable(source))
    }

    pub(super) fn unreadable(&self, source: io::Error) -> DataError {
        DataError::Read { file: self.name.clone(), source }
    }
}

/// A file's bytes on their way, with the hash of those that passed.
pub(super) type Bytes<'a> = BufReader<Hashing<'a>>;

pub(super) struct Hashing<'a> {
    reader: Box<dyn Read + 'a>,
    hash: Sha256,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// Reads what is left and gives the hash of the whole, also where only the first rows were wanted.
pub(super) fn finish(mut bytes: Bytes) -> io::Result<String> {
    loop {
        let left = bytes.fill_buf()?.len();
        if left == 0 {
            return Ok(hex(&bytes.into_inner().hash.finalize()));
        }
        bytes.consume(left);
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
