//! What search and retraining share: optimisers, schedules, gradients, evaluation, metrics.

pub mod classification;
pub mod fit;
pub mod gradient;
pub mod metrics;
pub mod optimizer;
pub mod schedule;
