//! Attention of one row of a batch after another on the CPU: scores are made, used and forgotten in blocks of queries,
//! and made again for the gradient, so that nothing of length x length is kept.

use super::{Attention, Rope};
use crate::ops::dropout::Mask;
use crate::ops::float::Float;
use crate::ops::kernel::vectorised;
use crate::ops::product::{Matrix, Onto, multiply};
use crate::ops::sum::{sum, sum_pairs};
use std::ops::Range;

/// Sizes of one call.
#[derive(Clone, Copy)]
pub struct Shapes {
    pub batch: usize,
    pub length: usize,
    /// Of all heads together.
    pub width: usize,
    pub heads: usize,
}

impl Shapes {
    fn head_width(self) -> usize {
        self.width / self.heads
    }
}

/// Queries, keys or values of all heads: element (b, t, c) at `(b * length + t) * row + start + c`.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    pub data: &'a [T],
    pub row: usize,
    pub start: usize,
}

impl<'a, T> Operand<'a, T> {
    fn head(self, s: Shapes, b: usize, h: usize) -> Matrix<'a, T> {
        Matrix::rows(&self.data[b * s.length * self.row + self.start + h * s.head_width()..], self.row)
    }
}

/// Relative position tables (see [`super::Positions`]): keys and queries of all heads, (rows, width) each, one after
/// the other in a row of `tables`.
#[derive(Clone, Copy)]
pub struct PositionTables<'a, T> {
    pub tables: &'a [T],
    pub rows: usize,
    pub has_keys: bool,
    pub has_queries: bool,
    /// Row of query i and key j at `length - 1 + i - j`.
    pub index: &'a [u32],
    /// Factor of all scores, the positions' included.
    pub scale: f64,
}

impl<'a, T> PositionTables<'a, T> {
    /// Elements of a row of `tables`.
    pub fn row(&self, width: usize) -> usize {
        width * (usize::from(self.has_keys) + usize::from(self.has_queries))
    }

    fn keys(&self, s: Shapes, h: usize) -> Matrix<'a, T> {
        Matrix::rows(&self.tables[h * s.head_width()..], self.row(s.width))
    }

    fn queries(&self, s: Shapes, h: usize) -> Matrix<'a, T> {
        let start = if self.has_keys { s.width } else { 0 };
        Matrix::rows(&self.tables[start + h * s.head_width()..], self.row(s.width))
    }
}

/// What a call reads: the operands, their sizes, and how they are attended to.
#[derive(Clone, Copy)]
pub struct Call<'a, T> {
    pub shapes: Shapes,
    pub with: &'a Attention,
    pub q: Operand<'a, T>,
    pub k: Operand<'a, T>,
    pub v: Operand<'a, T>,
    pub positions: Option<PositionTables<'a, T>>,
}

/// Scores that are in memory at once, at most, for each thread.
const BLOCK_SCORES: usize = 1 << 20;

/// Blocks of queries with the keys that they can see.
fn blocks(length: usize, window: Option<usize>) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let rows = match window {
        Some(window) => window.max(32),
        None => (BLOCK_SCORES / length.max(1)).max(32),
    };
    let reach = window.unwrap_or(length);
    (0..length).step_by(rows.min(length.max(1))).map(move |from| {
        let to = (from + rows).min(length);
        (from..to, from.saturating_sub(reach)..to.saturating_add(reach).min(length))
    })
}

/// Room that a thread works in, grown as needed.
pub struct Scratch<T> {
    q: Vec<T>,
    k: Vec<T>,
    scores: Vec<T>,
    dropped: Vec<T>,
    slopes: Vec<T>,
    /// Scores of queries with position keys, of keys with position queries, and their gradients.
    by_query: Vec<T>,
    by_key: Vec<T>,
    d_by_query: Vec<T>,
    d_by_key: Vec<T>,
    dq: Vec<T>,
    dk: Vec<T>,
    dv: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        let empty = Vec::new;
        Scratch {
            q: empty(),
            k: empty(),
            scores: empty(),
            dropped: empty(),
            slopes: empty(),
            by_query: empty(),
            by_key: empty(),
            d_by_query: empty(),
            d_by_key: empty(),
            dq: empty(),
            dk: empty(),
            dv: empty(),
        }
    }
}

pub(super) fn room<T: Float>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    buffer.clear();
    buffer.resize(length, T::ZERO);
    buffer
}

/// A head's queries or keys, turned by their positions where there is a rope.
fn turned<'a, T: Float>(from: Matrix<'a, T>, rope: Option<&Rope>, s: Shapes, room: &'a mut Vec<T>) -> Matrix<'a, T> {
    let Some(rope) = rope else { return from };
    let d = s.head_width();
    room.clear();
    for t in 0..s.length {
        room.extend_from_slice(&from.data[t * from.row..][..d]);
    }
    rope.turn(room, d, T::ONE);
    Matrix::rows(room, d)
}

/// One head of one row of the batch.
struct Head<'a, T> {
    call: &'a Call<'a, T>,
    q: Matrix<'a, T>,
    k: Matrix<'a, T>,
    v: Matrix<'a, T>,
    h: usize,
    keep: &'a [u8],
    /// Number of the head among all of the batch: where its dropout factors start.
    block: usize,
}

impl<'a, T: Float> Head<'a, T> {
    fn new(call: &'a Call<T>, b: usize, h: usize, q: &'a mut Vec<T>, k: &'a mut Vec<T>) -> Head<'a, T> {
        let (s, rope) = (call.shapes, call.with.rope.as_deref());
        Head {
            call,
            q: turned(call.q.head(s, b, h), rope, s, q),
            k: turned(call.k.head(s, b, h), rope, s, k),
            v: call.v.head(s, b, h),
            h,
            keep: &call.with.mask[b * s.length..(b + 1) * s.length],
            block: b * s.heads + h,
        }
    }

    fn scale(&self) -> T {
        match &self.call.positions {
            Some(positions) => T::of(positions.scale),
            None => T::of(1.0 / (self.call.shapes.head_width() as f64).sqrt()),
        }
    }

    /// Products of every key with every position query (length, rows).
    fn keys_by_position(&self, by_key: &mut Vec<T>) {
        if let Some(positions) = self.call.positions.filter(|positions| positions.has_queries) {
            let (t, d, n) = (self.call.shapes.length, self.call.shapes.head_width(), positions.rows);
            let operands = (self.k, positions.queries(self.call.shapes, self.h).transposed());
            multiply(room(by_key, t * n), n, (t, n, d), T::ONE, operands, Onto::Overwrite);
        }
    }

    /// The attention probabilities of a block (queries, keys), before dropout.
    fn probabilities(
        &self,
        (queries, keys): (&Range<usize>, &Range<usize>),
        scores: &mut [T],
        by_query: &mut Vec<T>,
        by_key: &[T],
    ) {
        let (m, n, d) = (queries.len(), keys.len(), self.call.shapes.head_width());
        let (q, k) = (self.q.skip(queries.start), self.k.skip(keys.start));
        multiply(scores, n, (m, n, d), self.scale(), (q, k.transposed()), Onto::Overwrite);
        if let Some(positions) = &self.call.positions {
            let rows = positions.rows;
            if positions.has_keys {
                let operands = (q, positions.keys(self.call.shapes, self.h).transposed());
                multiply(room(by_query, m * rows), rows, (m, rows, d), T::ONE, operands, Onto::Overwrite);
            }
            let (scale, last) = (self.scale(), self.call.shapes.length - 1);
            for (i, scores) in scores.chunks_mut(n).enumerate() {
                for (j, score) in scores.iter_mut().enumerate() {
                    let row = positions.index[last + queries.start + i - keys.start - j] as usize;
                    if positions.has_keys {
                        *score += scale * by_query[i * rows + row];
                    }
                    if positions.has_queries {
                        *score += scale * by_key[(keys.start + j) * rows + row];
                    }
                }
            }
        }
        let keep = &self.keep[keys.clone()];
        let window = self.call.with.window;
        vectorised(
            #[inline(always)]
            || {
                for (i, scores) in scores.chunks_mut(n).enumerate() {
                    // The keys in sight of this query, counted from the first of the block.
                    let at = queries.start + i;
                    let sight = match window {
                        Some(w) => {
                            at.saturating_sub(w).max(keys.start) - keys.start..(at + w + 1).min(keys.end) - keys.start
                        }
                        None => 0..n,
                    };
                    softmax(&mut scores[sight.clone()], &keep[sight.clone()]);
                    scores[..sight.start].fill(T::ZERO);
                    scores[sight.end..].fill(T::ZERO);
                }
            },
        );
    }

    /// Multiplies values of a block by the dropout factors of their places.
    fn drop(&self, values: &mut [T], (queries, keys): (&Range<usize>, &Range<usize>)) {
        if let Some(mask) = self.call.with.dropout {
            let length = self.call.shapes.length;
            let first = self.block * length * length + queries.start * length + keys.start;
            vectorised(
                #[inline(always)]
                || {
                    for (i, values) in values.chunks_mut(keys.len()).enumerate() {
                        drop_row(values, mask, first + i * length);
                    }
                },
            );
        }
    }
}

#[inline(always)]
pub(super) fn drop_row<T: Float>(values: &mut [T], mask: Mask, first: usize) {
    let scale = mask.scale();
    for (i, value) in values.iter_mut().enumerate() {
        *value *= mask.factor(first + i, scale);
    }
}

/// Softmax in place, padding keys at 0.
#[inline(always)]
fn softmax<T: Float>(scores: &mut [T], keep: &[u8]) {
    for (s, &keep) in scores.iter_mut().zip(keep) {
        *s = if keep == 0 { T::LOWEST } else { *s };
    }
    softmax_of_all(scores);
}

/// Softmax in place.
#[inline(always)]
pub(super) fn softmax_of_all<T: Float>(scores: &mut [T]) {
    let mut highest = T::LOWEST;
    for &s in scores.iter() {
        highest = if s > highest { s } else { highest };
    }
    for s in scores.iter_mut() {
        *s = (*s - highest).exponential();
    }
    let inverse = T::ONE / sum(scores, |x| x);
    for s in scores.iter_mut() {
        *s *= inverse;
    }
}

/// The result of row `b` of the batch, `out` (length, width).
pub fn forward<T: Float>(call: &Call<T>, b: usize, out: &mut [T], scratch: &mut Scratch<T>) {
    let (s, d) = (call.shapes, call.shapes.head_width());
    for h in 0..s.heads {
        let head = Head::new(call, b, h, &mut scratch.q, &mut scratch.k);
        head.keys_by_position(&mut scratch.by_key);
        for (queries, keys) in blocks(s.length, call.with.window) {
            let (m, n) = (queries.len(), keys.len());
            let place = (&queries, &keys);
            let scores = room(&mut scratch.scores, m * n);
            head.probabilities(place, scores, &mut scratch.by_query, &scratch.by_key);
            head.drop(scores, place);
            let operands = (Matrix::rows(scores, n), head.v.skip(keys.start));
            let out = &mut out[queries.start * s.width + h * d..];
            multiply(out, s.width, (m, d, n), T::ONE, operands, Onto::Overwrite);
        }
    }
}

/// Which gradient a sink is given.
#[derive(Clone, Copy)]
pub enum Part {
    Query,
    Key,
    Value,
}

/// The gradients of row `b` of the batch. With P the probabilities, R the dropout factors and G the gradient of the
/// result: dV = (P R)^T G, dP = (G V^T) R, dS = P (dP - rowsum(dP P)), dQ = c dS K, dK = c dS^T Q, c the factor of the
/// scores.
///
/// `sink` gets (part, head, (length, head width)); `d_tables`, as large as the position tables, is added to; it is
/// empty where these need no gradient.
pub fn backward<T: Float>(
    call: &Call<T>,
    b: usize,
    grad: &[T],
    scratch: &mut Scratch<T>,
    d_tables: &mut [T],
    sink: &mut dyn FnMut(Part, usize, &[T]),
) {
    let (s, t, d) = (call.shapes, call.shapes.length, call.shapes.head_width());
    let grad = Operand { data: grad, row: s.width, start: 0 };
    for h in 0..s.heads {
        let head = Head::new(call, b, h, &mut scratch.q, &mut scratch.k);
        let scale = head.scale();
        head.keys_by_position(&mut scratch.by_key);
        let [dq, dk, dv] = [&mut scratch.dq, &mut scratch.dk, &mut scratch.dv].map(|buffer| room(buffer, t * d));
        let d_by_key = room(&mut scratch.d_by_key, call.positions.map_or(0, |positions| t * positions.rows));
        for (queries, keys) in blocks(t, call.with.window) {
            let (m, n) = (queries.len(), keys.len());
            let place = (&queries, &keys);
            let probabilities = room(&mut scratch.scores, m * n);
            head.probabilities(place, probabilities, &mut scratch.by_query, &scratch.by_key);
            let dropped = room(&mut scratch.dropped, m * n);
            dropped.copy_from_slice(probabilities);
            head.drop(dropped, place);
            let g = grad.head(s, b, h).skip(queries.start);
            let dropped = Matrix::rows(dropped, n).transposed();
            multiply(&mut dv[keys.start * d..], d, (n, d, m), T::ONE, (dropped, g), Onto::Add);
            let slopes = room(&mut scratch.slopes, m * n);
            multiply(slopes, n, (m, n, d), T::ONE, (g, head.v.skip(keys.start).transposed()), Onto::Overwrite);
            head.drop(slopes, place);
            softmax_slopes(slopes, probabilities, n);
            let square = Matrix::rows(&*slopes, n);
            let (k, q) = (head.k.skip(keys.start), head.q.skip(queries.start));
            let dq = &mut dq[queries.start * d..];
            multiply(dq, d, (m, d, n), scale, (square, k), Onto::Overwrite);
            multiply(&mut dk[keys.start * d..], d, (n, d, m), scale, (square.transposed(), q), Onto::Add);
            let Some(positions) = &call.positions else { continue };
            let rows = positions.rows;
            if positions.has_keys {
                let by_query = room(&mut scratch.d_by_query, m * rows);
                scatter(slopes, place, positions, t, |i, _, row, slope| by_query[i * rows + row] += slope);
                let by_query = Matrix::rows(&*by_query, rows);
                multiply(dq, d, (m, d, rows), scale, (by_query, positions.keys(s, h)), Onto::Add);
                if !d_tables.is_empty() {
                    let (row, operands) = (positions.row(s.width), (by_query.transposed(), q));
                    multiply(&mut d_tables[h * d..], row, (rows, d, m), scale, operands, Onto::Add);
                }
            }
            if positions.has_queries {
                scatter(slopes, place, positions, t, |_, j, row, slope| d_by_key[j * rows + row] += slope);
            }
        }
        if let Some(positions) = call.positions.filter(|positions| positions.has_queries) {
            let (rows, row) = (positions.rows, positions.row(s.width));
            let by_key = Matrix::rows(&*d_by_key, rows);
            multiply(dk, d, (t, d, rows), scale, (by_key, positions.queries(s, h)), Onto::Add);
            if !d_tables.is_empty() {
                let d_queries = &mut d_tables[row - s.width + h * d..];
                multiply(d_queries, row, (rows, d, t), scale, (by_key.transposed(), head.k), Onto::Add);
            }
        }
        if let Some(rope) = &call.with.rope {
            rope.turn(dq, d, -T::ONE);
            rope.turn(dk, d, -T::ONE);
        }
        sink(Part::Query, h, dq);
        sink(Part::Key, h, dk);
        sink(Part::Value, h, dv);
    }
}

/// Gradients of rows of `n` probabilities to those of the scores, in place.
pub(super) fn softmax_slopes<T: Float>(slopes: &mut [T], probabilities: &[T], n: usize) {
    vectorised(
        #[inline(always)]
        || {
            for (slopes, p) in slopes.chunks_mut(n).zip(probabilities.chunks(n)) {
                let dot = sum_pairs(slopes, p, |g, p| g * p);
                for (slope, &p) in slopes.iter_mut().zip(p) {
                    *slope = p * (*slope - dot);
                }
            }
        },
    );
}

/// Calls `add(query in the block, key, row of the tables, slope)` for every score of a block.
fn scatter<T: Float>(
    slopes: &[T],
    (queries, keys): (&Range<usize>, &Range<usize>),
    positions: &PositionTables<T>,
    length: usize,
    mut add: impl FnMut(usize, usize, usize, T),
) {
    for (i, slopes) in slopes.chunks(keys.len()).enumerate() {
        for (j, &slope) in slopes.iter().enumerate() {
            let row = positions.index[length - 1 + queries.start + i - keys.start - j] as usize;
            add(i, keys.start + j, row, slope);
        }
    }
}
