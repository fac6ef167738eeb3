//! Matrix products on views of slices.

use super::float::Float;
use super::kernel::vectorised;
use super::sum::sum_pairs;
use gemm::Parallelism;
use rayon::prelude::*;

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

/// Elements that a thread fills at least.
const FILLED_AT_ONCE: usize = 1 << 16;

/// Columns below which a thread gets no columns of its own.
const COLUMNS: usize = 128;

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

/// a (m x k) b (k x n) on all threads of the pool.
pub fn product_wide<T: Float>(sizes: (usize, usize, usize), operands: (Matrix<T>, Matrix<T>)) -> Vec<T> {
    let (m, n, _) = sizes;
    let mut out = filled(m, &vec![T::ZERO; n]);
    multiply_wide(&mut out, n, sizes, operands, Onto::Overwrite);
    out
}

/// x W^T + b on all threads of the pool: x (m, k), W (n, k), b (n) -> (m, n).
pub fn affine_wide<T: Float>(x: &[T], weight: Matrix<T>, bias: Option<&[T]>, sizes: (usize, usize, usize)) -> Vec<T> {
    let (m, n, k) = sizes;
    let operands = (Matrix::rows(x, k), weight.transposed());
    let Some(bias) = bias else { return product_wide(sizes, operands) };
    let mut out = filled(m, bias);
    multiply_wide(&mut out, n, sizes, operands, Onto::Add);
    out
}

/// `m` times the row: written once, where memory that is zeroed first would be written twice.
fn filled<T: Float>(m: usize, row: &[T]) -> Vec<T> {
    let cells = m * row.len();
    let mut out = Vec::with_capacity(cells);
    let rows_at_once = (FILLED_AT_ONCE / row.len().max(1)).max(1);
    out.spare_capacity_mut()[..cells].par_chunks_mut((rows_at_once * row.len()).max(1)).for_each(|chunk| {
        for cells in chunk.chunks_mut(row.len()) {
            for (cell, &value) in cells.iter_mut().zip(row) {
                cell.write(value);
            }
        }
    });
    // SAFETY: the chunks cover the first `cells` elements, and each was written.
    unsafe { out.set_len(cells) };
    out
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
        return vectorised(
            #[inline(always)]
            || small(out, row, (m, n, k), scale, (a, b), onto),
        );
    }
    let out = Out(out.as_mut_ptr());
    let call = Call { row, m, k, scale, a, b, onto };
    let threads = match parallelism {
        Parallelism::Rayon(threads) if b.row == 1 && n >= threads * COLUMNS => threads,
        // SAFETY: the assertion above.
        _ => return unsafe { call.columns(out, 0, n, parallelism) },
    };
    // gemm's own threads share the rows of a, and each packs all of b, which is slow where b is transposed: its columns lie
    // far apart. Here each packs the columns that it multiplies (measured on 2 cores: 5 to 15 % of the time of a product).
    let width = n.div_ceil(threads).next_multiple_of(16);
    let parts = (0..n).step_by(width).collect::<Vec<_>>();
    parts.into_par_iter().for_each(|from| {
        // SAFETY: the assertion above, and no column is in two parts.
        unsafe { call.columns(out, from, width.min(n - from), Parallelism::None) }
    });
}

/// Where a product is written, by several threads in columns of their own.
#[derive(Clone, Copy)]
struct Out<T>(*mut T);

// SAFETY: whoever holds it writes columns that nobody else reads or writes.
unsafe impl<T: Send> Send for Out<T> {}
unsafe impl<T: Send> Sync for Out<T> {}

/// A product whose columns may be taken apart.
struct Call<'a, T> {
    row: usize,
    m: usize,
    k: usize,
    scale: T,
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    onto: Onto,
}

impl<T: Float> Call<'_, T> {
    /// Columns `from..from + n` of the result.
    ///
    /// # Safety
    /// The operands hold m x k and k x (from + n) elements, `out` m rows of from + n, which overlap neither operand and in
    /// these columns are nobody else's.
    unsafe fn columns(&self, out: Out<T>, from: usize, n: usize, parallelism: Parallelism) {
        let Call { row, m, k, scale, a, b, onto } = *self;
        // SAFETY: the caller's promise covers every element that gemm touches, and where it begins.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out.0.add(from),
                1,
                row as isize,
                onto == Onto::Add,
                a.data.as_ptr(),
                a.column as isize,
                a.row as isize,
                b.data.as_ptr().add(from * b.column),
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
