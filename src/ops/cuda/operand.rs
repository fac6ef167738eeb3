//! candle's tensors as the operands of recipes, and results as candle's tensors.

use super::recipe::{Kind, Operand};
use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, Storage, Tensor, bail};

/// Where a slice begins. Work on a device is in the order of its one stream, so that nobody else needs to know that it
/// is read: the guard that cudarc gives with the address may go at once.
fn address<T: DeviceRepr>(slice: &CudaSlice<T>) -> u64 {
    slice.device_ptr(slice.stream()).0
}

/// A storage's elements from the layout's first one on, whatever its strides.
pub fn start(storage: &CudaStorage, layout: &Layout) -> Result<Operand> {
    let (address, kind) = match &storage.slice {
        CudaStorageSlice::F64(slice) => (address(slice), Kind::F64),
        CudaStorageSlice::F32(slice) => (address(slice), Kind::F32),
        CudaStorageSlice::BF16(slice) => (address(slice), Kind::Bf16),
        CudaStorageSlice::F16(slice) => (address(slice), Kind::F16),
        _ => bail!("an operand of a fused operation must be of floating-point numbers"),
    };
    Ok(Operand { address, kind }.skip(layout.start_offset()))
}

/// The contiguous elements of a storage.
pub fn operand(storage: &CudaStorage, layout: &Layout) -> Result<Operand> {
    if !layout.is_contiguous() {
        bail!("an operand of a fused operation must be contiguous, layout {layout:?}");
    }
    start(storage, layout)
}

/// The contiguous elements of a tensor, which must outlive the launches that are given them.
pub fn operand_of(tensor: &Tensor) -> Result<Operand> {
    with_storage(tensor, operand)
}

/// Calls `f` with the storage of a tensor on a GPU.
pub fn with_storage<R>(tensor: &Tensor, f: impl FnOnce(&CudaStorage, &Layout) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cuda(storage) => f(storage, layout),
        _ => bail!("a kernel of a GPU got a tensor of another device"),
    }
}

/// Refuses operands of different kinds.
pub fn of_one_kind(operation: &str, operands: &[Operand]) -> Result<()> {
    match operands.windows(2).find(|pair| pair[0].kind != pair[1].kind) {
        Some(pair) => bail!("{operation}: operands in {} and {}", pair[0].kind.name(), pair[1].kind.name()),
        None => Ok(()),
    }
}

/// A result that is yet to be written.
pub struct Output {
    storage: CudaStorage,
    pub operand: Operand,
}

impl Output {
    /// Of `count` elements.
    pub fn new(device: &CudaDevice, kind: Kind, count: usize) -> Result<Output> {
        let count = count.max(1);
        // SAFETY: whoever asks for a result writes all of it.
        let slice = unsafe {
            match kind {
                Kind::F64 => CudaStorageSlice::F64(device.alloc(count)?),
                Kind::F32 => CudaStorageSlice::F32(device.alloc(count)?),
                Kind::Bf16 => CudaStorageSlice::BF16(device.alloc(count)?),
                Kind::F16 => CudaStorageSlice::F16(device.alloc(count)?),
            }
        };
        let storage = CudaStorage { slice, device: device.clone() };
        let operand = start(&storage, &Layout::contiguous(count))?;
        Ok(Output { storage, operand })
    }

    /// Of the shape and kind of a tensor, on its device.
    pub fn like(tensor: &Tensor) -> Result<Output> {
        let kind = with_storage(tensor, start)?.kind;
        Output::new(tensor.device().as_cuda_device()?, kind, tensor.elem_count())
    }

    pub fn storage(self) -> CudaStorage {
        self.storage
    }

    /// Without a history.
    pub fn tensor(self, shape: &Shape) -> Tensor {
        Tensor::from_storage(Storage::Cuda(self.storage), shape.clone(), BackpropOp::none(), false)
    }
}
