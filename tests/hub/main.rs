//! Models from folders and from a hub, over the real client and a server on the loopback.

mod datasets;
mod downloads;
mod preflight;
mod refusals;
mod server;
mod token;
mod written;

use autolora::data::hub::Hub;
use autolora::model::source::{ModelFiles, SourceError, Weights, locate};
use server::{COMMIT, Server, State};
use std::ops::ControlFlow;
use std::path::Path;

fn hub(server: &Server, cache: &Path) -> Hub {
    Hub { endpoint: server.endpoint.clone(), cache: cache.into(), token: None, offline: false }
}

fn serve(files: &[(&str, &str)]) -> Server {
    let files = files.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect();
    Server::start(State { files, ..State::default() })
}

const MODEL: [(&str, &str); 3] = [
    ("me/bert/config.json", "{}"),
    ("me/bert/tokenizer.json", "{\"a\":1}"),
    ("me/bert/model.safetensors", "0123456789"),
];

fn fetch(id: &str, hub: &Hub) -> Result<ModelFiles, SourceError> {
    locate(id, None, hub, &mut autolora::data::hub::unwatched)
}

fn weights(files: &ModelFiles) -> String {
    let Weights::Files(paths) = &files.weights else { panic!("embedded") };
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_model_is_fetched_once_and_then_read_from_the_cache() {
    let (server, cache) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let mut told = Vec::new();
    let files = locate("me/bert", None, &hub, &mut |d| {
        told.push((d.file.to_owned(), d.done, d.total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((&*files.config.bytes, &*files.tokenizer.bytes), (&b"{}"[..], &b"{\"a\":1}"[..]));
    assert_eq!((weights(&files), files.commit.as_deref()), ("0123456789".into(), Some(COMMIT)));
    assert_eq!(told.last(), Some(&("model.safetensors".to_owned(), 10, 10)));
    server.seen();
    assert_eq!(fetch("me/bert", &hub).unwrap(), files);
    assert_eq!(server.seen(), ["HEAD /me/bert/resolve/main/config.json"], "one question: where is main now");
    assert_eq!(locate("me/bert", Some(COMMIT), &hub, &mut autolora::data::hub::unwatched).unwrap(), files);
    assert_eq!(fetch("me/bert", &Hub { offline: true, ..hub.clone() }).unwrap(), files);
    assert!(server.seen().is_empty(), "a commit never moves, and offline means offline");
    let gone = Hub { endpoint: "http://127.0.0.1:1".into(), ..hub };
    assert_eq!(fetch("me/bert", &gone).unwrap(), files, "without a network the cache serves");
}

#[test]
fn shards_are_found_by_the_index() {
    let index =
        r#"{"weight_map": {"b": "model-2.safetensors", "a": "model-1.safetensors", "c": "model-1.safetensors"}}"#;
    let files = [
        MODEL[0],
        MODEL[1],
        ("me/bert/model.safetensors.index.json", index),
        ("me/bert/model-1.safetensors", "one"),
        ("me/bert/model-2.safetensors", "two"),
    ];
    let (server, cache) = (serve(&files), tempfile::tempdir().unwrap());
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "onetwo");
    let offline = Hub { offline: true, ..hub(&server, cache.path()) };
    assert_eq!(weights(&fetch("me/bert", &offline).unwrap()), "onetwo");
}

#[test]
fn a_model_without_tokenizer_json_says_how_to_make_one() {
    let (server, cache) = (serve(&[MODEL[0], MODEL[2]]), tempfile::tempdir().unwrap());
    let error = fetch("me/bert", &hub(&server, cache.path())).unwrap_err().to_string();
    assert!(error.contains("has no tokenizer.json"), "{error}");
    assert!(error.contains("AutoTokenizer.from_pretrained(\"me/bert\").save_pretrained(DIR)"), "{error}");
    assert!(
        !server.seen().iter().any(|request| request.contains("safetensors")),
        "said before the weights are fetched"
    );
}

#[test]
fn a_tokenizer_is_built_from_the_vocabulary_where_there_is_no_tokenizer_json() {
    let files = [
        ("me/bert/config.json", r#"{"model_type": "bert"}"#),
        ("me/bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\na\n"),
        ("me/bert/tokenizer_config.json", r#"{"do_lower_case": false}"#),
        MODEL[2],
    ];
    let (server, cache) = (serve(&files), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path());
    let built = fetch("me/bert", &hub).unwrap();
    let notice = "no tokenizer.json: the tokenizer is built from vocab.txt, as a BertTokenizer";
    assert_eq!(built.tokenizer_notice.as_deref(), Some(notice));
    assert!(built.tokenizer.name.ends_with("vocab.txt"));
    let json: serde_json::Value = serde_json::from_slice(&built.tokenizer.bytes).unwrap();
    assert_eq!((&json["normalizer"]["lowercase"], &json["model"]["vocab"]["a"]), (&false.into(), &6.into()));
    assert_eq!(fetch("me/bert", &Hub { offline: true, ..hub.clone() }).unwrap(), built);
    let alone = autolora::model::source::tokenizer("me/bert", None, &hub, &mut autolora::data::hub::unwatched).unwrap();
    assert_eq!(alone, (built.tokenizer, built.tokenizer_notice));
}

#[test]
fn pickles_serve_where_there_are_no_safetensors_and_only_then() {
    let index = r#"{"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}"#;
    let files = [
        MODEL[0],
        MODEL[1],
        ("me/bert/pytorch_model.bin.index.json", index),
        ("me/bert/pytorch_model-1.bin", "one"),
        ("me/bert/pytorch_model-2.bin", "two"),
    ];
    let (server, cache) = (serve(&files), tempfile::tempdir().unwrap());
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "onetwo");
    let whole = ("me/bert/pytorch_model.bin", "whole");
    let (server, cache) = (serve(&[&files[..], &[whole]].concat()), tempfile::tempdir().unwrap());
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "whole");
    let (server, cache) = (serve(&[&MODEL[..], &[whole]].concat()), tempfile::tempdir().unwrap());
    assert_eq!(weights(&fetch("me/bert", &hub(&server, cache.path())).unwrap()), "0123456789");
    assert!(!server.seen().iter().any(|request| request.contains(".bin")), "only what is needed is asked for");
}

#[test]
fn a_cache_that_cannot_be_written_is_said() {
    let (server, folder) = (serve(&MODEL), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = fetch("me/bert", &hub(&server, &file.join("cache"))).unwrap_err().to_string();
    assert!(error.starts_with("cannot write to the cache ") && error.contains("set HF_HUB_CACHE"), "{error}");
}

/// A model folder with these files, and the error of locating it.
fn folder_error(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let hub = Hub { endpoint: String::new(), cache: folder.path().into(), token: None, offline: true };
    let id = folder.path().display().to_string();
    fetch(&id, &hub).unwrap_err().to_string().replace(&id, "DIR")
}

#[test]
fn a_folder_that_lacks_a_file_says_what_it_has() {
    let (config, tokenizer) = (("config.json", "{}"), ("tokenizer.json", "{}"));
    assert_eq!(folder_error(&[]), "DIR has no config.json; it is empty");
    assert_eq!(folder_error(&[config, ("a.txt", "")]), "DIR has no tokenizer.json; it has a.txt, config.json");
    assert!(
        folder_error(&[config, ("vocab.txt", "")]).contains("AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)")
    );
    assert!(folder_error(&[("adapter_config.json", "")]).contains("this is an adapter, not a model"));
    let tensorflow = folder_error(&[config, tokenizer, ("tf_model.h5", "")]);
    assert!(tensorflow.starts_with("DIR has no model.safetensors; make one with transformers"), "{tensorflow}");
    let index = |text| folder_error(&[config, tokenizer, ("model.safetensors.index.json", text)]);
    assert!(index("{}").contains("is no index of shards: no \"weight_map\""));
    assert!(index("{").contains("is no index of shards: EOF"));
    assert!(
        index(r#"{"weight_map": {"a": "../b.safetensors"}}"#)
            .contains("is not the name of a .safetensors file beside it")
    );
    assert!(index(r#"{"weight_map": {"a": "b.safetensors"}}"#).contains("names b.safetensors, which is not there"));
}

#[test]
fn a_path_is_not_taken_for_a_hub_id() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("minilm")).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let hub = Hub { endpoint: "http://127.0.0.1:1".into(), cache: folder.path().into(), token: None, offline: false };
    let said = |id: &str| fetch(id, &hub).unwrap_err().to_string();
    let path = folder.path().join("minlm").display().to_string();
    let expected = format!("did you mean {}?", folder.path().join("minilm").display());
    assert!(said(&path).ends_with(&expected), "{}", said(&path));
    for id in ["./nothing", "../nothing", "~/nothing-here", "a/b/c", "a b", "models\\a", "a/../b", ""] {
        let error = said(id);
        assert!(error.contains("no such folder, and not the form of a hub id"), "{id:?}: {error}");
    }
    assert!(said(&folder.path().join("file").display().to_string()).contains("is a file; give the folder"));
    assert!(said("builtin:dmeo").contains("nothing of that name is built in"));
    assert!(said("me/bert").contains("no answer from http://127.0.0.1:1"));
}
