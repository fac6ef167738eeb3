//! All that is known of what came out, below the figures on the whole screen: ranks and size, time, the adapter.

use super::Monitor;
use crate::run::view::is_better_less;
use crate::tui::draw::{put, span};
use crate::tui::look::Look;
use crate::tui::text::{bytes, duration, figure, grouped, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns of the labels.
const LABELS: usize = 10;

/// Draws as much of it as there is room for.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let room = usize::from(area.width).saturating_sub(LABELS);
    let mut line = 0;
    for (label, text, style) in facts(monitor, look) {
        for (i, part) in wrap(&text, room).into_iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            put(buf, area, line, vec![span(format!("{label:<LABELS$}"), look.faint()), span(part, style)]);
            line += 1;
        }
    }
}

fn facts(monitor: &Monitor, look: Look) -> Vec<(&'static str, String, Style)> {
    let (view, plain) = (&monitor.view, Style::new());
    let mut facts = Vec::new();
    if let Some(dir) = monitor.adapter_dir() {
        // Whole, over several lines where need be: it is there to be copied.
        facts.push(("adapter", dir, look.strong()));
        let files = monitor.adapter.iter().flatten().map(|(name, size)| format!("{name} {}", bytes(*size)));
        facts.push(("files", files.collect::<Vec<_>>().join(", "), plain));
        facts.extend(monitor.adapter_uses().into_iter().map(|(label, text)| (label, text, plain)));
    }
    let ranks: Vec<usize> = view.modules.iter().filter_map(|module| module.rank).collect();
    if !ranks.is_empty() {
        facts.push(("ranks", ranks_words(monitor, &ranks), plain));
        facts.push(("spread", spread(&ranks), plain));
    }
    if let Some((step, loss)) = view.validation.best() {
        let of = match view.search.total() {
            0 => String::new(),
            total => format!(" of {total}"),
        };
        facts.push(("search", format!("best validation loss {} at step {step}{of}", figure(loss)), plain));
    }
    facts.extend(view.stable.iter().map(|reason| ("", format!("it ended early: {reason}"), plain)));
    if let Some(took) = view.took() {
        let phases = view.durations().into_iter();
        let phases: Vec<String> =
            phases.map(|(phase, seconds)| format!("{} {}", phase.name(), duration(seconds))).collect();
        facts.push(("time", format!("{} in all: {}", duration(took), phases.join(", ")), plain));
    }
    facts.extend(view.peak_memory().map(|peak| ("memory", format!("{} at most", bytes(peak)), plain)));
    if view.train_rows > 0 {
        let [train, validation, held] = [view.train_rows, view.validation_rows, view.test_rows].map(grouped);
        facts.push(("rows", format!("{train} to train, {validation} to validate, {held} held out"), plain));
    }
    facts.extend(monitor.lead().map(|lead| ("lead", lead, plain)));
    facts.retain(|(_, text, _)| !text.is_empty());
    facts
}

fn ranks_words(monitor: &Monitor, ranks: &[usize]) -> String {
    let view = &monitor.view;
    let mean = ranks.iter().sum::<usize>() as f64 / ranks.len() as f64;
    let parameters = view.lora_parameters();
    let share = |rank: usize| 100.0 * parameters as f64 / view.uniform_parameters(rank).max(1) as f64;
    let at_4 = if view.rank == 4 { String::new() } else { format!(", {:.0} % of rank 4", share(4)) };
    format!(
        "{mean:.2} on average; {} LoRA parameters, {:.0} % of rank {} everywhere{at_4}; {} in the head",
        grouped(parameters),
        share(view.rank),
        view.rank,
        grouped(view.head_parameters)
    )
}

/// How many modules have which rank.
fn spread(ranks: &[usize]) -> String {
    let most = ranks.iter().copied().max().unwrap_or(0);
    let count = |rank: usize| ranks.iter().filter(|known| **known == rank).count();
    let modules = |count: usize| if count == 1 { "1 module".to_owned() } else { format!("{count} modules") };
    let of = |rank: usize| (count(rank) > 0).then(|| format!("rank {rank}: {}", modules(count(rank))));
    (0..=most).filter_map(of).collect::<Vec<_>>().join(", ")
}

impl Monitor {
    /// By how much the run's score is better than those that it is compared with.
    fn lead(&self) -> Option<String> {
        let view = &self.view;
        let score = *view.metrics.get(&view.metric)?;
        let others = view.evaluations.iter().filter(|(_, what, _)| what != "run");
        let lead = |(_, what, metrics): &(_, String, crate::run::event::Metrics)| {
            let difference = score - metrics.get(&view.metric)?;
            let difference = if is_better_less(&view.metric) { -difference } else { difference };
            let word = if difference < 0.0 { "worse" } else { "better" };
            Some(format!("{} {word} than {}", figure(difference.abs()), crate::run::fold::evaluated_words(what)))
        };
        let leads: Vec<String> = others.filter_map(lead).collect();
        (!leads.is_empty()).then(|| format!("{}: {}", view.metric, leads.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_counts_modules_by_rank() {
        assert_eq!(spread(&[2, 3, 3, 0]), "rank 0: 1 module, rank 2: 1 module, rank 3: 2 modules");
        assert_eq!(spread(&[]), "");
    }
}
