//! Data files as users have them: every format, every fault.

mod formats;

use autolora::data::{DataError, Dataset, TextEncoder, split};
use autolora::experiment::DataSettings;
use std::path::{Path, PathBuf};

/// A folder with files, and settings that name them.
fn dataset(files: &[(&str, &str)]) -> (tempfile::TempDir, DataSettings) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path =
        |part: &str| files.iter().find(|(name, _)| name.starts_with(part)).map(|(name, _)| folder.path().join(name));
    let settings =
        DataSettings { train: path("train"), validation: path("validation"), test: path("test"), ..Default::default() };
    (folder, settings)
}

fn load_error(files: &[(&str, &str)]) -> String {
    let (folder, settings) = dataset(files);
    let text = Dataset::load(&settings, None).unwrap_err().to_string();
    text.replace(&format!("{}/", folder.path().display()), "")
}

fn label_ids(train: &str, model: Option<&[String]>) -> (Vec<String>, Vec<u32>) {
    let (_folder, settings) = dataset(&[("train.csv", train)]);
    let dataset = Dataset::load(&settings, model).unwrap();
    (dataset.labels.names.clone(), dataset.train.examples.iter().map(|e| e.label).collect())
}

#[test]
fn labels_become_class_ids() {
    let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
    let by_value = label_ids("text,label\na,10\nb,2\nc,0\n", None);
    assert_eq!(by_value, (names(&["0", "2", "10"]), vec![2, 1, 0]));
    assert_eq!(label_ids("text,label\na,yes\nb,no\n", None), (names(&["no", "yes"]), vec![1, 0]));
    let model = names(&["yes", "maybe", "no"]);
    assert_eq!(label_ids("text,label\na,yes\nb,no\n", Some(&model)), (model.clone(), vec![0, 2]));
    let uncovered = label_ids("text,label\na,yes\nb,perhaps\n", Some(&model));
    assert_eq!(uncovered, (names(&["perhaps", "yes"]), vec![1, 0]));
}

#[test]
fn faults_of_a_dataset_say_where_and_what() {
    let good = ("train.csv", "text,label\na,x\nb,y\n");
    let seen = load_error(&[good, ("test.csv", "text,label\na,x\nb,\u{1b}z\n")]);
    let expected = "test.csv:3: the label \"\\u{1b}z\" is not among those of the training file train.csv: x, y";
    assert_eq!(seen, expected);
    assert!(load_error(&[good, ("validation.tsv", "text\tlabel\na\tz\n")]).starts_with("validation.tsv:2: the label"));
    let seen = load_error(&[("train.csv", "text,label\na,x\nb,x\n")]);
    assert_eq!(seen, "train.csv: every row has the label \"x\"; classification needs at least two");
    let seen = load_error(&[("train.tsv", "text\tlabel\n \tx\nb\tx\n\ty\n")]);
    let expected = "2 of 3 rows are broken\n  train.tsv:2: the text is empty\n  train.tsv:4: the text is empty\n; repair \
                    them, or set data.max_bad_share (now 0) to the share of rows that may be left out";
    assert_eq!(seen, expected);
    let many = format!("text,label\n{}", "a,\n".repeat(12));
    let seen = load_error(&[("train.csv", &many)]);
    assert!(seen.starts_with("12 of 12 rows are broken\n  train.csv:2: the label is empty\n"), "{seen}");
    assert!(seen.contains("  train.csv:11: the label is empty\n  and 2 more\n"), "{seen}");
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_neighbour() {
    let (folder, mut settings) = dataset(&[("train.csv", "text,label\na,x\nb,y\n")]);
    settings.train = Some(folder.path().join("trian.csv"));
    let error = Dataset::load(&settings, None).unwrap_err();
    assert!(matches!(&error, DataError::NotFound { setting: "data.train", .. }));
    assert!(error.to_string().ends_with(&format!("did you mean {}?", folder.path().join("train.csv").display())));
    assert!(matches!(Dataset::load(&DataSettings::default(), None), Err(DataError::NoTraining)));
}

#[test]
fn the_catalogue_knows_the_demo_alone() {
    let named = |id: &str| DataSettings { id: Some(id.into()), ..Default::default() };
    let demo = Dataset::load(&named("builtin:demo"), None).unwrap();
    let ones = demo.train.examples.iter().filter(|e| e.label == 1).count() as f64 / demo.train.examples.len() as f64;
    assert!((0.4..=0.6).contains(&ones), "share of class 1: {ones}");
    assert!(demo.validation.is_some() && demo.test.is_some());
    assert_eq!(demo.train.sha256.len(), 64);
    let error = Dataset::load(&named("glue"), None).unwrap_err().to_string();
    assert!(error.contains("\"glue\": no such dataset; there is builtin:demo"), "{error}");
    let both = DataSettings { train: Some("a.csv".into()), ..named("builtin:demo") };
    assert!(matches!(Dataset::load(&both, None), Err(DataError::IdAndPaths { setting: "data.train" })));
}

#[test]
fn a_validation_file_is_the_validation_split() {
    let train = ("train.csv", "text,label\na,0\nb,1\nc,0\n");
    let (_folder, settings) = dataset(&[train, ("validation.csv", "text,label\nd,1\n")]);
    let splits = split(Dataset::load(&settings, None).unwrap(), 0.5, true, 1).unwrap();
    let texts = |rows: &[autolora::data::Example]| rows.iter().map(|e| e.text.clone()).collect::<Vec<_>>().concat();
    assert_eq!((texts(&splits.train), texts(&splits.validation)), ("abc".into(), "d".into()));
    let (_folder, settings) = dataset(&[train]);
    let splits = split(Dataset::load(&settings, None).unwrap(), 0.5, false, 1).unwrap();
    assert_eq!((texts(&splits.train), texts(&splits.validation)), ("a".into(), "bc".into()));
    let error = split(Dataset::load(&settings, None).unwrap(), 0.99, false, 1).unwrap_err();
    assert!(
        error.to_string().contains("3 training rows split by search.validation_share = 0.99 leave no row for D_tr")
    );
}

/// The folder of large data beside the repository, where there is one.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn glue_files_load() {
    let Some(glue) = shared("data/glue") else { return };
    let load = |folder: &str, text: &str, label: &str| {
        let settings = DataSettings {
            train: Some(glue.join(folder).join("train.tsv")),
            test: Some(glue.join(folder).join("dev.tsv")),
            text: text.into(),
            label: label.into(),
            ..Default::default()
        };
        let dataset = Dataset::load(&settings, None).unwrap();
        let test = dataset.test.unwrap();
        (dataset.train.examples.len(), test.examples.len(), dataset.labels.names, test.examples[0].text.clone())
    };
    let names = vec!["0".to_owned(), "1".to_owned()];
    let sst2 = load("SST-2", "sentence", "label");
    assert_eq!(sst2, (67349, 872, names.clone(), "it 's a charming and often affecting journey . ".into()));
    let cola = load("CoLA", "4", "2");
    assert_eq!(cola, (8551, 1043, names, "The sailors rode the breeze clear of the rocks.".into()));
}

#[test]
fn truncation_and_padding_of_the_file_are_overridden() {
    let Some(model) = shared("models/all-MiniLM-L6-v2") else { return };
    let bytes = std::fs::read(model.join("tokenizer.json")).unwrap();
    let encode = |max_length, text: &str, pair: Option<&str>| {
        let encoder = TextEncoder::new("tokenizer.json", &bytes, max_length).unwrap();
        let example = autolora::data::Example { text: text.into(), pair: pair.map(str::to_owned), label: 0 };
        let mut told = Vec::new();
        let mut rows = encoder.encode(&[example], |done, all| told.push((done, all))).unwrap();
        assert_eq!((told, encoder.vocabulary(), encoder.pad_id()), (vec![(1, 1)], 30522, 0));
        (rows.rows.remove(0), rows.truncated)
    };
    let (short, cut) = encode(512, "Hello world", None);
    assert_eq!((short.ids, short.type_ids, cut), (vec![101, 7592, 2088, 102], vec![0; 4], 0));
    let (long, cut) = encode(512, &"hello ".repeat(300), None);
    assert_eq!((long.ids.len(), cut), (302, 0));
    let (pair, cut) = encode(9, "one two three four five six", Some("hello world"));
    assert_eq!(pair.ids, [101, 2028, 2048, 2093, 2176, 102, 7592, 2088, 102]);
    assert_eq!((pair.type_ids, cut), (vec![0, 0, 0, 0, 0, 0, 1, 1, 1], 1));
}
