//! `evaluate` by the real binary: the figures of a run made again, and the run as it was.

use crate::LONG;
use crate::export::finished;
use crate::support::{Answer, Home};
use serde_json::{Value, json};
use std::fs;

fn evaluate(home: &Home, run: &str) -> Value {
    let answer = home.autolora(&["evaluate", run, "--json"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let mut lines = answer.lines();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// The figures that the run has itself are the same ones, and the score is among them.
fn agrees(found: &Value, own: &Value) {
    let figures = found["metrics"].as_object().unwrap();
    for (name, value) in figures {
        assert_eq!(value.to_string(), own[name].to_string(), "{name}");
    }
    for name in ["score", "accuracy", "test_loss", "test_rows", "majority_accuracy"] {
        assert!(figures.contains_key(name), "{name}: {figures:?}");
    }
    assert_eq!((&found["agrees"], &found["differs"]), (&json!(true), &json!([])));
}

fn ends(answer: &Answer, code: i32, says: &[&str]) {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    assert!(answer.out.is_empty() && says.iter().all(|part| answer.err.contains(part)), "{answer:?}");
}

#[test]
fn a_run_scores_again_as_it_did_and_stays_as_it_is() {
    let home = Home::new();
    let run = finished(&home, &["retrain.lr=0.05"]);
    let before = home.events(&run).len();
    let own = home.show(&run)["metrics"].clone();
    let found = evaluate(&home, "last");
    assert_eq!((&found["run"], &found["name"], &found["device"]), (&json!(run), &json!("short"), &json!("cpu")));
    agrees(&found, &own);
    let text = home.autolora(&["evaluate", &run]).out;
    assert!(text.contains("accuracy") && text.contains("to the last digit"), "{text}");
    assert_eq!(home.events(&run).len(), before);
    assert_eq!(home.autolora(&["ls", "--json"]).lines().len(), 1, "no run is made");
    let left: Vec<_> = fs::read_dir(home.path("home")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");

    // Another adapter has other figures, and that is told.
    let file = home.run_dir(&run).join("adapter/adapter_model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    // Behind the length of the header, and the header, are the numbers: each changes its sign.
    let header = usize::from_le_bytes(bytes[..8].try_into().unwrap());
    bytes[8 + header..].iter_mut().skip(3).step_by(4).for_each(|byte| *byte ^= 0x80);
    fs::write(&file, bytes).unwrap();
    let other = evaluate(&home, &run);
    assert_eq!(other["agrees"], json!(false), "{other}");
    assert!(other["differs"].as_array().unwrap().contains(&json!("test_loss")), "{other}");

    // What the last checkpoint holds is left where the adapter is gone.
    fs::remove_dir_all(home.run_dir(&run).join("adapter")).unwrap();
    agrees(&evaluate(&home, &run), &own);
    let mend = home.damage_model();
    ends(&home.autolora(&["evaluate", &run]), 1, &["model.id", "(SHA-256"]);
    mend();
    fs::remove_dir_all(home.run_dir(&run).join("checkpoints")).unwrap();
    ends(&home.autolora(&["evaluate", &run]), 1, &["no adapter yet"]);
    ends(&home.autolora(&["evaluate", "shrt"]), 3, &["did you mean short"]);
    ends(&home.autolora(&["evaluate", &run, "--device", "gpu"]), 2, &["gpu"]);
}

#[test]
fn a_run_at_work_is_left_alone_and_one_that_has_not_trained_says_how_to_go_on() {
    let home = Home::new();
    let run = home.detach(LONG);
    ends(&home.autolora(&["evaluate", &run]), 4, &["is at work"]);
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0));
    ends(&home.autolora(&["evaluate", &run]), 1, &["no adapter yet", "autolora resume"]);
}
