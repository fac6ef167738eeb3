//! A new run that takes the search of another as it is, and allocates, retrains and evaluates by other settings.

use super::directory::RunDir;
use super::file::FileError;
use super::store::{NewRun, Store, StoreError};
use crate::experiment::{
    AllocationSettings, Budget, Experiment, PresetDoc, Problem, Problems, Rule, Source, parse_with_files, regular,
};

/// The search of a run cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the run, not yet started: the settings of `parent` with `KEY=VALUE` changes, called `name` or as `parent` is.
///
/// # Errors
/// [`RetrainError`]: settings that do not fit, or a parent whose search has not ended.
pub fn retrain(parent: &RunDir, sets: &[String], name: Option<&str>) -> Result<RunDir, RetrainError> {
    let experiment = changed(parent, sets)?;
    let preset = said(parent, sets)?;
    let name = name.unwrap_or(&parent.info().name);
    Ok(Store::of_user()?.create(NewRun { name, parent: Some(parent.id()), experiment, preset: &preset })?)
}

/// A choice of allocation as changes; what it does not say is taken back.
pub fn as_changes(choice: &AllocationSettings) -> Vec<String> {
    let threshold = choice.threshold.map_or(String::new(), |threshold| format!("{threshold:?}"));
    let budget = match choice.budget {
        Some(Budget::Parameters(count)) => count.to_string(),
        Some(Budget::MeanRank(mean)) => format!("{mean:?}"),
        None => String::new(),
    };
    vec![
        format!("allocation.rule={}", choice.rule),
        format!("allocation.threshold={threshold}"),
        format!("allocation.budget={budget}"),
    ]
}

/// A choice in words: `energy, threshold 0.2`; without a threshold that is said, the rule's own holds.
pub fn words(choice: &AllocationSettings) -> String {
    let comma = if choice.rule == Rule::Threshold { "" } else { ", threshold" };
    // 1/k has no end.
    let short = |value: f64| format!("{value:.4e}").parse::<f64>().unwrap_or(value);
    let threshold = choice.threshold.map(|threshold| format!("{comma} {}", short(threshold)));
    let budget = choice.budget.map(|budget| match budget {
        Budget::Parameters(count) => format!(", {count} parameters"),
        Budget::MeanRank(mean) => format!(", mean rank {mean}"),
    });
    format!("{}{}{}", choice.rule, threshold.unwrap_or_default(), budget.unwrap_or_default())
}

/// The settings of the parent with those that are said.
fn changed(parent: &RunDir, sets: &[String]) -> Result<Experiment, RetrainError> {
    let path = parent.experiment_path();
    let text = regular::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
    let source = Source { name: path.display().to_string(), text, folder: Some(parent.path().into()) };
    // The run that the parent took its search from may be gone: the parent has all of it.
    let mut doc = PresetDoc::open(&source)?;
    doc.set("search.from", &toml::Value::String(parent.path().display().to_string()))?;
    let mut experiment = parse_with_files(&doc.source(), sets)?;
    experiment.search.from = Some(parent.path().into());
    Ok(experiment)
}

/// The preset of the parent, with what is said now.
fn said(parent: &RunDir, sets: &[String]) -> Result<String, RetrainError> {
    let path = parent.preset_path();
    let text = regular::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
    let source = Source { name: path.display().to_string(), text, folder: Some(parent.path().into()) };
    let mut doc = PresetDoc::open(&source)?;
    doc.apply(sets)?;
    doc.set("search.from", &toml::Value::String(parent.path().display().to_string()))?;
    Ok(doc.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Rule, read};

    #[test]
    fn a_choice_survives_as_changes() {
        let choices = [
            AllocationSettings { rule: Rule::Energy, threshold: Some(0.2), budget: None },
            AllocationSettings { rule: Rule::Budget, threshold: None, budget: Some(Budget::MeanRank(4.0)) },
            AllocationSettings { rule: Rule::Budget, threshold: None, budget: Some(Budget::Parameters(5000)) },
            AllocationSettings::default(),
        ];
        let text = "[data]\nid = \"builtin:demo\"\n[allocation]\nrule = \"budget\"\nbudget = 3\n";
        let source = Source { name: "p".into(), text: text.into(), folder: None };
        for choice in choices {
            let reading = read(&source, &as_changes(&choice), &[]);
            assert_eq!((reading.experiment.allocation, reading.problems), (choice, Vec::new()));
        }
    }

    #[test]
    fn a_choice_is_told_as_it_was_said() {
        let choice = |rule, threshold, budget| words(&AllocationSettings { rule, threshold, budget });
        assert_eq!(choice(Rule::Threshold, None, None), "threshold");
        assert_eq!(choice(Rule::Threshold, Some(0.125), None), "threshold 0.125");
        assert_eq!(choice(Rule::Energy, Some(0.2), None), "energy, threshold 0.2");
        assert_eq!(choice(Rule::Budget, None, Some(Budget::MeanRank(4.0))), "budget, mean rank 4");
        assert_eq!(choice(Rule::Budget, None, Some(Budget::Parameters(900))), "budget, 900 parameters");
    }
}
