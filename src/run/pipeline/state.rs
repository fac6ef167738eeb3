//! What a run carries from phase to phase, and how it is kept in a checkpoint.

use crate::model::Weights;
use crate::run::checkpoint::Checkpoint;
use crate::run::event::{Metrics, Phase, Ranks, Timing};
use crate::search::stability::Settling;
use crate::train::optimizer::{Adam, AdamConfig};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Results of finished phases. In every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    pub ranks: Ranks,
    pub undecided: bool,
    pub metrics: Metrics,
    /// Seconds of each phase so far, over all workers of the run.
    pub timing: Timing,
    /// SHA-256 of the data files by setting: a run that goes on must find them as they were.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Warm-up steps of the search that are done; a checkpoint's step does not count them.
    #[serde(default)]
    pub warmed_up: usize,
    /// Steps that the phase's optimisers have taken.
    #[serde(default)]
    optimizer_steps: BTreeMap<String, u64>,
    /// Tokens that were trained on, by what they trained; padding left out.
    #[serde(default)]
    pub tokens: BTreeMap<String, u64>,
    /// Steps a second of each phase, and of scoring, when it was last saved: what a worker that goes on expects at first.
    #[serde(default)]
    pub rates: BTreeMap<String, f64>,
    /// Rows that a GPU has room for at once, of what did not fit: by the kind of work.
    #[serde(default)]
    pub rows_at_once: BTreeMap<String, usize>,
    /// What the search has seen of its ranks.
    #[serde(default)]
    pub stability: Settling,
    /// Losses and counts that an unfinished evaluation has summed.
    #[serde(default)]
    pub partial: BTreeMap<String, f64>,
}

impl Carried {
    /// Keeps the rate of a phase, or of a part of it, for a worker that goes on with it.
    pub fn expect_rate(&mut self, what: &str, rate: Option<f64>) {
        if let Some(rate) = rate {
            self.rates.insert(what.into(), rate);
        }
    }
}

/// Where a run begins that took the search of another; `inputs` are what that one read.
pub fn before_allocation(inputs: BTreeMap<String, String>) -> Checkpoint {
    Tensors::default().checkpoint(Phase::Allocate, 0, &Carried { inputs, ..Carried::default() })
}

/// A checkpoint's tensors by name, prefixed by what they belong to.
#[derive(Default)]
pub struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    /// Adds `weights` under `prefix`.
    pub fn put(&mut self, prefix: &str, weights: &Weights) {
        self.0.extend(weights.iter().map(|(name, tensor)| (format!("{prefix}/{name}"), tensor.clone())));
    }

    /// Adds an optimiser's moments under `prefix`, its step count to `carried`.
    pub fn put_adam(&mut self, prefix: &str, adam: &Adam, carried: &mut Carried) {
        self.put(&format!("{prefix}.first"), &adam.first);
        self.put(&format!("{prefix}.second"), &adam.second);
        carried.optimizer_steps.insert(prefix.into(), adam.steps);
    }

    /// The weights that were put under `prefix`, on `device`.
    pub fn take(&self, prefix: &str, device: &Device) -> candle_core::Result<Weights> {
        let start = format!("{prefix}/");
        let mine = self.0.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&start)?, tensor)));
        mine.map(|(name, tensor)| Ok((name.to_string(), tensor.to_device(device)?))).collect()
    }

    /// The optimiser that was put under `prefix`.
    pub fn take_adam(
        &self,
        prefix: &str,
        config: AdamConfig,
        carried: &Carried,
        device: &Device,
    ) -> candle_core::Result<Adam> {
        Ok(Adam {
            config,
            steps: carried.optimizer_steps.get(prefix).copied().unwrap_or(0),
            first: self.take(&format!("{prefix}.first"), device)?,
            second: self.take(&format!("{prefix}.second"), device)?,
        })
    }

    /// Leaves out what was put under `prefix`.
    pub fn forget(&mut self, prefix: &str) {
        let start = format!("{prefix}/");
        self.0.retain(|name, _| !name.starts_with(&start));
    }

    /// Whether nothing was put.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a checkpoint of `phase` after `step`.
    pub fn checkpoint(self, phase: Phase, step: usize, carried: &Carried) -> Checkpoint {
        let meta = serde_json::to_value(carried).unwrap_or_default();
        Checkpoint { phase, step, meta, tensors: self.0.into_iter().collect() }
    }

    /// Of a checkpoint.
    pub fn of(checkpoint: &Checkpoint) -> Tensors {
        Tensors(checkpoint.tensors.iter().cloned().collect())
    }
}
