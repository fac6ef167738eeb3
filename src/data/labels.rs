//! Labels: from what a file says to class ids, tags or scores.

use super::error::{DataError, shown};
use super::input::Input;
use super::target::Target;
use crate::experiment::Task;
use std::collections::{BTreeMap, BTreeSet};

/// What a row says is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Label(String),
    Score(f32),
    /// One a word.
    Tags(Vec<String>),
}

impl Answer {
    /// The answer that a text is, else why it is none.
    pub fn of(task: Task, text: &str) -> Result<Answer, String> {
        match task {
            Task::Regression => match text.trim().parse::<f32>() {
                Ok(score) if score.is_finite() => Ok(Answer::Score(score)),
                _ => Err(format!(
                    "the label \"{}\" is not a number, which data.task = \"regression\" needs (for classes: \"classification\")",
                    shown(text)
                )),
            },
            _ => Ok(Answer::Label(text.to_owned())),
        }
    }
}

/// The sign before the kind of an entity.
fn prefix(tag: &str) -> Option<char> {
    let mut signs = tag.chars();
    signs.next().filter(|sign| "BIESLU".contains(*sign) && signs.next() == Some('-'))
}

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

    /// Notes the answer of a training row.
    pub fn see(&mut self, answer: &Answer) {
        let labels = match answer {
            Answer::Label(label) => std::slice::from_ref(label),
            Answer::Tags(tags) => tags,
            Answer::Score(_) => &[],
        };
        for label in labels {
            if !self.seen.contains(label) {
                self.seen.insert(label.clone());
            }
        }
    }

    /// The classes of the training labels. Whole numbers 0..n-1 are class ids; other labels take the ids of the model's
    /// `label2id` where it covers all of them, else those that the dataset declares, else their place in sorted order
    /// (numbers by value). `declared` and `model` hold class names by id. `file` names the training file in errors.
    ///
    /// Errors where there is one class only.
    pub fn finish(
        self,
        file: &str,
        declared: Option<&[String]>,
        model: Option<&[String]>,
    ) -> Result<Labels, DataError> {
        let seen = self.seen;
        if matches!(self.task, Task::Regression | Task::Generation) {
            return Ok(Labels::default());
        }
        if seen.len() < 2 {
            let label = seen.first().map_or(String::new(), |label| shown(label));
            return Err(DataError::OneLabel { file: file.to_owned(), label });
        }
        let covers = |names: &&[String]| {
            let declared = declared.into_iter().flatten();
            seen.iter().chain(declared).all(|label| names.contains(label))
        };
        let whole = (0..seen.len()).all(|id| seen.contains(&id.to_string()));
        if let Some(names) = model.filter(|_| !whole).filter(covers).or(declared) {
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

    /// Whether a tag begins an entity as seqeval reads tags: B-, I-, E- or S- before its kind.
    pub fn has_entities(&self) -> bool {
        self.names.iter().any(|name| prefix(name).is_some())
    }

    /// What a user should know of tags that are not IOB2, on which alone all figures mean what they say.
    pub fn doubt(&self) -> Option<String> {
        let begun = |with: &str| self.names.iter().any(|name| prefix(name).is_some_and(|p| with.contains(p)));
        if !self.has_entities() {
            let names: Vec<String> = self.names.iter().take(6).map(|name| shown(name)).collect();
            return Some(format!(
                "no tag begins with B- or I- ({}): there are no entities to score, only words (accuracy)",
                names.join(", ")
            ));
        }
        if !begun("B") {
            return Some(
                "the tags have I- and no B-: entities that touch are one, and entity_f1_strict counts none".into(),
            );
        }
        begun("ESLU").then(|| {
            "the tags have E-, S-, L- or U-: entity figures are those of IOB2, which reads them otherwise".to_owned()
        })
    }

    /// Outputs that a head needs: one a class, one in a regression.
    pub fn outputs(&self) -> usize {
        self.names.len().max(1)
    }

    /// The id of a label.
    pub fn id(&self, label: &str) -> Option<u32> {
        self.ids.get(label).copied()
    }

    /// An answer in ids; a label that training has not seen is an error, which names its file and line.
    pub fn target(&self, answer: Answer, input: &Input, line: usize, train_file: &str) -> Result<Target, DataError> {
        let id = |label: &str| {
            self.id(label).ok_or_else(|| DataError::UnknownLabel {
                file: input.name.clone(),
                line,
                label: shown(label),
                train_file: train_file.to_owned(),
                known: self.names.iter().map(|name| shown(name)).collect(),
            })
        };
        Ok(match answer {
            Answer::Label(label) => Target::Class(id(&label)?),
            Answer::Score(score) => Target::Score(score),
            Answer::Tags(tags) => Target::Tags(tags.iter().map(|tag| id(tag)).collect::<Result<_, _>>()?),
        })
    }
}
