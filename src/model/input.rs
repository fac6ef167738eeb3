//! A padded batch as the encoders read it.

use super::config::{EncoderConfig, Family};
use candle_core::{DType, Device, Result, Tensor};
use std::sync::Arc;

/// A padded batch on the device.
#[derive(Clone)]
pub struct Input {
    /// (batch, length), u32.
    pub(super) ids: Tensor,
    pub(super) type_ids: Tensor,
    pub(super) positions: Tensor,
    /// 1 for tokens, 0 for padding; batch x length.
    pub(super) mask: Arc<[u8]>,
}

impl Input {
    /// From rows padded to `length`, one after the other; `mask` is 1 for tokens.
    pub fn new(
        config: &EncoderConfig,
        ids: &[u32],
        type_ids: &[u32],
        mask: &[u8],
        length: usize,
        device: &Device,
    ) -> Result<Input> {
        let batch = ids.len() / length.max(1);
        let mut positions = Vec::with_capacity(ids.len());
        for row in 0..batch {
            let mut next = 0;
            for i in 0..length {
                positions.push(match config.family {
                    // create_position_ids_from_input_ids: tokens count from pad + 1, padding stays at pad.
                    Family::Roberta | Family::XlmRoberta if ids[row * length + i] == config.pad_token_id => {
                        config.pad_token_id
                    }
                    Family::Roberta | Family::XlmRoberta => {
                        next += 1;
                        config.pad_token_id + next
                    }
                    _ => i as u32,
                });
            }
        }
        let highest = config.type_vocab_size.saturating_sub(1) as u32;
        let type_ids: Vec<u32> = type_ids.iter().map(|&id| id.min(highest)).collect();
        Ok(Input {
            ids: Tensor::from_slice(ids, (batch, length), device)?,
            type_ids: Tensor::from_vec(type_ids, (batch, length), device)?,
            positions: Tensor::from_vec(positions, (batch, length), device)?,
            mask: mask.into(),
        })
    }

    /// 1 for tokens, 0 for padding; batch x length.
    pub fn mask(&self) -> &[u8] {
        &self.mask
    }

    /// The mask as numbers (batch, length, 1).
    pub(super) fn mask_tensor(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        let (batch, length) = self.ids.dims2()?;
        let values: Vec<f32> = self.mask.iter().map(|&keep| f32::from(keep)).collect();
        Tensor::from_vec(values, (batch, length, 1), device)?.to_dtype(dtype)
    }
}
