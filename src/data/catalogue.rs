//! Datasets by name. For now those that are embedded in the program.

use super::error::{DataError, shown};

/// A file inside the program.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// For messages; its ending tells the format.
    pub name: &'static str,
    pub bytes: &'static [u8],
}

/// A dataset of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What `data.id` names.
    pub id: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Column of the text, and of the label.
    pub text: &'static str,
    pub label: &'static str,
    pub train: File,
    pub validation: File,
    pub test: File,
}

macro_rules! demo {
    ($name:literal) => {
        File {
            name: concat!("builtin:demo/", $name),
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/", $name)),
        }
    };
}

/// Every dataset there is.
pub static CATALOGUE: &[Entry] = &[Entry {
    id: "builtin:demo",
    about: "short made-up reviews; which of the judgements counts (2 classes)",
    text: "sentence",
    label: "label",
    train: demo!("train.tsv"),
    validation: demo!("validation.tsv"),
    test: demo!("test.tsv"),
}];

/// The dataset called `id`.
pub fn find(id: &str) -> Result<&'static Entry, DataError> {
    CATALOGUE.iter().find(|entry| entry.id == id).ok_or_else(|| DataError::UnknownDataset {
        id: shown(id),
        present: CATALOGUE.iter().map(|entry| entry.id.to_owned()).collect(),
    })
}
