//! Rotary positions: each pair of a head's elements turned by an angle that grows with the place in the row.

use crate::ops::float::Float;
use candle_core::{D, Device, Result, Tensor};

/// Cosines and sines of the angles of every place (length, half a head).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    cos: Vec<f64>,
    sin: Vec<f64>,
    half: usize,
}

impl Rope {
    /// Places 0..`length`, heads of `head_width` elements, the base `theta` of the angles.
    pub fn new(length: usize, head_width: usize, theta: f64) -> Rope {
        let half = head_width / 2;
        let frequency = |i: usize| 1.0 / theta.powf(2.0 * i as f64 / head_width as f64);
        // The angle is rounded to f32 as in Hugging Face, whose tables are f32 whatever the model's precision.
        let angle = |place: usize, i: usize| f64::from(place as f32 * frequency(i) as f32);
        let angles: Vec<f64> = (0..length).flat_map(|place| (0..half).map(move |i| angle(place, i))).collect();
        Rope { cos: angles.iter().map(|a| a.cos()).collect(), sin: angles.iter().map(|a| a.sin()).collect(), half }
    }

    /// Places in the table.
    pub fn length(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }

    /// Turns rows of `width` contiguous elements in place, element i with element i + width / 2; `direction` 1 or, back, -1.
    pub(super) fn turn<T: Float>(&self, rows: &mut [T], width: usize, direction: T) {
        let tables = self.cos.chunks(self.half).zip(self.sin.chunks(self.half));
        for (row, (cos, sin)) in rows.chunks_mut(width).zip(tables) {
            let (first, second) = row.split_at_mut(self.half);
            for (((x, y), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let (cos, sin) = (T::of(cos), T::of(sin) * direction);
                (*x, *y) = (*x * cos - *y * sin, *y * cos + *x * sin);
            }
        }
    }

    /// x (.., length, head width) turned, of candle's own operations.
    pub(super) fn compose(&self, x: &Tensor, device: &Device) -> Result<Tensor> {
        let table =
            |values: &[f64]| Tensor::from_slice(values, (self.length(), self.half), device)?.to_dtype(x.dtype());
        let (cos, sin) = (table(&self.cos)?, table(&self.sin)?);
        let (first, second) = (x.narrow(D::Minus1, 0, self.half)?, x.narrow(D::Minus1, self.half, self.half)?);
        let turned = [
            (first.broadcast_mul(&cos)? - second.broadcast_mul(&sin)?)?,
            (second.broadcast_mul(&cos)? + first.broadcast_mul(&sin)?)?,
        ];
        Tensor::cat(&turned, D::Minus1)
    }
}
