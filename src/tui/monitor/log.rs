//! The log of the run for people: its end, or a part that is looked at, filtered by words.

use super::{Monitor, Pane, machine};
use crate::run::chronicle::CHECKPOINT;
use crate::tui::draw::{put, span};
use crate::tui::form::input_spans;
use crate::tui::input::LineInput;
use crate::tui::look::Look;
use crate::tui::text::{clock, cut, wrap};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// How the log is looked at.
#[derive(Debug, Default)]
pub struct LogView {
    /// Messages are shown that hold all its words; `warning` is one of their words where they are.
    pub filter: LineInput,
    pub typing: bool,
    /// Messages from the end that are scrolled past.
    pub scroll: usize,
}

impl LogView {
    /// Whether a message is shown.
    fn takes(&self, words: &[String], level: &str, message: &str) -> bool {
        let text = format!("{level} {message}").to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    }
}

/// A message: time, level, text.
type Message = (String, String, String);

impl Monitor {
    /// The messages that the filter leaves, oldest first.
    pub fn messages(&self) -> Vec<&Message> {
        let words: Vec<String> = self.log.filter.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return self.view.log.iter().collect();
        }
        self.view.log.iter().filter(|(_, level, message)| self.log.takes(&words, level, message)).collect()
    }
}

/// Columns of the time before a message.
const TIME_WIDTH: u16 = 9;

/// Lines that the whole log would take, with its rule; `most` where it would take more.
pub fn lines(monitor: &Monitor, columns: u16, most: u16) -> u16 {
    let room = usize::from(columns.saturating_sub(TIME_WIDTH));
    let mut lines = 1;
    for (_, _, message) in monitor.messages().into_iter().rev() {
        if lines >= usize::from(most) {
            break;
        }
        lines += wrap(message, room).len();
    }
    u16::try_from(lines).unwrap_or(most).min(most)
}

/// The log's end under a rule that names the worker, where `names` says that nothing else does.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, zone: &TimeZone, names: bool, look: Look) {
    let view = &monitor.log;
    let facts = if view.typing || !view.filter.is_empty() {
        let mut spans = vec![span("find ", look.faint())];
        spans.extend(input_spans(&view.filter, usize::from(area.width / 3), view.typing, look));
        spans
    } else if names {
        vec![span(machine::worker(monitor, look), look.faint())]
    } else {
        Vec::new()
    };
    // Its lines stay where ranks and figures are those of an earlier moment.
    let title = if monitor.is_past() { "log up to now" } else { "log" };
    monitor.pane_rule(buf, area, Pane::Log, title, facts, look);
    let all = monitor.messages();
    if all.is_empty() && !view.filter.is_empty() {
        put(buf, area, 1, vec![span(format!(" no line has {:?}", view.filter.text()), look.faint())]);
        return;
    }
    let end = all.len() - view.scroll.min(all.len().saturating_sub(1));
    let room = usize::from(area.width.saturating_sub(TIME_WIDTH));
    let mut left = usize::from(area.height.saturating_sub(1));
    // Whole messages from the newest one back; the oldest in sight is cut where it does not fit.
    let mut shown = Vec::new();
    for (time, level, message) in all[..end].iter().rev() {
        if left == 0 {
            break;
        }
        let mut parts = wrap(message, room);
        if parts.len() > left {
            let rest = parts.split_off(left - 1);
            parts.push(cut(&rest.join(" "), room, look.glyphs().ellipsis));
        }
        left -= parts.len();
        shown.push((time, level, parts));
    }
    let mut line = 1;
    for (time, level, parts) in shown.into_iter().rev() {
        let style = match level.as_str() {
            "warning" => look.warning(),
            CHECKPOINT => look.faint(),
            _ => Style::new(),
        };
        for (n, part) in parts.into_iter().enumerate() {
            let start = if n == 0 { format!("{} ", clock(time, zone)) } else { " ".repeat(usize::from(TIME_WIDTH)) };
            put(buf, area, line, vec![span(start, look.faint()), span(part, style)]);
            line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_messages_that_hold_all_its_words() {
        let view = LogView::default();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(view.takes(&words("warning rows"), "warning", "12 Rows have one label"));
        assert!(!view.takes(&words("warning rows"), "info", "12 rows"));
        assert!(view.takes(&[], "info", ""));
    }
}
