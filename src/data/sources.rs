//! Where the rows of a dataset are: files of the user, of the program, or of the hub; and which columns to read.

use super::catalogue::embedded;
use super::columns::Columns;
use super::error::{DataError, nearest, shown};
use super::formats::{Format, Look, look};
use super::hub::{Hub, HubError, Snapshot, Watch, is_repo_id};
use super::input::{Input, Place};
use super::repository::{CONVERTED, DEFAULT, Splits, configurations, has_parquet};
use crate::experiment::catalogue::{self, CatalogueEntry, DataPlace};
use crate::experiment::{DataSettings, Task};
use std::path::{Path, PathBuf};

/// The files of one part of a dataset, which have the same columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// At least one.
    pub files: Vec<Input>,
    pub format: Format,
}

/// The files of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub train: Source,
    /// D_val, where it has files of its own.
    pub validation: Option<Source>,
    /// The held-out rows.
    pub test: Option<Source>,
    /// Further held-out rows by name.
    pub extra: Vec<(String, Source)>,
    pub columns: Columns,
    /// Commit of a dataset of the hub.
    pub commit: Option<String>,
    /// Configuration and splits of a dataset of the hub, in words; else empty.
    pub about: String,
}

/// Finds what `[data]` names, and fetches what the cache has not. `progress` is told of downloads.
pub fn locate(settings: &DataSettings, hub: &Hub, progress: &mut Watch) -> Result<Sources, DataError> {
    let Some(id) = &settings.id else {
        let files = Files {
            train: disk("data.train", settings.train.as_ref())?.ok_or(DataError::NoTraining)?,
            validation: disk("data.validation", settings.validation.as_ref())?,
            test: disk("data.test", settings.test.as_ref())?,
            ..Files::default()
        };
        return files.sources(settings);
    };
    let paths =
        [("data.train", &settings.train), ("data.validation", &settings.validation), ("data.test", &settings.test)];
    if let Some((setting, _)) = paths.into_iter().find(|(_, path)| path.is_some()) {
        return Err(DataError::IdAndPaths { setting });
    }
    let entry = catalogue::dataset(id);
    let settings = &known_columns(settings, entry);
    match (embedded(id), entry) {
        (Some([train, validation, test]), _) => {
            let (validation, test) = (Some(vec![validation]), Some(vec![test]));
            Files { train: vec![train], validation, test, ..Files::default() }.sources(settings)
        }
        (None, Some(_)) => from_hub(settings, entry, id, hub, progress),
        (None, None) if catalogue::may_be_of_hub(id) && is_repo_id(id) => from_hub(settings, None, id, hub, progress),
        (None, None) => Err(unknown(id)),
    }
}

/// A file; of a folder, as WebNLG comes in, all that is XML in it and in its folders, by path.
fn disk(setting: &'static str, path: Option<&PathBuf>) -> Result<Option<Vec<Input>>, DataError> {
    let Some(path) = path.filter(|path| path.is_dir()) else {
        return Ok(path.map(|path| vec![Input::disk(setting, path)]));
    };
    let unreadable = |path: &Path, source| DataError::Read { file: path.display().to_string(), source };
    let (mut folders, mut files) = (vec![path.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            // A link to a folder is not followed: it may lead back here.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            match path.extension() {
                _ if is_folder => folders.push(path),
                // What is no file, such as a pipe, could wait for ever.
                Some(ending) if ending.eq_ignore_ascii_case("xml") && path.is_file() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        return Err(DataError::NoFiles { setting, file: path.display().to_string() });
    }
    Ok(Some(files.iter().map(|file| Input::disk(setting, file)).collect()))
}

fn unknown(id: &str) -> DataError {
    let ids = || catalogue::CATALOGUE.iter().map(|entry| entry.id);
    DataError::UnknownDataset {
        id: shown(id),
        nearest: nearest(id, ids()),
        present: ids().map(str::to_owned).collect(),
    }
}

/// The settings with the columns of the catalogue where they name none. Rows that are read whole have none.
fn known_columns(settings: &DataSettings, entry: Option<&CatalogueEntry>) -> DataSettings {
    let mut settings = settings.clone();
    if let Some(CatalogueEntry { text, pair, label: Some(label), .. }) = entry {
        if settings.text.is_none() {
            settings.text_pair = settings.text_pair.or(pair.map(str::to_owned));
        }
        settings.text.get_or_insert(text.to_string());
        settings.label.get_or_insert(label.to_string());
    }
    settings
}

/// A dataset of the hub.
fn from_hub(
    settings: &DataSettings,
    entry: Option<&CatalogueEntry>,
    id: &str,
    hub: &Hub,
    progress: &mut Watch,
) -> Result<Sources, DataError> {
    let place = entry.map(|entry| entry.place);
    let (repo, config, branch, usual_test, extra) = match place {
        Some(DataPlace::Hub { repo, config, revision, test, extra }) => {
            (repo, config, Some(revision), Some(test), extra)
        }
        _ => (id, None, None, None, [].as_slice()),
    };
    let revision = settings.revision.as_deref().or(branch);
    let (snapshot, files) = listed(hub, repo, revision)?;
    let configs = configurations(&files);
    let place = || format!("{repo} at revision {}", snapshot.revision());
    let page = |wanted: &str, present: Vec<String>, setting| DataError::NotInRepository {
        setting,
        wanted: shown(wanted),
        place: place(),
        present,
    };
    if configs.is_empty() {
        return Err(DataError::NoRowsInRepository {
            place: place(),
            present: files.iter().take(8).map(|file| shown(file)).collect(),
        });
    }
    let names = || configs.keys().map(|name| shown(name)).collect::<Vec<_>>();
    let (config, splits) = match settings.config.as_deref().or(config) {
        Some(name) => configs.get_key_value(name).ok_or_else(|| page(name, names(), "data.config"))?,
        None if configs.len() == 1 => configs.iter().next().ok_or_else(|| page("", names(), "data.config"))?,
        None => configs.get_key_value(DEFAULT).ok_or_else(|| page("", names(), "data.config"))?,
    };
    let split = |setting, name: &str| match splits.get(name) {
        Some(paths) => Ok((name.to_owned(), paths.as_slice(), setting)),
        None => Err(page(name, splits.keys().map(|name| shown(name)).collect(), setting)),
    };
    let train = split("data.train_split", settings.train_split.as_deref().unwrap_or("train"))?;
    let validation =
        settings.validation_split.as_deref().map(|name| split("data.validation_split", name)).transpose()?;
    let test = match settings.test_split.as_deref().or(usual_test) {
        Some(name) => Some(split("data.test_split", name)?),
        None => held_out(splits, &train.0, validation.as_ref().map(|split| split.0.as_str()))
            .map(|name| split("data.test_split", name))
            .transpose()?,
    };
    let used = [Some(&train), validation.as_ref(), test.as_ref()];
    let words = ["train", "validation", "test"]
        .iter()
        .zip(used)
        .filter_map(|(role, used)| Some(format!("{role}: {}", used?.0)));
    let about = format!("{repo}, configuration {config}, {}", words.collect::<Vec<_>>().join(", "));

    let mut fetch = |(_, paths, setting): &(String, &[String], &'static str)| {
        let file = |path: &String| {
            let local = snapshot.file(path, progress)?;
            Ok::<_, HubError>(Input { setting, name: format!("{repo}/{path}"), place: Place::Disk(local) })
        };
        paths.iter().map(file).collect::<Result<Vec<_>, _>>()
    };
    let mut files_of = Files { commit: Some(snapshot.commit().to_owned()), about, ..Files::default() };
    files_of.train = fetch(&train)?;
    files_of.validation = validation.as_ref().map(&mut fetch).transpose()?;
    files_of.test = test.as_ref().map(&mut fetch).transpose()?;
    // Beside a test split of the user's choice the further ones of the catalogue say nothing.
    for (name, extra) in extra.iter().filter(|_| settings.test_split.is_none()) {
        files_of.extra.push((name.to_string(), fetch(&split("data.test_split", extra)?)?));
    }
    files_of.classes = label_file(&snapshot, &files, train.1, progress)?;
    snapshot.keep()?;
    files_of.sources(settings)
}

/// The files of a revision. Where none is said: the main branch if it has parquet files, else the hub's conversion, if there
/// is one, else the main branch.
fn listed(hub: &Hub, repo: &str, revision: Option<&str>) -> Result<(Snapshot, Vec<String>), HubError> {
    if revision.is_some() {
        return hub.dataset(repo, revision);
    }
    let main = hub.dataset(repo, None);
    match main {
        Ok((_, files)) if !has_parquet(&files) => match hub.dataset(repo, Some(CONVERTED)) {
            Err(error) if error.is_absent_revision() => hub.dataset(repo, None),
            converted => converted,
        },
        // Offline, the cache may have the conversion alone.
        Err(HubError::Offline { .. }) => hub.dataset(repo, Some(CONVERTED)).or(main),
        main => main,
    }
}

/// The split that is held out where no setting says it.
fn held_out<'a>(splits: &'a Splits, train: &str, validation: Option<&str>) -> Option<&'a str> {
    let free = |name: &&str| *name != train && Some(*name) != validation;
    ["test", "validation"]
        .iter()
        .filter(|name| free(name))
        .find_map(|name| splits.get_key_value(*name))
        .map(|(name, _)| name.as_str())
}

/// The class names of a `label.json` beside the training file, `{"O": 0, "B-x": 1, ...}`, as T-NER's datasets have it.
fn label_file(
    snapshot: &Snapshot,
    files: &[String],
    train: &[String],
    progress: &mut Watch,
) -> Result<Option<Vec<String>>, DataError> {
    let Some(path) = train.first().map(|train| match train.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/label.json"),
        None => "label.json".to_owned(),
    }) else {
        return Ok(None);
    };
    if !files.contains(&path) {
        return Ok(None);
    }
    let local = snapshot.file(&path, progress)?;
    let text = std::fs::read_to_string(&local).map_err(|source| DataError::Read { file: path.clone(), source })?;
    let broken = |message: String| DataError::Broken { file: path.clone(), line: 1, message };
    let ids: std::collections::BTreeMap<String, usize> =
        serde_json::from_str(&text).map_err(|e| broken(format!("no class names by id: {}", shown(&e.to_string()))))?;
    let mut names = vec![None; ids.len()];
    for (name, id) in ids {
        let free = names.get_mut(id).filter(|name| name.is_none());
        *free.ok_or_else(|| broken(format!("the ids are not 0, 1, ...: {id}")))? = Some(name);
    }
    Ok(names.into_iter().collect())
}

/// The files of each part, before a look at them.
#[derive(Default)]
struct Files {
    train: Vec<Input>,
    validation: Option<Vec<Input>>,
    test: Option<Vec<Input>>,
    extra: Vec<(String, Vec<Input>)>,
    /// Class names that the dataset declares beside its files.
    classes: Option<Vec<String>>,
    commit: Option<String>,
    about: String,
}

impl Files {
    fn sources(self, settings: &DataSettings) -> Result<Sources, DataError> {
        let tagging = settings.task == Task::Tagging;
        let seen = |files: &[Input]| {
            let first = files.first().ok_or(DataError::NoTraining)?;
            look(first, settings.format, settings.header, settings.quote.as_deref(), tagging)
        };
        let source = |files: Vec<Input>| Ok::<_, DataError>(Source { format: seen(&files)?.format, files });
        let first: Look = seen(&self.train)?;
        let name = &self.train[0].name;
        if first.columns.is_empty() {
            return Err(DataError::Empty { file: name.clone() });
        }
        let mut columns = Columns::choose(settings, &first, name)?;
        if settings.task != Task::Regression {
            columns.label.classes = columns.label.classes.or(self.classes);
        }
        Ok(Sources {
            train: Source { files: self.train, format: first.format },
            validation: self.validation.map(source).transpose()?,
            test: self.test.map(source).transpose()?,
            extra: self
                .extra
                .into_iter()
                .map(|(name, files)| Ok((name, source(files)?)))
                .collect::<Result<_, DataError>>()?,
            columns,
            commit: self.commit,
            about: self.about,
        })
    }
}
