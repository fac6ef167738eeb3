//! A frame: the screen, the key bar, what was just said, and popups on top.

use super::draw::{below, put, put_ends, span, top};
use super::keys::{Action, BINDINGS, Context, key_name};
use super::look::Look;
use super::model::{Model, Screen};
use super::text::{bytes, cut, width, wrap};
use super::{compare, form, monitor, popup, presets, runs};
use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

/// Draws the model, whatever the size of the terminal.
pub fn view(model: &Model, frame: &mut Frame) {
    paint(model, frame.buffer_mut());
}

/// Draws the model on a blank buffer.
pub fn paint(model: &Model, buf: &mut Buffer) {
    let area = buf.area;
    if area.is_empty() {
        return;
    }
    let said = notice_lines(area, model);
    let screen = screen_area(area);
    let screen = top(screen, screen.height - said.len() as u16);
    match model.screen() {
        Screen::Runs => runs::view(buf, screen, model),
        Screen::Compare(compare) => compare::view(buf, screen, compare, model.look),
        Screen::Presets => presets::view(buf, screen, model),
        Screen::Form(form) => form::view(buf, screen, form, model.look),
        Screen::Monitor(monitor) => monitor::view(buf, screen, monitor, &model.zone, model.look),
    }
    for popup in &model.popups {
        popup::view(buf, screen, popup, model);
    }
    notice(buf, below(screen_area(area), screen.height), said, model);
    if area.height > 1 {
        key_bar(buf, Rect { y: area.bottom() - 1, height: 1, ..area }, model);
    }
    if !model.look.letters {
        spell_in_ascii(buf);
    }
}

/// Replaces what the terminal does not take, wherever it comes from: names, paths, texts.
fn spell_in_ascii(buf: &mut Buffer) {
    for cell in buf.content.iter_mut().filter(|cell| !cell.symbol().is_ascii()) {
        cell.set_symbol("?");
    }
}

/// The area above the key bar.
pub fn screen_area(area: Rect) -> Rect {
    top(area, area.height - u16::from(area.height > 1))
}

/// Lines that what was said may take at most.
const NOTICE_LINES: usize = 3;

/// What was just said, in lines: they have a place of their own, between the screen and the key bar.
fn notice_lines(area: Rect, model: &Model) -> Vec<String> {
    let Some(notice) = &model.notice else { return Vec::new() };
    let screen = screen_area(area);
    let room = usize::from(screen.width).saturating_sub(2);
    let most = NOTICE_LINES.min(usize::from(screen.height / 4)).max(1);
    let mut lines = wrap(&notice.text, room);
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(cut(&rest, room, model.look.glyphs().ellipsis));
    }
    lines.truncate(usize::from(screen.height));
    lines
}

fn notice(buf: &mut Buffer, area: Rect, lines: Vec<String>, model: &Model) {
    let bad = model.notice.as_ref().is_some_and(|notice| notice.bad);
    let style = if bad { model.look.bad() } else { model.look.good() };
    for (line, text) in lines.into_iter().enumerate() {
        put(buf, area, line as u16, vec![span(format!(" {text}"), style.patch(model.look.strong()))]);
    }
}

/// Whether an action is one of those of every screen.
fn is_shared(action: Action) -> bool {
    BINDINGS.iter().any(|binding| binding.context == Context::Screen && binding.action == action)
}

/// The keys of the top layer at the left, those of every screen at the right: what does nothing now is left out.
fn key_bar(buf: &mut Buffer, area: Rect, model: &Model) {
    let (context, focus) = (model.context(), model.focus());
    let own = popup::key_spans(context, focus, |action| model.can(action) && !is_shared(action), model.look);
    let shared = popup::key_spans(context, focus, |action| model.can(action) && is_shared(action), model.look);
    let mut left = vec![span(" ", model.look.faint())];
    left.extend(own);
    // Half a word helps nobody: what does not fit is in the help.
    let width = |spans: &[Span]| spans.iter().map(Span::width).sum::<usize>();
    let room = usize::from(area.width).saturating_sub(width(&shared) + 1);
    while left.len() > 3 && width(&left) > room {
        // A blank, a key, its label.
        left.truncate(left.len() - 3);
    }
    put_ends(buf, area, 0, left, shared);
}

/// The key that the key bar shows at a place.
pub fn key_at(model: &Model, area: Rect, at: Position) -> Option<KeyCode> {
    if area.height < 2 || at.y + 1 != area.bottom() {
        return None;
    }
    let labels = |shared| {
        popup::labels(model.context(), model.focus(), move |action| model.can(action) && is_shared(action) == shared)
    };
    let look = model.look;
    let columns = |key, label| width(&key_name(key, look.unicode)) + 1 + width(label);
    let total: usize =
        popup::key_spans(model.context(), model.focus(), |action| model.can(action) && is_shared(action), look)
            .iter()
            .map(Span::width)
            .sum();
    let right = usize::from(area.width).saturating_sub(total);
    let place = usize::from(at.x);
    let (mut start, group) = if place >= right { (right, true) } else { (1, false) };
    for (key, label) in labels(group) {
        let end = start + columns(key, label);
        if !group && end >= right {
            // It does not fit, and is not shown.
            return None;
        }
        if (start..end).contains(&place) {
            return Some(key);
        }
        start = end + 2;
    }
    None
}

/// Columns of the byte rate, with a space.
const RATE_WIDTH: usize = 10;

/// Writes the byte rate into the key bar of a finished frame, between the keys of the screen and those of every screen;
/// not at all where that place is taken.
pub fn stamp(buf: &mut Buffer, rate: usize, look: Look) {
    let area = buf.area;
    let Some(y) = area.bottom().checked_sub(1).filter(|_| area.height > 1) else { return };
    let is_blank = |x: &u16| buf.cell((*x, y)).is_some_and(|cell| cell.symbol() == " ");
    // The last stretch of blanks that holds it.
    let mut end = area.right();
    loop {
        let Some(last) = (area.left()..end).rev().find(is_blank) else { return };
        let first = (area.left()..=last).rev().find(|x| !is_blank(x)).map_or(area.left(), |x| x + 1);
        if usize::from(last + 1 - first) >= RATE_WIDTH + 3 {
            let text = format!("{:>RATE_WIDTH$}", format!("{}/s", bytes(rate as u64)));
            buf.set_stringn(last - 1 - RATE_WIDTH as u16, y, text, RATE_WIDTH, look.faint());
            return;
        }
        if first == area.left() {
            return;
        }
        end = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::palette::Depth;
    use jiff::tz::TimeZone;

    const LOOK: Look = Look { depth: Depth::Many, unicode: true, letters: true };

    fn bar(buf: &Buffer) -> String {
        let y = buf.area.bottom() - 1;
        (0..buf.area.width).map(|x| buf[(x, y)].symbol()).collect()
    }

    #[test]
    fn the_byte_rate_takes_no_keys_place() {
        let model = Model::new(LOOK, TimeZone::UTC);
        for columns in 1..130 {
            let mut buf = Buffer::empty(Rect::new(0, 0, columns, 3));
            paint(&model, &mut buf);
            let before = bar(&buf);
            stamp(&mut buf, 1234, LOOK);
            let after = bar(&buf);
            assert!(after == before || after.contains("  1.2 kB/s  "), "{after:?}");
            assert_eq!(after.replace(" 1.2 kB/s", "         "), before);
            assert!(columns < 70 || after != before, "{columns}: {after:?}");
        }
        stamp(&mut Buffer::empty(Rect::new(0, 0, 0, 0)), 1, LOOK);
    }

    #[test]
    fn a_click_finds_the_key_that_is_shown_there() {
        let model = Model::new(LOOK, TimeZone::UTC);
        let area = Rect::new(0, 0, 80, 24);
        let mut buf = Buffer::empty(area);
        paint(&model, &mut buf);
        let text = bar(&buf);
        for (label, key) in [("n new run", 'n'), ("p presets", 'p'), ("? help", '?'), ("q quit", 'q')] {
            let start = text.find(label).unwrap_or_else(|| panic!("{label:?} in {text:?}")) as u16;
            for x in start..start + label.len() as u16 {
                assert_eq!(key_at(&model, area, Position::new(x, 23)), Some(KeyCode::Char(key)), "{label} {x}");
            }
            assert_eq!(key_at(&model, area, Position::new(start, 22)), None);
            assert_ne!(key_at(&model, area, Position::new(start - 1, 23)), Some(KeyCode::Char(key)));
        }
    }
}
