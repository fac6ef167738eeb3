//! `autolora preset` as a function of its arguments: answer, talk and exit code.

use autolora::cli::preset::{PresetArgs, run};
use autolora::experiment::Presets;
use clap::{Args, Command, FromArgMatches};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary folder"))
    }

    fn presets(&self) -> PathBuf {
        self.0.path().join("presets")
    }

    /// Answer and talk, or exit code and message.
    fn run(&self, arguments: &[&str]) -> Result<(String, String), (u8, String)> {
        let command = PresetArgs::augment_args(Command::new("preset").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).expect("usage");
        let args = PresetArgs::from_arg_matches(&matches).expect("usage");
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        run(&args, &Presets::at(self.presets()), &mut out, &mut talk)
            .map_err(|error| (error.exit_code(), error.to_string()))?;
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ok((text(out), text(talk)))
    }

    fn answer(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect("no error").0
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn a_saved_preset_that_hides_a_shipped_one_is_said() {
    let home = tempfile::tempdir().unwrap();
    let autolora = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_autolora"));
        let output = command.args(arguments).env("AUTOLORA_HOME", home.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = autolora(&["preset", "new", "demo"]);
    assert!(code == Some(0) && said.contains("the one of the program is hidden"), "{said}");
    let (code, said) = autolora(&["run", "demo", "--set", "data.id=builtin:demo", "--set", "search.epochs=1e300"]);
    assert!(code == Some(2) && said.contains("the largest is 1e9"), "{said}");
}

#[test]
fn a_preset_lives_from_new_to_delete() {
    let home = Home::new();
    let path = home.answer(&["new", "mine", "--from", "demo", "--set", "lora.rank=4", "--set", "search.steps=50"]);
    let text = fs::read_to_string(path.trim()).expect("saved");
    assert!(text.contains("rank = 4 ") && text.contains("steps = 50") && text.contains("# a small BERT"), "{text}");
    assert_eq!(home.answer(&["show", "mine"]), text);
    let shown = json(&home.answer(&["show", "mine", "--json"]));
    assert_eq!((&shown["origin"], &shown["experiment"]["lora"]["rank"]), (&"saved".into(), &4.into()));
    home.answer(&["rename", "mine", "yours"]);
    let listed: Vec<Value> = home.answer(&["list", "--json"]).lines().map(json).collect();
    let names: Vec<_> = listed.iter().map(|line| line["name"].as_str().expect("a name")).collect();
    assert_eq!(names[..2], ["demo", "demo-generation"], "the demos first");
    assert!(names[2..].is_sorted(), "{names:?}");
    let saved: Vec<_> = listed.iter().filter(|line| line["origin"] == "saved").map(|line| &line["name"]).collect();
    assert_eq!(saved, ["yours"]);
    home.answer(&["delete", "yours"]);
    assert_eq!(home.run(&["show", "yours"]).expect_err("deleted").0, 3);
}

#[test]
fn new_takes_paths_from_the_working_directory_and_unsets_what_they_exclude() {
    let home = Home::new();
    let path = home.answer(&["new", "own", "--from", "demo", "--set", "data.train=train.tsv"]);
    let saved: toml::Table = fs::read_to_string(path.trim()).expect("saved").parse().expect("TOML");
    let train = std::env::current_dir().expect("a working directory").join("train.tsv");
    assert_eq!(saved["data"].as_table().expect("a table").get("id"), None);
    assert_eq!(saved["data"]["train"].as_str().map(Path::new), Some(train.as_path()));
}

#[test]
fn new_says_what_is_missing_and_refuses_what_is_wrong() {
    let home = Home::new();
    let (_, talk) = home.run(&["new", "start", "--set", "lora.rank=4"]).expect("saved");
    assert_eq!(talk, "not yet complete: data.train or data.id is needed: there is nothing to train on\n");
    for wrong in ["lora.rank=0", "lora.rnk=4", "lora"] {
        assert_eq!(home.run(&["new", "wrong", "--set", wrong]).expect_err("refused").0, 2, "{wrong}");
    }
    assert_eq!(home.run(&["new", "start"]).expect_err("taken").0, 2);
    assert_eq!(home.run(&["new", "../up"]).expect_err("no name").0, 2);
    assert_eq!(home.run(&["new", "x", "--from", "dmeo"]).expect_err("not found").0, 3);
    let kept: Vec<_> =
        fs::read_dir(home.presets()).expect("listed").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(kept, ["start.toml"], "nothing half written");
}

#[test]
fn check_tells_every_problem_and_where() {
    let home = Home::new();
    assert!(home.run(&["check", "demo"]).expect("right").1.starts_with("demo is right: builtin:demo, rank 8"));
    let (code, message) = home.run(&["check", "demo", "--set", "lora.rank=0", "--set", "x=1"]).expect_err("wrong");
    assert_eq!((code, message.as_str()), (2, "2 problems in demo"));
}

#[test]
fn check_gives_problems_as_json_for_programs() {
    let home = Home::new();
    let file = home.0.path().join("bad.toml");
    fs::write(&file, "[data]\nid = \"builtin:demo\"\n[lora]\nrank = 0\n").expect("written");
    let command = PresetArgs::augment_args(Command::new("preset").no_binary_name(true));
    let matches = command.try_get_matches_from(["check", "--json", file.to_str().expect("UTF-8")]).expect("usage");
    let args = PresetArgs::from_arg_matches(&matches).expect("usage");
    let mut out = Vec::new();
    let error = run(&args, &Presets::at(home.presets()), &mut out, &mut Vec::new()).expect_err("wrong");
    assert_eq!(error.exit_code(), 2);
    let answer: Value = serde_json::from_slice(&out).expect("JSON");
    let problem = &answer["problems"][0];
    assert_eq!((&answer["valid"], &problem["key"], &problem["line"]), (&false.into(), &"lora.rank".into(), &4.into()));
    assert_eq!(problem["message"], "must be a whole number from 1 to 1024, not 0");
}

#[test]
fn show_resolves_to_a_preset_with_every_setting() {
    let home = Home::new();
    let resolved = home.answer(&["show", "demo", "--set", "retrain.epochs=7"]);
    let file = home.0.path().join("resolved.toml");
    fs::write(&file, &resolved).expect("written");
    assert_eq!(home.answer(&["show", file.to_str().expect("UTF-8"), "--resolved"]), resolved);
    assert!(resolved.contains("[retrain]\nepochs = 7.0 # epochs\n"), "{resolved}");
}

#[test]
fn the_settings_are_listed_for_people_and_machines() {
    let home = Home::new();
    let listed = home.answer(&["settings"]);
    assert!(listed.contains("[search.weights]\noptimizer = \"adamw\"\n"), "{listed}");
    let lines = home.answer(&["settings", "--json"]);
    assert_eq!(lines.lines().map(json).filter(|line| line["help"] != "").count(), autolora::experiment::SETTINGS.len());
    assert_eq!(json(&home.answer(&["settings", "--schema"]))["type"], "object");
}

#[test]
fn a_home_that_cannot_be_written_ends_with_1_and_the_path() {
    let home = Home::new();
    fs::write(home.presets(), "a file in the way").expect("written");
    let (code, message) = home.run(&["new", "x", "--set", "data.id=builtin:demo"]).expect_err("no folder");
    assert_eq!(code, 1);
    assert!(message.contains(home.presets().to_str().expect("UTF-8")), "{message}");
}
