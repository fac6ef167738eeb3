//! Token ids on disk: written once, read row by row, so that data larger than memory can be trained on.
//!
//! A file is `MAGIC`, the rows, an index, and a tail. A row of n tokens is n ids (u32), n segments (u8), and its target: one u32
//! or f32, or n u32 for tags; all little-endian. The index has length and example (u32 each) of every row; the tail is the
//! [`Facts`], with a checksum of the rest, as JSON, its size (u64) and `MAGIC` again, so that a torn file is known.

use super::error::DataError;
use super::target::{Target, TargetKind};
use super::tokens::{Cuts, Encoded};
use crate::experiment::atomic::clear_abandoned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ALTOKEN2";

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub rows: usize,
    /// Examples of which the rows are: fewer, where sentences are in pieces.
    pub examples: usize,
    pub targets: TargetKind,
    pub cuts: Cuts,
    /// CRC-32 of everything before the facts: a damaged store would train on other data.
    pub checksum: u32,
}

/// Rows of token ids in a file.
#[derive(Debug)]
pub struct TokenStore {
    path: PathBuf,
    file: File,
    pub facts: Facts,
    lengths: Vec<u32>,
    examples: Vec<u32>,
    /// Where each row begins.
    offsets: Vec<u64>,
}

/// Bytes of a row of `tokens` tokens.
fn row_bytes(targets: TargetKind, tokens: usize) -> usize {
    let target = if targets == TargetKind::Tags { 4 * tokens } else { 4 };
    5 * tokens + target
}

impl TokenStore {
    /// Opens a whole store; none where there is no such file, or it is torn or damaged: it is to be written again then.
    pub fn open(path: &Path) -> Result<Option<TokenStore>, DataError> {
        let failed = |source| DataError::Cache { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => read_index(path, file).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Tokens of a row; 0 beyond the last.
    pub fn length(&self, row: usize) -> usize {
        self.lengths.get(row).map_or(0, |length| *length as usize)
    }

    /// Place of the example that a row is of.
    pub fn example(&self, row: usize) -> u32 {
        self.examples.get(row).copied().unwrap_or(0)
    }

    /// A row, read from the disk (or its cache in memory).
    pub fn read(&self, row: usize) -> Result<Encoded, DataError> {
        let beyond = || DataError::NoRow { row, rows: self.len() };
        let (tokens, offset) = (self.length(row), self.offsets.get(row).ok_or_else(beyond)?);
        let mut bytes = vec![0; row_bytes(self.facts.targets, tokens)];
        self.file
            .read_exact_at(&mut bytes, *offset)
            .map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        let (ids, rest) = bytes.split_at(4 * tokens);
        let (type_ids, target) = rest.split_at(tokens);
        let target = words(target);
        let first = target.first().copied().unwrap_or(0);
        Ok(Encoded {
            ids: words(ids),
            type_ids: type_ids.iter().map(|id| u32::from(*id)).collect(),
            target: match self.facts.targets {
                TargetKind::Class => Target::Class(first),
                TargetKind::Score => Target::Score(f32::from_bits(first)),
                TargetKind::Tags => Target::Tags(target),
            },
            example: self.example(row),
        })
    }
}

/// CRC-32 of the first `length` bytes.
fn checksum(file: &File, length: u64) -> io::Result<u32> {
    let mut hash = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < length {
        let count = buffer.len().min((length - at) as usize);
        file.read_exact_at(&mut buffer[..count], at)?;
        hash.update(&buffer[..count]);
        at += count as u64;
    }
    Ok(hash.finalize())
}

fn read_index(path: &Path, file: File) -> io::Result<Option<TokenStore>> {
    let size = file.metadata()?.len();
    let mut tail = [0; 16];
    let Some(at) = size.checked_sub(16) else { return Ok(None) };
    file.read_exact_at(&mut tail, at)?;
    let (json_size, magic) = tail.split_at(8);
    if magic != MAGIC {
        return Ok(None);
    }
    let json_size = json_size.try_into().map_or(0, u64::from_le_bytes);
    let Some(json_at) = at.checked_sub(json_size) else { return Ok(None) };
    let mut json = vec![0; json_size as usize];
    file.read_exact_at(&mut json, json_at)?;
    let Ok(facts) = serde_json::from_slice::<Facts>(&json) else { return Ok(None) };
    let Some(index_at) = json_at.checked_sub(8 * facts.rows as u64) else { return Ok(None) };
    let mut index = vec![0; 8 * facts.rows];
    file.read_exact_at(&mut index, index_at)?;
    let pairs = index.as_chunks::<8>().0;
    let half = |pair: &[u8; 8], high: bool| (u64::from_le_bytes(*pair) >> if high { 32 } else { 0 }) as u32;
    let lengths: Vec<u32> = pairs.iter().map(|pair| half(pair, false)).collect();
    let examples = pairs.iter().map(|pair| half(pair, true)).collect();
    let mut offset = MAGIC.len() as u64;
    let mut offsets = Vec::with_capacity(lengths.len());
    for length in &lengths {
        offsets.push(offset);
        offset += row_bytes(facts.targets, *length as usize) as u64;
    }
    if offset != index_at || checksum(&file, json_at)? != facts.checksum {
        return Ok(None);
    }
    Ok(Some(TokenStore { path: path.to_owned(), file, facts, lengths, examples, offsets }))
}

/// Writes a store beside its place, and puts it there when it is whole.
pub struct TokenWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    targets: TargetKind,
    index: Vec<u8>,
    rows: usize,
    hash: crc32fast::Hasher,
}

impl TokenWriter {
    /// Begins the store that is to be at `path`; its folder is made.
    pub fn create(path: &Path, targets: TargetKind) -> Result<TokenWriter, DataError> {
        // Two runs may make the same store at once: each writes its own, the last rename wins.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        // Of any store: a preflight that was killed may have been the only one of its settings.
        if let Some(folder) = path.parent() {
            clear_abandoned(folder, "", &["tmp"]);
        }
        let begin = || -> io::Result<BufWriter<File>> {
            fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            let mut file = BufWriter::with_capacity(1 << 20, File::create(&temporary)?);
            file.write_all(MAGIC)?;
            Ok(file)
        };
        let file = begin().map_err(|source| DataError::Cache { path: path.to_owned(), source })?;
        let mut hash = crc32fast::Hasher::new();
        hash.update(MAGIC);
        Ok(TokenWriter { path: path.to_owned(), temporary, file, targets, index: Vec::new(), rows: 0, hash })
    }

    /// Adds a row; its target is of the store's kind.
    pub fn push(&mut self, row: &Encoded) -> Result<(), DataError> {
        let mut bytes = Vec::with_capacity(row_bytes(self.targets, row.ids.len()));
        bytes.extend(row.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(row.type_ids.iter().map(|id| (*id).min(255) as u8));
        match &row.target {
            Target::Class(id) => bytes.extend(id.to_le_bytes()),
            Target::Score(score) => bytes.extend(score.to_le_bytes()),
            Target::Tags(tags) => bytes.extend(tags.iter().flat_map(|tag| tag.to_le_bytes())),
        }
        self.index.extend((row.ids.len() as u32).to_le_bytes());
        self.index.extend(row.example.to_le_bytes());
        self.rows += 1;
        self.hash.update(&bytes);
        self.file.write_all(&bytes).map_err(|source| self.failed(source))
    }

    /// Ends the store, makes it durable and opens it.
    pub fn finish(mut self, examples: usize, cuts: Cuts) -> Result<TokenStore, DataError> {
        self.hash.update(&self.index);
        let checksum = self.hash.clone().finalize();
        let facts = Facts { rows: self.rows, examples, targets: self.targets, cuts, checksum };
        let end = |writer: &mut TokenWriter| -> io::Result<()> {
            let json = serde_json::to_vec(&facts)?;
            writer.file.write_all(&writer.index)?;
            writer.file.write_all(&json)?;
            writer.file.write_all(&(json.len() as u64).to_le_bytes())?;
            writer.file.write_all(MAGIC)?;
            writer.file.flush()?;
            writer.file.get_ref().sync_all()?;
            fs::rename(&writer.temporary, &writer.path)
        };
        end(&mut self).map_err(|source| self.failed(source))?;
        let torn = || io::Error::other("the file that was just written is torn");
        TokenStore::open(&self.path)?.ok_or_else(|| self.failed(torn()))
    }

    fn failed(&self, source: io::Error) -> DataError {
        DataError::Cache { path: self.path.clone(), source }
    }
}

impl Drop for TokenWriter {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Encoded> {
        let row = |ids: &[u32], tags: &[u32], example| Encoded {
            ids: ids.to_vec(),
            type_ids: vec![1; ids.len()],
            target: Target::Tags(tags.to_vec()),
            example,
        };
        vec![row(&[7, 70_000, 3], &[u32::MAX, 2, 1], 0), row(&[], &[], 1), row(&[5], &[0], 1)]
    }

    fn write(path: &Path) -> TokenStore {
        let mut writer = TokenWriter::create(path, TargetKind::Tags).unwrap();
        rows().iter().for_each(|row| writer.push(row).unwrap());
        writer.finish(2, Cuts { split: 1, ..Cuts::default() }).unwrap()
    }

    #[test]
    fn rows_come_back_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = write(&folder.path().join("deep/er/x.tokens"));
        assert_eq!((store.len(), store.facts.examples, store.facts.cuts.split), (3, 2, 1));
        for place in [2, 0, 1, 0] {
            assert_eq!(store.read(place).unwrap(), rows()[place]);
        }
        assert!(store.read(3).is_err());
        assert_eq!(fs::read_dir(folder.path().join("deep/er")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_torn_store_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tokens");
        write(&path);
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, 20, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(TokenStore::open(&path).unwrap().is_none(), "{length} of {} bytes", whole.len());
        }
        let mut lost = whole.clone();
        lost.drain(8..12);
        fs::write(&path, lost).unwrap();
        assert!(TokenStore::open(&path).unwrap().is_none(), "a row lacks four bytes");
        fs::write(&path, whole).unwrap();
        assert!(TokenStore::open(&path).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_process_left_of_any_store_is_swept_once_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let left = |name: String, age: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
            path
        };
        let dead = i32::MAX;
        let old = left(format!("other.{dead}.tmp"), 3600);
        let stays = [
            left(format!("young.{dead}.tmp"), 5),
            left(format!("own.{}.tmp", std::process::id()), 3600),
            left("y.tokens".into(), 3600),
        ];
        write(&folder.path().join("x.tokens"));
        assert!(!old.exists());
        assert!(stays.iter().all(|path| path.exists()));
    }
}
