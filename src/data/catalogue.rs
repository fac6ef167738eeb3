//! The datasets inside the program.

use super::input::Input;
use crate::experiment::{BUILTIN_DEMO, BUILTIN_GENERATION};

/// Name and bytes of a file of an embedded dataset, in its folder of `assets`.
macro_rules! part {
    ($folder:literal, $name:literal) => {
        (
            concat!("builtin:", $folder, "/", $name),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $folder, "/", $name)).as_slice(),
        )
    };
}

/// Train, validation and test of the embedded dataset `id`.
pub fn embedded(id: &str) -> Option<[Input; 3]> {
    let parts = match id {
        BUILTIN_DEMO => [part!("demo", "train.tsv"), part!("demo", "validation.tsv"), part!("demo", "test.tsv")],
        BUILTIN_GENERATION => [
            part!("demo-generation", "train.tsv"),
            part!("demo-generation", "validation.tsv"),
            part!("demo-generation", "test.tsv"),
        ],
        _ => return None,
    };
    let [train, validation, test] = parts;
    let file = |setting, (name, bytes): (&str, &'static [u8])| Input::embedded(setting, name, bytes);
    Some([file("data.train", train), file("data.validation", validation), file("data.test", test)])
}
