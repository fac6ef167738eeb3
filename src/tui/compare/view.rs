//! Where the parts of the comparison stand: the runs on top, below them one pane, or all where they fit.

use super::{Compare, Pane, Side, curves, tables};
use crate::run::view::State;
use crate::tui::chart::place;
use crate::tui::draw::{below, inset, plain, put, put_ends, rule, span, top};
use crate::tui::look::Look;
use crate::tui::palette::Depth;
use crate::tui::text::{figure, pad, width};
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

fn place_of(wanted: Pane, compare: &Compare, size: (u16, u16)) -> Option<Rect> {
    let area = inset(screen_area(Rect::new(0, 0, size.0, size.1)), 1);
    places(area, compare).into_iter().find(|(pane, _)| *pane == wanted).map(|(_, place)| place)
}

fn place_of_focus(compare: &Compare, size: (u16, u16)) -> Option<Rect> {
    place_of(compare.pane, compare, size)
}

/// Columns of the pane of the curves; 0 where it is not in sight.
pub fn curve_columns(compare: &Compare, size: (u16, u16)) -> u16 {
    place_of(Pane::Curves, compare, size).map_or(0, |place| place.width)
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

/// Columns of the parts of a run's line.
const STATE: usize = 10;
const BEST: usize = 20;
const LAST: usize = 17;
/// Of what a run came to, at most.
const CAME_TO: usize = 24;
const ID: usize = 20;
/// Of its name: at least, at most.
const NAME: (usize, usize) = (18, 40);

/// One run: its number in its colour, where it is, its best loss of those in the chart, its latest one or that at the
/// cursor, what it came to.
fn run_spans(side: &Side, at: usize, compare: &Compare, room: u16, look: Look) -> Vec<Span<'static>> {
    let (glyphs, ellipsis) = (look.glyphs(), look.glyphs().ellipsis);
    let colour = look.series(side.hue);
    let room = usize::from(room).saturating_sub(4);
    let longest = compare.sides.iter().map(|side| width(&came_to(side))).max().unwrap_or(0).min(CAME_TO);
    let narrow = 2 + STATE + 2 + BEST + 2 + longest;
    let has_last = room >= narrow + 2 + LAST + NAME.0;
    let taken = if has_last { narrow + 2 + LAST } else { narrow };
    let has_id = room >= taken + 2 + ID + NAME.0;
    let taken = if has_id { taken + 2 + ID } else { taken };
    let name_width = room.saturating_sub(taken).clamp(NAME.0, NAME.1);
    let mut spans = vec![
        span(format!("{} {} ", at + 1, glyphs.line), colour.patch(look.strong())),
        span(pad(&compare.called(at), name_width, ellipsis), look.strong()),
    ];
    let mut add = |text: &str, columns: usize, style: Style| {
        spans.push(span(format!("  {}", pad(text, columns, ellipsis)), style));
    };
    if let Some(error) = &side.lost {
        add(error, room.saturating_sub(name_width + 2), look.bad());
        return spans;
    }
    let (state, style) = match side.state {
        Some(state) => {
            let (glyph, style) = look.state(state);
            (format!("{glyph} {}", state.name()), style)
        }
        None => ("reading".to_owned(), look.faint()),
    };
    add(&state, STATE, style);
    let best = compare.losses.best(&side.view);
    let best = best.map_or(String::new(), |(step, loss)| format!("best {} at {step}", figure(loss)));
    let last = compare.losses.last(&side.view);
    let last = last.map_or(String::new(), |(_, loss)| format!("last {}", figure(loss)));
    let here = compare.cursor.map(|x| at_cursor(side, compare, x));
    match has_last {
        true => {
            add(&best, BEST, colour);
            add(&here.unwrap_or(last), LAST, colour);
        }
        false => add(&here.unwrap_or(best), BEST, colour),
    }
    add(&came_to(side), longest, Style::new());
    if has_id {
        add(&side.id, ID, look.faint());
    }
    spans
}

/// The loss at the cursor, and how far it is from that of the first run.
fn at_cursor(side: &Side, compare: &Compare, x: f64) -> String {
    let loss = |side: &Side| side.loss_at(compare.losses, compare.lens.axis, x);
    match (loss(side), compare.sides.first().filter(|first| first.id != side.id).and_then(loss)) {
        (None, _) => "-".to_owned(),
        (Some(here), None) => figure(here),
        (Some(here), Some(first)) => format!("{} {:+.4}", figure(here), here - first),
    }
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
        None => curve_facts(compare, is_alone, look),
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

/// Which losses, and how they are looked at. `brief`: in few columns.
fn curve_facts(compare: &Compare, brief: bool, look: Look) -> Vec<Span<'static>> {
    let lens = &compare.lens;
    let title = if brief { compare.losses.short() } else { compare.losses.title() };
    let mut facts = vec![span(title, look.faint())];
    if let Some(x) = compare.cursor {
        facts.insert(0, span(format!("at {} {}", lens.axis.name(), place(lens.axis, x)), look.strong()));
    }
    if lens.weight() > 0.0 {
        facts.push(span(format!("smooth {}", lens.weight()), look.faint()));
    }
    facts
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
