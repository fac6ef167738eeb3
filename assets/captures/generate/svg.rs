//! A terminal's screen as SVG: text in a monospaced font, colours as a dark terminal has them.

use std::fmt::Write;

/// Pixels of a cell and of the letters in it.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const LETTERS: f64 = 14.0;
const MARGIN: f64 = 12.0;

const GROUND: &str = "#12161d";
const TEXT: &str = "#d5dae3";
const FONTS: &str = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// The named colours, as xterm's relatives have them on a dark ground.
const NAMED: [&str; 16] = [
    "#1c2129", "#e0605e", "#5faf5f", "#c9a227", "#5f87d7", "#c678b5", "#4fb3bf", "#c5cad3", "#6b7280", "#ff7b72",
    "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
];

/// How a cell is drawn.
#[derive(Clone, PartialEq)]
struct Ink {
    text: String,
    ground: Option<String>,
    bold: bool,
    dim: bool,
}

/// The screen as a file.
pub fn of(screen: &vt100::Screen, title: &str) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (width, height) = (f64::from(columns) * WIDTH + 2.0 * MARGIN, f64::from(rows) * HEIGHT + 2.0 * MARGIN);
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments| {
        // Writing to memory does not fail.
        let _ = writeln!(out, "{text}");
    };
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.1} {height:.1}" role="img">"#
    ));
    line(format_args!("<title>{title}</title>"));
    line(format_args!(r#"<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>"#));
    line(format_args!(
        r#"<g font-family="{FONTS}" font-size="{LETTERS}" fill="{TEXT}" transform="translate({MARGIN} {MARGIN})">"#
    ));
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let is_blank = |cell: &vt100::Cell| matches!(cell.contents(), "" | " ") && ink(cell).ground.is_none();
            if screen.cell(row, column).is_none_or(is_blank) {
                column += 1;
                continue;
            }
            let (text, ink, cells) = piece(screen, row, column);
            let x = f64::from(column) * WIDTH;
            let (y, wide) = (f64::from(row) * HEIGHT, f64::from(cells) * WIDTH);
            if let Some(ground) = &ink.ground {
                line(format_args!(
                    r#"<rect x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{HEIGHT}" fill="{ground}"/>"#
                ));
            }
            if let Some(glyph) = text.chars().next().and_then(stroke) {
                let opacity = if ink.dim { r#" stroke-opacity="0.6""# } else { "" };
                let lines: String = (0..cells).map(|cell| glyph.path(x + f64::from(cell) * WIDTH, y)).collect();
                let (colour, weight) = (&ink.text, glyph.weight);
                let lines = if glyph.is_across() { glyph.across(x, y, wide) } else { lines };
                line(format_args!(
                    r#"<path d="{lines}" fill="none" stroke="{colour}" stroke-width="{weight}"{opacity}/>"#
                ));
            } else if let Some(opacity) = filled(&text) {
                let opacity = if ink.dim { opacity * 0.6 } else { opacity };
                line(format_args!(
                    r#"<rect x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{HEIGHT}" fill="{}" fill-opacity="{opacity:.2}"/>"#,
                    ink.text
                ));
            } else if !text.trim().is_empty() {
                let mut style = String::new();
                if ink.text != TEXT {
                    let _ = write!(style, r#" fill="{}""#, ink.text);
                }
                if ink.bold {
                    style.push_str(r#" font-weight="600""#);
                }
                if ink.dim {
                    style.push_str(r#" fill-opacity="0.6""#);
                }
                let base = y + HEIGHT * 0.75;
                line(format_args!(
                    r#"<text x="{x:.1}" y="{base:.1}" textLength="{wide:.1}" lengthAdjust="spacingAndGlyphs"{style}>{}</text>"#,
                    escaped(&text)
                ));
            }
            column += cells;
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// The longest piece from a cell on that is drawn alike: its text, its ink, its columns. Shades are pieces of their own.
fn piece(screen: &vt100::Screen, row: u16, start: u16) -> (String, Ink, u16) {
    let columns = screen.size().1.get();
    let at = |column: u16| {
        let cell = screen.cell(row, column);
        let text = cell.map_or(" ", |cell| if cell.has_contents() { cell.contents() } else { " " }).to_owned();
        let wide = cell.is_some_and(vt100::Cell::is_wide);
        (text, cell.map_or_else(plain, ink), 1 + u16::from(wide))
    };
    let (mut text, first, mut cells) = at(start);
    let shape = shape(&text);
    while start + cells < columns {
        let (more, ink, width) = at(start + cells);
        if ink != first || self::shape(&more) != shape {
            break;
        }
        text.push_str(&more);
        cells += width;
    }
    // Blanks at the end would only stretch the text.
    if first.ground.is_none() && shape.is_none() {
        let kept = text.trim_end_matches(' ');
        let cut = text.len() - kept.len();
        if !kept.is_empty() && cut > 0 {
            let kept = kept.to_owned();
            return (kept, first, cells - cut as u16);
        }
    }
    (text, first, cells)
}

fn plain() -> Ink {
    Ink { text: TEXT.into(), ground: None, bold: false, dim: false }
}

fn ink(cell: &vt100::Cell) -> Ink {
    let (text, ground) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    let (text, ground) = if cell.inverse() {
        (Some(ground.unwrap_or_else(|| GROUND.into())), Some(text.unwrap_or_else(|| TEXT.into())))
    } else {
        (text, ground)
    };
    Ink { text: text.unwrap_or_else(|| TEXT.into()), ground, bold: cell.bold(), dim: cell.dim() }
}

fn colour(colour: vt100::Color) -> Option<String> {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let hex = |r: u8, g: u8, b: u8| format!("#{r:02x}{g:02x}{b:02x}");
    match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(n @ 0..16) => Some(NAMED[usize::from(n)].into()),
        vt100::Color::Idx(n @ 16..232) => {
            let level = |of: u8| LEVELS[usize::from((n - 16) / of % 6)];
            Some(hex(level(36), level(6), level(1)))
        }
        vt100::Color::Idx(n) => Some(hex(8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232))),
        vt100::Color::Rgb(r, g, b) => Some(hex(r, g, b)),
    }
}

/// The character of a cell that is drawn and not written: fonts leave gaps between them.
fn shape(text: &str) -> Option<char> {
    text.chars().next().filter(|c| stroke(*c).is_some() || filled(text).is_some())
}

/// The lines of a box in a cell: to which of its sides they go from its middle.
#[derive(Clone, Copy)]
struct Stroke {
    left: bool,
    right: bool,
    up: bool,
    down: bool,
    /// Pixels.
    weight: f64,
}

fn stroke(c: char) -> Option<Stroke> {
    let (left, right, up, down) = match c {
        '─' | '━' => (true, true, false, false),
        '│' => (false, false, true, true),
        '┌' => (false, true, false, true),
        '┐' => (true, false, false, true),
        '└' => (false, true, true, false),
        '┘' => (true, false, true, false),
        _ => return None,
    };
    Some(Stroke { left, right, up, down, weight: if c == '━' { 2.0 } else { 1.0 } })
}

impl Stroke {
    fn is_across(self) -> bool {
        self.left && self.right
    }

    /// One line through cells that are `wide` together.
    fn across(self, x: f64, y: f64, wide: f64) -> String {
        format!("M{x:.1} {:.1}h{wide:.1}", y + HEIGHT / 2.0)
    }

    /// The lines of a cell, each from its middle.
    fn path(self, x: f64, y: f64) -> String {
        let (middle_x, middle_y) = (x + WIDTH / 2.0, y + HEIGHT / 2.0);
        let to = |goes: bool, way: &str, length: f64| {
            if goes { format!("M{middle_x:.1} {middle_y:.1}{way}{length:.1}") } else { String::new() }
        };
        let (half_x, half_y) = (WIDTH / 2.0, HEIGHT / 2.0);
        let across = to(self.left, "h", -half_x) + &to(self.right, "h", half_x);
        across + &to(self.up, "v", -half_y) + &to(self.down, "v", half_y)
    }
}

/// How much of a cell a shade fills: fonts leave gaps between them.
fn filled(text: &str) -> Option<f64> {
    match text.chars().next()? {
        '█' => Some(1.0),
        '▓' => Some(0.75),
        '▒' => Some(0.5),
        '░' => Some(0.25),
        _ => None,
    }
}

/// As XML has it; spaces as such that no browser takes for one, which would stretch the letters around them.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}
