//! What happened since the run was last looked at: a card for whoever comes back after a while.

use super::Monitor;
use crate::run::event::Phase;
use crate::run::history::Metric;
use crate::run::view::RunView;
use crate::tui::text::{duration, figure};

/// Seconds away from which on there is a card.
const A_WHILE: f64 = 300.0;
/// Modules that are named, at most.
const MOST_NAMED: usize = 6;

/// Where the run stood when it was last looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Then {
    phase: Option<Phase>,
    step: usize,
    /// The newest snapshot then.
    pub snapshot: Option<usize>,
    best: Option<(usize, f64)>,
    warnings: usize,
}

impl Then {
    /// The run as it stands.
    pub fn of(view: &RunView) -> Then {
        Then {
            phase: view.phase,
            step: view.step,
            snapshot: view.snapshots.len().checked_sub(1),
            best: view.search.least(Metric::ValidationLoss),
            warnings: warnings(view).count(),
        }
    }
}

fn warnings(view: &RunView) -> impl Iterator<Item = &str> {
    let log = view.log.iter();
    log.filter(|(_, level, _)| level == "warning").map(|(_, _, message)| message.as_str())
}

/// The card's lines; none where the user was not away for long, or nothing happened.
pub fn card(monitor: &Monitor) -> Option<Vec<String>> {
    let away = monitor.head.as_ref()?.away_s.filter(|away| *away >= A_WHILE)?;
    let (then, view) = (monitor.then.as_ref()?, &monitor.view);
    let moved = (then.phase, then.step) != (view.phase, view.step);
    let new_warnings: Vec<&str> = warnings(view).skip(then.warnings).collect();
    if !moved && new_warnings.is_empty() {
        return None;
    }
    let mut lines = vec![format!("You were away for {}.", duration(away))];
    let name = |phase: Option<Phase>| phase.map_or("the start", Phase::name);
    lines.push(match (then.phase == view.phase, view.total) {
        (true, 0) => format!(
            "steps    {} of {}, from {} to {}",
            view.step.saturating_sub(then.step),
            name(view.phase),
            then.step,
            view.step
        ),
        (true, total) => format!(
            "steps    {} of {}: from {} to {} of {total}",
            view.step.saturating_sub(then.step),
            name(view.phase),
            then.step,
            view.step
        ),
        (false, _) => format!(
            "phases   from {}, step {}, to {}, step {}",
            name(then.phase),
            then.step,
            name(view.phase),
            view.step
        ),
    });
    lines.extend(score(monitor, then));
    lines.extend(flips(monitor, then));
    if let Some((error, _)) = &view.error {
        lines.push(format!("error    {error}"));
    }
    match new_warnings.as_slice() {
        [] => lines.push("warnings none".into()),
        [.., newest] => lines.push(format!("warnings {}, the newest: {newest}", new_warnings.len())),
    }
    Some(lines)
}

fn score(monitor: &Monitor, then: &Then) -> Option<String> {
    let view = &monitor.view;
    if let Some(score) = view.metrics.get(&view.metric) {
        return Some(format!("score    {} {}", figure(*score), view.metric));
    }
    let (step, best) = view.search.least(Metric::ValidationLoss)?;
    let before = then.best.map_or(String::new(), |(_, best)| format!(", before it was {}", figure(best)));
    Some(format!("best     validation loss {} at step {step}{before}", figure(best)))
}

fn flips(monitor: &Monitor, then: &Then) -> Option<String> {
    let snapshots = &monitor.view.snapshots;
    let newest = snapshots.len().checked_sub(1)?;
    let flips = snapshots.flips_between(then.snapshot.unwrap_or(0), newest);
    let before = then.snapshot.map(|index| snapshots.ranks_at(index)).unwrap_or_default();
    let now = snapshots.ranks_at(newest);
    let word = |rank: Option<usize>| rank.map_or("-".to_owned(), |rank| rank.to_string());
    let changed: Vec<String> = now
        .iter()
        .enumerate()
        .filter_map(|(module, rank)| {
            let was = before.get(module).copied().flatten();
            let path = super::meter::tail(&monitor.view.modules.get(module)?.path);
            (was != *rank).then(|| format!("{path} {} to {}", word(was), word(*rank)))
        })
        .collect();
    let named = changed.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = changed.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(match changed.is_empty() {
        true => format!("ranks    {} flips; all ranks are as they were", flips.len()),
        false => format!("ranks    {} flips, {} modules have another rank: {named}{more}", flips.len(), changed.len()),
    })
}
