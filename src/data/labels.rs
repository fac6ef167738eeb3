//! Labels: from what a file says to class ids, tags or scores.

use super::dataset::LABEL;
use super::error::{DataError, shown};
use super::table::Row;
use super::target::Target;
use crate::experiment::Task;
use std::collections::{BTreeMap, BTreeSet};

/// The classes of a task; the id of a class is its place. None in a regression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub names: Vec<String>,
    ids: BTreeMap<String, u32>,
}

/// The labels that a training file has, as it is read.
pub struct Learning {
    task: Task,
    seen: BTreeSet<String>,
}

impl Learning {
    pub fn new(task: Task) -> Learning {
        Learning { task, seen: BTreeSet::new() }
    }

    /// Notes the label of a training row.
    pub fn see(&mut self, row: Row) -> Result<(), DataError> {
        if self.task == Task::Classification
            && let Some(label) = row.fields.into_iter().nth(LABEL)
            && !self.seen.contains(&label)
        {
            self.seen.insert(label);
        }
        Ok(())
    }

    /// The classes of the training labels. Whole numbers 0..n-1 are class ids; other labels take the ids of the model's
    /// `label2id` where it covers all of them, else their place in sorted order (numbers by value). `model` holds the
    /// model's class names by id, if it has any. `file` names the training file in errors.
    ///
    /// Errors where there is one class only.
    pub fn finish(self, file: &str, model: Option<&[String]>) -> Result<Labels, DataError> {
        let seen = self.seen;
        if self.task == Task::Regression {
            return Ok(Labels::default());
        }
        if seen.len() < 2 {
            let label = seen.first().map_or(String::new(), |label| shown(label));
            return Err(DataError::OneLabel { file: file.to_owned(), label });
        }
        if let Some(names) = model.filter(|names| seen.iter().all(|label| names.contains(label))) {
            return Ok(Labels::of(names.to_vec()));
        }
        let numbers: Option<BTreeMap<i64, &String>> = seen.iter().map(|l| Some((l.parse().ok()?, l))).collect();
        Ok(Labels::of(match numbers {
            Some(numbers) if numbers.len() == seen.len() => numbers.into_values().cloned().collect(),
            _ => seen.into_iter().collect(),
        }))
    }
}

impl Labels {
    /// Classes in the order of their ids.
    pub fn of(names: Vec<String>) -> Labels {
        let ids = names.iter().cloned().zip(0..).collect();
        Labels { names, ids }
    }

    /// Outputs that a head needs: one a class, one in a regression.
    pub fn outputs(&self) -> usize {
        self.names.len().max(1)
    }

    /// The id of a label.
    pub fn id(&self, label: &str) -> Option<u32> {
        self.ids.get(label).copied()
    }

    /// The answer of a row; a label that training has not seen is an error, and so is a score that is no number.
    pub fn target(&self, task: Task, row: &Row, file: &str, train_file: &str) -> Result<Target, DataError> {
        let label = row.fields.get(LABEL).map_or("", String::as_str);
        match task {
            Task::Regression => match label.trim().parse::<f32>() {
                Ok(score) if score.is_finite() => Ok(Target::Score(score)),
                _ => Err(DataError::NoNumber { file: file.to_owned(), line: row.line, label: shown(label) }),
            },
            _ => self.id(label).map(Target::Class).ok_or_else(|| DataError::UnknownLabel {
                file: file.to_owned(),
                line: row.line,
                label: shown(label),
                train_file: train_file.to_owned(),
                known: self.names.iter().map(|name| shown(name)).collect(),
            }),
        }
    }
}
