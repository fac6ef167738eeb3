//! What a run did over time, in little memory: its figures step by step, and its selection values and ranks.

mod curves;
mod snapshots;

pub use curves::{Axis, Curves, Metric};
pub use snapshots::{Flip, Snapshot, Snapshots};
