//! Keys and values of the places that are behind, one pair a layer.

use candle_core::{Result, Tensor};

/// A key-value cache of one batch.
#[derive(Clone, Default)]
pub struct Cache {
    /// (batch, places, kv heads x head width), keys turned.
    layers: Vec<Option<(Tensor, Tensor)>>,
}

impl Cache {
    /// An empty cache for this many layers.
    pub fn new(layers: usize) -> Cache {
        Cache { layers: vec![None; layers] }
    }

    /// Adds the places of a layer, and gives all of its keys and values.
    pub(super) fn extend(&mut self, layer: usize, keys: Tensor, values: Tensor) -> Result<(Tensor, Tensor)> {
        let Some(slot) = self.layers.get_mut(layer) else { candle_core::bail!("the cache has no layer {layer}") };
        // Contiguous before they are joined, or candle joins a transposed view, whose rows cannot be selected.
        let (keys, values) = (keys.contiguous()?.detach(), values.contiguous()?.detach());
        let all = match slot.take() {
            Some((k, v)) => (Tensor::cat(&[&k, &keys], 1)?, Tensor::cat(&[&v, &values], 1)?),
            None => (keys, values),
        };
        *slot = Some(all.clone());
        Ok(all)
    }

    /// These rows of the batch, in this order; a row may come several times.
    pub fn select(&mut self, rows: &[u32]) -> Result<()> {
        for (keys, values) in self.layers.iter_mut().flatten() {
            let index = Tensor::from_slice(rows, rows.len(), keys.device())?;
            (*keys, *values) = (keys.index_select(&index, 0)?, values.index_select(&index, 0)?);
        }
        Ok(())
    }
}
