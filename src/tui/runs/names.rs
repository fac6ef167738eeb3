//! What tells runs of one name apart in the column of the names.

use super::RunRow;
use super::columns::{Column, short_moment};
use crate::tui::look::Look;
use crate::tui::text::{pad, width};
use jiff::tz::TimeZone;

/// Columns of names from which day and clock both have room beside one.
const ROOMY: usize = 24;

/// The name of a run in a column of `room`, and behind it what tells it apart from others of its name, where the columns
/// that are shown do not.
pub fn name_of(
    row: &RunRow,
    all: &[RunRow],
    shown: &[Column],
    room: usize,
    zone: &TimeZone,
    look: Look,
) -> (String, String) {
    let glyphs = look.glyphs();
    let is_child = row.parent_name.as_ref() == Some(&row.name);
    let name = if is_child { format!("{} {}", glyphs.child, row.name) } else { row.name.clone() };
    let apart = apart(row, all, shown, room, zone).map_or(String::new(), |apart| format!(" {apart}"));
    (pad(&name, room.saturating_sub(width(&apart)), glyphs.ellipsis), apart)
}

/// The end of an id, which tells runs apart as a rule.
pub fn end_of_id(id: &str) -> String {
    id.chars().skip(id.chars().count().saturating_sub(4)).collect()
}

/// Day, clock, both, or the end of the id: the first of them that no other run of that name has.
fn apart(row: &RunRow, all: &[RunRow], shown: &[Column], room: usize, zone: &TimeZone) -> Option<String> {
    let others: Vec<&RunRow> = all.iter().filter(|other| other.name == row.name && other.id != row.id).collect();
    if others.is_empty() || shown.contains(&Column::Id) {
        return None;
    }
    let start = |row: &RunRow| row.started.as_deref().map_or(String::new(), |time| short_moment(time, zone));
    let day = |row: &RunRow| start(row).split(' ').next().unwrap_or_default().to_owned();
    let clock = |row: &RunRow| start(row).split(' ').nth(1).unwrap_or_default().to_owned();
    let differs =
        |of: &dyn Fn(&RunRow) -> String| !of(row).is_empty() && others.iter().all(|other| of(other) != of(row));
    // All of them are told alike, so that their column reads as one.
    let twins = || others.iter().copied().chain([row]);
    let all_differ = |of: &dyn Fn(&RunRow) -> String| {
        let mut seen = std::collections::HashSet::new();
        twins().all(|row| seen.insert(of(row)))
    };
    if shown.contains(&Column::Started) && differs(&start) {
        return None;
    }
    let is_one_day = others.iter().all(|other| day(other) == day(row));
    if all_differ(&day) {
        Some(day(row))
    } else if is_one_day && all_differ(&clock) {
        Some(clock(row))
    } else if room >= ROOMY && all_differ(&start) {
        Some(start(row))
    } else {
        let tail = |row: &RunRow| end_of_id(&row.id);
        Some(if differs(&tail) { tail(row) } else { row.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;
    use crate::run::view::State;
    use crate::tui::palette::Depth;

    const LOOK: Look = Look { depth: Depth::None, unicode: true, letters: true };

    fn told(starts: &[&str], shown: &[Column], room: usize) -> Vec<String> {
        let make = |(n, start): (usize, &&str)| {
            let mut row = row(&format!("20261123-203312-a1b{n}"), "demo", State::Finished);
            row.started = Some(format!("2026-11-{start}Z"));
            row
        };
        let rows: Vec<RunRow> = starts.iter().enumerate().map(make).collect();
        let of = |row: &RunRow| {
            let (name, apart) = name_of(row, &rows, shown, room, &TimeZone::UTC, LOOK);
            assert_eq!(width(&name) + width(&apart), room);
            apart.trim().to_owned()
        };
        rows.iter().map(of).collect()
    }

    #[test]
    fn runs_of_one_name_are_told_apart_by_as_little_as_does() {
        assert_eq!(told(&["23T20:33:12"], &[], 16), [""]);
        assert_eq!(told(&["23T20:33:12", "22T20:33:12"], &[], 16), ["11-23", "11-22"]);
        assert_eq!(told(&["23T20:33:12", "23T20:35:12"], &[], 16), ["20:33", "20:35"]);
        let three = ["23T20:33:12", "23T20:35:12", "22T08:00:00"];
        assert_eq!(told(&three, &[], 16), ["a1b0", "a1b1", "a1b2"]);
        assert_eq!(told(&three, &[], 30), ["11-23 20:33", "11-23 20:35", "11-22 08:00"]);
        assert_eq!(told(&three, &[Column::Started], 30), ["", "", ""], "the column says it");
        let same = ["23T20:33:12", "23T20:33:13"];
        assert_eq!(told(&same, &[Column::Started], 30), ["a1b0", "a1b1"], "not of the same minute");
        assert_eq!(told(&same, &[Column::Id], 30), ["", ""]);
    }

    #[test]
    fn a_child_of_the_same_name_has_an_arrow_and_another_has_none() {
        let mut child = row("2", "demo", State::Finished);
        child.parent = Some("1".into());
        let name = |row: &RunRow| name_of(row, &[], &[], 8, &TimeZone::UTC, LOOK).0;
        assert_eq!(name(&child), "demo    ", "its parent is gone");
        child.parent_name = Some("other".into());
        assert_eq!(name(&child), "demo    ");
        child.parent_name = Some("demo".into());
        assert_eq!(name(&child), "\u{21b3} demo  ");
    }
}
