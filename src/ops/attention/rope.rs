//! Rotary positions: each pair of a head's elements turned by an angle that grows with the place in the row.

use crate::ops::float::Float;
use candle_core::{D, Device, Result, Tensor};

/// Cosines and sines of the angles of every place (length, half of what is turned of a head).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    cos: Vec<f64>,
    sin: Vec<f64>,
    half: usize,
}

impl Rope {
    /// Places 0..`length`, heads of `head_width` elements, the base `theta` of the angles.
    pub fn new(length: usize, head_width: usize, theta: f64) -> Rope {
        Rope::of(length, &Rope::frequencies(head_width, theta), 1.0)
    }

    /// The angle from one place to the next, of each pair of a head: theta^(-2 i / head_width).
    pub fn frequencies(head_width: usize, theta: f64) -> Vec<f64> {
        (0..head_width / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / head_width as f64)).collect()
    }

    /// Places 0..`length` with these angles from one to the next; what is turned is multiplied by `factor`.
    pub fn of(length: usize, frequencies: &[f64], factor: f64) -> Rope {
        // The angle is rounded to f32 as in Hugging Face, whose tables are f32 whatever the model's precision.
        let angle = |place: usize, frequency: f64| f64::from(place as f32 * frequency as f32);
        let angles: Vec<f64> =
            (0..length).flat_map(|place| frequencies.iter().map(move |&frequency| angle(place, frequency))).collect();
        Rope {
            cos: angles.iter().map(|a| a.cos() * factor).collect(),
            sin: angles.iter().map(|a| a.sin() * factor).collect(),
            half: frequencies.len(),
        }
    }

    /// Places in the table.
    pub fn length(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }

    /// The largest difference between two tables of one shape; infinite where the shapes differ.
    pub fn largest_difference(&self, other: &Rope) -> f64 {
        if (self.half, self.cos.len()) != (other.half, other.cos.len()) {
            return f64::INFINITY;
        }
        let (ours, theirs) = (self.cos.iter().chain(&self.sin), other.cos.iter().chain(&other.sin));
        ours.zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// Elements of a head that are turned: its first ones.
    pub fn width(&self) -> usize {
        2 * self.half
    }

    /// Cosines and sines of all places, (length, half) each.
    #[cfg(feature = "cuda")]
    pub(crate) fn cosines_and_sines(&self) -> (&[f64], &[f64]) {
        (&self.cos, &self.sin)
    }

    /// Turns rows of `width` contiguous elements in place, one for each place of the table; `direction` 1 or, back, -1.
    pub(super) fn turn<T: Float>(&self, rows: &mut [T], width: usize, direction: T) {
        for (place, row) in rows.chunks_mut(width).enumerate() {
            self.turn_at(row, place, direction);
        }
    }

    /// Turns a head at a place, element i with element i + half.
    #[inline(always)]
    pub(crate) fn turn_at<T: Float>(&self, head: &mut [T], place: usize, direction: T) {
        let table = place * self.half..(place + 1) * self.half;
        let (first, second) = head[..2 * self.half].split_at_mut(self.half);
        let tables = self.cos[table.clone()].iter().zip(&self.sin[table]);
        for ((x, y), (&cos, &sin)) in first.iter_mut().zip(second).zip(tables) {
            let (cos, sin) = (T::of(cos), T::of(sin) * direction);
            (*x, *y) = (*x * cos - *y * sin, *y * cos + *x * sin);
        }
    }

    /// Cosines and sines of all places (length, half).
    pub(crate) fn tables(&self, like: &Tensor, device: &Device) -> Result<(Tensor, Tensor)> {
        let table =
            |values: &[f64]| Tensor::from_slice(values, (self.length(), self.half), device)?.to_dtype(like.dtype());
        Ok((table(&self.cos)?, table(&self.sin)?))
    }

    /// x (.., length, head width) turned, of candle's own operations.
    pub(super) fn compose(&self, x: &Tensor, device: &Device) -> Result<Tensor> {
        let (cos, sin) = self.tables(x, device)?;
        self.turned(x, &cos, &sin)
    }

    /// x (.., head width) turned by cosines and sines that broadcast to (.., half), of candle's own operations.
    pub(crate) fn turned(&self, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
        let (width, rest) = (self.width(), x.dim(D::Minus1)? - self.width());
        let (first, second) = (x.narrow(D::Minus1, 0, self.half)?, x.narrow(D::Minus1, self.half, self.half)?);
        let mut turned = vec![
            (first.broadcast_mul(cos)? - second.broadcast_mul(sin)?)?,
            (second.broadcast_mul(cos)? + first.broadcast_mul(sin)?)?,
        ];
        if rest > 0 {
            turned.push(x.narrow(D::Minus1, width, rest)?);
        }
        Tensor::cat(&turned, D::Minus1)
    }
}
