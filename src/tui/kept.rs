//! What the screens remember from one start of the program to the next: `state/tui.toml` below AutoLoRA's home.

use super::compare::Hues;
use super::runs::Column;
use super::runs::order::{Key, Order};
use crate::experiment::atomic::write_atomic;
use crate::experiment::home;
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

    /// What a file says: a column after a dash is hidden. What this version does not know is left out, and what the file
    /// does not know is hidden.
    fn of(table: &Table) -> Kept {
        let words = |name: &str, key: &str| {
            let list = table.get(name).and_then(|table| table.get(key)).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str)
        };
        let usual = Kept { hues: Hues::from_words(words(COMPARE, "hues")), ..Kept::default() };
        let Some(runs) = table.get(RUNS).and_then(Value::as_table) else { return usual };
        let mut columns: Vec<(Column, bool)> = Vec::new();
        for said in words(RUNS, "columns") {
            let title = said.strip_prefix('-').unwrap_or(said);
            let new = Column::of(title).filter(|column| !columns.iter().any(|(known, _)| known == column));
            columns.extend(new.map(|column| (column, title == said)));
        }
        for column in Column::ALL {
            if !columns.iter().any(|(known, _)| *known == column) {
                columns.push((column, false));
            }
        }
        let key = runs.get("sort").and_then(Value::as_str).and_then(Key::of);
        let reversed = runs.get("reversed").and_then(Value::as_bool).unwrap_or(false);
        Kept {
            columns: if runs.contains_key("columns") { columns } else { usual.columns },
            order: key.map_or(usual.order, |key| Order { key, reversed }),
            ..usual
        }
    }

    fn table(&self) -> Table {
        let said =
            |(column, is_shown): &(Column, bool)| format!("{}{}", if *is_shown { "" } else { "-" }, column.title());
        let titles = self.columns.iter().map(|column| Value::from(said(column))).collect();
        Table::from_iter([
            ("columns".to_owned(), Value::Array(titles)),
            ("sort".to_owned(), self.order.key.title().into()),
            ("reversed".to_owned(), self.order.reversed.into()),
        ])
    }
}

fn path() -> io::Result<PathBuf> {
    home().map(|home| home.join("state").join("tui.toml")).map_err(io::Error::other)
}

/// What was kept, and a line to say where the file is broken: it counts for nothing then.
pub fn recall() -> (Kept, Option<String>) {
    path().map_or_else(|_| (Kept::default(), None), |path| recall_from(&path))
}

fn recall_from(path: &Path) -> (Kept, Option<String>) {
    let ignored = |reason: String| {
        let text = format!("columns and order are the usual ones: {} is broken ({reason})", path.display());
        (Kept::default(), Some(text))
    };
    match fs::read_to_string(path) {
        Ok(text) => match text.parse::<Table>() {
            Ok(table) => (Kept::of(&table), None),
            Err(error) => ignored(error.message().to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Kept::default(), None),
        Err(error) => ignored(error.to_string()),
    }
}

/// Writes what is to be kept, beside what else is in the file.
///
/// # Errors
/// That of the file system, or that there is no home; the old file is then as it was.
pub fn keep(kept: &Kept) -> io::Result<()> {
    keep_in(&path()?, kept)
}

fn keep_in(path: &Path, kept: &Kept) -> io::Result<()> {
    /// The newest change that was written by this program.
    static WRITTEN: Mutex<u64> = Mutex::new(0);
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.edit < *written {
        return Ok(());
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    // A broken file was said to be so; what it was meant to say cannot be kept.
    let mut table = text.parse::<Table>().unwrap_or_default();
    table.insert(RUNS.into(), Value::Table(kept.table()));
    let hues: Vec<Value> = kept.hues.words().map(Value::from).collect();
    if !hues.is_empty() {
        let colours = table.entry(COMPARE).or_insert_with(|| Value::Table(Table::new()));
        if let Some(colours) = colours.as_table_mut() {
            colours.insert("hues".into(), Value::Array(hues));
        }
    }
    write_atomic(path, table.to_string().as_bytes())?;
    *written = kept.edit;
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
        assert_eq!(kept.shown()[..2], [Column::Score, Column::Progress]);
        keep_in(&path, &kept).unwrap();
        assert_eq!(recall_from(&path), (kept.clone(), None));
        fs::write(
            &path,
            "[mouse]\non = true\n[runs]\ncolumns = [\"id\", \"of the future\", \"id\"]\nsort = \"colour\"\n",
        )
        .unwrap();
        let (recalled, notice) = recall_from(&path);
        assert_eq!((recalled.shown(), recalled.order, notice), (vec![Column::Id], Order::default(), None));
        assert_eq!(recalled.columns.len(), Column::ALL.len());
        keep_in(&path, &kept).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("[mouse]"));
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
        // Values of other types are none.
        fs::write(&path, "[runs]\ncolumns = 3\nsort = []\nreversed = \"x\"\n").unwrap();
        assert_eq!(recall_from(&path).0.order, Order::default());
    }

    #[test]
    fn no_column_at_all_can_be_kept() {
        let mut kept = Kept::default();
        kept.columns.iter_mut().for_each(|(_, is_shown)| *is_shown = false);
        assert_eq!(Kept::of(&Table::from_iter([(RUNS.to_owned(), Value::Table(kept.table()))])), kept);
        assert!(kept.shown().is_empty());
    }
}
