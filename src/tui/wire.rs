//! Frames as bytes: what turns the screen that a terminal shows into the next one, in as few bytes as is safe.
//!
//! Over SSH bytes are what a screen costs, so styles change by their difference, the cursor moves by the shortest
//! sequence that every terminal knows, and the rest of a line is erased rather than overwritten.

use super::text::width;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use std::io::Write;

/// Begin and end of an update that a terminal shows at once (mode 2026); terminals without it ignore both.
pub const BEGIN: &[u8] = b"\x1b[?2026h";
pub const END: &[u8] = b"\x1b[?2026l";

/// The bytes that turn `shown` into `next`, as one synchronised update; empty where both look the same. Where they
/// differ in size, or nothing is shown yet, the screen is cleared first.
pub fn encode(shown: Option<&Buffer>, next: &Buffer) -> Vec<u8> {
    let blank;
    let (before, clears) = match shown.filter(|shown| shown.area == next.area) {
        Some(shown) => (shown, false),
        None => {
            blank = Buffer::empty(next.area);
            (&blank, true)
        }
    };
    let mut pen = Pen { out: BEGIN.to_vec(), at: None, style: Style::PLAIN, area: next.area };
    if clears {
        pen.out.extend(b"\x1b[m\x1b[2J");
    }
    let start = pen.out.len();
    // Up to where the rest of a line is erased already.
    let mut erased: Option<u16> = None;
    for (x, y, cell) in before.diff_iter(next) {
        if erased == Some(y) || (looks_blank(cell) && before.cell((x, y)).is_some_and(looks_blank)) {
            continue;
        }
        if looks_blank(cell) && erases_rest(before, next, x, y) {
            pen.go(x, y, next);
            pen.restyle(Style::PLAIN);
            pen.out.extend(b"\x1b[K");
            erased = Some(y);
            continue;
        }
        pen.go(x, y, next);
        pen.write(cell);
    }
    if pen.out.len() == start && !clears {
        return Vec::new();
    }
    pen.restyle(Style::PLAIN);
    pen.out.extend(END);
    pen.out
}

/// How a cell is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Style {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Style {
    const PLAIN: Style = Style { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    fn of(cell: &Cell) -> Style {
        Style { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Whether a space in it is seen.
    fn shows_blanks(self) -> bool {
        let marks = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        self.bg != Color::Reset || self.modifier.intersects(marks)
    }
}

fn looks_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !Style::of(cell).shows_blanks()
}

/// Whether a line of `next` is blank from `x` on, and enough of it must become so.
fn erases_rest(before: &Buffer, next: &Buffer, x: u16, y: u16) -> bool {
    const WORTH: usize = 4;
    let rest = || x..next.area.right();
    rest().all(|x| next.cell((x, y)).is_some_and(looks_blank))
        && rest().filter(|x| before.cell((*x, y)).is_some_and(|cell| !looks_blank(cell))).count() >= WORTH
}

/// The terminal's cursor and style as they will be after the bytes so far.
struct Pen {
    out: Vec<u8>,
    /// None where it is not known: at a margin, or after a glyph that terminals may draw otherwise than we count.
    at: Option<(u16, u16)>,
    style: Style,
    area: Rect,
}

impl Pen {
    /// Brings the cursor to a cell.
    fn go(&mut self, x: u16, y: u16, next: &Buffer) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((from, line)) if line == y && from < x => {
                if !self.writes_over(from, x, y, next) {
                    match x - from {
                        1 => self.out.extend(b"\x1b[C"),
                        columns => self.put(format_args!("\x1b[{columns}C")),
                    }
                }
            }
            Some((_, line)) if line + 1 == y && x == 0 => self.out.extend(b"\r\n"),
            _ => self.put(format_args!("\x1b[{};{}H", y + 1, x + 1)),
        }
        self.at = Some((x, y));
    }

    /// Passes over a small gap by writing what stands there, where that is shorter than a movement.
    fn writes_over(&mut self, from: u16, to: u16, y: u16, next: &Buffer) -> bool {
        let gap = from..to;
        if gap.len() > 4 {
            return false;
        }
        let fits = |cell: &Cell| {
            let style = Style::of(cell);
            cell.symbol().is_ascii() && (style == self.style || (looks_blank(cell) && !self.style.shows_blanks()))
        };
        if !gap.clone().all(|x| next.cell((x, y)).is_some_and(fits)) {
            return false;
        }
        for cell in gap.filter_map(|x| next.cell((x, y))) {
            self.out.extend(cell.symbol().as_bytes());
        }
        true
    }

    /// Writes a cell where the cursor is.
    fn write(&mut self, cell: &Cell) {
        let style = Style::of(cell);
        // A space looks the same in every colour of text.
        if !looks_blank(cell) || self.style.shows_blanks() {
            self.restyle(style);
        }
        let symbol = cell.symbol();
        self.out.extend(symbol.as_bytes());
        let columns = width(symbol);
        let is_sure = columns == 1 && symbol.chars().count() == 1;
        self.at = self.at.map(|(x, y)| (x.saturating_add(columns as u16), y));
        if !is_sure || self.at.is_some_and(|(x, _)| x >= self.area.right()) {
            self.at = None;
        }
    }

    /// Changes the style, by its difference or from none, whichever is shorter.
    fn restyle(&mut self, to: Style) {
        if self.style == to {
            return;
        }
        let change = difference(self.style, to);
        let anew = difference(Style::PLAIN, to);
        let anew = if anew.is_empty() { anew } else { format!("0;{anew}") };
        self.put(format_args!("\x1b[{}m", if anew.len() < change.len() { anew } else { change }));
        self.style = to;
    }

    fn put(&mut self, text: std::fmt::Arguments) {
        // Writing to memory does not fail.
        let _ = self.out.write_fmt(text);
    }
}

/// Switches of the modifiers: on, off. Bold and dim go off together.
const SWITCHES: [(Modifier, &str, &str); 9] = [
    (Modifier::BOLD, "1", "22"),
    (Modifier::DIM, "2", "22"),
    (Modifier::ITALIC, "3", "23"),
    (Modifier::UNDERLINED, "4", "24"),
    (Modifier::SLOW_BLINK, "5", "25"),
    (Modifier::RAPID_BLINK, "6", "25"),
    (Modifier::REVERSED, "7", "27"),
    (Modifier::HIDDEN, "8", "28"),
    (Modifier::CROSSED_OUT, "9", "29"),
];

/// Parameters of the SGR sequence from one style to another.
fn difference(from: Style, to: Style) -> String {
    let mut codes: Vec<String> = Vec::new();
    let mut have = from.modifier;
    for (modifier, _, off) in SWITCHES {
        if have.contains(modifier) && !to.modifier.contains(modifier) {
            for (other, _, same) in SWITCHES {
                have.set(other, have.contains(other) && same != off);
            }
            codes.push(off.into());
        }
    }
    codes.extend(
        SWITCHES
            .iter()
            .filter(|(modifier, ..)| to.modifier.contains(*modifier) && !have.contains(*modifier))
            .map(|(_, on, _)| (*on).into()),
    );
    if from.fg != to.fg {
        codes.push(colour(to.fg, 30));
    }
    if from.bg != to.bg {
        codes.push(colour(to.bg, 40));
    }
    codes.join(";")
}

/// Parameters of a colour of text (`base` 30) or ground (40). The 16 named ones by their old codes, which all terminals
/// know.
fn colour(colour: Color, base: u8) -> String {
    let named = |n: u8| if n < 8 { base + n } else { base + 60 + n - 8 }.to_string();
    match colour {
        Color::Reset => (base + 9).to_string(),
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
        Color::Indexed(n @ 0..16) => named(n),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::style::Style as CellStyle;
    use std::num::NonZero;

    const AREA: Rect = Rect::new(0, 0, 14, 4);

    /// A cell's text and looks.
    type Drawn = (String, vt100::Color, vt100::Color, [bool; 3]);

    fn colour_of(colour: Color) -> vt100::Color {
        match colour {
            Color::Red => vt100::Color::Idx(1),
            Color::DarkGray => vt100::Color::Idx(8),
            Color::Indexed(n) => vt100::Color::Idx(n),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            _ => vt100::Color::Default,
        }
    }

    fn blank_as(seen: Drawn) -> Drawn {
        // What cannot be seen of a space may be anything.
        let (text, fg, bg, modifiers) = seen;
        let text = if text.is_empty() { " ".into() } else { text };
        let unseen = text == " " && bg == vt100::Color::Default && !modifiers[1] && !modifiers[2];
        if unseen { (text, vt100::Color::Default, bg, [false; 3]) } else { (text, fg, bg, modifiers) }
    }

    fn wanted(buf: &Buffer) -> Vec<Drawn> {
        let cells = buf.content.iter().map(|cell| {
            let has = |modifier| cell.modifier.contains(modifier);
            let modifiers = [has(Modifier::BOLD), has(Modifier::REVERSED), has(Modifier::UNDERLINED)];
            blank_as((cell.symbol().into(), colour_of(cell.fg), colour_of(cell.bg), modifiers))
        });
        cells.collect()
    }

    fn seen(parser: &vt100::Parser) -> Vec<Drawn> {
        let screen = parser.screen();
        let cell = |(y, x)| {
            let cell = screen.cell(y, x).unwrap();
            let modifiers = [cell.bold(), cell.inverse(), cell.underline()];
            blank_as((cell.contents().into(), cell.fgcolor(), cell.bgcolor(), modifiers))
        };
        (0..AREA.height).flat_map(|y| (0..AREA.width).map(move |x| (y, x))).map(cell).collect()
    }

    fn terminal() -> vt100::Parser {
        vt100::Parser::new(NonZero::new(AREA.height).unwrap(), NonZero::new(AREA.width).unwrap(), 0)
    }

    fn frames() -> impl Strategy<Value = Vec<Buffer>> {
        let colour = prop::sample::select(vec![
            Color::Reset,
            Color::Red,
            Color::DarkGray,
            Color::Indexed(33),
            Color::Rgb(1, 2, 3),
        ]);
        let modifier = prop::sample::select(vec![
            Modifier::empty(),
            Modifier::BOLD,
            Modifier::BOLD | Modifier::REVERSED,
            Modifier::UNDERLINED,
        ]);
        let style = (colour.clone(), prop_oneof![4 => Just(Color::Reset), 1 => colour], modifier)
            .prop_map(|(fg, bg, modifier)| CellStyle::new().fg(fg).bg(bg).add_modifier(modifier));
        let piece = (0..AREA.width, 0..AREA.height, "[a-c \u{e9}\u{2588}]{0,9}", style);
        prop::collection::vec(prop::collection::vec(piece, 0..12), 1..6).prop_map(|frames| {
            let mut buf = Buffer::empty(AREA);
            let next = |pieces: Vec<(u16, u16, String, CellStyle)>| {
                for (x, y, text, style) in pieces {
                    buf.set_stringn(x, y, text, usize::from(AREA.width - x), style);
                }
                buf.clone()
            };
            frames.into_iter().map(next).collect()
        })
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_drawn(frames in frames()) {
            let mut terminal = terminal();
            // What was there before the program.
            terminal.process(b"\x1b[31mleft over\r\nfrom the shell");
            let mut shown: Option<Buffer> = None;
            for frame in frames {
                terminal.process(&encode(shown.as_ref(), &frame));
                prop_assert_eq!(seen(&terminal), wanted(&frame));
                prop_assert_eq!(encode(Some(&frame), &frame), b"");
                shown = Some(frame);
            }
        }
    }

    fn changed(before: &[(u16, u16, &str)], after: &[(u16, u16, &str)]) -> String {
        let buffer = |texts: &[(u16, u16, &str)]| {
            let mut buf = Buffer::empty(AREA);
            for (x, y, text) in texts {
                buf.set_string(*x, *y, *text, CellStyle::new());
            }
            buf
        };
        let bytes = encode(Some(&buffer(before)), &buffer(after));
        let bytes = bytes.strip_prefix(BEGIN).and_then(|bytes| bytes.strip_suffix(END)).unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }

    #[test]
    fn little_changes_take_few_bytes() {
        assert_eq!(changed(&[(0, 0, "step 19 of 99")], &[(0, 0, "step 20 of 99")]), "\x1b[1;6H20");
        // Two characters between are shorter than a movement.
        assert_eq!(changed(&[(0, 0, "1ab1")], &[(0, 0, "2ab2")]), "\x1b[1;1H2ab2");
        assert_eq!(changed(&[(0, 0, "1abcdefg1")], &[(0, 0, "2abcdefg2")]), "\x1b[1;1H2\x1b[7C2");
        assert_eq!(changed(&[(0, 0, "abcdefgh")], &[(0, 0, "abc")]), "\x1b[1;4H\x1b[K");
        assert_eq!(changed(&[(0, 0, "a"), (0, 1, "b")], &[(0, 0, "c"), (0, 1, "d")]), "\x1b[1;1Hc\r\nd");
    }

    #[test]
    fn styles_change_by_their_difference() {
        let style = |fg, modifier| Style { fg, bg: Color::Reset, modifier };
        let cyan = style(Color::Cyan, Modifier::BOLD);
        assert_eq!(difference(Style::PLAIN, cyan), "1;36");
        assert_eq!(difference(cyan, style(Color::Cyan, Modifier::DIM)), "22;2");
        assert_eq!(difference(cyan, Style::PLAIN), "22;39");
        assert_eq!(
            difference(style(Color::Reset, Modifier::BOLD | Modifier::DIM), style(Color::Indexed(33), Modifier::BOLD)),
            "22;1;38;5;33"
        );
        assert_eq!(colour(Color::Indexed(9), 40), "101");
    }

    #[test]
    fn the_cursor_is_placed_anew_after_what_terminals_may_draw_otherwise() {
        let text = changed(&[], &[(0, 0, "\u{2764}\u{fe0f}"), (4, 0, "x")]);
        assert!(text.contains("\x1b[1;5Hx"), "{text:?}");
    }
}
