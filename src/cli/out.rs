//! Words for people: on stderr, or in tables.

use super::CliError;
use crate::experiment::problem::{printable, reorders};
use crate::run::directory::RunDir;
use crate::run::store::{Found, Store};
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

pub use crate::tui::text::{bytes, duration};

/// A line on stderr. Where nobody can read it, nothing is lost.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// JSON as it is written: what could steer a terminal, which JSON lets stand in its texts, is escaped.
pub struct Json<T>(pub T);

impl<T: Display> Display for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            // All of these are below U+10000, so that one escape holds each.
            if ('\u{7f}'..='\u{9f}').contains(&c) || reorders(c) {
                write!(f, "\\u{:04x}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The run that the user means; says on stderr where a name means several.
pub fn find(wanted: &str) -> Result<RunDir, CliError> {
    let Found { run, older } = Store::of_user()?.find(wanted)?;
    warn_of_damage(&run);
    if older > 0 {
        let runs = if older == 1 { "one older run has" } else { "older runs have" };
        say(format!("{runs} the name {wanted}, too; taking the newest, {}", run.id()));
    }
    Ok(run)
}

/// Says on stderr what is wrong with the file that tells who a run is.
pub fn warn_of_damage(run: &RunDir) {
    if let Some(damage) = run.damage() {
        say(format!("warning: run {}: {}; it is called by its folder", printable(run.id()), printable(damage)));
    }
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
    fn json_steers_no_terminal_and_reads_back_as_it_was() {
        let value = serde_json::json!({"name": "a\u{9b}31m\u{7f}\u{202e}b\u{e9}\u{1b}"});
        let written = Json(&value).to_string();
        assert_eq!(written, "{\"name\":\"a\\u009b31m\\u007f\\u202eb\u{e9}\\u001b\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["id", "name"], ["1", "größer"], ["22", "x"]].map(|row| row.map(String::from).to_vec());
        table(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id  name\n1   größer\n22  x\n");
    }
}
