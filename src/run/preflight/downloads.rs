//! What a run would fetch: nothing is fetched here.

use super::card::Download;
use crate::data::hub::{Hub, HubError, RepoKind, Sized, is_repo_id, unwatched};
use crate::data::repository::{CONVERTED, DEFAULT, configurations, has_parquet};
use crate::data::{DataError, sources};
use crate::experiment::catalogue::{self, DataPlace};
use crate::experiment::{DataSettings, Experiment};
use crate::model::{SourceError, source};

/// Why the model or the data cannot be had, by the setting that names it.
pub type Unavailable = (&'static str, String);

/// What the cache lacks, each with what the hub says of its size, and what cannot be had at all.
pub fn missing(experiment: &Experiment, hub: &Hub) -> (Vec<Download>, Vec<Unavailable>) {
    let cache = Hub { offline: true, ..hub.clone() };
    let (mut missing, mut faults) = (Vec::new(), Vec::new());
    for looked in [model(experiment, hub, &cache), data(experiment, hub, &cache)] {
        match looked {
            Ok(download) => missing.extend(download),
            Err(fault) => faults.push(fault),
        }
    }
    (missing, faults)
}

fn model(experiment: &Experiment, hub: &Hub, cache: &Hub) -> Result<Option<Download>, Unavailable> {
    let key = "model.id";
    let (id, revision) = (experiment.model.id.as_str(), experiment.model.revision.as_deref());
    match source::locate(id, revision, cache, &mut unwatched) {
        Ok(_) => Ok(None),
        Err(SourceError::Hub(_) | SourceError::NoTokenizer { .. }) if !hub.offline => {
            let files = hub.sizes(RepoKind::Model, id, revision).map_err(|error| (key, error.to_string()))?;
            Ok(Some(Download { key: key.into(), id: id.into(), bytes: of_model(&files) }))
        }
        Err(error) => Err((key, error.to_string())),
    }
}

fn data(experiment: &Experiment, hub: &Hub, cache: &Hub) -> Result<Option<Download>, Unavailable> {
    match (sources::locate(&experiment.data, cache, &mut unwatched), &experiment.data.id) {
        (Ok(_), _) => Ok(None),
        // What is in the cache in part looks as if the repository had no more.
        (
            Err(DataError::Hub(_) | DataError::NotInRepository { .. } | DataError::NoRowsInRepository { .. }),
            Some(id),
        ) if !hub.offline => {
            let bytes = of_data(&experiment.data, id, hub).map_err(|error| ("data.id", error.to_string()))?;
            Ok(Some(Download { key: "data.id".into(), id: id.clone(), bytes }))
        }
        (Err(error), id) => Err((if id.is_some() { "data.id" } else { "data.train" }, error.to_string())),
    }
}

/// Bytes of the files of a model that are read: tokenizer and configuration, and the weights in the form that is taken.
fn of_model(files: &[Sized]) -> Option<u64> {
    let sum = |is_one: &dyn Fn(&str) -> bool| {
        let sizes: Vec<Option<u64>> = files.iter().filter(|file| is_one(&file.name)).map(|file| file.bytes).collect();
        if sizes.is_empty() { None } else { sizes.into_iter().sum::<Option<u64>>() }
    };
    let shard =
        |ending: &'static str| move |name: &str| name.contains("-of-") && !name.contains('/') && name.ends_with(ending);
    let weights = sum(&|name| name == "model.safetensors")
        .or_else(|| sum(&shard(".safetensors")))
        .or_else(|| sum(&|name| name == "pytorch_model.bin"))
        .or_else(|| sum(&shard(".bin")))?;
    Some(weights + sum(&|name| matches!(name, "config.json" | "tokenizer.json")).unwrap_or(0))
}

/// Bytes of all splits of the configuration that would be read.
fn of_data(settings: &DataSettings, id: &str, hub: &Hub) -> Result<Option<u64>, HubError> {
    let (repo, config, branch) = match catalogue::dataset(id).map(|entry| entry.place) {
        Some(DataPlace::Hub { repo, config, revision, .. }) => (repo, config, Some(revision)),
        _ if is_repo_id(id) => (id, None, None),
        _ => return Ok(None),
    };
    let revision = settings.revision.as_deref().or(branch);
    let mut files = hub.sizes(RepoKind::Dataset, repo, revision)?;
    let names = |files: &[Sized]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    if revision.is_none() && !has_parquet(&names(&files)) {
        // Where the hub has made no conversion, the main branch is read.
        files = hub.sizes(RepoKind::Dataset, repo, Some(CONVERTED)).unwrap_or(files);
    }
    let configs = configurations(&names(&files));
    let config = settings.config.as_deref().or(config).unwrap_or(DEFAULT);
    let splits = configs.get(config).or_else(|| configs.values().next());
    let bytes = |path: &String| files.iter().find(|file| file.name == *path).and_then(|file| file.bytes);
    Ok(splits.and_then(|splits| splits.values().flatten().map(bytes).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(of: &[(&str, u64)]) -> Vec<Sized> {
        of.iter().map(|(name, bytes)| Sized { name: name.to_string(), bytes: Some(*bytes) }).collect()
    }

    #[test]
    fn the_form_of_the_weights_that_is_read_is_counted() {
        let single =
            [("config.json", 1), ("model.safetensors", 100), ("pytorch_model.bin", 90), ("tokenizer.json", 10)];
        assert_eq!(of_model(&files(&single)), Some(111));
        let shards = [("model-00001-of-00002.safetensors", 60), ("model-00002-of-00002.safetensors", 50)];
        assert_eq!(of_model(&files(&shards)), Some(110));
        assert_eq!(of_model(&files(&[("tf_model.h5", 7)])), None);
    }

    #[test]
    fn what_is_in_the_program_needs_no_download() {
        let mut experiment = Experiment::default();
        experiment.model.id = crate::experiment::BUILTIN_DEMO.into();
        experiment.data.id = Some(crate::experiment::BUILTIN_DEMO.into());
        let keys = |experiment: &Experiment| -> Vec<&'static str> {
            let (downloads, faults) = missing(experiment, &Hub { offline: true, ..Hub::from_vars(|_| None) });
            assert!(downloads.is_empty());
            faults.iter().map(|(key, _)| *key).collect()
        };
        assert!(keys(&experiment).is_empty());
        experiment.model.id = "/no/such/folder".into();
        assert_eq!(keys(&experiment), ["model.id"]);
        // Both are told at once.
        experiment.data.id = Some("nobody/has-this".into());
        assert_eq!(keys(&experiment), ["model.id", "data.id"]);
    }
}
