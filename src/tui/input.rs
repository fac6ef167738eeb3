//! One line of text that is being edited.

use super::text::clean;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthChar;

/// A line and its cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineInput {
    text: Vec<char>,
    /// Characters before the cursor.
    cursor: usize,
    /// Whether the text is only offered: what is typed first takes its place, a key that moves makes it one's own.
    is_offer: bool,
}

impl LineInput {
    /// A line that holds `text`, the cursor at its end.
    pub fn new(text: &str) -> LineInput {
        let text: Vec<char> = text.chars().collect();
        LineInput { cursor: text.len(), text, is_offer: false }
    }

    /// A line that offers `text`.
    pub fn offering(text: &str) -> LineInput {
        LineInput { is_offer: !text.is_empty(), ..LineInput::new(text) }
    }

    /// Whether what is typed next takes the place of the text.
    pub fn is_offer(&self) -> bool {
        self.is_offer
    }

    /// The text as it stands.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts in a text at the cursor, cleaned: pasted line ends become spaces.
    pub fn insert(&mut self, text: &str) {
        if std::mem::take(&mut self.is_offer) {
            (self.text, self.cursor) = (Vec::new(), 0);
        }
        for c in clean(text).chars() {
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    /// Takes an editing key; false where it is none.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if control => self.text.truncate(self.cursor),
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('w') if control => {
                let word = |c: &char| !c.is_whitespace();
                let end = self.text[..self.cursor].iter().rposition(word).map_or(0, |i| i + 1);
                let start = self.text[..end].iter().rposition(|c| !word(c)).map_or(0, |i| i + 1);
                self.text.drain(start..self.cursor);
                self.cursor = start;
            }
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        self.is_offer = false;
        true
    }

    /// The part that fits into `columns` with the cursor in sight, and the cursor's column in it.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let wide = |c: &char| c.width().unwrap_or(0);
        let mut start = 0;
        let mut column: usize = self.text[..self.cursor].iter().map(wide).sum();
        while column >= columns && start < self.cursor {
            column -= wide(&self.text[start]);
            start += 1;
        }
        let mut used = 0;
        let fits = self.text[start..].iter().take_while(|c| {
            used += wide(c);
            used <= columns
        });
        (fits.collect(), column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(start: &str, keys: &[(KeyCode, KeyModifiers)]) -> LineInput {
        let mut line = LineInput::new(start);
        for (code, modifiers) in keys {
            line.key(KeyEvent::new(*code, *modifiers));
        }
        line
    }

    #[test]
    fn keys_edit_at_the_cursor() {
        let plain = KeyModifiers::NONE;
        let line = typed("abd", &[(KeyCode::Left, plain), (KeyCode::Char('c'), plain)]);
        assert_eq!(line.text(), "abcd");
        assert_eq!(typed("ab", &[(KeyCode::Home, plain), (KeyCode::Delete, plain)]).text(), "b");
        assert_eq!(
            typed("ab", &[(KeyCode::Backspace, plain), (KeyCode::Backspace, plain), (KeyCode::Backspace, plain)])
                .text(),
            ""
        );
        assert_eq!(typed("one two ", &[(KeyCode::Char('w'), KeyModifiers::CONTROL)]).text(), "one ");
        assert_eq!(typed("one", &[(KeyCode::Char('u'), KeyModifiers::CONTROL)]).text(), "");
    }

    #[test]
    fn what_is_offered_gives_way_to_what_is_typed_and_stays_where_it_is_moved_in() {
        let typed = |codes: &[KeyCode]| {
            let mut line = LineInput::offering("3.0");
            for code in codes {
                line.key(KeyEvent::new(*code, KeyModifiers::NONE));
            }
            line.text()
        };
        assert_eq!(typed(&[KeyCode::Char('5'), KeyCode::Char('1')]), "51");
        assert_eq!(typed(&[KeyCode::End, KeyCode::Char('5')]), "3.05");
        assert_eq!(typed(&[KeyCode::Backspace, KeyCode::Char('5')]), "3.5");
    }

    #[test]
    fn pasted_controls_do_not_enter() {
        let mut line = LineInput::default();
        line.insert("a\nb\u{1b}[2J");
        assert_eq!(line.text(), "a b?[2J");
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        assert_eq!(LineInput::new("abcdef").window(4), ("def".into(), 3));
        assert_eq!(LineInput::new("模型").window(3), ("型".into(), 2));
        assert_eq!(LineInput::new("ab").window(0).1, 0);
    }
}
