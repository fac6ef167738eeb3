//! What search and retraining share: the training problem, optimisers, schedules, gradients, metrics.

pub mod batch;
pub mod fit;
pub mod gradient;
pub mod metrics;
pub mod optimizer;
pub mod problem;
pub mod schedule;
