//! The lines of `events.jsonl`: the truth about a run. Append-only, one JSON object a line, first the schema.

use super::machine::Machine;
use crate::data::error::shown;
use crate::experiment::{Budget, Rule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the event schema, in the first line of every log.
pub const SCHEMA: u32 = 1;

/// Stages of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Prepare,
    Search,
    Allocate,
    Retrain,
    Evaluate,
    Baseline,
    Export,
}

impl Phase {
    /// All phases in the order in which they run.
    pub const ALL: [Phase; 7] = [
        Phase::Prepare,
        Phase::Search,
        Phase::Allocate,
        Phase::Retrain,
        Phase::Evaluate,
        Phase::Baseline,
        Phase::Export,
    ];

    /// The word in events and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Prepare => "prepare",
            Phase::Search => "search",
            Phase::Allocate => "allocate",
            Phase::Retrain => "retrain",
            Phase::Evaluate => "evaluate",
            Phase::Baseline => "baseline",
            Phase::Export => "export",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts lines from 0, without gaps.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    #[serde(flatten)]
    pub event: Event,
}

/// Ranks by module path.
pub type Ranks = BTreeMap<String, usize>;
/// Selection values alpha by module path, k each.
pub type Selection = BTreeMap<String, Vec<f32>>;
/// Energies of the rank-1 terms by module path, k each: s |alpha_j| ||b_j|| ||a_j|| (method.md).
pub type Energy = BTreeMap<String, Vec<f32>>;
/// What the rules of allocation look at, by module path.
pub type AllTerms = BTreeMap<String, Terms>;
/// Figures by name, e.g. `accuracy`: functions of the inputs only, no times.
pub type Metrics = BTreeMap<String, f64>;
/// Times in seconds, rates and memory by name.
pub type Timing = BTreeMap<String, f64>;

/// What a module is, for parameter counts: a rank-r update has r (in + out) parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleShape {
    pub inputs: usize,
    pub outputs: usize,
}

impl ModuleShape {
    /// Parameters of an update of rank `rank`; the largest number where a log says sizes that no model has.
    pub fn parameters(&self, rank: usize) -> usize {
        rank.saturating_mul(self.inputs.saturating_add(self.outputs))
    }
}

/// The sum of counts, the largest number at most.
pub fn sum_of(counts: impl Iterator<Item = usize>) -> usize {
    counts.fold(0, usize::saturating_add)
}

/// The rank-1 terms of a module at the end of the search, k of each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub alpha: Vec<f64>,
    /// Selection logits.
    pub beta: Vec<f64>,
    pub energy: Vec<f64>,
}

/// A training step of `search` (after warm-up), `retrain` or `baseline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub phase: Phase,
    pub step: usize,
    pub train_loss: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Learning rate of the weights.
    pub lr: f64,
    /// Learning rate of the selection logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection_lr: Option<f64>,
    /// Tokens of the training batches of the phase so far, padding left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Norm of the weights' gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Norms of the direct and the mixed term of the hypergradient, as they enter h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_norm: Option<f64>,
}

impl Step {
    /// A step of which nothing more is known.
    pub fn new(phase: Phase, step: usize, train_loss: f64, lr: f64) -> Step {
        Step {
            phase,
            step,
            train_loss,
            validation_loss: None,
            lr,
            selection_lr: None,
            tokens: None,
            grad_norm: None,
            direct_norm: None,
            mixed_norm: None,
        }
    }
}

/// Selection values after search step `step`, raw, and the ranks that the rule gives now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    pub phase: Phase,
    pub step: usize,
    pub modules: Selection,
    pub ranks: Ranks,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub energy: Energy,
}

/// A sample as a line for people.
pub fn sample_line(input: &str, reference: &str, output: &str) -> String {
    format!("sample: {} > {} (reference: {})", shown(input), shown(output), shown(reference))
}

/// How messages about a download begin.
pub const DOWNLOADING: &str = "downloading";

/// What happened. `step` counts from 1 within its phase; readers skip unknown types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first line of a log.
    Schema {
        version: u32,
        program: String,
    },
    /// A worker took the lock, for the first time or again.
    Started {
        pid: u32,
        host: String,
        device: String,
        threads: usize,
        version: String,
    },
    /// A worker took the lock and waits for a slot of a device, until `started`, or the end that was asked for.
    Queued {
        pid: u32,
        host: String,
        /// What it waits for, e.g. `cuda:0 or cuda:1`.
        device: String,
        /// Its place in the queue when it came, from 1; `autolora queue` has the present one.
        place: usize,
    },
    /// A worker goes on from a checkpoint: what was logged of `phase` after `step`, or of later phases, is void.
    Resumed {
        phase: Phase,
        step: usize,
    },
    /// A phase begins or goes on; `total` in steps of the phase, 0 where it has none; `epochs` are those that the steps make.
    Phase {
        phase: Phase,
        total: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<f64>,
    },
    /// Model and data are there.
    Prepared {
        phase: Phase,
        model: String,
        train_rows: usize,
        validation_rows: usize,
        test_rows: usize,
        truncated_rows: usize,
        labels: Vec<String>,
        /// k of the search.
        rank: usize,
        /// What a selection value must reach for its term to be kept: 1/k for `threshold` under softmax; drawn as a line. None
        /// where the rule looks at something else.
        threshold: Option<f64>,
        /// Trainable parameters of the search: A, B and head; and of the frozen rest.
        trainable_parameters: usize,
        frozen_parameters: usize,
        head_parameters: usize,
        /// LoRA modules in the order of the model.
        modules: Vec<(String, ModuleShape)>,
        warmup_steps: usize,
        /// `data.task`, and the figure that is the run's score; empty in logs of early versions.
        #[serde(default)]
        task: String,
        #[serde(default)]
        metric: String,
        /// Tokens that a row is cut to: `data.max_length`, or the model's positions; 0 in logs of early versions.
        #[serde(default)]
        max_length: usize,
    },
    /// What the run read: the commit of a hub model, and the SHA-256 of every data file by its setting.
    Inputs {
        phase: Phase,
        commit: Option<String>,
        sha256: BTreeMap<String, String>,
    },
    /// Memory that the phases will take at most, by estimate, and what the host has free; bytes.
    Memory {
        phase: Phase,
        frozen_bytes: u64,
        search_bytes: u64,
        retrain_bytes: u64,
        evaluate_bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        available_bytes: Option<u64>,
    },
    /// How far a phase is that does not log steps (tokenising, evaluating, downloading), and the pace of those that do.
    Progress {
        phase: Phase,
        step: usize,
        total: usize,
        /// Steps a second over the last while, of this worker; 0 where it is not known yet.
        rate: f64,
        /// Seconds left of the phase at that rate; 0 where there is none.
        left_s: f64,
        /// Resident memory of the worker in bytes.
        rss_bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_bytes: Option<u64>,
    },
    Step(Step),
    /// A warm-up step of the search: weights alone.
    Warmup {
        phase: Phase,
        step: usize,
        total: usize,
        train_loss: f64,
    },
    Selection(Selected),
    /// What is before this line is the search of another run, taken as it is; the ranks are this run's.
    Inherited {
        phase: Phase,
        run: String,
        dir: String,
    },
    /// Another choice of `[allocation]` holds from here on; as said, so that none is the rule's default.
    Allocation {
        phase: Phase,
        rule: Rule,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<Budget>,
    },
    /// The ranks do not move any more (`search.stop_when_stable`): the search ends after `step`, before its last one.
    Stable {
        phase: Phase,
        step: usize,
        reason: String,
    },
    /// The ranks that the rule gave, and what it looked at.
    Allocated {
        phase: Phase,
        ranks: Ranks,
        parameters: usize,
        undecided: bool,
        rule: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        terms: AllTerms,
    },
    /// What the worker's machine does, every few seconds.
    Machine {
        phase: Phase,
        #[serde(flatten)]
        machine: Machine,
    },
    /// Figures of a finished evaluation; `what` is `run`, `head_only`, `majority` (of a regression `mean`), ...
    Evaluated {
        phase: Phase,
        what: String,
        metrics: Metrics,
    },
    /// State is on disk up to `step` of `phase`.
    Checkpoint {
        phase: Phase,
        step: usize,
    },
    /// What was written after a held-out prompt, as it comes, beside a reference.
    Sample {
        phase: Phase,
        input: String,
        reference: String,
        output: String,
    },
    /// For people: `level` is `info` or `warning`.
    Log {
        phase: Phase,
        level: String,
        message: String,
    },
    /// The worker ended on request, resumable.
    Paused {
        phase: Phase,
        step: usize,
    },
    Stopped {
        phase: Phase,
        step: usize,
        reason: String,
    },
    /// The worker ended by an error.
    Failed {
        phase: Phase,
        step: usize,
        run: String,
        dir: String,
        error: String,
        advice: String,
        ranks: Ranks,
        metrics: Metrics,
        timing: Timing,
    },
    /// All done.
    Finished {
        phase: Phase,
        run: String,
        dir: String,
        ranks: Ranks,
        metrics: Metrics,
        timing: Timing,
    },
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Whether it says nothing of the worker: anyone may write it while there is none, or it is of a later version.
    pub fn is_aside(&self) -> bool {
        matches!(self, Event::Allocation { .. } | Event::Unknown)
    }

    /// Whether a worker that wrote this as its last line ended as it meant to.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Event::Paused { .. } | Event::Stopped { .. } | Event::Failed { .. } | Event::Finished { .. })
    }
}
