//! What the screens remember from one start of the program to the next: `state/tui.toml` below AutoLoRA's home.

use super::compare::Hues;
use super::runs::Column;
use super::runs::order::{Key, Order};
use super::text::cut;
use crate::experiment::atomic::write_atomic;
use crate::experiment::home;
use crate::experiment::nearest::nearest;
use crate::experiment::regular;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use toml::{Table, Value};

/// The tables of the runs screen and of the comparison in the file.
const RUNS: &str = "runs";
const COMPARE: &str = "compare";

/// Columns and order of the runs table, and the colours of runs that were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// All columns in their order, and whether each is shown where it fits.
    pub columns: Vec<(Column, bool)>,
    pub order: Order,
    pub hues: Hues,
    /// Counts changes, so that one that is written late does not undo a later one.
    pub edit: u64,
}

impl Default for Kept {
    fn default() -> Kept {
        let columns = Column::ALL.map(|column| (column, Column::USUAL.contains(&column))).to_vec();
        Kept { columns, order: Order::default(), hues: Hues::default(), edit: 0 }
    }
}

impl Kept {
    /// The columns that are shown, in their order.
    pub fn shown(&self) -> Vec<Column> {
        self.columns.iter().filter(|(_, is_shown)| *is_shown).map(|(column, _)| *column).collect()
    }

    /// What a file says, and what is wrong with it: for that the usual counts. A column after a dash is hidden, and so is one
    /// that a list does not name.
    fn of(table: &Table) -> (Kept, Vec<String>) {
        let (mut kept, mut wrong) = (Kept { hues: hues_in(table), ..Kept::default() }, Vec::new());
        let runs = match table.get(RUNS) {
            None => return (kept, wrong),
            Some(Value::Table(runs)) => runs,
            Some(other) => return (kept, vec![format!("{RUNS} must be a table, not {}", brief(other))]),
        };
        match runs.get("columns").map(columns_of) {
            None => {}
            Some(Ok(columns)) => kept.columns = columns,
            Some(Err(problem)) => wrong.push(problem),
        }
        match (runs.get("sort"), runs.get("sort").and_then(Value::as_str).and_then(Key::of)) {
            (_, Some(key)) => kept.order = Order { key, reversed: false },
            (Some(other), None) => {
                wrong.push(format!("{RUNS}.sort must be star, name or a column, not {}", brief(other)))
            }
            (None, None) => {}
        }
        match runs.get("reversed") {
            Some(Value::Boolean(reversed)) if runs.contains_key("sort") => kept.order.reversed = *reversed,
            None | Some(Value::Boolean(_)) => {}
            Some(other) => wrong.push(format!("{RUNS}.reversed must be true or false, not {}", brief(other))),
        }
        (kept, wrong)
    }

    /// Puts into the table of the file what is otherwise than `before`: the rest may be another program's, that is open beside
    /// this one.
    fn put_into(&self, table: &mut Table, before: &Kept) {
        let said =
            |(column, is_shown): &(Column, bool)| format!("{}{}", if *is_shown { "" } else { "-" }, column.title());
        if self.columns != before.columns {
            let titles = self.columns.iter().map(|column| Value::from(said(column))).collect();
            put(table, RUNS, "columns", Value::Array(titles));
        }
        if self.order != before.order {
            put(table, RUNS, "sort", self.order.key.title().into());
            put(table, RUNS, "reversed", self.order.reversed.into());
        }
        if self.hues != before.hues {
            let mut hues = hues_in(table);
            hues.join(&self.hues);
            let words = hues.words().map(Value::from).collect();
            put(table, COMPARE, "hues", Value::Array(words));
        }
    }
}

fn hues_in(table: &Table) -> Hues {
    let hues = table.get(COMPARE).and_then(|table| table.get("hues")).and_then(Value::as_array);
    Hues::from_words(hues.into_iter().flatten().filter_map(Value::as_str))
}

/// Puts a value into a table of the file; what is no table gives way to one.
fn put(table: &mut Table, part: &str, key: &str, value: Value) {
    let mut inner = match table.remove(part) {
        Some(Value::Table(inner)) => inner,
        _ => Table::new(),
    };
    inner.insert(key.into(), value);
    table.insert(part.into(), Value::Table(inner));
}

/// The columns of a list.
///
/// # Errors
/// What in it is no column.
fn columns_of(value: &Value) -> Result<Vec<(Column, bool)>, String> {
    let list =
        value.as_array().ok_or_else(|| format!("{RUNS}.columns must be a list of columns, not {}", brief(value)))?;
    let mut columns: Vec<(Column, bool)> = Vec::new();
    for one in list {
        let said = one.as_str().ok_or_else(|| format!("{RUNS}.columns must hold texts, not {}", brief(one)))?;
        let title = said.strip_prefix('-').unwrap_or(said);
        let column = Column::of(title).ok_or_else(|| {
            let near = nearest(title, Column::ALL.map(Column::title));
            let help = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            format!("{RUNS}.columns: there is no column {}{help}", brief(one))
        })?;
        if !columns.iter().any(|(known, _)| *known == column) {
            columns.push((column, title == said));
        }
    }
    for column in Column::ALL {
        if !columns.iter().any(|(known, _)| *known == column) {
            columns.push((column, false));
        }
    }
    Ok(columns)
}

/// A value as a line quotes it.
fn brief(value: &Value) -> String {
    cut(&value.to_string(), 30, "...")
}

fn path() -> io::Result<PathBuf> {
    home().map(|home| home.join("state").join("tui.toml")).map_err(io::Error::other)
}

/// What this program last read or wrote.
static KNOWN: Mutex<Option<Kept>> = Mutex::new(None);

/// What was kept, and a line to say where the file is broken: it counts for nothing then.
pub fn recall() -> (Kept, Option<String>) {
    let (kept, broken) = path().map_or_else(|_| (Kept::default(), None), |path| recall_from(&path));
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.clone());
    (kept, broken)
}

fn recall_from(path: &Path) -> (Kept, Option<String>) {
    let ignored = |reason: String| {
        let text = format!("columns and order are the usual ones: {} is broken ({reason})", path.display());
        (Kept::default(), Some(text))
    };
    match regular::read_to_string(path) {
        Ok(text) => match text.parse::<Table>() {
            Ok(table) => {
                let (kept, wrong) = Kept::of(&table);
                let notice = || format!("tui.toml: {}: the usual is shown ({})", wrong.join("; "), path.display());
                (kept, (!wrong.is_empty()).then(notice))
            }
            Err(error) => ignored(error.message().to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Kept::default(), None),
        Err(error) => ignored(error.to_string()),
    }
}

/// Writes what changed of what is to be kept, beside what else is in the file.
///
/// # Errors
/// That of the file system, or that there is no home; the old file is then as it was.
pub fn keep(kept: &Kept) -> io::Result<()> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    keep_in(&path()?, kept, known.get_or_insert_default())
}

fn keep_in(path: &Path, kept: &Kept, known: &mut Kept) -> io::Result<()> {
    // One that is written late does not undo a later one.
    if kept.edit < known.edit {
        return Ok(());
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    // A broken file was said to be so; what it was meant to say cannot be kept.
    let mut table = text.parse::<Table>().unwrap_or_default();
    kept.put_into(&mut table, known);
    write_atomic(path, table.to_string().as_bytes())?;
    *known = kept.clone();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_the_rest_of_the_file_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/tui.toml");
        assert_eq!(recall_from(&path), (Kept::default(), None));
        let order = Order { key: Key::Column(Column::Score), reversed: true };
        let mut kept = Kept { order, ..Kept::default() };
        kept.columns.swap(0, 3);
        kept.columns[1].1 = false;
        kept.hues.keep(["20261123-203311-a1b2", "20261123-203312-a1b2"].into_iter());
        assert_eq!(kept.shown()[..2], [Column::Score, Column::Left]);
        keep_in(&path, &kept, &mut Kept::default()).unwrap();
        assert_eq!(recall_from(&path), (kept.clone(), None));
        fs::write(&path, "[mouse]\non = true\n[runs]\ncolumns = [\"id\", \"-tags\", \"id\"]\n").unwrap();
        let (recalled, notice) = recall_from(&path);
        assert_eq!((recalled.shown(), recalled.order, notice), (vec![Column::Id], Order::default(), None));
        assert_eq!(recalled.columns.len(), Column::ALL.len());
        keep_in(&path, &kept, &mut Kept::default()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("[mouse]"));
    }

    #[test]
    fn two_programs_do_not_undo_what_the_other_keeps() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tui.toml");
        let (mut one, mut other) = (Kept::default(), Kept::default());
        let (mut known_to_one, mut known_to_other) = (Kept::default(), Kept::default());
        one.columns[1].1 = false;
        one.hues.keep(["a"].into_iter());
        keep_in(&path, &one, &mut known_to_one).unwrap();
        other.order.reversed = true;
        other.hues.keep(["b"].into_iter());
        keep_in(&path, &other, &mut known_to_other).unwrap();
        let (both, _) = recall_from(&path);
        assert_eq!((&both.columns, both.order), (&one.columns, other.order));
        assert_eq!(both.hues.words().collect::<Vec<_>>(), ["a:0", "b:0"]);
        // What is written late is written no more.
        known_to_one.edit = 2;
        let late = Kept { edit: 1, ..Kept::default() };
        keep_in(&path, &late, &mut known_to_one).unwrap();
        assert_eq!(recall_from(&path).0, both);
    }

    #[test]
    fn a_broken_file_counts_for_nothing_and_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tui.toml");
        for broken in ["[runs", "columns = = 3"] {
            fs::write(&path, broken).unwrap();
            let (kept, notice) = recall_from(&path);
            assert_eq!(kept, Kept::default());
            assert!(notice.is_some_and(|notice| notice.contains("tui.toml")));
        }
        for (text, said) in [
            ("[runs]\ncolumns = 3\n", "runs.columns must be a list of columns, not 3"),
            ("[runs]\ncolumns = [3]\n", "runs.columns must hold texts, not 3"),
            ("[runs]\ncolumns = [\"id\", \"scor\"]\n", "there is no column \"scor\"; did you mean score?"),
            ("[runs]\nsort = \"colour\"\n", "runs.sort must be star, name or a column, not \"colour\""),
            ("[runs]\nreversed = \"x\"\n", "runs.reversed must be true or false"),
            ("runs = 3\n", "runs must be a table, not 3"),
        ] {
            fs::write(&path, text).unwrap();
            let (kept, notice) = recall_from(&path);
            assert_eq!(kept, Kept::default(), "{text}");
            assert!(notice.as_ref().is_some_and(|notice| notice.contains(said)), "{text}: {notice:?}");
        }
        // What is right beside it holds.
        fs::write(&path, "[runs]\ncolumns = 3\nsort = \"score\"\nreversed = true\n").unwrap();
        let order = Order { key: Key::Column(Column::Score), reversed: true };
        assert_eq!(recall_from(&path).0, Kept { order, ..Kept::default() });
    }

    #[test]
    fn no_column_at_all_can_be_kept() {
        let mut kept = Kept::default();
        kept.columns.iter_mut().for_each(|(_, is_shown)| *is_shown = false);
        let mut table = Table::new();
        kept.put_into(&mut table, &Kept::default());
        assert_eq!(Kept::of(&table), (kept.clone(), Vec::new()));
        assert!(kept.shown().is_empty());
    }
}
