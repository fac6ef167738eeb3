//! Rotary positions of rows that do not start at place 0, or hold several texts: each row says its places.

use super::attention::Rope;
use super::float::Float;
use super::kernel::{float_dispatch, is_fused, on_gpu, rows, slice, with_slice};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, bail};
use std::sync::Arc;

/// Turns every head of x (batch, length, heads x head width) by its place: `places`, batch x length, within the rope.
pub fn rotate(x: &Tensor, rope: &Arc<Rope>, places: &Arc<[u32]>, head_width: usize) -> Result<Tensor> {
    let (batch, length, width) = x.dims3()?;
    let furthest = places.iter().max().map_or(0, |&place| place as usize + 1);
    if places.len() != batch * length || !width.is_multiple_of(head_width) || furthest > rope.length() {
        bail!(
            "rotary positions: {} places up to {furthest} of {} for {batch} x {length} x {width}, heads of {head_width}",
            places.len(),
            rope.length()
        );
    }
    if is_fused(x) {
        return x.contiguous()?.apply_op1(Rotary {
            rope: rope.clone(),
            places: places.clone(),
            head_width,
            back: false,
        });
    }
    let (cos, sin) = rope.tables(x, x.device())?;
    let index = Tensor::from_slice(places, batch * length, x.device())?;
    let at = |table: Tensor| table.index_select(&index, 0)?.reshape((batch, length, 1, rope.width() / 2));
    let heads = x.reshape((batch, length, width / head_width, head_width))?;
    rope.turned(&heads, &at(cos)?, &at(sin)?)?.reshape((batch, length, width))
}

struct Rotary {
    rope: Arc<Rope>,
    places: Arc<[u32]>,
    head_width: usize,
    back: bool,
}

impl Rotary {
    fn turned<T: Float>(&self, x: &[T]) -> Vec<T> {
        let row = x.len() / self.places.len().max(1);
        let direction = if self.back { -T::ONE } else { T::ONE };
        let mut y = x.to_vec();
        rows(
            &mut y,
            row.max(1),
            #[inline(always)]
            |i, row| {
                for head in row.chunks_mut(self.head_width) {
                    self.rope.turn_at(head, self.places[i] as usize, direction);
                }
            },
        );
        y
    }
}

impl CustomOp1 for Rotary {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        float_dispatch!(x.dtype(), self.name(), T => {
            let y = self.turned(slice::<T>(x, layout)?);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let direction = if self.back { -1.0 } else { 1.0 };
        super::cuda::elementwise::rotate((x, layout), &self.rope, &self.places, (self.head_width, direction))
    }

    /// A turn's transpose is the turn back.
    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = Rotary { rope: self.rope.clone(), places: self.places.clone(), back: !self.back, ..*self };
        let grad = grad.contiguous()?;
        on_gpu!(x => grad.detach().apply_op1_no_bwd(&back).map(Some));
        float_dispatch!(x.dtype(), self.name(), T => {
            let dx = with_slice::<T, _>(&grad, |g| Ok(back.turned(g)))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn heads_are_turned_at_their_places_and_gradients_turned_back() {
        let values: Vec<f64> = (0..2 * 3 * 12).map(|i| (f64::from(i) * 0.37).sin()).collect();
        let x = Var::from_tensor(&Tensor::from_vec(values, (2, 3, 12), &Device::Cpu).unwrap()).unwrap();
        // Two thirds of a head are turned, with a factor.
        let rope = Arc::new(Rope::of(9, &Rope::frequencies(4, 100.0), 1.3));
        let places: Arc<[u32]> = [0u32, 1, 8, 2, 0, 5].into();
        let ours = rotate(&x, &rope, &places, 6).unwrap();
        let (cos, sin) = rope.tables(&x, &Device::Cpu).unwrap();
        let index = Tensor::from_slice(&places, 6, &Device::Cpu).unwrap();
        let at = |table: Tensor| table.index_select(&index, 0).unwrap().reshape((2, 3, 1, 2)).unwrap();
        let heads = x.reshape((2, 3, 2, 6)).unwrap();
        let composed = rope.turned(&heads, &at(cos), &at(sin)).unwrap().reshape((2, 3, 12)).unwrap();
        let gradient = |y: &Tensor| {
            let grads = y.powf(3.0).unwrap().sum_all().unwrap().backward().unwrap();
            grads.get(&x).unwrap().clone()
        };
        for (a, b) in [(&ours, &composed), (&gradient(&ours), &gradient(&composed))] {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(difference < 1e-12, "{difference}");
        }
        assert!(rotate(&x, &rope, &[0u32, 1, 9, 2, 0, 5].into(), 6).is_err(), "place 9 is outside of the rope");
    }
}
