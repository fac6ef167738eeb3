//! Models inside the program.

use super::source::{ModelFiles, NamedBytes, Weights};

/// A model inside the program: the files of a model folder.
struct Builtin {
    id: &'static str,
    config: &'static [u8],
    tokenizer: &'static [u8],
    weights: &'static [u8],
}

/// A model in its folder of `assets`.
macro_rules! builtin {
    ($folder:literal) => {
        Builtin {
            id: concat!("builtin:", $folder),
            config: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $folder, "/config.json")),
            tokenizer: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $folder, "/tokenizer.json")),
            weights: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $folder, "/model.safetensors")),
        }
    };
}

static BUILTIN: &[Builtin] = &[builtin!("demo"), builtin!("demo-generation")];

/// The ids there are.
pub fn names() -> Vec<String> {
    BUILTIN.iter().map(|model| model.id.to_owned()).collect()
}

/// The files of the model called `id`.
pub fn find(id: &str) -> Option<ModelFiles> {
    let model = BUILTIN.iter().find(|model| model.id == id)?;
    let named = |file: &str, bytes: &[u8]| NamedBytes { name: format!("{id}/{file}"), bytes: bytes.to_vec() };
    Some(ModelFiles {
        id: id.to_owned(),
        config: named("config.json", model.config),
        tokenizer: named("tokenizer.json", model.tokenizer),
        tokenizer_notice: None,
        weights: Weights::Embedded { name: format!("{id}/model.safetensors"), bytes: model.weights },
        commit: None,
    })
}
