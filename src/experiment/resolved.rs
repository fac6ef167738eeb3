//! A resolved experiment as text, and what differs between two.

use super::kind::seen;
use super::{Experiment, SETTINGS};
use toml::Value;

/// Every setting as TOML, with unset ones and units as comments: the `experiment.toml` of a run.
///
/// Reads back equal, through [`super::parse`] or through serde. No value of the settings fails to serialise.
pub fn resolved_toml(experiment: &Experiment) -> String {
    let table = values(experiment);
    let mut text = String::from("# Every setting of the run, resolved.\n");
    let mut group = "";
    for setting in SETTINGS {
        if setting.group() != group {
            group = setting.group();
            text += &format!("\n[{group}]\n");
        }
        let unit = if setting.unit.is_empty() { String::new() } else { format!(" # {}", setting.unit) };
        text += &match lookup(&table, setting.key) {
            Some(value) => format!("{} = {value}{unit}\n", setting.name()),
            None => format!("# {} is unset: {}\n", setting.name(), setting.help),
        };
    }
    text
}

/// The settings in which two experiments differ: (key, first, second), `unset` where one has no value.
pub fn diff(a: &Experiment, b: &Experiment) -> Vec<(&'static str, String, String)> {
    let pair = |(key, mut both): (&'static str, Vec<String>)| {
        let second = both.pop().unwrap_or_default();
        (key, both.pop().unwrap_or_default(), second)
    };
    differing(&[a, b]).into_iter().map(pair).collect()
}

/// The settings that are not the same in all experiments, in the order of the registry: (key, the value in each), `unset`
/// where one has no value.
pub fn differing(experiments: &[&Experiment]) -> Vec<(&'static str, Vec<String>)> {
    let tables: Vec<toml::Table> = experiments.iter().map(|experiment| values(experiment)).collect();
    let shown = |value: Option<&Value>| value.map_or_else(|| "unset".into(), seen);
    SETTINGS
        .iter()
        .map(|setting| (setting.key, tables.iter().map(|table| lookup(table, setting.key)).collect::<Vec<_>>()))
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .map(|(key, values)| (key, values.into_iter().map(shown).collect()))
        .collect()
}

/// The value of a setting in an experiment, `None` where it is unset.
pub fn value_of(experiment: &Experiment, key: &str) -> Option<Value> {
    lookup(&values(experiment), key).cloned()
}

fn values(experiment: &Experiment) -> toml::Table {
    toml::Table::try_from(experiment).unwrap_or_default()
}

fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((group, rest)) => lookup(table.get(group)?.as_table()?, rest),
    }
}
