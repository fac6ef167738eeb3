//! `autolora datasets` and `autolora models`, the real program.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn autolora(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_autolora"))
        .args(arguments)
        .env("AUTOLORA_HOME", home)
        .env("HF_HOME", home)
        .env("HF_HUB_OFFLINE", "1")
        .env_remove("HF_HUB_CACHE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_catalogues_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, _) = autolora(home.path(), &["datasets", "--json"]);
    let ids: Vec<Value> = lines(&out).into_iter().map(|line| line["id"].clone()).collect();
    assert_eq!((code, ids.len(), &ids[2]), (0, 16, &Value::from("glue/cola")));
    let (_, table, _) = autolora(home.path(), &["datasets"]);
    assert!(table.contains("glue/stsb") && table.contains("spearman") && table.contains("entity_f1"), "{table}");
    std::fs::create_dir_all(home.path().join("hub/models--me--own/snapshots")).unwrap();
    let (_, out, _) = autolora(home.path(), &["models", "--json"]);
    let models = lines(&out);
    assert!(models.iter().any(|model| model["id"] == "microsoft/deberta-v3-base" && model["cached"] == false));
    assert!(models.iter().any(|model| model["id"] == "me/own" && model["cached"] == true));
}

#[test]
fn a_dataset_is_shown_with_its_labels_and_lengths() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, error) =
        autolora(home.path(), &["datasets", "show", "builtin:demo", "--json", "--max-length", "12"]);
    assert_eq!(code, 0, "{error}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    let train = &shown["parts"][0];
    assert_eq!((train["part"].as_str(), train["rows"].as_u64()), (Some("train"), Some(1600)));
    let labels = train["labels"].as_object().unwrap();
    assert_eq!(labels.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 1600);
    let lengths = &train["lengths"];
    let length = |name: &str| lengths[name].as_u64().unwrap();
    assert!(length("min") <= length("median") && length("median") <= length("p95") && length("p95") <= length("max"));
    let bins = lengths["histogram"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["rows"].as_u64().unwrap()).sum::<u64>(), 1600);
    assert_eq!(train["truncated"].as_u64().unwrap() > 0, length("max") > 12);
    assert_eq!((&shown["tokenizer"], &shown["columns"]["text"]["name"]), (&"builtin:demo".into(), &"sentence".into()));
}

#[test]
fn a_file_of_ones_own_is_shown_as_its_columns_look() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("train.tsv");
    std::fs::write(&file, "a\tB-x\nb\tI-x\nc\tO\n\nd\tB-y\ne\tB-x\n\nbroken\n\n").unwrap();
    let path = file.to_str().unwrap();
    // A line of one column is no tag: the look is not that of CoNLL, unless the format is said by the ending.
    let conll = home.path().join("train.conll");
    std::fs::copy(&file, &conll).unwrap();
    let (code, out, error) = autolora(home.path(), &["datasets", "show", conll.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0, "{error}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    let part = &shown["parts"][0];
    assert_eq!((&shown["task"], part["words"].as_u64(), part["rows"].as_u64()), (&"tagging".into(), Some(5), Some(2)));
    assert_eq!((part["entities"]["x"].as_u64(), part["entities"]["y"].as_u64()), (Some(2), Some(1)));
    assert_eq!(part["bad_rows"]["count"].as_u64(), Some(1));
    let (_, text, _) = autolora(home.path(), &["datasets", "show", conll.to_str().unwrap()]);
    for expected in
        ["text   tokens (by its name)", "task   tagging", "tokens of builtin:demo", "1 broken rows", "5 words"]
    {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(autolora(home.path(), &["datasets", "show", path]).0, 1);
    let scores = home.path().join("s.csv");
    std::fs::write(&scores, "text,score\na,0.5\nb,1.5\n").unwrap();
    let (_, out, _) = autolora(home.path(), &["datasets", "show", scores.to_str().unwrap(), "--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["task"], &shown["parts"][0]["scores"]["mean"]), (&"regression".into(), &1.0.into()));
}

#[test]
fn what_is_not_there_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, error) = autolora(home.path(), &["datasets", "show", "glue/col"]);
    assert!(code == 3 && error.contains("did you mean glue/cola?"), "{code} {error}");
    let (code, _, error) = autolora(home.path(), &["datasets", "show", "owner/name"]);
    assert!(code == 1 && error.contains("HF_HUB_OFFLINE is set"), "{code} {error}");
    let (code, _, error) = autolora(home.path(), &["datasets", "show", "nothing.csv"]);
    assert!(code == 3 && error.contains("no such file nothing.csv"), "{code} {error}");
}

#[test]
fn rows_of_generation_have_lengths_too() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, error) = autolora(home.path(), &["datasets", "show", "builtin:demo-generation", "--json"]);
    assert_eq!(code, 0, "{error}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["task"], &shown["tokenizer"]), (&"generation".into(), &"builtin:demo-generation".into()));
    let lengths = &shown["parts"][0]["lengths"];
    assert!(lengths["min"].as_u64() > Some(5) && lengths["max"].as_u64() < Some(128), "{lengths}");
}
