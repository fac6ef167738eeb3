//! Another run from what a run said: its preset, comments and all, under a name of its own.

use super::directory::RunDir;
use super::file::FileError;
use super::inherit;
use super::store::{Store, StoreError};
use crate::experiment::{PresetDoc, Source, regular};
use std::path::Path;

/// The most characters of a name, less what a number after it takes.
const LONGEST: usize = 90;

/// The preset of a run as its user wrote it, to be opened for editing. Its paths are absolute. Where it took the search of
/// a run that is gone, it takes the copy of this one.
///
/// # Errors
/// [`FileError`] where it cannot be read.
pub fn preset(run: &RunDir) -> Result<Source, FileError> {
    let path = run.preset_path();
    let text = regular::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
    Ok(with_its_search(run, Source { name: run.info().name.clone(), text, folder: None }))
}

fn with_its_search(run: &RunDir, source: Source) -> Source {
    let Ok(mut doc) = PresetDoc::open(&source) else { return source };
    let is_gone = |from: String| !RunDir::is_at(Path::new(&from));
    if !doc.get_typed("search.from").is_some_and(is_gone) || !inherit::has_copy(run) {
        return source;
    }
    match doc.set("search.from", &toml::Value::String(run.path().display().to_string())) {
        Ok(()) => doc.source(),
        // The text stays as it is, and whoever reads it says what is wrong.
        Err(_) => source,
    }
}

/// A name for another run: that of the old one with the next number that no run has, `demo-2` after `demo`.
///
/// # Errors
/// [`StoreError`] where the runs cannot be listed.
pub fn name(old: &str, store: &Store) -> Result<String, StoreError> {
    let runs = store.list()?;
    Ok(next_name(old, |name| runs.iter().any(|run| run.info().name == name)))
}

fn next_name(old: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = old.rsplit_once('-').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    // `bert-768` is a name, not the 768th run of `bert`.
    let (stem, _) = numbered.filter(|(stem, number)| !stem.is_empty() && (2..=99).contains(number)).unwrap_or((old, 1));
    let stem: String = stem.chars().take(LONGEST).collect();
    (2..=u32::MAX).map(|number| format!("{stem}-{number}")).find(|name| !taken(name)).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_that_is_free_follows_the_name() {
        let next = |old: &str, taken: &[&str]| next_name(old, |name| taken.contains(&name));
        assert_eq!(next("demo", &["demo"]), "demo-2");
        assert_eq!(next("demo-2", &["demo", "demo-2", "demo-3"]), "demo-4");
        assert_eq!(next("bert-768", &[]), "bert-768-2");
        assert_eq!(next("lr-1e", &[]), "lr-1e-2");
        assert!(super::super::store::check_name(&next(&"x".repeat(100), &[])).is_ok());
    }
}
