//! What can be read, but hardly as it is meant: said, and what cannot be guessed comes with advice.

use super::{dataset, load, load_error};
use autolora::experiment::{DataSettings, Task};

const PAIRS: &str = "sentence1\tsentence2\tscore\na b\tc d\t1.5\ne f\tg h\t4.0\n";

fn doubts(file: &str, text: &str, set: impl FnOnce(&mut DataSettings)) -> Vec<String> {
    let (_folder, mut settings) = dataset(&[(file, text)]);
    set(&mut settings);
    load(&settings, None).unwrap().doubts()
}

#[test]
fn a_second_text_that_is_not_read_is_said() {
    let regression = |settings: &mut DataSettings| settings.task = Task::Regression;
    assert_eq!(doubts("train.tsv", PAIRS, regression), Vec::<String>::new(), "a pair that is guessed is read");
    let one = |settings: &mut DataSettings| {
        regression(settings);
        settings.text = Some("sentence1".into());
    };
    let said = doubts("train.tsv", PAIRS, one);
    assert!(said.len() == 1 && said[0].contains("data.text_pair = \"sentence2\" reads both"), "{said:?}");
}

#[test]
fn a_header_that_is_read_as_a_row_is_said() {
    let by_number = |settings: &mut DataSettings| {
        settings.text = Some("1".into());
        settings.label = Some("2".into());
    };
    let said = doubts("train.tsv", "sentence\tlabel\na b\tyes\nc d\tno\n", by_number);
    assert!(said.len() == 1 && said[0].contains("looks like a header (sentence, label)"), "{said:?}");
    assert_eq!(doubts("train.tsv", "e f\tyes\na b\tyes\nc d\tno\n", by_number), Vec::<String>::new());
}

#[test]
fn tags_that_are_not_iob2_are_said() {
    let tags = |tags: &str| {
        let rows: Vec<String> = tags.split(' ').map(|tag| format!("word\t{tag}\n")).collect();
        doubts("train.conll", &rows.concat(), |settings| settings.task = Task::Tagging)
    };
    assert_eq!(tags("O B-x I-x O"), Vec::<String>::new());
    assert!(tags("O D O")[0].contains("no tag begins with B- or I- (D, O)"), "{:?}", tags("O D O"));
    assert!(tags("O I-x O")[0].contains("I- and no B-"));
    assert!(tags("O B-x E-x S-y")[0].contains("E-, S-, L- or U-"));
}

#[test]
fn what_cannot_be_guessed_comes_with_advice() {
    let cola = "gj04\t1\t\tOur friends won't buy this analysis.\ngj04\t0\t*\tThey drank the pub.\n";
    let error = load_error(&[("train.tsv", cola)]);
    assert!(error.contains("looks like a row: without a header the columns are 1, 2, 3, 4"), "{error}");
    let error = load_error(&[("train.csv", "text;label\na;yes\nb;no\n")]);
    assert!(error.contains("its first line has `;`"), "{error}");
    let error = load_error(&[("train.jsonl", "{\"text\": \"a\", \"similarity\": 0.5}\n")]);
    assert!(error.contains("data.task = \"regression\""), "{error}");
}

#[test]
fn a_file_of_which_no_line_is_json_says_why() {
    let error = load_error(&[("train.jsonl", "{\"text\":\"a\",\"label\":1},\n{\"text\":\"b\",\"label\":0},\n")]);
    assert!(error.starts_with("train.jsonl:1: ") && error.ends_with("; every line is so"), "{error}");
    assert!(error.contains("trailing"), "{error}");
}

#[test]
fn class_ids_stay_what_they_are_whatever_the_model_calls_them() {
    let (_folder, settings) = dataset(&[("train.csv", "text,label\na,0\nb,1\n")]);
    let model = ["1".to_string(), "0".to_string()];
    assert_eq!(load(&settings, Some(&model)).unwrap().labels.names, ["0", "1"]);
}
