//! Cross-entropy over a vocabulary.

use super::operand::{Output, operand_of};
use super::recipe::Kind;
use super::recipe::linear::Weight;
use super::recipe::loss::{self, Loss};
use crate::ops::LossRule;
use candle_core::cuda_backend::cudarc::driver::DevicePtr;
use candle_core::{Result, Tensor};

/// Logits in memory at once, about: 128 MB of f32.
const CHUNK_LOGITS: usize = 1 << 25;

/// The sum of the losses (a scalar), and where asked its gradient by x (places, hidden). The targets are within the
/// vocabulary.
pub fn loss_and_slopes(
    x: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    rule: LossRule,
    wants_slopes: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let ((places, _), device) = (x.dims2()?, x.device().as_cuda_device()?);
    let weight: Weight = super::linear::weight(weight)?;
    // No device gives memory of no bytes.
    let targets = device.clone_htod(if targets.is_empty() { &[0u32][..] } else { targets })?;
    let (sum, slopes) = (Output::new(device, Kind::F32, 1)?, Output::like(x)?);
    let of = Loss {
        x: operand_of(x)?,
        targets: targets.device_ptr(targets.stream()).0,
        places,
        cap: rule.cap.unwrap_or(0.0),
        smoothing: rule.smoothing,
    };
    let chunk = (CHUNK_LOGITS / weight.outputs.max(1)).max(16);
    loss::loss_and_slopes(device, of, &weight, (sum.operand, slopes.operand), chunk)?;
    Ok((sum.tensor(&().into()), wants_slopes.then(|| slopes.tensor(x.shape()))))
}
