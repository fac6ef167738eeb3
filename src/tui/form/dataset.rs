//! A dataset of the catalogue knows its task and its columns: picking one says what goes with it, and takes back what went
//! with the one before.

use super::Form;
use crate::experiment::{Choice, catalogue, check, read};

/// Settings that say where the rows of the dataset before were, and which columns they had.
const OF_ONE_DATASET: [&str; 8] = [
    "data.config",
    "data.revision",
    "data.train_split",
    "data.validation_split",
    "data.test_split",
    "data.text",
    "data.text_pair",
    "data.label",
];

/// Settings that not every task goes with.
const OF_SOME_TASKS: [&str; 4] = ["evaluate.metric", "baseline.head_only", "data.stratify", "retrain.label_smoothing"];

/// Makes the settings follow the dataset that was just picked; tells in a line what changed, none where nothing did or the
/// catalogue does not know it.
pub fn follow(form: &mut Form) -> Option<String> {
    let id = form.doc.get_typed("data.id")?;
    let entry = catalogue::dataset(&id)?;
    let mut changes = Vec::new();
    let before = read(&form.doc.source(), &[], &[]).experiment.data.task;
    if before != entry.task && form.doc.set_typed("data.task", entry.task.name()).is_ok() {
        changes.push(format!("data.task is {} now", entry.task));
    }
    let mut gone = Vec::new();
    for key in OF_ONE_DATASET {
        if form.doc.get_typed(key).is_some() {
            form.doc.unset(key);
            gone.push(key);
        }
    }
    let problems = read(&form.doc.source(), &[], &[check]).problems;
    for key in OF_SOME_TASKS {
        if form.doc.get_typed(key).is_some() && problems.iter().any(|problem| problem.key == key) {
            form.doc.unset(key);
            gone.push(key);
        }
    }
    if !gone.is_empty() {
        changes.push(format!("{} taken back", gone.join(", ")));
    }
    (!changes.is_empty()).then(|| changes.join("; "))
}
