//! Presets as files: editing keeps what the user wrote; saving, finding, renaming, deleting.

use autolora::experiment::{Origin, PresetDoc, PresetError, Presets, SETTINGS, Source, parse, read, resolve};
use proptest::prelude::*;
use std::path::Path;
use toml::Value;

fn source(text: &str) -> Source {
    Source { name: "test".into(), text: text.into(), folder: None }
}

fn open(text: &str) -> PresetDoc {
    PresetDoc::open(&source(text)).expect("TOML")
}

fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<_> = text.lines().filter_map(|line| Some(line[line.find('#')?..].to_string())).collect();
    comments.sort();
    comments
}

/// Presets in every style that TOML allows for a table, with comments in every place.
const STYLES: [&str; 6] = [
    include_str!("../presets/demo.toml"),
    "# only a comment\n",
    "search.steps = 3 # dotted\n# between\nsearch.weights.lr = 1e-3\ndata.id = \"builtin:demo\"\n# end",
    "# top\nsearch = { steps = 3, weights = { lr = 1e-3 } } # inline\n\n[data] # header\n# own line\nid = \"builtin:demo\"\n",
    "[search.weights] # without [search]\n# why\nlr = 1e-3 # so\n\n# the data\n[data]\nid = \"builtin:demo\"\n# last\n",
    "[lora]\n# many\ntargets = [\n  \"query\",\n  \"value\",\n]\n\n  # indented\n  rank = 8\n[data]\nid='builtin:demo'",
];

#[derive(Clone, Debug)]
enum Edit {
    Set(&'static str, Value),
    Unset(&'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    let values: Vec<(&'static str, Value)> = vec![
        ("model.id", "foo/bar".into()),
        ("data.text", "a \"b\" = \\ c".into()),
        ("data.shuffle", false.into()),
        ("lora.rank", 4.into()),
        ("lora.targets", vec!["key", "value"].into()),
        ("search.steps", 100.into()),
        ("search.weights.lr", 2e-5.into()),
        ("search.weights.betas", vec![0.5, 0.999].into()),
        ("search.selection_optimizer.lr", 0.1.into()),
        ("retrain.epochs", 1.5.into()),
        ("runtime.device", "cpu".into()),
    ];
    let keys: Vec<&'static str> = values.iter().map(|(key, _)| *key).chain(["search.warmup_steps"]).collect();
    prop_oneof![
        prop::sample::select(values).prop_map(|(key, value)| Edit::Set(key, value)),
        prop::sample::select(keys).prop_map(Edit::Unset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// After any edits every comment is there, the text is TOML, and the settings are those edited, no others.
    #[test]
    fn edits_keep_comments_and_change_only_what_they_name(
        style in prop::sample::select(&STYLES[..]),
        edits in prop::collection::vec(edit(), 0..12),
    ) {
        let mut doc = open(style);
        let said = |doc: &PresetDoc| SETTINGS.iter().map(|s| doc.get(s.key)).collect::<Vec<_>>();
        for edit in edits {
            let mut expected = said(&doc);
            let (key, value) = match &edit {
                Edit::Set(key, value) => {
                    doc.set(key, value).expect("nothing is in the way");
                    (*key, Some(value.clone()))
                }
                Edit::Unset(key) => {
                    doc.unset(key);
                    (*key, None)
                }
            };
            let place = SETTINGS.iter().position(|s| s.key == key).expect("a setting");
            expected[place] = value;
            prop_assert_eq!(&said(&doc), &expected, "{:?}\n{}", edit, doc.text());
            prop_assert_eq!(&said(&open(&doc.text())), &expected, "{:?}\n{}", edit, doc.text());
        }
        prop_assert_eq!(comments(&doc.text()), comments(style), "{}", doc.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever TOML is opened, saying and taking back every setting leaves TOML.
    #[test]
    fn any_toml_survives_every_edit(
        text in r#"(\[search\]|\[search.weights\]|\[\[data\]\]|\[data\]|search|weights|lr|data|id|\.|=|1|"x"|\{|\}|\[|\]|,|\n|#é){0,30}"#,
    ) {
        if let Ok(mut doc) = PresetDoc::open(&source(&text)) {
            for setting in SETTINGS {
                let is_set = doc.set(setting.key, &"x".into()).is_ok();
                prop_assert_eq!(doc.get(setting.key).is_some(), is_set, "{}: {:?}", setting.key, doc.text());
                prop_assert!(PresetDoc::open(&doc.source()).is_ok(), "{}: {:?}", setting.key, doc.text());
            }
            for setting in SETTINGS {
                doc.unset(setting.key);
                prop_assert_eq!(doc.get(setting.key), None, "{}: {:?}", setting.key, doc.text());
            }
        }
    }
}

#[test]
fn a_hash_within_a_text_is_no_comment() {
    let mut doc = open("[data]\ntext = \"a # b\"\nlabel = \"c\"\n");
    doc.unset("data.text");
    assert_eq!(doc.text(), "[data]\nlabel = \"c\"\n");
}

#[test]
fn an_unedited_preset_is_written_as_it_was_read() {
    for style in STYLES {
        assert_eq!(open(style).text().trim_end(), style.trim_end());
    }
}

#[test]
fn a_changed_value_leaves_its_line_as_it_was() {
    let mut doc = open("[search.weights]\n  lr   = 1e-3   # tuned\n\n# next\n[lora]\nrank = 8\n");
    doc.set_typed("search.weights.lr", "3e-4").expect("set");
    doc.set_typed("lora.alpha", "32").expect("set");
    let expected = "[search.weights]\n  lr   = 3e-4   # tuned\n\n# next\n[lora]\nrank = 8\nalpha = 32\n";
    assert_eq!(doc.text(), expected);
    doc.set_typed("lora.alpha", "").expect("unset");
    doc.unset("search.weights.lr");
    assert_eq!(doc.text(), "[search.weights]\n# tuned\n\n# next\n[lora]\nrank = 8\n");
}

#[test]
fn a_path_that_is_typed_starts_where_the_user_stands_and_one_of_the_preset_at_its_folder() {
    let text = "[data]\ntrain = \"train.tsv\" # mine\ntest = 'test.tsv'\n";
    let source = Source { name: "saved".into(), text: text.into(), folder: Some("/home/ada/presets".into()) };
    let mut doc = PresetDoc::open(&source).expect("TOML");
    assert_eq!(doc.get_meant("data.train").as_deref(), Some("/home/ada/presets/train.tsv"));
    assert_eq!(doc.get_typed("data.train").as_deref(), Some("train.tsv"), "the file keeps what the user wrote");
    // What means the same is left as it is written.
    doc.set_typed_here("data.train", "/home/ada/presets/train.tsv").expect("set");
    doc.set_typed_here("data.test", "/home/ada/presets/test.tsv").expect("set");
    assert_eq!(doc.text(), text);
    doc.set_typed_here("data.train", "data/train.tsv").expect("set");
    let here = std::env::current_dir().expect("a working directory").join("data/train.tsv");
    let expected = format!("[data]\ntrain = {:?} # mine\ntest = 'test.tsv'\n", here.display().to_string());
    assert_eq!(doc.text(), expected);
    assert_eq!(doc.get_meant("data.train"), here.to_str().map(str::to_owned));
    for (key, text) in [("model.id", "google-bert/bert-base-cased"), ("data.validation", "~/dev.tsv")] {
        doc.set_typed_here(key, text).expect("set");
        assert_eq!(doc.get_typed(key).as_deref(), Some(text));
    }
    doc.set_typed_here("model.id", "./model").expect("set");
    assert!(doc.get_typed("model.id").is_some_and(|id| id.starts_with('/') && id.ends_with("/model")));
    doc.set_typed_here("model.id", "src").expect("set");
    assert!(doc.get_typed("model.id").is_some_and(|id| id.starts_with('/')), "a folder that is there");
    doc.set_typed_here("data.train", "").expect("unset");
    assert_eq!(doc.get_meant("data.train"), None);
}

#[test]
fn the_same_value_written_otherwise_changes_nothing() {
    let text = "[search]\nweights.lr = 0.001\n[model]\nid = 'a/b'\n";
    let mut doc = open(text);
    for (key, typed) in [("search.weights.lr", "1e-3"), ("model.id", "a/b"), ("lora.rank", "8")] {
        doc.set_typed_here(key, typed).expect("set");
        assert_eq!(doc.text(), text, "{key}");
    }
    doc.set_typed_here("lora.rank", "4").expect("set");
    assert!(!doc.says_the_same(&open(text)) && !doc.says_default("lora.rank"));
    doc.unset("lora.rank");
    assert!(doc.text() != text && doc.says_the_same(&open(text)), "an empty table says nothing");
}

#[test]
fn a_new_table_comes_last_and_holds_only_what_was_said() {
    let mut doc = PresetDoc::empty("new");
    for (key, text) in
        [("model.id", "foo/bar"), ("search.weights.lr", "1e-4"), ("search.steps", "9"), ("data.text", "2")]
    {
        doc.set_typed(key, text).expect("set");
    }
    let expected =
        "[model]\nid = \"foo/bar\"\n\n[search]\nsteps = 9\n\n[search.weights]\nlr = 1e-4\n\n[data]\ntext = \"2\"\n";
    assert_eq!(doc.text(), expected);
    assert_eq!(doc.get_typed("data.text").as_deref(), Some("2"));
}

#[test]
fn what_is_in_the_way_is_said_and_nothing_changes() {
    let text = "search = 3\n[model.id]\n";
    let mut doc = open(text);
    assert!(doc.set("search.steps", &3.into()).is_err());
    assert!(doc.set("model.id", &"x".into()).is_err());
    assert!(doc.set("model.idd", &"x".into()).is_err());
    assert_eq!(doc.text(), text);
}

#[test]
fn check_tells_problems_by_key_and_gives_the_experiment_without_any() {
    let mut doc = open("[data]\nid = \"builtin:demo\"\n[lora]\nrank = 0\n");
    let (experiment, problems) = doc.check();
    assert_eq!((experiment, problems[0].key.as_str(), problems[0].line()), (None, "lora.rank", Some(4)));
    doc.set_typed("lora.rank", "6").expect("set");
    assert_eq!(doc.check().0.map(|experiment| experiment.lora.rank), Some(6));
}

#[test]
fn the_shipped_presets_are_right() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let presets = Presets::at(folder.path());
    assert!(presets.list().iter().any(|listed| listed.name == "demo" && listed.origin == Origin::Shipped));
    for listed in presets.list() {
        let found = presets.find(&listed.name).expect("found");
        assert_eq!(read(&found.source, &[], &[autolora::experiment::check]).problems, [], "{}", listed.name);
        assert!(!listed.summary.is_empty());
    }
}

#[test]
fn a_saved_preset_wins_over_the_shipped_one_and_a_path_over_both() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let presets = Presets::at(folder.path().join("presets"));
    let mut doc = presets.load("demo").expect("shipped");
    doc.set_typed("lora.rank", "3").expect("set");
    let path = presets.create("demo", &doc).expect("saved");
    let found = presets.find("demo").expect("found");
    assert_eq!((&found.origin, found.shadows_shipped), (&Origin::Saved(path.clone()), true));
    assert_eq!(parse(&found.source, &[]).expect("right").lora.rank, 3);
    assert!(matches!(presets.create("demo", &doc), Err(PresetError::Exists { .. })));
    let by_path = presets.find(path.to_str().expect("UTF-8")).expect("found");
    assert_eq!(by_path.origin, Origin::File(path));
    presets.rename("demo", "mine").expect("renamed");
    assert_eq!(presets.find("demo").expect("found").origin, Origin::Shipped);
    presets.delete("mine").expect("deleted");
    assert!(matches!(presets.delete("mine"), Err(PresetError::NotFound { .. })));
    assert!(matches!(presets.delete("demo"), Err(PresetError::Shipped { .. })));
}

#[test]
fn a_preset_means_the_same_where_it_is_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("there/preset.toml");
    std::fs::create_dir(folder.path().join("there")).expect("made");
    std::fs::write(&file, "[data]\ntrain = \"t.tsv\" # mine\ntest = \"~/x.tsv\"\n").expect("written");
    let presets = Presets::at(folder.path().join("presets"));
    let doc = presets.load(file.to_str().expect("UTF-8")).expect("loaded");
    presets.save("kept", &doc).expect("saved");
    let text = std::fs::read_to_string(folder.path().join("presets/kept.toml")).expect("read");
    let train = folder.path().join("there/t.tsv");
    assert_eq!(text, format!("[data]\ntrain = \"{}\" # mine\ntest = \"~/x.tsv\"\n", train.display()));
}

#[test]
fn an_unknown_name_ends_with_3_and_the_nearest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = Presets::at(folder.path()).find("dmeo").expect_err("no such preset");
    assert_eq!(error.exit_code(), 3);
    assert!(matches!(error, PresetError::NotFound { help, .. } if help == "did you mean demo?"));
    let no_file = Presets::at(folder.path()).find("a/b.toml").expect_err("no such file");
    assert_eq!(no_file.exit_code(), 3);
}

#[test]
fn what_is_no_preset_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let presets = Presets::at(folder.path());
    let path = folder.path().join("x.toml");
    let why = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        presets.find(path.to_str().expect("UTF-8")).expect_err("no preset").to_string()
    };
    assert!(why(b"a = 1\nb = \"\xff\"\n").ends_with("line 2 is not UTF-8 text"));
    assert!(why(&vec![b'#'; (1 << 20) + 1]).ends_with("it is larger than 1024 KiB"));
    let folder_error = presets.find(&format!("{}/", folder.path().display())).expect_err("no preset");
    assert!(folder_error.to_string().ends_with("it is a folder"));
}

#[test]
fn bad_names_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let presets = Presets::at(folder.path().join("presets"));
    let doc = PresetDoc::empty("new");
    for name in ["", "a/b", "../up", ".hidden", "-x", "a b", "x.toml", &"x".repeat(65)] {
        assert!(matches!(presets.save(name, &doc), Err(PresetError::BadName { .. })), "{name:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_with_its_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "in the way").expect("written");
    let error =
        Presets::at(folder.path().join("file/presets")).save("x", &PresetDoc::empty("x")).expect_err("no folder");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().starts_with("cannot save the preset as "), "{error}");
}

#[test]
fn resolving_looks_at_the_files_too() {
    let sets = ["data.train=/no/such/train.tsv".to_string(), "lora.rank=0".to_string()];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets/demo.toml");
    let Err(PresetError::Problems(problems)) = resolve(file.to_str().expect("UTF-8"), &sets) else {
        panic!("two problems expected")
    };
    let keys: Vec<_> = problems.list().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["lora.rank", "data.train"]);
}
