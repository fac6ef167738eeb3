//! `prepare`: model and data from their sources to a model with a task on a device and rows of token ids.

use super::job::Fault;
use super::progress::Pace;
use crate::data::columns::Columns;
use crate::data::hub::{Download, Hub, Watch};
use crate::data::input::hex;
use crate::data::sources;
use crate::data::{
    Counted, Cuts, DataError, Dataset, DialogueEncoder, Encode, Held, Labels, Part, Rows, SplitRule, split, tokenise,
};
use crate::experiment::home::tokens_folder;
use crate::experiment::{Experiment, LossOn, Task, Texts};
use crate::model::source;
use crate::model::{Decoder, Keep, ModelConfig, Network, TaskModel, kept_in};
use crate::run::base::{Base, MODEL, head_kind};
use crate::run::event::{DOWNLOADING, Event, ModuleShape, Phase};
use crate::run::worker::Context;
use crate::search::allocation::line_of;
use crate::train::batch::Layout;
use crate::train::problem::Problem;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The files beside a model that say how it writes, among the hashes of what a run read.
const TEMPLATE: &str = "model.id (chat template, end of text)";

/// What every later phase works on.
pub struct Prepared {
    pub problem: Problem,
    pub labels: Labels,
    pub train: Rows,
    pub validation: Rows,
    /// None where no held-out rows are given: nothing is scored then.
    pub test: Option<Rows>,
    /// What decodes ids, of generation.
    pub dialogues: Option<DialogueEncoder>,
    /// The held-out rows as they are scored, of generation.
    pub held: Vec<Held>,
    /// The ids that end a text, of generation.
    pub ends: Vec<u32>,
    /// Further held-out sets by name, e.g. `mismatched` of MNLI.
    pub further: Vec<(String, Rows)>,
    /// SHA-256 of the data files by setting.
    pub inputs: BTreeMap<String, String>,
}

impl Prepared {
    /// D_tr and D_val together: what retraining trains on.
    pub fn all_training_rows(&self) -> Rows {
        self.train.chain(&self.validation)
    }
}

/// Loads, tokenises and builds. Deterministic: a resumed run does it again and gets the same.
pub fn prepare(ctx: &mut Context) -> Result<Prepared, Fault> {
    let experiment = ctx.experiment().clone();
    let device = ctx.device().clone();
    let (id, revision) = (&experiment.model.id, experiment.model.revision.as_deref());
    let base = Base::of(downloading(ctx, |hub, progress| source::locate(id, revision, hub, progress))?)?;
    let sources = downloading(ctx, |hub, progress| sources::locate(&experiment.data, hub, progress))?;
    let (about, data_commit) = (sources.about.clone(), sources.commit.clone());
    let dataset = Dataset::load(&experiment.data, sources, base.config.label_names())?;
    let targets = targets(&experiment, &base.config);
    pin(ctx, base.files.commit.as_ref(), (data_commit, &dataset.columns), &targets)?;
    let settings = &experiment;
    let max_length = base.max_length(settings.data.max_length);
    let dialogues = match dataset.task {
        Task::Generation => Some(base.dialogues(experiment.data.max_length, Counted::Reply)?),
        _ => None,
    };
    let ends = if dialogues.is_some() { base.ends(&Hub::from_env())? } else { Vec::new() };
    let inputs = record_inputs(ctx, &base, &dataset, (dialogues.as_ref(), &ends))?;
    let Tokens { train, validation, test, further, cuts } =
        tokens(ctx, &experiment, &base, &dataset, dialogues.as_ref())?;

    let held = held_out(ctx, &dataset, dialogues.as_ref())?;
    if dialogues.is_some() {
        let closing = base.decoder()?.eos_token_ids.iter().chain(&ends).copied().collect::<Vec<_>>();
        something_to_learn(&train, &dataset, &closing)?;
    }
    let (outputs, dtype) = (dataset.labels.outputs(), kept_in(experiment.runtime.precision));
    let (mut model, notices) = match dataset.task {
        Task::Generation => {
            let decoder = Decoder::load(base.decoder()?, &base.checkpoint, dtype, &device)?;
            (Network::Causal(Box::new(decoder)), Vec::new())
        }
        task => {
            let kind = head_kind(task);
            let (model, notices) = TaskModel::load(base.encoder()?, &base.checkpoint, kind, outputs, dtype, &device)?;
            (Network::Task(Box::new(model)), notices)
        }
    };
    let Base { files, config, .. } = base;
    let modules = model.attach(&targets)?;
    let frozen_parameters = model.frozen_parameters();
    if settings.runtime.checkpoint_activations {
        model.keep(Keep::Inputs);
    }
    let layout = Layout {
        micro_batch: settings.runtime.micro_batch,
        micro_tokens: settings.runtime.micro_tokens,
        pack_to: settings.data.packing.then_some(max_length),
    };
    let problem = Problem { model, modules, device, pad_id: config.pad_id(), layout };
    let mut say = |message: String| ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message });
    let about = (!about.is_empty()).then(|| format!("data: {about}"));
    let built = files.tokenizer_notice.map(|notice| format!("model: {notice}"));
    built.into_iter().chain(about).chain(dataset.notices()).chain(notices).try_for_each(&mut say)?;
    if dialogues.is_none() {
        cut_notices(cuts, max_length).into_iter().try_for_each(&mut say)?;
    }
    let none = test.is_none().then(|| "no data.test is given: nothing will be scored on held-out rows".to_owned());
    let of_texts = if dialogues.is_some() { doubts_of_texts(&held, cuts, max_length) } else { Vec::new() };
    dataset
        .doubts()
        .into_iter()
        .chain(none)
        .chain(of_texts)
        .try_for_each(|message| ctx.emit(Event::Log { phase: Phase::Prepare, level: "warning".into(), message }))?;
    let mut say = |message: String| ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message });
    let paths: Vec<&str> = problem.modules.iter().map(|(path, ..)| path.as_str()).collect();
    say(format!("LoRA on {} linear layers: {}", paths.len(), folded(&paths)))?;
    let head_parameters = problem.head_parameters();
    ctx.emit(Event::Prepared {
        phase: Phase::Prepare,
        model: files.id.clone(),
        train_rows: train.len(),
        validation_rows: validation.len(),
        test_rows: test.as_ref().map_or(0, Rows::len),
        truncated_rows: cuts.truncated + cuts.split,
        labels: dataset.labels.names.clone(),
        rank: settings.lora.rank,
        threshold: line_of(&settings.allocation, settings.lora.rank),
        trainable_parameters: problem.lora_parameters(&vec![settings.lora.rank; problem.modules.len()])
            + head_parameters,
        frozen_parameters,
        head_parameters,
        modules: problem
            .modules
            .iter()
            .map(|(path, inputs, outputs)| (path.clone(), ModuleShape { inputs: *inputs, outputs: *outputs }))
            .collect(),
        warmup_steps: settings.search.warmup_steps,
        task: dataset.task.to_string(),
        metric: settings.evaluate.metric.resolve(dataset.task).to_string(),
        max_length,
    })?;
    Ok(Prepared { problem, labels: dataset.labels, train, validation, test, held, ends, further, dialogues, inputs })
}

/// The rows of all parts, and what had to be cut.
struct Tokens {
    train: Rows,
    validation: Rows,
    test: Option<Rows>,
    further: Vec<(String, Rows)>,
    cuts: Cuts,
}

/// `dialogues`: of generation, what reads held-out rows: prompts and replies, whatever the loss of training counts.
fn tokens(
    ctx: &mut Context,
    experiment: &Experiment,
    base: &Base,
    dataset: &Dataset,
    dialogues: Option<&DialogueEncoder>,
) -> Result<Tokens, Fault> {
    let max_length = experiment.data.max_length;
    let (texts, counting_all);
    let (of_training, of_test): (&dyn Encode, &dyn Encode) = match dialogues {
        None => {
            texts = base.tokenizer(max_length)?;
            (&texts, &texts)
        }
        Some(replies) if experiment.data.loss == LossOn::All => {
            counting_all = base.dialogues(max_length, Counted::All)?;
            (&counting_all, replies)
        }
        Some(replies) => (replies, replies),
    };
    let cache = tokens_folder()?;
    let total = dataset.parts().map(|(_, part)| part.examples).sum();
    let mut pace = Pace::new(Phase::Prepare, 0, (0, total), experiment.runtime.checkpoint_every);
    let (mut before, mut cuts) = (0, Cuts::default());
    let mut rows = |part: &Part, encoder: &dyn Encode| -> Result<Rows, Fault> {
        let mut written = Ok(());
        let (rows, facts) = tokenise(part, encoder, &cache, |done, _| {
            if let (true, Some(event)) = (written.is_ok(), pace.tick(before + done)) {
                written = ctx.emit(event);
            }
            if ctx.request().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        written?;
        before += part.examples;
        cuts += facts.cuts;
        Ok(rows)
    };
    let all = rows(&dataset.train, of_training)?;
    let validation = dataset.validation.as_ref().map(|part| rows(part, of_training)).transpose()?;
    let test = dataset.test.as_ref().map(|part| rows(part, of_test)).transpose()?;
    let further = dataset.extra.iter().map(|(name, part)| Ok((name.clone(), rows(part, of_test)?)));
    let further = further.collect::<Result<_, Fault>>()?;
    let (train, validation) = match validation {
        Some(validation) => (all, validation),
        None => {
            let rule = SplitRule {
                validation_share: experiment.search.validation_share,
                shuffle: experiment.data.shuffle,
                stratify: experiment.data.stratify,
                seed: experiment.runtime.seed,
            };
            split(&all, rule, &dataset.train.file)?
        }
    };
    Ok(Tokens { train, validation, test, further, cuts })
}

/// The rows of the held-out file as they are scored: as they are written there, whatever a row of tokens has room for.
fn held_out(ctx: &mut Context, dataset: &Dataset, dialogues: Option<&DialogueEncoder>) -> Result<Vec<Held>, Fault> {
    /// Rows between two looks for a request.
    const LOOK_EVERY: usize = 1024;
    let mut held = Vec::new();
    if let (Some(encoder), Some(part)) = (dialogues, &dataset.test) {
        let mut row = 0;
        part.each(|example| {
            held.extend(encoder.held(&example, row)?);
            row += 1;
            if row % LOOK_EVERY == 0 && ctx.request().is_some() {
                return Err(DataError::Interrupted { file: part.file.clone() });
            }
            Ok(())
        })?;
    }
    Ok(held)
}

/// Training on texts of which the loss counts no token but the end would end well and teach nothing.
fn something_to_learn(train: &Rows, dataset: &Dataset, closing: &[u32]) -> Result<(), Fault> {
    for row in train.iter() {
        if row?.target.tags().any(|id| !closing.contains(&id)) {
            return Ok(());
        }
    }
    Err(Fault {
        message: format!("no text of {} has a token, besides its end, that the loss counts", dataset.train.file),
        advice:
            "replies are empty, or the tokenizer has no signs for them, or the model's chat template leaves them out; \
                 autolora datasets show FILE --model MODEL shows what would be learnt"
                .into(),
    })
}

/// What makes the texts of a run of generation, or its figures, worth less than they seem.
fn doubts_of_texts(held: &[Held], cuts: Cuts, max_length: usize) -> Vec<String> {
    let mut doubts = Vec::new();
    if cuts.truncated > 0 {
        doubts.push(format!(
            "{} longer than {max_length} tokens: in training, what is before a reply loses its beginning, then the reply \
             its end; data.max_length may be raised",
            counted(cuts.truncated, "text is", "texts are")
        ));
    }
    let unwritable = held.iter().filter(|held| !held.writable).count();
    if unwritable > 0 {
        doubts.push(format!(
            "the tokenizer has no signs for all of {unwritable} of {} references: the model cannot write them",
            held.len()
        ));
    }
    doubts
}

/// What people should know of rows that were too long.
fn cut_notices(cuts: Cuts, max_length: usize) -> Vec<String> {
    let Cuts { truncated, split, moved_words, unknown_words } = cuts;
    let notices = [
        (truncated, format!("{} cut to {max_length} tokens", counted(truncated, "text was", "texts were"))),
        (
            split,
            format!(
                "{} longer than {max_length} tokens: what is beyond goes on in further rows, so that {} not lost",
                counted(split, "sentence is", "sentences are"),
                counted(moved_words, "word is", "words are")
            ),
        ),
        (
            unknown_words,
            format!(
                "{} no token of the tokenizer: the unknown token stands there",
                counted(unknown_words, "word is", "words are")
            ),
        ),
    ];
    notices.into_iter().filter(|(count, _)| *count > 0).map(|(_, notice)| notice).collect()
}

/// A number with its word and verb.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Module paths with the layers' numbers as a range: `encoder.layer.{0-5}.attention.self.query`.
fn folded(paths: &[&str]) -> String {
    let mut patterns: Vec<(String, Vec<usize>)> = Vec::new();
    for path in paths {
        let number = path.split('.').find_map(|part| part.parse::<usize>().ok());
        let is_number = |part: &&str| part.parse::<usize>().is_ok();
        let first = path.split('.').position(|part| is_number(&part));
        let parts = path.split('.').enumerate().map(|(n, part)| if Some(n) == first { "{}" } else { part });
        let pattern = parts.collect::<Vec<_>>().join(".");
        match patterns.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, numbers)) => numbers.extend(number),
            None => patterns.push((pattern, number.into_iter().collect())),
        }
    }
    let shown = |(pattern, numbers): &(String, Vec<usize>)| {
        let in_a_row = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
        match (numbers.as_slice(), in_a_row) {
            ([], _) => pattern.clone(),
            ([only], _) => pattern.replace("{}", &only.to_string()),
            ([first, .., last], true) => pattern.replace("{}", &format!("{{{first}-{last}}}")),
            (all, false) => {
                let all: Vec<String> = all.iter().map(usize::to_string).collect();
                pattern.replace("{}", &format!("{{{}}}", all.join(",")))
            }
        }
    };
    patterns.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The layers that carry LoRA: `lora.targets`, else the usual ones of the model's family.
fn targets(experiment: &Experiment, config: &ModelConfig) -> Vec<String> {
    match &experiment.lora.targets {
        Some(targets) => targets.as_slice().to_vec(),
        None => config.default_targets().iter().map(ToString::to_string).collect(),
    }
}

/// Pins a model and a dataset of the hub to their commits, columns that were guessed, and targets that were left to the
/// model, in `experiment.toml`: resumed, or started anew from that file, a run takes the same.
fn pin(
    ctx: &mut Context,
    commit: Option<&String>,
    (data_commit, columns): (Option<String>, &Columns),
    targets: &[String],
) -> Result<(), Fault> {
    // From the disk: another choice of an allocation may have come meanwhile.
    let on_disk = ctx.dir().experiment()?;
    let mut pinned = on_disk.clone();
    pinned.model.revision = commit.cloned().or(pinned.model.revision);
    pinned.data = columns.named_in(&pinned.data);
    pinned.data.revision = data_commit.or(pinned.data.revision);
    pinned.lora.targets.get_or_insert_with(|| Texts::Many(targets.to_vec()));
    if pinned != on_disk {
        ctx.dir().write_experiment(&pinned)?;
    }
    Ok(())
}

/// Says what the run reads.
fn record_inputs(
    ctx: &mut Context,
    base: &Base,
    dataset: &Dataset,
    (dialogues, ends): (Option<&DialogueEncoder>, &[u32]),
) -> Result<BTreeMap<String, String>, Fault> {
    let mut sha256: BTreeMap<String, String> =
        dataset.parts().map(|(setting, part)| (setting, part.sha256.clone())).collect();
    sha256.extend(base.files.sha256()?.map(|hash| (MODEL.to_owned(), hash)));
    // Beside the model's own files: its chat template, and the ids that end a text.
    let writing = dialogues.map(|encoder| Sha256::digest(format!("{} {ends:?}", encoder.fingerprint())));
    sha256.extend(writing.map(|hash| (TEMPLATE.to_owned(), hex(&hash))));
    let commit = base.files.commit.clone();
    ctx.emit(Event::Inputs { phase: Phase::Prepare, commit, sha256: sha256.clone() })?;
    Ok(sha256)
}

/// Does work that may download, with its progress as events.
fn downloading<T, E>(ctx: &mut Context, work: impl FnOnce(&Hub, &mut Watch) -> Result<T, E>) -> Result<T, Fault>
where
    Fault: From<E>,
{
    let mut pace: Option<(String, u64, Instant)> = None;
    let mut reported = Instant::now();
    let mut written = Ok(());
    let mut progress = |Download { file, done, total }: Download| {
        // A scheduler that ends the job, or a user, does not wait for gigabytes.
        if ctx.request().is_some() {
            return ControlFlow::Break(());
        }
        // A download that goes on with an earlier part has not loaded that part in this time.
        let (_, before, started) = match &pace {
            Some(pace) if pace.0 == file && pace.1 <= done => pace,
            _ => pace.insert((file.to_owned(), done, Instant::now())),
        };
        if reported.elapsed() < Duration::from_secs(1) || written.is_err() {
            return ControlFlow::Continue(());
        }
        reported = Instant::now();
        let rate = (done - before) as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let message = format!(
            "{DOWNLOADING} {file}: {:.1} of {:.1} MB, {:.1} MB/s, {:.0} s left",
            done as f64 / 1e6,
            total as f64 / 1e6,
            rate / 1e6,
            total.saturating_sub(done) as f64 / rate.max(1.0)
        );
        written = ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message });
        ControlFlow::Continue(())
    };
    let found = work(&Hub::from_env(), &mut progress)?;
    written?;
    Ok(found)
}
