//! How much memory the run will take, beside what is free.

use super::job::Fault;
use super::prepare::Prepared;
use crate::data::Rows;
use crate::experiment::estimate::{LoraSizes, ModelSizes, Training, Writing, on_host, training, writing};
use crate::experiment::{Experiment, Precision, Task};
use crate::model::{DropoutRates, memory};
use crate::run::event::{Event, Phase};
use crate::run::worker::Context;
use std::fs::read_to_string;

/// Bytes by phase.
#[derive(Clone, Copy)]
pub struct Estimate {
    pub frozen: u64,
    pub search: u64,
    pub retrain: u64,
    pub evaluate: u64,
}

impl Estimate {
    /// That of the phase that takes most.
    pub fn peak(&self) -> u64 {
        self.search.max(self.retrain).max(self.evaluate)
    }
}

/// Says how much memory the run will take, and what would lessen it where that is more than there is.
pub fn report(ctx: &mut Context, prepared: &Prepared) -> Result<(), Fault> {
    let experiment = ctx.experiment().clone();
    let estimate = estimate(&experiment, prepared);
    let on_host = prepared.problem.device.is_cpu();
    let available = if on_host { available() } else { None };
    ctx.emit(Event::Memory {
        phase: Phase::Prepare,
        frozen_bytes: estimate.frozen,
        search_bytes: estimate.search,
        retrain_bytes: estimate.retrain,
        evaluate_bytes: estimate.evaluate,
        available_bytes: available,
    })?;
    let Estimate { frozen, search, retrain, evaluate } = estimate;
    let parts =
        [("search", search), ("retraining", retrain), ("evaluation", evaluate), ("the frozen model alone", frozen)];
    let parts: Vec<String> = parts.iter().map(|(name, bytes)| format!("{name} {}", sized(*bytes))).collect();
    let message = format!("memory, about, at the peaks: {}", parts.join(", "));
    ctx.emit(Event::Log { phase: Phase::Prepare, level: "info".into(), message })?;
    let Some(free) = available.filter(|free| estimate.peak() > *free) else { return Ok(()) };
    let message = format!(
        "the run may need {} of memory, {} are free; {}",
        sized(estimate.peak()),
        sized(free),
        advice(&experiment, prepared, &estimate)
    );
    Ok(ctx.emit(Event::Log { phase: Phase::Prepare, level: "warning".into(), message })?)
}

/// Bytes for people, in MB or GB.
pub fn sized(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.0} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.2} GB", bytes as f64 / 1e9)
    }
}

/// What each setting that saves memory would bring.
fn advice(experiment: &Experiment, prepared: &Prepared, now: &Estimate) -> String {
    savers(experiment, prepared, now).into_iter().map(|(_, said)| said).collect::<Vec<_>>().join("; ")
}

/// The settings that save memory, and what each would bring.
pub(super) fn savers(experiment: &Experiment, prepared: &Prepared, now: &Estimate) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    if now.evaluate > now.search.max(now.retrain) {
        let help = "it is the evaluation: lower evaluate.batch_size, evaluate.num_beams or evaluate.max_new_tokens";
        return vec![("evaluate.batch_size", help.into())];
    }
    let mut tried = experiment.clone();
    if !experiment.runtime.checkpoint_activations {
        tried.runtime.checkpoint_activations = true;
        let peak = estimate(&tried, prepared).peak();
        let help = format!("with runtime.checkpoint_activations = true it would be {}", sized(peak));
        said.push(("runtime.checkpoint_activations", help));
    }
    if experiment.runtime.micro_batch != Some(1) {
        tried.runtime.micro_batch = Some(1);
        let peak = estimate(&tried, prepared).peak();
        said.push(("runtime.micro_batch", format!("with runtime.micro_batch = 1 (too) {}", sized(peak))));
    }
    if experiment.runtime.precision == Precision::F32 {
        said.push(("runtime.precision", "runtime.precision = \"bf16\" halves the frozen model".into()));
    }
    said
}

pub(super) fn estimate(experiment: &Experiment, prepared: &Prepared) -> Estimate {
    let (problem, rank) = (&prepared.problem, experiment.lora.rank);
    let head = problem.head_parameters();
    let ranks = vec![rank; problem.modules.len()];
    let lora = memory::lora(&problem.modules, &ranks, head, experiment.lora.dropout);
    let in_search = DropoutRates::everywhere(experiment.lora.dropout, experiment.model.dropout.unwrap_or(0.0));
    let retraining = problem.model.dropout_rates(experiment.lora.dropout, experiment.model.dropout);
    let of = |rates: &DropoutRates, rows: &[&Rows], batch_size: usize, search: bool| {
        let size = experiment.runtime.micro_batch.map_or(batch_size, |micro| micro.min(batch_size));
        let pack_to = problem.layout.pack_to.filter(|_| experiment.data.task == Task::Generation);
        let largest = rows.iter().map(|rows| largest_part(rows, size, pack_to)).max().unwrap_or(0);
        let longest = rows.iter().flat_map(|rows| rows.lengths()).max().unwrap_or(0);
        let most = experiment.runtime.micro_tokens.map_or(u64::MAX, |tokens| tokens.max(longest) as u64);
        let phase = Training {
            tokens: largest.min(most),
            in_parts: size < batch_size || largest > most,
            recompute: experiment.runtime.checkpoint_activations,
            search,
        };
        training(&problem.model.sizes(rates, &problem.modules), &lora, &phase)
    };
    let (train, validation) = (&prepared.train, &prepared.validation);
    let sizes = problem.model.sizes(&DropoutRates::default(), &problem.modules);
    let frozen = sizes.frozen_bytes;
    let taken = |bytes: u64| if problem.device.is_cpu() { on_host(bytes, frozen) } else { bytes };
    Estimate {
        frozen,
        search: taken(of(&in_search, &[train, validation], experiment.search.batch_size, true)),
        retrain: taken(of(&retraining, &[train, validation], experiment.retrain.batch_size, false)),
        evaluate: taken(evaluation(experiment, prepared, &sizes, &lora)),
    }
}

/// Tokens of the largest part that there can be of `size` rows, padding included.
fn largest_part(rows: &Rows, size: usize, pack_to: Option<usize>) -> u64 {
    let mut lengths = rows.lengths();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.truncate(size);
    let longest = lengths.first().copied().unwrap_or(0);
    let tokens = match pack_to {
        None => longest * lengths.len(),
        Some(capacity) => {
            let sum: usize = lengths.iter().sum();
            let capacity = capacity.max(longest).max(1);
            if sum <= capacity { sum } else { (sum.div_ceil(capacity) * capacity).min(longest * lengths.len()) }
        }
    };
    tokens as u64
}

fn evaluation(experiment: &Experiment, prepared: &Prepared, sizes: &ModelSizes, lora: &LoraSizes) -> u64 {
    let Some(test) = &prepared.test else { return 0 };
    let settings = &experiment.evaluate;
    let longest = test.lengths().into_iter().max().unwrap_or(0);
    let written = if experiment.data.task == Task::Generation { settings.max_new_tokens } else { 0 };
    let beams = if experiment.data.task == Task::Generation { settings.num_beams } else { 1 };
    let rows = settings.batch_size.min(test.len()) * beams;
    writing(sizes, lora, &Writing { rows: rows as u64, places: (longest + written) as u64 })
}

/// Bytes that this process can still take: what the system has, and what its control group leaves it.
pub(super) fn available() -> Option<u64> {
    let system = read_to_string("/proc/meminfo").ok()?;
    let line = system.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let system: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let group = |file: &str| read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse::<u64>().ok();
    let left = group("memory.max").zip(group("memory.current")).map(|(most, now)| most.saturating_sub(now));
    Some((system * 1024).min(left.unwrap_or(u64::MAX)))
}

/// The most memory that this process ever had resident, bytes.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Encoded, Target};

    #[test]
    fn the_largest_part_is_of_the_longest_rows() {
        let row = |length: usize| Encoded {
            ids: vec![1; length],
            type_ids: vec![0; length],
            target: Target::Class(0),
            example: 0,
        };
        let rows = Rows::from([3, 9, 2, 6, 4].map(row).to_vec());
        assert_eq!(largest_part(&rows, 3, None), 27);
        assert_eq!(largest_part(&rows, 3, Some(20)), 19);
        // Two rows of 10 hold 9 and 6 + 4.
        assert_eq!(largest_part(&rows, 3, Some(10)), 20);
        assert_eq!(largest_part(&rows, 99, None), 45);
        assert!(available().is_none_or(|bytes| bytes > 0));
    }
}
