//! The first lines of the monitor: who, which state, which phase, how far.

use super::Monitor;
use crate::run::event::Phase;
use crate::run::outlook::percent;
use crate::run::view::State;
use crate::tui::draw::{bar, plain, put_ends, span};
use crate::tui::look::Look;
use crate::tui::text::{bytes, cut, cut_inside, duration, moment, rough_duration, width, wrap};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Columns below which there is no bar.
const LEAST_BAR: usize = 5;

/// The last part of a path, or the id as it is.
pub fn short(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}

/// Name and state at the left; model, data and device at the right.
pub fn title(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let name = monitor.head.as_ref().map_or(monitor.run.as_str(), |head| &head.name);
    let id = monitor.head.as_ref().map_or("", |head| &head.id);
    let mut left = vec![span(cut(name, 24, look.glyphs().ellipsis), look.strong()), plain("  ")];
    if let Some(state) = monitor.state {
        // What cannot be read may be in another state by now.
        left.push(match (&monitor.lost, look.state(state)) {
            (Some(_), _) => span(format!("was {}", state.name()), look.warning()),
            (None, (glyph, style)) => span(format!("{glyph} {}", state.name()), style),
        });
    }
    if let Some(step) = monitor.past_step() {
        left.push(span(format!("  at step {step}"), look.accent().patch(look.strong())));
    } else if let Some(read) = monitor.read {
        left.push(span(format!("  reading its history, {:.0} %", 100.0 * read), look.faint()));
    } else if area.width >= 100 {
        left.push(span(format!("  {id}"), look.faint()));
    }
    if let Some(parent) = &monitor.view.inherited {
        let text = if area.width >= 140 {
            format!("  retrained from {parent}")
        } else if area.width >= 100 {
            format!("  from {parent}")
        } else {
            // Runs of one day are told apart by their ends.
            format!("  from {}", cut_inside(parent, 13, look.glyphs().ellipsis).text())
        };
        left.push(span(text, look.faint()));
    }
    let data = monitor.head.as_ref().map_or("", |head| &head.data);
    let facts = [short(&monitor.view.model), short(data), &monitor.view.task, &monitor.view.device];
    let mut facts: Vec<&str> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    // The demo's model and data have one name.
    facts.dedup();
    let separator = format!(" {} ", look.glyphs().separator);
    let used: usize = left.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(used + 2);
    let right = cut(&facts.join(&separator), room, look.glyphs().ellipsis);
    put_ends(buf, area, 0, left, vec![span(right, look.faint())]);
}

/// The chain of phases, those that are done and the present one marked; drawn closer where `columns` are few.
pub fn phases(monitor: &Monitor, columns: u16, look: Look) -> Vec<Span<'static>> {
    let wide = chain(monitor, &format!(" {} ", look.glyphs().then), look);
    let taken: usize = wide.iter().map(Span::width).sum();
    if taken <= usize::from(columns) { wide } else { chain(monitor, look.glyphs().then, look) }
}

fn chain(monitor: &Monitor, then: &str, look: Look) -> Vec<Span<'static>> {
    let glyphs = look.glyphs();
    let finished = monitor.state == Some(State::Finished);
    let has_baseline = monitor.view.phase == Some(Phase::Baseline)
        || !monitor.view.baseline.is_empty()
        || !finished && plans_baseline(monitor);
    let mut spans = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Baseline || has_baseline) {
        if !spans.is_empty() {
            spans.push(span(then, look.faint()));
        }
        if finished || monitor.view.phase.is_some_and(|present| phase < present) {
            spans.push(span(format!("{} {}", glyphs.done, phase.name()), look.good()));
        } else if monitor.view.phase == Some(phase) {
            let style = look.accent().patch(look.strong());
            spans.push(span(format!("{} {}", glyphs.pointer, phase.name()), style));
        } else {
            spans.push(span(phase.name(), look.faint()));
        }
    }
    spans
}

/// Whether the settings ask for baselines that can be scored.
fn plans_baseline(monitor: &Monitor) -> bool {
    let asked = monitor.settings().is_some_and(|said| said.baseline.head_only || said.baseline.uniform.is_some());
    // Before the data is read, nobody knows of held-out rows.
    asked && (monitor.view.test_rows > 0 || monitor.view.modules.is_empty())
}

/// How far the phase is, with rate and time left; or what became of the run.
pub fn progress(monitor: &Monitor, columns: u16, zone: &TimeZone, look: Look) -> Vec<Span<'static>> {
    let view = &monitor.view;
    let place = view.place();
    let worked = || view.took().map_or(String::new(), |took| format!(", after {} of work", duration(took)));
    match monitor.state {
        None => vec![span("reading the log", look.faint())],
        Some(State::Queued) if view.device.is_empty() => vec![plain("waiting for its worker")],
        Some(State::Queued) => vec![plain(format!("waiting in the queue for {}; s takes it out", view.device))],
        Some(State::Finished) => vec![plain(ended(monitor, columns, zone))],
        Some(State::Paused) => vec![plain(format!("paused in {place}{}; r resumes", worked()))],
        Some(State::Stopped) if view.waits && view.started.is_none() => {
            vec![plain("taken out of the queue before it began; r starts it")]
        }
        Some(State::Stopped) if view.waits => vec![plain(format!("taken out of the queue in {place}; r resumes"))],
        Some(State::Stopped) => vec![plain(format!("stopped in {place}{}; r resumes", worked()))],
        Some(State::Crashed) => {
            let text = format!("died in {place}: r {}", view.resumes());
            vec![span(text, look.bad())]
        }
        Some(State::Failed) => {
            let text = format!("failed in {place}: r {}", view.resumes());
            vec![span(text, look.bad())]
        }
        Some(State::Stalled) => {
            vec![span(format!("no sign of life from the worker for a minute; {place}"), look.warning())]
        }
        Some(State::Running) => running(monitor, columns, look),
    }
}

fn running(monitor: &Monitor, columns: u16, look: Look) -> Vec<Span<'static>> {
    let view = &monitor.view;
    let (label, step, total) = match (view.warmup, view.phase) {
        (Some((step, total)), _) => ("warm-up", step, total),
        (None, Some(phase)) => (phase.name(), view.step, view.total),
        (None, None) => return vec![plain("starting")],
    };
    if total == 0 {
        return vec![plain(label)];
    }
    let share = step as f64 / total as f64;
    let start = format!("{label} {step}/{total} ");
    let percent = format!("{:>3} %", percent(step, total));
    let unit = if view.phase == Some(Phase::Prepare) { "rows" } else { "steps" };
    let rate = view.rate.filter(|rate| *rate > 0.0).map_or(String::new(), |rate| format!("  {rate:.1} {unit}/s"));
    let left = match left(monitor) {
        Some(left) => format!("  {left}"),
        None if step < total => "  estimating the time left".into(),
        None => String::new(),
    };
    let columns = usize::from(columns);
    let room = |facts: &str| columns.saturating_sub(width(&start) + 1 + width(facts));
    // A short bar says nothing, and how fast it is says less than how long it takes.
    let ways = [format!("{percent}{rate}{left}"), format!("{percent}{left}")];
    let facts = ways.iter().find(|facts| room(facts) >= LEAST_BAR).or(ways.last()).map_or("", String::as_str);
    let mut spans = vec![plain(&start)];
    if room(facts) >= LEAST_BAR {
        spans.extend(bar(share, room(facts).min(60), look));
        spans.push(plain(" "));
    }
    spans.push(plain(facts));
    spans
}

/// Time left of the phase, and of the run where more is to come.
fn left(monitor: &Monitor) -> Option<String> {
    let of_phase = monitor.view.left_s?;
    let in_all = monitor.settings().and_then(|settings| monitor.view.left_in_all(settings));
    // The warm-up is a part of the search.
    let what = if monitor.view.warmup.is_some() { " of the search" } else { "" };
    Some(match in_all {
        Some(left) => format!("{} left{what}, all phases {}", duration(of_phase), left.words(rough_duration)),
        None => format!("{} left{what}", duration(of_phase)),
    })
}

/// What a run took in all and by phase, when, and how much memory: as much of it as fits.
fn ended(monitor: &Monitor, columns: u16, zone: &TimeZone) -> String {
    let view = &monitor.view;
    let mut line = match view.took() {
        Some(took) => format!("took {}", duration(took)),
        None => "finished".into(),
    };
    let of = |(phase, seconds): &(Phase, f64)| format!("{} {}", phase.name(), duration(*seconds));
    let phases: Vec<String> = view.durations().iter().filter(|(_, seconds)| *seconds >= 0.5).map(of).collect();
    let time = |time: &Option<String>| time.as_deref().map_or("?".into(), |time| moment(time, zone));
    let (from, to) = (time(&view.started), time(&view.last_time));
    // The day is said once.
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, clock))) if day == same => clock.to_owned(),
        _ => to,
    };
    let phases = if phases.len() > 1 { format!(": {}", phases.join(", ")) } else { String::new() };
    let facts = [
        phases,
        format!("; {from} to {to}"),
        view.peak_memory().map_or(String::new(), |rss| format!("; {} of memory at most", bytes(rss))),
    ];
    for fact in facts {
        if width(&line) + width(&fact) <= usize::from(columns) {
            line.push_str(&fact);
        }
    }
    line
}

/// Error and advice of a run that failed, or why it cannot be read; empty for all others.
pub fn failure(monitor: &Monitor, columns: u16, most: usize, look: Look) -> Vec<Vec<Span<'static>>> {
    let lines_of = |text: &str, first: &str, style: Style| {
        let indent = first.len();
        let lines = wrap(text, usize::from(columns).saturating_sub(indent));
        let line = |(i, line): (usize, String)| {
            let start = if i == 0 { first.to_owned() } else { " ".repeat(indent) };
            vec![span(start, look.strong()), span(line, style)]
        };
        lines.into_iter().enumerate().map(line).collect::<Vec<_>>()
    };
    if let Some(error) = &monitor.lost {
        return lines_of(error, "error   ", look.bad());
    }
    let Some((error, advice)) = &monitor.view.error else { return Vec::new() };
    let mut lines = lines_of(error, "error   ", look.bad());
    if !advice.is_empty() {
        let advice = lines_of(advice, "advice  ", Style::new());
        // A long error must not push the advice out of sight.
        lines.truncate(most.saturating_sub(advice.len()).max(1));
        lines.extend(advice);
    }
    lines.truncate(most);
    lines
}
