//! The card in lines: verdict and remarks, then facts, then times beside the histogram.

use super::words::{bars, facts, times, verdict};
use super::{Preflight, Stage};
use crate::run::preflight::{Card, Verdict};
use crate::tui::draw::{plain, span};
use crate::tui::look::Look;
use crate::tui::text::{cut, grouped, pad, wrap};
use ratatui::text::Span;

type Line = Vec<Span<'static>>;

/// Columns of the labels, and of the times where the histogram stands beside them.
const LABELS: usize = 10;
const TIMES: usize = 41;
/// Columns from which both fit.
const BESIDE_FROM: usize = 68;

/// The lines of the popup in so many columns.
pub fn lines(preflight: &Preflight, columns: usize, look: Look) -> Vec<Line> {
    let crowd = preflight.crowd.iter().flat_map(|crowd| {
        let told = format!("{crowd}; Q waits in the queue");
        hanging(look.glyphs().stalled, &told, columns).collect::<Vec<_>>()
    });
    let mut lines: Vec<Line> = crowd.map(|line| vec![span(line, look.warning())]).collect();
    lines.extend(of_stage(preflight, columns, look));
    lines
}

fn of_stage(preflight: &Preflight, columns: usize, look: Look) -> Vec<Line> {
    match &preflight.stage {
        Stage::Working(doing) => vec![
            vec![
                span(format!("{} ", look.glyphs().running), look.accent()),
                span(cut(doing, columns.saturating_sub(2), look.glyphs().ellipsis), look.strong()),
            ],
            Vec::new(),
            vec![span("A few real steps are tried; no run is made.", look.faint())],
            vec![span("y starts without waiting for the answer.", look.faint())],
        ],
        Stage::Broken(why) => {
            let mut lines =
                vec![vec![span(format!("{} nothing is known of the run", look.glyphs().error), look.bad())]];
            lines.extend(wrap(why, columns).into_iter().map(|line| vec![plain(line)]));
            lines
        }
        Stage::Done(card) => of_card(card, columns, look),
    }
}

fn of_card(card: &Card, columns: usize, look: Look) -> Vec<Line> {
    let glyphs = look.glyphs();
    let (glyph, style) = match card.verdict() {
        Verdict::Ready => (glyphs.done, look.good()),
        Verdict::Warning => (glyphs.stalled, look.warning()),
        Verdict::Refused => (glyphs.error, look.bad()),
    };
    let mut lines = vec![vec![span(format!("{glyph} {}", verdict(card)), style.patch(look.strong()))]];
    for remark in &card.remarks {
        let (mark, style) =
            if remark.refuses() { (glyphs.error, look.bad()) } else { (glyphs.stalled, look.warning()) };
        lines.extend(hanging(mark, &remark.message, columns).map(|line| vec![span(line, style)]));
        if !remark.help.is_empty() {
            lines.extend(hanging("", &remark.help, columns).map(|line| vec![plain(line)]));
        }
    }
    lines.push(Vec::new());
    for (label, text) in facts(card) {
        let mut label = pad(label, LABELS, glyphs.ellipsis);
        for line in wrap(&text, columns.saturating_sub(LABELS)) {
            lines.push(vec![span(&label, look.faint()), plain(line)]);
            label = " ".repeat(LABELS);
        }
    }
    let (times, bars) = (time_lines(card, look), |room| bar_lines(card, room, look));
    if !card.downloads.is_empty() || (times.is_empty() && card.lengths.is_none()) {
        return lines;
    }
    lines.push(Vec::new());
    if columns < BESIDE_FROM {
        lines.extend(times);
        lines.push(Vec::new());
        lines.extend(bars(columns));
        return lines;
    }
    let mut bars = bars(columns - TIMES).into_iter();
    for line in times {
        let used: usize = line.iter().map(Span::width).sum();
        let mut line = line;
        line.push(plain(" ".repeat(TIMES.saturating_sub(used))));
        line.extend(bars.next().unwrap_or_default());
        lines.push(line);
    }
    for bar in bars {
        let mut line = vec![plain(" ".repeat(TIMES))];
        line.extend(bar);
        lines.push(line);
    }
    lines
}

/// A text below a mark, its further lines under its first.
fn hanging(mark: &str, text: &str, columns: usize) -> impl Iterator<Item = String> {
    let mark = mark.to_owned();
    let lines = wrap(text, columns.saturating_sub(3));
    lines.into_iter().enumerate().map(move |(at, line)| {
        let mark = if at == 0 { mark.as_str() } else { "" };
        format!("{} {line}", pad(mark, 2, ""))
    })
}

fn time_lines(card: &Card, look: Look) -> Vec<Line> {
    let rows = times(card);
    if rows.is_empty() {
        // What was measured and has no times does not fit: trying it would end in the system's hands.
        return match card.memory {
            Some(_) => vec![vec![span("time: not tried, it does not fit", look.faint())]],
            None => Vec::new(),
        };
    }
    let row = |[name, steps, one, all]: &[String; 4]| format!("{name:<10}{steps:>8}{one:>10}{all:>11}");
    let head = ["time", "steps", "a step", "in all"].map(String::from);
    let mut lines = vec![vec![span(row(&head), look.faint())]];
    lines.extend(rows.iter().map(|times| vec![plain(row(times))]));
    lines
}

fn bar_lines(card: &Card, columns: usize, look: Look) -> Vec<Line> {
    let bars = bars(card);
    if bars.is_empty() {
        return Vec::new();
    }
    let max_length = card.lengths.as_ref().map_or(0, |lengths| lengths.max_length);
    let counts = bars.iter().map(|(_, rows, _)| grouped(*rows).len()).max().unwrap_or(0);
    let room = columns.saturating_sub(7 + counts + 1);
    let mut lines = vec![vec![span(format!("{:>6} {}", "tokens", "rows"), look.faint())]];
    for (end, rows, share) in bars {
        let full = (share * room as f64).ceil() as usize;
        // A bar that is wholly beyond the limit is of rows that are cut.
        let style = if end as usize > max_length { look.warning() } else { look.accent() };
        lines.push(vec![
            span(format!("{end:>6} "), look.faint()),
            span(look.glyphs().bar_full.repeat(full), style),
            plain(format!(" {}", grouped(rows))),
        ]);
    }
    lines
}
