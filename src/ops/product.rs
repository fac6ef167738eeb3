//! Matrix products on views of slices.

use super::float::Float;
use super::sum::sum_pairs;
use gemm::Parallelism;

/// A matrix within a slice: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    pub data: &'a [T],
    pub row: usize,
    pub column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Rows `row` apart, of contiguous elements.
    pub fn rows(data: &'a [T], row: usize) -> Self {
        Matrix { data, row, column: 1 }
    }

    pub fn transposed(self) -> Self {
        Matrix { row: self.column, column: self.row, ..self }
    }

    /// Without its first `n` rows.
    pub fn skip(self, n: usize) -> Self {
        Matrix { data: self.data.get(n * self.row..).unwrap_or_default(), ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// What a product does with what is in its result's place.
#[derive(Clone, Copy, PartialEq)]
pub enum Onto {
    Overwrite,
    Add,
}

/// Multiplications below which plain loops beat a call of gemm, whose tiles are made for large operands.
const SMALL: usize = 40_000;

/// out (m x n, rows `row` apart) = a (m x k) b (k x n), or += that, on all threads of the pool. The sums are the same on any
/// number of them.
pub fn multiply_wide<T: Float>(
    out: &mut [T],
    row: usize,
    sizes: (usize, usize, usize),
    operands: (Matrix<T>, Matrix<T>),
    onto: Onto,
) {
    let parallelism = match rayon::current_num_threads() {
        1 => Parallelism::None,
        threads => Parallelism::Rayon(threads),
    };
    product(out, row, sizes, T::ONE, operands, onto, parallelism);
}

/// out (m x n, rows `row` apart) = scale * a (m x k) b (k x n), or += that, on the calling thread.
pub fn multiply<T: Float>(
    out: &mut [T],
    row: usize,
    sizes: (usize, usize, usize),
    scale: T,
    operands: (Matrix<T>, Matrix<T>),
    onto: Onto,
) {
    product(out, row, sizes, scale, operands, onto, Parallelism::None);
}

fn product<T: Float>(
    out: &mut [T],
    row: usize,
    (m, n, k): (usize, usize, usize),
    scale: T,
    (a, b): (Matrix<T>, Matrix<T>),
    onto: Onto,
    parallelism: Parallelism,
) {
    let fits = Matrix::rows(&*out, row).holds(m, n);
    assert!(fits && a.holds(m, k) && b.holds(k, n), "a product outside of its operands");
    if m * n * k < SMALL && (b.column == 1 || (b.row == 1 && a.column == 1)) {
        return pulp::Arch::new().dispatch(|| small(out, row, (m, n, k), scale, (a, b), onto));
    }
    // SAFETY: the assertion above says that every element that gemm touches lies within the slices; `out` is borrowed
    // mutably, so that it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row as isize,
            onto == Onto::Add,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            if onto == Onto::Add { T::ONE } else { T::ZERO },
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Columns that a small product sums at a time.
const BLOCK: usize = 16;

/// [`multiply`] where the rows of b are contiguous (a sum of scaled rows), or the columns of b and the rows of a are (a
/// table of inner products).
#[inline(always)]
fn small<T: Float>(
    out: &mut [T],
    row: usize,
    (m, n, k): (usize, usize, usize),
    scale: T,
    (a, b): (Matrix<T>, Matrix<T>),
    onto: Onto,
) {
    for (i, out) in out.chunks_mut(row).take(m).enumerate() {
        let out = &mut out[..n];
        if b.column == 1 {
            let factor = |j: usize| scale * a.data[i * a.row + j * a.column];
            let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
            let done = blocks.len() * BLOCK;
            for (block, out) in blocks.iter_mut().enumerate() {
                // A block stays in registers over the whole sum.
                let mut total = if onto == Onto::Add { *out } else { [T::ZERO; BLOCK] };
                for j in 0..k {
                    let factor = factor(j);
                    let b = &b.data[j * b.row + block * BLOCK..][..BLOCK];
                    for (total, &b) in total.iter_mut().zip(b) {
                        *total += factor * b;
                    }
                }
                *out = total;
            }
            if onto == Onto::Overwrite {
                rest.fill(T::ZERO);
            }
            for j in 0..k {
                let factor = factor(j);
                for (out, &b) in rest.iter_mut().zip(&b.data[j * b.row..][done..n]) {
                    *out += factor * b;
                }
            }
        } else {
            let a = &a.data[i * a.row..][..k];
            for (j, out) in out.iter_mut().enumerate() {
                let b = &b.data[j * b.column..][..k];
                let product = scale * sum_pairs(a, b, |a, b| a * b);
                *out = if onto == Onto::Add { *out + product } else { product };
            }
        }
    }
}
