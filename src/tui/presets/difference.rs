//! What a preset says otherwise than the defaults.

use crate::experiment::Difference;
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::{pad, width, wrap};
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// The popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferenceView {
    /// Of which preset.
    pub name: String,
    pub rows: Difference,
    /// The first line that is shown.
    pub scroll: usize,
}

/// The lines of the popup.
pub fn lines(view: &DifferenceView, columns: usize, look: Look) -> Vec<Line> {
    if view.rows.is_empty() {
        return vec![vec![plain("It says nothing else than the defaults.")]];
    }
    let keys = view.rows.iter().map(|(key, ..)| width(key)).max().unwrap_or(0).max(7);
    if columns < keys + NARROW {
        return without_defaults(view, keys, columns, look);
    }
    let room = columns.saturating_sub(keys + 4);
    let defaults =
        view.rows.iter().map(|(_, default, _)| width(default)).max().unwrap_or(0).clamp(7, (room / 2).max(7));
    let head = format!("{:keys$}  {:defaults$}  said", "setting", "default");
    let mut lines = vec![vec![span(head, look.faint())]];
    for (key, default, said) in &view.rows {
        let (default, said) = (wrap(default, defaults), wrap(said, room.saturating_sub(defaults)));
        for at in 0..default.len().max(said.len()) {
            let text = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            lines.push(vec![
                plain(format!("{:keys$}  ", if at == 0 { *key } else { "" })),
                span(pad(&text(&default), defaults, ""), look.faint()),
                plain("  "),
                span(text(&said), look.strong()),
            ]);
        }
    }
    lines
}

/// Columns for both values, below which there is room for the one that is said alone.
const NARROW: usize = 30;

fn without_defaults(view: &DifferenceView, keys: usize, columns: usize, look: Look) -> Vec<Line> {
    let of = |(key, _, said): &(&'static str, String, String)| {
        let mut key = format!("{key:keys$}  ");
        let lines = wrap(said, columns.saturating_sub(keys + 2)).into_iter();
        lines
            .map(|text| vec![plain(std::mem::replace(&mut key, " ".repeat(keys + 2))), span(text, look.strong())])
            .collect()
    };
    view.rows.iter().flat_map(|row| -> Vec<Line> { of(row) }).collect()
}
