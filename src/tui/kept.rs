//! What the screens remember from one start of the program to the next: `state/tui.toml` below AutoLoRA's home.

use super::runs::Column;
use super::runs::order::{Key, Order};
use crate::experiment::atomic::write_atomic;
use crate::experiment::home;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use toml::{Table, Value};

/// The table of the runs screen in the file.
const RUNS: &str = "runs";

/// Columns and order of the runs table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The columns that are shown where they fit, in their order.
    pub columns: Vec<Column>,
    pub order: Order,
    /// Counts changes, so that one that is written late does not undo a later one.
    pub edit: u64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { columns: Column::USUAL.to_vec(), order: Order::default(), edit: 0 }
    }
}

impl Kept {
    /// All columns and whether they are shown: those that are first, in their order.
    pub fn offered(&self) -> Vec<(Column, bool)> {
        let rest = Column::ALL.into_iter().filter(|column| !self.columns.contains(column));
        self.columns.iter().map(|column| (*column, true)).chain(rest.map(|column| (column, false))).collect()
    }

    /// Takes over which columns are shown.
    pub fn choose(&mut self, offered: &[(Column, bool)]) {
        self.columns = offered.iter().filter(|(_, is_on)| *is_on).map(|(column, _)| *column).collect();
    }

    /// What a file says; what this version does not know is left out.
    fn of(table: &Table) -> Kept {
        let usual = Kept::default();
        let Some(runs) = table.get(RUNS).and_then(Value::as_table) else { return usual };
        let mut columns: Vec<Column> = Vec::new();
        for title in runs.get("columns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            columns.extend(Column::of(title).filter(|column| !columns.contains(column)));
        }
        let key = runs.get("sort").and_then(Value::as_str).and_then(Key::of);
        let reversed = runs.get("reversed").and_then(Value::as_bool).unwrap_or(false);
        Kept {
            columns: if runs.contains_key("columns") { columns } else { usual.columns },
            order: key.map_or(usual.order, |key| Order { key, reversed }),
            edit: 0,
        }
    }

    fn table(&self) -> Table {
        let titles = self.columns.iter().map(|column| Value::from(column.title())).collect();
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
        let kept = Kept { columns: vec![Column::Score, Column::Tags], order, edit: 0 };
        keep_in(&path, &kept).unwrap();
        assert_eq!(recall_from(&path), (kept.clone(), None));
        fs::write(
            &path,
            "[mouse]\non = true\n[runs]\ncolumns = [\"id\", \"of the future\", \"id\"]\nsort = \"colour\"\n",
        )
        .unwrap();
        let (recalled, notice) = recall_from(&path);
        assert_eq!((recalled.columns, recalled.order, notice), (vec![Column::Id], Order::default(), None));
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
        let kept = Kept { columns: Vec::new(), ..Kept::default() };
        assert_eq!(Kept::of(&Table::from_iter([(RUNS.to_owned(), Value::Table(kept.table()))])), kept);
        assert_eq!(kept.offered().len(), Column::ALL.len());
    }
}
