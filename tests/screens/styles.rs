//! The colours of every screen: a map of them for review, and what must hold for all.

use crate::every::{self, named};
use crate::fixtures::*;
use autolora::run::view::State;
use autolora::tui::look::Look;
use autolora::tui::model::Model;
use autolora::tui::palette::{self, Depth};
use autolora::tui::view::paint;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use std::collections::HashSet;

/// From the most to none.
const DEPTHS: [Depth; 4] = [Depth::True, Depth::Many, Depth::Sixteen, Depth::None];

type Ink = (Color, Color, Modifier);

fn ink(cell: &Cell) -> Ink {
    (cell.fg, cell.bg, cell.modifier)
}

/// Whether nothing of a cell is seen.
fn is_blank(cell: &Cell) -> bool {
    let marks = Modifier::REVERSED | Modifier::UNDERLINED;
    cell.symbol() == " " && cell.bg == Color::Reset && !cell.modifier.intersects(marks)
}

/// The frame of a model on a terminal with so many colours.
fn painted(model: &mut Model, depth: Depth, columns: u16, lines: u16) -> Buffer {
    let before = model.look;
    model.look = Look { depth, ..before };
    let mut buf = Buffer::empty(Rect::new(0, 0, columns, lines));
    paint(model, &mut buf);
    model.look = before;
    buf
}

/// The letter that a style has on every map where it is free: as the 256 colours have it, bold ones as capitals.
fn usual_letter((fg, bg, modifier): Ink) -> Option<char> {
    let letter = match (fg, bg) {
        (Color::Reset, Color::Reset) => match modifier {
            plain if plain.is_empty() => return Some('.'),
            Modifier::BOLD => return Some('B'),
            Modifier::DIM => return Some('d'),
            Modifier::REVERSED => return Some('r'),
            bold if bold == Modifier::REVERSED | Modifier::BOLD => return Some('R'),
            _ => return None,
        },
        (Color::Indexed(cube), Color::Reset) => match cube {
            _ if cube == palette::ACCENT.cube => 'a',
            _ if cube == palette::GOOD.cube => 'g',
            _ if cube == palette::WARNING.cube => 'w',
            _ if cube == palette::BAD.cube => 'x',
            _ if cube == palette::SECOND.cube => 's',
            _ => return None,
        },
        _ => return None,
    };
    match modifier {
        plain if plain.is_empty() => Some(letter),
        Modifier::BOLD => Some(letter.to_ascii_uppercase()),
        _ => None,
    }
}

fn words((fg, bg, modifier): Ink) -> String {
    let colour = |colour: Color| match colour {
        Color::Indexed(n) => n.to_string(),
        other => other.to_string().to_lowercase(),
    };
    let mut words = Vec::new();
    for (name, word) in [(fg, ""), (bg, "on ")] {
        if name != Color::Reset {
            words.push(format!("{word}{}", colour(name)));
        }
    }
    words.extend(modifier.iter_names().map(|(name, _)| name.to_lowercase()));
    if words.is_empty() { "plain".into() } else { words.join(" ") }
}

/// A letter for the style of each cell, and beneath what each letter is on terminals with 24 bits, 256 colours, 16, none.
pub fn map(model: &mut Model, columns: u16, lines: u16) -> String {
    let bufs = DEPTHS.map(|depth| painted(model, depth, columns, lines));
    let mut key: Vec<(char, [Ink; 4])> = Vec::new();
    let mut out = String::new();
    let mut others = ('0'..='9').chain('a'..='z').chain('A'..='Z').chain('\u{3b1}'..);
    for y in 0..lines {
        let mut line = String::new();
        for x in 0..columns {
            if bufs.iter().all(|buf| is_blank(&buf[(x, y)])) {
                line.push(' ');
                continue;
            }
            let inks = [0, 1, 2, 3].map(|at: usize| ink(&bufs[at][(x, y)]));
            let known = key.iter().find(|(_, known)| *known == inks).map(|(letter, _)| *letter);
            let letter = known.unwrap_or_else(|| {
                let usual = usual_letter(inks[1]).filter(|letter| key.iter().all(|(taken, _)| taken != letter));
                let is_free =
                    |letter: &char| !"agwxsdrRAGWXSB".contains(*letter) && key.iter().all(|(taken, _)| taken != letter);
                let letter = usual.or_else(|| others.find(is_free)).unwrap_or('?');
                key.push((letter, inks));
                letter
            });
            line.push(letter);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    key.sort_by_key(|(letter, _)| *letter);
    let row = |first: &str, texts: [&str; 4]| {
        let [bits, many, few, none] = texts;
        format!("{first} {bits:<24} {many:<24} {few:<20} {none}\n")
    };
    out.push_str(&row("\n ", ["24 bits", "256", "16", "none"]));
    for (letter, inks) in key {
        let texts = inks.map(words);
        out.push_str(&row(&letter.to_string(), [0, 1, 2, 3].map(|at: usize| texts[at].as_str())));
    }
    out
}

/// Foreground and background of everything that the tests of the palette measure: hues and ramp on the terminal's own
/// ground, black and white on the heat's.
fn measured(depth: Depth) -> HashSet<(Color, Color)> {
    let hues = [palette::ACCENT, palette::GOOD, palette::WARNING, palette::BAD, palette::SECOND];
    let hues = hues.into_iter().chain(palette::SERIES_HUES).filter_map(|hue| hue.at(depth));
    // Finer than any two colours of a ramp lie apart.
    let shares = || (0..=100_000).map(|i| f64::from(i) / 100_000.0);
    let ramp = shares().filter_map(|share| palette::ramp(share, depth));
    let heat = shares().filter_map(|share| palette::heat(share, depth)).map(|(ground, text)| (text, ground));
    hues.chain(ramp).chain([Color::Reset]).map(|fg| (fg, Color::Reset)).chain(heat).collect()
}

#[test]
fn nothing_is_drawn_in_a_colour_whose_contrast_is_not_measured() {
    let mut wrong = String::new();
    for depth in DEPTHS {
        let measured = measured(depth);
        for (name, model) in every::ALL {
            let buf = painted(&mut model(), depth, 160, 45);
            // Dim takes from a contrast that is measured without it.
            let is_faded = |cell: &Cell| cell.fg != Color::Reset && cell.modifier.contains(Modifier::DIM);
            let is_wrong =
                |cell: &&Cell| !is_blank(cell) && (!measured.contains(&(cell.fg, cell.bg)) || is_faded(cell));
            let cells: Vec<&Cell> = buf.content.iter().filter(is_wrong).collect();
            if let Some(first) = cells.first() {
                let text: String = cells.iter().map(|cell| cell.symbol()).collect();
                wrong.push_str(&format!("{name}, {depth:?}: {text:?} is {}\n", words(ink(first))));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// More colours are other colours, not other words or other places.
#[test]
fn the_words_are_the_same_with_256_colours_and_with_24_bits() {
    for (name, model) in every::ALL {
        let texts = [Depth::True, Depth::Many].map(|depth| {
            let cells = painted(&mut model(), depth, 120, 40).content;
            cells.iter().map(|cell| cell.symbol().to_owned()).collect::<String>()
        });
        assert_eq!(texts[0], texts[1], "{name}");
    }
}

/// The cells of a text on a frame; all of its places.
fn places(buf: &Buffer, text: &str) -> Vec<Vec<Cell>> {
    let columns = usize::from(buf.area.width);
    let wanted: Vec<String> = text.chars().map(String::from).collect();
    let rows = buf.content.chunks(columns);
    let found = |row: &[Cell]| {
        let at =
            row.windows(wanted.len()).filter(|cells| cells.iter().zip(&wanted).all(|(cell, c)| cell.symbol() == c));
        at.map(<[Cell]>::to_vec).collect::<Vec<_>>()
    };
    rows.flat_map(found).collect()
}

/// The styles of a text on a frame, which must be there.
fn inks(buf: &Buffer, text: &str) -> Vec<Ink> {
    let found: Vec<Ink> = places(buf, text).iter().flatten().map(ink).collect();
    assert!(!found.is_empty(), "no {text:?}");
    found
}

#[test]
fn states_are_told_apart_by_words_always_by_colour_and_by_glyph_where_it_matters() {
    for depth in DEPTHS {
        // The cursor is on the first run, which the others are told by.
        let mut model = with_runs(rows());
        press(&mut model, "/x");
        for unicode in [true, false] {
            model = with_runs(rows());
            model.look = Look { unicode, ..LOOK };
            let buf = painted(&mut model, depth, 120, 40);
            let look = Look { depth, unicode, letters: true };
            for state in State::ALL {
                let (glyph, style) = look.state(state);
                let shown = places(&buf, &format!("{glyph} {}", state.name()));
                assert!(!shown.is_empty(), "{state:?}, {depth:?}");
                let fg = style.fg.unwrap_or(Color::Reset);
                assert!(shown.iter().flatten().any(|cell| cell.fg == fg), "{state:?}, {depth:?}");
            }
            // What is well, what needs a look, what is lost: also where there is no colour.
            let seen = |state| (look.state(state).0, look.state(state).1.fg);
            let kinds = [State::Running, State::Finished, State::Paused, State::Stopped, State::Failed].map(seen);
            assert_eq!(kinds.into_iter().collect::<HashSet<_>>().len(), 5);
            let glyphs: HashSet<_> = kinds.iter().map(|(glyph, _)| glyph).collect();
            assert_eq!(glyphs.len(), 5, "without colour the glyphs tell");
            if depth != Depth::None {
                let hues: HashSet<_> =
                    [State::Running, State::Paused, State::Crashed].map(|state| seen(state).1).into();
                assert_eq!(hues.len(), 3, "{depth:?}");
            }
        }
    }
}

#[test]
fn what_went_wrong_has_the_colour_of_errors_and_is_bold_without() {
    let wrongs = [
        ("monitor_failed", "failed in search"),
        ("monitor_failed", "the training loss is not a number"),
        ("monitor_crashed", "died in search"),
        ("monitor_lost", "cannot read /runs/x"),
        ("runs_failed_selected", "the loss is not a number"),
        ("runs_complained", "mark 2 to 8 runs"),
        ("form_problems", "not started: "),
        ("form_problem_list", "lora.rank"),
        ("presets_problems", "not TOML"),
        ("preflight_refused", "search may need 41.00 GB"),
    ];
    for depth in DEPTHS {
        let bad = Look { depth, ..LOOK }.bad();
        for (name, text) in wrongs {
            let buf = painted(&mut named(name), depth, 120, 40);
            let is_bad = |ink: &Ink| match bad.fg {
                Some(fg) => ink.0 == fg,
                None => ink.2.contains(Modifier::BOLD),
            };
            let cells = places(&buf, text);
            let found = cells.iter().any(|cells| cells.iter().map(ink).all(|ink| is_bad(&ink)));
            assert!(found, "{name}, {depth:?}: {text:?} {:?}", inks(&buf, text).first());
        }
    }
}

/// The line or cell with the cursor is found without colour and without reading, and reads itself.
#[test]
fn the_cursor_is_reversed_and_not_dim_also_without_colour() {
    const LISTS: [(&str, &str); 14] = [
        ("runs", "demo"),
        ("runs_marked", "big"),
        ("runs_columns", "best validation loss"),
        ("runs_tags", " "),
        ("presets", "SST-2 with MiniLM"),
        ("form_group", "unset"),
        ("form_typing", " "),
        ("form_problem_list", "lora.rank must"),
        ("presets_problems", "invalid basic string"),
        ("picker_models", "builtin:demo"),
        ("picker_files", "train.tsv"),
        ("monitor_search", " 4"),
        ("monitor_large", " 3"),
        ("theatre_what_if", "threshold"),
    ];
    let mut wrong = String::new();
    for depth in DEPTHS {
        for (name, text) in LISTS {
            let buf = painted(&mut named(name), depth, 120, 40);
            let is_marked = |cell: &Cell| cell.modifier.contains(Modifier::REVERSED);
            if !places(&buf, text).iter().any(|cells| cells.iter().all(is_marked)) {
                wrong.push_str(&format!("{name}, {depth:?}: no {text:?} is reversed\n"));
            }
            let dim = |cell: &&Cell| is_marked(cell) && cell.modifier.contains(Modifier::DIM) && cell.symbol() != " ";
            let faded: String = buf.content.iter().filter(dim).map(Cell::symbol).collect();
            if !faded.is_empty() {
                wrong.push_str(&format!("{name}, {depth:?}: {faded:?} is dim where the cursor is\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
