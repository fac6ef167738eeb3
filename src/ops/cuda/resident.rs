//! Tables that belong to a batch or a model, brought to a device once and not at each use.

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
use candle_core::{CudaDevice, Result};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What was brought to devices, by what it was made of.
pub struct Residents<K: ?Sized, T> {
    all: Mutex<Vec<Resident<K, T>>>,
}

/// A table on a device. As long as there is this reference the memory of `of` is not used for something else, so that
/// an address stands for one table.
struct Resident<K: ?Sized, T> {
    of: Weak<K>,
    device: DeviceId,
    table: Arc<CudaSlice<T>>,
}

impl<K: ?Sized, T: DeviceRepr + Default + 'static> Residents<K, T> {
    pub const fn new() -> Residents<K, T> {
        Residents { all: Mutex::new(Vec::new()) }
    }

    /// The table that `make` makes of `of`, on the device; tables of what is gone are forgotten.
    pub fn get(&self, device: &CudaDevice, of: &Arc<K>, make: impl FnOnce(&K) -> Vec<T>) -> Result<Arc<CudaSlice<T>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |resident: &&Resident<K, T>| {
            std::ptr::addr_eq(resident.of.as_ptr(), Arc::as_ptr(of)) && resident.device == device.id()
        };
        if let Some(resident) = all.iter().find(is_this) {
            return Ok(resident.table.clone());
        }
        all.retain(|resident| resident.of.strong_count() > 0);
        let mut values = make(of);
        if values.is_empty() {
            // No device gives memory of no bytes.
            values.push(T::default());
        }
        let table = Arc::new(device.clone_htod(&values)?);
        all.push(Resident { of: Arc::downgrade(of), device: device.id(), table: table.clone() });
        Ok(table)
    }
}
