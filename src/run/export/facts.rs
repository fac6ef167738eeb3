//! What a run says of itself to those who get its model: for the card, the sidecar and the configuration.

use super::ExportError;
use crate::data::hub::is_repo_id;
use crate::experiment::{Experiment, Task};
use crate::run::directory::RunDir;
use crate::run::event::{Event, Metrics, ModuleShape, Ranks, sum_of};
use crate::run::follow::Follower;
use crate::run::view::RunView;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of a run once its ranks are allocated: its settings, and a fold over its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    pub id: String,
    pub name: String,
    /// Version of the program that made the run.
    pub version: String,
    pub experiment: Experiment,
    /// Class names by id.
    pub labels: Vec<String>,
    /// LoRA modules in the order of the model.
    pub modules: Vec<(String, ModuleShape)>,
    pub ranks: Ranks,
    pub undecided: bool,
    pub metrics: Metrics,
    /// What was evaluated (`run`, `majority`, ...) and its figures, in the order of the phases.
    pub evaluations: Vec<(String, Metrics)>,
    /// Tokens that a row is cut to.
    pub max_length: usize,
    /// Commit of a hub model.
    pub commit: Option<String>,
    /// SHA-256 of the data files by setting.
    pub sha256: BTreeMap<String, String>,
    pub train_rows: usize,
}

impl Facts {
    /// Reads a run. What the run has not come to is empty.
    ///
    /// # Errors
    /// Files of the run that cannot be read.
    pub fn of(dir: &RunDir) -> Result<Facts, ExportError> {
        let records = Follower::new(&dir.events_path()).read_all()?;
        let view = RunView::of(&records);
        let (mut labels, mut max_length, mut commit, mut sha256) = (Vec::new(), 0, None, BTreeMap::new());
        for record in records {
            match record.event {
                Event::Prepared { labels: names, max_length: length, .. } => (labels, max_length) = (names, length),
                Event::Inputs { commit: at, sha256: files, .. } => (commit, sha256) = (at, files),
                _ => {}
            }
        }
        let (info, experiment) = (dir.info(), dir.experiment()?);
        let evaluations = view.evaluations.iter().map(|(_, what, figures)| (what.clone(), figures.clone())).collect();
        Ok(Facts {
            id: info.id.clone(),
            name: info.name.clone(),
            version: info.version.clone(),
            max_length: if max_length == 0 { experiment.data.max_length } else { max_length },
            experiment,
            labels,
            modules: view.modules.iter().map(|module| (module.path.clone(), module.shape.clone())).collect(),
            ranks: if view.allocated { view.ranks() } else { Ranks::new() },
            undecided: view.undecided,
            train_rows: view.train_rows + view.validation_rows,
            metrics: view.metrics,
            evaluations,
            commit,
            sha256,
        })
    }

    /// Rank of each module in the order of the model.
    pub fn ranks_in_order(&self) -> Vec<(&str, usize)> {
        self.modules.iter().map(|(path, _)| (&**path, self.ranks.get(path).copied().unwrap_or(0))).collect()
    }

    /// Elements of A and B.
    pub fn parameters(&self) -> usize {
        let rank = |path: &str| self.ranks.get(path).copied().unwrap_or(0);
        sum_of(self.modules.iter().map(|(path, shape)| shape.parameters(rank(path))))
    }

    /// Number of outputs of the head.
    pub fn outputs(&self) -> usize {
        self.labels.len().max(1)
    }

    /// The model's id, where others can fetch it by that.
    pub fn hub_id(&self) -> Option<&str> {
        let id = &self.experiment.model.id;
        (self.commit.is_some() && is_repo_id(id)).then_some(id)
    }

    /// What to call the base model: without the folders of this machine.
    pub fn base_name(&self) -> String {
        without_folders(&self.experiment.model.id)
    }

    /// What to call the data.
    pub fn data_name(&self) -> String {
        let data = &self.experiment.data;
        let path = data.train.as_deref().map(|path| without_folders(&path.display().to_string()));
        data.id.clone().or(path).unwrap_or_default()
    }

    /// The facts as JSON, without folders of this machine.
    pub fn to_json(&self) -> Value {
        let mut settings = serde_json::to_value(&self.experiment).unwrap_or_default();
        hide_folders(&mut settings);
        json!({
            "run": {"id": self.id, "name": self.name, "version": self.version},
            "base_model": {"id": self.base_name(), "revision": self.commit},
            "task": self.experiment.data.task,
            "num_labels": self.outputs(),
            "id2label": id2label(&self.labels),
            "label2id": label2id(&self.labels),
            "max_length": self.max_length,
            "ranks": self.ranks_in_order().into_iter().map(|(path, rank)| (path.into(), json!(rank))).collect::<Map<_, _>>(),
            "undecided": self.undecided,
            "lora_parameters": self.parameters(),
            "metrics": self.metrics,
            "data": {"name": self.data_name(), "training_rows": self.train_rows, "sha256": self.sha256},
            "seed": self.experiment.runtime.seed,
            "settings": settings,
        })
    }
}

/// `{"0": "negative", "1": "positive"}`, as `config.json` has it.
pub fn id2label(labels: &[String]) -> Value {
    Value::Object(labels.iter().enumerate().map(|(id, label)| (id.to_string(), json!(label))).collect())
}

/// `{"negative": 0, "positive": 1}`.
pub fn label2id(labels: &[String]) -> Value {
    Value::Object(labels.iter().enumerate().map(|(id, label)| (label.clone(), json!(id))).collect())
}

/// PEFT's word for the task.
pub fn task_type(task: Task) -> &'static str {
    match task {
        Task::Classification | Task::Regression => "SEQ_CLS",
        Task::Tagging => "TOKEN_CLS",
        Task::Generation => "CAUSAL_LM",
    }
}

/// The last part of a path of this machine; anything else as it is.
fn without_folders(text: &str) -> String {
    let path = Path::new(text);
    let local = path.is_absolute() || ["~/", "./", "../"].iter().any(|start| text.starts_with(start));
    let name = path.file_name().filter(|_| local).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| text.to_owned())
}

/// [`without_folders`] for every text of a JSON value.
fn hide_folders(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_folders(text),
        Value::Array(items) => items.iter_mut().for_each(hide_folders),
        Value::Object(map) => map.values_mut().for_each(hide_folders),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_this_machine_are_left_out_and_hub_ids_are_not() {
        for (text, name) in [
            ("/home/me/models/mine", "mine"),
            ("~/models/mine/", "mine"),
            ("./mine", "mine"),
            ("owner/name", "owner/name"),
            ("builtin:demo", "builtin:demo"),
            ("alpha/rank", "alpha/rank"),
        ] {
            assert_eq!(without_folders(text), name);
        }
    }
}
