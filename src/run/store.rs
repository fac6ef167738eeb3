//! All runs of a user: the folder `runs` of AutoLoRA's home.

use super::directory::{DirError, RunDir, RunInfo};
use super::file::{FileError, sync_folder, timestamp, write_synced};
use super::inherit::{InheritError, Inherited};
use crate::experiment::nearest::ranked;
use crate::experiment::problem::{quoted, steers};
use crate::experiment::{Experiment, resolved_toml};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that holds runs.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// What a new run is made from.
#[derive(Clone, Debug, Default)]
pub struct NewRun<'a> {
    pub name: &'a str,
    pub parent: Option<&'a str>,
    /// Every setting, paths absolute.
    pub experiment: Experiment,
    /// The preset's text, as the user wrote it.
    pub preset: &'a str,
}

/// A run that was asked for by a name.
#[derive(Clone, Debug)]
pub struct Found {
    pub run: RunDir,
    /// How many older runs have the same name.
    pub older: usize,
}

/// No run, or no one run, is meant by what the user said.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no run {}{}", quoted(wanted), nearest_words(nearest, *empty))]
    NotFound { wanted: String, nearest: Vec<String>, empty: bool },
    #[error("{} may be any of {}", quoted(wanted), candidates.join(", "))]
    Ambiguous { wanted: String, candidates: Vec<String> },
    #[error("a run cannot be called {}: {reason}", quoted(name))]
    BadName { name: String, reason: &'static str },
    #[error("search.from: {0}")]
    Inherit(#[from] InheritError),
    #[error(transparent)]
    NoHome(#[from] crate::experiment::home::NoHome),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    File(#[from] FileError),
}

fn nearest_words(nearest: &[String], empty: bool) -> String {
    match nearest {
        [] if empty => ": there are none yet; `autolora run demo` makes one".into(),
        [] => "; `autolora ls` lists them".into(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

impl Store {
    /// The runs below a home folder, which need not exist.
    pub fn new(home: &Path) -> Store {
        Store { root: home.join("runs") }
    }

    /// The user's own runs.
    ///
    /// # Errors
    /// [`StoreError::NoHome`] where the environment names no home.
    pub fn of_user() -> Result<Store, StoreError> {
        Ok(Store::new(&crate::experiment::home()?))
    }

    /// The folder of the runs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a run, with the search of another where `search.from` names one: under a hidden name, all its files on the disk, then renamed, so that nobody sees half of one.
    ///
    /// # Errors
    /// [`StoreError::BadName`], [`StoreError::Inherit`], or [`StoreError::File`] where the disk refuses; nothing is left then.
    pub fn create(&self, new: NewRun) -> Result<RunDir, StoreError> {
        check_name(new.name)?;
        let inherited =
            new.experiment.search.from.as_deref().map(|from| Inherited::of(from, &new.experiment)).transpose()?;
        let files = inherited.as_ref().map_or(Ok(Vec::new()), Inherited::files)?;
        fs::create_dir_all(&self.root).map_err(FileError::at("cannot make", &self.root))?;
        loop {
            let id = new_id();
            let path = self.root.join(&id);
            let hidden = self.root.join(format!(".new-{id}-{}", std::process::id()));
            let info = RunInfo {
                id,
                name: new.name.into(),
                parent: new.parent.map(String::from).or_else(|| Some(inherited.as_ref()?.run.clone())),
                created: timestamp(),
                version: env!("CARGO_PKG_VERSION").into(),
            };
            match fill(&hidden, &info, &new, &files).and_then(|()| fs::rename(&hidden, &path)) {
                Ok(()) => {
                    sync_folder(&self.root)?;
                    return Ok(RunDir::new(path, info));
                }
                // Another run of the same sixteenth of a millisecond has the id: the next moment has another.
                Err(error) => {
                    // Whatever was written must not stay; where it does, it is hidden and nothing reads it.
                    let _ = fs::remove_dir_all(&hidden);
                    if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) {
                        return Err(FileError::at("cannot make", &path)(error).into());
                    }
                }
            }
        }
    }

    /// The folders that may be runs, in no order; those that are hidden are left out.
    ///
    /// # Errors
    /// [`StoreError::File`] where the folder of the runs is there and cannot be read.
    pub fn folders(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::at("cannot read", &self.root)(error).into()),
        };
        let shown =
            entries.filter_map(Result::ok).filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        Ok(shown.map(|entry| entry.path()).collect())
    }

    /// All runs, oldest first, those whose `run.json` is damaged too. Folders that are no runs are left out.
    ///
    /// # Errors
    /// [`StoreError::File`] where the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<RunDir>, StoreError> {
        let mut runs: Vec<RunDir> = self.folders()?.iter().filter_map(|folder| RunDir::open(folder).ok()).collect();
        runs.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(runs)
    }

    /// The run that `wanted` names: an id, `last`, a name (the newest of that name), or the beginning of one id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with the nearest names, [`StoreError::Ambiguous`] with the ids that begin so.
    pub fn find(&self, wanted: &str) -> Result<Found, StoreError> {
        let mut runs = self.list()?;
        let found = |run: RunDir, older| Ok(Found { run, older });
        if let Some(at) = runs.iter().position(|run| run.id() == wanted) {
            return found(runs.swap_remove(at), 0);
        }
        if wanted == "last"
            && let Some(newest) = runs.pop()
        {
            return found(newest, 0);
        }
        let named: Vec<&RunDir> = runs.iter().filter(|run| run.info().name == wanted).collect();
        if let Some(newest) = named.last() {
            return found((*newest).clone(), named.len() - 1);
        }
        let begun: Vec<&RunDir> =
            runs.iter().filter(|run| !wanted.is_empty() && run.id().starts_with(wanted)).collect();
        match begun.as_slice() {
            [one] => found((*one).clone(), 0),
            [] => Err(not_found(wanted, &runs)),
            many => Err(StoreError::Ambiguous {
                wanted: wanted.into(),
                candidates: many.iter().map(|run| run.id().to_string()).collect(),
            }),
        }
    }
}

fn not_found(wanted: &str, runs: &[RunDir]) -> StoreError {
    let names = runs.iter().rev().flat_map(|run| [run.info().name.as_str(), run.id()]);
    let mut nearest: Vec<String> = Vec::new();
    for name in ranked(wanted, names) {
        if nearest.len() < 3 && !nearest.iter().any(|known| known == name) {
            nearest.push(name.into());
        }
    }
    StoreError::NotFound { wanted: wanted.into(), nearest, empty: runs.is_empty() }
}

/// Whether a run may be called so.
///
/// # Errors
/// [`StoreError::BadName`] says why not.
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "last" {
        "`last` means the newest run"
    } else if name.chars().count() > 100 {
        "it is longer than 100 characters"
    } else if name.starts_with('-') {
        "it begins with a dash, like an option"
    } else if name.chars().any(|c| steers(c) || c == '/' || c == '\\') {
        "it has a slash or a control character"
    } else {
        return Ok(());
    };
    Err(StoreError::BadName { name: name.into(), reason })
}

/// E.g. `20261123-203312-a1b2`: the second, then its fraction in 65536ths, so that ids sort by age.
fn new_id() -> String {
    let now = jiff::Timestamp::now();
    let fraction = u64::try_from(now.subsec_nanosecond()).unwrap_or(0) * 65_536 / 1_000_000_000;
    format!("{}-{fraction:04x}", now.strftime("%Y%m%d-%H%M%S"))
}

fn fill(folder: &Path, info: &RunInfo, new: &NewRun, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir(folder)?;
    let mut json = serde_json::to_vec_pretty(info)?;
    json.push(b'\n');
    write_synced(&folder.join("run.json"), &json)?;
    write_synced(&folder.join("experiment.toml"), resolved_toml(&new.experiment).as_bytes())?;
    write_synced(&folder.join("preset.toml"), new.preset.as_bytes())?;
    for (name, bytes) in files {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        write_synced(&path, bytes)?;
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_with(names: &[&str]) -> (tempfile::TempDir, Store, Vec<RunDir>) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path());
        let runs = names.iter().map(|name| store.create(NewRun { name, ..NewRun::default() }).unwrap()).collect();
        (home, store, runs)
    }

    #[test]
    fn runs_are_listed_by_age_and_leave_no_hidden_folder() {
        let (_home, store, runs) = store_with(&["a", "b", "c", "d", "e"]);
        assert_eq!(store.list().unwrap(), runs);
        assert_eq!(fs::read_dir(store.root()).unwrap().count(), 5);
    }

    #[test]
    fn a_new_run_reads_back_as_it_was_made() {
        let home = tempfile::tempdir().unwrap();
        let mut experiment = Experiment::default();
        experiment.lora.rank = 5;
        let new =
            NewRun { name: "x", parent: Some("p"), experiment: experiment.clone(), preset: "# mine\n[lora]\nrank = 5" };
        let made = Store::new(home.path()).create(new).unwrap();
        let read = RunDir::open(made.path()).unwrap();
        assert_eq!(read, made);
        assert_eq!(read.experiment().unwrap(), experiment);
        assert_eq!(fs::read_to_string(read.preset_path()).unwrap(), "# mine\n[lora]\nrank = 5");
    }

    #[test]
    fn a_run_is_found_by_id_prefix_name_and_last() {
        let (_home, store, runs) = store_with(&["demo", "sst2", "demo"]);
        let id = |wanted: &str| store.find(wanted).unwrap().run.id().to_string();
        assert_eq!(id(runs[1].id()), runs[1].id());
        assert_eq!(id("sst2"), runs[1].id());
        assert_eq!(id("last"), runs[2].id());
        let newest = store.find("demo").unwrap();
        assert_eq!((newest.run.id(), newest.older), (runs[2].id(), 1));
        let distinct = (1..=runs[0].id().len())
            .map(|n| &runs[0].id()[..n])
            .find(|prefix| runs[1..].iter().all(|run| !run.id().starts_with(prefix)))
            .unwrap();
        assert_eq!(id(distinct), runs[0].id());
    }

    #[test]
    fn a_common_beginning_is_not_guessed() {
        let (_home, store, runs) = store_with(&["a", "b"]);
        let error = store.find(&runs[0].id()[..4]).unwrap_err();
        assert!(matches!(&error, StoreError::Ambiguous { candidates, .. } if candidates.len() == 2), "{error}");
        assert!(matches!(store.find("").unwrap_err(), StoreError::NotFound { .. }));
    }

    #[test]
    fn an_unknown_run_is_answered_with_the_nearest() {
        let (_home, store, _) = store_with(&["sentiment", "cola"]);
        let text = store.find("sentimnt").unwrap_err().to_string();
        assert!(text.contains("did you mean sentiment"), "{text}");
        let text = Store::new(Path::new("/nonexistent")).find("last").unwrap_err().to_string();
        assert!(text.contains("none yet"), "{text}");
    }

    #[test]
    fn names_that_could_not_be_asked_for_are_refused() {
        let (_home, store, _) = store_with(&[]);
        for bad in ["", "last", "a/b", "-x", "tab\there", &"x".repeat(101)] {
            assert!(store.create(NewRun { name: bad, ..NewRun::default() }).is_err(), "{bad:?}");
        }
        assert!(!store.root().exists() || fs::read_dir(store.root()).unwrap().count() == 0);
    }

    #[test]
    fn a_file_where_the_folder_should_be_is_an_error_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("runs"), "").unwrap();
        let store = Store::new(home.path());
        let error = store.create(NewRun { name: "x", ..NewRun::default() }).unwrap_err().to_string();
        assert!(error.contains("runs"), "{error}");
    }

    #[test]
    fn a_folder_with_nothing_of_a_run_is_not_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(RunDir::open(folder.path()), Err(DirError::NotARun { .. })));
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(RunDir::open(&folder.path().join("file")), Err(DirError::NotARun { .. })));
    }

    #[test]
    fn a_run_without_a_whole_run_json_is_found_by_its_folder() {
        let (_home, store, runs) = store_with(&["a", "b"]);
        let (run, file) = (&runs[0], runs[0].path().join("run.json"));
        for (content, damage) in
            [(Some(""), "run.json is empty"), (Some("{\"id\""), "run.json is broken"), (None, "no run.json")]
        {
            match content {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let listed = store.list().unwrap();
            assert_eq!(listed.iter().map(RunDir::id).collect::<Vec<_>>(), [run.id(), runs[1].id()]);
            assert!(listed[0].damage().is_some_and(|said| said.contains(damage)), "{:?}", listed[0].damage());
            assert_eq!(listed[1].damage(), None);
            let found = store.find(run.id()).unwrap().run;
            assert_eq!((found.info().name.as_str(), found.path()), (run.id(), run.path()));
            // To the second, of which the id tells.
            assert_eq!(found.info().created[..19], run.info().created[..19]);
            assert_eq!(found.experiment().unwrap(), run.experiment().unwrap());
        }
    }
}
