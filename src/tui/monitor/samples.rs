//! What the model wrote on held-out rows, newest first: a few in a pane, all of them in a popup.

use super::{Monitor, Pane};
use crate::run::view::SampleView;
use crate::tui::draw::{plain, put, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines below which there is no pane: the rule and one for each text.
pub const LEAST_LINES: u16 = 1 + TEXTS;
/// Input, reference, output.
const TEXTS: u16 = 3;
/// Columns of their labels.
const LABEL_WIDTH: usize = 11;
/// Characters of a text that are shown: a prompt may be a whole conversation.
const MOST_CHARACTERS: usize = 2000;

/// A line of a sample: the label at the first one of a text, and the text's style.
type Labelled = (&'static str, String, Style);

/// Lines that the pane can fill in so many columns; 0 where there are no samples.
pub fn lines(monitor: &Monitor, columns: u16) -> u16 {
    let samples = &monitor.view.samples;
    let room = text_columns(columns);
    let of_sample = |sample: &SampleView| parts(sample, room).map(|part| part.len()).iter().sum::<usize>();
    let all: usize = samples.iter().rev().map(|sample| of_sample(sample) + 1).sum();
    u16::try_from(all).unwrap_or(u16::MAX)
}

fn text_columns(columns: u16) -> usize {
    usize::from(columns).saturating_sub(LABEL_WIDTH)
}

/// The three texts, wrapped; where one is empty, a word says so.
fn parts(sample: &SampleView, columns: usize) -> [Vec<String>; 3] {
    [&sample.input, &sample.reference, &sample.output].map(|text| {
        let shown: String = text.chars().take(MOST_CHARACTERS).collect();
        let mut lines = wrap(shown.trim(), columns);
        if text.chars().nth(MOST_CHARACTERS).is_some() {
            lines.push("(cut here)".into());
        }
        if lines.is_empty() {
            lines.push("(nothing)".into());
        }
        lines
    })
}

/// The lines of a sample in at most `most`, all three texts being there: what is longer is cut, the input first.
fn lines_of(sample: &SampleView, columns: usize, most: usize, look: Look) -> Vec<Labelled> {
    let mut left = most;
    let mut lines = Vec::new();
    let styles = [look.faint(), Style::new(), look.strong()];
    let labels = ["input", "reference", "output"];
    for (i, mut part) in parts(sample, columns).into_iter().enumerate() {
        let share = (left / (labels.len() - i)).max(1);
        if part.len() > share {
            let rest = part.split_off(share - 1);
            part.push(cut(&rest.join(" "), columns, look.glyphs().ellipsis));
        }
        left = left.saturating_sub(part.len());
        let label = |line: usize| if line == 0 { labels[i] } else { "" };
        lines.extend(part.into_iter().enumerate().map(|(line, text)| (label(line), text, styles[i])));
    }
    lines
}

fn spans((label, text, style): Labelled, look: Look) -> Vec<Span<'static>> {
    vec![span(format!("{label:<LABEL_WIDTH$}"), look.faint()), span(text, style)]
}

/// Draws the newest samples, as many as fit with all three texts.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let samples = &monitor.view.samples;
    let count = vec![span(format!("{} in all", samples.len()), look.faint())];
    monitor.pane_rule(buf, area, Pane::Samples, "samples, newest first", count, look);
    let mut line = 1;
    for sample in samples.iter().rev() {
        // A line between two.
        let start = line + u16::from(line > 1);
        let left = area.height.saturating_sub(start);
        if left < TEXTS {
            break;
        }
        line = start;
        for labelled in lines_of(sample, text_columns(area.width), usize::from(left), look) {
            put(buf, area, line, spans(labelled, look));
            line += 1;
        }
    }
}

/// All samples in whole, newest first, as lines for the popup.
pub fn all_lines(samples: &[SampleView], columns: usize, look: Look) -> Vec<Vec<Span<'static>>> {
    let room = columns.saturating_sub(LABEL_WIDTH);
    let mut lines = Vec::new();
    for (index, sample) in samples.iter().enumerate().rev() {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        let number = format!("{} of {}", index + 1, samples.len());
        lines.push(vec![span(format!("{:<LABEL_WIDTH$}", "sample"), look.faint()), plain(number)]);
        lines.extend(lines_of(sample, room, usize::MAX, look).into_iter().map(|labelled| spans(labelled, look)));
    }
    lines
}
