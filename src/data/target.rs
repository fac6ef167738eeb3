//! What a row is answered with.

use serde::{Deserialize, Serialize};

/// A position whose answer does not count: special tokens, later sub-words of a word.
pub const IGNORED: u32 = u32::MAX;

/// The answer to a row, in text or as tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Class id.
    Class(u32),
    /// The number of a regression.
    Score(f32),
    /// A class id a word; once tokenised one a token, [`IGNORED`] where no word begins.
    Tags(Vec<u32>),
}

/// Which kind of [`Target`] the rows of a set have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Class,
    Score,
    Tags,
}

impl Target {
    /// The class id of a [`Target::Class`].
    pub fn class(&self) -> Option<u32> {
        if let Target::Class(id) = self { Some(*id) } else { None }
    }

    /// The ids that count of a [`Target::Tags`].
    pub fn tags(&self) -> impl Iterator<Item = u32> {
        let tags: &[u32] = if let Target::Tags(tags) = self { tags } else { &[] };
        tags.iter().copied().filter(|tag| *tag != IGNORED)
    }

    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Class(_) => TargetKind::Class,
            Target::Score(_) => TargetKind::Score,
            Target::Tags(_) => TargetKind::Tags,
        }
    }
}
