//! The heat map: selection values, rank and share of energy of every module, a row per layer, a column per kind.

use super::scene::{Against, Scene, Source};
use super::yardstick::{Measure, Terms, Yardstick, in_digits};
use super::{Monitor, Pane};
use crate::experiment::Choice;
use crate::run::event::sum_of;
use crate::run::view::State;
use crate::tui::draw::{plain, put, put_ends, span};
use crate::tui::look::Look;
use crate::tui::model::first_line;
use crate::tui::text::{grouped, pad, width};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Where the shades part, as shares of what a value is measured against: the lightest one ends, darker ones begin.
const LIGHTEST: f64 = 0.5;
const DARKER: f64 = 1.25;
const DARKEST: f64 = 1.75;

/// Most blocks that a cell draws; with more values a block is the largest of several.
const MOST_BLOCKS: usize = 32;
/// Lines that the map needs besides its rows: rule, headings, sums.
pub const FRAME_LINES: u16 = 3;
/// Columns of a heading at most; and at least, where they are cut so that more kinds fit.
const MOST_HEADING: usize = 18;
const LEAST_HEADING: usize = 10;
/// Columns of a share of the energy: ` 12%`.
const SHARE_WIDTH: usize = 4;

/// Columns of the map with all its kinds.
pub fn full_width(monitor: &Monitor) -> u16 {
    u16::try_from(needed(monitor, true)).unwrap_or(u16::MAX)
}

fn needed(monitor: &Monitor, shares: bool) -> usize {
    let kinds = monitor.grid.kinds.len().max(1);
    label_width(monitor) + kinds * (cell_width(monitor, shares) + 2)
}

/// Whether shares of energy are drawn: where they are known, and all kinds fit beside them.
fn draws_shares(monitor: &Monitor, scene: &Scene, columns: u16) -> bool {
    scene.shares.is_some() && needed(monitor, true) <= usize::from(columns)
}

fn label_width(monitor: &Monitor) -> usize {
    monitor.grid.layers.iter().map(|name| width(name)).max().unwrap_or(0).max(5) + 1
}

/// k, as far as is known.
fn terms(monitor: &Monitor) -> usize {
    let seen = monitor.view.modules.iter().map(|module| module.alpha.len()).max().unwrap_or(0);
    seen.max(monitor.view.rank)
}

/// Blocks, a space, the rank, the mark of a change, and perhaps the share of energy.
fn cell_width(monitor: &Monitor, shares: bool) -> usize {
    let blocks = terms(monitor).min(MOST_BLOCKS);
    let heading = monitor.grid.kinds.iter().map(|kind| width(kind)).max().unwrap_or(0);
    (blocks + 2 + rank_width(monitor) + if shares { SHARE_WIDTH } else { 0 }).max(heading.min(MOST_HEADING))
}

/// Columns of a cell: where not all kinds fit, long headings are cut, so that more of them are in sight.
fn drawn_width(monitor: &Monitor, columns: u16, shares: bool) -> usize {
    let whole = cell_width(monitor, shares);
    if needed(monitor, shares) <= usize::from(columns) {
        return whole;
    }
    let blocks = terms(monitor).min(MOST_BLOCKS);
    (blocks + 2 + rank_width(monitor)).max(LEAST_HEADING).min(whole)
}

fn rank_width(monitor: &Monitor) -> usize {
    terms(monitor).to_string().len().max(2)
}

/// Shade of a block of terms: 0 and 1 where none is kept, else 2 to 4, by the largest of them.
fn shade(terms: &Terms, block: std::ops::Range<usize>) -> usize {
    let largest = block.clone().map(|term| terms.measure(term)).fold(f64::NEG_INFINITY, f64::max);
    let ratio = largest / terms.reference.max(f64::MIN_POSITIVE);
    match block.into_iter().any(|term| terms.is_kept(term)) {
        false if ratio < LIGHTEST => 0,
        false => 1,
        true if ratio < DARKER => 2,
        true if ratio < DARKEST => 3,
        true => 4,
    }
}

fn shade_style(shade: usize, look: Look) -> Style {
    match shade {
        0 | 1 => look.faint(),
        2 | 3 => look.accent().remove_modifier(Modifier::BOLD),
        _ => look.accent().add_modifier(Modifier::BOLD),
    }
}

/// Draws the map with its sums.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, scene: &Scene, look: Look) {
    let title = match scene.source {
        Source::Allocated => "allocated ranks".to_owned(),
        Source::Emerging => "emerging ranks".to_owned(),
        Source::Past(step) => format!("ranks at step {step}"),
        Source::Tried => "ranks as tried".to_owned(),
    };
    // A rule with a line is told by the legend.
    let rule = scene.yardstick.rule.filter(|_| scene.line.is_none());
    let rule = rule.map_or(String::new(), |rule| format!(" by {}", rule.name()));
    let title = format!("{title}{rule}{}", difference(scene));
    // The rule's own frame, and the mark of the focus.
    let room = usize::from(area.width).saturating_sub(width(&title) + 11);
    // Shades of values that are not there yet mean nothing.
    let has_values = monitor.view.modules.iter().any(|module| !module.alpha.is_empty());
    let legend = if has_values { legend(&scene.yardstick, room, look) } else { Vec::new() };
    monitor.pane_rule(buf, area, Pane::Map, &title, legend, look);
    if monitor.grid.cells.is_empty() {
        let text = match monitor.state {
            None => "reading the log",
            Some(State::Queued) => "no modules yet: the run waits for its turn",
            Some(state) if state.is_active() => "no modules yet: the model is being prepared",
            Some(_) => "no modules: the model was not prepared",
        };
        put(buf, area, 1, vec![span(format!(" {text}"), look.faint())]);
        return;
    }
    let shares = draws_shares(monitor, scene, area.width);
    let cell = drawn_width(monitor, area.width, shares);
    let columns = shown_columns(monitor, area.width, cell);
    headings(buf, area, monitor, columns.clone(), cell, look);
    let height = usize::from(area.height.saturating_sub(FRAME_LINES));
    let rows = monitor.grid.layers.len();
    let first = first_line(monitor.cursor.0, rows, height);
    let mut line = 2;
    for row in first..rows.min(first + height) {
        put(buf, area, line, row_spans(monitor, scene, row, columns.clone(), (cell, shares), look));
        line += 1;
    }
    put(buf, area, line, sums(monitor, scene, area.width, look));
}

/// How many ranks are others than those that they are compared with.
fn difference(scene: &Scene) -> String {
    let changes = scene.changes();
    let differ = if changes == 1 { "differs" } else { "differ" };
    match scene.against {
        Some(Against::Mark(step)) => format!(", {changes} {differ} from step {step}"),
        Some(Against::LastLook(_)) if changes > 0 => format!(", {changes} changed since you looked{}", just_now(scene)),
        Some(Against::LastLook(_) | Against::Actual) | None => just_now(scene),
    }
}

/// How many ranks changed before one's eyes.
fn just_now(scene: &Scene) -> String {
    match scene.fresh() {
        0 => String::new(),
        count => format!(", {count} just now"),
    }
}

/// The kinds that fit, with the cursor's among them.
fn shown_columns(monitor: &Monitor, columns: u16, cell: usize) -> std::ops::Range<usize> {
    let kinds = monitor.grid.kinds.len();
    let room = usize::from(columns).saturating_sub(label_width(monitor));
    let fit = (room / (cell + 2)).clamp(1, kinds.max(1));
    let first = first_line(monitor.cursor.1, kinds, fit);
    first..kinds.min(first + fit)
}

/// What the shades mean, in as many words as there is room for.
fn legend(yardstick: &Yardstick, room: usize, look: Look) -> Vec<Span<'static>> {
    let mark = |shade: usize| span(look.glyphs().shades[shade], shade_style(shade, look));
    let word = |text: &str| span(text, look.faint());
    let joined = |shades: std::ops::Range<usize>| shades.map(mark);
    let (one_by_one, grouped, short) = match (yardstick.measure, yardstick.limit) {
        (Measure::Value, Some(line)) => {
            let at = |share: f64| in_digits(line * share);
            let long = [
                format!(" below {}  ", at(LIGHTEST)),
                " dropped  ".into(),
                format!(" kept from {}  ", at(1.0)),
                format!(" {}  ", at(DARKER)),
                format!(" {}", at(DARKEST)),
            ];
            let short = [" below  ".to_owned(), format!(" from {}", at(1.0))];
            (long, [" dropped  ".to_owned(), format!(" kept: at least {}", at(1.0))], short)
        }
        (Measure::Energy, limit) => {
            let kept = match limit {
                Some(share) => format!(" kept: from {} % of the largest energy", in_digits(100.0 * share)),
                None => " kept: the largest energies".to_owned(),
            };
            let long = [
                " below half of that  ".into(),
                " dropped  ".into(),
                format!("{kept}  "),
                format!(" {DARKER}  "),
                format!(" {DARKEST} times"),
            ];
            (long, [" dropped  ".to_owned(), kept], [" dropped  ", " kept"].map(str::to_owned))
        }
        (Measure::Value, None) => {
            let long = [
                " below half its module's mean  ".into(),
                " below it  ".into(),
                " from it  ".into(),
                format!(" from {DARKER}  "),
                format!(" from {DARKEST} times"),
            ];
            let grouped = [" below its module's mean  ", " above"].map(str::to_owned);
            (long, grouped, [" below mean  ", " above"].map(str::to_owned))
        }
    };
    let long: Vec<Span> = one_by_one.iter().enumerate().flat_map(|(i, text)| [mark(i), word(text)]).collect();
    let two = |words: &[String; 2]| -> Vec<Span> {
        joined(0..2).chain([word(&words[0])]).chain(joined(2..5)).chain([word(&words[1])]).collect()
    };
    let fits = |spans: &Vec<Span>| spans.iter().map(Span::width).sum::<usize>() <= room;
    [long, two(&grouped)].into_iter().find(fits).unwrap_or_else(|| two(&short))
}

/// The kinds in sight, and at the edges how many are beyond, where the cursor leads to them.
fn headings(buf: &mut Buffer, area: Rect, monitor: &Monitor, columns: std::ops::Range<usize>, cell: usize, look: Look) {
    let (label, ellipsis) = (label_width(monitor), look.glyphs().ellipsis);
    let [left, right] = look.glyphs().beyond;
    put(
        buf,
        area,
        1,
        match columns.start {
            0 => vec![span("layer", look.faint())],
            before => vec![span(format!("{left} {before}"), look.accent())],
        },
    );
    let beyond = monitor.grid.kinds.len() - columns.end;
    let free = usize::from(area.width).saturating_sub(label + columns.len() * (cell + 2));
    let more = match beyond {
        0 => String::new(),
        beyond if free > 8 => format!(" {beyond} more {right}"),
        beyond => format!(" {beyond} {right}"),
    };
    let mut text = String::new();
    for column in columns.clone() {
        let taken = if column + 1 == columns.end { width(&more).saturating_sub(free) } else { 0 };
        text.push_str("  ");
        text.push_str(&pad(&monitor.grid.kinds[column], cell.saturating_sub(taken), ellipsis));
    }
    let place =
        Rect { x: area.x + (label as u16).min(area.width), width: area.width.saturating_sub(label as u16), ..area };
    put(buf, place, 1, vec![span(text, look.faint())]);
    if beyond > 0 {
        put_ends(buf, area, 1, Vec::new(), vec![span(more, look.accent())]);
    }
}

fn row_spans(
    monitor: &Monitor,
    scene: &Scene,
    row: usize,
    columns: std::ops::Range<usize>,
    (cell, shares): (usize, bool),
    look: Look,
) -> Vec<Span<'static>> {
    let label = label_width(monitor);
    let mut spans = vec![span(format!("{:>1$} ", monitor.grid.layers[row], label - 1), look.faint())];
    for column in columns {
        let has_cursor = monitor.cursor == (row, column);
        spans.push(if has_cursor { span(format!(" {}", look.glyphs().pointer), look.strong()) } else { plain("  ") });
        match monitor.grid.module(row, column) {
            Some(module) => spans.extend(cell_spans(monitor, scene, module, has_cursor, (cell, shares), look)),
            None => spans.push(plain(" ".repeat(cell))),
        }
    }
    spans
}

fn cell_spans(
    monitor: &Monitor,
    scene: &Scene,
    module: usize,
    has_cursor: bool,
    (cell, shares): (usize, bool),
    look: Look,
) -> Vec<Span<'static>> {
    let blocks = terms(monitor).min(MOST_BLOCKS);
    let mut spans = Vec::with_capacity(blocks + 4);
    let values = monitor.values(module);
    if values.is_empty() {
        spans.push(plain(" ".repeat(blocks)));
    } else {
        let terms = scene.terms(monitor, module);
        let per_block = values.len().div_ceil(MOST_BLOCKS);
        for first in (0..values.len()).step_by(per_block) {
            let shade = shade(&terms, first..values.len().min(first + per_block));
            spans.push(span(look.glyphs().shades[shade], shade_style(shade, look)));
        }
        spans.push(plain(" ".repeat(blocks.saturating_sub(spans.len()))));
    }
    let rank = scene.rank(module);
    let text = rank.map_or("-".to_owned(), |rank| rank.to_string());
    let mut style = look.strong();
    if has_cursor {
        style = style.patch(look.selected());
    }
    spans.push(plain(" "));
    spans.push(span(format!("{text:>0$}", rank_width(monitor)), style));
    spans.push(match (scene.freshly(module), scene.changed_from(module)) {
        (Some(rose), _) => span(look.glyphs().fresh[usize::from(!rose)], look.good()),
        (None, None) => plain(" "),
        (None, Some(before)) => span(if before < rank { look.glyphs().up } else { look.glyphs().down }, look.warning()),
    });
    let mut used = blocks + 2 + rank_width(monitor);
    if shares {
        let share = scene.shares.as_ref().and_then(|shares| shares.get(module)).copied().unwrap_or(0.0);
        spans.push(span(format!("{:>3.0}%", 100.0 * share), look.faint()));
        used += SHARE_WIDTH;
    }
    spans.push(plain(" ".repeat(cell.saturating_sub(used))));
    spans
}

/// Mean rank and parameters, against rank 4 and k everywhere.
fn sums(monitor: &Monitor, scene: &Scene, columns: u16, look: Look) -> Vec<Span<'static>> {
    let view = &monitor.view;
    let known: Vec<usize> = scene.ranks.iter().filter_map(|rank| *rank).collect();
    if known.is_empty() {
        let text = match (view.warmup, monitor.state) {
            (Some((step, total)), Some(State::Running)) => format!("warm-up {step}/{total}: ranks emerge after it"),
            _ => "no ranks yet".into(),
        };
        return vec![span(text, look.faint())];
    }
    let mean = known.iter().map(|rank| *rank as f64).sum::<f64>() / known.len() as f64;
    let ranks = scene.ranks.iter().zip(&view.modules);
    let parameters = sum_of(ranks.map(|(rank, module)| module.shape.parameters(rank.unwrap_or(0))));
    let share = |rank: usize| 100.0 * parameters as f64 / monitor.view.uniform_parameters(rank).max(1) as f64;
    let (word, style) = match (scene.source, view.undecided) {
        (Source::Allocated, true) => ("undecided", look.warning()),
        (Source::Allocated, false) => ("allocated", look.good()),
        (Source::Emerging, _) => ("emerging", look.accent()),
        (Source::Past(_), _) => ("then", look.accent()),
        (Source::Tried, _) => ("tried", look.warning()),
    };
    let mut spans = vec![
        span(word, style),
        plain(format!(": mean rank {mean:.2}, ")),
        span(format!("{} parameters", grouped(parameters)), look.strong()),
        span(format!(", {:.0} % of rank {}", share(view.rank), view.rank), look.faint()),
    ];
    if view.rank != 4 {
        spans.push(span(format!(", {:.0} % of 4", share(4)), look.faint()));
    }
    // The title says what ranks they are, but not that nothing is decided; half a number is a wrong number.
    let is_wide = |spans: &[Span]| spans.iter().map(Span::width).sum::<usize>() > usize::from(columns);
    if is_wide(&spans) && word != "undecided" {
        spans.splice(0..2, [plain(format!("mean rank {mean:.2}, "))]);
    }
    while spans.len() > 2 && is_wide(&spans) {
        spans.pop();
    }
    spans
}
