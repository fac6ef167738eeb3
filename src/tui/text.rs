//! Text for a terminal: cleaned of what could steer it, cut to a width, numbers that keep their column.

pub use crate::run::outlook::{duration, figure, grouped};
use jiff::{Timestamp, tz::TimeZone};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character may not reach a terminal: controls, and the invisible ones that reorder or hide text.
fn unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The text with everything that could steer a terminal replaced: tabs and line ends by a space, the rest by `?`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let replaced = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if unsafe_char(c) => '?',
        c => c,
    };
    Cow::Owned(text.chars().map(replaced).collect())
}

/// Columns that a cleaned text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The cleaned text in at most `columns` columns, its end replaced by `ellipsis` where it is longer.
pub fn cut(text: &str, columns: usize, ellipsis: &str) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let mut short: String = kept.collect();
    if columns >= width(ellipsis) {
        short.push_str(ellipsis);
    }
    short
}

/// A text that is cut inside: how it begins, and how it ends. The end tells more of a path or a name than its middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutInside {
    pub start: String,
    /// The ellipsis, where something is left out.
    pub gap: String,
    pub end: String,
}

impl CutInside {
    /// All of it.
    pub fn text(&self) -> String {
        format!("{}{}{}", self.start, self.gap, self.end)
    }
}

/// The cleaned text in at most `columns` columns, its middle replaced by `ellipsis` where it is longer.
pub fn cut_inside(text: &str, columns: usize, ellipsis: &str) -> CutInside {
    let text = clean(text);
    if width(&text) <= columns {
        return CutInside { start: text.into_owned(), gap: String::new(), end: String::new() };
    }
    let room = columns.saturating_sub(width(ellipsis));
    let gap = if columns >= width(ellipsis) { ellipsis.to_owned() } else { String::new() };
    let fitting = |chars: &mut dyn Iterator<Item = char>, room: usize| -> Vec<char> {
        let mut used = 0;
        let fits = chars.take_while(|c| {
            used += widest(*c);
            used <= room
        });
        fits.collect()
    };
    let start = fitting(&mut text.chars(), room / 2);
    let taken: usize = start.iter().map(|c| widest(*c)).sum();
    let end = fitting(&mut text.chars().rev(), room - taken);
    CutInside { start: start.into_iter().collect(), gap, end: end.into_iter().rev().collect() }
}

/// The cleaned text in exactly `columns` columns, left-aligned.
pub fn pad(text: &str, columns: usize, ellipsis: &str) -> String {
    let mut text = cut(text, columns, ellipsis);
    let missing = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// The most columns that a character adds to a text: what asks for a picture makes the one before it wide.
fn widest(c: char) -> usize {
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

/// The cleaned text in lines of at most `columns` columns, broken at spaces where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        // The columns of `line` are counted as it grows: a text may be long.
        let (mut line, mut used) = (String::new(), 0);
        for word in clean(paragraph).split_whitespace() {
            let wanted: usize = word.chars().map(widest).sum();
            if used + 1 + wanted > columns && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if !line.is_empty() {
                line.push(' ');
                used += 1;
            }
            for c in word.chars() {
                if used + widest(c) > columns && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += widest(c);
            }
        }
        lines.push(line);
    }
    lines
}

/// Bytes in the largest fitting decimal unit: `41.3 MB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            let decimals = usize::from(unit != "B" && value < 99.95);
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A length of time that is only about right: `40 s`, `6 min`, `3 h 20 min`.
pub fn rough_duration(seconds: f64) -> String {
    if seconds.is_finite() && (90.0..3570.0).contains(&seconds) {
        return format!("{:.0} min", seconds / 60.0);
    }
    duration(seconds)
}

/// An event's time in the user's zone: `2026-11-23 21:03`, or the cleaned text where it is no time.
pub fn moment(time: &str, zone: &TimeZone) -> String {
    local(time, zone, "%Y-%m-%d %H:%M")
}

/// The clock part of an event's time in the user's zone: `21:03:15`.
pub fn clock(time: &str, zone: &TimeZone) -> String {
    local(time, zone, "%H:%M:%S")
}

fn local(time: &str, zone: &TimeZone, format: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(stamp) => stamp.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => clean(time).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_and_direction_characters_are_replaced() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}c\u{202e}d\te\nf"), "a?[31mb?c?d e f");
        assert!(matches!(clean("größe 模型"), Cow::Borrowed(_)));
    }

    #[test]
    fn wide_characters_count_two_columns() {
        assert_eq!(cut("模型模型", 5, "…"), "模型…");
        assert_eq!(pad("模", 4, "…"), "模  ");
        assert_eq!(cut("abc", 0, "…"), "");
    }

    #[test]
    fn a_name_is_cut_inside_and_keeps_both_ends() {
        assert_eq!(cut_inside("/data/films/train.tsv", 13, "…").text(), "/data/…in.tsv");
        assert_eq!(cut_inside("模型模型ab", 7, "…").text(), "模…型ab");
        assert_eq!(cut_inside("abc", 3, "…").text(), "abc");
        assert_eq!(cut_inside("abc", 0, "…").text(), "");
    }

    #[test]
    fn what_becomes_a_picture_is_wrapped_as_wide_as_it_is_drawn() {
        for line in wrap(&"\u{2764}\u{fe0f}".repeat(9), 5) {
            assert!(width(&line) <= 5, "{line:?}");
        }
        assert_eq!(wrap("模型 模型 ab", 5), ["模型", "模型", "ab"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(33_792), "33,792");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(figure(0.342_14), "0.3421");
        assert_eq!(figure(12.3), "12.30");
        assert_eq!(figure(1.2e-7), "1.2e-7");
        assert_eq!(figure(f64::NAN), "nan");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(41_300_000), "41.3 MB");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(duration(125.0), "2 min 05 s");
        assert_eq!(duration(12_000.0), "3 h 20 min");
        assert_eq!([40.4, 100.0, 3569.0, 3590.0].map(rough_duration), ["40 s", "2 min", "59 min", "59 min 50 s"]);
    }

    #[test]
    fn times_are_shown_in_the_zone_given() {
        assert_eq!(moment("2026-11-23T21:03:15.120Z", &TimeZone::UTC), "2026-11-23 21:03");
        assert_eq!(clock("2026-11-23T21:03:15.120Z", &TimeZone::fixed(jiff::tz::offset(1))), "22:03:15");
        assert_eq!(moment("yester\u{1b}day", &TimeZone::UTC), "yester?day");
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_asked(text in ".*", columns in 0usize..40) {
            prop_assert!(width(&cut(&text, columns, "…")) <= columns);
            prop_assert_eq!(width(&pad(&text, columns, "…")), columns);
            prop_assert!(width(&cut_inside(&text, columns, "…").text()) <= columns);
            for line in wrap(&text, columns.max(2)) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }

        #[test]
        fn nothing_clean_holds_a_control(text in ".*") {
            prop_assert!(!clean(&text).contains(char::is_control));
        }
    }
}
