//! The job of a worker: the phases of a run, one after the other, each from the checkpoint where it was left.

pub mod again;
mod baseline;
mod evaluate;
mod init_from;
mod job;
mod memory;
mod prepare;
mod progress;
mod retrain;
mod room;
mod scores;
mod search;
mod state;
mod texts;
pub mod trial;

pub use job::{Fault, run};
pub use memory::peak_rss_bytes;
pub(super) use memory::sized;
pub(in crate::run) use state::before_allocation;
