//! The stability meter: since when no rank changed, how often they did, how decided the values are, and whether it would be
//! safe to stop.

use super::Monitor;
use crate::run::event::Phase;
use crate::run::view::State;
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, width};
use ratatui::text::Span;

/// Whether there is something to say: in the search, or at one of its moments.
pub fn is_shown(monitor: &Monitor) -> bool {
    !monitor.view.snapshots.is_empty() && (monitor.view.phase == Some(Phase::Search) || monitor.is_past())
}

/// The meter in one line.
pub fn line(monitor: &Monitor, columns: u16, look: Look) -> Vec<Span<'static>> {
    let Some(stability) = monitor.stability() else { return Vec::new() };
    let path = |module: usize| monitor.view.modules.get(module).map_or(String::new(), |module| tail(&module.path));
    let ends = monitor.state == Some(State::Running)
        && monitor.settings().is_some_and(|settings| settings.search.stop_when_stable);
    let (word, style) = match stability.verdict.is_safe() {
        true => (if ends { "stable: the search ends" } else { "safe to stop" }, look.good()),
        false => ("not settled", look.accent()),
    };
    let since = stability.since_change.map_or(String::new(), |steps| {
        format!("  no change for {steps} {}", if steps == 1 { "step" } else { "steps" })
    });
    let entropy = stability.entropy.map_or(String::new(), |entropy| format!("  entropy {entropy:.2}"));
    let figures =
        format!("{since}  {} {} in 100{entropy}", stability.flips, if stability.flips == 1 { "flip" } else { "flips" });
    let mark = if stability.verdict.is_safe() { look.glyphs().done } else { look.glyphs().pointer };
    let used = width(mark) + 1 + word.len() + figures.len();
    let room = usize::from(columns).saturating_sub(used);
    let long = format!("  {}", stability.verdict.reason(path));
    let reason = if width(&long) <= room { long } else { format!("  {}", stability.verdict.brief(path)) };
    vec![
        span(format!("{mark} {word}"), style),
        plain(figures),
        span(cut(&reason, room, look.glyphs().ellipsis), look.faint()),
    ]
}

/// The end of a module's path: from its layer on.
pub fn tail(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let layer = parts.iter().position(|part| part.parse::<usize>().is_ok()).unwrap_or(0);
    parts[layer..].join(".")
}
