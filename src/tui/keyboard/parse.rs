//! From the bytes of a terminal to events. Pure: time comes in as the word that nothing came for a while.
//!
//! Whatever the bytes, a key typed after a silence is heard: a sequence that stays without its end is given up, and so is
//! one that a byte follows which cannot be part of it (ECMA-48, 5.4). What is whole and unknown is passed over whole.

use super::sequence::{self, control_key};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const BELL: u8 = 0x07;
/// How long an escape byte is waited upon before it is the key of that name: a terminal sends the bytes of a key at once,
/// and an answer is due within 5 ms.
const ESCAPE: Duration = Duration::from_millis(1);
/// How long the rest of what has begun is waited for.
const REST: Duration = Duration::from_millis(100);
/// How long the rest of a paste is waited for after that.
const PASTE: Duration = Duration::from_millis(900);
/// Bytes of a sequence; one that is longer means nothing to us.
const LONGEST: usize = 64;
/// Bytes of a terminal's answer in words (OSC, DCS, APC), which we ask for nowhere.
const LONGEST_WORDS: usize = 4096;
/// Bytes of a paste that are kept: more than any field of ours could hold.
const LARGEST_PASTE: usize = 1 << 20;
/// What a terminal sends after a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// What has begun and is not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// A character of so many bytes; with Alt where an escape byte came before it.
    Character {
        bytes: usize,
        alt: bool,
    },
    /// After `ESC [`.
    Csi,
    /// After `ESC [ [`: the function keys of the Linux console.
    Console,
    /// After `ESC [ M`: button, column and row, one byte each.
    Mouse,
    /// After `ESC O`.
    Ss3,
    /// After `ESC ]`, `ESC P` or `ESC _`.
    Words,
    /// After `ESC` in such words: their end, or that of our patience.
    WordsEscape,
    /// In a paste; whether nothing came for a moment.
    Paste {
        is_quiet: bool,
    },
}

/// Takes bytes in pieces of any size, and gives events as soon as they are whole.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// What came of what has begun, without its introducer.
    held: Vec<u8>,
    /// Bytes of the terminal's words, which are not held.
    words: usize,
}

impl Parser {
    /// How long to wait for more before [`Parser::hush`]; none where nothing has begun.
    pub fn patience(&self) -> Option<Duration> {
        match self.state {
            State::Ground => None,
            State::Escape => Some(ESCAPE),
            State::Paste { is_quiet: true } => Some(PASTE),
            _ => Some(REST),
        }
    }

    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8], to: &mut Vec<Event>) {
        for &byte in bytes {
            // A byte that ends what cannot go on is taken once more, as the first of something else.
            while !self.take(byte, to) {}
        }
    }

    /// Nothing came for as long as [`Parser::patience`] said.
    pub fn hush(&mut self, to: &mut Vec<Event>) {
        match self.state {
            State::Escape => to.push(key(KeyCode::Esc, KeyModifiers::NONE)),
            // The introducers alone are keys that are typed with Alt.
            State::Csi if self.held.is_empty() => to.push(key(KeyCode::Char('['), KeyModifiers::ALT)),
            State::Ss3 if self.held.is_empty() => {
                to.push(key(KeyCode::Char('O'), KeyModifiers::ALT | KeyModifiers::SHIFT))
            }
            State::Words if self.words == 0 => to.extend(self.held.first().and_then(|&byte| plain(byte, true))),
            State::Paste { is_quiet: false } => {
                self.state = State::Paste { is_quiet: true };
                return;
            }
            State::Paste { .. } => self.end_paste(to),
            _ => {}
        }
        self.begin(State::Ground);
    }

    /// Takes a byte; false where it is no part of what had begun, which is given up then.
    fn take(&mut self, byte: u8, to: &mut Vec<Event>) -> bool {
        match self.state {
            State::Ground => self.ground(byte, false, to),
            State::Escape => return self.after_escape(byte, to),
            State::Character { bytes, alt } => {
                if byte & 0b1100_0000 != 0b1000_0000 {
                    return self.give_up();
                }
                self.held.push(byte);
                if self.held.len() == bytes {
                    let character = std::str::from_utf8(&self.held).ok().and_then(|text| text.chars().next());
                    to.extend(character.map(|c| typed(c, alt)));
                    self.begin(State::Ground);
                }
            }
            State::Csi => return self.csi(byte, to),
            State::Console => {
                if !(0x20..0x7f).contains(&byte) {
                    return self.give_up();
                }
                to.extend(sequence::console(byte));
                self.begin(State::Ground);
            }
            State::Mouse => {
                if byte < 0x20 {
                    return self.give_up();
                }
                self.held.push(byte);
                if let [button, column, row] = self.held[..] {
                    to.extend(sequence::mouse_in_bytes(button, column, row));
                    self.begin(State::Ground);
                }
            }
            State::Ss3 => match byte {
                b'0'..=b'9' | b';' if self.held.len() < LONGEST => self.held.push(byte),
                0x40..=0x7e => {
                    to.extend(sequence::ss3(&self.held, byte));
                    self.begin(State::Ground);
                }
                _ => return self.give_up(),
            },
            State::Words => match byte {
                BELL => self.begin(State::Ground),
                ESC => self.state = State::WordsEscape,
                0x08..=0x0d | 0x20.. if self.words < LONGEST_WORDS => self.words += 1,
                _ => return self.give_up(),
            },
            State::WordsEscape if byte == b'\\' => self.begin(State::Ground),
            // The escape byte was the first of something else.
            State::WordsEscape => {
                self.begin(State::Escape);
                return false;
            }
            State::Paste { is_quiet } => {
                if is_quiet && byte == CTRL_C {
                    self.end_paste(to);
                    return self.give_up();
                }
                self.state = State::Paste { is_quiet: false };
                self.paste(byte, to);
            }
        }
        true
    }

    /// A byte with nothing before it but an escape byte, where `alt` says so.
    fn ground(&mut self, byte: u8, alt: bool, to: &mut Vec<Event>) {
        let bytes = match byte {
            ESC => return self.begin(State::Escape),
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => {
                to.extend(plain(byte, alt));
                return self.begin(State::Ground);
            }
        };
        self.begin(State::Character { bytes, alt });
        self.held.push(byte);
    }

    fn after_escape(&mut self, byte: u8, to: &mut Vec<Event>) -> bool {
        match byte {
            b'[' => self.begin(State::Csi),
            b'O' => self.begin(State::Ss3),
            b']' | b'P' | b'_' => {
                self.begin(State::Words);
                self.held.push(byte);
            }
            // Two keys that came together over a slow line, not one with Alt: neither may be lost.
            ESC | CTRL_C => {
                to.push(key(KeyCode::Esc, KeyModifiers::NONE));
                return self.give_up();
            }
            _ => self.ground(byte, true, to),
        }
        true
    }

    fn csi(&mut self, byte: u8, to: &mut Vec<Event>) -> bool {
        match byte {
            b'[' if self.held.is_empty() => self.begin(State::Console),
            b'M' if self.held.is_empty() => self.begin(State::Mouse),
            b'$' if sequence::is_number(&self.held) => self.end_csi(byte, to),
            0x20..=0x3f => {
                // One byte more than the longest tells that it was longer.
                if self.held.len() <= LONGEST {
                    self.held.push(byte);
                }
            }
            0x40..=0x7e => self.end_csi(byte, to),
            _ => return self.give_up(),
        }
        true
    }

    fn end_csi(&mut self, last: u8, to: &mut Vec<Event>) {
        if self.held == b"200" && last == b'~' {
            return self.begin(State::Paste { is_quiet: false });
        }
        if self.held.len() <= LONGEST {
            to.extend(sequence::csi(&self.held, last));
        }
        self.begin(State::Ground);
    }

    fn paste(&mut self, byte: u8, to: &mut Vec<Event>) {
        // What is over the limit is passed over, and the end still seen: it stands in the last bytes.
        if self.held.len() >= LARGEST_PASTE + PASTE_END.len() {
            self.held.remove(LARGEST_PASTE);
        }
        self.held.push(byte);
        if self.held.ends_with(PASTE_END) {
            self.held.truncate(self.held.len() - PASTE_END.len());
            self.end_paste(to);
            self.begin(State::Ground);
        }
    }

    fn end_paste(&mut self, to: &mut Vec<Event>) {
        self.held.truncate(LARGEST_PASTE);
        to.push(Event::Paste(String::from_utf8_lossy(&self.held).into_owned()));
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        self.held.shrink_to(LONGEST);
        self.words = 0;
    }

    fn give_up(&mut self) -> bool {
        self.begin(State::Ground);
        false
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

/// A key of one byte below 0x80; what is above begins no character.
fn plain(byte: u8, alt: bool) -> Option<Event> {
    match byte {
        0x20..=0x7e => Some(typed(char::from(byte), alt)),
        0x80.. => None,
        _ => {
            let (code, modifiers) = control_key(byte);
            Some(key(code, if alt { modifiers | KeyModifiers::ALT } else { modifiers }))
        }
    }
}

fn typed(c: char, alt: bool) -> Event {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    key(KeyCode::Char(c), if alt { shift | KeyModifiers::ALT } else { shift })
}
