//! A folder of bad presets, each with the report that it must give. Lines `#! KEY=VALUE` are `--set` arguments.

use autolora::experiment::catalogue::{CATALOGUE, DataPlace};
use autolora::experiment::{Presets, Source, Task, parse_with_files};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::fs;
use std::path::Path;

/// The report of a bad preset as a terminal without colours, 100 columns wide, shows it.
fn report(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets/bad");
    let text = fs::read_to_string(folder.join(format!("{name}.toml"))).expect("a bad preset");
    let sets: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("#! ")).map(String::from).collect();
    let source = Source { name: format!("{name}.toml"), text, folder: Some(folder.clone()) };
    let problems = parse_with_files(&source, &sets).expect_err("a bad preset");
    let mut report = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        // A path's length differs between machines, so lines that hold one are not to be broken.
        .with_wrap_lines(false)
        .render_report(&mut report, &problems)
        .expect("renders");
    report.replace(folder.to_str().expect("UTF-8"), "FOLDER")
}

macro_rules! bad_presets {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                insta::with_settings!({ snapshot_path => "presets/bad", prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(stringify!($name), report(stringify!($name)));
                });
            }
        )+

        #[test]
        fn every_bad_preset_is_a_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets/bad");
            let files = fs::read_dir(folder).expect("listed").map(|file| file.expect("an entry").path());
            let mut names: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
            names.sort();
            let names: Vec<_> = names.iter().map(|path| path.file_stem().expect("a name").to_str().expect("UTF-8")).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

bad_presets!(
    arguments,
    budget_without_rule,
    control_characters,
    data_twice,
    dataset_of_another_task,
    duplicate_key,
    head_of_a_model_that_writes,
    hub_settings_of_a_file,
    key_without_table,
    missing_files,
    no_data,
    out_of_range,
    rule_and_selection,
    rule_without_budget,
    syntax,
    text_settings,
    unknown_dataset,
    unknown_key,
    unknown_table,
    unknown_word,
    validation_without_train,
    wrong_types,
);

const DECODERS: [&str; 3] = ["openai-community/gpt2-medium", "Qwen/Qwen3-0.6B", "HuggingFaceTB/SmolLM2-135M-Instruct"];

/// A preset of generation is one for data of one's own as well: nothing in it is in the way of a file.
fn own_files_take_the_place(preset: &Source) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("my.jsonl");
    fs::write(&file, "").expect("written");
    let set = |key: &str| format!("data.{key}={}", file.display());
    let experiment = parse_with_files(preset, &[set("train"), set("test")])
        .unwrap_or_else(|e| panic!("{}: {:?}", preset.name, e.list()));
    assert_eq!((experiment.data.id, experiment.data.train), (None, Some(file)));
}

#[test]
fn every_shipped_preset_is_right_and_every_dataset_of_the_catalogue_has_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    let files = fs::read_dir(folder).expect("listed").map(|file| file.expect("an entry").path());
    let mut names: Vec<String> =
        files.map(|path| path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned()).collect();
    names.sort();
    let empty = tempfile::tempdir().expect("a folder");
    let presets = Presets::at(empty.path());
    let mut listed: Vec<String> = presets.list().into_iter().map(|listed| listed.name).collect();
    listed.sort();
    assert_eq!(listed, names, "what is in the folder is in the program");
    let mut ids = Vec::new();
    for listed in presets.list() {
        let found = presets.find(&listed.name).expect("found");
        let experiment =
            parse_with_files(&found.source, &[]).unwrap_or_else(|e| panic!("{}: {:?}", listed.name, e.list()));
        assert!((20..=120).contains(&listed.summary.len()), "{}: {}", listed.name, listed.summary);
        let entry =
            CATALOGUE.iter().find(|entry| Some(entry.id) == experiment.data.id.as_deref()).expect("in the catalogue");
        assert_eq!(experiment.evaluate.metric.resolve(experiment.data.task), entry.metric, "{}", listed.name);
        let model = experiment.model.id.as_str();
        match (entry.place, entry.task) {
            (DataPlace::Embedded, _) => assert!(model.starts_with("builtin:"), "{}: {model}", listed.name),
            (DataPlace::Hub { .. }, Task::Generation) => {
                assert!(DECODERS.contains(&model), "{}: {model}", listed.name);
                own_files_take_the_place(&found.source);
            }
            (DataPlace::Hub { .. }, _) => assert_eq!(model, "FacebookAI/roberta-base", "{}", listed.name),
        }
        ids.push(entry.id);
    }
    assert!(CATALOGUE.iter().all(|entry| ids.contains(&entry.id)));
}
