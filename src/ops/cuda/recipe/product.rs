//! Matrix products by rows, and how BLAS, which counts by columns, is asked for them.

use super::{Kind, Operand, Queue};

/// Matrices one after the other, element (i, j) of the first at `i * row + j`, or, transposed, at `j * row + i`.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    pub operand: Operand,
    pub row: usize,
    pub is_transposed: bool,
    /// Elements from one matrix to the next.
    pub step: usize,
}

impl Factor {
    /// One matrix of contiguous rows of `row` elements.
    pub fn rows(operand: Operand, row: usize) -> Factor {
        Factor { operand, row, is_transposed: false, step: 0 }
    }

    pub fn transposed(self) -> Factor {
        Factor { is_transposed: !self.is_transposed, ..self }
    }

    /// Several of them, `step` elements apart.
    pub fn every(self, step: usize) -> Factor {
        Factor { step, ..self }
    }
}

/// What a product does with what is in its result's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Onto {
    Overwrite,
    Add,
}

/// out (m, n) = scale * a (m, k) b (k, n), or += that, for each of `batch` matrices. `a` and `b` are of one kind; sums are
/// in the kind of `out` or wider; `out` is not transposed.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub sizes: (usize, usize, usize),
    pub batch: usize,
    pub scale: f64,
    pub a: Factor,
    pub b: Factor,
    pub out: Factor,
    pub onto: Onto,
}

/// The arguments of BLAS: C (m, n) = alpha op(A) op(B) + beta C, all stored by columns, `ld` elements from one column to
/// the next. op(A) is (m, k) and op(B) is (k, n); op is a transposition where `transposed` says so.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    pub transposed: [bool; 2],
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub batch: usize,
    pub alpha: f64,
    pub beta: f64,
    /// Address of the first matrix, leading dimension, and elements from one matrix to the next: of A, B and C.
    pub addresses: [u64; 3],
    pub leading: [usize; 3],
    pub steps: [usize; 3],
    /// Of A and B.
    pub kind: Kind,
    /// Of C.
    pub out_kind: Kind,
}

impl Product {
    /// By columns the same memory holds the transposes, and out^T = b^T a^T: A is b, B is a.
    pub fn by_columns(&self) -> Gemm {
        let (m, n, k) = self.sizes;
        let factors = [self.b, self.a, self.out];
        Gemm {
            transposed: [self.b.is_transposed, self.a.is_transposed],
            m: n,
            n: m,
            k,
            batch: self.batch,
            alpha: self.scale,
            beta: if self.onto == Onto::Add { 1.0 } else { 0.0 },
            addresses: factors.map(|factor| factor.operand.address),
            leading: factors.map(|factor| factor.row.max(1)),
            steps: factors.map(|factor| factor.step),
            kind: self.a.operand.kind,
            out_kind: self.out.operand.kind,
        }
    }

    pub fn run<Q: Queue>(&self, queue: &Q) -> Result<(), Q::Error> {
        let (m, n, _) = self.sizes;
        if m == 0 || n == 0 || self.batch == 0 {
            return Ok(());
        }
        queue.multiply(&self.by_columns())
    }
}

/// out (m, n) = a b, or += that: one product of contiguous matrices.
pub fn multiply<Q: Queue>(
    queue: &Q,
    sizes: (usize, usize, usize),
    (a, b): (Factor, Factor),
    out: Operand,
    onto: Onto,
) -> Result<(), Q::Error> {
    let out = Factor::rows(out, sizes.1);
    Product { sizes, batch: 1, scale: 1.0, a, b, out, onto }.run(queue)
}
