//! A whole run with a token against a hub that wants it: the token is in nothing that the run leaves or says.

use super::server::{Server, State};
use std::path::Path;
use std::process::{Command, Output};

const TOKEN: &str = "hf_aVerySecretToken0123456789";

fn asset(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo").join(name)).unwrap()
}

/// Files below a folder that hold the token.
fn holding(folder: &Path, files: &mut usize) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, files));
        } else {
            *files += 1;
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_token_is_in_no_log_event_error_or_export() {
    let mut files: std::collections::BTreeMap<String, Vec<u8>> = ["config.json", "tokenizer.json", "model.safetensors"]
        .map(|name| (format!("me/demo/{name}"), asset(name)))
        .into();
    for (part, rows) in [("train", 60), ("test", 20)] {
        let text = String::from_utf8(asset(&format!("{part}.tsv"))).unwrap();
        let rows: Vec<&str> = text.lines().take(rows + 1).collect();
        files.insert(format!("datasets/me/rows/{part}.tsv"), rows.join("\n").into_bytes());
    }
    let private = ["me/demo", "datasets/me/rows"].map(|id| (id.to_owned(), TOKEN.to_owned())).into();
    let server = Server::start(State { files, private, ..State::default() });
    let home = tempfile::tempdir().unwrap();
    let autolora = |arguments: &[&str], token: &str| -> Output {
        Command::new(env!("CARGO_BIN_EXE_autolora"))
            .args(arguments)
            .env("AUTOLORA_HOME", home.path().join("autolora"))
            .env("HF_HOME", home.path().join("hf"))
            .env("HF_ENDPOINT", &server.endpoint)
            .env("HF_TOKEN", token)
            .env("RUST_LOG", "trace")
            .env_remove("HF_HUB_OFFLINE")
            .env_remove("HF_HUB_CACHE")
            .output()
            .unwrap()
    };
    let preset = home.path().join("tiny.toml");
    let text = "[model]\nid = \"me/demo\"\n[data]\nid = \"me/rows\"\n[search]\nsteps = 2\nwarmup_steps = 1\n[retrain]\nepochs = 0.2\n";
    std::fs::write(&preset, text).unwrap();
    let preset = preset.to_str().unwrap();
    let mut said = Vec::new();
    let mut run = |arguments: &[&str], token: &str, succeeds: bool| {
        let output = autolora(arguments, token);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.success(), succeeds, "{arguments:?}: {text}");
        said.push(text);
    };
    run(&["run", preset, "--json"], TOKEN, true);
    run(&["show", "last", "--json"], TOKEN, true);
    run(&["export", "last", "--format", "peft", "--out", home.path().join("export").to_str().unwrap()], TOKEN, true);
    run(&["datasets", "show", "me/rows", "--model", "me/demo", "--json"], TOKEN, true);
    run(&["doctor"], TOKEN, true);
    // Refused, and refused in the middle of a run: the error names the model, not the token.
    server.state.lock().unwrap().gated.push("me/demo".into());
    run(&["run", preset, "--json"], TOKEN, false);
    run(&["run", preset, "--set", "model.id=me/other"], TOKEN, false);
    assert!(said.iter().any(|text| text.contains("is gated: accept its terms")), "{said:#?}");
    assert!(!server.state.lock().unwrap().tokens.is_empty(), "the token was used");
    for text in &said {
        assert!(!text.contains(TOKEN), "{text}");
    }
    let mut files = 0;
    assert_eq!(holding(home.path(), &mut files), Vec::<String>::new());
    assert!(files > 20, "only {files} files were looked at");
}
