//! Presets from files and to files by the verb, and what they say otherwise than others.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

struct Home(TempDir);

/// Exit code, answer, talk.
type Said = (Option<i32>, String, String);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn saved(&self, name: &str) -> PathBuf {
        self.path("home/presets").join(format!("{name}.toml"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).expect("written");
        self.path(name)
    }

    fn preset(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autolora"));
        command.arg("preset").args(arguments).current_dir(self.0.path());
        command.env("AUTOLORA_HOME", self.path("home")).env("NO_COLOR", "1");
        let output = command.output().expect("run");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

/// Comments in odd places, an inline table, a list over lines, Windows' line ends.
const ODD: &str = "# Mine.\r\n\r\nsearch = { steps = 60, weights = { lr = 1e-3 } } # inline\r\n\r\n[lora] # the head\r\n# before the list\r\ntargets = [ # which\r\n  \"query\", # first\r\n  \"value\",\r\n]\r\n   rank = 8 # k\r\n\r\n[data]\r\nid = \"builtin:demo\"\r\n# the end";

#[test]
fn an_imported_preset_is_to_the_byte_what_the_file_says_and_so_is_an_exported_one() {
    let home = Home::new();
    for (name, text) in [("odd", ODD.to_owned()), ("plain", ODD.replace("\r\n", "\n"))] {
        let file = home.file(&format!("{name}.toml"), &text);
        let (code, out, err) = home.preset(&["import", file.to_str().expect("UTF-8")]);
        assert_eq!((code, Path::new(out.trim())), (Some(0), home.saved(name).as_path()), "{err}");
        assert_eq!(fs::read_to_string(home.saved(name)).expect("saved"), text);
        let (code, out, _) = home.preset(&["export", name, "-"]);
        assert_eq!((code, out), (Some(0), text.clone()));
        let (code, ..) = home.preset(&["export", name, "out.toml", "--force"]);
        assert_eq!(code, Some(0));
        assert_eq!(fs::read_to_string(home.path("out.toml")).expect("written"), text);
    }
}

/// Who keeps presets in a folder under version control, and links to them, finds every change there.
#[test]
fn a_saved_preset_that_is_a_link_stays_one() {
    let home = Home::new();
    let ours = home.file("kept.toml", "[lora]\nrank = 4\n");
    let file = home.file("mine.toml", "[lora]\nrank = 16\n");
    fs::create_dir_all(home.path("home/presets")).expect("made");
    std::os::unix::fs::symlink(&ours, home.saved("mine")).expect("linked");
    let import = ["import", file.to_str().expect("UTF-8")];
    assert_eq!(home.preset(&import).0, Some(2), "it is there already");
    assert_eq!(fs::read_to_string(&ours).expect("read"), "[lora]\nrank = 4\n");
    let (code, _, err) = home.preset(&[import[0], import[1], "--force"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(fs::read_link(home.saved("mine")).expect("still a link"), ours);
    assert_eq!(fs::read_to_string(&ours).expect("read"), "[lora]\nrank = 16\n");
}

#[test]
fn a_preset_that_is_edited_keeps_comments_order_and_line_ends() {
    let home = Home::new();
    home.file("odd.toml", ODD);
    let sets = ["--set", "lora.rank=4", "--set", "search.weights.lr=3e-4", "--set", "retrain.lr=1e-4"];
    let arguments: Vec<&str> = ["new", "edited", "--from", "odd.toml"].into_iter().chain(sets).collect();
    let (code, _, err) = home.preset(&arguments);
    assert_eq!(code, Some(0), "{err}");
    let expected = ODD.replace("rank = 8", "rank = 4").replace("lr = 1e-3", "lr = 0.0003");
    let text = fs::read_to_string(home.saved("edited")).expect("saved");
    let (before, after) = expected.split_once("# the end").expect("the end");
    assert!(text.starts_with(before) && after.is_empty(), "{text:?}\n{before:?}");
    assert!(text.contains("# the end") && text.contains("[retrain]\r\nlr = 0.0001"), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
}

#[test]
fn all_problems_of_a_file_are_told_at_once_and_nothing_is_saved() {
    let home = Home::new();
    let file = home.file("bad.toml", "[lora]\nrank = 0\nalpa = 1\n[search]\nepochs = -1\n");
    let (code, out, err) = home.preset(&["import", file.to_str().expect("UTF-8")]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    for part in
        ["4 problems in", "must be a whole number from 1 to 1024, not 0", "did you mean lora.alpha?", "search.epochs"]
    {
        assert!(err.contains(part), "{part}: {err}");
    }
    home.file("torn.toml", "[lora\nrank = 8\n");
    assert_eq!(home.preset(&["import", "torn.toml"]).0, Some(2));
    assert_eq!(home.preset(&["import", "nowhere.toml"]).0, Some(3));
    assert!(!home.path("home").exists(), "nothing half written");
}

#[test]
fn a_name_that_is_taken_is_not_written_over_without_force() {
    let home = Home::new();
    home.file("a.toml", "[data]\nid = \"builtin:demo\"\n");
    home.file("b.toml", "[data]\nid = \"builtin:demo\"\n[lora]\nrank = 2\n");
    assert_eq!(home.preset(&["import", "a.toml", "mine"]).0, Some(0));
    let (code, _, err) = home.preset(&["import", "b.toml", "mine"]);
    assert!(code == Some(2) && err.contains("there is a saved preset mine already"), "{err}");
    assert!(!fs::read_to_string(home.saved("mine")).expect("saved").contains("rank"));
    assert_eq!(home.preset(&["import", "b.toml", "mine", "--force"]).0, Some(0));
    assert!(fs::read_to_string(home.saved("mine")).expect("saved").contains("rank"));
    assert_eq!(home.preset(&["import", "b.toml", "../up"]).0, Some(2));

    home.file("there.toml", "precious");
    let (code, _, err) = home.preset(&["export", "mine", "there.toml"]);
    assert!(code == Some(2) && err.contains("there is a file") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(home.path("there.toml")).expect("kept"), "precious");
    assert_eq!(home.preset(&["export", "mine", "."]).0, Some(1));
    assert_eq!(home.preset(&["export", "nobody"]).0, Some(3));
    let (code, out, _) = home.preset(&["export", "demo"]);
    assert_eq!((code, out.trim()), (Some(0), "demo.toml"));
    assert!(home.path("demo.toml").is_file());
}

#[test]
fn what_is_missing_is_said_and_does_not_hinder() {
    let home = Home::new();
    home.file("far.toml", "[data]\ntrain = \"elsewhere/train.tsv\" # theirs\n");
    let (code, _, err) = home.preset(&["import", "far.toml"]);
    assert!(code == Some(0) && err.contains("not yet complete") && err.contains("data.train does not exist"), "{err}");
    let text = fs::read_to_string(home.saved("far")).expect("saved");
    assert!(text.contains(home.path("elsewhere/train.tsv").to_str().expect("UTF-8")), "{text}");
    assert!(text.contains("# theirs"), "{text}");
}

#[test]
fn a_difference_is_what_is_said_otherwise() {
    let home = Home::new();
    home.file("a.toml", "[data]\nid = \"builtin:demo\"\n[lora]\nrank = 8\n[search]\nsteps = 60\n");
    home.file("b.toml", "[data]\nid = \"builtin:demo\"\n[lora]\nrank = 4\n[search]\nsteps = 60\n");
    let (code, out, _) = home.preset(&["diff", "a.toml", "--json"]);
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let keys: Vec<&str> = rows.iter().flat_map(|row| row["key"].as_str()).collect();
    assert_eq!((code, keys), (Some(0), vec!["data.id", "search.steps"]), "rank 8 is the default");
    assert_eq!((&rows[1]["from"], &rows[1]["to"]), (&Value::Null, &60.into()));
    let said = home.preset(&["diff", "a.toml", "b.toml"]).1;
    assert_eq!(said, "setting    a.toml  b.toml\nlora.rank  8       4\n");
    let (code, out, err) = home.preset(&["diff", "a.toml", "a.toml"]);
    assert!(code == Some(0) && out.is_empty() && err.contains("nothing else"), "{err}");
    assert_eq!(home.preset(&["diff", "nobody"]).0, Some(3));
}

#[test]
fn what_is_not_there_ends_with_3_and_names_what_the_user_saved() {
    let home = Home::new();
    let (code, _, err) = home.preset(&["import", "nowhere.toml"]);
    assert_eq!(code, Some(3), "{err}");
    for verb in [&["delete", "mien"][..], &["rename", "mien", "yours"]] {
        let (code, _, err) = home.preset(verb);
        assert!(code == Some(3) && err.contains("no preset is saved yet") && !err.contains("glue"), "{err}");
    }
    assert_eq!(home.preset(&["new", "mine"]).0, Some(0));
    let (code, _, err) = home.preset(&["delete", "mien"]);
    assert!(code == Some(3) && err.contains("did you mean mine?"), "{err}");
    home.file("mine.toml", "[data]\nid = \"builtin:demo\"\n");
    let (code, _, err) = home.preset(&["import", "mine.toml"]);
    assert!(code == Some(2) && err.contains("--force"), "{err}");
}

#[test]
fn what_is_not_there_or_no_file_or_wrong_is_told_as_check_tells_it() {
    let home = Home::new();
    home.file("wrong.toml", "[data]\ntrain = \"gone.tsv\"\n[lora]\nrank = 0\nrnk = 3\n[search]\nfrom = \"nowhere\"\n");
    let (code, _, err) = home.preset(&["import", "wrog.toml"]);
    assert!(code == Some(3) && err.contains("no preset or file") && err.contains("did you mean"), "{err}");
    assert_eq!(home.preset(&["import", "far/away.toml"]).0, Some(3));

    let told = |verb: &str| {
        let (code, _, err) = home.preset(&[verb, "wrong.toml"]);
        assert_eq!(code, Some(2), "{err}");
        ["lora.rank", "rnk", "data.train", "search.from"].map(|key| (key, err.contains(key)))
    };
    assert!(told("check").iter().all(|(_, is_told)| *is_told), "{:?}", told("check"));
    assert_eq!(told("import"), told("check"));

    let made = Command::new("mkfifo").arg(home.path("pipe.toml")).status().expect("mkfifo");
    assert!(made.success());
    for verb in ["check", "import"] {
        let (code, _, err) = home.preset(&[verb, "./pipe.toml"]);
        assert!(code == Some(2) && err.contains("it is a named pipe, not a file"), "{err}");
    }
}
