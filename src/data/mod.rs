//! Text data: from files with named columns to padded batches of token ids. Knows settings, not models or runs.

pub mod batches;
pub mod catalogue;
pub mod dataset;
pub mod error;
pub mod formats;
pub mod hub;
pub mod input;
pub mod labels;
pub mod random;
pub mod reader;
pub mod sampler;
pub mod split;
pub mod table;
pub mod tokens;

pub use batches::{Batch, evaluation_batches};
pub use dataset::{Dataset, Example, Part};
pub use error::DataError;
pub use labels::Labels;
pub use split::{Splits, split};
pub use tokens::{Encoded, EncodedRows, TextEncoder};
