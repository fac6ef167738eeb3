//! Words for people: on stderr, or in tables.

use super::CliError;
use crate::experiment::problem::printable;
use crate::run::directory::RunDir;
use crate::run::store::{Found, Store};
use std::fmt::Display;
use std::io::{self, Write};

pub use crate::tui::text::{bytes, duration};

/// A line on stderr. Where nobody can read it, nothing is lost.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The run that the user means; says on stderr where a name means several.
pub fn find(wanted: &str) -> Result<RunDir, CliError> {
    let Found { run, older } = Store::of_user()?.find(wanted)?;
    if older > 0 {
        let runs = if older == 1 { "one older run has" } else { "older runs have" };
        say(format!("{runs} the name {wanted}, too; taking the newest, {}", run.id()));
    }
    Ok(run)
}

/// A run as a line calls it: id and name.
pub fn called(run: &RunDir) -> String {
    format!("{} ({})", run.id(), printable(&run.info().name))
}

/// Rows in columns, two spaces between them; the first row is the head.
pub fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells.map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell) + 2))).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["id", "name"], ["1", "größer"], ["22", "x"]].map(|row| row.map(String::from).to_vec());
        table(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id  name\n1   größer\n22  x\n");
    }
}
