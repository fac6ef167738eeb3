//! A run on disk. A run is a directory: a worker writes it, everything else reads it.

pub mod event;
pub mod view;
