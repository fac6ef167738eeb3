//! Which settings the form shows, in groups: all from the registry.

use crate::experiment::{Kind, SETTINGS, Setting, setting};
use std::sync::LazyLock;

/// Settings that most runs touch, shown together first. Everything about them comes from the registry.
const COMMON: &[&str] = &[
    "model.id",
    "data.id",
    "data.task",
    "data.train",
    "data.validation",
    "data.test",
    "data.text",
    "data.label",
    "lora.targets",
    "lora.rank",
    "search.epochs",
    "search.weights.lr",
    "allocation.rule",
    "runtime.device",
];

/// The same where texts are written: how they are written and scored counts for more. As far as the task, both agree, so
/// that the cursor stays on it when it changes.
const COMMON_OF_GENERATION: &[&str] = &[
    "model.id",
    "data.id",
    "data.task",
    "data.train",
    "data.test",
    "data.text",
    "data.label",
    "lora.targets",
    "lora.rank",
    "search.epochs",
    "search.weights.lr",
    "evaluate.metric",
    "evaluate.num_beams",
    "evaluate.max_new_tokens",
    "runtime.device",
];

/// The heading of the first group.
pub const COMMON_TITLE: &str = "common";

/// A line of the form.
#[derive(Clone, Copy)]
pub enum Field {
    /// What the run will be called; no setting of the experiment.
    RunName,
    Setting(&'static Setting),
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}

impl Field {
    /// The setting's key; `name` for the run's name.
    pub fn key(self) -> &'static str {
        match self {
            Field::RunName => "name",
            Field::Setting(setting) => setting.key,
        }
    }

    /// The words to choose from, where there are such.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Field::Setting(Setting { kind: Kind::Choice(words), .. }) => words,
            Field::Setting(Setting { kind: Kind::Bool, .. }) => &["false", "true"],
            _ => &[],
        }
    }

    /// Whether it may be unset, having no default.
    pub fn is_optional(self) -> bool {
        match self {
            Field::RunName => true,
            Field::Setting(setting) => (setting.default)().is_none(),
        }
    }
}

/// Titles of the groups in their order: the common ones, then the tables of the registry.
pub fn groups() -> &'static [&'static str] {
    // A frame asks for every line.
    static GROUPS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let mut groups = vec![COMMON_TITLE];
        for setting in SETTINGS {
            if !groups.contains(&setting.group()) {
                groups.push(setting.group());
            }
        }
        groups
    });
    &GROUPS
}

/// The lines of the first group: the name, what the preset says (`said`), then the rest of what most runs touch, for a run
/// that writes texts (`generation`) or one of another task.
pub fn first_fields(said: &[&'static str], generation: bool) -> Vec<Field> {
    let common = if generation { COMMON_OF_GENERATION } else { COMMON };
    let others = common.iter().filter(|key| !said.contains(key));
    let settings = said.iter().chain(others).filter_map(|key| setting(key)).map(Field::Setting);
    std::iter::once(Field::RunName).chain(settings).collect()
}

/// The lines of a table of the registry.
pub fn fields_of(group: &str) -> Vec<Field> {
    SETTINGS.iter().filter(|setting| setting.group() == group).map(Field::Setting).collect()
}

/// The settings whose key holds every word of the filter; those whose help does come after them.
pub fn found(filter: &str) -> Vec<Field> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let holds = |text: &str| words.iter().all(|word| text.to_lowercase().contains(word.as_str()));
    let by_key = SETTINGS.iter().filter(|setting| holds(setting.key));
    let by_help = SETTINGS.iter().filter(|setting| !holds(setting.key) && holds(setting.help));
    by_key.chain(by_help).map(Field::Setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_setting_is_in_the_registry() {
        for (generation, common) in [(false, COMMON), (true, COMMON_OF_GENERATION)] {
            assert_eq!(first_fields(&[], generation).len(), common.len() + 1);
        }
    }

    #[test]
    fn what_the_preset_says_comes_first_and_nothing_twice() {
        let keys: Vec<&str> = first_fields(&["lora.rank", "retrain.lr"], false).into_iter().map(Field::key).collect();
        assert_eq!(keys[..4], ["name", "lora.rank", "retrain.lr", "model.id"]);
        assert_eq!(keys.len(), 1 + COMMON.len() + 1);
    }

    #[test]
    fn the_task_stays_where_it_is_when_it_changes() {
        for said in [&[][..], &["model.id", "search.epochs"], &["model.id", "data.task", "evaluate.metric"]] {
            let place = |generation| first_fields(said, generation).iter().position(|field| field.key() == "data.task");
            assert_eq!(place(false), place(true));
            assert!(place(true).is_some());
        }
    }

    #[test]
    fn the_groups_hold_every_setting_once() {
        let shown = groups().iter().filter(|group| **group != COMMON_TITLE).flat_map(|group| fields_of(group));
        let keys: Vec<&str> = shown.map(Field::key).collect();
        let mut all: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        all.sort_unstable();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, all);
    }

    #[test]
    fn a_filter_finds_by_key_first_then_by_help() {
        let keys: Vec<&str> = found("weights lr").into_iter().map(Field::key).collect();
        assert_eq!(keys.first(), Some(&"search.weights.lr"));
        assert_eq!(found("").len(), SETTINGS.len());
        assert!(found("no such thing").is_empty());
        assert!(found("initial rank").iter().any(|field| field.key() == "lora.rank"));
    }
}
