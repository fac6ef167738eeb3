//! The encoders: against PyTorch, against central differences, against broken files, against a real checkpoint.

mod gradients;
mod loading;
mod memory;
mod minilm;
mod parity;
mod precision;

use autolora::model::checkpoint::Checkpoint;
use autolora::model::source::{self, Weights as StoredWeights};
use autolora::model::{EncoderConfig, HeadKind, TaskModel};
use candle_core::{DType, Device};
use std::path::{Path, PathBuf};

const CPU: Device = Device::Cpu;

/// A model that `tests/fixtures/encoders.py` made.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders").join(name)
}

/// The configuration and weights of a model folder, found as a run finds them.
fn open(folder: &Path) -> Result<(EncoderConfig, Checkpoint), String> {
    // A run needs a tokenizer too, which the fixtures leave out.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(copy.path().join("tokenizer.json"), "{}").unwrap();
    let hub = autolora::data::hub::Hub { endpoint: String::new(), cache: folder.into(), token: None, offline: true };
    let id = copy.path().display().to_string();
    let shown = |e: &dyn std::fmt::Display| e.to_string().replace(&id, "DIR");
    let files = source::locate(&id, None, &hub, &mut autolora::data::hub::unwatched).map_err(|e| shown(&e))?;
    let StoredWeights::Files(paths) = &files.weights else { panic!("embedded") };
    let config = EncoderConfig::parse(&files.config.bytes, "config.json").map_err(|e| shown(&e))?;
    Ok((config, Checkpoint::from_files(paths).map_err(|e| shown(&e))?))
}

fn load(folder: &Path, kind: HeadKind, labels: usize) -> Result<(TaskModel, Vec<String>), String> {
    let (config, checkpoint) = open(folder)?;
    TaskModel::load(&config, &checkpoint, kind, labels, DType::F32, &CPU).map_err(|e| e.to_string())
}
