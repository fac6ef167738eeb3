//! Data files as users have them: every format, every fault.

mod doubts;
mod formats;
mod triples;
mod verb;
mod vocabularies;

use autolora::data::hub::Hub;
use autolora::data::sources::locate;
use autolora::data::{
    Content, DataError, Dataset, Encode, Encoded, Example, IGNORED, Rows, SplitRule, Target, TextEncoder, split,
    tokenise,
};
use autolora::experiment::{DataSettings, Task};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The dataset of settings that need no network.
fn load(settings: &DataSettings, model: Option<&[String]>) -> Result<Dataset, DataError> {
    Dataset::load(settings, locate(settings, &Hub::from_env(), &mut autolora::data::hub::unwatched)?, model)
}

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
    let text = load(&settings, None).unwrap_err().to_string();
    text.replace(&format!("{}/", folder.path().display()), "")
}

fn label_ids(train: &str, model: Option<&[String]>) -> (Vec<String>, Vec<u32>) {
    let (_folder, settings) = dataset(&[("train.csv", train)]);
    let dataset = load(&settings, model).unwrap();
    let class = |example: &Example| example.target.class().unwrap();
    (dataset.labels.names.clone(), dataset.train.examples().unwrap().iter().map(class).collect())
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
    assert_eq!(seen, "train.csv: every row has the label \"x\"; at least two are needed");
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
fn columns_are_taken_by_their_usual_names() {
    let seen = |file: &str, text: &str, task: Task| {
        let (_folder, settings) = dataset(&[(file, text)]);
        let loaded = load(&DataSettings { task, ..settings }, None).unwrap();
        (loaded.notices().concat(), loaded.train.examples().unwrap().remove(0))
    };
    let (said, first) = seen("train.csv", "idx,Question,sentence,label\n1,q,s,0\n2,q,s,1\n", Task::Classification);
    let expected =
        "columns taken by their names: data.text = \"Question\", data.text_pair = \"sentence\", data.label = \"label\"";
    assert_eq!((said.as_str(), first.content), (expected, Content::Text { text: "q".into(), pair: Some("s".into()) }));
    let (_, first) = seen("train.jsonl", "{\"score\": 2.5, \"label\": 1, \"text\": \"a\"}\n", Task::Regression);
    assert_eq!(first.target, Target::Score(2.5));
    let (_, first) = seen("train.tsv", "a\tO\nb\tB-x\n\nc\tO\n", Task::Tagging);
    assert_eq!(
        first,
        Example { content: Content::Words(vec!["a".into(), "b".into()]), target: Target::Tags(vec![1, 0]) }
    );
    let (said, first) = seen(
        "train.jsonl",
        "{\"id\": 1, \"tokens\": [\"a\"], \"ner_tags\": [0]}\n{\"id\": 1, \"tokens\": [\"a\"], \"ner_tags\": [1]}",
        Task::Tagging,
    );
    assert!(said.contains("data.label = \"ner_tags\""), "{said}");
    assert_eq!(first.target, Target::Tags(vec![0]));
    let seen = load_error(&[("train.csv", "a,b\n1,2\n")]);
    let expected = "train.csv: no column of the text can be told by its name; set data.text to one of a, b";
    assert_eq!(seen, expected);
    let seen = load_error(&[("train.csv", "text,b\n1,2\n")]);
    assert!(
        seen.contains("no column of the label can be told by its name; set data.label to one of text, b"),
        "{seen}"
    );
}

#[test]
fn broken_rows_are_said_and_left_out() {
    let text = "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\", \"B-x\"]}\n{\"tokens\": [\"a\"], \"tags\": []}\n\
                {\"tokens\": [\"a\"], \"tags\": [\"O\", \"O\"]}\n{\"tokens\": \"a\", \"tags\": [\"O\"]}\n";
    let (folder, settings) = dataset(&[("train.jsonl", text)]);
    let settings = DataSettings { task: Task::Tagging, max_bad_share: 0.75, ..settings };
    let loaded = load(&settings, None).unwrap();
    assert_eq!((loaded.train.examples, loaded.train.examples().unwrap().len()), (1, 1));
    let said = loaded.notices().concat().replace(&format!("{}/", folder.path().display()), "");
    for expected in [
        "3 of 4 rows of train.jsonl are broken and left out; the first:",
        "train.jsonl:2: the tags are empty",
        "train.jsonl:3: 1 words and 2 tags",
        "train.jsonl:4: the tokens are a text, where a list is needed",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let (folder, settings) = dataset(&[("train.csv", "text,label\na,0.5\nb,c\n")]);
    let seen = load(&DataSettings { task: Task::Regression, ..settings }, None).unwrap_err().to_string();
    let place = folder.path().join("train.csv").display().to_string();
    assert!(seen.starts_with(&format!("{place}:3: the label \"c\" is not a number")), "{seen}");
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_neighbour() {
    let (folder, mut settings) = dataset(&[("train.csv", "text,label\na,x\nb,y\n")]);
    settings.train = Some(folder.path().join("trian.csv"));
    let error = load(&settings, None).unwrap_err();
    assert!(matches!(&error, DataError::NotFound { setting: "data.train", .. }));
    assert!(error.to_string().ends_with(&format!("did you mean {}?", folder.path().join("train.csv").display())));
    assert!(matches!(load(&DataSettings::default(), None), Err(DataError::NoTraining)));
}

#[test]
fn the_demo_is_in_the_program() {
    let named = |id: &str| DataSettings { id: Some(id.into()), ..Default::default() };
    let demo = load(&named("builtin:demo"), None).unwrap();
    let ones = demo.train.examples().unwrap().iter().filter(|e| e.target.class() == Some(1)).count() as f64;
    let ones = ones / demo.train.examples as f64;
    assert!((0.4..=0.6).contains(&ones), "share of class 1: {ones}");
    assert!(demo.validation.is_some() && demo.test.is_some());
    assert_eq!(demo.train.sha256.len(), 64);
    let error = load(&named("glue"), None).unwrap_err().to_string();
    assert!(
        error.contains("\"glue\": no such dataset; did you mean glue/rte?; there is builtin:demo, builtin:demo-generation, glue/cola, "),
        "{error}"
    );
    let both = DataSettings { train: Some("a.csv".into()), ..named("builtin:demo") };
    assert!(matches!(load(&both, None), Err(DataError::IdAndPaths { setting: "data.train" })));
}

#[test]
fn a_validation_file_is_the_validation_split() {
    let train = ("train.csv", "text,label\na,0\nb,1\nc,0\n");
    let (_folder, settings) = dataset(&[train, ("validation.csv", "text,label\nd,1\n")]);
    let loaded = load(&settings, None).unwrap();
    let texts = |part: &autolora::data::Part| {
        part.examples().unwrap().iter().map(Example::shown_text).collect::<Vec<_>>().concat()
    };
    assert_eq!((texts(&loaded.train), texts(&loaded.validation.unwrap())), ("abc".into(), "d".into()));
    let row = |example| Encoded { ids: vec![example], type_ids: vec![0], target: Target::Class(0), example };
    let rows = Rows::from([0, 1, 2].map(row).to_vec());
    let rule = |validation_share| SplitRule { validation_share, shuffle: false, stratify: false, seed: 1 };
    let (first, second) = split(&rows, rule(0.5), "train.csv").unwrap();
    let ids = |rows: Rows| rows.iter().map(|row| row.unwrap().ids[0]).collect::<Vec<_>>();
    assert_eq!((ids(first), ids(second)), (vec![0], vec![1, 2]));
    let error = split(&rows, rule(0.99), "train.csv").unwrap_err();
    assert!(
        error.to_string().contains("3 training rows split by search.validation_share = 0.99 leave no row for training")
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
            text: Some(text.into()),
            label: Some(label.into()),
            ..Default::default()
        };
        let dataset = load(&settings, None).unwrap();
        let test = dataset.test.unwrap();
        let first = test.examples().unwrap()[0].shown_text();
        (dataset.train.examples, test.examples, dataset.labels.names, first)
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
        let content = Content::Text { text: text.into(), pair: pair.map(str::to_owned) };
        let example = Example { content, target: Target::Class(0) };
        let (mut rows, cuts) = encoder.encode(&[example], 0).unwrap();
        assert_eq!((encoder.vocabulary(), encoder.pad_id()), (30522, 0));
        (rows.remove(0), cuts.truncated)
    };
    let (short, cut) = encode(512, "Hello world", None);
    assert_eq!((short.ids, short.type_ids, cut), (vec![101, 7592, 2088, 102], vec![0; 4], 0));
    let (long, cut) = encode(512, &"hello ".repeat(300), None);
    assert_eq!((long.ids.len(), cut), (302, 0));
    let (pair, cut) = encode(9, "one two three four five six", Some("hello world"));
    assert_eq!(pair.ids, [101, 2028, 2048, 2093, 2176, 102, 7592, 2088, 102]);
    assert_eq!((pair.type_ids, cut), (vec![0, 0, 0, 0, 0, 0, 1, 1, 1], 1));
}

/// A tagged sentence whose tags are 1, 2, 3, ...
fn tagged(words: &[&str]) -> Example {
    let tags = (1..=words.len() as u32).collect();
    Example { content: Content::Words(words.iter().map(|w| w.to_string()).collect()), target: Target::Tags(tags) }
}

fn tags(row: &Encoded) -> &[u32] {
    let Target::Tags(tags) = &row.target else { panic!("{row:?} has no tags") };
    tags
}

#[test]
fn the_first_sub_word_carries_the_tag() {
    let Some(model) = shared("models/all-MiniLM-L6-v2") else { return };
    let bytes = std::fs::read(model.join("tokenizer.json")).unwrap();
    let encoder = TextEncoder::new("tokenizer.json", &bytes, 512).unwrap();
    // As transformers' BertTokenizerFast with is_split_into_words: hepatoblastoma is he ##pa ##to ##bla ##sto ##ma.
    let (rows, cuts) = encoder.encode(&[tagged(&["Familial", "hepatoblastoma", "cells"])], 7).unwrap();
    assert_eq!(rows[0].ids, [101, 6904, 4328, 6632, 2140, 2002, 4502, 3406, 28522, 16033, 2863, 4442, 102]);
    let none = IGNORED;
    assert_eq!(tags(&rows[0]), [none, 1, none, none, none, 2, none, none, none, none, none, 3, none]);
    assert_eq!((rows.len(), rows[0].example, cuts), (1, 7, Default::default()));
}

#[test]
fn a_long_sentence_goes_on_in_further_rows_and_no_word_is_lost() {
    let Some(model) = shared("models/all-MiniLM-L6-v2") else { return };
    let bytes = std::fs::read(model.join("tokenizer.json")).unwrap();
    let encoder = TextEncoder::new("tokenizer.json", &bytes, 8).unwrap();
    let words =
        ["the", "cell", "hepatoblastoma", "\u{200b}", "cells", "grow", "in", "vitro", "hepatoblastomahepatoblastoma"];
    let (rows, cuts) = encoder.encode(&[tagged(&words), tagged(&["short"])], 0).unwrap();
    let all: Vec<u32> =
        rows.iter().filter(|row| row.example == 0).flat_map(|row| row.target.tags().collect::<Vec<_>>()).collect();
    assert_eq!(all, (1..=9).collect::<Vec<u32>>(), "every word once, in order");
    for row in &rows {
        assert!(row.ids.len() <= 8 && row.ids.len() == tags(row).len() && row.ids.len() == row.type_ids.len());
        assert_eq!((row.ids[0], row.ids[row.ids.len() - 1]), (101, 102), "each piece has its special tokens");
    }
    assert_eq!((cuts.split, cuts.unknown_words, cuts.truncated), (1, 1, 0));
    assert_eq!(cuts.moved_words, 9 - rows[0].target.tags().count());
    assert_eq!(rows.last().unwrap().example, 1);
}

#[test]
fn tokens_are_kept_on_disk_by_content_and_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let (_data, settings) = dataset(&[("train.csv", "text,label\na b,x\nc,y\nd e f,x\n")]);
    let bytes = include_bytes!("../../assets/demo/tokenizer.json");
    let tokens = |settings: &DataSettings, max_length| {
        let loaded = load(settings, None).unwrap();
        let encoder = TextEncoder::new("tokenizer.json", bytes, max_length).unwrap();
        let mut told = Vec::new();
        let (rows, facts) = tokenise(&loaded.train, &encoder, folder.path(), |done, all| {
            told.push((done, all));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!((told, facts.rows, facts.examples), (vec![(3, 3)], 3, 3));
        rows.iter().map(|row| row.unwrap()).collect::<Vec<_>>()
    };
    let files = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let first = tokens(&settings, 64);
    let one = files();
    assert_eq!(one.len(), 1);
    // What the cache has is what is read, and a file that was damaged is written again.
    let path = one.first().unwrap();
    let file = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let whole = file();
    assert_eq!(tokens(&settings, 64), first);
    assert_eq!((files(), file()), (one.clone(), whole), "it was read");
    let mut stored = std::fs::read(path).unwrap();
    stored[8] ^= 1;
    std::fs::write(path, &stored).unwrap();
    assert_eq!(tokens(&settings, 64), first);
    assert_eq!(files(), one);
    assert_ne!(file(), whole, "it was written again");
    // Another length, other columns, other content: other files.
    assert!(tokens(&settings, 4).iter().all(|row| row.ids.len() <= 4));
    assert_eq!(files().len(), 2);
    let swapped = DataSettings { text: Some("label".into()), label: Some("text".into()), ..settings.clone() };
    tokens(&swapped, 64);
    assert_eq!(files().len(), 3);
    std::fs::write(settings.train.as_ref().unwrap(), "text,label\na b,x\nc,y\nd e g,x\n").unwrap();
    tokens(&settings, 64);
    assert_eq!(files().len(), 4);
    // A torn file is written again.
    std::fs::write(path, &stored[..stored.len() / 2]).unwrap();
    std::fs::write(settings.train.as_ref().unwrap(), "text,label\na b,x\nc,y\nd e f,x\n").unwrap();
    assert_eq!(tokens(&settings, 64), first);
}
