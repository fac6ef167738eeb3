//! Data files as users have them: every format, every fault.

use autolora::data::table::{Column, ReadOptions, Table};
use autolora::data::{
    Content, DataError, Dataset, Encoded, Example, IGNORED, Rows, SplitRule, Target, TextEncoder, split, tokenise,
};
use autolora::experiment::DataSettings;
use std::path::{Path, PathBuf};

const COLUMNS: &[Column] =
    &[Column { setting: "data.text", name: "text" }, Column { setting: "data.label", name: "label" }];

fn options() -> ReadOptions<'static> {
    ReadOptions { columns: COLUMNS, header: None, quote: None, max_rows: None }
}

/// Lines and fields of a table.
fn rows(file: &str, text: &str, options: ReadOptions) -> Vec<(usize, Vec<String>)> {
    let table = Table::parse(file, text.as_bytes(), options).unwrap();
    table.rows.into_iter().map(|row| (row.line, row.fields)).collect()
}

fn row(line: usize, text: &str, label: &str) -> (usize, Vec<String>) {
    (line, vec![text.into(), label.into()])
}

fn error(file: &str, bytes: &[u8], options: ReadOptions) -> String {
    Table::parse(file, bytes, options).unwrap_err().to_string()
}

#[test]
fn csv_is_rfc_4180() {
    let text = "\u{feff}id,label,text\r\n1,yes,\"a, \"\"quoted\"\" one\"\r\n\r\n2,no,\"over\nlines\"\r\n3,no,plain";
    let expected = [row(2, "a, \"quoted\" one", "yes"), row(4, "over\nlines", "no"), row(6, "plain", "no")];
    assert_eq!(rows("a.csv", text, options()), expected);
}

#[test]
fn tsv_has_no_quoting_unless_asked() {
    let text = "text\tlabel\n\"a\t1\n5\" pipe\"\t0\r\n";
    assert_eq!(rows("a.TSV", text, options()), [row(2, "\"a", "1"), row(3, "5\" pipe\"", "0")]);
    let quoted = ReadOptions { quote: Some("'"), ..options() };
    assert_eq!(rows("a.tsv", "text\tlabel\n'a\tb'\t1\n", quoted), [row(2, "a\tb", "1")]);
}

#[test]
fn json_lines_hold_texts_numbers_and_booleans() {
    let text = "{\"label\": 1, \"text\": \"a\\nb\", \"more\": [1]}\n\n{\"text\": \"c\", \"label\": true}\n";
    assert_eq!(rows("a.jsonl", text, options()), [row(1, "a\nb", "1"), row(3, "c", "true")]);
}

#[test]
fn columns_given_as_numbers_mean_no_header() {
    let columns = [Column { setting: "data.text", name: "4" }, Column { setting: "data.label", name: "2" }];
    let text = "gj\t1\t\tfirst\ngj\t0\t*\tsecond\n";
    let numbered = ReadOptions { columns: &columns, ..options() };
    assert_eq!(rows("a.tsv", text, numbered), [row(1, "first", "1"), row(2, "second", "0")]);
    let said = ReadOptions { header: Some(true), ..numbered };
    assert!(error("a.tsv", text.as_bytes(), said).contains("no such column"));
}

#[test]
fn a_limit_reads_only_the_first_rows() {
    let one = ReadOptions { max_rows: Some(1), ..options() };
    assert_eq!(rows("a.csv", "text,label\na,1\nb,2,3\n", one), [row(2, "a", "1")]);
    assert_eq!(rows("a.jsonl", "{\"text\":\"a\",\"label\":1}\n{", one), [row(1, "a", "1")]);
}

#[test]
fn faults_say_where_and_what() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("a.txt", b"", "a.txt: unknown format .txt; allowed: .csv, .tsv, .jsonl (one JSON object a line)"),
        ("a.csv", b"", "a.csv has no rows; one row a line is needed"),
        ("a.csv", b"text,label\n", "a.csv has no rows after its header; one row a line is needed"),
        ("a.jsonl", b"\n \n", "a.jsonl has no rows; one row a line is needed"),
        (
            "a.csv",
            b"text,label\na,1\n\nb,1,2\n",
            "a.csv:4: 3 fields where 2 fields expected; a separator or a quote is missing or one too many",
        ),
        ("a.tsv", b"text\tlabel\na\t1\nb\n", "a.tsv:3: 1 field where 2 fields expected"),
        ("a.csv", b"text,label\na,1\n\"b,1\nc,1\n", "a.csv:3: a quote opens here and never closes"),
        ("a.csv", b"text,label\na,1\nb\xff,1\n", "a.csv:3: not UTF-8 text; save it as UTF-8"),
        ("a.csv", b"\xff\xfet\0", "a.csv:1: not UTF-8 text; it is UTF-16"),
        ("a.csv", b"text,label,text\n", "a.csv: the column \"text\" is there twice"),
        (
            "a.csv",
            b"Text,labels\na,1\n",
            "data.text = \"text\": a.csv has no such column; did you mean Text?; its columns: Text, labels",
        ),
        (
            "a.jsonl",
            b"{\"text\":\"a\",\"lable\":1}",
            "data.label = \"label\": a.jsonl has no such column; did you mean lable?",
        ),
        (
            "a.jsonl",
            b"{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}",
            "a.jsonl:2: no \"label\" in this row; it has text",
        ),
        (
            "a.jsonl",
            b"{\"text\":\"a\",\"label\":1}\n{\"text\":",
            "a.jsonl:2: not a JSON object: EOF while parsing a value",
        ),
        ("a.json", b"[{\"text\":\"a\"}]", "a.json:1: a JSON array; one object a line is needed"),
        ("a.jsonl", b"{\"text\":null,\"label\":1}", "a.jsonl:1: \"text\" is null; a text or a number is needed"),
        ("a.jsonl", b"{\"text\":\"a\",\"text\":\"b\"}", "a.jsonl:1: the key \"text\" is there twice"),
        ("a.csv", b"te\x1bxt,label\n", "its columns: te\\u{1b}xt, label"),
    ];
    for (file, bytes, expected) in cases {
        let seen = error(file, bytes, options());
        assert!(seen.contains(expected), "{seen:?} does not say {expected:?}");
    }
    let quote = ReadOptions { quote: Some("''"), ..options() };
    assert!(error("a.tsv", b"text\tlabel\n", quote).contains("data.quote: \"''\" is not one ASCII character"));
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
    let text = Dataset::load(&settings, None).unwrap_err().to_string();
    text.replace(&format!("{}/", folder.path().display()), "")
}

fn label_ids(train: &str, model: Option<&[String]>) -> (Vec<String>, Vec<u32>) {
    let (_folder, settings) = dataset(&[("train.csv", train)]);
    let dataset = Dataset::load(&settings, model).unwrap();
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
    assert_eq!(seen, "train.csv: every row has the label \"x\"; classification needs at least two");
    let seen = load_error(&[("train.tsv", "text\tlabel\n \tx\nb\tx\n\ty\n")]);
    assert_eq!(seen, "train.tsv: 2 rows have an empty text: line 2, 4; remove or fill them");
    let many = format!("text,label\n{}", "a,\n".repeat(12));
    let seen = load_error(&[("train.csv", &many)]);
    assert!(seen.contains("12 rows have an empty label: line 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...;"), "{seen}");
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
    let ones = demo.train.examples().unwrap().iter().filter(|e| e.target.class() == Some(1)).count() as f64;
    let ones = ones / demo.train.examples as f64;
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
    let loaded = Dataset::load(&settings, None).unwrap();
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
    let bytes = include_bytes!("../assets/demo/tokenizer.json");
    let tokens = |settings: &DataSettings, max_length| {
        let loaded = Dataset::load(settings, None).unwrap();
        let encoder = TextEncoder::new("tokenizer.json", bytes, max_length).unwrap();
        let mut told = Vec::new();
        let (rows, facts) =
            tokenise(&loaded.train, &encoder, folder.path(), |done, all| told.push((done, all))).unwrap();
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
    // What the cache has is what is read: a row is changed there, and seen.
    let path = one.first().unwrap();
    let mut stored = std::fs::read(path).unwrap();
    stored[8] ^= 1;
    std::fs::write(path, &stored).unwrap();
    let second = tokens(&settings, 64);
    assert_eq!((second[0].ids[0], &second[1..]), (first[0].ids[0] ^ 1, &first[1..]));
    assert_eq!(files(), one);
    // Another length, other columns, other content: other files.
    assert!(tokens(&settings, 4).iter().all(|row| row.ids.len() <= 4));
    assert_eq!(files().len(), 2);
    let swapped = DataSettings { text: "label".into(), label: "text".into(), ..settings.clone() };
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
