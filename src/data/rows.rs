//! Rows of token ids, in memory or on disk: what loaders draw batches from.

use super::error::DataError;
use super::store::TokenStore;
use super::tokens::Encoded;
use std::sync::Arc;

/// Where the tokens of some rows are.
#[derive(Clone, Debug)]
enum Source {
    Memory(Arc<Vec<Encoded>>),
    Disk(Arc<TokenStore>),
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Source::Memory(rows) => rows.len(),
            Source::Disk(store) => store.len(),
        }
    }
}

/// Rows in an order, drawn from one or more sources. Cheap to clone: tokens are shared.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    sources: Vec<Source>,
    /// Source and place in it of each row.
    places: Vec<(u32, u32)>,
}

impl From<Vec<Encoded>> for Rows {
    fn from(rows: Vec<Encoded>) -> Rows {
        Rows::of(Source::Memory(Arc::new(rows)))
    }
}

impl From<TokenStore> for Rows {
    fn from(store: TokenStore) -> Rows {
        Rows::of(Source::Disk(Arc::new(store)))
    }
}

impl Rows {
    fn of(source: Source) -> Rows {
        let places = (0..source.len() as u32).map(|row| (0, row)).collect();
        Rows { sources: vec![source], places }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Tokens of a row, special tokens included; 0 for a row that is not there.
    pub fn length(&self, row: usize) -> usize {
        match self.place(row) {
            Some((Source::Memory(rows), place)) => rows.get(place).map_or(0, |row| row.ids.len()),
            Some((Source::Disk(store), place)) => store.length(place),
            None => 0,
        }
    }

    /// Tokens of every row.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|row| self.length(row)).collect()
    }

    /// Place in its file of the example that a row is of.
    pub fn example(&self, row: usize) -> u32 {
        match self.place(row) {
            Some((Source::Memory(rows), place)) => rows.get(place).map_or(0, |row| row.example),
            Some((Source::Disk(store), place)) => store.example(place),
            None => 0,
        }
    }

    /// A row. An error where the disk fails.
    pub fn get(&self, row: usize) -> Result<Encoded, DataError> {
        let beyond = || DataError::NoRow { row, rows: self.len() };
        match self.place(row).ok_or_else(beyond)? {
            (Source::Memory(rows), place) => rows.get(place).cloned().ok_or_else(beyond),
            (Source::Disk(store), place) => store.read(place),
        }
    }

    /// Every row, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Encoded, DataError>> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    fn place(&self, row: usize) -> Option<(&Source, usize)> {
        let (source, place) = self.places.get(row)?;
        Some((self.sources.get(*source as usize)?, *place as usize))
    }

    /// The rows at `places` of these, in that order.
    pub fn select(&self, places: impl IntoIterator<Item = usize>) -> Rows {
        let places = places.into_iter().filter_map(|row| self.places.get(row).copied()).collect();
        Rows { sources: self.sources.clone(), places }
    }

    /// These rows, then `other`.
    pub fn chain(&self, other: &Rows) -> Rows {
        let shift = self.sources.len() as u32;
        Rows {
            sources: self.sources.iter().chain(&other.sources).cloned().collect(),
            places: self
                .places
                .iter()
                .copied()
                .chain(other.places.iter().map(|(source, row)| (source + shift, *row)))
                .collect(),
        }
    }
}
