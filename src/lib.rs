//! AutoLoRA: learns the rank of every LoRA matrix by bilevel optimisation, in the terminal.
//!
//! The floors, lowest first; a module uses only those above it in this list.

/// The command line, one file per verb.
pub mod cli;
/// Catalogue, file formats, tokenising, batches, randomness.
pub mod data;
/// What to run: settings, presets, validation. No tensors.
pub mod experiment;
/// Frozen backbones and heads with LoRA-aware linear layers, and their loading.
pub mod model;
/// Differentiable fused operations.
pub mod ops;
/// A run on disk: events, state, control, checkpoints, worker.
pub mod run;
/// The method: selection, hypergradient, step, allocation.
pub mod search;
/// Optimisers, schedules, gradients, metrics: what search and retraining share.
pub mod train;
/// The screens of the terminal.
pub mod tui;
