//! The difference of two moments: which modules have another rank, and what that comes to.

use super::Monitor;
use super::scene::{Against, Scene};
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::{grouped, width};
use ratatui::text::Span;

/// Title and lines of the modules whose rank is another than at the mark.
pub fn changes(monitor: &Monitor, look: Look) -> (String, Vec<Vec<Span<'static>>>) {
    let scene = Scene::of(monitor);
    let now = monitor.shown().and_then(|index| monitor.view.snapshots.step(index)).unwrap_or(0);
    let title = match scene.against {
        Some(Against::Mark(step)) => format!("Ranks from step {step} to step {now}"),
        Some(Against::LastLook(step)) => format!("Ranks since you looked at step {step}"),
        Some(Against::Actual) => "Ranks as they are, and as tried".to_owned(),
        None => {
            return ("Changes of rank".into(), vec![vec![plain("no moment is marked: m marks the one that is shown")]]);
        }
    };
    let modules = &monitor.view.modules;
    let longest = modules.iter().map(|module| width(&module.path)).max().unwrap_or(0).min(70);
    let word = |rank: Option<usize>| rank.map_or("-".to_owned(), |rank| rank.to_string());
    let mut lines = Vec::new();
    let mut difference = 0i64;
    for (index, module) in modules.iter().enumerate() {
        let Some(before) = scene.changed_from(index) else { continue };
        let now = scene.rank(index);
        let cost = i64::try_from(module.shape.parameters(1)).unwrap_or(i64::MAX);
        let change = (now.unwrap_or(0) as i64 - before.unwrap_or(0) as i64).saturating_mul(cost);
        difference = difference.saturating_add(change);
        let arrow = if before < now { look.glyphs().up } else { look.glyphs().down };
        lines.push(vec![
            plain(crate::tui::text::pad(&module.path, longest, look.glyphs().ellipsis)),
            span(format!("  {:>3} to {:>3} ", word(before), word(now)), look.strong()),
            span(arrow, look.warning()),
            span(format!("  {} parameters", signed(change)), look.faint()),
        ]);
    }
    let sum = match lines.len() {
        0 => "every rank is the same".to_owned(),
        count => format!("{count} of {} modules, {} LoRA parameters", modules.len(), signed(difference)),
    };
    lines.insert(0, vec![span(sum, look.strong())]);
    lines.insert(1, Vec::new());
    (title, lines)
}

fn signed(change: i64) -> String {
    let sign = if change < 0 { '-' } else { '+' };
    format!("{sign}{}", grouped(usize::try_from(change.unsigned_abs()).unwrap_or(usize::MAX)))
}
