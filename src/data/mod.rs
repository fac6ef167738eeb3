//! Catalogue, file formats, tasks, tokenising, batches.

pub mod random;
