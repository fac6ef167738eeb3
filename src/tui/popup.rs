//! Popups: the help computed from the key table, the samples of a run, questions, and a line to type.

use super::draw::{plain, put, put_ends, span};
use super::form::{input_spans, problems};
use super::keys::{Action, Context, key_name, named};
use super::look::Look;
use super::model::{Model, Popup, Screen, first_line};
use super::monitor::{Pane, changes, sample_lines};
use super::presets::difference;
use super::runs::{column_lines, detail_lines};
use super::text::{cut, pad, width, wrap};
use super::view::screen_area;
use super::{picker, preflight};
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

/// Columns of a popup where there is room; of one that holds texts.
const WIDTH: u16 = 76;
const TEXT_WIDTH: u16 = 110;
/// Lines of a picker where there is room.
const PICKER_LINES: usize = 24;

/// What a popup holds: its title, its lines, and the first one to show.
struct Content {
    title: String,
    lines: Vec<Vec<Span<'static>>>,
    scroll: usize,
}

fn columns(popup: &Popup, area: Rect) -> u16 {
    let wide = matches!(
        popup,
        Popup::Samples { .. }
            | Popup::Changes { .. }
            | Popup::Details { .. }
            | Popup::Picker(_)
            | Popup::Preflight(_)
            | Popup::Problems(_)
            | Popup::Difference(_)
    );
    area.width.min(if wide { TEXT_WIDTH } else { WIDTH })
}

fn content(popup: &Popup, area: Rect, model: &Model) -> Content {
    let look = model.look;
    let inner = usize::from(columns(popup, area).saturating_sub(4));
    let (title, lines, scroll) = match popup {
        Popup::Help { about, scroll } => ("Help".to_owned(), help_lines(*about, look), *scroll),
        Popup::Samples { shown, scroll } => {
            let samples = model.samples();
            let shown = shown.unwrap_or(samples.len()).min(samples.len());
            let newer = samples.len() - shown;
            let title = "Samples of held-out rows, newest first";
            let title = if newer > 0 { format!("{title} (g: {newer} newer)") } else { title.to_owned() };
            (title, sample_lines(&samples[..shown], inner, look), *scroll)
        }
        Popup::Columns { cursor } => {
            let mut lines = column_lines(model, *cursor);
            let height = usize::from(area.height.saturating_sub(2));
            let scroll = first_line(*cursor, lines.len(), height);
            if lines.len() + 2 <= height {
                lines.push(Vec::new());
                lines.push(key_spans(Context::Columns, None, |_| true, look));
            }
            ("Columns of the runs table".to_owned(), lines, scroll)
        }
        Popup::Picker(picker) => {
            let height = usize::from(area.height.saturating_sub(2)).min(PICKER_LINES);
            (picker::title(picker), picker::lines(picker, inner, height, look), 0)
        }
        Popup::Preflight(preflight) => {
            let name = match model.screen() {
                Screen::Form(form) if !form.name.is_empty() => form.name.as_str(),
                Screen::Form(form) => form.doc.name.as_str(),
                _ => "",
            };
            (format!("Before the start of {name}"), preflight::lines(preflight, inner, look), preflight.scroll)
        }
        Popup::Problems(list) => {
            let (lines, at) = problems::lines(list, inner, look);
            let height = usize::from(area.height.saturating_sub(2));
            let scroll = first_line(at, lines.len(), height);
            (format!("{} ({})", list.title, list.problems.len()), lines, scroll)
        }
        Popup::Difference(view) => (
            format!("{}: what differs from the defaults", view.name),
            difference::lines(view, inner, look),
            view.scroll,
        ),
        Popup::Details { run, scroll } => match model.runs.row(run) {
            Some(row) => (row.name.clone(), detail_lines(row, &model.zone, inner, look), *scroll),
            None => (run.clone(), vec![vec![plain("This run was deleted.")]], 0),
        },
        Popup::Changes { scroll } => {
            let (title, lines) = model.monitor_shown().map(|monitor| changes(monitor, look)).unwrap_or_default();
            (title, lines, *scroll)
        }
        Popup::Card(facts) => {
            let mut lines: Vec<Vec<Span>> = Vec::new();
            for fact in facts {
                // Later lines of a fact stand below its words.
                let (label, words) = fact.split_at(fact.find("  ").map_or(0, |_| 9.min(fact.len())));
                for (i, text) in wrap(words, inner.saturating_sub(label.len())).into_iter().enumerate() {
                    let label = if i == 0 { label.to_owned() } else { " ".repeat(label.len()) };
                    lines.push(vec![span(label, look.faint()), plain(text)]);
                }
            }
            lines.push(Vec::new());
            lines.push(key_spans(Context::Card, None, |_| true, look));
            ("Since you looked".to_owned(), lines, 0)
        }
        Popup::Confirm { title, text, .. } => {
            ((*title).to_owned(), question(text, inner, Context::Confirm, None, look), 0)
        }
        Popup::Crowded { text, .. } => {
            ("The device is in use".to_owned(), question(text, inner, Context::Crowded, None, look), 0)
        }
        Popup::Prompt { title, text, input, .. } => {
            let line = input_spans(input, inner, true, look);
            ((*title).to_owned(), question(text, inner, Context::Prompt, Some(line), look), 0)
        }
    };
    Content { title, lines, scroll }
}

/// How far a popup can be scrolled on the screen as it is.
pub fn last_scroll(popup: &Popup, model: &Model) -> usize {
    let area = screen_area(Rect::new(0, 0, model.size.0, model.size.1));
    let lines = content(popup, area, model).lines.len();
    lines.saturating_sub(usize::from(area.height.saturating_sub(2)))
}

/// Draws a popup in the middle of an area.
pub fn view(buf: &mut Buffer, area: Rect, popup: &Popup, model: &Model) {
    let look = model.look;
    let columns = columns(popup, area);
    let Content { title, lines, scroll } = content(popup, area, model);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let frame =
        Rect { x: area.x + (area.width - columns) / 2, y: area.y + (area.height - height) / 2, width: columns, height };
    border(buf, frame, &title, look);
    let text = Rect {
        x: frame.x + 2.min(frame.width),
        y: frame.y + 1.min(frame.height),
        width: frame.width.saturating_sub(4),
        height: frame.height.saturating_sub(2),
    };
    let (count, room) = (lines.len(), usize::from(text.height));
    let scroll = scroll.min(count.saturating_sub(room));
    if count > room && room > 0 {
        // How far it is, and how much there is: a text that seems whole is not read on.
        let place = format!("{}-{} of {count} lines, {} scrolls", scroll + 1, scroll + room, look.glyphs().up_down);
        let foot = Rect { x: frame.x + 2, y: frame.bottom() - 1, width: frame.width.saturating_sub(4), height: 1 };
        put_ends(buf, foot, 0, Vec::new(), vec![span(format!(" {place} "), look.accent())]);
    }
    for (line, spans) in lines.into_iter().skip(scroll).take(usize::from(text.height)).enumerate() {
        put(buf, text, line as u16, spans);
    }
}

/// Clears an area and draws a titled frame around it.
fn border(buf: &mut Buffer, area: Rect, title: &str, look: Look) {
    let glyphs = look.glyphs();
    let middle = usize::from(area.width.saturating_sub(2));
    Clear.render(area, buf);
    // A wide character of which the frame covers the second half would push the frame aside.
    let left = area.x.checked_sub(1).into_iter();
    for at in left.flat_map(|x| (area.top()..area.bottom()).map(move |y| (x, y))) {
        if let Some(cell) = buf.cell_mut(at).filter(|cell| width(cell.symbol()) > 1) {
            cell.set_symbol(" ");
        }
    }
    for line in 0..area.height {
        let (left, fill, right) = if line == 0 {
            (glyphs.corners[0], glyphs.rule, glyphs.corners[1])
        } else if line + 1 == area.height {
            (glyphs.corners[2], glyphs.rule, glyphs.corners[3])
        } else {
            (glyphs.vertical, " ", glyphs.vertical)
        };
        let text = format!("{left}{}{right}", fill.repeat(middle));
        put(buf, area, line, vec![plain(text)]);
    }
    let name = Rect { x: area.x + 2.min(area.width), width: area.width.saturating_sub(4), ..area };
    let title = cut(title, usize::from(name.width).saturating_sub(2), glyphs.ellipsis);
    put(buf, name, 0, vec![span(format!(" {title} "), look.strong())]);
}

fn question(
    text: &str,
    columns: usize,
    context: Context,
    line: Option<Vec<Span<'static>>>,
    look: Look,
) -> Vec<Vec<Span<'static>>> {
    let mut lines: Vec<Vec<Span>> = wrap(text, columns).into_iter().map(|line| vec![plain(line)]).collect();
    lines.extend(line);
    lines.push(Vec::new());
    lines.push(key_spans(context, None, |_| true, look));
    lines
}

/// Keys of the key bar and their labels, those that `can` allows; `focus`: the pane of the monitor that has it.
pub fn labels(
    context: Context,
    focus: Option<Pane>,
    can: impl Fn(Action) -> bool,
) -> impl Iterator<Item = (KeyCode, &'static str)> {
    let shown = named(context, focus).filter(move |binding| can(binding.action));
    shown.filter_map(|binding| Some((*binding.keys.first()?, binding.label)))
}

/// Keys and their labels in one line, those that `can` allows.
pub fn key_spans(
    context: Context,
    focus: Option<Pane>,
    can: impl Fn(Action) -> bool,
    look: Look,
) -> Vec<Span<'static>> {
    let mut spans: Vec<Span> = Vec::new();
    for (key, label) in labels(context, focus, can) {
        if !spans.is_empty() {
            spans.push(plain("  "));
        }
        spans.push(span(key_name(key, look.unicode), look.accent().patch(look.strong())));
        spans.push(span(format!(" {label}"), Style::new()));
    }
    spans
}

/// What the words on the monitor mean.
const WORDS: [(&str, &str); 10] = [
    ("selection value", "weight of one of the k rank-1 terms of a module"),
    ("kept, dropped", "whether a value reaches the rule's threshold"),
    ("emerging rank", "terms that would be kept, were this step the last"),
    ("energy", "size of a term's update, as a share of all"),
    ("flip", "the rank of a module changed"),
    ("entropy", "1: all values are equal; 0: one has everything"),
    ("stable", "no rank changed for search.stable_steps steps"),
    ("head alone", "baseline: the frozen model with a trained head"),
    ("rank N", "baseline: the same rank N in every module"),
    ("majority", "baseline: always the commonest answer"),
];

/// Every key that holds where the help was called, with its other names.
pub fn help_lines(about: Context, look: Look) -> Vec<Vec<Span<'static>>> {
    let names = |keys: &[KeyCode]| keys.iter().map(|key| key_name(*key, look.unicode)).collect::<Vec<_>>().join(" ");
    let contexts: &[Context] = match about {
        Context::Compare => &[Context::Compare, Context::Screen],
        Context::Runs => &[Context::Runs, Context::Screen, Context::Columns, Context::Details],
        Context::Form => &[
            Context::Form,
            Context::Screen,
            Context::FormEdit,
            Context::FormFilter,
            Context::Picker,
            Context::Preflight,
            Context::Problems,
            Context::Difference,
        ],
        Context::Presets => {
            &[Context::Presets, Context::Screen, Context::PresetFilter, Context::Picker, Context::Difference]
        }
        Context::WhatIf => &[Context::WhatIf],
        _ => &[
            Context::Monitor,
            Context::Screen,
            Context::WhatIf,
            Context::LogFilter,
            Context::Samples,
            Context::Changes,
        ],
    };
    let table = || super::keys::BINDINGS.iter();
    let longest = table().map(|binding| width(&names(binding.keys))).max().unwrap_or(0);
    let mut lines = Vec::new();
    for context in contexts {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![span(context.title(), look.strong())]);
        for binding in table().filter(|binding| binding.context == *context) {
            lines.push(vec![
                span(pad(&names(binding.keys), longest + 2, ""), look.accent()),
                span(binding.help, Style::new()),
            ]);
        }
    }
    if about == Context::Monitor {
        lines.push(Vec::new());
        lines.push(vec![span("Words", look.strong())]);
        for (word, meaning) in WORDS {
            lines.push(vec![span(pad(word, longest + 2, ""), look.accent()), span(meaning, Style::new())]);
        }
    }
    lines.push(Vec::new());
    for line in [
        "Ctrl-C ends the program from anywhere; runs go on.",
        "Ctrl-Z puts it aside from anywhere; fg in the shell brings it back.",
    ] {
        lines.push(vec![span(line, look.faint())]);
    }
    lines
}
