//! Tensors of a checkpoint by name, whatever prefix and precision they are stored with.

use super::{ModelError, torch_file};
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;

/// What to do about a file that cannot be read.
const SAFETENSORS_ADVICE: &str =
    "make model.safetensors with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)";

/// The tensors of one model.
pub struct Checkpoint {
    /// What to call the files in errors.
    file: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// From the bytes of a safetensors file; `file` names it in errors.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Checkpoint, ModelError> {
        let mut checkpoint = Checkpoint { file: file.into(), tensors: BTreeMap::new() };
        checkpoint.add(bytes, file)?;
        Ok(checkpoint)
    }

    /// From files of safetensors or, where the name ends in `.bin`, of `torch.save`: one, or the shards of one model.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Checkpoint, ModelError> {
        let file = paths.first().map_or_else(|| "model".into(), |path| path.as_ref().display().to_string());
        let mut checkpoint = Checkpoint { file, tensors: BTreeMap::new() };
        for path in paths {
            let name = path.as_ref().display().to_string();
            if path.as_ref().extension().is_some_and(|ending| ending == "bin") {
                let tensors = torch_file::read(path.as_ref()).map_err(|problem| ModelError::File {
                    file: name,
                    problem: format!("{problem}; {SAFETENSORS_ADVICE}"),
                })?;
                checkpoint.tensors.extend(tensors);
                continue;
            }
            let bytes = std::fs::read(path)
                .map_err(|e| ModelError::File { file: name.clone(), problem: format!("cannot be read: {e}") })?;
            checkpoint.add(&bytes, &name)?;
        }
        Ok(checkpoint)
    }

    /// From tensors in memory, tracked or not: what a model that is itself being trained is built on.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>, file: &str) -> Checkpoint {
        Checkpoint { file: file.into(), tensors }
    }

    fn add(&mut self, bytes: &[u8], file: &str) -> Result<(), ModelError> {
        let wrong = |problem: String| ModelError::File { file: file.into(), problem };
        let read = SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("not a safetensors file: {e}")))?;
        for (name, view) in read.tensors() {
            use safetensors::tensor::TensorView;
            let floats = matches!(
                view.dtype(),
                safetensors::Dtype::F32 | safetensors::Dtype::F64 | safetensors::Dtype::F16 | safetensors::Dtype::BF16
            );
            if !floats {
                continue; // index buffers such as position_ids
            }
            let load = |view: &TensorView| candle_core::safetensors::Load::load(view, &Device::Cpu);
            self.tensors.insert(name, load(&view)?);
        }
        Ok(())
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Names of the tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as it is stored.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The prefix (with its dot, or empty) under which the encoder's tensors are stored.
    pub fn encoder_prefix(&self, family_prefix: &str) -> String {
        let dotted = format!("{family_prefix}.");
        if self.tensors.keys().any(|name| name.starts_with(&dotted)) { dotted } else { String::new() }
    }

    /// The tensor of this name and shape, in `dtype` on `device`. Old checkpoints' `gamma` and `beta` are found too.
    pub fn get(&self, name: &str, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor, ModelError> {
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        let Some(tensor) = self.tensors.get(name).or_else(|| self.tensors.get(&old)) else {
            return Err(ModelError::MissingTensor {
                file: self.file.clone(),
                name: name.into(),
                expected: shape.to_vec(),
                nearest: self
                    .tensors
                    .keys()
                    .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)))
                    .cloned(),
            });
        };
        if tensor.dims() != shape {
            return Err(ModelError::Shape {
                file: self.file.clone(),
                name: name.into(),
                found: tensor.dims().to_vec(),
                expected: shape.to_vec(),
            });
        }
        if tensor.is_variable() {
            return Ok(tensor.clone());
        }
        Ok(tensor.to_dtype(dtype)?.to_device(device)?)
    }
}
