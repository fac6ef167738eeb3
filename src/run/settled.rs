//! The meter of a search at any moment of it, from what a reader keeps: [`crate::search::stability`] has the rules.

use super::view::RunView;
use crate::search::stability::{Evidence, FLIP_WINDOW, Stability, assess};

/// How settled the search was after a snapshot. `patience`: `search.stable_steps`; `line`: what a value must reach, where the
/// rule has such a line.
pub fn stability(view: &RunView, index: usize, patience: usize, line: Option<f64>) -> Option<Stability> {
    let snapshots = &view.snapshots;
    let step = snapshots.step(index)?;
    let modules = view.modules.len();
    let rows = |at: usize| -> Option<(usize, Vec<Vec<f32>>)> {
        let snapshot = snapshots.at(at)?;
        Some((snapshot.step, (0..modules).map(|module| snapshot.values(module).to_vec()).collect()))
    };
    let (_, now) = rows(index)?;
    let before = snapshots.index_at(step.saturating_sub(patience)).and_then(rows);
    Some(assess(&Evidence {
        step,
        total: view.search.total().max(step),
        patience,
        last_change: snapshots.last_change(index),
        flips: snapshots.flips_in(index, FLIP_WINDOW),
        undecided: snapshots.ranks_at(index).iter().filter(|rank| rank.is_none()).count(),
        line,
        now: &now,
        before: before.as_ref().map(|(step, values)| (*step, values.as_slice())),
    }))
}
