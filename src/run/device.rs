//! The device that a setting names.

use candle_core::{Device, DeviceLocation};

/// The device of `runtime.device` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("device {0:?} needs a build with CUDA: cargo build --release --features cuda")]
    NotCompiled(String),
    #[error("device {name:?} does not open: {source}")]
    Unusable { name: String, source: candle_core::Error },
    #[error("there is no device {0:?}; allowed: auto, cpu, cuda, cuda:N")]
    Unknown(String),
}

/// Opens `auto` (CUDA where the build and the machine have it, else CPU), `cpu`, `cuda` or `cuda:N`.
///
/// # Errors
/// [`DeviceError`], for a device asked for by name that is not to be had.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let ordinal = match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" if !cfg!(feature = "cuda") => return Ok(Device::Cpu),
        // A machine without a driver is no error here: that is what `auto` is for.
        "auto" => return Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        "cuda" => 0,
        _ => name
            .strip_prefix("cuda:")
            .and_then(|ordinal| ordinal.parse().ok())
            .ok_or_else(|| DeviceError::Unknown(name.into()))?,
    };
    if !cfg!(feature = "cuda") {
        return Err(DeviceError::NotCompiled(name.into()));
    }
    Device::new_cuda(ordinal).map_err(|source| DeviceError::Unusable { name: name.into(), source })
}

/// Opens the device that a run came to; where it was left to the program (`auto`) and does not open, the CPU.
///
/// # Errors
/// As [`open`].
pub fn open_for(setting: &str, device: &str) -> Result<Device, DeviceError> {
    match open(device) {
        Err(DeviceError::Unusable { .. }) if setting == "auto" => Ok(Device::Cpu),
        opened => opened,
    }
}

/// The name of an open device: `cpu`, `cuda:0`, `metal:0`.
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

/// CUDA's number of an open device; none of another one.
pub fn ordinal(device: &Device) -> Option<usize> {
    match device.location() {
        DeviceLocation::Cuda { gpu_id } => Some(gpu_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_device_are_refused() {
        for word in ["gpu", "cuda:", "cuda:x", ""] {
            assert!(matches!(open(word), Err(DeviceError::Unknown(_))), "{word:?}");
        }
        assert_eq!(name(&open("cpu").unwrap()), "cpu");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_cuda_auto_is_the_cpu_and_cuda_an_error_that_says_how_to_build() {
        assert_eq!(name(&open("auto").unwrap()), "cpu");
        assert!(open("cuda:1").unwrap_err().to_string().contains("--features cuda"));
    }
}
