//! AutoLoRA: learns the rank of every LoRA matrix by bilevel optimisation, in the terminal. The floors, lowest first.

/// What to run: settings, presets, validation. No tensors.
pub mod experiment;
/// A run on disk: events, state, control, checkpoints, worker.
pub mod run;
