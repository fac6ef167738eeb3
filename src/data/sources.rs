//! Where the rows of a dataset are: files of the user, of the program, or of the hub; and which columns to read.

use super::catalogue;
use super::columns::Columns;
use super::error::DataError;
use super::formats::{Format, look};
use super::hub::{Download, Hub};
use super::input::Input;
use crate::experiment::{DataSettings, Task};
use std::path::PathBuf;

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
}

/// Finds what `[data]` names. `progress` is told of downloads.
pub fn locate(settings: &DataSettings, _hub: &Hub, _progress: &mut dyn FnMut(Download)) -> Result<Sources, DataError> {
    let Some(id) = &settings.id else {
        let disk = |setting, path: &PathBuf| vec![Input::disk(setting, path)];
        let train = settings.train.as_ref().map(|path| disk("data.train", path)).ok_or(DataError::NoTraining)?;
        let validation = settings.validation.as_ref().map(|path| disk("data.validation", path));
        let test = settings.test.as_ref().map(|path| disk("data.test", path));
        return Sources::of(settings, train, validation, test);
    };
    let paths =
        [("data.train", &settings.train), ("data.validation", &settings.validation), ("data.test", &settings.test)];
    if let Some((setting, _)) = paths.into_iter().find(|(_, path)| path.is_some()) {
        return Err(DataError::IdAndPaths { setting });
    }
    let entry = catalogue::find(id)?;
    let embedded = |setting, file: &catalogue::File| vec![Input::embedded(setting, file.name, file.bytes)];
    Sources::of(
        settings,
        embedded("data.train", &entry.train),
        Some(embedded("data.validation", &entry.validation)),
        Some(embedded("data.test", &entry.test)),
    )
}

impl Sources {
    fn of(
        settings: &DataSettings,
        train: Vec<Input>,
        validation: Option<Vec<Input>>,
        test: Option<Vec<Input>>,
    ) -> Result<Sources, DataError> {
        let tagging = settings.task == Task::Tagging;
        let seen = |files: &[Input]| {
            let first = files.first().ok_or(DataError::NoTraining)?;
            look(first, settings.format, settings.header, settings.quote.as_deref(), tagging)
        };
        let source = |files: Vec<Input>| Ok::<_, DataError>(Source { format: seen(&files)?.format, files });
        let first = seen(&train)?;
        if first.columns.is_empty() {
            return Err(DataError::Empty { file: train[0].name.clone() });
        }
        let columns = Columns::choose(settings, &first, &train[0].name)?;
        Ok(Sources {
            train: Source { files: train, format: first.format },
            validation: validation.map(source).transpose()?,
            test: test.map(source).transpose()?,
            extra: Vec::new(),
            columns,
        })
    }
}
