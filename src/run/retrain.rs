//! A new run from the search of another, as it is: what `autolora retrain` and the what-if panel make.

use super::directory::RunDir;
use super::file::FileError;
use super::store::{NewRun, Store, StoreError};
use crate::experiment::{AllocationSettings, Budget, Experiment, PresetDoc, Problems, Source, parse_with_files};
use std::fs;
use std::path::PathBuf;

/// The groups of settings that come after the search.
pub const LATER: [&str; 6] = ["allocation", "retrain", "evaluate", "baseline", "runtime", "notify"];

/// Why there is no such run.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    /// What made the search cannot be another afterwards.
    #[error("{key} made the search, which stays as it is")]
    Earlier { key: String },
    #[error("{0}")]
    Said(Box<Problems>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<Problems> for RetrainError {
    fn from(problems: Problems) -> Self {
        RetrainError::Said(Box::new(problems))
    }
}

/// Makes the run, called as its parent unless `name` says otherwise, with `KEY=VALUE` changes of what comes after the search.
///
/// # Errors
/// [`RetrainError`]; nothing is left then.
pub fn retrain(store: &Store, parent: &RunDir, sets: &[String], name: Option<&str>) -> Result<RunDir, RetrainError> {
    only_later(sets)?;
    let experiment = changed(parent, sets)?;
    let preset = said(parent, sets)?;
    let name = name.unwrap_or(&parent.info().name);
    Ok(store.create(NewRun { name, parent: Some(parent.id()), experiment, preset: &preset })?)
}

/// A choice of `[allocation]` as `KEY=VALUE` arguments.
pub fn sets_of(choice: &AllocationSettings) -> Vec<String> {
    let threshold = choice.threshold.map_or(String::new(), |threshold| format!("{threshold:?}"));
    let budget = match choice.budget {
        None => String::new(),
        Some(Budget::Parameters(count)) => count.to_string(),
        // A decimal also where it is whole: that is what makes it a mean rank.
        Some(Budget::MeanRank(mean)) => format!("{mean:?}"),
    };
    [("rule", choice.rule.to_string()), ("threshold", threshold), ("budget", budget)]
        .map(|(name, value)| format!("allocation.{name}={value}"))
        .into()
}

fn only_later(sets: &[String]) -> Result<(), RetrainError> {
    let key = |set: &String| set.split_once('=').map_or(set.as_str(), |(key, _)| key).trim().to_owned();
    let earlier = |key: &String| ["model.", "data.", "lora.", "search."].iter().any(|group| key.starts_with(group));
    sets.iter().map(key).find(earlier).map_or(Ok(()), |key| Err(RetrainError::Earlier { key }))
}

fn source(parent: &RunDir, path: PathBuf) -> Result<Source, FileError> {
    let text = fs::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
    Ok(Source { name: path.display().to_string(), text, folder: Some(parent.path().into()) })
}

/// The settings of the parent with those that are said.
fn changed(parent: &RunDir, sets: &[String]) -> Result<Experiment, RetrainError> {
    let mut experiment = parse_with_files(&source(parent, parent.experiment_path())?, sets)?;
    experiment.search.from = Some(parent.path().into());
    Ok(experiment)
}

/// The preset of the parent, with what is said now.
fn said(parent: &RunDir, sets: &[String]) -> Result<String, RetrainError> {
    let mut doc = PresetDoc::open(&source(parent, parent.preset_path())?)?;
    doc.apply(sets)?;
    let from = toml::Value::String(parent.path().display().to_string());
    let name = doc.name.clone();
    doc.set("search.from", &from).map_err(|problem| Problems::new(&name, &doc.text(), vec![problem]))?;
    Ok(doc.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Rule, parse};

    #[test]
    fn settings_of_the_search_are_refused_by_their_names() {
        let check = |sets: &[&str]| only_later(&sets.iter().map(|set| set.to_string()).collect::<Vec<_>>());
        assert!(check(&["allocation.rule=energy", "retrain.lr=0.1", "runtime.seed=3", "notify.command=x"]).is_ok());
        for earlier in ["lora.rank=4", "search.epochs = 2", "data.train=x.tsv", "model.id=y"] {
            let error = check(&["retrain.lr=0.1", earlier]).unwrap_err().to_string();
            assert!(error.contains("made the search"), "{error}");
        }
        // What is no setting is for the reading to say.
        assert!(check(&["retrian.lr=3", "nonsense"]).is_ok());
    }

    #[test]
    fn a_choice_as_arguments_is_the_choice_again_whatever_was_said_before() {
        let before = "[data]\nid = \"builtin:demo\"\n[allocation]\nrule = \"budget\"\nbudget = 9\n";
        let source = Source { name: "p".into(), text: before.into(), folder: None };
        for (rule, threshold, budget) in [
            (Rule::Threshold, None, None),
            (Rule::Energy, Some(1e-7), None),
            (Rule::Budget, None, Some(Budget::MeanRank(4.0))),
            (Rule::Budget, None, Some(Budget::Parameters(4))),
        ] {
            let choice = AllocationSettings { rule, threshold, budget };
            assert_eq!(parse(&source, &sets_of(&choice)).unwrap().allocation, choice);
        }
    }
}
