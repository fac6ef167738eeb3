//! Class labels: from what a file says to class ids.

use super::error::{DataError, shown};
use super::table::Table;
use std::collections::{BTreeMap, BTreeSet};

/// The classes of a task; the id of a class is its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub names: Vec<String>,
}

impl Labels {
    /// The classes of the training labels. Whole numbers 0..n-1 are class ids; other labels take the ids of the model's
    /// `label2id` where it covers all of them, else their place in sorted order (numbers by value). `model` holds the
    /// model's class names by id, if it has any.
    ///
    /// Errors where there is one class only.
    pub fn learn(file: &str, train: &[&str], model: Option<&[String]>) -> Result<Self, DataError> {
        let seen: BTreeSet<&str> = train.iter().copied().collect();
        if seen.len() < 2 {
            let label = seen.first().map_or(String::new(), |label| shown(label));
            return Err(DataError::OneLabel { file: file.to_owned(), label });
        }
        if let Some(names) = model.filter(|names| seen.iter().all(|label| names.iter().any(|name| name == label))) {
            return Ok(Self { names: names.to_vec() });
        }
        let numbers: Option<BTreeMap<i64, &str>> = seen.iter().map(|l| Some((l.parse().ok()?, *l))).collect();
        let names = match numbers {
            Some(numbers) if numbers.len() == seen.len() => numbers.into_values().map(str::to_owned).collect(),
            _ => seen.into_iter().map(str::to_owned).collect(),
        };
        Ok(Self { names })
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The id of a label.
    pub fn id(&self, label: &str) -> Option<u32> {
        self.names.iter().position(|name| name == label).map(|place| place as u32)
    }

    /// The ids of the labels of `table`, at `field` of its rows; one that training has not seen is an error.
    pub fn ids(&self, table: &Table, field: usize, train_file: &str) -> Result<Vec<u32>, DataError> {
        let index: BTreeMap<&str, u32> = self.names.iter().map(String::as_str).zip(0..).collect();
        let id = |label: &str, line| {
            index.get(label).copied().ok_or_else(|| DataError::UnknownLabel {
                file: table.file.clone(),
                line,
                label: shown(label),
                train_file: train_file.to_owned(),
                known: self.names.iter().map(|name| shown(name)).collect(),
            })
        };
        table.rows.iter().map(|row| id(&row.fields[field], row.line)).collect()
    }
}
