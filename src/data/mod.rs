//! Text data: from files with named columns to padded batches of token ids. Knows settings, not models or runs.

pub mod batches;
pub mod catalogue;
pub mod chat;
pub mod columns;
pub mod dataset;
pub mod dialogue;
pub mod error;
pub mod form;
pub mod formats;
pub mod hub;
pub mod input;
pub mod labels;
pub mod profile;
pub mod random;
pub mod reader;
pub mod repository;
pub mod rows;
pub mod sampler;
pub mod sources;
pub mod split;
pub mod store;
pub mod target;
pub mod tokenise;
pub mod tokens;
pub mod triples;

pub use batches::{Answers, Batch, evaluation_batches};
pub use dataset::{Content, Dataset, Example, Part};
pub use dialogue::{Counted, Dialogue, DialogueEncoder, Held};
pub use error::DataError;
pub use labels::Labels;
pub use rows::Rows;
pub use split::{SplitRule, split};
pub use target::{IGNORED, Target, TargetKind};
pub use tokenise::tokenise;
pub use tokens::{Cuts, Encode, Encoded, TextEncoder};
