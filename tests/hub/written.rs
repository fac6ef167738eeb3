//! Datasets of generation by their names in the catalogue: the columns, the forms of rows, the configurations of the hub.

use super::datasets::{find, hub, named, parquet, serve};
use autolora::data::{Content, DataError, Dataset, Part};
use autolora::experiment::catalogue::{CATALOGUE, DataPlace};
use autolora::experiment::{DataSettings, Task};

fn written(id: &str) -> DataSettings {
    DataSettings { task: Task::Generation, ..named(id) }
}

/// The texts of a part's rows, prompt and reply with `>` between.
fn texts(part: &Part) -> Vec<String> {
    let text = |content| match content {
        Content::Dialogue(dialogue) => {
            let (prompt, reply) = dialogue.text.split_at(dialogue.replies[0].start);
            format!("{prompt}>{reply}")
        }
        Content::Instruction(row) => format!("{row:?}"),
        other => panic!("{other:?}"),
    };
    part.examples().unwrap().into_iter().map(|example| text(example.content)).collect()
}

/// What a dataset is, where the hub has these files, and the cache that holds them.
fn loaded(settings: &DataSettings, files: &[(&str, &str)]) -> Result<(Dataset, String, tempfile::TempDir), DataError> {
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, fixture)| (*name, parquet(fixture))).collect();
    let (server, cache) = (serve(&files), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let sources = find(settings, &hub)?;
    let about = sources.about.clone();
    Ok((Dataset::load(settings, sources, None)?, about, cache))
}

#[test]
fn webnlg_and_dart_are_their_triples() {
    let at = |split: &str| format!("convert/webnlg-challenge/web_nlg/webnlg_challenge_2017/{split}/0000.parquet");
    let other = "convert/webnlg-challenge/web_nlg/release_v2/train/0000.parquet";
    let (script, train, test) = ("webnlg-challenge/web_nlg/web_nlg.py", at("train"), at("test"));
    let files =
        [(script, "e2e.parquet"), (&train, "webnlg.parquet"), (&test, "webnlg.parquet"), (other, "e2e.parquet")];
    let (dataset, about, _cache) = loaded(&written("webnlg"), &files).unwrap();
    let expected = "webnlg-challenge/web_nlg, configuration webnlg_challenge_2017, train: train, test: test";
    assert_eq!(about, expected);
    let prompt = "A b : p : C, d | A b : q : E";
    let rows = [format!("{prompt}>One."), format!("{prompt}>Two."), "F : r : G>Two.".into()];
    assert_eq!((texts(&dataset.train), texts(dataset.test.as_ref().unwrap())), (rows.to_vec(), rows.to_vec()));
    let said = dataset.notices();
    let left_out = "left out: 1 text in ru, not en; 2 texts marked toFix, not good; 1 entry without a text";
    assert!(said.contains(&format!("data.test: {left_out}")), "{said:?}");

    let dart = [
        ("Yale-LILY/dart/dart.py", "e2e.parquet"),
        ("convert/Yale-LILY/dart/default/train/0000.parquet", "dart.parquet"),
        ("convert/Yale-LILY/dart/default/test/0000.parquet", "dart.parquet"),
    ];
    let (dataset, _, _cache) = loaded(&written("dart"), &dart).unwrap();
    assert_eq!(texts(&dataset.train)[1], "Mars Hill : joined : 1973 | Mars Hill : location : Mars Hill>Two.");
}

#[test]
fn e2e_is_its_columns_in_the_only_configuration() {
    for config in ["default", "e2e_nlg"] {
        let at = |split: &str| format!("convert/tuetschek/e2e_nlg/{config}/{split}/0000.parquet");
        let (train, test) = (at("train"), at("test"));
        let files = [("tuetschek/e2e_nlg/x.py", "e2e.parquet"), (&train, "e2e.parquet"), (&test, "e2e.parquet")];
        let (dataset, about, _cache) = loaded(&written("e2e"), &files).unwrap();
        assert!(about.contains(&format!("configuration {config}, train: train, test: test")), "{about}");
        let prompt = "name[Aromi], food[Fast food]";
        assert_eq!(
            texts(&dataset.train),
            [format!("{prompt}>Aromi has fast food."), format!("{prompt}>Fast food: Aromi.")]
        );
        assert_eq!(dataset.columns.notice(), None, "the catalogue says the columns");
    }
}

#[test]
fn conversations_of_the_hub_are_messages() {
    let at = |config: &str, split: &str| format!("HuggingFaceTB/smoltalk/data/{config}/{split}-00000-of-00001.parquet");
    let files = [at("everyday-conversations", "train"), at("everyday-conversations", "test"), at("all", "train")];
    let files = files.each_ref().map(|name| (name.as_str(), "messages.parquet"));
    let (dataset, about, _cache) = loaded(&written("everyday-conversations"), &files).unwrap();
    assert!(about.contains("configuration everyday-conversations, train: train, test: test"), "{about}");
    assert_eq!((dataset.train.examples, dataset.test.as_ref().unwrap().examples), (2, 2));
    assert!(texts(&dataset.train)[1].contains("be brief"), "{:?}", texts(&dataset.train));
}

#[test]
fn every_dataset_that_is_written_is_at_a_place_that_is_read() {
    let entries = CATALOGUE.iter().filter(|entry| entry.task == Task::Generation && entry.place != DataPlace::Embedded);
    let ids: Vec<&str> = entries.map(|entry| entry.id).collect();
    assert_eq!(ids, ["e2e", "webnlg", "dart", "everyday-conversations"], "each has its test above");
    // Of several configurations none is taken unsaid.
    let files = [
        ("tuetschek/e2e_nlg/x.py", "e2e.parquet"),
        ("convert/tuetschek/e2e_nlg/a/train/0000.parquet", "e2e.parquet"),
        ("convert/tuetschek/e2e_nlg/b/train/0000.parquet", "e2e.parquet"),
    ];
    let error = loaded(&self::written("e2e"), &files).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("data.config: the dataset tuetschek/e2e_nlg at revision refs/convert/parquet"),
        "{error}"
    );
    // Columns of one's own turn the form off, and what is in them is said.
    let gem = [("me/gem/train.parquet", "webnlg.parquet"), ("me/gem/test.parquet", "webnlg.parquet")];
    let own = DataSettings { text: Some("category".into()), label: Some("lex".into()), ..self::written("me/gem") };
    let error = loaded(&own, &gem).map(drop).unwrap_err().to_string();
    assert!(error.contains("\"lex\" is neither a text, a number nor a list of them"), "{error}");
}
