//! Deleting runs: weighed, asked about, never while a worker is at work.

use super::{RunRow, Runs};
use crate::run::referring::{Referrer, words};
use crate::tui::model::{Model, Popup, Then};
use crate::tui::msg::{Effect, Weight};
use crate::tui::text::bytes;

/// Names that a question lists; the others are counted.
const MOST_NAMES: usize = 12;

/// Looks how much the runs that are meant hold, where no worker is at work on them.
pub fn weigh(runs: &Runs) -> Vec<Effect> {
    let at_rest: Vec<String> =
        runs.meant().into_iter().filter(|row| !row.has_worker()).map(|row| row.id.clone()).collect();
    if at_rest.is_empty() { Vec::new() } else { vec![Effect::Weigh(at_rest)] }
}

/// Asks before runs are deleted, saying what goes.
pub fn ask(model: &mut Model, weights: &[Weight]) {
    let known: Vec<(&RunRow, &Weight)> =
        weights.iter().filter_map(|weight| Some((model.runs.row(&weight.run)?, weight))).collect();
    let (title, mut text) = match known.as_slice() {
        [] => return,
        [(row, weight)] => {
            let text = format!(
                "Delete run {} ({}{})? Its folder goes, with all that is in it: {} files, {}.\n{}",
                row.name,
                row.id,
                starred(row),
                weight.files,
                bytes(weight.bytes),
                weight.dir
            );
            ("Delete the run", text)
        }
        several => ("Delete runs", of_several(several, staying(&model.runs))),
    };
    for sentence in sentences(&known) {
        text += &format!("\n\n{sentence}.");
    }
    let runs = known.iter().map(|(row, _)| row.id.clone()).collect();
    model.popups.push(Popup::Confirm { title, text, then: Then::Effect(Effect::Remove(runs)) });
}

/// What becomes of the runs that refer to those that go, and stay themselves.
fn sentences(going: &[(&RunRow, &Weight)]) -> Vec<String> {
    let mut staying: Vec<Referrer> = Vec::new();
    for referrer in going.iter().flat_map(|(_, weight)| &weight.referrers) {
        let goes = going.iter().any(|(row, _)| row.id == referrer.id);
        if !goes && !staying.iter().any(|known| known.id == referrer.id) {
            staying.push(referrer.clone());
        }
    }
    words(&staying)
}

/// How many of the marked runs stay, since a worker is at work on them.
fn staying(runs: &Runs) -> usize {
    runs.meant().iter().filter(|row| row.has_worker()).count()
}

fn starred(row: &RunRow) -> &'static str {
    if row.notes.star { ", starred" } else { "" }
}

fn of_several(runs: &[(&RunRow, &Weight)], staying: usize) -> String {
    let files: usize = runs.iter().map(|(_, weight)| weight.files).sum();
    let size: u64 = runs.iter().map(|(_, weight)| weight.bytes).sum();
    let mut text = format!(
        "Delete {} runs? Their folders go, with all that is in them: {files} files, {}.",
        runs.len(),
        bytes(size)
    );
    for (row, weight) in runs.iter().take(MOST_NAMES) {
        text += &format!("\n{} ({}), {}{}", row.name, row.id, bytes(weight.bytes), starred(row));
    }
    if runs.len() > MOST_NAMES {
        text += &format!("\nand {} more", runs.len() - MOST_NAMES);
    }
    match staying {
        0 => {}
        1 => text += "\nOne marked run is at work or waits for it, and stays.",
        count => text += &format!("\n{count} marked runs are at work or wait for it, and stay."),
    }
    text
}
