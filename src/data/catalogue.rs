//! The datasets inside the program.

use super::input::Input;
use crate::experiment::BUILTIN_DEMO;

macro_rules! demo {
    ($name:literal) => {
        (
            concat!("builtin:demo/", $name),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/", $name)).as_slice(),
        )
    };
}

/// Train, validation and test of the embedded dataset `id`.
pub fn embedded(id: &str) -> Option<[Input; 3]> {
    let file = |setting, (name, bytes): (&str, &'static [u8])| Input::embedded(setting, name, bytes);
    (id == BUILTIN_DEMO).then(|| {
        [
            file("data.train", demo!("train.tsv")),
            file("data.validation", demo!("validation.tsv")),
            file("data.test", demo!("test.tsv")),
        ]
    })
}
