//! Where the parts of the monitor stand, for any size.

use super::{Monitor, heat, losses, outcome, status};
use crate::tui::draw::{below, inset, put, top};
use crate::tui::look::Look;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns from which map and curves stand side by side.
const WIDE: u16 = 110;

/// Draws the monitor.
pub fn view(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let area = inset(area, 1);
    status::title(buf, area, monitor, look);
    let mut line = 1;
    for spans in status::failure(monitor, area.width, usize::from(area.height / 3).max(2), look) {
        put(buf, area, line, spans);
        line += 1;
    }
    put(buf, area, line, status::phases(monitor, look));
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

/// One above the other: result, map, losses, log. The losses give way first, then rows of the map.
fn narrow(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let result = outcome::lines(monitor).min(area.height / 3);
    outcome_at(buf, top(area, result), monitor, look);
    let area = below(area, result);
    let log_lines = match area.height {
        0..12 => 0,
        12..24 => 3,
        _ => 5,
    };
    let rest = area.height - log_lines;
    let map = map_lines(monitor, rest);
    heat::draw(buf, top(area, map), monitor, look);
    let chart = below(top(area, rest), map);
    if chart.height >= losses::LEAST_LINES {
        losses::draw(buf, chart, monitor, look);
    }
    if log_lines > 0 {
        status::log(buf, below(area, rest), monitor, zone, look);
    }
}

/// Lines of the map when it shares `rest` lines with the losses: all rows where that leaves a chart, else about half.
fn map_lines(monitor: &Monitor, rest: u16) -> u16 {
    let wanted = rows(monitor) + heat::FRAME_LINES;
    let chart = losses::LEAST_LINES + 2;
    if rest < heat::FRAME_LINES + 2 + losses::LEAST_LINES {
        return wanted.min(rest);
    }
    let most = rest.saturating_sub(chart).max(rest * 3 / 5).min(rest - losses::LEAST_LINES);
    wanted.min(most)
}

/// The map and the log at the left, result and losses at the right.
fn wide(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let left = heat::full_width(monitor).max(62).min(area.width * 3 / 5);
    let (left, right) = (
        Rect { width: left, ..area },
        Rect { x: area.x + left + 2, width: area.width.saturating_sub(left + 2), ..area },
    );
    let least_log = (area.height / 4).min(6);
    let map = (rows(monitor) + heat::FRAME_LINES).min(area.height - least_log);
    heat::draw(buf, top(left, map), monitor, look);
    status::log(buf, below(left, map), monitor, zone, look);
    let result = outcome::lines(monitor).min(area.height / 2);
    outcome_at(buf, top(right, result), monitor, look);
    losses::draw(buf, below(right, result), monitor, look);
}

fn outcome_at(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    if area.height > 0 {
        outcome::draw(buf, area, monitor, look);
    }
}
