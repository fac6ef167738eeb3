//! Products with a frozen matrix that is in memory in 16 bits (bf16 or f16), for activations and gradients in f32: the
//! matrix is widened block by block, and nothing but the matrix itself is rounded.

use super::kernel::vectorised;
use super::product::{Matrix, Onto, multiply_wide};
use candle_core::{CpuStorage, DType, Device, Result, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

/// Elements that are widened at once: 2 MB of f32 stay in the cache until they are multiplied.
const BLOCK: usize = 1 << 19;
/// Elements that a thread widens at least.
const STRIPE: usize = 1 << 14;

/// Whether numbers of this type are 16 bits wide.
pub fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// Whether products with a matrix kept in `stored` round their other operand to its 16 bits too: on a GPU, for its tensor
/// cores. On the CPU the matrix is widened.
pub fn rounds_operands(stored: DType, device: &Device) -> bool {
    is_half(stored) && device.is_cuda()
}

/// The type in which a model computes whose matrices are kept in `stored`: f32 for those of 16 bits.
pub fn computed_in(stored: DType) -> DType {
    if is_half(stored) { DType::F32 } else { stored }
}

/// `x`, or where it is in 16 bits, `x` in f32.
pub fn widened(x: Tensor) -> Result<Tensor> {
    if is_half(x.dtype()) { x.to_dtype(DType::F32) } else { Ok(x) }
}

/// A matrix of 16 bits on the CPU.
#[derive(Clone, Copy)]
pub enum HalfMatrix<'a> {
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

impl<'a> HalfMatrix<'a> {
    /// Elements `start..end` of a storage; none where it is not of 16 bits.
    pub fn of(storage: &'a CpuStorage, (start, end): (usize, usize)) -> Option<HalfMatrix<'a>> {
        match storage {
            CpuStorage::BF16(values) => values.get(start..end).map(HalfMatrix::Bf16),
            CpuStorage::F16(values) => values.get(start..end).map(HalfMatrix::F16),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            HalfMatrix::Bf16(values) => values.len(),
            HalfMatrix::F16(values) => values.len(),
        }
    }

    /// Elements `from..from + into.len()` as f32.
    fn widen(&self, from: usize, into: &mut [f32]) {
        let stripes = into.par_chunks_mut(STRIPE).enumerate();
        stripes.for_each(|(stripe, into)| {
            let place = from + stripe * STRIPE..from + stripe * STRIPE + into.len();
            match self {
                HalfMatrix::Bf16(values) => vectorised(
                    #[inline(always)]
                    || {
                        for (into, value) in into.iter_mut().zip(&values[place.clone()]) {
                            *into = f32::from_bits(u32::from(value.to_bits()) << 16);
                        }
                    },
                ),
                HalfMatrix::F16(values) => values[place].convert_to_f32_slice(into),
            }
        });
    }

    /// Calls `f` with the first row of each block of whole rows of `width` elements, and the block in f32.
    fn blocks(&self, width: usize, mut f: impl FnMut(usize, &[f32])) {
        let rows = (BLOCK / width.max(1)).max(1);
        let mut block = vec![0.0; (rows * width).min(self.len())];
        for from in (0..self.len()).step_by((rows * width).max(1)) {
            let block = &mut block[..(rows * width).min(self.len() - from)];
            self.widen(from, block);
            f(from / width, block);
        }
    }
}

/// x W^T + b: x (m, k), W (n, k), b (n) -> (m, n).
pub fn times_transposed(
    x: &[f32],
    weight: HalfMatrix,
    bias: Option<&[f32]>,
    (m, n, k): (usize, usize, usize),
) -> Vec<f32> {
    let mut y = match bias {
        Some(bias) => bias.repeat(m),
        None => vec![0.0; m * n],
    };
    let onto = if bias.is_some() { Onto::Add } else { Onto::Overwrite };
    weight.blocks(k, |first, block| {
        let sizes = (m, block.len() / k, k);
        let operands = (Matrix::rows(x, k), Matrix::rows(block, k).transposed());
        multiply_wide(y.get_mut(first..).unwrap_or_default(), n, sizes, operands, onto);
    });
    y
}

/// g W: g (m, n), W (n, k) -> (m, k).
pub fn times(g: &[f32], weight: HalfMatrix, (m, n, k): (usize, usize, usize)) -> Vec<f32> {
    let mut x = vec![0.0; m * k];
    weight.blocks(k, |first, block| {
        let of_block = Matrix { data: g.get(first..).unwrap_or_default(), row: n, column: 1 };
        multiply_wide(&mut x, k, (m, k, block.len() / k), (of_block, Matrix::rows(block, k)), Onto::Add);
    });
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::frozen_linear;
    use candle_core::Var;

    fn values(shape: (usize, usize), by: f64) -> Tensor {
        let values = (0..shape.0 * shape.1).map(|i| (i as f64 * by).sin() as f32).collect::<Vec<_>>();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Product, bias and gradient are those of the same matrix in f32; several blocks, with a rest.
    #[test]
    fn a_matrix_of_16_bits_is_the_matrix_that_it_rounds_to() {
        for (dtype, (n, k)) in [(DType::BF16, (700, 1030)), (DType::F16, (700, 1030)), (DType::BF16, (3, 2))] {
            let half = values((n, k), 0.37).to_dtype(dtype).unwrap();
            let wide = half.to_dtype(DType::F32).unwrap();
            assert_ne!(wide.to_vec2::<f32>().unwrap(), values((n, k), 0.37).to_vec2::<f32>().unwrap());
            let bias = values((1, n), 0.9).squeeze(0).unwrap();
            let x = Var::from_tensor(&values((37, k), 0.11)).unwrap();
            for bias in [None, Some(&bias)] {
                let [ours, theirs] = [&half, &wide].map(|weight| {
                    let y = frozen_linear(&x, weight, bias).unwrap();
                    let by_x = y.sqr().unwrap().sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
                    [y, by_x]
                });
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    let size = theirs.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                    let difference = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
                    assert!(difference.to_scalar::<f32>().unwrap() < 1e-5 * size, "{dtype:?} {difference} of {size}");
                }
            }
        }
    }
}
