//! `export` by the real binary, of runs of seconds.

use crate::support::Home;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Changes to the preset that make a run short.
const SHORT: [&str; 4] = ["search.steps=8", "search.warmup_steps=3", "retrain.epochs=0.2", "baseline.head_only=false"];

/// A finished run of the quick preset with these settings, too; its id.
pub fn finished(home: &Home, sets: &[&str]) -> String {
    let sets = SHORT.iter().chain(sets).flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["run", "quick.toml", "--name", "short", "--json"].into_iter().chain(sets).collect();
    let answer = home.autolora(&arguments);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let last = answer.lines().pop().unwrap();
    assert_eq!(last["type"], "finished", "{last}");
    last["run"].as_str().unwrap().to_string()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_is_exported_in_every_format_with_its_facts_beside_it() {
    let home = Home::new();
    let run = finished(&home, &[]);
    let show = home.show(&run);
    let own = home.run_dir(&run).join("adapter");
    let all = ["README.md", "adapter_config.json", "adapter_model.safetensors", "autolora.json", "passport.json"];
    assert_eq!(names(&own), all);

    for (words, folder, files) in [
        (vec!["--format", "peft"], "short-peft", all.to_vec()),
        (vec!["--format", "peft", "--scale", "folded"], "short-peft-folded", all.to_vec()),
        (vec!["--format", "config"], "short-config", vec!["adapter_config.json", "autolora.json", "ranks.json"]),
        (
            vec!["--format", "merged"],
            "short-merged",
            vec![
                "README.md",
                "autolora.json",
                "config.json",
                "model.safetensors",
                "passport.json",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
        ),
    ] {
        let answer = home.autolora(&[["export", &run, "--json"].as_slice(), words.as_slice()].concat());
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let said = answer.lines().pop().unwrap();
        assert_eq!((said["out"].as_str(), &said["files"]), (Some(folder), &json!(files)));
        let folder = home.path(folder);
        assert_eq!(names(&folder), files);
        let sidecar = json_of(&folder.join("autolora.json"));
        assert_eq!((&sidecar["ranks"], &sidecar["metrics"]), (&show["ranks"], &show["metrics"]));
        assert_eq!(sidecar["id2label"], json!({"0": "negative", "1": "positive"}));
        assert_eq!(sidecar["max_length"], 16);
        // PEFT's own configuration has the base's folder, where it is one.
        for file in files.iter().filter(|file| !file.ends_with(".safetensors") && **file != "adapter_config.json") {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(!text.contains(home.path("").to_str().unwrap()), "{file} names a folder of this machine:\n{text}");
        }
        if words[1] != "config" {
            assert_eq!(said["readback"]["matches"], true);
            assert_eq!(said["readback"]["modules"].as_object().unwrap().len(), 4);
            let runtimes = said["passport"].as_object().unwrap();
            assert!(runtimes.len() == 3 && runtimes.values().all(|entry| entry["why"].is_string()), "{runtimes:?}");
        }
    }
    let same = |name: &str| fs::read(own.join(name)).unwrap() == fs::read(home.path("short-peft").join(name)).unwrap();
    assert!(same("adapter_model.safetensors") && same("adapter_config.json"));
    let folded = json_of(&home.path("short-peft-folded/adapter_config.json"));
    assert_eq!((&folded["rank_pattern"], &folded["r"]), (&folded["alpha_pattern"], &folded["lora_alpha"]));
    assert_eq!(json_of(&home.path("short-config/adapter_config.json"))["inference_mode"], false);
    let merged = json_of(&home.path("short-merged/config.json"));
    assert_eq!(merged["architectures"], json!(["BertForSequenceClassification"]));
    // What was written once can be written again, and is text for people without --json.
    let again = home.autolora(&["export", "last", "--format", "peft"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(
        again.out.contains("Delta W of 4 modules is what was trained") && again.out.contains("refused"),
        "{again:?}"
    );
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing_behind() {
    let home = Home::new();
    let run = finished(&home, &[]);
    fs::create_dir(home.path("taken")).unwrap();
    fs::write(home.path("taken/mine.txt"), "mine").unwrap();
    let before = names(&home.path(""));
    for (words, code, said) in [
        (vec![run.as_str(), "--format", "tensorboard"], 2, "possible values: peft, merged, config"),
        (vec![&run], 2, "--format"),
        (vec!["nonesuch", "--format", "peft"], 3, "no run"),
        (vec![&run, "--format", "merged", "--scale", "folded"], 2, "--scale is for --format peft"),
        (vec![&run, "--format", "peft", "--out", "taken"], 2, "mine.txt"),
        (vec![&run, "--format", "merged", "--out", "taken/mine.txt"], 2, "is a file"),
        (vec![&run, "--format", "merged", "--out", "taken/mine.txt/below"], 1, "cannot write"),
        (vec![&run, "--format", "peft", "--out", "/proc/nowhere"], 1, "cannot write"),
    ] {
        let answer = home.autolora(&[["export"].as_slice(), words.as_slice()].concat());
        assert_eq!(answer.code, Some(code), "{words:?}: {answer:?}");
        assert!(answer.err.contains(said) && answer.out.is_empty(), "{words:?}: {answer:?}");
    }
    // Half a file of tensors is no adapter, and the model that a run trained on must be that model.
    let tensors = home.run_dir(&run).join("adapter/adapter_model.safetensors");
    let whole = fs::read(&tensors).unwrap();
    fs::write(&tensors, &whole[..whole.len() / 2]).unwrap();
    let broken = home.autolora(&["export", &run, "--format", "peft"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.err.contains("adapter_model.safetensors"), "{broken:?}");
    fs::write(&tensors, whole).unwrap();
    fs::rename(home.path("model"), home.path("moved")).unwrap();
    let gone = home.autolora(&["export", &run, "--format", "merged"]);
    assert_eq!(gone.code, Some(3), "{gone:?}");
    fs::rename(home.path("moved"), home.path("model")).unwrap();
    assert_eq!(names(&home.path("")), before);
    assert_eq!(names(&home.path("taken")), ["mine.txt"]);
}

#[test]
fn a_run_without_an_adapter_says_what_brings_it_there() {
    let home = Home::new();
    let run = home.detach(1_000_000);
    let running = home.autolora(&["export", &run, "--format", "peft"]);
    assert_eq!(running.code, Some(1), "{running:?}");
    assert!(running.err.contains("is running") && running.err.contains("autolora watch"), "{running:?}");
    home.autolora(&["stop", &run]);
    let stopped = home.autolora(&["export", &run, "--format", "merged"]);
    assert!(stopped.err.contains("is stopped") && stopped.err.contains("autolora resume"), "{stopped:?}");
}

#[test]
fn a_search_starts_from_an_adapter_and_says_what_it_changes() {
    let home = Home::new();
    let run = finished(&home, &[]);
    let adapter = home.run_dir(&run).join("adapter");
    let config = json_of(&adapter.join("adapter_config.json"));
    let other_rank = home.autolora(&["run", "quick.toml", "--set", &format!("lora.init_from={}", adapter.display())]);
    assert_eq!(other_rank.code, Some(1), "{other_rank:?}");
    let mixed = !config["rank_pattern"].as_object().unwrap().is_empty() || config["r"] != 3;
    assert!(mixed && other_rank.err.contains("but lora.rank is 3"), "{other_rank:?}");
    let model = home.autolora(&["run", "quick.toml", "--set", "lora.init_from=model"]);
    assert!(model.err.contains("is a model, not an adapter"), "{model:?}");
}
