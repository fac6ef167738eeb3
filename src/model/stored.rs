//! One tensor of a checkpoint, in memory or still in its safetensors file
//! (<https://huggingface.co/docs/safetensors>: eight bytes of length, a JSON header, the data).

use super::ModelError;
use crate::experiment::regular;
use candle_core::safetensors::Load;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Metadata, TensorInfo, TensorView};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the header's length, which come first.
const LENGTH: usize = 8;
/// Bytes of the longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor, and how to get it.
pub enum Stored {
    Memory(Tensor),
    Disk(OnDisk),
}

/// A tensor in a file.
pub struct OnDisk {
    file: Arc<Opened>,
    info: TensorInfo,
}

/// An open safetensors file.
struct Opened {
    name: String,
    file: File,
    /// Where the data begins.
    data: u64,
}

impl Opened {
    fn wrong(&self, problem: impl std::fmt::Display) -> ModelError {
        ModelError::File { file: self.name.clone(), problem: problem.to_string() }
    }
}

impl Stored {
    /// The shape.
    pub fn dims(&self) -> &[usize] {
        match self {
            Stored::Memory(tensor) => tensor.dims(),
            Stored::Disk(on_disk) => &on_disk.info.shape,
        }
    }

    /// The tensor as it is stored; of a file, read anew.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn load(&self) -> Result<Tensor, ModelError> {
        let OnDisk { file, info } = match self {
            Stored::Memory(tensor) => return Ok(tensor.clone()),
            Stored::Disk(on_disk) => on_disk,
        };
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        let read = file.file.read_exact_at(&mut bytes, file.data + start as u64);
        read.map_err(|e| file.wrong(format!("cannot be read: {e}")))?;
        let view = TensorView::new(info.dtype, info.shape.clone(), &bytes).map_err(|e| file.wrong(e))?;
        Ok(view.load(&Device::Cpu)?)
    }
}

/// Index buffers such as `position_ids` are no weights.
fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16)
}

/// The tensors of a safetensors file that is in memory; `name` is for errors.
pub fn in_memory(bytes: &[u8], name: &str) -> Result<BTreeMap<String, Stored>, ModelError> {
    let wrong = |e| ModelError::File { file: name.into(), problem: format!("not a safetensors file: {e}") };
    let file = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let tensors = file.tensors().into_iter().filter(|(_, view)| is_float(view.dtype()));
    tensors.map(|(name, view)| Ok((name, Stored::Memory(view.load(&Device::Cpu)?)))).collect()
}

/// The tensors of a safetensors file, of which the header alone is read.
///
/// # Errors
/// A file that cannot be read, is no safetensors file, or does not end where its header says.
pub fn on_disk(path: &Path) -> Result<BTreeMap<String, Stored>, ModelError> {
    let name = path.display().to_string();
    let unreadable =
        |e: std::io::Error| ModelError::File { file: name.clone(), problem: format!("cannot be read: {e}") };
    let wrong = |problem: String| ModelError::File {
        file: name.clone(),
        problem: format!("not a safetensors file: {problem}"),
    };
    let file = regular::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut first = [0; LENGTH];
    file.read_exact_at(&mut first, 0).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => wrong(format!("{length} bytes are too few for a header")),
        _ => unreadable(e),
    })?;
    let header = u64::from_le_bytes(first);
    if header > LONGEST_HEADER || header + LENGTH as u64 > length {
        return Err(wrong(format!("its first bytes announce a header of {header} bytes, the file has {length}")));
    }
    let mut json = vec![0; header as usize];
    file.read_exact_at(&mut json, LENGTH as u64).map_err(unreadable)?;
    let metadata: Metadata = serde_json::from_slice(&json).map_err(|e| wrong(format!("its header: {e}")))?;
    let data = LENGTH as u64 + header;
    let expected = data.saturating_add(metadata.data_len() as u64);
    if expected != length {
        let problem = format!("its header announces {expected} bytes, the file has {length}: a copy that broke off?");
        return Err(wrong(problem));
    }
    let opened = Arc::new(Opened { name, file, data });
    let floats = metadata.tensors().into_iter().filter(|(_, info)| is_float(info.dtype));
    let stored = |info: &TensorInfo| Stored::Disk(OnDisk { file: opened.clone(), info: info.clone() });
    Ok(floats.map(|(name, info)| (name, stored(info))).collect())
}
