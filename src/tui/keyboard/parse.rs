//! From the bytes of a terminal to events. Pure: time comes in as the word that nothing came for a while.
//!
//! A slow line may bring a sequence in pieces. Its rest is no key: it is waited for, and what is whole in the end is heard, or
//! passed over where it means nothing. But no byte may keep the keyboard for ever: a sequence that has no end a second after its
//! beginning is given up, and so is one that a byte follows which cannot be part of it (ECMA-48, 5.4), as Ctrl-C is.
//!
//! A paste has no such limit, since what is in it is text and must not be keys. It is over at its end, at Ctrl-C or Esc once
//! it has paused (nobody waits for more, then), and after ten seconds without a byte. What came of it is handed over at
//! every pause, so that one without an end is seen.

use super::sequence::{self, control_key};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const BELL: u8 = 0x07;
/// How long an escape byte is waited upon before it is the key of that name: a terminal sends the bytes of a key at once,
/// and an answer is due within 5 ms.
const ESCAPE: Duration = Duration::from_millis(1);
/// How long after that what looks like the rest of a sequence is one, which was cut behind its first byte: that was told as a
/// key and cannot be called back, but the rest is passed over. No finger is so fast.
const LATE: Duration = Duration::from_millis(100);
/// How long the rest of what has begun is waited for, counted from its beginning.
pub(super) const REST: Duration = Duration::from_secs(1);
/// The same where it may be a key with Alt as well, and would swallow the keys after it.
const INTRODUCED: Duration = Duration::from_millis(100);
/// A paste pauses after so long, what came of it is handed over after so long again, and it is over after so long again.
const PAUSE: Duration = Duration::from_millis(100);
pub(super) const HAND_OVER: Duration = Duration::from_millis(900);
const NO_END: Duration = Duration::from_secs(9);
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
    /// The escape byte was told as a key a moment ago.
    Escaped,
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
    Paste(Flow),
}

/// How a paste comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Coming,
    /// Nothing came for a moment.
    Paused,
    /// Nothing came for long, and what came before was handed over.
    HandedOver,
    /// After a pause an escape byte came: the first of its end, or the key.
    Escape,
}

/// How long to wait for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Since the last byte.
    Silence(Duration),
    /// Since the first byte of what has begun, see [`Parser::begun`].
    InAll(Duration),
}

/// Takes bytes in pieces of any size, and gives events as soon as they are whole.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// What came of what has begun, without its introducer.
    held: Vec<u8>,
    /// Bytes of the terminal's words, which are not held.
    words: usize,
    /// Whether what has begun means nothing any more, since its escape byte was told as a key.
    is_late: bool,
    begun: u64,
}

impl Parser {
    /// How long to wait for more before [`Parser::hush`]; none where nothing has begun.
    pub fn patience(&self) -> Option<Patience> {
        Some(match self.state {
            State::Ground => return None,
            State::Escape => Patience::Silence(ESCAPE),
            State::Escaped => Patience::Silence(LATE),
            State::Paste(Flow::Coming) => Patience::Silence(PAUSE),
            State::Paste(Flow::Paused) => Patience::Silence(HAND_OVER),
            State::Paste(Flow::HandedOver) => Patience::Silence(NO_END),
            State::Paste(Flow::Escape) => Patience::Silence(REST),
            State::Words if self.words == 0 => Patience::InAll(INTRODUCED),
            _ => Patience::InAll(REST),
        })
    }

    /// How often something has begun: where it is another number than before, the time of its first byte is now.
    pub fn begun(&self) -> u64 {
        self.begun
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
            State::Escape => {
                to.push(key(KeyCode::Esc, KeyModifiers::NONE));
                return self.begin(State::Escaped);
            }
            // The introducers alone are keys: typed with Alt, or right behind Esc.
            State::Csi if self.held.is_empty() => to.push(typed('[', !self.is_late)),
            State::Ss3 if self.held.is_empty() => to.push(typed('O', !self.is_late)),
            State::Words if self.words == 0 => to.extend(self.held.first().and_then(|&byte| plain(byte, true))),
            State::Paste(Flow::Coming) => return self.state = State::Paste(Flow::Paused),
            State::Paste(Flow::Paused) => {
                self.hand_over(self.whole(), to);
                return self.state = State::Paste(Flow::HandedOver);
            }
            State::Paste(Flow::HandedOver) => self.hand_over(self.held.len(), to),
            State::Paste(Flow::Escape) => self.leave_paste(to),
            _ => {}
        }
        self.begin(State::Ground);
    }

    /// Takes a byte; false where it is no part of what had begun, which is given up then.
    fn take(&mut self, byte: u8, to: &mut Vec<Event>) -> bool {
        match self.state {
            State::Ground => self.ground(byte, false, to),
            State::Escape => return self.after_escape(byte, to),
            State::Escaped => {
                match byte {
                    b'[' => self.begin(State::Csi),
                    b'O' => self.begin(State::Ss3),
                    _ => return self.give_up(),
                }
                self.is_late = true;
            }
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
                self.tell(sequence::console(byte), to);
                self.begin(State::Ground);
            }
            State::Mouse => {
                if byte < 0x20 {
                    return self.give_up();
                }
                self.held.push(byte);
                if let [button, column, row] = self.held[..] {
                    self.tell(sequence::mouse_in_bytes(button, column, row), to);
                    self.begin(State::Ground);
                }
            }
            State::Ss3 => match byte {
                b'0'..=b'9' | b';' if self.held.len() < LONGEST => self.held.push(byte),
                0x40..=0x7e => {
                    self.tell(sequence::ss3(&self.held, byte), to);
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
            State::Paste(flow) => return self.paste(flow, byte, to),
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
            b'[' if self.held.is_empty() => self.state = State::Console,
            b'M' if self.held.is_empty() => self.state = State::Mouse,
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
            return self.begin(State::Paste(Flow::Coming));
        }
        if self.held.len() <= LONGEST {
            self.tell(sequence::csi(&self.held, last), to);
        }
        self.begin(State::Ground);
    }

    fn paste(&mut self, flow: Flow, byte: u8, to: &mut Vec<Event>) -> bool {
        let has_paused = matches!(flow, Flow::Paused | Flow::HandedOver);
        let next = match (flow, byte) {
            (_, CTRL_C) if has_paused => {
                self.hand_over(self.held.len(), to);
                return self.give_up();
            }
            // Who presses it again does not wait for the end of a paste.
            (Flow::Escape, ESC | CTRL_C) => {
                self.leave_paste(to);
                return self.give_up();
            }
            (_, ESC) if has_paused => Flow::Escape,
            _ => Flow::Coming,
        };
        self.state = State::Paste(next);
        // What is over the limit is passed over, and the end still seen: it stands in the last bytes.
        if self.held.len() >= LARGEST_PASTE + PASTE_END.len() {
            self.held.remove(LARGEST_PASTE);
        }
        self.held.push(byte);
        if self.held.ends_with(PASTE_END) {
            self.hand_over(self.held.len() - PASTE_END.len(), to);
            self.begin(State::Ground);
        }
        true
    }

    /// The paste is over by the key Esc, which is the last byte of it.
    fn leave_paste(&mut self, to: &mut Vec<Event>) {
        self.held.pop();
        self.hand_over(self.held.len(), to);
        to.push(key(KeyCode::Esc, KeyModifiers::NONE));
    }

    /// Hands over so many bytes of the paste, where there is something in them.
    fn hand_over(&mut self, count: usize, to: &mut Vec<Event>) {
        let rest = self.held.split_off(count);
        self.held.truncate(LARGEST_PASTE);
        if !self.held.is_empty() {
            to.push(Event::Paste(String::from_utf8_lossy(&self.held).into_owned()));
        }
        self.held = rest;
    }

    /// Bytes of the paste without a last character that is not whole, or what may be the first bytes of the end.
    fn whole(&self) -> usize {
        let len = self.held.len();
        let end = (1..PASTE_END.len()).rev().find(|&count| self.held.ends_with(&PASTE_END[..count]));
        if let Some(count) = end {
            return len - count;
        }
        let last = self.held.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        // Bytes that no more could make a character are as whole as they get.
        let may_go_on = std::str::from_utf8(&self.held[len - last..]).is_err_and(|error| error.error_len().is_none());
        if may_go_on { len - last } else { len }
    }

    /// Tells what a sequence means.
    fn tell(&self, event: Option<Event>, to: &mut Vec<Event>) {
        to.extend(event.filter(|_| !self.is_late));
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        self.held.shrink_to(LONGEST);
        self.words = 0;
        self.is_late = false;
        self.begun += 1;
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
