//! What the control sequences of terminals mean: those of xterm, rxvt, the Linux console and tmux.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// The key of a control character, DEL among them.
pub fn control_key(byte: u8) -> (KeyCode, KeyModifiers) {
    let control = |base: u8, first: u8| (KeyCode::Char(char::from(byte - first + base)), KeyModifiers::CONTROL);
    match byte {
        0x00 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
        b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
        b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
        // Which of the two the key sends is a choice of the terminal.
        0x08 | 0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
        0x1b => (KeyCode::Esc, KeyModifiers::NONE),
        0x01..=0x1a => control(b'a', 0x01),
        _ => control(b'4', 0x1c),
    }
}

/// Whether the parameters are one number, as those of the keys that end in `~`.
pub fn is_number(parameters: &[u8]) -> bool {
    !parameters.is_empty() && parameters.iter().all(u8::is_ascii_digit)
}

/// `ESC [ parameters last`.
pub fn csi(parameters: &[u8], last: u8) -> Option<Event> {
    if let [b'<', rest @ ..] = parameters {
        return mouse(&numbers(rest)?, last == b'm').filter(|_| matches!(last, b'M' | b'm'));
    }
    let (numbers, kind) = (numbers(parameters)?, event_kind(parameters));
    let number = |at: usize| numbers.get(at).copied().filter(|number| *number > 0);
    let modifiers = modifiers_of(number(1).unwrap_or(1));
    let (code, modifiers) = match (last, &numbers[..]) {
        (b'I', []) => return Some(Event::FocusGained),
        (b'O', []) => return Some(Event::FocusLost),
        // As rxvt reports the mouse.
        (b'M', [button, column, row]) => return mouse(&[button.checked_sub(32)?, *column, *row], false),
        (b'Z', _) => (KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
        // Shift in rxvt.
        (b'a'..=b'd', []) => (arrow(last.to_ascii_uppercase())?, KeyModifiers::SHIFT),
        // Keys with Ctrl and the like where the terminal tells them apart: xterm's modifyOtherKeys, then the form of fixterms.
        (b'~', [27, modifiers, code]) => character(*code, modifiers_of(*modifiers))?,
        (b'u', [code, ..]) => character(*code, modifiers)?,
        (b'~', [key, ..]) => (numbered(*key)?, modifiers),
        // Modifiers in rxvt.
        (b'$', [key]) => (numbered(*key)?, KeyModifiers::SHIFT),
        (b'^', [key]) => (numbered(*key)?, KeyModifiers::CONTROL),
        (b'@', [key]) => (numbered(*key)?, KeyModifiers::CONTROL | KeyModifiers::SHIFT),
        // With other numbers it is where the cursor is.
        (b'R', [] | [1, ..]) => (KeyCode::F(3), modifiers),
        (_, [] | [0 | 1, ..]) => (letter(last)?, modifiers),
        _ => return None,
    };
    // A release is no second press.
    (kind != KeyEventKind::Release).then(|| Event::Key(KeyEvent::new_with_kind(code, modifiers, kind)))
}

/// `ESC O last`, in some old forms with a number of the modifiers before it.
pub fn ss3(parameters: &[u8], last: u8) -> Option<Event> {
    let modifiers = modifiers_of(numbers(parameters)?.last().copied().unwrap_or(1));
    let (code, more) = match last {
        // Ctrl in rxvt.
        b'a'..=b'd' => (arrow(last.to_ascii_uppercase())?, KeyModifiers::CONTROL),
        b'R' => (KeyCode::F(3), KeyModifiers::NONE),
        // The number pad in application mode.
        b'M' => (KeyCode::Enter, KeyModifiers::NONE),
        b'I' => (KeyCode::Tab, KeyModifiers::NONE),
        b'X' => (KeyCode::Char('='), KeyModifiers::NONE),
        b'j'..=b'y' => (KeyCode::Char(char::from(last - b'j' + b'*')), KeyModifiers::NONE),
        _ => (letter(last)?, KeyModifiers::NONE),
    };
    Some(Event::Key(KeyEvent::new(code, modifiers | more)))
}

/// `ESC [ [ last`.
pub fn console(last: u8) -> Option<Event> {
    let number = last.checked_sub(b'A').filter(|number| *number < 5)?;
    Some(Event::Key(KeyEvent::new(KeyCode::F(number + 1), KeyModifiers::NONE)))
}

/// `ESC [ M` and three bytes, each 32 above what it means.
pub fn mouse_in_bytes(button: u8, column: u8, row: u8) -> Option<Event> {
    let [button, column, row] = [button, column, row].map(|byte| u32::from(byte.saturating_sub(32)));
    mouse(&[button, column, row], false)
}

/// Button with modifiers, column and row from 1. A release is told by `is_release`, or by a button of 3.
fn mouse(numbers: &[u32], is_release: bool) -> Option<Event> {
    let &[code, column, row] = numbers else { return None };
    let place = |number: u32| u16::try_from(number.saturating_sub(1)).ok();
    let button = match code & 0b11 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let moves = code & 0b10_0000 != 0;
    let kind = match (code & 0b1100_0000, code & 0b11) {
        (0, 3) if moves => MouseEventKind::Moved,
        (0, 3) => MouseEventKind::Up(MouseButton::Left),
        (0, _) if is_release => MouseEventKind::Up(button),
        (0, _) if moves => MouseEventKind::Drag(button),
        (0, _) => MouseEventKind::Down(button),
        (64, 0) => MouseEventKind::ScrollUp,
        (64, 1) => MouseEventKind::ScrollDown,
        (64, 2) => MouseEventKind::ScrollLeft,
        (64, _) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let held = [(4, KeyModifiers::SHIFT), (8, KeyModifiers::ALT), (16, KeyModifiers::CONTROL)];
    let modifiers = held.into_iter().filter(|(bit, _)| code & bit != 0).map(|(_, modifier)| modifier).collect();
    Some(Event::Mouse(MouseEvent { kind, column: place(column)?, row: place(row)?, modifiers }))
}

/// The numbers between semicolons, 0 where one is not said; of those between colons the first. None where there is more
/// than numbers.
fn numbers(parameters: &[u8]) -> Option<Vec<u32>> {
    if parameters.is_empty() {
        return Some(Vec::new());
    }
    let text = std::str::from_utf8(parameters).ok()?;
    let number = |text: &str| match text.split(':').next() {
        None | Some("") => Some(0),
        Some(digits) => digits.parse().ok(),
    };
    text.split(';').map(number).collect()
}

/// What is said behind the modifiers: pressed, held down, or let go.
fn event_kind(parameters: &[u8]) -> KeyEventKind {
    let modifiers = parameters.split(|byte| *byte == b';').nth(1).unwrap_or_default();
    match modifiers.split(|byte| *byte == b':').nth(1) {
        Some(b"2") => KeyEventKind::Repeat,
        Some(b"3") => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    }
}

/// The modifiers of a number: one more than the sum of their bits.
fn modifiers_of(number: u32) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let held = [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ];
    held.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, modifier)| modifier).collect()
}

/// A key told by the number of its character.
fn character(code: u32, modifiers: KeyModifiers) -> Option<(KeyCode, KeyModifiers)> {
    let shifted = modifiers.contains(KeyModifiers::SHIFT);
    let code = match char::from_u32(code)? {
        '\t' if shifted => KeyCode::BackTab,
        // The private range stands for keys that no screen of ours knows.
        '\u{e000}'..='\u{f8ff}' => return None,
        c if c.is_ascii_control() => control_key(c as u8).0,
        c if shifted => KeyCode::Char(c.to_ascii_uppercase()),
        c => KeyCode::Char(c),
    };
    Some((code, modifiers))
}

fn arrow(letter: u8) -> Option<KeyCode> {
    match letter {
        b'A' => Some(KeyCode::Up),
        b'B' => Some(KeyCode::Down),
        b'C' => Some(KeyCode::Right),
        b'D' => Some(KeyCode::Left),
        _ => None,
    }
}

fn letter(last: u8) -> Option<KeyCode> {
    match last {
        b'F' => Some(KeyCode::End),
        b'H' => Some(KeyCode::Home),
        b'P' => Some(KeyCode::F(1)),
        b'Q' => Some(KeyCode::F(2)),
        b'S' => Some(KeyCode::F(4)),
        _ => arrow(last),
    }
}

/// The keys of the VT220 and what followed it.
fn numbered(number: u32) -> Option<KeyCode> {
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => Some(function(number - 10)),
        17..=21 => Some(function(number - 11)),
        23..=26 => Some(function(number - 12)),
        28 | 29 => Some(function(number - 13)),
        31..=34 => Some(function(number - 14)),
        _ => None,
    }
}

fn function(number: u32) -> KeyCode {
    KeyCode::F(number as u8)
}
