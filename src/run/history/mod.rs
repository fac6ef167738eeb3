//! What a run did over time, in little memory: its figures step by step, its selection values and ranks, its machine.

mod curves;
mod looks;
mod snapshots;

pub use curves::{Axis, Curves, Metric};
pub use looks::{Looks, MachinePoint};
pub use snapshots::{Flip, Snapshot, Snapshots};
