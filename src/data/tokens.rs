//! Texts to token ids, with a model's own tokenizer.json.

use super::dataset::{Content, Example};
use super::error::DataError;
use super::target::{IGNORED, Target};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{Encoding, InputSequence, PostProcessor, Tokenizer};
use tokenizers::{TruncationDirection, TruncationParams, TruncationStrategy};

/// The token ids of one row, special tokens included, not padded.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub ids: Vec<u32>,
    /// Segment of each token, as long as `ids`.
    pub type_ids: Vec<u32>,
    pub target: Target,
    /// Place of the example that the row is of, or is a piece of.
    pub example: u32,
}

/// What tokenising had to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuts {
    /// Texts that lost their end.
    pub truncated: usize,
    /// Tagged sentences in pieces, since no word may be lost, and words that are not in the first piece.
    pub split: usize,
    pub moved_words: usize,
    /// Words that are no token at all: they became the unknown token, to keep their tag.
    pub unknown_words: usize,
}

impl std::ops::AddAssign for Cuts {
    fn add_assign(&mut self, other: Cuts) {
        self.truncated += other.truncated;
        self.split += other.split;
        self.moved_words += other.moved_words;
        self.unknown_words += other.unknown_words;
    }
}

/// From examples to rows of ids.
pub trait Encode {
    /// What decides the rows beside the examples: the tokenizer's file, the length, ... For keys of caches.
    fn fingerprint(&self) -> String;

    /// Encodes examples on all threads, in order; the first of them is number `first` of its file.
    fn encode(&self, examples: &[Example], first: usize) -> Result<(Vec<Encoded>, Cuts), DataError>;
}

/// A tokenizer that cuts to a length of ours and never pads.
pub struct TextEncoder {
    tokenizer: Tokenizer,
    /// The same for words of a sentence: uncut, and a space before every word.
    words: Tokenizer,
    file: String,
    pad_id: u32,
    max_length: usize,
    /// Special tokens that a single text gets.
    added: usize,
    sha256: String,
}

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
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(failed)?;
        let mut words = tokenizer.clone();
        space_before_words(&mut words);
        let truncation = TruncationParams {
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
            stride: 0,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
        let added = words.get_post_processor().map_or(0, |p| p.added_tokens(false));
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { tokenizer, words, file: file.to_owned(), pad_id, max_length, added, sha256 })
    }

    /// The id that fills a batch: the file's own, else that of `[PAD]` or `<pad>`, else 0 (which the mask hides).
    pub fn pad_id(&self) -> u32 {
        self.pad_id
    }

    /// Number of ids, added tokens included: the model's embedding must have at least as many rows.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The rows of a sentence: as many words as fit, then the next. `whole` is the sentence without special tokens.
    fn sentence(
        &self,
        words: &[String],
        tags: &[u32],
        whole: &Encoding,
        place: u32,
        cuts: &mut Cuts,
    ) -> tokenizers::Result<Vec<Encoded>> {
        let room = self.max_length.saturating_sub(self.added).max(1);
        let mut sizes = vec![0; words.len()];
        for word in whole.get_word_ids().iter().flatten() {
            if let Some(size) = sizes.get_mut(*word as usize) {
                *size += 1;
            }
        }
        let lost = sizes.iter().filter(|size| **size == 0).count();
        cuts.unknown_words += lost;
        let unknown = if lost > 0 { self.unknown() } else { String::new() };
        let named = |place: usize| if sizes[place] == 0 { unknown.as_str() } else { words[place].as_str() };
        let mut rows = Vec::new();
        let mut next = 0;
        while next < words.len() {
            let (begin, mut used) = (next, 0);
            // A word longer than a row is alone in its row, and cut: its first sub-word has the tag.
            while next < words.len() && (next == begin || used + sizes[next].max(1) <= room) {
                used += sizes[next].max(1);
                next += 1;
            }
            let mut encoding = if (begin, next, lost) == (0, words.len(), 0) {
                self.words.post_process(whole.clone(), None, true)?
            } else {
                let piece: Vec<&str> = (begin..next).map(named).collect();
                self.words.encode(InputSequence::from(piece), true)?
            };
            if encoding.len() > self.max_length {
                let mut bare = self.words.encode(InputSequence::from(vec![named(begin)]), false)?;
                bare.truncate(room, 0, TruncationDirection::Right);
                encoding = self.words.post_process(bare, None, true)?;
            }
            let mut before = None;
            let tag = |word: &Option<u32>| {
                let begins = word.is_some() && *word != before;
                before = *word;
                word.filter(|_| begins).and_then(|word| tags.get(begin + word as usize).copied()).unwrap_or(IGNORED)
            };
            let target = Target::Tags(encoding.get_word_ids().iter().map(tag).collect());
            rows.push(row(&encoding, target, place));
            if rows.len() > 1 {
                cuts.moved_words += next - begin;
            }
        }
        cuts.split += usize::from(rows.len() > 1);
        Ok(rows)
    }

    /// What stands for a word that is no token.
    fn unknown(&self) -> String {
        let tokens = ["[UNK]", "<unk>"];
        tokens.into_iter().find(|token| self.words.token_to_id(token).is_some()).unwrap_or("?").to_owned()
    }
}

impl Encode for TextEncoder {
    fn fingerprint(&self) -> String {
        format!("{} {}", self.sha256, self.max_length)
    }

    /// A text is one row; a sentence of words is cut between words into as many rows as it needs.
    fn encode(&self, examples: &[Example], first: usize) -> Result<(Vec<Encoded>, Cuts), DataError> {
        let failed = |e: tokenizers::Error| DataError::Encode {
            file: self.file.clone(),
            row: first + 1,
            message: super::error::shown(&e.to_string()),
        };
        let (mut rows, mut cuts) = (Vec::with_capacity(examples.len()), Cuts::default());
        let mut texts: Vec<tokenizers::EncodeInput> = Vec::new();
        let mut sentences: Vec<InputSequence> = Vec::new();
        for example in examples {
            match &example.content {
                Content::Text { text, pair: Some(pair) } => texts.push((text.as_str(), pair.as_str()).into()),
                Content::Text { text, pair: None } => texts.push(text.as_str().into()),
                Content::Words(words) => sentences.push(words.as_slice().into()),
                Content::Dialogue(_) | Content::Instruction(_) => {}
            }
        }
        let mut texts = self.tokenizer.encode_batch_fast(texts, true).map_err(failed)?.into_iter();
        let mut sentences = self.words.encode_batch(sentences, false).map_err(failed)?.into_iter();
        for (place, example) in (first as u32..).zip(examples) {
            match &example.content {
                Content::Text { .. } => {
                    let Some(encoding) = texts.next() else { break };
                    cuts.truncated += usize::from(!encoding.get_overflowing().is_empty());
                    rows.push(row(&encoding, example.target.clone(), place));
                }
                Content::Words(words) => {
                    let Some(encoding) = sentences.next() else { break };
                    let tags = if let Target::Tags(tags) = &example.target { tags.as_slice() } else { &[] };
                    rows.extend(self.sentence(words, tags, &encoding, place, &mut cuts).map_err(failed)?);
                }
                // A decoder's encoder reads these.
                Content::Dialogue(_) | Content::Instruction(_) => {}
            }
        }
        Ok((rows, cuts))
    }
}

fn row(encoding: &Encoding, target: Target, example: u32) -> Encoded {
    Encoded { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec(), target, example }
}

/// Words of a sentence come one by one, so the space before a word has to be put there: transformers' `add_prefix_space`.
fn space_before_words(tokenizer: &mut Tokenizer) {
    let Some(mut kind) = tokenizer.get_pre_tokenizer().cloned() else { return };
    fn set(kind: &mut PreTokenizerWrapper) {
        match kind {
            PreTokenizerWrapper::ByteLevel(bytes) => bytes.add_prefix_space = true,
            PreTokenizerWrapper::Sequence(parts) => parts.as_mut().iter_mut().for_each(set),
            _ => {}
        }
    }
    set(&mut kind);
    tokenizer.with_pre_tokenizer(Some(kind));
}
