//! Where the worker runs and what its machine does.

use super::{Monitor, Pane};
use crate::run::history::{Axis, Looks, MachinePoint};
use crate::run::machine::{Gpu, Machine};
use crate::run::view::State;
use crate::tui::chart::{self, Curve, Plot};
use crate::tui::draw::{below, plain, put, rule, span, top};
use crate::tui::look::Look;
use crate::tui::text::{bytes, cut, moment};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// Facts of one kind, each with its style.
type Facts = Vec<Span<'static>>;

/// Lines of the pane in so many columns: the rule, the worker, the host, and a GPU where there is one.
pub fn lines(monitor: &Monitor, columns: u16, look: Look) -> u16 {
    u16::try_from(all(monitor, columns, look).len()).unwrap_or(u16::MAX - 1) + 1
}

/// The facts of the pane, in lines: what the machine does, or of a run that has ended what it did.
fn all(monitor: &Monitor, columns: u16, look: Look) -> Vec<Facts> {
    let mut kinds = vec![vec![plain(worker(monitor, look))]];
    if let Some(machine) = &monitor.view.machine {
        if is_over(monitor) {
            kinds.push(host_over_all(machine, &monitor.view.looks));
            kinds.extend(machine.gpu.iter().flat_map(|found| gpu_over_all(found, &monitor.view.looks, look)));
        } else {
            kinds.push(host(machine));
            kinds.extend(machine.gpu.iter().flat_map(|found| gpu(found, look)));
        }
    }
    kinds.into_iter().flat_map(|facts| in_lines(facts, usize::from(columns), look)).collect()
}

/// Whether no worker is at the run, so that the newest look is no present one.
fn is_over(monitor: &Monitor) -> bool {
    monitor.state.is_some_and(|state| !state.is_active())
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

/// Host, process and memory of the worker in one line; of one that has ended the most that it had.
pub fn worker(monitor: &Monitor, look: Look) -> String {
    let view = &monitor.view;
    let mut facts = Vec::new();
    if !view.host.is_empty() {
        facts.push(cut(&view.host, 20, look.glyphs().ellipsis));
    }
    if let Some(pid) = view.pid.filter(|_| monitor.state == Some(State::Running)) {
        facts.push(format!("pid {pid}"));
    }
    if is_over(monitor) {
        facts.extend(view.peak_memory().map(|peak| format!("worker at most {}", bytes(peak))));
    } else {
        facts.extend(view.rss_bytes.map(|rss| format!("memory {}", bytes(rss))));
        facts.extend(view.device_bytes.map(|device| format!("device memory {}", bytes(device))));
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

/// The same of the host over all of the run.
fn host_over_all(machine: &Machine, looks: &Looks) -> Facts {
    let memory = (looks.host_peak_bytes, machine.host_total_bytes);
    let mut facts = vec![plain(format!("host memory at most {} of {}", bytes(memory.0), bytes(memory.1)))];
    facts.extend(looks.load().map(|load| plain(format!("mean load {load:.1} on {} cores", machine.cores))));
    facts.extend(looks.cores().map(|cores| plain(format!("worker {cores:.1} cores on average"))));
    facts
}

/// The same of the GPU.
fn gpu_over_all(gpu: &Gpu, looks: &Looks, look: Look) -> [Facts; 2] {
    let mut first = vec![span(&gpu.name, look.strong())];
    first.push(plain(format!("at most {} of {}", bytes(looks.gpu_peak_bytes), bytes(gpu.total_bytes))));
    first.extend(looks.gpu_load().map(|percent| plain(format!("mean load {percent:.0} %"))));
    let mut second: Facts = looks.hottest.map(|degrees| plain(format!("{degrees} °C at most"))).into_iter().collect();
    second.extend(looks.power().map(|watts| plain(format!("{watts:.0} W on average"))));
    second.push(match 100 * looks.throttled / looks.count.max(1) {
        _ if looks.throttled == 0 => span("never slowed down", look.faint()),
        percent => span(format!("slowed down {percent} % of the time"), look.warning()),
    });
    [first, second]
}

/// Draws the pane: the facts, and below them how it went, where there is room.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let looks = &monitor.view.looks;
    let until = (is_over(monitor) && !looks.last.is_empty())
        .then(|| span(format!("peaks and means until {}", moment(&looks.last, zone)), look.faint()));
    monitor.pane_rule(buf, area, Pane::Machine, "machine", until.into_iter().collect(), look);
    let facts = all(monitor, area.width, look);
    let charts = below(area, 1 + facts.len() as u16);
    for (line, facts) in facts.into_iter().enumerate() {
        put(buf, area, 1 + line as u16, facts);
    }
    draw_history(buf, charts, looks.points(), look);
}

/// Lines of a chart with its title, at least.
const LEAST_CHART: u16 = 6;
/// Bytes of a gigabyte.
const GB: f32 = 1e9;

/// Memory and load over the run, as many charts as there is room for.
fn draw_history(buf: &mut Buffer, area: Rect, points: &[MachinePoint], look: Look) {
    if points.len() < 2 {
        return;
    }
    type Of = fn(&MachinePoint) -> f32;
    let kinds: [(&str, Of); 4] = [
        ("GPU load, %", |point| point.gpu_load),
        ("GPU memory, GB", |point| point.gpu_bytes / GB),
        ("host memory, GB", |point| point.used_bytes / GB),
        ("load of the host", |point| point.load),
    ];
    let known = kinds.iter().filter(|(_, of)| points.iter().any(|point| !of(point).is_nan()));
    let most = usize::from(area.height / LEAST_CHART);
    let shown: Vec<_> = known.take(most).collect();
    let height = area.height / (shown.len().max(1) as u16);
    for (at, (title, of)) in shown.into_iter().enumerate() {
        let place = top(below(area, at as u16 * height), height);
        rule(buf, place, 0, title, Vec::new(), look);
        let values: Vec<(f64, f64)> = points.iter().map(|point| (f64::from(point.at), f64::from(of(point)))).collect();
        let curves = [Curve { points: &values, style: look.accent(), mark: "." }];
        let plot = Plot { curves: &curves, axis: Axis::Time, ..Plot::default() };
        chart::draw(buf, below(place, 1), &plot, look);
    }
}
