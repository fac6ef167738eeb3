//! A part's examples to rows of token ids, through a cache on disk that later runs and resumed ones share.

use super::dataset::{Example, Part};
use super::error::DataError;
use super::rows::Rows;
use super::store::{Facts, TokenStore, TokenWriter};
use super::tokens::{Cuts, Encode};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::path::Path;

/// Examples that are tokenised at a time.
const CHUNK: usize = 1024;

/// The rows of a part. `cache` is the folder that keeps them: a file named by what decides its content, the data's hash, how it
/// is read, and the tokenizer with its length. `progress` is told (examples done, in all), once at the end where the cache has them;
/// `Break` ends it with [`DataError::Interrupted`].
pub fn tokenise(
    part: &Part,
    encoder: &dyn Encode,
    cache: &Path,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<(Rows, Facts), DataError> {
    let path = cache.join(format!("{}.tokens", key(part, encoder)));
    if let Some(store) = TokenStore::open(&path)? {
        let _ = progress(part.examples, part.examples);
        let facts = store.facts;
        return Ok((store.into(), facts));
    }
    let mut writer = TokenWriter::create(&path, part.targets())?;
    let (mut done, mut cuts) = (0, Cuts::default());
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut write = |chunk: &mut Vec<Example>| -> Result<(), DataError> {
        let (rows, cut) = encoder.encode(chunk, done)?;
        rows.iter().try_for_each(|row| writer.push(row))?;
        cuts += cut;
        done += chunk.len();
        chunk.clear();
        match progress(done, part.examples) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(DataError::Interrupted { file: part.file.clone() }),
        }
    };
    let sha256 = part.each(|example| {
        chunk.push(example);
        if chunk.len() == CHUNK { write(&mut chunk) } else { Ok(()) }
    })?;
    if !chunk.is_empty() {
        write(&mut chunk)?;
    }
    // The name of the store says what was read the first time.
    if sha256 != part.sha256 {
        return Err(DataError::Changed { file: part.file.clone() });
    }
    let store = writer.finish(done, cuts)?;
    let facts = store.facts;
    Ok((store.into(), facts))
}

fn key(part: &Part, encoder: &dyn Encode) -> String {
    let hash = Sha256::new().chain_update(part.fingerprint()).chain_update(encoder.fingerprint()).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
