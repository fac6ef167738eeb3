//! What came out: figures of the run beside its baselines.

use super::{Monitor, Pane, report};
use crate::run::fold::evaluated_words;
use crate::run::view::is_better_less;
use crate::tui::draw::{below, plain, put, span};
use crate::tui::look::Look;
use crate::tui::text::{figure, pad, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

/// Columns that a figure takes, at least.
const LEAST_WIDTH: usize = 6;
/// Columns of the names: at least, at most.
const NAME_WIDTH: (usize, usize) = (8, 24);
/// Columns between two blocks.
const GAP: usize = 4;
/// More figures than this stand in two blocks, side by side, where those fit.
const MOST_IN_A_BLOCK: usize = 6;

/// What was evaluated, as the events call it, and its heading: the run, then what it is compared with.
fn columns(monitor: &Monitor) -> Vec<(&str, String)> {
    let mut columns: Vec<(&str, String)> = Vec::new();
    for (_, what, _) in &monitor.view.evaluations {
        if !columns.iter().any(|(known, _)| known == what) {
            columns.push((what, evaluated_words(what)));
        }
    }
    columns.sort_by_key(|(what, _)| (*what != "run", what.to_string()));
    columns
}

/// The names of the figures, the score first.
fn names(monitor: &Monitor) -> Vec<&str> {
    monitor.view.score_first(monitor.view.evaluations.iter().flat_map(|(_, _, metrics)| metrics.keys()))
}

fn column_width(title: &str) -> usize {
    width(title).max(LEAST_WIDTH) + 2
}

/// How the figures stand in some columns of the screen.
struct Blocks {
    count: usize,
    name_width: usize,
}

impl Blocks {
    fn of(monitor: &Monitor, room: u16) -> Blocks {
        let names = names(monitor);
        let room = usize::from(room);
        let taken: usize = columns(monitor).iter().map(|(_, title)| column_width(title)).sum();
        // A name, and the mark of figures that are better where they are less.
        let longest = names.iter().map(|name| width(name) + 2).max().unwrap_or(0).clamp(NAME_WIDTH.0, NAME_WIDTH.1);
        if names.len() > MOST_IN_A_BLOCK && 2 * (longest + taken) + GAP <= room {
            return Blocks { count: 2, name_width: longest };
        }
        Blocks { count: 1, name_width: room.saturating_sub(taken).clamp(NAME_WIDTH.0, NAME_WIDTH.1) }
    }
}

/// Lines that the figures need in so many columns; 0 where there are none.
pub fn lines(monitor: &Monitor, room: u16) -> u16 {
    match names(monitor).len() {
        0 => 0,
        count => {
            let adapter = u16::from(monitor.adapter_dir().is_some());
            u16::try_from(count.div_ceil(Blocks::of(monitor, room).count)).unwrap_or(u16::MAX - 3) + 2 + adapter
        }
    }
}

/// Draws the figures and below them all else that is known, on an area of its own.
pub fn draw_whole(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    draw(buf, area, monitor, look);
    // The adapter's line is told in full there.
    let figures = lines(monitor, area.width).saturating_sub(u16::from(monitor.adapter_dir().is_some()));
    let below = below(area, figures);
    Clear.render(below, buf);
    // A blank line between the two, where there is room.
    let gap = u16::from(below.height > 8);
    report::draw(buf, self::below(below, gap), monitor, look);
}

/// Draws the figures, a line each, a column for the run and for each baseline.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, look: Look) {
    let Blocks { count, name_width } = Blocks::of(monitor, area.width);
    let columns = columns(monitor);
    let names = names(monitor);
    let room = usize::from(area.height.saturating_sub(2));
    let in_block = room.min(names.len().div_ceil(count));
    let shown = &names[..names.len().min(in_block * count)];
    let hidden = names.len() - shown.len();
    let title = "result, held-out split";
    // What the rule itself takes, and the mark of the focus.
    let left = usize::from(area.width).saturating_sub(width(title) + 10);
    let facts = facts(monitor, shown, hidden, left, look);
    monitor.pane_rule(buf, area, Pane::Result, title, facts, look);
    let block_width = name_width + columns.iter().map(|(_, title)| column_width(title)).sum::<usize>() + GAP;
    for (block, names) in shown.chunks(in_block.max(1)).enumerate() {
        let offset = u16::try_from(block * block_width).unwrap_or(u16::MAX).min(area.width);
        let block = Rect { x: area.x + offset, width: area.width - offset, ..area };
        let mut heading = vec![span(" ".repeat(name_width), look.faint())];
        heading
            .extend(columns.iter().map(|(_, title)| span(format!("{title:>0$}", column_width(title)), look.faint())));
        put(buf, block, 1, heading);
        for (line, name) in names.iter().enumerate() {
            put(buf, block, 2 + line as u16, row(monitor, name, name_width, &columns, look));
        }
    }
    let line = 2 + u16::try_from(in_block).unwrap_or(u16::MAX - 2);
    let room = usize::from(area.width).saturating_sub(9);
    // Where there is no line for it, figures count for more.
    if let Some(adapter) = monitor.adapter_words(room, look.glyphs().ellipsis).filter(|_| hidden == 0) {
        put(buf, area, line, vec![span("adapter  ", look.faint()), plain(adapter)]);
    }
}

/// What there is to say of all figures, in so many columns: what matters less is left out first.
fn facts(monitor: &Monitor, shown: &[&str], hidden: usize, room: usize, look: Look) -> Vec<Span<'static>> {
    let warning = monitor.view.no_better_than().map(|what| span(format!("no better than {what}"), look.warning()));
    let more = |where_to: &str| (hidden > 0).then(|| span(format!("+{hidden} more{where_to}"), look.faint()));
    let less = shown.iter().any(|name| is_better_less(name));
    let less = less.then(|| span(format!("{} less is better", look.glyphs().less), look.faint()));
    let ways = [
        vec![warning.clone(), less, more(": autolora show")],
        vec![warning.clone(), more(": autolora show")],
        vec![warning.clone(), more("")],
        vec![warning],
    ];
    let spaced = |facts: Vec<Option<Span<'static>>>| -> Vec<Span<'static>> {
        let facts = facts.into_iter().flatten().enumerate();
        facts.flat_map(|(i, fact)| [span(if i > 0 { "  " } else { "" }, Style::new()), fact]).collect()
    };
    let fits = |facts: &Vec<Span>| facts.iter().map(Span::width).sum::<usize>() <= room;
    ways.into_iter().map(spaced).find(fits).unwrap_or_default()
}

fn row(monitor: &Monitor, name: &str, name_width: usize, columns: &[(&str, String)], look: Look) -> Vec<Span<'static>> {
    let of_name = if *name == *monitor.view.metric { look.strong() } else { Style::new() };
    let marked = if is_better_less(name) { format!("{name} {}", look.glyphs().less) } else { name.to_owned() };
    let mut spans = vec![span(pad(&marked, name_width, look.glyphs().ellipsis), of_name)];
    for (what, title) in columns {
        let found = monitor.view.evaluations.iter().rev().find(|(_, known, _)| known == what);
        let value = found.and_then(|(_, _, metrics)| metrics.get(name));
        let style = if *what == "run" { look.strong() } else { Style::new() };
        let text = value.map_or("-".into(), |value| score(*value));
        spans.push(span(format!("{text:>0$}", column_width(title)), style));
    }
    spans
}

/// A figure of a result: what is next to nothing is nothing, as in `show`.
fn score(value: f64) -> String {
    if value.abs() < 5e-5 { figure(0.0) } else { figure(value) }
}
