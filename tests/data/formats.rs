//! Rows of every format: what is read, and what is said where they cannot be.

use autolora::data::DataError;
use autolora::data::formats::look;
use autolora::data::input::Input;
use autolora::data::reader::{Column, Field, ReadOptions, Row, Summary, Verdict, read};
use autolora::experiment::FileFormat;
use std::path::Path;

fn columns<'a>(text: &'a str, label: &'a str) -> [Column<'a>; 2] {
    [Column::new("data.text", text), Column::new("data.label", label)]
}

/// All rows of a file that takes every row that the format finds right, empty or not.
fn rows_of(input: &Input, options: &ReadOptions) -> Result<(Vec<Row>, Summary), DataError> {
    let mut rows = Vec::new();
    let summary = read(std::slice::from_ref(input), options, &mut |_, row| {
        rows.push(row);
        Ok(Verdict::Taken)
    })?;
    Ok((rows, summary))
}

/// Lines and fields of the columns `text` and `label`.
fn texts(file: &str, text: &str, options: &ReadOptions) -> Vec<(usize, String, String)> {
    let (rows, _) = rows_of(&Input::memory("data.train", file, text.as_bytes()), options).unwrap();
    let said = |field: &Field| match field {
        Field::Text(text) => text.clone(),
        Field::List(items) => items.join("|"),
        Field::Missing => "(missing)".into(),
        Field::Object(map) => format!("{map:?}"),
    };
    rows.iter().map(|row| (row.line, said(&row.fields[0]), said(&row.fields[1]))).collect()
}

fn columns_of<'a>(text: &'a str, label: &'a str) -> [Column<'a>; 2] {
    columns(text, label)
}

fn row(line: usize, text: &str, label: &str) -> (usize, String, String) {
    (line, text.into(), label.into())
}

fn error(file: &str, bytes: &[u8], options: &ReadOptions) -> String {
    rows_of(&Input::memory("data.train", file, bytes), options).unwrap_err().to_string()
}

#[test]
fn csv_is_rfc_4180() {
    let text = "\u{feff}id,label,text\r\n1,yes,\"a, \"\"quoted\"\" one\"\r\n\r\n2,no,\"over\r\nlines\"\r\n3,no,pl\"ain\n4,\"\",";
    let expected =
        [row(2, "a, \"quoted\" one", "yes"), row(4, "over\r\nlines", "no"), row(6, "pl\"ain", "no"), row(7, "", "")];
    assert_eq!(texts("a.csv", text, &ReadOptions::of(&columns("text", "label"))), expected);
}

#[test]
fn tsv_has_no_quoting_unless_asked() {
    let columns = columns("text", "label");
    let text = "text\tlabel\n\"a\t1\n5\" pipe\"\t0\r\n";
    assert_eq!(texts("a.TSV", text, &ReadOptions::of(&columns)), [row(2, "\"a", "1"), row(3, "5\" pipe\"", "0")]);
    let quoted = ReadOptions { quote: Some("'"), ..ReadOptions::of(&columns) };
    assert_eq!(texts("a.tsv", "text\tlabel\n'a\tb'\t1\n", &quoted), [row(2, "a\tb", "1")]);
}

#[test]
fn json_lines_hold_texts_numbers_booleans_and_lists() {
    let columns = columns("text", "label");
    let text = "{\"label\": 1, \"text\": \"a\\nb\", \"more\": [[1]]}\n\n{\"text\": [\"c\", \"d\"], \"label\": [0, true]}\n\
                {\"text\": null, \"label\": 2.5}\n";
    let expected = [row(1, "a\nb", "1"), row(3, "c|d", "0|true"), row(4, "(missing)", "2.5")];
    assert_eq!(texts("a.jsonl", text, &ReadOptions::of(&columns)), expected);
}

#[test]
fn a_json_array_has_the_rows_of_its_objects() {
    let columns = columns("text", "label");
    let text = "[\n  {\"text\": \"a\",\n   \"label\": 1},\n  {\"text\": [\"c\"], \"label\": 0}, {\n  \"label\":\n2, \"text\": \"d\"}\n]\n";
    let expected = [row(2, "a", "1"), row(4, "c", "0"), row(4, "d", "2")];
    assert_eq!(texts("a.json", text, &ReadOptions::of(&columns)), expected);
    let seen = error("a.json", b"[{\"text\": 1,\n\"label\": 2}, 7,\n{\"text\":\n,}]", &ReadOptions::of(&columns));
    let expected =
        "2 of 3 rows are broken\n  a.json:2: not a JSON object: invalid type: integer `7`, expected a JSON object";
    assert!(seen.starts_with(expected), "{seen}");
    assert!(seen.contains("\n  a.json:3: not a JSON object: expected value (line 4, column 1)"), "{seen}");
}

#[test]
fn columns_given_as_numbers_mean_no_header() {
    let columns = columns("4", "2");
    let text = "gj\t1\t\tfirst\ngj\t0\t*\tsecond\n";
    let numbered = ReadOptions::of(&columns);
    assert_eq!(texts("a.tsv", text, &numbered), [row(1, "first", "1"), row(2, "second", "0")]);
    let said = ReadOptions { header: Some(true), ..numbered };
    assert!(error("a.tsv", text.as_bytes(), &said).contains("no such column"));
}

#[test]
fn conll_sentences_are_rows_of_lists() {
    let columns = columns("tokens", "tags");
    let options = ReadOptions::of(&columns);
    let two = "-DOCSTART-\tO\r\n\r\nIL-2\tB-DNA\r\ngene\tI-DNA\r\n\r\n\r\n#\tO\r\n";
    assert_eq!(texts("a.conll", two, &options), [row(3, "IL-2|gene", "B-DNA|I-DNA"), row(7, "#", "O")]);
    let four = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n";
    assert_eq!(texts("a.iob2", four, &options), [row(3, "EU|rejects", "B-ORG|O")]);
    let by_number = columns_of("1", "2");
    assert_eq!(texts("a.bio", four, &ReadOptions::of(&by_number)), [row(3, "EU|rejects", "NNP|VBZ")]);
    // A last column that is empty is no tag, and the words around it are not a sentence.
    let seen = error("a.conll", b"a\tO\nb\n\nc\tO\tO\n\nd\tO\n\n\tO\n", &options);
    let expected = "3 of 4 rows are broken\n  a.conll:1: line 2 has 1 column where 2 are needed: a word and its tag\n  \
                    a.conll:4: line 4 has 3 columns where 2 are expected\n  a.conll:8: line 8 has no word\n";
    assert!(seen.starts_with(expected), "{seen}");
}

#[test]
fn a_tsv_of_words_and_tags_is_known_by_its_look() {
    let format = |file: &str, text: &str, tagging| {
        look(&Input::memory("data.train", file, text.as_bytes()), None, None, None, tagging).map(|look| look.format)
    };
    let iob = "a\tO\nb\tB-x\n\nc\tO\n";
    assert_eq!(format("a.tsv", iob, true).unwrap(), FileFormat::Conll);
    assert_eq!(format("a.txt", iob, true).unwrap(), FileFormat::Conll);
    assert_eq!(format("a.tsv", iob, false).unwrap(), FileFormat::Tsv);
    assert_eq!(format("a.tsv", "text\tlabel\na\tO\n\n", true).unwrap(), FileFormat::Tsv);
    assert!(format("a.txt", "a b\n", true).unwrap_err().to_string().contains("unknown format .txt"));
}

#[test]
fn a_limit_takes_only_the_first_rows_and_hashes_the_whole() {
    let columns = columns("text", "label");
    let one = ReadOptions { max_rows: Some(1), ..ReadOptions::of(&columns) };
    assert_eq!(texts("a.csv", "text,label\na,1\nb,2,3\n", &one), [row(2, "a", "1")]);
    assert_eq!(texts("a.jsonl", "{\"text\":\"a\",\"label\":1}\n{", &one), [row(1, "a", "1")]);
    assert_eq!(texts("a.conll", "a O\n\nb\n", &ReadOptions { columns: &columns_of("1", "2"), ..one }).len(), 1);
    let input = Input::memory("data.train", "a.csv", b"text,label\na,1\nb,2\n");
    let (_, first) = rows_of(&input, &one).unwrap();
    let (_, all) = rows_of(&input, &ReadOptions::of(&columns)).unwrap();
    assert_eq!((first.rows, all.rows, &first.sha256), (1, 2, &all.sha256));
    assert_eq!(all.sha256, "a8f2951e850df0a6862392d21a368409e3d8d793c895f9d414032d325ec6dacb");
}

#[test]
fn faults_say_where_and_what() {
    let columns = columns("text", "label");
    let options = ReadOptions::of(&columns);
    let cases: &[(&str, &[u8], &str)] = &[
        ("a.txt", b"", "a.txt: unknown format .txt; allowed: .csv, .tsv, .jsonl (one JSON object a line), .parquet"),
        ("a.csv", b"", "a.csv has no rows"),
        ("a.csv", b"text,label\n", "a.csv has no rows"),
        ("a.jsonl", b"\n \n", "a.jsonl has no rows"),
        ("a.conll", b"-DOCSTART- O\n \n", "a.conll has no rows"),
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
        ("a.conll", b"a O\n", "data.text = \"text\": a.conll has no such column; its columns: tokens, tags"),
        (
            "a.json",
            b"[\n{\"text\":\"a\",\"label\":1} {}]",
            "a.json:2: not a JSON array: `{` where a comma or `]` is needed",
        ),
        (
            "a.json",
            b"[\n{\"text\":\"a\",\"label\":1},\n",
            "a.json:2: the file ends before its JSON array does: a `]` is missing",
        ),
        ("a.csv", b"te\x1bxt,label\n", "its columns: te\\u{1b}xt, label"),
        ("a.parquet", b"PAR1", "a.parquet is no parquet file that can be read: "),
        ("a.parquet", b"PAR1    PAR1", "a.parquet is no parquet file that can be read: "),
    ];
    for (file, bytes, expected) in cases {
        let seen = error(file, bytes, &options);
        assert!(seen.contains(expected), "{seen:?} does not say {expected:?}");
    }
    let quote = ReadOptions { quote: Some("''"), ..options };
    assert!(error("a.tsv", b"text\tlabel\n", &quote).contains("data.quote: \"''\" is not one ASCII character"));
}

#[test]
fn broken_rows_are_counted_and_left_out_up_to_a_share() {
    let columns = columns("text", "label");
    let options = ReadOptions::of(&columns);
    let cases: &[(&str, &str, &str)] = &[
        (
            "a.csv",
            "text,label\na,1\n\nb,1,2\n",
            "a.csv:4: 3 fields where 2 fields expected; a separator or a quote is missing or one too many",
        ),
        ("a.tsv", "text\tlabel\na\t1\nb\n", "a.tsv:3: 1 field where 2 fields expected"),
        (
            "a.jsonl",
            "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}",
            "a.jsonl:2: no \"label\" in this row; it has text",
        ),
        (
            "a.jsonl",
            "{\"text\":\"a\",\"label\":1}\n{\"text\":",
            "a.jsonl:2: not a JSON object: EOF while parsing a value",
        ),
        (
            "a.jsonl",
            "{\"text\":\"a\",\"label\":1}\n{\"text\":{}}",
            "a.jsonl:2: \"text\" is an object; a text, a number",
        ),
        ("a.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":[[]]}", "\"text\" is a list of lists, objects or nulls"),
        (
            "a.jsonl",
            "{\"text\":\"a\",\"label\":1}\n{\"text\":1,\"text\":2}",
            "a.jsonl:2: the key \"text\" is there twice",
        ),
    ];
    for (file, text, expected) in cases {
        let seen = error(file, text.as_bytes(), &options);
        assert!(seen.contains(expected), "{seen:?} does not say {expected:?}");
        assert!(seen.ends_with("set data.max_bad_share (now 0) to the share of rows that may be left out"), "{seen}");
        let half = ReadOptions { max_bad_share: 0.5, ..options };
        let (rows, summary) = rows_of(&Input::memory("data.train", file, text.as_bytes()), &half).unwrap();
        assert_eq!((rows.len(), summary.rows, summary.bad.count, summary.bad.first.len()), (1, 1, 1, 1));
    }
    let text = format!("text,label\n{}{}", "a,1\n".repeat(88), "a\n".repeat(12));
    let few = ReadOptions { max_bad_share: 0.1, ..options };
    let seen = error("a.csv", text.as_bytes(), &few);
    assert!(seen.starts_with("12 of 100 rows are broken\n  a.csv:90: 1 field"), "{seen}");
    assert!(
        seen.contains("  a.csv:99: 1 field where 2 fields expected") && seen.contains("\n  and 2 more\n"),
        "{seen}"
    );
    let enough = ReadOptions { max_bad_share: 0.12, ..options };
    let (rows, summary) = rows_of(&Input::memory("data.train", "a.csv", text.as_bytes()), &enough).unwrap();
    assert_eq!((rows.len(), summary.bad.count, summary.bad.first.len()), (88, 12, 10));
}

fn fixture(name: &str) -> Input {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name);
    Input { name: name.into(), ..Input::disk("data.train", &path) }
}

#[test]
fn parquet_rows_have_the_class_names_of_the_features() {
    let input = fixture("pairs.parquet");
    let seen = look(&input, None, None, None, false).unwrap();
    assert_eq!(seen.columns, ["sentence1", "sentence2", "label", "idx"]);
    let names = &seen.classes["label"];
    let columns = [
        Column { setting: "data.label", name: "label", classes: Some(names) },
        Column::new("data.text_pair", "sentence2"),
        Column::new("data.text", "sentence1"),
    ];
    let options = ReadOptions { max_bad_share: 0.2, ..ReadOptions::of(&columns) };
    let (rows, summary) = rows_of(&input, &options).unwrap();
    let text = |text: &str| Field::Text(text.into());
    assert_eq!(rows[0].fields, [text("equivalent"), text("one"), text("first")]);
    assert_eq!(rows[1].fields, [text("not_equivalent"), text("two\nlines"), text("second")]);
    assert_eq!(rows[4], Row { line: 5, fields: vec![text("equivalent"), text("five"), Field::Missing] });
    assert_eq!((rows.len(), summary.bad.count), (5, 1));
    assert_eq!(summary.bad.first[0].to_string(), "pairs.parquet:6: the label is -1: the row has none");
}

#[test]
fn parquet_lists_are_words_and_tags() {
    let input = fixture("tags.parquet");
    let seen = look(&input, None, None, None, true).unwrap();
    let columns = [
        Column::new("data.text", "tokens"),
        Column { setting: "data.label", name: "ner_tags", classes: Some(&seen.classes["ner_tags"]) },
    ];
    let (rows, _) = rows_of(&input, &ReadOptions::of(&columns)).unwrap();
    let list = |items: &[&str]| Field::List(items.iter().map(|item| item.to_string()).collect());
    assert_eq!(rows[0].fields, [list(&["a", "b", "c"]), list(&["O", "B-Disease", "I-Disease"])]);
    assert_eq!(rows[1].fields, [list(&[]), list(&[])]);
    assert_eq!(rows[2].fields, [list(&["d"]), list(&["B-Disease"])]);
}

#[test]
fn parquet_of_other_writers_is_read() {
    let input = fixture("others.parquet");
    let names = ["text", "score", "double", "flag", "small"];
    let columns = names.map(|name| Column::new("data.text", name));
    let (rows, summary) = rows_of(&input, &ReadOptions::of(&columns)).unwrap();
    assert_eq!(summary.rows, 200);
    let said = |row: &Row| row.fields.iter().map(|f| f.text(&columns[0]).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(said(&rows[0]), ["text 0", "0", "0", "true", "-100"]);
    assert_eq!(said(&rows[199]), ["text 199", "49.75", "24.875", "false", "99"]);
    let seen = rows_of(&fixture("gzip.parquet"), &ReadOptions::of(&self::columns("text", "label"))).unwrap_err();
    assert!(seen.to_string().contains("gzip.parquet is no parquet file that can be read: "), "{seen}");
}

#[test]
fn a_damaged_parquet_file_is_an_error_and_no_panic() {
    let whole =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet/tags.parquet")).unwrap();
    let columns = columns("tokens", "ner_tags");
    for place in (4..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        // Some bytes do not matter; none may end the program.
        let _ = rows_of(&Input::memory("data.train", "a.parquet", &bytes), &ReadOptions::of(&columns));
    }
    assert!(
        rows_of(&Input::memory("data.train", "a.parquet", &whole[..whole.len() - 9]), &ReadOptions::of(&columns))
            .is_err()
    );
}

#[test]
fn several_files_are_one_part() {
    let columns = columns("text", "label");
    let files =
        ["x", "y"].map(|l| Input::memory("data.train", &format!("{l}.csv"), format!("text,label\na,{l}\n").as_bytes()));
    let mut seen = Vec::new();
    let summary = read(&files, &ReadOptions::of(&columns), &mut |input, row| {
        seen.push((input.name.clone(), row.fields[1].clone()));
        Ok(Verdict::Taken)
    });
    let text = |text: &str| Field::Text(text.into());
    assert_eq!(seen, [("x.csv".into(), text("x")), ("y.csv".into(), text("y"))]);
    let summary = summary.unwrap();
    assert_eq!(summary.rows, 2);
    assert_ne!(summary.sha256, files[0].sha256().unwrap());
    let one = read(&files[..1], &ReadOptions::of(&columns), &mut |_, _| Ok(Verdict::Taken)).unwrap();
    assert_eq!(one.sha256, files[0].sha256().unwrap());
}

#[test]
fn tagging_files_load() {
    let Some(ner) = super::shared("data/ner") else { return };
    let count = |file: &str| {
        let input = Input::disk("data.train", &ner.join(file));
        let seen = look(&input, None, None, None, true).unwrap();
        assert_eq!(
            (seen.format, seen.columns.as_slice()),
            (FileFormat::Conll, &["tokens".to_owned(), "tags".to_owned()][..])
        );
        let columns = columns("tokens", "tags");
        let options = ReadOptions { format: Some(seen.format), ..ReadOptions::of(&columns) };
        let (rows, _) = rows_of(&input, &options).unwrap();
        let words = |field: &Field| if let Field::List(items) = field { items.len() } else { 0 };
        (rows.len(), rows.iter().map(|row| words(&row.fields[0])).sum::<usize>())
    };
    // Counted with awk: sentences, and lines that are neither empty nor -DOCSTART-.
    assert_eq!(count("JNLPBA-IOB/test.tsv"), (3856, 101039));
    assert_eq!(count("NCBI-disease-IOB/test.tsv"), (940, 24497));
}
