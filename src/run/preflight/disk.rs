//! What a run writes, and what is free where it would be written.

use super::card::{Disk, Parameters};
use crate::experiment::Experiment;
use std::path::Path;

/// Bytes of an f32.
const F32: u64 = 4;
/// Bytes of a line of the log beside its values, and of a number in it.
const LINE: u64 = 320;
const NUMBER: u64 = 13;

/// Bytes of what a run of `steps` (search, other) writes. `names`: bytes of the paths of all modules together.
pub fn needed(experiment: &Experiment, parameters: &Parameters, names: usize, steps: (usize, usize)) -> Disk {
    let lora = (parameters.a + parameters.b) as u64;
    let (head, modules, rank) = (parameters.head as u64, parameters.modules as u64, parameters.rank as u64);
    // With two moments each. Retraining has no more than k of every module, and a control adds what it trains to the adapter.
    let searching = 3 * (lora + head) + 3 * modules * rank;
    let adapter = lora + head;
    let uniform = experiment.baseline.uniform.map_or(0, |uniform| lora / rank.max(1) * uniform as u64);
    let control = match (experiment.baseline.head_only, experiment.baseline.uniform) {
        (false, None) => 0,
        _ => adapter + 3 * (uniform + head),
    };
    let checkpoint = F32 * searching.max(3 * adapter).max(control);
    let every = experiment.runtime.log_every.max(1) as u64;
    let (search, other) = (steps.0 as u64 / every, steps.1 as u64 / every);
    let selection = 2 * names as u64 + modules * (rank * NUMBER + NUMBER);
    Disk {
        checkpoint,
        checkpoints: experiment.runtime.keep_checkpoints.max(1) + 1,
        log: search * (2 * LINE + selection) + other * LINE,
        adapter: F32 * adapter,
        free: None,
    }
}

/// Bytes that this user can still write at `path`, or at what is there of it.
pub fn free(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|ancestor| ancestor.exists())?;
    let seen = rustix::fs::statvfs(there).ok()?;
    Some(seen.f_bavail.saturating_mul(seen.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_holds_what_is_trained_with_two_moments() {
        let mut experiment = Experiment::default();
        (experiment.baseline.head_only, experiment.baseline.uniform) = (false, None);
        let parameters =
            Parameters { a: 600, b: 400, head: 50, rank: 8, modules: 2, trainable: 1050, ..Parameters::default() };
        let disk = needed(&experiment, &parameters, 60, (100, 50));
        assert_eq!(disk.checkpoint, 4 * (3 * 1050 + 3 * 16));
        assert_eq!(disk.adapter, 4200);
        experiment.baseline.uniform = Some(32);
        assert_eq!(needed(&experiment, &parameters, 60, (100, 50)).checkpoint, 4 * (1050 + 3 * 4050));
        assert!(disk.log > needed(&experiment, &parameters, 60, (10, 50)).log);
    }

    #[test]
    fn what_is_free_is_asked_of_the_part_of_a_path_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(free(&folder.path().join("not/yet")).is_some(), free(folder.path()).is_some());
        assert!(free(folder.path()).is_some_and(|bytes| bytes > 0));
    }
}
