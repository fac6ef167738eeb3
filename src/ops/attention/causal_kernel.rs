//! Causal attention on the CPU, one group of heads that share a key and a value head after another. As in the other
//! kernel, scores live in blocks of queries and are made again for the gradient.

use super::causal::Causal;
use super::kernel::{drop_row, room, softmax_of_all, softmax_slopes};
use crate::ops::float::Float;
use crate::ops::kernel::vectorised;
use crate::ops::product::{Matrix, Onto, multiply};
use rayon::prelude::*;
use std::ops::Range;

/// Sizes of one call.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub head_width: usize,
}

/// What a call reads: queries (batch, queries, heads x d), keys and values (batch, keys, kv heads x d).
pub struct Call<'a, T> {
    pub sizes: Sizes,
    pub with: &'a Causal,
    pub q: &'a [T],
    pub k: &'a [T],
    pub v: &'a [T],
}

/// Scores that are in memory at once, at most, for each thread.
const BLOCK_SCORES: usize = 1 << 18;

struct Scratch<T> {
    scores: Vec<T>,
    dropped: Vec<T>,
    slopes: Vec<T>,
    /// How much of a score's slope its soft cap lets through.
    passed: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Scratch { scores: Vec::new(), dropped: Vec::new(), slopes: Vec::new(), passed: Vec::new() }
    }
}

impl<T: Float> Call<'_, T> {
    /// Query heads that share a key head.
    fn group(&self) -> usize {
        self.with.heads / self.with.kv_heads
    }

    fn query_width(&self) -> usize {
        self.with.heads * self.sizes.head_width
    }

    fn key_width(&self) -> usize {
        self.with.kv_heads * self.sizes.head_width
    }

    fn of_query<'b>(&self, data: &'b [T], b: usize, head: usize) -> Matrix<'b, T> {
        let width = self.query_width();
        Matrix::rows(&data[b * self.sizes.queries * width + head * self.sizes.head_width..], width)
    }

    fn of_key<'b>(&self, data: &'b [T], b: usize, head: usize) -> Matrix<'b, T> {
        let width = self.key_width();
        Matrix::rows(&data[b * self.sizes.keys * width + head * self.sizes.head_width..], width)
    }

    /// The keys that query `i` of row `b` sees.
    fn sight(&self, b: usize, i: usize) -> Range<usize> {
        let at = self.sizes.keys - self.sizes.queries + i;
        (self.with.first[b * self.sizes.queries + i] as usize).min(at)..at + 1
    }

    /// Blocks of queries of a row with the keys that any of them sees.
    fn blocks(&self, b: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + '_ {
        let rows = (BLOCK_SCORES / self.sizes.keys.max(1)).clamp(16, 128);
        (0..self.sizes.queries).step_by(rows).map(move |from| {
            let to = (from + rows).min(self.sizes.queries);
            let first = (from..to).map(|i| self.sight(b, i).start).min().unwrap_or(0);
            (from..to, first..self.sizes.keys - self.sizes.queries + to)
        })
    }

    /// Attention probabilities of a block, before dropout; `passed` is filled where scores are capped.
    fn probabilities(
        &self,
        (b, head): (usize, usize),
        (queries, keys): (&Range<usize>, &Range<usize>),
        scores: &mut [T],
        passed: &mut Vec<T>,
    ) {
        let (m, n, d) = (queries.len(), keys.len(), self.sizes.head_width);
        let q = self.of_query(self.q, b, head).skip(queries.start);
        let k = self.of_key(self.k, b, head / self.group()).skip(keys.start);
        multiply(scores, n, (m, n, d), T::of(self.with.scale), (q, k.transposed()), Onto::Overwrite);
        let passed = room(passed, if self.with.cap.is_some() { m * n } else { 0 });
        vectorised(
            #[inline(always)]
            || {
                if let Some(cap) = self.with.cap {
                    let (cap, inverse) = (T::of(cap), T::of(1.0 / cap));
                    for (score, passed) in scores.iter_mut().zip(passed.iter_mut()) {
                        let share = (*score * inverse).hyperbolic_tangent();
                        (*score, *passed) = (cap * share, T::ONE - share * share);
                    }
                }
                for (i, scores) in scores.chunks_mut(n).enumerate() {
                    let sight = self.sight(b, queries.start + i);
                    let sight = sight.start - keys.start..sight.end - keys.start;
                    softmax_of_all(&mut scores[sight.clone()]);
                    scores[..sight.start].fill(T::ZERO);
                    scores[sight.end..].fill(T::ZERO);
                }
            },
        );
    }

    /// Multiplies values of a block by the dropout factors of their places.
    fn drop(&self, (b, head): (usize, usize), values: &mut [T], (queries, keys): (&Range<usize>, &Range<usize>)) {
        let Some(mask) = self.with.dropout else { return };
        let row = self.sizes.keys;
        let first = ((b * self.with.heads + head) * self.sizes.queries + queries.start) * row + keys.start;
        vectorised(
            #[inline(always)]
            || {
                for (i, values) in values.chunks_mut(keys.len()).enumerate() {
                    drop_row(values, mask, first + i * row);
                }
            },
        );
    }
}

/// From (batch, kv heads, group, length, d) to (batch, length, kv heads x group x d).
fn interleave<T: Float>(blocks: &[T], heads: usize, length: usize, d: usize) -> Vec<T> {
    let row = heads * d;
    let mut out = vec![T::ZERO; blocks.len()];
    crate::ops::kernel::rows(
        &mut out,
        row.max(1),
        #[inline(always)]
        |i, out| {
            let (b, t) = (i / length, i % length);
            for (head, out) in out.chunks_mut(d).enumerate() {
                out.copy_from_slice(&blocks[((b * heads + head) * length + t) * d..][..d]);
            }
        },
    );
    out
}

/// The result, (batch, queries, heads x d).
pub fn forward<T: Float>(call: &Call<T>) -> Vec<T> {
    let Sizes { batch, queries: length, head_width: d, .. } = call.sizes;
    let (heads, group) = (call.with.heads, call.group());
    let mut out = vec![T::ZERO; batch * heads * length * d];
    let chunks = out.par_chunks_mut((group * length * d).max(1)).enumerate();
    chunks.for_each_init(Scratch::default, |scratch, (index, out)| {
        let (b, kv) = (index / call.with.kv_heads, index % call.with.kv_heads);
        for (g, out) in out.chunks_mut(length * d).enumerate() {
            let head = (b, kv * group + g);
            for (queries, keys) in call.blocks(b) {
                let (place, m, n) = ((&queries, &keys), queries.len(), keys.len());
                let scores = room(&mut scratch.scores, m * n);
                call.probabilities(head, place, scores, &mut scratch.passed);
                call.drop(head, scores, place);
                let operands = (Matrix::rows(&*scores, n), call.of_key(call.v, b, kv).skip(keys.start));
                multiply(&mut out[queries.start * d..], d, (m, d, n), T::ONE, operands, Onto::Overwrite);
            }
        }
    });
    interleave(&out, heads, length, d)
}

/// Gradients of queries, keys and values, as the other kernel's `backward`; a capped score passes
/// 1 - (score / cap)^2 of its slope.
pub fn backward<T: Float>(call: &Call<T>, grad: &[T]) -> [Vec<T>; 3] {
    let Sizes { batch, queries: length, keys: key_length, head_width: d } = call.sizes;
    let (heads, kv_heads, group) = (call.with.heads, call.with.kv_heads, call.group());
    let scale = T::of(call.with.scale);
    let mut dq = vec![T::ZERO; batch * heads * length * d];
    let [mut dk, mut dv] = [(); 2].map(|()| vec![T::ZERO; batch * kv_heads * key_length * d]);
    let chunks = dq.par_chunks_mut((group * length * d).max(1));
    let chunks = chunks.zip(dk.par_chunks_mut((key_length * d).max(1)));
    let chunks = chunks.zip(dv.par_chunks_mut((key_length * d).max(1))).enumerate();
    chunks.for_each_init(Scratch::default, |scratch, (index, ((dq, dk), dv))| {
        let (b, kv) = (index / kv_heads, index % kv_heads);
        let (k, v) = (call.of_key(call.k, b, kv), call.of_key(call.v, b, kv));
        for (g, dq) in dq.chunks_mut(length * d).enumerate() {
            let head = (b, kv * group + g);
            for (queries, keys) in call.blocks(b) {
                let (place, m, n) = ((&queries, &keys), queries.len(), keys.len());
                let probabilities = room(&mut scratch.scores, m * n);
                call.probabilities(head, place, probabilities, &mut scratch.passed);
                let dropped = room(&mut scratch.dropped, m * n);
                dropped.copy_from_slice(probabilities);
                call.drop(head, dropped, place);
                let grad = call.of_query(grad, b, head.1).skip(queries.start);
                let dropped = Matrix::rows(&*dropped, n).transposed();
                multiply(&mut dv[keys.start * d..], d, (n, d, m), T::ONE, (dropped, grad), Onto::Add);
                let slopes = room(&mut scratch.slopes, m * n);
                let v = v.skip(keys.start).transposed();
                multiply(slopes, n, (m, n, d), T::ONE, (grad, v), Onto::Overwrite);
                call.drop(head, slopes, place);
                softmax_slopes(slopes, probabilities, n);
                for (slope, &passed) in slopes.iter_mut().zip(&scratch.passed) {
                    *slope *= passed;
                }
                let square = Matrix::rows(&*slopes, n);
                let q = call.of_query(call.q, b, head.1).skip(queries.start);
                let dq = &mut dq[queries.start * d..];
                multiply(dq, d, (m, d, n), scale, (square, k.skip(keys.start)), Onto::Overwrite);
                multiply(&mut dk[keys.start * d..], d, (n, d, m), scale, (square.transposed(), q), Onto::Add);
            }
        }
    });
    [
        interleave(&dq, heads, length, d),
        interleave(&dk, kv_heads, key_length, d),
        interleave(&dv, kv_heads, key_length, d),
    ]
}
