//! Dropout and rotary positions.

use super::operand::{Output, operand, operand_of};
use super::recipe::elementwise::{self, Dropout, HeadRows, Turn};
use super::recipe::{Kind, Operand};
use super::resident::Residents;
use crate::ops::{Mask, Rope};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// A mask as the kernels take it.
pub fn dropout_of(mask: Option<Mask>) -> Dropout {
    mask.map_or(Dropout::NONE, |mask| {
        let (key, limit) = mask.parts();
        Dropout { key, limit, scale: mask.scale() }
    })
}

/// See [`crate::ops::dropout`].
pub fn dropout((x, layout): (&CudaStorage, &Layout), mask: Mask) -> Result<(CudaStorage, Shape)> {
    let (of, count) = (operand(x, layout)?, layout.shape().elem_count());
    let y = Output::new(&x.device, of.kind, count)?;
    elementwise::dropout(&x.device, of, y.operand, count, dropout_of(Some(mask)))?;
    Ok((y.storage(), layout.shape().clone()))
}

/// The gradient of x.
pub fn dropout_back(grad: &Tensor, mask: Mask) -> Result<Tensor> {
    let grad = grad.contiguous()?;
    let dx = Output::like(&grad)?;
    let device = grad.device().as_cuda_device()?;
    elementwise::dropout(device, operand_of(&grad)?, dx.operand, grad.elem_count(), dropout_of(Some(mask)))?;
    Ok(dx.tensor(grad.shape()))
}

/// Cosines, then sines, of a rope on a device, in f32. They must be kept as long as the [`Turn`] is used.
pub fn turn(device: &CudaDevice, rope: &Arc<Rope>) -> Result<(Arc<CudaSlice<f32>>, Turn)> {
    static ROPES: Residents<Rope, f32> = Residents::new();
    let tables = ROPES.get(device, rope, |rope| {
        let (cosines, sines) = rope.cosines_and_sines();
        cosines.iter().chain(sines).map(|&x| x as f32).collect()
    })?;
    let cosines = Operand { address: tables.device_ptr(tables.stream()).0, kind: Kind::F32 };
    let half = rope.width() / 2;
    Ok((tables, Turn { cosines, sines: cosines.skip(rope.length() * half), half }))
}

/// A table of places or of first keys on a device, and its address.
pub fn counts(device: &CudaDevice, of: &Arc<[u32]>) -> Result<(Arc<CudaSlice<u32>>, u64)> {
    static COUNTS: Residents<[u32], u32> = Residents::new();
    let table = COUNTS.get(device, of, <[u32]>::to_vec)?;
    let address = table.device_ptr(table.stream()).0;
    Ok((table, address))
}

/// Heads of x (batch, length, heads x head width) turned by their places, `direction` 1 or, back, -1.
pub fn rotate(
    (x, layout): (&CudaStorage, &Layout),
    rope: &Arc<Rope>,
    places: &Arc<[u32]>,
    (head_width, direction): (usize, f64),
) -> Result<(CudaStorage, Shape)> {
    let (of, count) = (operand(x, layout)?, layout.shape().elem_count());
    let rows = HeadRows { rows: places.len(), n: count / places.len().max(1), width: head_width };
    let y = Output::new(&x.device, of.kind, count)?;
    let (_tables, turn) = turn(&x.device, rope)?;
    let (_places, places) = counts(&x.device, places)?;
    elementwise::rotate(&x.device, (of, y.operand), rows, places, turn, direction)?;
    Ok((y.storage(), layout.shape().clone()))
}
