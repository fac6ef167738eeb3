//! Where the parts of the comparison stand: the runs on top, below them one pane, or all where they fit.

use super::{Compare, Pane, Side, curves, tables};
use crate::run::view::State;
use crate::tui::draw::{below, inset, plain, put, put_ends, rule, span, top};
use crate::tui::look::Look;
use crate::tui::palette::Depth;
use crate::tui::text::{cut, figure, pad};
use crate::tui::view::screen_area;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines from which two panes stand above each other, and columns from which two more stand beside them.
const HIGH: u16 = 34;
const WIDE: u16 = 140;
/// Lines that a pane takes at least, its heading with it.
const LEAST_PANE: u16 = 6;

/// Draws the screen.
pub fn view(buf: &mut Buffer, area: Rect, compare: &Compare, look: Look) {
    let area = inset(area, 1);
    let active = compare.sides.iter().filter(|side| side.state.is_some_and(|state| state.is_active())).count();
    let counts = format!("{} runs, {active} at work", compare.sides.len());
    put_ends(buf, area, 0, vec![span("AutoLoRA", look.strong()), plain("  compare")], vec![span(counts, look.faint())]);
    let legend = below(top(area, 1 + legend_lines(area, compare)), 1);
    for (line, (place, side)) in compare.sides.iter().enumerate().take(usize::from(legend.height)).enumerate() {
        put(buf, legend, line as u16, run_spans(side, place, compare, legend.width, look));
    }
    let places = places(area, compare);
    let is_alone = places.len() == 1;
    for (pane, place) in places {
        draw_pane(buf, place, pane, is_alone, compare, look);
    }
}

/// Lines of the list of runs: all, where that leaves a pane.
fn legend_lines(area: Rect, compare: &Compare) -> u16 {
    let wanted = u16::try_from(compare.sides.len()).unwrap_or(u16::MAX);
    wanted.min(area.height.saturating_sub(1 + LEAST_PANE))
}

/// The panes that are drawn, and where: one, the curves above another where the terminal is high, all where it is wide
/// as well.
fn places(area: Rect, compare: &Compare) -> Vec<(Pane, Rect)> {
    let taken = 1 + legend_lines(area, compare);
    let body = below(area, taken);
    if area.height < HIGH {
        return vec![(compare.pane, body)];
    }
    let body = below(body, 1);
    if area.width < WIDE {
        let upper = body.height / 2;
        let other = if compare.pane == Pane::Curves { Pane::Scores } else { compare.pane };
        return vec![(Pane::Curves, top(body, upper)), (other, below(body, upper))];
    }
    let left = Rect { width: body.width / 2 - 1, ..body };
    let right = Rect { x: left.right() + 2, width: body.width - left.width - 2, ..body };
    let upper = body.height * 3 / 5;
    let settings = (compare.settings.len().max(1) as u16 + 3).min(body.height / 2);
    vec![
        (Pane::Curves, top(left, upper)),
        (Pane::Scores, below(left, upper)),
        (Pane::Settings, top(right, settings)),
        (Pane::Ranks, below(right, settings)),
    ]
}

fn place_of_focus(compare: &Compare, size: (u16, u16)) -> Option<Rect> {
    let area = inset(screen_area(Rect::new(0, 0, size.0, size.1)), 1);
    places(area, compare).into_iter().find(|(pane, _)| *pane == compare.pane).map(|(_, place)| place)
}

/// How far the pane with the focus can be scrolled on a terminal of this size.
pub fn last_scroll(compare: &Compare, size: (u16, u16)) -> usize {
    let Some(place) = place_of_focus(compare, size) else { return 0 };
    let lines = tables::table(compare, compare.pane, place.width, PLAIN).map_or(0, |table| table.lines.len());
    lines.saturating_sub(usize::from(place.height.saturating_sub(2)))
}

/// The most runs that the pane with the focus can leave out behind the first.
pub fn most_shift(compare: &Compare, size: (u16, u16)) -> usize {
    place_of_focus(compare, size).map_or(0, |place| tables::most_shift(compare, place.width, PLAIN))
}

/// The look does not change how much there is to scroll.
const PLAIN: Look = Look { depth: Depth::None, unicode: false, letters: false };

/// One run: its number in its colour, where it is or what it came to, its latest loss of those in the chart.
fn run_spans(side: &Side, place: usize, compare: &Compare, room: u16, look: Look) -> Vec<Span<'static>> {
    let (glyphs, ellipsis) = (look.glyphs(), look.glyphs().ellipsis);
    let colour = look.series(place);
    let is_wide = room >= 100;
    let name_width = if is_wide { 34 } else { 22 };
    let mut spans = vec![
        span(format!("{} {} ", place + 1, glyphs.line), colour.patch(look.strong())),
        span(pad(&side.name, name_width, ellipsis), look.strong()),
    ];
    if let Some(error) = &side.lost {
        let left = usize::from(room).saturating_sub(name_width + 6);
        spans.push(span(format!("  {}", cut(error, left, ellipsis)), look.bad()));
        return spans;
    }
    let (state, style) = match side.state {
        Some(state) => {
            let (glyph, style) = look.state(state);
            (format!("{glyph} {}", state.name()), style)
        }
        None => ("reading".to_owned(), look.faint()),
    };
    spans.push(span(format!("  {}", pad(&state, 10, ellipsis)), style));
    let last = compare.losses.last(&side.view).map_or(String::new(), |loss| format!("loss {}", figure(loss)));
    spans.push(span(format!("  {}", pad(&last, 13, ellipsis)), colour));
    spans.push(span(format!("  {}", pad(&came_to(side), 22, ellipsis)), Style::new()));
    if is_wide {
        spans.push(span(format!("  {}", side.id), look.faint()));
    }
    spans
}

/// The score of a run that is finished, else where it is.
fn came_to(side: &Side) -> String {
    let view = &side.view;
    match (side.state, view.phase, view.total) {
        (None, ..) | (_, None, _) => String::new(),
        (Some(State::Finished), ..) => {
            let score = view.metrics.get(&view.metric);
            score.map_or(String::new(), |value| format!("{} {}", figure(*value), view.metric))
        }
        (_, Some(phase), 0) => phase.name().to_owned(),
        (_, Some(phase), total) => format!("{} {}/{total}", phase.name(), view.step),
    }
}

fn draw_pane(buf: &mut Buffer, area: Rect, pane: Pane, is_alone: bool, compare: &Compare, look: Look) {
    let table = tables::table(compare, pane, area.width, look);
    let facts = match &table {
        Some(table) => table.facts.clone(),
        None => vec![span(compare.losses.title(), look.faint())],
    };
    if is_alone {
        tabs(buf, area, pane, facts, look);
    } else {
        let pointer = if pane == compare.pane { format!("{} ", look.glyphs().pointer) } else { String::new() };
        rule(buf, area, 0, &format!("{pointer}{}", pane.title()), spaced(facts), look);
    }
    let body = below(area, 1);
    let Some(table) = table else {
        curves::draw(buf, body, compare, look);
        return;
    };
    put(buf, body, 0, table.heading);
    let lines = below(body, 1);
    let height = usize::from(lines.height);
    let scroll = compare.scroll[pane.place()].min(table.lines.len().saturating_sub(height));
    for (line, spans) in table.lines.into_iter().skip(scroll).take(height).enumerate() {
        put(buf, lines, line as u16, spans);
    }
}

fn spaced(facts: Vec<Span<'static>>) -> Vec<Span<'static>> {
    let between = |(at, fact)| if at == 0 { vec![fact] } else { vec![plain("  "), fact] };
    facts.into_iter().enumerate().flat_map(between).collect()
}

/// The names of all panes, that of the one in front marked, and the first facts as far as there is room.
fn tabs(buf: &mut Buffer, area: Rect, front: Pane, mut facts: Vec<Span<'static>>, look: Look) {
    let mut spans = Vec::new();
    for pane in Pane::ALL {
        let style = if pane == front { look.selected().patch(look.strong()) } else { look.faint() };
        spans.push(span(format!(" {} ", pane.title()), style));
    }
    let width = |spans: &[Span]| spans.iter().map(Span::width).sum::<usize>();
    let room = usize::from(area.width).saturating_sub(width(&spans) + 2);
    while !facts.is_empty() && width(&spaced(facts.clone())) > room {
        facts.pop();
    }
    put_ends(buf, area, 0, spans, spaced(facts));
}
