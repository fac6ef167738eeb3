//! `prepare`: model and data from their sources to a classifier on a device and rows of token ids.

use super::job::Fault;
use crate::data::dataset::Dataset;
use crate::data::hub::{Download, Hub};
use crate::data::split::split;
use crate::data::tokens::{Encoded, TextEncoder};
use crate::experiment::Experiment;
use crate::model::checkpoint::Checkpoint;
use crate::model::source::{self, ModelFiles, Weights as StoredWeights};
use crate::model::{EncoderConfig, SequenceClassifier};
use crate::run::event::{Event, ModuleShape, Phase};
use crate::run::worker::Context;
use crate::search::allocation::default_threshold;
use crate::train::classification::Classification;
use candle_core::DType;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What every later phase works on.
pub struct Prepared {
    pub task: Classification,
    pub train: Vec<Encoded>,
    pub validation: Vec<Encoded>,
    /// None where no held-out rows are given: nothing is scored then.
    pub test: Option<Vec<Encoded>>,
    /// SHA-256 of the data files by setting.
    pub inputs: BTreeMap<String, String>,
}

impl Prepared {
    /// D_tr and D_val together: what retraining trains on.
    pub fn all_training_rows(&self) -> Vec<Encoded> {
        self.train.iter().chain(&self.validation).cloned().collect()
    }
}

/// Loads, tokenises and builds. Deterministic: a resumed run does it again and gets the same.
pub fn prepare(ctx: &mut Context) -> Result<Prepared, Fault> {
    let experiment = ctx.experiment().clone();
    let device = ctx.device().clone();
    let files = fetch(ctx, &experiment)?;
    let config = EncoderConfig::parse(&files.config.bytes, &files.config.name)?;
    let checkpoint = match &files.weights {
        StoredWeights::Files(paths) => Checkpoint::from_files(paths)?,
        StoredWeights::Embedded { name, bytes } => Checkpoint::from_bytes(bytes, name)?,
    };
    let dataset = Dataset::load(&experiment.data, config.label_names.as_deref())?;
    let inputs = record_inputs(ctx, &experiment, files.commit.clone(), &dataset)?;
    let labels = dataset.labels.names.clone();
    let settings = &experiment;
    let splits = split(dataset, settings.search.validation_share, settings.data.shuffle, settings.runtime.seed)?;

    let max_length = settings.data.max_length.min(config.max_length());
    let encoder = TextEncoder::new(&files.tokenizer.name, &files.tokenizer.bytes, max_length)?;
    if encoder.vocabulary() > config.vocab_size {
        return Err(Fault::said(format!(
            "{}: {} tokens, more than the model's vocab_size {}: it is not this model's tokenizer",
            files.tokenizer.name,
            encoder.vocabulary(),
            config.vocab_size
        )));
    }
    let mut truncated = 0;
    let total = splits.train.len() + splits.validation.len() + splits.test.as_ref().map_or(0, Vec::len);
    let mut pace = super::progress::Pace::new(Phase::Prepare, 0, (0, total), settings.runtime.checkpoint_every);
    let mut before = 0;
    let mut encode = |ctx: &mut Context, rows: &[crate::data::dataset::Example]| -> Result<Vec<Encoded>, Fault> {
        let mut written = Ok(());
        let encoded = encoder.encode(rows, |done, _| {
            if let (true, Some(event)) = (written.is_ok(), pace.tick(before + done)) {
                written = ctx.emit(event);
            }
        })?;
        written?;
        before += rows.len();
        truncated += encoded.truncated;
        Ok(encoded.rows)
    };
    let train = encode(ctx, &splits.train)?;
    let validation = encode(ctx, &splits.validation)?;
    let test = splits.test.as_deref().map(|rows| encode(ctx, rows)).transpose()?;

    let seed = settings.runtime.seed;
    let (mut model, notices) = SequenceClassifier::load(&config, &checkpoint, labels.len(), seed, DType::F32, &device)?;
    drop(checkpoint);
    let modules = model.encoder.attach(settings.lora.targets.as_slice())?;
    let frozen_parameters = model.encoder.parameters();
    let task = Classification { model, modules, device, pad_id: config.pad_token_id };
    for notice in notices {
        ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message: notice })?;
    }
    if truncated > 0 {
        let message = format!("{truncated} of {total} rows were cut to {max_length} tokens");
        ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message })?;
    }
    let head_parameters = task.head_parameters();
    let rule = settings.allocation.rule;
    ctx.emit(Event::Prepared {
        phase: Phase::Prepare,
        model: files.id.clone(),
        train_rows: train.len(),
        validation_rows: validation.len(),
        test_rows: test.as_ref().map_or(0, Vec::len),
        truncated_rows: truncated,
        labels,
        rank: settings.lora.rank,
        threshold: settings.allocation.threshold.or(default_threshold(rule, settings.lora.rank)),
        trainable_parameters: task.lora_parameters(&vec![settings.lora.rank; task.modules.len()]) + head_parameters,
        frozen_parameters,
        head_parameters,
        modules: task
            .modules
            .iter()
            .map(|(path, inputs, outputs)| (path.clone(), ModuleShape { inputs: *inputs, outputs: *outputs }))
            .collect(),
        warmup_steps: settings.search.warmup_steps,
    })?;
    Ok(Prepared { task, train, validation, test, inputs })
}

/// Says what the run reads, and pins a hub model to its commit in `experiment.toml`: resumed, or started anew from that
/// file, a run takes the same.
fn record_inputs(
    ctx: &mut Context,
    experiment: &Experiment,
    commit: Option<String>,
    dataset: &Dataset,
) -> Result<BTreeMap<String, String>, Fault> {
    if commit.is_some() && experiment.model.revision != commit {
        let mut pinned = experiment.clone();
        pinned.model.revision.clone_from(&commit);
        ctx.dir().write_experiment(&pinned)?;
    }
    let parts = [Some(&dataset.train), dataset.validation.as_ref(), dataset.test.as_ref()];
    let settings = ["data.train", "data.validation", "data.test"];
    let hashes = settings.into_iter().zip(parts).filter_map(|(setting, part)| Some((setting, &part?.sha256)));
    let sha256: BTreeMap<String, String> = hashes.map(|(setting, hash)| (setting.to_string(), hash.clone())).collect();
    ctx.emit(Event::Inputs { phase: Phase::Prepare, commit, sha256: sha256.clone() })?;
    Ok(sha256)
}

/// The model's files, with the progress of a download as events.
fn fetch(ctx: &mut Context, experiment: &Experiment) -> Result<ModelFiles, Fault> {
    let started = Instant::now();
    let mut reported = started;
    let mut written = Ok(());
    let mut progress = |Download { file, done, total }: Download| {
        if reported.elapsed() < Duration::from_secs(1) || written.is_err() {
            return;
        }
        reported = Instant::now();
        let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let message = format!(
            "downloading {file}: {:.1} of {:.1} MB, {:.1} MB/s, {:.0} s left",
            done as f64 / 1e6,
            total as f64 / 1e6,
            rate / 1e6,
            total.saturating_sub(done) as f64 / rate.max(1.0)
        );
        written = ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message });
    };
    let (id, revision) = (&experiment.model.id, experiment.model.revision.as_deref());
    let files = source::locate(id, revision, &Hub::from_env(), &mut progress)?;
    written?;
    Ok(files)
}
