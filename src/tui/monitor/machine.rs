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

/// Lines of the pane: the rule, the worker, the host, and a GPU where there is one.
pub fn lines(monitor: &Monitor) -> u16 {
    match &monitor.view.machine {
        None => 2,
        Some(Machine { gpu: None, .. }) => 3,
        Some(Machine { gpu: Some(_), .. }) => 5,
    }
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
pub fn host(machine: &Machine, look: Look) -> String {
    let separator = format!(" {} ", look.glyphs().separator);
    let mut facts = vec![
        format!("host memory {} of {}", bytes(machine.host_used_bytes), bytes(machine.host_total_bytes)),
        format!("load {:.1} on {} cores", machine.load, machine.cores),
    ];
    facts.extend(machine.worker_cores.map(|cores| format!("worker {cores:.1} cores")));
    facts.join(&separator)
}

/// Memory and load of a GPU, then heat and power, with what slows it down.
pub fn gpu(gpu: &Gpu, look: Look) -> [Vec<Span<'static>>; 2] {
    let separator = format!(" {} ", look.glyphs().separator);
    let mut first = vec![format!("{} of {}", bytes(gpu.used_bytes), bytes(gpu.total_bytes))];
    first.extend(gpu.load_percent.map(|percent| format!("load {percent} %")));
    let mut second: Vec<String> = gpu.temperature.map(|degrees| format!("{degrees} °C")).into_iter().collect();
    second.extend(gpu.power.map(|watts| match gpu.power_limit {
        Some(limit) => format!("{watts:.0} of {limit:.0} W"),
        None => format!("{watts:.0} W"),
    }));
    let slowed = match gpu.throttled.is_empty() {
        true => span("  not slowed down", look.faint()),
        false => span(format!("  slowed down by {}", gpu.throttled.join(", ")), look.warning()),
    };
    [
        vec![span(format!("{} ", gpu.name), look.strong()), plain(first.join(&separator))],
        vec![plain(second.join(&separator)), slowed],
    ]
}

/// Draws the pane.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    monitor.pane_rule(buf, area, Pane::Machine, "machine", Vec::new(), look);
    put(buf, area, 1, vec![plain(worker(monitor, look))]);
    let Some(machine) = &monitor.view.machine else { return };
    put(buf, area, 2, vec![plain(host(machine, look))]);
    if let Some(found) = &machine.gpu {
        for (line, spans) in gpu(found, look).into_iter().enumerate() {
            put(buf, area, 3 + line as u16, spans);
        }
    }
}
