//! Where the worker runs and what its machine does.

use super::{Monitor, Pane};
use crate::run::machine::{Gpu, Machine};
use crate::run::view::State;
use crate::tui::draw::{plain, put, span};
use crate::tui::look::Look;
use crate::tui::text::{bytes, cut};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// Facts of one kind, each with its style.
type Facts = Vec<Span<'static>>;

/// Lines of the pane in so many columns: the rule, the worker, the host, and a GPU where there is one.
pub fn lines(monitor: &Monitor, columns: u16, look: Look) -> u16 {
    u16::try_from(all(monitor, columns, look).len()).unwrap_or(u16::MAX - 1) + 1
}

/// The facts of the pane, in lines.
fn all(monitor: &Monitor, columns: u16, look: Look) -> Vec<Facts> {
    let mut kinds = vec![vec![plain(worker(monitor, look))]];
    if let Some(machine) = &monitor.view.machine {
        kinds.push(host(machine));
        kinds.extend(machine.gpu.iter().flat_map(|found| gpu(found, look)));
    }
    kinds.into_iter().flat_map(|facts| in_lines(facts, usize::from(columns), look)).collect()
}

/// Facts side by side, as many in a line as fit.
fn in_lines(facts: Facts, columns: usize, look: Look) -> Vec<Facts> {
    let separator = format!(" {} ", look.glyphs().separator);
    let mut lines: Vec<Facts> = vec![Vec::new()];
    let mut used = 0;
    for fact in facts {
        let wanted = fact.width() + if used > 0 { separator.chars().count() } else { 0 };
        if used > 0 && used + wanted > columns {
            lines.push(vec![plain("  ")]);
            used = 2;
        } else if let Some(line) = lines.last_mut().filter(|_| used > 0) {
            line.push(span(&separator, look.faint()));
        }
        used += wanted;
        if let Some(line) = lines.last_mut() {
            line.push(fact);
        }
    }
    lines
}

/// Host, process and memory of the worker in one line.
pub fn worker(monitor: &Monitor, look: Look) -> String {
    let view = &monitor.view;
    let mut facts = Vec::new();
    if !view.host.is_empty() {
        facts.push(cut(&view.host, 20, look.glyphs().ellipsis));
    }
    if let Some(pid) = view.pid.filter(|_| monitor.state == Some(State::Running)) {
        facts.push(format!("pid {pid}"));
    }
    if let Some(rss) = view.rss_bytes {
        facts.push(format!("memory {}", bytes(rss)));
    }
    if let Some(device) = view.device_bytes {
        facts.push(format!("device memory {}", bytes(device)));
    }
    facts.join(&format!(" {} ", look.glyphs().separator))
}

/// Memory, load and cores of the host.
fn host(machine: &Machine) -> Facts {
    let mut facts = vec![
        plain(format!("host memory {} of {}", bytes(machine.host_used_bytes), bytes(machine.host_total_bytes))),
        plain(format!("load {:.1} on {} cores", machine.load, machine.cores)),
    ];
    facts.extend(machine.worker_cores.map(|cores| plain(format!("worker {cores:.1} cores"))));
    facts
}

/// Memory and load of a GPU, then heat and power, with what slows it down.
fn gpu(gpu: &Gpu, look: Look) -> [Facts; 2] {
    let mut first = vec![span(&gpu.name, look.strong())];
    first.push(plain(format!("{} of {}", bytes(gpu.used_bytes), bytes(gpu.total_bytes))));
    first.extend(gpu.load_percent.map(|percent| plain(format!("load {percent} %"))));
    let mut second: Facts = gpu.temperature.map(|degrees| plain(format!("{degrees} °C"))).into_iter().collect();
    second.extend(gpu.power.map(|watts| match gpu.power_limit {
        Some(limit) => plain(format!("{watts:.0} of {limit:.0} W")),
        None => plain(format!("{watts:.0} W")),
    }));
    second.push(match gpu.throttled.is_empty() {
        true => span("not slowed down", look.faint()),
        false => span(format!("slowed down by {}", gpu.throttled.join(", ")), look.warning()),
    });
    [first, second]
}

/// Draws the pane.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    monitor.pane_rule(buf, area, Pane::Machine, "machine", Vec::new(), look);
    for (line, facts) in all(monitor, area.width, look).into_iter().enumerate() {
        put(buf, area, 1 + line as u16, facts);
    }
}
