//! Tensors of a checkpoint by name, whatever prefix and precision they are stored with.

use super::stored::{self, Stored};
use super::{ModelError, torch_file};
use crate::data::random;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// What to do about a file that cannot be read.
const SAFETENSORS_ADVICE: &str =
    "make model.safetensors with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)";

/// The tensors of one model. Those of safetensors files stay on the disk until they are asked for: a model is never in
/// memory twice.
pub struct Checkpoint {
    /// What to call the files in errors.
    file: String,
    tensors: BTreeMap<String, Stored>,
    /// Seed of the tensors of a shape that nobody trained; none of a checkpoint that was.
    drawn: Option<u64>,
}

impl Checkpoint {
    /// Of no model: whatever is asked for by [`Checkpoint::get`] is drawn, in the shape in which it is asked for. What a step
    /// takes does not depend on what the weights are.
    pub fn drawn(seed: u64) -> Checkpoint {
        Checkpoint { file: "random weights".into(), tensors: BTreeMap::new(), drawn: Some(seed) }
    }

    /// From the bytes of a safetensors file; `file` names it in errors.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Checkpoint, ModelError> {
        Ok(Checkpoint { file: file.into(), tensors: stored::in_memory(bytes, file)?, drawn: None })
    }

    /// From files of safetensors or, where the name ends in `.bin`, of `torch.save`: one, or the shards of one model.
    pub fn from_files(paths: &[impl AsRef<Path>]) -> Result<Checkpoint, ModelError> {
        let file = paths.first().map_or_else(|| "model".into(), |path| path.as_ref().display().to_string());
        let mut checkpoint = Checkpoint { file, tensors: BTreeMap::new(), drawn: None };
        for path in paths.iter().map(AsRef::as_ref) {
            if path.extension().is_some_and(|ending| ending == "bin") {
                let tensors = torch_file::read(path).map_err(|problem| ModelError::File {
                    file: path.display().to_string(),
                    problem: format!("{problem}; {SAFETENSORS_ADVICE}"),
                })?;
                checkpoint.tensors.extend(tensors.into_iter().map(|(name, tensor)| (name, Stored::Memory(tensor))));
                continue;
            }
            checkpoint.tensors.extend(stored::on_disk(path)?);
        }
        Ok(checkpoint)
    }

    /// From tensors in memory, tracked or not: what a model that is itself being trained is built on.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>, file: &str) -> Checkpoint {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, Stored::Memory(tensor)));
        Checkpoint { file: file.into(), tensors: tensors.collect(), drawn: None }
    }

    /// Puts a tensor in the place of the one of this name, or beside the others.
    pub fn insert(&mut self, name: String, tensor: Tensor) {
        self.tensors.insert(name, Stored::Memory(tensor));
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Names of the tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Stored::dims)
    }

    /// A tensor as it is stored, on the CPU or, of [`Checkpoint::from_tensors`], where it is.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, ModelError> {
        self.tensors.get(name).map(Stored::load).transpose()
    }

    /// The prefix (with its dot, or empty) under which the encoder's tensors are stored.
    pub fn encoder_prefix(&self, family_prefix: &str) -> String {
        let dotted = format!("{family_prefix}.");
        if self.tensors.keys().any(|name| name.starts_with(&dotted)) { dotted } else { String::new() }
    }

    /// The tensor of this name and shape, in `dtype` on `device`. Old checkpoints' `gamma` and `beta` are found too.
    ///
    /// # Errors
    /// One that is missing, of another shape, unreadable, or whose numbers are too large for `dtype`.
    pub fn get(&self, name: &str, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor, ModelError> {
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        let Some(stored) = self.tensors.get(name).or_else(|| self.tensors.get(&old)) else {
            if let Some(seed) = self.drawn {
                return Ok(draw(seed, name, shape)?.to_dtype(dtype)?.to_device(device)?);
            }
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
        if stored.dims() != shape {
            return Err(ModelError::Shape {
                file: self.file.clone(),
                name: name.into(),
                found: stored.dims().to_vec(),
                expected: shape.to_vec(),
            });
        }
        let tensor = stored.load()?;
        if tensor.is_variable() {
            return Ok(tensor);
        }
        let converted = tensor.to_dtype(dtype)?;
        if dtype == DType::F16 && tensor.dtype() != DType::F16 && overflows(&converted)? {
            let problem =
                format!("`{name}` has numbers beyond 65504, too large for f16: take runtime.precision = \"bf16\"");
            return Err(ModelError::File { file: self.file.clone(), problem });
        }
        Ok(converted.to_device(device)?)
    }
}

/// Standard deviation of a drawn matrix: what the configurations of most models say.
const SPREAD: f64 = 0.02;

/// A tensor of a shape: a matrix uniformly distributed around 0, a vector 1 where it is a weight (of a norm) and 0 where it
/// is a bias.
fn draw(seed: u64, name: &str, shape: &[usize]) -> candle_core::Result<Tensor> {
    match shape.len() {
        0 | 1 if name.ends_with("bias") => Tensor::zeros(shape, DType::F32, &Device::Cpu),
        0 | 1 => Tensor::ones(shape, DType::F32, &Device::Cpu),
        _ => {
            let mut rng = random::stream(seed, name, 0);
            let values = random::uniform(&mut rng, shape.iter().product(), SPREAD * 3f64.sqrt());
            Tensor::from_vec(values, shape, &Device::Cpu)
        }
    }
}

/// Whether an f16 tensor has an infinite number.
fn overflows(tensor: &Tensor) -> candle_core::Result<bool> {
    let largest = tensor.flatten_all()?.abs()?.max(0)?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
    Ok(largest.is_infinite())
}
