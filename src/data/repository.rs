//! The files of a dataset repository as configurations and splits, by the names that the hub's libraries give them.

use super::formats::{Format, format_of};
use std::collections::BTreeMap;

/// Paths of the files of each split.
pub type Splits = BTreeMap<String, Vec<String>>;

/// The branch where the hub keeps its own conversion of a dataset.
pub const CONVERTED: &str = "refs/convert/parquet";
/// What a configuration without a name is called.
pub const DEFAULT: &str = "default";

/// The configurations of a repository that has these files, each in the format that is read best (parquet first).
///
/// Read are `<config>/<split>/0000.parquet` (the hub's conversion), `<config>/<split>-00000-of-00001.parquet`,
/// `data/<split>.csv`, `<split>.jsonl` and the like; `dev`, `valid` and `val` are `validation`.
pub fn configurations(files: &[String]) -> BTreeMap<String, Splits> {
    let mut found: BTreeMap<(String, Rank), Splits> = BTreeMap::new();
    for path in files {
        if let Some((config, split, format)) = place(path) {
            let splits = found.entry((config, rank(format))).or_default();
            splits.entry(split).or_default().push(path.clone());
        }
    }
    let mut configs: BTreeMap<String, Splits> = BTreeMap::new();
    for ((config, _), mut splits) in found {
        splits.values_mut().for_each(|files| files.sort_unstable());
        // The formats come in the order of their ranks: the first stays.
        configs.entry(config).or_insert(splits);
    }
    configs
}

/// Whether a repository has parquet files of some split.
pub fn has_parquet(files: &[String]) -> bool {
    files.iter().any(|path| place(path).is_some_and(|(_, _, format)| format == Format::Parquet))
}

type Rank = u8;

fn rank(format: Format) -> Rank {
    match format {
        Format::Parquet => 0,
        Format::JsonLines => 1,
        Format::Csv => 2,
        Format::Tsv => 3,
        Format::Conll => 4,
        Format::WebNlg => 5,
    }
}

/// Configuration, split and format of a file; `None` where it is none of rows.
fn place(path: &str) -> Option<(String, String, Format)> {
    let format = format_of(path).ok()?;
    let mut folders: Vec<&str> = path.split('/').collect();
    let name = folders.pop()?;
    if path.split('/').any(|part| part.starts_with(['.', '_'])) {
        return None;
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let split = match (shard(stem), folders.last()) {
        (Some(split), _) => split.to_owned(),
        // `<config>/<split>/0000.parquet`, `partial-<split>` where the hub converted the beginning only.
        (None, Some(folder)) if stem.bytes().all(|b| b.is_ascii_digit()) => {
            let split = folder.strip_prefix("partial-").unwrap_or(folder).to_owned();
            folders.pop();
            split
        }
        (None, _) => match word(stem) {
            Some(split) => split.to_owned(),
            None => {
                let split = word(folders.last()?)?.to_owned();
                folders.pop();
                split
            }
        },
    };
    let config =
        folders.into_iter().filter(|folder| !["data", "dataset"].contains(folder)).collect::<Vec<_>>().join("/");
    Some((if config.is_empty() { DEFAULT.to_owned() } else { config }, split, format))
}

/// The split of `<split>-00000-of-00001`, also with a hash behind.
fn shard(stem: &str) -> Option<&str> {
    let (before, after) = stem.split_once("-of-")?;
    let (split, number) = before.rsplit_once('-')?;
    let digits = |text: &str| text.len() >= 4 && text.bytes().all(|b| b.is_ascii_digit());
    let last = after.split('-').next()?;
    (digits(number) && digits(last) && !split.is_empty()).then_some(split)
}

/// The split that a word of a name stands for.
fn word(name: &str) -> Option<&'static str> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.map(str::to_ascii_lowercase).find_map(|word| match word.as_str() {
        "train" | "training" => Some("train"),
        "validation" | "valid" | "val" | "dev" | "devel" | "development" => Some("validation"),
        "test" | "testing" | "eval" | "evaluation" => Some("test"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `config split path` of what is found.
    fn found(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|file| file.to_string()).collect();
        let configs = configurations(&files);
        let lines = configs.iter().flat_map(|(config, splits)| {
            splits.iter().map(move |(split, files)| format!("{config} {split} {}", files.join(" ")))
        });
        lines.collect()
    }

    #[test]
    fn the_layouts_of_the_hub_are_known() {
        let converted = ["cola/train/0001.parquet", "cola/train/0000.parquet", "cola/partial-test/0000.parquet"];
        let expected =
            ["cola test cola/partial-test/0000.parquet", "cola train cola/train/0000.parquet cola/train/0001.parquet"];
        assert_eq!(found(&converted), expected);
        let own = [
            "README.md",
            "glue.py",
            "mnli/train-00000-of-00001.parquet",
            "mnli/validation_matched-00000-of-00001.parquet",
        ];
        let expected = [
            "mnli train mnli/train-00000-of-00001.parquet",
            "mnli validation_matched mnli/validation_matched-00000-of-00001.parquet",
        ];
        assert_eq!(found(&own), expected);
        let hashed = ["data/train-00000-of-00002-9ab3.parquet"];
        assert_eq!(found(&hashed), ["default train data/train-00000-of-00002-9ab3.parquet"]);
        let tner =
            ["dataset/label.json", "dataset/train.json", "dataset/valid.json", "bionlp2004.py", ".gitattributes"];
        assert_eq!(found(&tner), ["default train dataset/train.json", "default validation dataset/valid.json"]);
        let plain = ["my_dev_set.tsv", "train.tsv", "test/part1.tsv", "dataset_infos.json", "_hidden/train.tsv"];
        let expected = ["default test test/part1.tsv", "default train train.tsv", "default validation my_dev_set.tsv"];
        assert_eq!(found(&plain), expected);
    }

    #[test]
    fn of_several_formats_one_is_read() {
        assert_eq!(found(&["train.csv", "train.jsonl", "test.csv"]), ["default train train.jsonl"]);
        let files = |names: &[&str]| has_parquet(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert!(files(&["a/train/0000.parquet"]) && !files(&["train.csv", "index.parquet"]));
    }
}
