//! What search and retraining share: optimisers, schedules, gradients, evaluation, metrics.

pub mod gradient;
pub mod optimizer;
pub mod schedule;
