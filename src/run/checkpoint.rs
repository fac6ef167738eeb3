//! Checkpoints: what a worker needs to go on, to the bit. One safetensors file each.

use super::event::Phase;
use super::file::{FileError, write_atomically};
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Key of the safetensors header under which phase, step and `meta` are kept.
const HEADER: &str = "autolora";

/// The state of a job after `step` steps of `phase`.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub phase: Phase,
    /// Steps done; 0 before the first.
    pub step: usize,
    /// Counters, generator states, whatever is not a tensor.
    pub meta: serde_json::Value,
    /// By name; names are unique. Sorted by name after loading.
    pub tensors: Vec<(String, Tensor)>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    phase: Phase,
    step: usize,
    meta: serde_json::Value,
}

/// A checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{} is not a whole checkpoint: {reason}", path.display())]
    Broken { path: PathBuf, reason: String },
    #[error("a checkpoint has no form on disk: {0}")]
    Unwritable(String),
    #[error(transparent)]
    File(#[from] FileError),
}

impl Checkpoint {
    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor)
    }

    /// Its name as the one after `counter` others.
    pub(super) fn file_name(&self, counter: u64) -> String {
        format!("{counter:06}-{}-{}.safetensors", self.phase.name(), self.step)
    }

    /// As a file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let unwritable = |error: &dyn std::fmt::Display| CheckpointError::Unwritable(error.to_string());
        let header = Header { phase: self.phase, step: self.step, meta: self.meta.clone() };
        let header = serde_json::to_string(&header).map_err(|e| unwritable(&e))?;
        // On the CPU first: reading from a device can fail, and safetensors has no way to say so.
        let tensors: Vec<(&str, Tensor)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), tensor.to_device(&Device::Cpu)?)))
            .collect::<candle_core::Result<_>>()
            .map_err(|e| unwritable(&e))?;
        let named = tensors.iter().map(|(name, tensor)| (*name, tensor));
        safetensors::serialize(named, Some(HashMap::from([(HEADER.into(), header)]))).map_err(|e| unwritable(&e))
    }

    fn from_bytes(bytes: &[u8], device: &Device) -> Result<Checkpoint, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
        let header: Header =
            serde_json::from_str(header.ok_or("it has no header of ours")?).map_err(|e| e.to_string())?;
        let tensors = candle_core::safetensors::load_buffer(bytes, device).map_err(|e| e.to_string())?;
        let mut tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Checkpoint { phase: header.phase, step: header.step, meta: header.meta, tensors })
    }
}

/// The folder of a run's checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The folder need not exist yet; `keep` newest ones are kept, at least one.
    pub fn new(folder: &Path, keep: usize) -> Checkpoints {
        Checkpoints { folder: folder.into(), keep: keep.max(1) }
    }

    /// Writes a checkpoint, whole and on the disk when this returns, then deletes those that are too old.
    ///
    /// # Errors
    /// [`CheckpointError`]; the earlier ones are as they were then.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        fs::create_dir_all(&self.folder).map_err(FileError::at("cannot make", &self.folder))?;
        let known = self.files()?;
        let counter = known.last().map_or(0, |(counter, _)| counter + 1);
        let path = self.folder.join(checkpoint.file_name(counter));
        write_atomically(&path, &checkpoint.to_bytes()?)?;
        for (_, old) in known.iter().rev().skip(self.keep - 1) {
            if let Err(error) = fs::remove_file(old) {
                tracing::warn!("cannot delete the old checkpoint {}: {error}", old.display());
            }
        }
        Ok(path)
    }

    /// The newest checkpoint that is whole, on `device`; `None` where there is none. Says in the worker's log which
    /// ones it passed over.
    ///
    /// # Errors
    /// [`CheckpointError::File`] where the folder cannot be read, [`CheckpointError::Broken`] (of the newest) where
    /// there are checkpoints and none is whole.
    pub fn newest(&self, device: &Device) -> Result<Option<Checkpoint>, CheckpointError> {
        let mut first_error = None;
        for (_, path) in self.files()?.into_iter().rev() {
            let bytes = fs::read(&path).map_err(FileError::at("cannot read", &path));
            let error = match bytes.map(|bytes| Checkpoint::from_bytes(&bytes, device)) {
                Ok(Ok(checkpoint)) => return Ok(Some(checkpoint)),
                Ok(Err(reason)) => CheckpointError::Broken { path, reason },
                Err(error) => error.into(),
            };
            tracing::warn!("{error}; trying the one before");
            first_error.get_or_insert(error);
        }
        first_error.map_or(Ok(None), Err)
    }

    /// (counter, path) of every checkpoint, oldest first.
    fn files(&self) -> Result<Vec<(u64, PathBuf)>, FileError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::at("cannot read", &self.folder)(error)),
        };
        let counter = |path: &Path| -> Option<u64> {
            let name = path.file_name()?.to_str()?;
            name.strip_suffix(".safetensors")?.split('-').next()?.parse().ok()
        };
        let mut files: Vec<(u64, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| counter(&entry.path()).map(|counter| (counter, entry.path())))
            .collect();
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, WithDType};
    use proptest::prelude::*;
    use serde_json::json;

    fn at_step(step: usize) -> Checkpoint {
        let tensor = Tensor::new(&[step as f32, -0.0, f32::NAN], &Device::Cpu).unwrap();
        Checkpoint {
            phase: Phase::Search,
            step,
            meta: json!({"rng": [1, u64::MAX]}),
            tensors: vec![("w".into(), tensor)],
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_ones_are_kept_and_the_newest_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(&folder.path().join("checkpoints"), 2);
        assert!(checkpoints.newest(&Device::Cpu).unwrap().is_none());
        for step in [10, 20, 30] {
            checkpoints.save(&at_step(step)).unwrap();
        }
        let files = names(&folder.path().join("checkpoints"));
        assert_eq!(files, ["000001-search-20.safetensors", "000002-search-30.safetensors"]);
        let newest = checkpoints.newest(&Device::Cpu).unwrap().unwrap();
        assert_eq!((newest.phase, newest.step, newest.meta), (Phase::Search, 30, json!({"rng": [1, u64::MAX]})));
    }

    #[test]
    fn a_broken_newest_one_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2);
        checkpoints.save(&at_step(1)).unwrap();
        let newest = checkpoints.save(&at_step(2)).unwrap();
        let whole = fs::read(&newest).unwrap();
        for length in [0, 7, whole.len() / 2, whole.len() - 1] {
            fs::write(&newest, &whole[..length]).unwrap();
            assert_eq!(checkpoints.newest(&Device::Cpu).unwrap().unwrap().step, 1, "{length} bytes");
        }
        fs::remove_file(folder.path().join("000000-search-1.safetensors")).unwrap();
        assert!(matches!(checkpoints.newest(&Device::Cpu), Err(CheckpointError::Broken { .. })));
    }

    #[test]
    fn equal_checkpoints_are_equal_files() {
        let mut a = at_step(1);
        let more = Tensor::new(&[1u32, 2], &Device::Cpu).unwrap();
        a.tensors.extend([("b".to_string(), more.clone()), ("a".to_string(), more)]);
        let mut b = a.clone();
        b.tensors.reverse();
        assert_eq!(a.to_bytes().unwrap(), b.to_bytes().unwrap());
    }

    fn round_trip<T: WithDType>(values: &[T]) -> Vec<T> {
        let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
        let saved =
            Checkpoint { phase: Phase::Retrain, step: 1, meta: json!(null), tensors: vec![("x".into(), tensor)] };
        let loaded = Checkpoint::from_bytes(&saved.to_bytes().unwrap(), &Device::Cpu).unwrap();
        let tensor = loaded.tensor("x").unwrap();
        assert_eq!(tensor.dtype(), T::DTYPE);
        tensor.to_vec1().unwrap()
    }

    proptest! {
        #[test]
        fn every_bit_survives(
            f32s in proptest::collection::vec(any::<u32>(), 0..20),
            f64s in proptest::collection::vec(any::<u64>(), 0..20),
            u32s in proptest::collection::vec(any::<u32>(), 0..20),
            i64s in proptest::collection::vec(any::<i64>(), 0..20),
        ) {
            let floats: Vec<f32> = f32s.iter().map(|&bits| f32::from_bits(bits)).collect();
            prop_assert_eq!(round_trip(&floats).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), f32s);
            let doubles: Vec<f64> = f64s.iter().map(|&bits| f64::from_bits(bits)).collect();
            prop_assert_eq!(round_trip(&doubles).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), f64s);
            prop_assert_eq!(round_trip(&u32s), u32s);
            prop_assert_eq!(round_trip(&i64s), i64s);
        }
    }

    #[test]
    fn a_view_of_a_tensor_is_saved_as_it_looks() {
        let tensor = Tensor::arange(0f32, 6., &Device::Cpu).unwrap().reshape((2, 3)).unwrap().t().unwrap();
        let saved = Checkpoint { phase: Phase::Search, step: 0, meta: json!({}), tensors: vec![("t".into(), tensor)] };
        let loaded = Checkpoint::from_bytes(&saved.to_bytes().unwrap(), &Device::Cpu).unwrap();
        let t = loaded.tensor("t").unwrap();
        assert_eq!(t.dtype(), DType::F32);
        assert_eq!(t.to_vec2::<f32>().unwrap(), [[0., 3.], [1., 4.], [2., 5.]]);
        assert!(loaded.tensor("other").is_none());
    }
}
