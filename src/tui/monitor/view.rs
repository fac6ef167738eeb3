//! Where the parts of the monitor stand, for any size.

use super::scene::Scene;
use super::{
    Curve, Monitor, Pane, figures, heat, history, log, machine, meter, module, outcome, samples, status, what_if,
};
use crate::tui::draw::{below, inset, put, top};
use crate::tui::look::Look;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns from which map and curves stand side by side.
pub const WIDE: u16 = 112;
/// Columns that the left side takes at least, there: where there are few, curves need what is left.
const LEFT_COLUMNS: u16 = 72;
const FEW_LEFT_COLUMNS: u16 = 62;
const FEW: u16 = 140;
/// A chart taller than this says no more, where something else has use for the lines.
const MOST_CHART_LINES: u16 = 22;

/// What every part needs.
struct Frame<'a> {
    monitor: &'a Monitor,
    scene: Scene,
    zone: &'a TimeZone,
    look: Look,
}

/// Draws the monitor.
pub fn view(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, look: Look) {
    let area = inset(area, 1);
    let frame = Frame { monitor, scene: Scene::of(monitor), zone, look };
    status::title(buf, area, monitor, look);
    let mut line = 1;
    for spans in status::failure(monitor, area.width, usize::from(area.height / 3).max(2), look) {
        put(buf, area, line, spans);
        line += 1;
    }
    put(buf, area, line, status::phases(monitor, area.width, look));
    put(buf, area, line + 1, status::progress(monitor, area.width, zone, look));
    line += 2;
    if meter::is_shown(monitor) && area.height >= 16 {
        put(buf, area, line, meter::line(monitor, area.width, look));
        line += 1;
    }
    let body = below(area, line);
    match monitor.whole() {
        Some(pane) => frame.whole(buf, body, pane),
        None if area.width + 2 >= WIDE => frame.wide(buf, body),
        None => frame.narrow(buf, body),
    }
}

impl Frame<'_> {
    /// One pane on all of the area.
    fn whole(&self, buf: &mut Buffer, area: Rect, pane: Pane) {
        let bars = module::panel_lines(self.monitor);
        match pane {
            // What is tried is told below the map.
            Pane::Map => self.map_and_choice(buf, area),
            Pane::Result => outcome::draw_whole(buf, area, self.monitor, self.look),
            Pane::History if area.height >= bars + 2 * history::LEAST_LINES => {
                self.pane(buf, top(area, area.height - bars), pane);
                self.pane(buf, below(area, area.height - bars), Pane::Module);
            }
            pane => self.pane(buf, area, pane),
        }
    }

    fn pane(&self, buf: &mut Buffer, area: Rect, pane: Pane) {
        let Frame { monitor, scene, zone, look } = self;
        match pane {
            Pane::Map => heat::draw(buf, area, monitor, scene, *look),
            Pane::Module => module::draw(buf, area, monitor, scene, *look),
            Pane::History => history::draw(buf, area, monitor, scene, *look),
            Pane::Figures => figures::draw(buf, area, monitor, *look),
            Pane::Samples => samples::draw(buf, area, monitor, *look),
            Pane::Result => outcome::draw(buf, area, monitor, *look),
            Pane::Machine => machine::draw(buf, area, monitor, zone, *look),
            Pane::Log => log::draw(buf, area, monitor, zone, monitor.focus != Pane::Machine, *look),
        }
    }

    fn rows(&self) -> u16 {
        u16::try_from(self.monitor.grid.layers.len()).unwrap_or(u16::MAX - heat::FRAME_LINES).max(1)
    }

    /// The map, and below it the choice that is tried.
    fn map_and_choice(&self, buf: &mut Buffer, area: Rect) {
        let choice = self.choice_lines(area.height);
        self.pane(buf, top(area, area.height - choice), Pane::Map);
        what_if::draw(buf, below(area, area.height - choice), self.monitor, &self.scene, self.look);
    }

    /// Lines of the choice that is tried, of so many.
    fn choice_lines(&self, height: u16) -> u16 {
        if self.monitor.what_if.is_some() {
            what_if::LINES.min(height.saturating_sub(heat::FRAME_LINES + 1))
        } else {
            0
        }
    }

    /// One above the other: result, map, module, and one more pane: the one with the focus, else figures or samples; log.
    fn narrow(&self, buf: &mut Buffer, area: Rect) {
        let whole = area.height;
        let monitor = self.monitor;
        // What came out gives way to what is looked at: a moment of the past.
        let area = if monitor.is_past() { area } else { self.outcome_on_top(buf, area, whole / 3) };
        if monitor.what_if.is_some() {
            let map = (self.rows() + heat::FRAME_LINES).min(area.height.saturating_sub(what_if::LINES));
            let choice = self.choice_lines(area.height);
            self.map_and_choice(buf, top(area, map + choice));
            let rest = below(area, map + choice);
            if rest.height >= figures::LEAST_LINES {
                self.pane(buf, rest, Pane::Figures);
            }
            return;
        }
        let is_crowded = area.height < whole && !monitor.view.samples.is_empty();
        let lower = matches!(monitor.focus, Pane::History | Pane::Machine | Pane::Log | Pane::Samples)
            && monitor.has(monitor.focus);
        let log_lines = match area.height {
            0..12 => 0,
            // A result and samples leave room for the log or for the ranks.
            12..24 if is_crowded || monitor.focus == Pane::Log => 0,
            12..24 => 3,
            _ => 5,
        };
        let cuts_map = self.map_lines(area.height - log_lines).0 < self.rows() + heat::FRAME_LINES;
        // What came out is known: the map has the lines of the log, and of the chart where nobody looks at it.
        let map_first = cuts_map && area.height < whole && monitor.view.samples.is_empty();
        let log_lines = if map_first { 0 } else { log_lines };
        let rest = area.height - log_lines;
        let (mut map, module) = self.map_lines(rest);
        if map_first && !lower && monitor.focus != Pane::Figures {
            map = (self.rows() + heat::FRAME_LINES).min(rest - module);
        }
        self.pane(buf, top(area, map), Pane::Map);
        self.pane(buf, top(below(area, map), module), Pane::Module);
        let free = below(top(area, rest), map + module);
        match lower {
            true => self.pane(buf, free, monitor.focus),
            false if map_first && (2..figures::LEAST_LINES).contains(&free.height) => self.pane(buf, free, Pane::Log),
            false => self.figures_and_samples(buf, free),
        }
        if log_lines > 0 && monitor.focus != Pane::Log {
            self.pane(buf, below(area, rest), Pane::Log);
        }
    }

    /// Figures above samples where there is room for both; else one of them, samples unless figures were asked for.
    fn figures_and_samples(&self, buf: &mut Buffer, area: Rect) {
        let monitor = self.monitor;
        let wanted = samples::lines(monitor, area.width);
        let chart = if wanted == 0 {
            area.height
        } else if area.height >= MOST_CHART_LINES / 2 + samples::LEAST_LINES {
            area.height.saturating_sub(wanted + 1).max(area.height / 2).min(MOST_CHART_LINES)
        } else if monitor.curve == Curve::Present && monitor.focus != Pane::Figures {
            0
        } else {
            area.height
        };
        if chart >= figures::LEAST_LINES {
            self.pane(buf, top(area, chart), Pane::Figures);
        }
        let rest = below(area, chart);
        if wanted > 0 && rest.height >= samples::LEAST_LINES {
            self.pane(buf, rest, Pane::Samples);
        }
    }

    /// Lines of map and module when they share `rest` lines with the figures: all rows where that leaves a chart, else about
    /// half.
    fn map_lines(&self, rest: u16) -> (u16, u16) {
        let module = if rest > heat::FRAME_LINES + module::LINES { module::LINES } else { 0 };
        let rest = rest - module;
        let wanted = self.rows() + heat::FRAME_LINES;
        if rest < heat::FRAME_LINES + 2 + figures::LEAST_LINES {
            return (wanted.min(rest), module);
        }
        let chart = figures::LEAST_LINES + 2;
        let most = rest.saturating_sub(chart).max(rest * 3 / 5).min(rest - figures::LEAST_LINES);
        let map = wanted.min(most);
        // Bars where a good chart is left below them, or where they are what is looked at.
        let bars = module::panel_lines(self.monitor);
        let left = rest + module - map;
        let least = if self.monitor.focus == Pane::Module { 0 } else { 2 * figures::LEAST_LINES + 2 };
        (map, if left >= bars + least { bars } else { module })
    }

    /// Map, module and its history at the left; result, figures, samples, machine and log at the right.
    fn wide(&self, buf: &mut Buffer, area: Rect) {
        let monitor = self.monitor;
        let least = if area.width + 2 < FEW { FEW_LEFT_COLUMNS } else { LEFT_COLUMNS };
        let columns = heat::full_width(monitor).max(least).min(area.width * 3 / 5);
        let left = Rect { width: columns, ..area };
        let right = Rect { x: area.x + columns + 2, width: area.width.saturating_sub(columns + 2), ..area };
        let choice = self.choice_lines(area.height);
        let wanted = self.rows() + heat::FRAME_LINES;
        let map = wanted.min(left.height.saturating_sub(module::LINES + choice));
        self.pane(buf, top(left, map), Pane::Map);
        what_if::draw(buf, top(below(left, map), choice), monitor, &self.scene, self.look);
        let rest = below(left, map + choice);
        let bars = module::panel_lines(monitor);
        // A blank line above the bars, where there is room for both.
        let gap = u16::from(rest.height > bars);
        let module = if rest.height >= bars + gap { bars } else { rest.height };
        self.pane(buf, top(below(rest, gap), module), Pane::Module);
        let free = below(rest, gap + module + 1);
        if free.height >= history::LEAST_LINES && monitor.has(Pane::History) {
            self.pane(buf, free, Pane::History);
        }

        let right = self.outcome_on_top(buf, right, right.height / 2);
        let machine = if monitor.has(Pane::Machine) && right.height >= 20 {
            machine::lines(monitor, right.width, self.look)
        } else {
            0
        };
        let rest = right.height - machine;
        let mut log = (rest / 4).max(rest.saturating_sub(MOST_CHART_LINES));
        log = log.min(log::lines(monitor, right.width, log).max(4));
        if !monitor.view.samples.is_empty() {
            log = log.min(rest / 4);
        }
        self.figures_and_samples(buf, top(right, rest - log));
        let names = machine == 0;
        log::draw(buf, top(below(right, rest - log), log), monitor, self.zone, names, self.look);
        if machine > 0 {
            self.pane(buf, below(right, rest), Pane::Machine);
        }
    }

    /// Draws the result, where there is one, and gives the area below it.
    fn outcome_on_top(&self, buf: &mut Buffer, area: Rect, most: u16) -> Rect {
        let lines = outcome::lines(self.monitor, area.width).min(most);
        if lines > 0 {
            self.pane(buf, top(area, lines), Pane::Result);
        }
        below(area, lines)
    }
}
