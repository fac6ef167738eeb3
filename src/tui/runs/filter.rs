//! The filter of the table: words that a run must have, anywhere or in a field.

use super::{RunRow, UNREADABLE};
use crate::run::event::Phase;
use crate::run::view::State;

/// Words that name a field before a colon.
const FIELDS: &str = "name: id: state: phase: model: data: tag: note: is:starred";

/// What to show of the words that can be said, where nothing is typed yet.
pub fn hint() -> &'static str {
    FIELDS
}

/// Whether a run has every word of a filter; a word after a dash it must not have.
pub fn matches(filter: &str, row: &RunRow) -> bool {
    filter.split_whitespace().all(|word| match word.strip_prefix('-') {
        Some("") | None => has(&word.to_lowercase(), row),
        Some(word) => !has(&word.to_lowercase(), row),
    })
}

/// A word of a filter that no run can have: a state or a phase that there is not. Gives it, and those that there are.
pub fn unknown(filter: &str) -> Option<(&str, Vec<&'static str>)> {
    let states = || State::ALL.iter().map(|state| state.name()).chain([UNREADABLE]).collect::<Vec<_>>();
    let phases = || Phase::ALL.iter().map(|phase| phase.name()).collect::<Vec<_>>();
    filter.split_whitespace().find_map(|word| {
        let lower = word.strip_prefix('-').unwrap_or(word).to_lowercase();
        let (part, known) = match lower.split_once(':')? {
            ("state", part) => (part, states()),
            ("phase", part) => (part, phases()),
            _ => return None,
        };
        (!known.iter().any(|name| name.starts_with(part))).then_some((word, known))
    })
}

/// Whether a run has a word, which is in lower case.
fn has(word: &str, row: &RunRow) -> bool {
    let holds = |text: &str, part: &str| text.to_lowercase().contains(part);
    let tagged = |part: &str| row.notes.tags.iter().any(|tag| holds(tag, part));
    if let Some((field, part)) = word.split_once(':') {
        match field {
            "name" => return holds(&row.name, part),
            "id" => return row.id.starts_with(part),
            "state" => return row.state_word().starts_with(part),
            "phase" => return row.phase.is_some_and(|phase| phase.name().starts_with(part)),
            "model" => return holds(&row.model, part),
            "data" => return holds(&row.data, part),
            "tag" => return tagged(part),
            "note" => return holds(&row.notes.note, part),
            "is" if !part.is_empty() && "starred".starts_with(part) => return row.notes.star,
            // A model may be called so: `builtin:demo`.
            _ => {}
        }
    }
    [&row.name, &row.id, &row.model, &row.data, &row.notes.note].into_iter().any(|text| holds(text, word))
        || row.state_word().contains(word)
        || tagged(word)
}
