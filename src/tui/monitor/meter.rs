//! The stability meter: since when no rank changed, how often they did, how decided the values are, and whether it would be
//! safe to stop.

use super::Monitor;
use crate::run::chronicle::tail;
use crate::run::event::Phase;
use crate::run::view::State;
use crate::search::stability::{Verdict, no_change};
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::width;
use ratatui::text::Span;

/// Whether there is something to say: in the search, or at one of its moments.
pub fn is_shown(monitor: &Monitor) -> bool {
    let is_read = monitor.read.is_none() && !monitor.view.snapshots.is_empty();
    is_read && (monitor.view.phase == Some(Phase::Search) || monitor.is_past())
}

/// The meter in one line: what does not fit is left out, the figures before the reason.
pub fn line(monitor: &Monitor, columns: u16, look: Look) -> Vec<Span<'static>> {
    let Some(stability) = monitor.stability() else { return Vec::new() };
    let path = |module: usize| monitor.view.modules.get(module).map_or(String::new(), |module| tail(&module.path));
    let search = monitor.settings().map(|settings| &settings.search);
    let patience = search.map_or(100, |search| search.stable_steps);
    let ends = monitor.state == Some(State::Running)
        && !monitor.is_past()
        && search.is_some_and(|search| search.stop_when_stable);
    let (word, style) = match stability.verdict.is_safe() {
        true => (if ends { "stable: the search ends" } else { "safe to stop" }, look.good()),
        false => ("not settled", look.accent()),
    };
    let steps = stability.since_change.unwrap_or(0);
    let since = if ends && !stability.verdict.is_safe() {
        format!("stops when stable for {patience} steps: {steps} so far")
    } else {
        no_change(steps, patience)
    };
    let flips = format!("{} {} in 100", stability.flips, if stability.flips == 1 { "flip" } else { "flips" });
    let entropy = stability.entropy.map_or(String::new(), |entropy| format!("entropy {entropy:.2}"));
    // How many steps are missing stands there already.
    let (long, brief) = match stability.verdict {
        Verdict::Moving { .. } => Default::default(),
        _ => (stability.verdict.reason(path), stability.verdict.brief(path)),
    };
    let mark = if stability.verdict.is_safe() { look.glyphs().done } else { look.glyphs().pointer };
    let room = usize::from(columns).saturating_sub(width(mark) + 1 + word.len());
    let ways: [&[&str]; 6] = [
        &[&since, &flips, &entropy, &long],
        &[&since, &flips, &entropy, &brief],
        &[&since, &flips, &brief],
        &[&since, &brief],
        &[&brief],
        &[&since],
    ];
    let joined = |parts: &&[&str]| {
        parts.iter().filter(|part| !part.is_empty()).map(|part| format!("  {part}")).collect::<String>()
    };
    let facts = ways.iter().map(joined).find(|facts| width(facts) <= room).unwrap_or_default();
    vec![span(format!("{mark} {word}"), style), plain(facts)]
}
