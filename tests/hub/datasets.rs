//! Datasets of the hub: configurations, splits, class names, the cache.

use super::server::{COMMIT, CONVERTED, Server, State};
use autolora::data::hub::Hub;
use autolora::data::sources::{Sources, locate};
use autolora::data::{Content, DataError, Dataset, Target};
use autolora::experiment::{DataSettings, Task};
use std::path::Path;

pub fn parquet(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name)).unwrap()
}

pub fn serve(files: &[(&str, Vec<u8>)]) -> Server {
    let files = files.iter().map(|(name, bytes)| (format!("datasets/{name}"), bytes.clone()));
    let files = files.map(|(name, bytes)| match name.strip_prefix("datasets/convert/") {
        Some(name) => (format!("convert/datasets/{name}"), bytes),
        None => (name, bytes),
    });
    Server::start(State { files: files.collect(), ..State::default() })
}

pub fn hub(server: &Server, cache: &Path) -> Hub {
    Hub { endpoint: server.endpoint.clone(), cache: cache.into(), token: None, offline: false }
}

pub fn find(settings: &DataSettings, hub: &Hub) -> Result<Sources, DataError> {
    locate(settings, hub, &mut autolora::data::hub::unwatched)
}

pub fn named(id: &str) -> DataSettings {
    DataSettings { id: Some(id.into()), max_bad_share: 0.5, ..Default::default() }
}

#[test]
fn a_dataset_of_the_catalogue_has_its_columns_and_class_names() {
    let pairs = parquet("pairs.parquet");
    let server = serve(&[
        ("nyu-mll/glue/README.md", b"text".to_vec()),
        ("nyu-mll/glue/mrpc/train-00000-of-00001.parquet", pairs.clone()),
        ("nyu-mll/glue/mrpc/validation-00000-of-00001.parquet", pairs.clone()),
        ("nyu-mll/glue/mrpc/test-00000-of-00001.parquet", b"not needed".to_vec()),
        ("nyu-mll/glue/rte/train-00000-of-00001.parquet", b"not needed".to_vec()),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server, cache.path());
    let settings = named("glue/mrpc");
    let sources = find(&settings, &hub).unwrap();
    assert_eq!(sources.commit.as_deref(), Some(COMMIT));
    assert_eq!(sources.about, "nyu-mll/glue, configuration mrpc, train: train, test: validation");
    let dataset = Dataset::load(&settings, sources, None).unwrap();
    assert_eq!(dataset.labels.names, ["not_equivalent", "equivalent"]);
    assert_eq!(dataset.train.file, "nyu-mll/glue/mrpc/train-00000-of-00001.parquet");
    let first = dataset.test.unwrap().examples().unwrap().remove(0);
    assert_eq!(first.content, Content::Text { text: "first".into(), pair: Some("one".into()) });
    assert_eq!(first.target, Target::Class(1));
    let seen = server.seen();
    assert_eq!(seen[0], "GET /api/datasets/nyu-mll/glue/revision/main");
    assert!(!seen.iter().any(|line| line.contains("test-") || line.contains("rte")), "only what is needed: {seen:#?}");
    // Another run asks where main is, and nothing more; offline not even that.
    find(&settings, &hub).unwrap();
    assert_eq!(server.seen().len(), 1);
    let offline = find(&settings, &Hub { offline: true, ..hub.clone() }).unwrap();
    assert_eq!((offline.commit.as_deref(), offline.train.files.len()), (Some(COMMIT), 1));
    let pinned = DataSettings { revision: Some(COMMIT.into()), ..settings };
    let gone = Hub { endpoint: "http://127.0.0.1:1".into(), ..hub };
    assert_eq!(find(&pinned, &gone).unwrap().commit.as_deref(), Some(COMMIT));
}

#[test]
fn mnli_has_both_of_its_held_out_sets() {
    let pairs = parquet("pairs.parquet");
    let file = |split: &str| format!("nyu-mll/glue/mnli/{split}-00000-of-00001.parquet");
    let names = ["train", "validation_matched", "validation_mismatched"].map(file);
    let server = serve(&names.each_ref().map(|name| (name.as_str(), pairs.clone())));
    let cache = tempfile::tempdir().unwrap();
    // The files of the fixture have MRPC's columns.
    let (text, pair) = (Some("sentence1".into()), Some("sentence2".into()));
    let settings = DataSettings { text, text_pair: pair, ..named("glue/mnli") };
    let dataset = Dataset::load(&settings, find(&settings, &hub(&server, cache.path())).unwrap(), None).unwrap();
    assert_eq!(dataset.test.unwrap().file, "nyu-mll/glue/mnli/validation_matched-00000-of-00001.parquet");
    let extra: Vec<_> = dataset.extra.iter().map(|(name, part)| (name.as_str(), part.file.as_str())).collect();
    assert_eq!(extra, [("mismatched", "nyu-mll/glue/mnli/validation_mismatched-00000-of-00001.parquet")]);
}

#[test]
fn t_ner_names_its_tags_in_a_file_beside_the_data() {
    let rows = b"{\"tokens\": [\"a\", \"b\"], \"tags\": [1, 0]}\n{\"tokens\": [\"c\"], \"tags\": [2]}\n";
    let labels = br#"{"O": 0, "B-DNA": 1, "I-DNA": 2, "B-RNA": 3}"#;
    let server = serve(&[
        ("tner/bionlp2004/dataset/train.json", rows.to_vec()),
        ("tner/bionlp2004/dataset/test.json", rows.to_vec()),
        ("tner/bionlp2004/dataset/valid.json", rows.to_vec()),
        ("tner/bionlp2004/dataset/label.json", labels.to_vec()),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let settings = DataSettings { task: Task::Tagging, ..named("tner/bionlp2004") };
    let dataset = Dataset::load(&settings, find(&settings, &hub(&server, cache.path())).unwrap(), None).unwrap();
    assert_eq!(dataset.labels.names, ["O", "B-DNA", "I-DNA", "B-RNA"], "also what training does not have");
    let first = dataset.train.examples().unwrap().remove(0);
    assert_eq!((first.content, first.target), (Content::Words(vec!["a".into(), "b".into()]), Target::Tags(vec![1, 0])));
    assert!(!server.seen().iter().any(|line| line.contains("valid.json")));
    server
        .state
        .lock()
        .unwrap()
        .files
        .insert("datasets/tner/bionlp2004/dataset/label.json".into(), b"{\"O\": 7}".to_vec());
    let error = find(&settings, &hub(&server, &cache.path().join("new"))).unwrap_err().to_string();
    assert!(error.contains("dataset/label.json:1: the ids are not 0, 1, ...: 7"), "{error}");
}

#[test]
fn what_has_no_parquet_is_taken_as_the_hub_converted_it() {
    let tags = parquet("tags.parquet");
    let server = serve(&[
        ("ncbi/ncbi_disease/ncbi_disease.py", b"a script is never run".to_vec()),
        ("convert/ncbi/ncbi_disease/ncbi_disease/train/0000.parquet", tags.clone()),
        ("convert/ncbi/ncbi_disease/ncbi_disease/train/0001.parquet", tags.clone()),
        ("convert/ncbi/ncbi_disease/ncbi_disease/test/0000.parquet", tags),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server, cache.path());
    for id in ["ncbi_disease", "ncbi/ncbi_disease"] {
        let settings = DataSettings { task: Task::Tagging, ..named(id) };
        let sources = find(&settings, &hub).unwrap();
        assert_eq!((sources.commit.as_deref(), sources.train.files.len()), (Some(CONVERTED), 2), "{id}");
        let dataset = Dataset::load(&settings, sources, None).unwrap();
        assert_eq!((dataset.train.examples, dataset.train.bad.count), (4, 2));
        assert_eq!(dataset.labels.names, ["O", "B-Disease", "I-Disease"]);
        assert_eq!(find(&settings, &Hub { offline: true, ..hub.clone() }).unwrap().commit.as_deref(), Some(CONVERTED));
    }
    let settings = DataSettings { task: Task::Tagging, revision: Some(CONVERTED.into()), ..named("ncbi/ncbi_disease") };
    assert!(find(&settings, &hub).is_ok(), "a pinned run reads the same");
}

#[test]
fn any_dataset_is_read_by_its_configuration_and_splits() {
    let rows = |label: &str| format!("{{\"text\": \"a\", \"label\": \"{label}\"}}\n").into_bytes();
    let server = serve(&[
        ("me/data/one/train.jsonl", [rows("x"), rows("y")].concat()),
        ("me/data/one/dev.jsonl", rows("x")),
        ("me/data/two/train.jsonl", [rows("v"), rows("w")].concat()),
        ("me/data/two/odd_names-00000-of-00001.jsonl", rows("v")),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server, cache.path());
    let said = |settings: &DataSettings| find(settings, &hub).map(|sources| sources.about);
    let error = |settings: &DataSettings| said(settings).unwrap_err().to_string();
    let expected = "data.config: the dataset me/data at revision main has several: say which; it has one, two";
    assert_eq!(error(&named("me/data")), expected);
    let one = DataSettings { config: Some("one".into()), ..named("me/data") };
    assert_eq!(said(&one).unwrap(), "me/data, configuration one, train: train, test: validation");
    let with_validation = DataSettings { validation_split: Some("validation".into()), ..one.clone() };
    assert_eq!(said(&with_validation).unwrap(), "me/data, configuration one, train: train, validation: validation");
    let two = DataSettings { config: Some("two".into()), test_split: Some("odd_names".into()), ..named("me/data") };
    assert_eq!(said(&two).unwrap(), "me/data, configuration two, train: train, test: odd_names");
    let wrong = DataSettings { train_split: Some("trian".into()), ..one.clone() };
    let expected = "data.train_split = \"trian\": the dataset me/data at revision main has none of that name; it has train, \
                    validation";
    assert_eq!(error(&wrong), expected);
    let wrong = DataSettings { config: Some("three".into()), ..one };
    assert!(
        error(&wrong)
            .starts_with("data.config = \"three\": the dataset me/data at revision main has none of that name")
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let server = serve(&[("me/images/train/cat.png", b"x".to_vec()), ("me/images/README.md", b"x".to_vec())]);
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server, cache.path());
    let error = |id: &str, hub: &Hub| find(&named(id), hub).unwrap_err().to_string();
    let seen = error("me/images", &hub);
    assert!(seen.starts_with("the dataset me/images at revision main has no files of rows by split"), "{seen}");
    assert!(seen.contains("it has README.md, train/cat.png; download"), "{seen}");
    let seen = error("me/nothing", &hub);
    assert!(seen.contains("has no dataset me/nothing; check data.id (owner/name, as on its page)"), "{seen}");
    server.state.lock().unwrap().gated.push("datasets/me/images".into());
    let seen = error("me/images", &hub);
    assert!(
        seen.contains(&format!("accept its terms at {}/datasets/me/images, then set HF_TOKEN", server.endpoint)),
        "{seen}"
    );
    let seen = error("me/images", &Hub { offline: true, ..hub.clone() });
    assert!(
        seen.contains("HF_HUB_OFFLINE is set") && seen.contains(" has no dataset me/images at revision main;"),
        "{seen}"
    );
    let seen = error("glue/col", &hub);
    assert!(seen.contains("data.id = \"glue/col\": no such dataset; did you mean glue/cola?"), "{seen}");
    let seen = error("colaa", &hub);
    assert!(seen.contains("data.id = \"colaa\": no such dataset"), "{seen}");
}
