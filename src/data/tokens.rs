//! Texts to token ids, with a model's own tokenizer.json.

use super::dataset::Example;
use super::error::DataError;
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

/// The token ids of one row, special tokens included, not padded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub ids: Vec<u32>,
    /// Segment of each token, as long as `ids`.
    pub type_ids: Vec<u32>,
    /// Class id.
    pub label: u32,
}

/// Rows as token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRows {
    pub rows: Vec<Encoded>,
    /// How many of them were cut to the maximum length.
    pub truncated: usize,
}

/// A tokenizer that cuts to a length of ours and never pads.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    file: String,
    pad_id: u32,
}

/// Rows between two calls of a progress function.
const CHUNK: usize = 1024;

impl TextEncoder {
    /// Reads a tokenizer.json; `file` is its name for messages. Truncation and padding that the file sets are overridden:
    /// rows are cut to `max_length` tokens, the longer text of a pair first, on the right.
    pub fn new(file: &str, bytes: &[u8], max_length: usize) -> Result<Self, DataError> {
        let failed = |e: tokenizers::Error| DataError::Tokenizer {
            file: file.to_owned(),
            message: super::error::shown(&e.to_string()),
        };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
        let added = tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(true));
        if max_length <= added {
            return Err(DataError::TooShort { max_length, added });
        }
        let pad_id = tokenizer
            .get_padding()
            .map(|padding| padding.pad_id)
            .or_else(|| ["[PAD]", "<pad>"].into_iter().find_map(|token| tokenizer.token_to_id(token)))
            .unwrap_or(0);
        let truncation = TruncationParams {
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
            stride: 0,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, file: file.to_owned(), pad_id })
    }

    /// The id that fills a batch: the file's own, else that of `[PAD]` or `<pad>`, else 0 (which the mask hides).
    pub fn pad_id(&self) -> u32 {
        self.pad_id
    }

    /// Number of ids, added tokens included: the model's embedding must have at least as many rows.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// Encodes rows on all threads, in order. `progress` is told (rows done, rows in all) as it goes.
    pub fn encode(
        &self,
        examples: &[Example],
        mut progress: impl FnMut(usize, usize),
    ) -> Result<EncodedRows, DataError> {
        let mut out = EncodedRows { rows: Vec::with_capacity(examples.len()), truncated: 0 };
        for chunk in examples.chunks(CHUNK) {
            let inputs: Vec<tokenizers::EncodeInput> = chunk
                .iter()
                .map(|row| match &row.pair {
                    Some(pair) => (row.text.as_str(), pair.as_str()).into(),
                    None => row.text.as_str().into(),
                })
                .collect();
            let encodings = self.tokenizer.encode_batch_fast(inputs, true).map_err(|e| DataError::Encode {
                file: self.file.clone(),
                row: out.rows.len() + 1,
                message: super::error::shown(&e.to_string()),
            })?;
            for (encoding, row) in encodings.iter().zip(chunk) {
                out.truncated += usize::from(!encoding.get_overflowing().is_empty());
                let (ids, type_ids) = (encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec());
                out.rows.push(Encoded { ids, type_ids, label: row.label });
            }
            progress(out.rows.len(), examples.len());
        }
        Ok(out)
    }
}
