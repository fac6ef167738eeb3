//! Where the parts of the monitor stand, for any size.

use super::{Curve, Monitor, heat, losses, module, outcome, samples, status};
use crate::tui::draw::{below, inset, put, top};
use crate::tui::look::Look;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns from which map and curves stand side by side.
const WIDE: u16 = 110;
/// Columns that the left side takes at least, there.
const LEFT_COLUMNS: u16 = 66;
/// A chart taller than this says no more.
const MOST_LOSS_LINES: u16 = 22;

/// Draws the monitor.
pub fn view(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let area = inset(area, 1);
    status::title(buf, area, monitor, look);
    let mut line = 1;
    for spans in status::failure(monitor, area.width, usize::from(area.height / 3).max(2), look) {
        put(buf, area, line, spans);
        line += 1;
    }
    put(buf, area, line, status::phases(monitor, area.width, look));
    put(buf, area, line + 1, status::progress(monitor, area.width, zone, look));
    let body = below(area, line + 2);
    if area.width >= WIDE {
        wide(buf, body, monitor, zone, look);
    } else {
        narrow(buf, body, monitor, zone, look);
    }
}

fn rows(monitor: &Monitor) -> u16 {
    u16::try_from(monitor.grid.layers.len()).unwrap_or(u16::MAX - heat::FRAME_LINES).max(1)
}

/// One above the other: result, map, module, losses and samples, log. The losses give way first, then rows of the map.
fn narrow(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let whole = area.height;
    let area = outcome_on_top(buf, area, whole / 3, monitor, look);
    let is_crowded = area.height < whole && !monitor.view.samples.is_empty();
    let log_lines = match area.height {
        0..12 => 0,
        // A result and samples leave room for the log or for the ranks.
        12..24 if is_crowded => 0,
        12..24 => 3,
        _ => 5,
    };
    let rest = area.height - log_lines;
    let (map, module) = map_lines(monitor, rest);
    heat::draw(buf, top(area, map), monitor, look);
    module::draw(buf, top(below(area, map), module), monitor, look);
    losses_and_samples(buf, below(top(area, rest), map + module), monitor, look);
    if log_lines > 0 {
        status::log(buf, below(area, rest), monitor, zone, look);
    }
}

/// Losses above samples where there is room for both; else one of them, samples unless a curve was asked for.
fn losses_and_samples(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let wanted = samples::lines(monitor, area.width);
    let chart = if wanted == 0 {
        area.height
    } else if area.height >= MOST_LOSS_LINES / 2 + samples::LEAST_LINES {
        area.height.saturating_sub(wanted + 1).max(area.height / 2).min(MOST_LOSS_LINES)
    } else if monitor.curve == Curve::Present {
        0
    } else {
        area.height
    };
    if chart >= losses::LEAST_LINES {
        losses::draw(buf, top(area, chart), monitor, look);
    }
    let rest = below(area, chart);
    if wanted > 0 && rest.height >= samples::LEAST_LINES {
        samples::draw(buf, rest, monitor, look);
    }
}

/// Lines of map and module when they share `rest` lines with the losses: all rows where that leaves a chart, else about
/// half.
fn map_lines(monitor: &Monitor, rest: u16) -> (u16, u16) {
    let module = if rest > heat::FRAME_LINES + module::LINES { module::LINES } else { 0 };
    let rest = rest - module;
    let wanted = rows(monitor) + heat::FRAME_LINES;
    if rest < heat::FRAME_LINES + 2 + losses::LEAST_LINES {
        return (wanted.min(rest), module);
    }
    let chart = losses::LEAST_LINES + 2;
    let most = rest.saturating_sub(chart).max(rest * 3 / 5).min(rest - losses::LEAST_LINES);
    let map = wanted.min(most);
    // Bars where a good chart is left below them.
    let bars = module::panel_lines(monitor);
    let left = rest + module - map;
    (map, if left >= bars + 2 * losses::LEAST_LINES + 2 { bars } else { module })
}

/// Map and module at the left; result, losses, samples and log at the right.
fn wide(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let columns = heat::full_width(monitor).max(LEFT_COLUMNS).min(area.width * 3 / 5);
    let left = Rect { width: columns, ..area };
    let right = Rect { x: area.x + columns + 2, width: area.width.saturating_sub(columns + 2), ..area };
    let wanted = rows(monitor) + heat::FRAME_LINES;
    let map = wanted.min(area.height.saturating_sub(module::LINES));
    let bars = module::panel_lines(monitor);
    // A blank line above the bars, where there is room for both.
    let gap = u16::from(area.height > map + bars);
    heat::draw(buf, top(left, map), monitor, look);
    module::draw(buf, below(left, map + gap), monitor, look);

    let right = outcome_on_top(buf, right, right.height / 2, monitor, look);
    let mut log = (right.height / 4).max(right.height.saturating_sub(MOST_LOSS_LINES));
    if !monitor.view.samples.is_empty() {
        log = (right.height / 4).min(status::log_lines(monitor, right.width));
    }
    losses_and_samples(buf, top(right, right.height - log), monitor, look);
    status::log(buf, below(right, right.height - log), monitor, zone, look);
}

/// Draws the result, where there is one, and gives the area below it.
fn outcome_on_top(buf: &mut Buffer, area: Rect, most: u16, monitor: &Monitor, look: Look) -> Rect {
    let lines = outcome::lines(monitor, area.width).min(most);
    if lines > 0 {
        outcome::draw(buf, top(area, lines), monitor, look);
    }
    below(area, lines)
}
