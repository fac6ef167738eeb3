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
    assert_eq!((code, ids.len(), &ids[2]), (0, 20, &Value::from("glue/cola")));
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

const CHAT: &str = r#"{"messages": [{"role": "user", "content": "who\nare you?"}, {"role": "assistant", "content": "me"}]}
{"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
{"messages": [{"role": "user"}]}
"#;

#[test]
fn conversations_are_shown_by_role_and_with_a_model_as_its_template_has_them() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("my.jsonl");
    std::fs::write(&file, CHAT).unwrap();
    let path = file.to_str().unwrap();
    let show = |more: &[&str]| autolora(home.path(), &[&["datasets", "show", path], more].concat());
    let (code, text, error) = show(&[]);
    assert_eq!(code, 0, "{error}");
    for expected in [
        "rows are read as instruction data, by messages\n",
        "task   generation\ntokens are not counted: the template of --model MODEL makes the text of a conversation\n",
        "train: 2 rows, ",
        "1 broken rows; the first: ",
        "          2  messages of assistant\n          1  messages of system\n          2  messages of user\n",
        "the first row:\n  user       who\n             are you?\n  assistant  me\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let (_, out, _) = show(&["--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["tokenizer"], &shown["parts"][0]["lengths"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["example"]["messages"][1]["content"], "me");

    let model = home.path().join("model");
    std::fs::create_dir(&model).unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo-generation");
    std::fs::copy(assets.join("tokenizer.json"), model.join("tokenizer.json")).unwrap();
    let model = model.to_str().unwrap();
    let (code, text, error) = show(&["--model", model]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("has no chat template to make a text of a conversation\n"), "{text}");
    assert!(text.contains("  assistant  me\n"), "{text}");
    let template = "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}\n{% endfor %}\
                    {% if add_generation_prompt %}[assistant]\n{% endif %}";
    std::fs::write(Path::new(model).join("chat_template.jinja"), template).unwrap();
    let (code, text, error) = show(&["--model", model, "--max-length", "4"]);
    assert_eq!(code, 0, "{error}");
    let row = "the first row (> is learnt):\n  | [user]\n  | who\n  | are you?\n  | [assistant]\n  > me\n";
    assert!(text.contains(row), "{text}");
    assert!(
        text.contains(&format!("tokens of {model}\n")) && text.contains("  longer than 4 tokens: 2 rows"),
        "{text}"
    );
    let (_, out, _) = show(&["--model", model, "--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["example"]["text"][1], serde_json::json!({"part": "me\n", "learnt": true}));
    assert!(shown["parts"][0]["lengths"]["min"].as_u64() > Some(4), "{shown}");
}

#[test]
fn triples_are_shown_with_their_first_row_and_what_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    for (name, texts) in
        [("a.xml", "<lex>One\u{1b}[2J.</lex><lex lang=\"ru\">Раз.</lex>"), ("b.xml", "<lex>Two.</lex>")]
    {
        let triple = "<modifiedtripleset><mtriple>A_b | p | \"c\"</mtriple></modifiedtripleset>";
        let xml = format!("<benchmark><entries><entry>{triple}{texts}</entry></entries></benchmark>");
        std::fs::create_dir_all(home.path().join("webnlg")).unwrap();
        std::fs::write(home.path().join("webnlg").join(name), xml).unwrap();
    }
    let folder = home.path().join("webnlg");
    let (code, text, error) = autolora(home.path(), &["datasets", "show", folder.to_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    for expected in [
        "rows are read as triples and the texts that tell them, by modifiedtripleset and lex\ntask   generation\n",
        "train: 2 rows, ",
        "a.xml and 1 more\n  left out: 1 text in ru, not en\n  tokens: min ",
        "the first row (> is learnt):\n  | A b : p : c\n  > One?[2J.\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}
