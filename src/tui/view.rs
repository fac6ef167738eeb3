//! A frame: the screen, the key bar, what was just said, and popups on top.

use super::draw::{put, put_ends, span, top};
use super::keys::{BINDINGS, Context};
use super::model::{Model, Screen};
use super::text::cut;
use super::{compare, form, monitor, popup, presets, runs};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

/// Draws the model, whatever the size of the terminal.
pub fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    let buf = frame.buffer_mut();
    if area.is_empty() {
        return;
    }
    let screen = screen_area(area);
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
    notice(buf, screen, model);
    if screen.height < area.height {
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

/// What was just said, over the last line of the screen.
fn notice(buf: &mut Buffer, screen: Rect, model: &Model) {
    let Some(notice) = &model.notice else { return };
    let look = model.look;
    let style = if notice.bad { look.bad() } else { look.good() };
    let room = usize::from(screen.width).saturating_sub(2);
    let text = cut(&notice.text, room, look.glyphs().ellipsis);
    let last = Rect { y: screen.bottom().saturating_sub(1), height: 1.min(screen.height), ..screen };
    Clear.render(last, buf);
    put(buf, last, 0, vec![span(format!(" {text}"), style.patch(look.strong()))]);
}

/// The keys of the top layer at the left, those of every screen at the right: what does nothing now is left out.
fn key_bar(buf: &mut Buffer, area: Rect, model: &Model) {
    let context = model.context();
    let everywhere = |action| BINDINGS.iter().any(|b| b.context == Context::Screen && b.action == action);
    let own = popup::key_spans(context, |action| model.can(action) && !everywhere(action), model.look);
    let shared = popup::key_spans(context, |action| model.can(action) && everywhere(action), model.look);
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
