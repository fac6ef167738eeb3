//! What a run would fetch, told before anything is fetched.

use super::server::{Server, State};
use autolora::data::hub::{Hub, RepoKind};
use autolora::experiment::{Experiment, Task};
use autolora::run::preflight::{Verdict, begin};
use std::collections::BTreeMap;

fn serve(files: &[(&str, usize)]) -> Server {
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(name, size)| (name.to_string(), vec![b'x'; *size])).collect();
    Server::start(State { files, ..State::default() })
}

fn experiment() -> Experiment {
    let mut experiment = Experiment::default();
    experiment.model.id = "me/model".into();
    experiment.data.id = Some("glue/rte".into());
    experiment.data.task = Task::Classification;
    experiment
}

const FILES: [(&str, usize); 8] = [
    ("me/model/config.json", 100),
    ("me/model/tokenizer.json", 900),
    ("me/model/model.safetensors", 50_000),
    ("me/model/pytorch_model.bin", 60_000),
    ("datasets/nyu-mll/glue/README.md", 7_000),
    ("datasets/nyu-mll/glue/rte/train-00000-of-00001.parquet", 3_000),
    ("datasets/nyu-mll/glue/rte/validation-00000-of-00001.parquet", 400),
    ("datasets/nyu-mll/glue/mnli/train-00000-of-00001.parquet", 90_000),
];

#[test]
fn a_download_is_said_with_its_size_and_not_begun() {
    let server = serve(&FILES);
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub { endpoint: server.endpoint.clone(), cache: cache.path().into(), token: None, offline: false };
    let (card, is_here) = begin("mine", &experiment(), &hub);
    assert!(!is_here);
    let told: Vec<(&str, &str, Option<u64>)> =
        card.downloads.iter().map(|one| (one.key.as_str(), one.id.as_str(), one.bytes)).collect();
    assert_eq!(told, [("model.id", "me/model", Some(51_000)), ("data.id", "glue/rte", Some(3_400))]);
    assert_eq!(card.verdict(), Verdict::Ready);
    let seen = server.seen();
    assert!(seen.iter().all(|question| question.contains("/api/")), "nothing is fetched: {seen:#?}");
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn a_model_that_the_hub_has_not_would_not_start() {
    let server = serve(&FILES[4..]);
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub { endpoint: server.endpoint.clone(), cache: cache.path().into(), token: None, offline: false };
    let (card, is_here) = begin("mine", &experiment(), &hub);
    assert!(!is_here && card.verdict() == Verdict::Refused);
    assert_eq!(card.remarks[0].key.as_deref(), Some("model.id"));
    let offline = Hub { offline: true, ..hub };
    let (card, _) = begin("mine", &experiment(), &offline);
    assert!(card.remarks[0].message.contains("HF_HUB_OFFLINE"), "{card:?}");
    assert!(offline.sizes(RepoKind::Model, "me/model", None).is_err());
}
