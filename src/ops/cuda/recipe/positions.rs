//! DeBERTa's relative positions in attention: a score gains `q_i . keys[r] + k_j . queries[r]` for the row r of i - j.
//! Products with every row of a table come from one product over all heads at once, as heads lie first; kernels pick
//! what a score needs of them, and gather what its gradient gives.

use super::Argument::{Address, Count, Long, Real};
use super::attention::{Chunk, Rule, Sizes};
use super::product::{Factor, Onto, Product};
use super::{Kind, Operand, Queue, scratch, warps};

/// Position tables of all heads: a row of keys, or of queries, begins every `row` elements.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    pub keys: Option<Operand>,
    pub queries: Option<Operand>,
    pub row: usize,
    pub rows: usize,
    /// Addresses of u32 tables: the row of each place length - 1 + i - j; and the places of each row one after the other,
    /// those of row r from `starts[r]` to `starts[r + 1]`, for `known` rows.
    pub index: u64,
    pub starts: u64,
    pub places: u64,
    pub known: usize,
}

impl Tables {
    fn count(&self) -> usize {
        usize::from(self.keys.is_some()) + usize::from(self.queries.is_some())
    }
}

/// Where the gradients of the tables go, which lie as these do.
#[derive(Clone, Copy, Debug)]
pub struct Slopes {
    pub keys: Option<Operand>,
    pub queries: Option<Operand>,
}

/// Whole heads, or rows of the batch of one of them: at most `bound` scores and products at once, and at least a head of
/// one row.
pub(super) fn chunks(s: Sizes, tables: &Tables, bound: usize) -> Vec<Chunk> {
    let most = (bound / (s.queries * (s.keys + tables.count() * tables.rows)).max(1)).max(1);
    let chunk = |first, groups| Chunk { first, groups, first_row: 0, rows: s.queries };
    if most >= s.batch {
        let step = (most / s.batch.max(1) * s.batch).max(1);
        return (0..s.groups()).step_by(step).map(|first| chunk(first, step.min(s.groups() - first))).collect();
    }
    let of_head = |head: usize| {
        let rows = (0..s.batch).step_by(most);
        rows.map(move |row| chunk(head * s.batch + row, most.min(s.batch - row)))
    };
    (0..s.heads).flat_map(of_head).collect()
}

/// Room for products of a chunk's queries with position keys, and of its keys with position queries, (length, rows) for
/// each head, and for the gradients of these.
pub struct Products<R> {
    _rooms: [R; 2],
    by_query: Operand,
    by_key: Operand,
}

impl<R> Products<R> {
    /// For chunks of at most `most` rows of scores; none where a rule has no positions.
    pub fn new<Q: Queue<Room = R>>(
        queue: &Q,
        rule: &Rule,
        kind: Kind,
        most: usize,
    ) -> Result<Option<Products<R>>, Q::Error> {
        let Some(tables) = &rule.positions else { return Ok(None) };
        let count = |table: Option<Operand>| if table.is_some() { most * tables.rows } else { 0 };
        let (query_room, by_query) = scratch(queue, kind, count(tables.keys))?;
        let (key_room, by_key) = scratch(queue, kind, count(tables.queries))?;
        Ok(Some(Products { _rooms: [query_room, key_room], by_query, by_key }))
    }

    /// Adds what positions give to the scores of a chunk: up to three launches.
    #[expect(clippy::too_many_arguments, reason = "the operands of a sum of products")]
    pub(super) fn add<Q: Queue<Room = R>>(
        &self,
        queue: &Q,
        s: Sizes,
        tables: &Tables,
        scale: f64,
        (q, k): (Operand, Operand),
        scores: Operand,
        chunk: Chunk,
    ) -> Result<(), Q::Error> {
        let (span, rows) = (Span::of(s, chunk), tables.rows);
        for (table, heads, products) in [(tables.keys, q, self.by_query), (tables.queries, k, self.by_key)] {
            let Some(table) = table else { continue };
            let factors = [
                span.of_heads(heads, s, chunk),
                span.of_table(table, s, tables).transposed(),
                Factor::rows(products, rows).every(span.m * rows),
            ];
            span.multiply(queue, (span.m, rows, s.width), (1.0, Onto::Overwrite), factors)?;
        }
        let address = |table: Option<Operand>, of: Operand| Address(if table.is_some() { of.address } else { 0 });
        let products = [address(tables.keys, self.by_query), address(tables.queries, self.by_key)];
        let count = chunk.groups * chunk.rows;
        let arguments = [
            Address(scores.address),
            products[0],
            products[1],
            Address(tables.index),
            Count(rows),
            Count(s.queries),
            Long(count as u64),
            Real(scale),
        ];
        warps(queue, ("positions", format!("add_positions_{}", scores.kind.name())), count, &arguments)
    }

    /// From the gradient of a chunk's scores (with the factor of all scores): adds to those of queries and keys, and
    /// where they are asked for gives those of the tables. `heads`: queries, keys, and their gradients. Up to three
    /// launches for each table.
    #[expect(clippy::too_many_arguments, reason = "the operands of a sum of products")]
    pub(super) fn back<Q: Queue<Room = R>>(
        &self,
        queue: &Q,
        s: Sizes,
        tables: &Tables,
        (scale, by_score): (f64, Operand),
        [queries, keys]: [(Operand, Operand); 2],
        into: Option<Slopes>,
        chunk: Chunk,
    ) -> Result<(), Q::Error> {
        let (span, rows) = (Span::of(s, chunk), tables.rows);
        // Later rows of the batch add to what a head's first ones gave.
        let onto = if chunk.first.is_multiple_of(s.batch) { Onto::Overwrite } else { Onto::Add };
        let by_keys = (tables.keys, into.and_then(|into| into.keys), queries, self.by_query);
        let by_queries = (tables.queries, into.and_then(|into| into.queries), keys, self.by_key);
        for (is_by_key, (table, by_table, (heads, by_heads), sums)) in [by_keys, by_queries].into_iter().enumerate() {
            let Some(table) = table else { continue };
            let count = chunk.groups * chunk.rows;
            let arguments = [
                Address(by_score.address),
                Address(sums.address),
                Address(tables.starts),
                Address(tables.places),
                Count(tables.known),
                Count(rows),
                Count(s.queries),
                Long(count as u64),
                Count(is_by_key),
            ];
            let kernel = format!("gather_slopes_{}", sums.kind.name());
            warps(queue, ("positions", kernel), count, &arguments)?;
            let sums = Factor::rows(sums, rows).every(span.m * rows);
            let factors = [sums, span.of_table(table, s, tables), span.of_heads(by_heads, s, chunk)];
            span.multiply(queue, (span.m, s.width, rows), (scale, Onto::Add), factors)?;
            if let Some(by_table) = by_table {
                let out = span.of_table(by_table, s, tables);
                let factors = [sums.transposed(), span.of_heads(heads, s, chunk), out];
                span.multiply(queue, (rows, s.width, span.m), (scale, onto), factors)?;
            }
        }
        Ok(())
    }
}

/// The heads of a chunk, `m` rows of queries or keys of each.
struct Span {
    head: usize,
    heads: usize,
    m: usize,
}

impl Span {
    fn of(s: Sizes, chunk: Chunk) -> Span {
        let heads = (chunk.groups / s.batch).max(1);
        Span { head: chunk.first / s.batch, heads, m: chunk.groups / heads * s.queries }
    }

    fn of_heads(&self, operand: Operand, s: Sizes, chunk: Chunk) -> Factor {
        Factor::rows(operand.skip(chunk.first * s.queries * s.width), s.width).every(self.m * s.width)
    }

    fn of_table(&self, table: Operand, s: Sizes, tables: &Tables) -> Factor {
        Factor::rows(table.skip(self.head * s.width), tables.row).every(s.width)
    }

    fn multiply<Q: Queue>(
        &self,
        queue: &Q,
        sizes: (usize, usize, usize),
        (scale, onto): (f64, Onto),
        [a, b, out]: [Factor; 3],
    ) -> Result<(), Q::Error> {
        Product { sizes, batch: self.heads, scale, a, b, out, onto }.run(queue)
    }
}
