//! What happened since the run was last looked at: a card for whoever comes back after a while.

use super::Monitor;
use crate::run::chronicle::tail;
use crate::run::event::Phase;
use crate::run::history::Metric;
use crate::run::view::{RunView, State};
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
    total: usize,
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
            total: view.total,
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
    lines.push(match then.phase == view.phase {
        true => format!(
            "steps    {} of {}: from {} to {}{}",
            view.step.saturating_sub(then.step),
            view.phase.map_or("the start", Phase::name),
            then.step,
            view.step,
            of(view.total),
        ),
        false => format!(
            "phases   from {} to {}",
            place(then.phase, then.step, then.total),
            match monitor.state {
                Some(State::Finished) => "the end: the run is finished".into(),
                _ => place(view.phase, view.step, view.total),
            }
        ),
    });
    lines.extend(scores(monitor, then));
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

/// A place in a run; phases without steps are a place of their own.
fn place(phase: Option<Phase>, step: usize, total: usize) -> String {
    match phase {
        None => "the start".into(),
        Some(phase) if step == 0 && total == 0 => phase.name().into(),
        Some(phase) => format!("{}, step {step}{}", phase.name(), of(total)),
    }
}

fn of(total: usize) -> String {
    if total == 0 { String::new() } else { format!(" of {total}") }
}

/// The run's score, once there is one, and the best loss of its search.
fn scores(monitor: &Monitor, then: &Then) -> Vec<String> {
    let view = &monitor.view;
    let score = view.metrics.get(&view.metric).map(|score| format!("score    {} {}", figure(*score), view.metric));
    let best = view.search.least(Metric::ValidationLoss).map(|(step, best)| {
        let before = match then.best {
            Some((_, before)) if before == best => ", as before".into(),
            Some((_, before)) => format!(", before {}", figure(before)),
            None => String::new(),
        };
        format!("best     validation loss {} at step {step} of the search{before}", figure(best))
    });
    score.into_iter().chain(best).collect()
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
            let path = tail(&monitor.view.modules.get(module)?.path);
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
