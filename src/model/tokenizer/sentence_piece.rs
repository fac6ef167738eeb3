//! A SentencePiece model: the fields of its protobuf message that a tokenizer needs
//! (<https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto>).

use super::super::source::{NamedBytes, SourceError};
use super::MOST_TOKENS;

/// What a piece is; numbers of the enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    /// Not used, or a byte.
    Other,
}

/// A piece and its log probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: PieceKind,
}

/// A unigram model.
#[derive(Debug, PartialEq)]
pub struct Model {
    pub pieces: Vec<Piece>,
    pub unk_id: usize,
    /// Empty where texts are not normalised.
    pub charsmap: Vec<u8>,
}

const UNIGRAM: u64 = 1;

impl Model {
    /// # Errors
    /// [`SourceError::Vocabulary`]: bytes that are no such message, or a model of another kind than unigram.
    pub fn read(file: &NamedBytes) -> Result<Model, SourceError> {
        let broken = |problem: String| SourceError::Vocabulary { file: file.name.clone(), problem };
        let (model, kind) = model(&file.bytes).map_err(|problem| {
            broken(format!("it is no SentencePiece model: {problem}; the download may be incomplete"))
        })?;
        if kind != UNIGRAM {
            let kind = ["", "unigram", "BPE", "word", "character"].get(kind as usize).copied().unwrap_or("unknown");
            return Err(broken(format!("a SentencePiece model of the {kind} kind; only unigram models are read")));
        }
        if model.unk_id >= model.pieces.len() {
            let count = model.pieces.len();
            return Err(broken(format!("its unknown piece is number {}, and it has {count} pieces", model.unk_id)));
        }
        Ok(model)
    }
}

/// The model, and the number of its kind.
fn model(bytes: &[u8]) -> Result<(Model, u64), String> {
    let mut model = Model { pieces: Vec::new(), unk_id: 0, charsmap: Vec::new() };
    let mut kind = UNIGRAM;
    for field in Message(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => {
                let number = model.pieces.len();
                if number >= MOST_TOKENS {
                    return Err(format!("more than {MOST_TOKENS} pieces"));
                }
                model.pieces.push(piece(bytes).map_err(|problem| format!("piece {number}: {problem}"))?);
            }
            (2, Value::Bytes(bytes)) => {
                for field in Message(bytes) {
                    match field? {
                        (3, Value::Number(number)) => kind = number,
                        (40, Value::Number(number)) => {
                            model.unk_id = usize::try_from(number).map_err(|_| "a piece number out of range")?;
                        }
                        _ => {}
                    }
                }
            }
            (3, Value::Bytes(bytes)) => {
                for field in Message(bytes) {
                    if let (2, Value::Bytes(bytes)) = field? {
                        model.charsmap = bytes.to_vec();
                    }
                }
            }
            _ => {}
        }
    }
    Ok((model, kind))
}

fn piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    for field in Message(bytes) {
        match field? {
            (1, Value::Bytes(text)) => {
                piece.text = std::str::from_utf8(text).map_err(|_| "not UTF-8 text")?.to_owned();
            }
            (2, Value::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Value::Number(number)) => {
                piece.kind = match number {
                    1 => PieceKind::Normal,
                    2 => PieceKind::Unknown,
                    3 => PieceKind::Control,
                    4 => PieceKind::UserDefined,
                    _ => PieceKind::Other,
                }
            }
            _ => {}
        }
    }
    match piece {
        Piece { text, .. } if text.is_empty() => Err("it is empty".into()),
        Piece { score, .. } if !score.is_finite() => Err("its score is not a number".into()),
        piece => Ok(piece),
    }
}

/// The value of a field, as the wire has it.
enum Value<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// The fields of a message in order; borrowed, so no length that a file claims is ever allocated.
struct Message<'a>(&'a [u8]);

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Message<'a> {
    fn field(&mut self) -> Result<(u64, Value<'a>), String> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Fixed32(bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte)))
            }
            other => return Err(format!("a field of the unknown wire type {other}")),
        };
        match tag >> 3 {
            0 => Err("a field without a number".into()),
            field => Ok((field, value)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of more than 64 bits".into())
    }
}

const CUT: &str = "it ends within a field";
