//! What a model says of new rows: a base with a head of its own, a base and an adapter, or a run.

pub mod rows;
pub mod writer;

use crate::data::dataset::Example;
use crate::data::error::{DataError, shown};
use crate::data::hub::Hub;
use crate::data::{Encode, Rows, TextEncoder, evaluation_batches};
use crate::experiment::{Choice, Precision, Task};
use crate::model::checkpoint::Checkpoint;
use crate::model::head::Plan;
use crate::model::lora::{a_name, b_name};
use crate::model::{EncoderConfig, HeadKind, ModelError, Network, SourceError, TaskModel, Weights, kept_in};
use crate::run::adapter::{Adapter, AdapterError};
use crate::run::base::{Base, BaseError, head_kind};
use crate::run::export::facts::task_type;
use crate::run::export::{Facts, Learned, SIDECAR};
use crate::train::batch::Layout;
use crate::train::problem::{Output, Problem};
use candle_core::{Device, Tensor};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The answer to one row; a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The class of the highest logit, and all logits in the order of the classes.
    Class {
        label: String,
        logits: Vec<f32>,
    },
    Score {
        score: f32,
    },
    /// One tag a word.
    Tags {
        tags: Vec<String>,
    },
    /// What was written after a prompt; where asked for, the logits of the prompt's last position.
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        logits: Option<Vec<f32>>,
    },
}

/// A model that cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    #[error("{model} has no head for {}: it has no tensor `{tensor}`", task.name())]
    NoHead { model: String, task: Task, tensor: String },
    #[error("{model} has the head of {architecture}, which is not one for {}", task.name())]
    OtherHead { model: String, task: Task, architecture: String },
    #[error("{model}: its head has {found} outputs; {} {needed}", task.name())]
    Outputs { model: String, task: Task, found: usize, needed: &'static str },
    #[error(
        "{model} is not what it was when run {run} was trained (SHA-256 differs): the run's adapter is of no use on it; restore \
         its files"
    )]
    OtherBase { model: String, run: String },
    #[error("{file}: {problem}")]
    Unfit { file: String, problem: String },
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error(transparent)]
    Base(Box<BaseError>),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Tensors(#[from] candle_core::Error),
}

impl From<BaseError> for PredictError {
    fn from(error: BaseError) -> Self {
        PredictError::Base(Box::new(error))
    }
}

/// A model with a head, ready to answer.
pub struct Predictor {
    problem: Problem,
    weights: Weights,
    scales: Vec<f64>,
    text: TextEncoder,
    task: Task,
    /// Names of the classes; empty in a regression.
    labels: Vec<String>,
    /// The classes have no names but `LABEL_0`, `LABEL_1`, ...
    pub invented_labels: bool,
}

/// Where a model answers, and how its frozen matrices are kept there.
pub struct Place {
    pub device: Device,
    pub precision: Precision,
}

/// What is put on a base: factors with their scales, and whole tensors, under their names in the task class.
struct Parts {
    factors: Vec<(String, Tensor, Tensor, f64)>,
    whole: Vec<(String, Tensor)>,
    /// For messages.
    file: String,
}

impl Predictor {
    /// The model that a run trained, with the run's length and class names.
    ///
    /// # Errors
    /// A base that is not the run's any more.
    pub fn of_run(learned: &Learned, base: Base, place: &Place) -> Result<Predictor, PredictError> {
        let Facts { experiment, labels, .. } = &learned.facts;
        let task = experiment.data.task;
        if !base.is_recorded_in(&learned.facts.sha256)? {
            return Err(PredictError::OtherBase { model: shown(&base.files.id), run: learned.facts.id.clone() });
        }
        let factors = learned.present().filter_map(|module| {
            let (a, b) = learned.factors(module)?;
            Some((module.path.clone(), a.clone(), b.clone(), module.scale))
        });
        let parts = Parts {
            factors: factors.collect(),
            whole: learned.head().map(|(name, tensor)| (name.clone(), tensor.clone())).collect(),
            file: format!("the adapter of run {}", learned.facts.id),
        };
        Predictor::new(base, Some(parts), task, labels.clone(), experiment.data.max_length, place)
    }

    /// A base, and an adapter where given; cut to the tokenizer's or the positions' limit. Class names are those that the
    /// adapter's sidecar or the base's `config.json` has.
    ///
    /// # Errors
    /// No head for the task; an adapter that is of another task or model.
    pub fn of_model(
        base: Base,
        adapter: Option<Adapter>,
        task: Task,
        hub: &Hub,
        place: &Place,
    ) -> Result<Predictor, PredictError> {
        let limit = tokenizer_limit(&base, hub)?.unwrap_or(usize::MAX);
        let mut labels = base.config.label_names().unwrap_or_default().to_vec();
        let parts = match adapter {
            None => None,
            Some(adapter) => {
                check_task(&adapter, task)?;
                labels = sidecar_labels(&adapter).unwrap_or(labels);
                let modules: Vec<String> = adapter.modules().map(str::to_owned).collect();
                let factors = modules.into_iter().filter_map(|path| {
                    let (a, b, scale) = adapter.factors(&path)?;
                    let (a, b) = (a.clone(), b.clone());
                    Some((path, a, b, scale))
                });
                Some(Parts {
                    factors: factors.collect(),
                    whole: adapter.saved().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect(),
                    file: adapter.file.clone(),
                })
            }
        };
        Predictor::new(base, parts, task, labels, limit, place)
    }

    fn new(
        mut base: Base,
        parts: Option<Parts>,
        task: Task,
        mut labels: Vec<String>,
        max_length: usize,
        place: &Place,
    ) -> Result<Predictor, PredictError> {
        let device = &place.device;
        let model_name = shown(&base.files.id);
        let config = base.encoder()?.clone();
        let known = known_tensors(&base, &config, task);
        if let Some(parts) = &parts {
            overlay(&mut base.checkpoint, &config, &parts.whole);
        }
        if let (None, Some(architecture)) = (&parts, other_head(&base, task)) {
            return Err(PredictError::OtherHead { model: model_name, task, architecture });
        }
        let (head, outputs) = head_of(&base.checkpoint).ok_or_else(|| PredictError::NoHead {
            model: model_name.clone(),
            task,
            tensor: HEADS[0].into(),
        })?;
        let kind = head_kind(task);
        let (mut model, _) =
            TaskModel::load(&config, &base.checkpoint, kind, outputs, kept_in(place.precision), device)?;
        for (tensor, shape) in model.head_shapes() {
            match base.checkpoint.shape(&tensor).map(<[usize]>::to_vec) {
                None => return Err(PredictError::NoHead { model: model_name, task, tensor }),
                Some(found) if found != shape => {
                    return Err(PredictError::Unfit {
                        file: parts.map_or(model_name, |parts| parts.file),
                        problem: format!("`{tensor}` of the head has shape {found:?}, the model needs {shape:?}"),
                    });
                }
                Some(_) => {}
            }
        }
        check_outputs(&model_name, task, outputs)?;
        if task == Task::Regression {
            labels.clear();
        }
        let invented_labels = task != Task::Regression && labels.len() != outputs;
        if invented_labels {
            labels = (0..outputs).map(|id| format!("LABEL_{id}")).collect();
        }
        let Parts { factors, file, whole } =
            parts.unwrap_or(Parts { factors: vec![], whole: vec![], file: head.into() });
        let unfit = |problem: String| PredictError::Unfit { file: file.clone(), problem };
        if let Some((name, _)) = whole.iter().find(|(name, _)| !known.contains(name)) {
            return Err(unfit(format!("it has {}, and {} has no such tensor", shown(name), model.architecture())));
        }
        let mut weights = model.initial_head(0, "predict")?;
        let mut by_path = BTreeMap::new();
        for (path, a, b, scale) in factors {
            by_path.insert(path.clone(), (scale, a.dims()[1], b.dims()[0]));
            weights.insert(a_name(&path), a.to_device(device)?);
            weights.insert(b_name(&path), b.to_device(device)?);
        }
        let targets: Vec<String> = by_path.keys().cloned().collect();
        let modules = match targets.as_slice() {
            [] => Vec::new(),
            targets => model.attach(targets).map_err(|error| unfit(format!("it is of another model: {error}")))?,
        };
        for (path, inputs, outputs) in &modules {
            match by_path.get(path) {
                Some((_, a, b)) if (a, b) == (inputs, outputs) => {}
                found => {
                    let (_, found_in, found_out) = found.copied().unwrap_or_default();
                    return Err(unfit(format!(
                        "{} has {found_in} inputs and {found_out} outputs here, {inputs} and {outputs} in {model_name}",
                        shown(path)
                    )));
                }
            }
        }
        let scales = modules.iter().filter_map(|(path, ..)| by_path.get(path)).map(|(scale, ..)| *scale).collect();
        let text = base.tokenizer(max_length)?;
        let problem = Problem {
            model: Network::Task(Box::new(model)),
            modules,
            device: device.clone(),
            pad_id: base.config.pad_id(),
            layout: Layout::default(),
        };
        Ok(Predictor { problem, weights, scales, text, task, labels, invented_labels })
    }

    /// What it answers.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Answers to rows, in their order. Rows of like length share a batch; a sentence of too many tokens goes on in further
    /// rows, so that every word has a tag.
    ///
    /// # Errors
    /// Rows that cannot be tokenised, a device that fails.
    pub fn answer(&self, examples: &[Example], batch_size: usize) -> Result<Vec<Answer>, PredictError> {
        let (encoded, _) = self.text.encode(examples, 0)?;
        let rows = Rows::from(encoded);
        let mut outputs: Vec<Option<Output>> = vec![None; rows.len()];
        for places in evaluation_batches(&rows, batch_size, true) {
            let batch = self.problem.batch(&rows, &places)?;
            let (said, ..) = self.problem.evaluate(&batch, &self.weights, &self.scales)?;
            for (place, output) in places.into_iter().zip(said) {
                outputs[place] = Some(output);
            }
        }
        let mut answers: Vec<Answer> = examples.iter().map(|_| self.empty()).collect();
        for (row, output) in outputs.into_iter().enumerate() {
            let (Some(answer), Some(output)) = (answers.get_mut(rows.example(row) as usize), output) else { continue };
            match (answer, output) {
                (Answer::Score { score }, Output::Row(row)) => *score = row.first().copied().unwrap_or(f32::NAN),
                (Answer::Class { label, logits }, Output::Row(row)) => (*label, *logits) = (self.label(&row), row),
                (Answer::Tags { tags }, Output::Words(words)) => tags.extend(words.iter().map(|row| self.label(row))),
                _ => {}
            }
        }
        Ok(answers)
    }

    fn empty(&self) -> Answer {
        match self.task {
            Task::Regression => Answer::Score { score: f32::NAN },
            Task::Tagging => Answer::Tags { tags: Vec::new() },
            _ => Answer::Class { label: String::new(), logits: Vec::new() },
        }
    }

    /// The name of the class of the highest logit, the first where several are equal.
    fn label(&self, logits: &[f32]) -> String {
        let best =
            logits.iter().enumerate().fold(0, |best, (class, logit)| if *logit > logits[best] { class } else { best });
        self.labels.get(best).cloned().unwrap_or_default()
    }
}

/// Last layers of heads, by the tensor whose rows are the outputs.
const HEADS: [&str; 2] = ["classifier.weight", "classifier.out_proj.weight"];

/// The last layer of the head that a checkpoint has, and its outputs.
fn head_of(checkpoint: &Checkpoint) -> Option<(&'static str, usize)> {
    HEADS.into_iter().find_map(|name| Some((name, *checkpoint.shape(name)?.first()?)))
}

fn check_outputs(model: &str, task: Task, found: usize) -> Result<(), PredictError> {
    let needed = match task {
        Task::Regression if found != 1 => "has one; its task is classification",
        Task::Classification if found == 1 => "has at least two; its task is regression",
        _ => return Ok(()),
    };
    Err(PredictError::Outputs { model: model.into(), task, found, needed })
}

/// The task class that the base's `config.json` names, where that is one with another kind of head.
fn other_head(base: &Base, task: Task) -> Option<String> {
    let config: serde_json::Value = serde_json::from_slice(&base.files.config.bytes).ok()?;
    let named = config["architectures"].as_array()?.iter().filter_map(|class| class.as_str());
    let (own, other) = match head_kind(task) {
        HeadKind::Sequence => ("ForSequenceClassification", "ForTokenClassification"),
        HeadKind::Tokens => ("ForTokenClassification", "ForSequenceClassification"),
    };
    let mut named = named.filter(|class| class.ends_with(own) || class.ends_with(other));
    named.next().filter(|class| class.ends_with(other)).map(shown)
}

/// An adapter says what it was trained for, if not always.
fn check_task(adapter: &Adapter, task: Task) -> Result<(), PredictError> {
    match adapter.config.task_type.as_deref() {
        Some(kind) if kind != task_type(task) => {
            let problem = format!("its task_type is {}, that of {} is {}", shown(kind), task.name(), task_type(task));
            Err(PredictError::Unfit { file: adapter.file.clone(), problem })
        }
        _ => Ok(()),
    }
}

/// Replaces or adds what `whole` has by the names of the task class.
fn overlay(base: &mut Checkpoint, config: &EncoderConfig, whole: &[(String, Tensor)]) {
    let prefix = format!("{}.", config.family.prefix());
    let bare = base.encoder_prefix(config.family.prefix()).is_empty();
    for (name, tensor) in whole {
        let stored = if bare { name.strip_prefix(&prefix).unwrap_or(name) } else { name };
        base.insert(stored.to_owned(), tensor.clone());
    }
}

/// Names in the task class of what the base has, and of the whole head: what an adapter may store.
fn known_tensors(base: &Base, config: &EncoderConfig, task: Task) -> BTreeSet<String> {
    let prefix = config.family.prefix();
    let bare = base.checkpoint.encoder_prefix(prefix).is_empty();
    let own = base.checkpoint.names().map(|name| if bare { format!("{prefix}.{name}") } else { name.to_owned() });
    let (plan, hidden) = (Plan::of(config, head_kind(task)), config.hidden_size);
    let dense = plan.dense.iter().flat_map(|dense| dense.shapes(hidden)).map(|(name, _)| name);
    own.chain(dense).chain(plan.output_shapes(hidden, 1).into_iter().map(|(name, _)| name)).collect()
}

/// Class names by id of an adapter that `export` wrote.
fn sidecar_labels(adapter: &Adapter) -> Option<Vec<String>> {
    let sidecar = std::fs::read(Path::new(&adapter.file).with_file_name(SIDECAR)).ok()?;
    let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).ok()?;
    let by_id = sidecar["id2label"].as_object().filter(|by_id| !by_id.is_empty())?;
    (0..by_id.len()).map(|id| Some(by_id.get(&id.to_string())?.as_str()?.to_owned())).collect()
}

/// The most tokens that the tokenizer's own configuration allows, if it says so.
fn tokenizer_limit(base: &Base, hub: &Hub) -> Result<Option<usize>, PredictError> {
    let Some(bytes) = base.companion("tokenizer_config.json", hub)? else { return Ok(None) };
    let config: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    // "No limit" is written as 1e30.
    Ok(config["model_max_length"].as_u64().and_then(|limit| usize::try_from(limit).ok()))
}
