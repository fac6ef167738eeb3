//! Whether the files that the settings name are there.

use super::nearest::nearest;
use super::parse::{Complaint, looks_like_path};
use super::{BUILTIN_DEMO, Experiment, Task};
use std::path::Path;

/// A complaint for every file and folder of the settings that does not exist or is not what it must be.
///
/// Looks at the file system, and only at names: what the files hold is for who reads them.
pub fn check_files(experiment: &Experiment) -> Vec<Complaint> {
    let Experiment { model, data, lora, search, .. } = experiment;
    let mut complaints = Vec::new();
    let files = [("data.train", &data.train), ("data.validation", &data.validation), ("data.test", &data.test)];
    for (key, path) in files {
        if let Some(path) = path {
            // WebNLG comes in folders; what is in one is for who reads it.
            let folder = data.task == Task::Generation && path.is_dir();
            complaints.extend(missing(key, path, "file", Path::is_file).filter(|_| !folder));
        }
    }
    if let Some(path) = &lora.init_from {
        complaints.extend(missing("lora.init_from", path, "folder", Path::is_dir));
    }
    if let Some(path) = &search.from {
        // Another run's search, whose name is near, is not what was meant.
        let help = "it may be deleted; without search.from, the run searches itself".to_owned();
        let missing = missing("search.from", path, "folder", Path::is_dir);
        complaints.extend(missing.map(|complaint| Complaint { help: Some(help), ..complaint }));
    }
    let id = model.id.as_str();
    if id.starts_with("builtin:") {
        return complaints;
    }
    let folder = Path::new(id);
    if folder.is_dir() {
        if !folder.join("config.json").is_file() {
            let message = format!("is a folder without config.json: {id}");
            let help = "a model's folder holds config.json, tokenizer.json and its weights".to_string();
            complaints.push(Complaint { keys: vec!["model.id"], message, help: Some(help) });
        }
    } else if looks_like_path(id) {
        complaints.extend(missing("model.id", folder, "folder", Path::is_dir));
    } else if !is_hub_id(id) {
        complaints.push(Complaint {
            keys: vec!["model.id"],
            message: format!("is neither a folder nor a Hugging Face id: {id:?}"),
            help: Some(format!("an id is NAME or OWNER/NAME; the embedded model is {BUILTIN_DEMO}")),
        });
    }
    complaints
}

/// Whether a text has the form of a model id of the hub: one or two parts of letters, digits, `-`, `_` and `.`.
fn is_hub_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    id.split('/').count() <= 2 && id.split('/').all(part)
}

fn missing(key: &'static str, path: &Path, what: &str, is_right: fn(&Path) -> bool) -> Option<Complaint> {
    if is_right(path) {
        return None;
    }
    let message = match path.try_exists() {
        Ok(true) => format!("must be a {what}, and {} is not one", path.display()),
        Ok(false) => format!("does not exist: {}", path.display()),
        Err(error) => format!("cannot be looked at: {}: {error}", path.display()),
    };
    Some(Complaint { keys: vec![key], message, help: near_name(path) })
}

/// The name in the path's folder that is nearest to the wrong one, or the first folder of the path that is missing.
pub(super) fn near_name(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    if !folder.is_dir() {
        let there = folder.ancestors().find(|ancestor| ancestor.is_dir())?;
        let gone = folder.strip_prefix(there).ok()?.components().next()?;
        return Some(format!("{} has no folder {}", there.display(), gone.as_os_str().to_string_lossy()));
    }
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    let same = path.file_name().is_some_and(|name| name.to_str() == Some(near));
    (!same).then(|| format!("did you mean {}?", folder.join(near).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_its_nearest_neighbour() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("train.tsv"), "x").expect("written");
        let mut experiment = Experiment::default();
        experiment.data.train = Some(folder.path().join("trian.tsv"));
        experiment.data.validation = Some(folder.path().join("train.tsv"));
        experiment.data.test = Some(folder.path().to_path_buf());
        let complaints = check_files(&experiment);
        assert_eq!(complaints.iter().map(|c| c.keys[0]).collect::<Vec<_>>(), ["data.train", "data.test"]);
        assert!(complaints[0].help.as_ref().is_some_and(|help| help.ends_with("train.tsv?")));
        assert!(complaints[1].message.starts_with("must be a file"));
    }

    #[test]
    fn hub_ids_have_one_or_two_parts() {
        for right in ["bert-base-uncased", "sentence-transformers/all-MiniLM-L6-v2", "a/b_c.d"] {
            assert!(is_hub_id(right), "{right}");
        }
        for wrong in ["", "a/b/c", "a//b", "a b", "-a", "a/"] {
            assert!(!is_hub_id(wrong), "{wrong}");
        }
    }
}
