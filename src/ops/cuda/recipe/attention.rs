//! Attention by products over all heads at once: heads are gathered, turned by their rope, and scores are made, used and
//! forgotten in chunks of bounded size, and made again for the gradient.

use super::Argument::{Address, Count, Long, Real};
use super::elementwise::{Dropout, Turn};
use super::positions::{self, Tables};
use super::product::{Factor, Onto, Product};
use super::{Argument, Kind, Launch, Operand, Queue, scratch, threads_of_row, warps};

/// Sizes of a call. Queries are (batch, queries, heads x width), keys and values (batch, keys, kv heads x width).
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub kv_heads: usize,
    /// Of a head.
    pub width: usize,
    /// Whether gathered heads lie (heads, batch, length, width) and not (batch, heads, length, width).
    pub heads_first: bool,
}

impl Sizes {
    /// Key heads of all rows of the batch.
    pub(super) fn groups(&self) -> usize {
        self.batch * self.kv_heads
    }

    /// Rows of scores of a group: its query heads' queries, one head after the other.
    fn group_rows(&self) -> usize {
        self.heads / self.kv_heads * self.queries
    }
}

/// Queries, keys and values, or their gradients, as rows of heads; a row of each begins every so many elements.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    pub query_row: usize,
    pub key_row: usize,
    pub value_row: usize,
}

/// How is attended; see the kernel `attention_softmax`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Of the products of queries and keys.
    pub scale: f64,
    /// Address of a u8 for each key (batch, keys): 0 for padding.
    pub mask: Option<u64>,
    /// Address of a u32 for each query (batch, queries): the first key that it sees. Makes the attention causal.
    pub first: Option<u64>,
    pub window: Option<usize>,
    pub cap: Option<f64>,
    pub dropout: Dropout,
    /// Of queries and keys; by place 0..length.
    pub rope: Option<Turn>,
    /// With as many keys as queries, a head of keys for each of queries, and heads first.
    pub positions: Option<Tables>,
}

/// Queries, keys and values with contiguous heads, (length, width) each.
struct Packed<R> {
    _rooms: [R; 3],
    q: Operand,
    k: Operand,
    v: Operand,
}

impl<R> Packed<R> {
    fn new<Q: Queue<Room = R>>(queue: &Q, s: Sizes, kind: Kind) -> Result<Packed<R>, Q::Error> {
        let count = s.batch * s.kv_heads * s.keys * s.width;
        let (q_room, q) = scratch(queue, kind, s.batch * s.heads * s.queries * s.width)?;
        let (k_room, k) = scratch(queue, kind, count)?;
        let (v_room, v) = scratch(queue, kind, count)?;
        Ok(Packed { _rooms: [q_room, k_room, v_room], q, k, v })
    }
}

/// Moves `operands` (queries; keys; values) of rows to packed heads, or back.
fn move_heads<Q: Queue>(
    queue: &Q,
    kernel: &str,
    s: Sizes,
    rows: Rows,
    [q, k, v]: [Operand; 3],
    (rope, operands): (Option<Turn>, usize),
) -> Result<(), Q::Error> {
    let (cosines, sines, half) = rope.map_or((0, 0, 0), |t| (t.cosines.address, t.sines.address, t.half));
    let addresses = [rows.q.address, rows.k.address, rows.v.address, q.address, k.address, v.address, cosines, sines];
    let counts = [rows.query_row, rows.key_row, rows.value_row, s.queries, s.keys, s.heads, s.kv_heads, s.width];
    let arguments: Vec<Argument> = addresses.map(Address).into_iter().chain(counts.map(Count)).collect();
    let arguments = [arguments, vec![Count(half), Count(s.heads_first.into())]].concat();
    queue.launch(&Launch {
        module: "heads",
        kernel: format!("{kernel}_{}", rows.q.kind.name()),
        blocks: (s.batch * s.queries.max(s.keys), operands),
        threads: threads_of_row(s.heads * s.width),
        arguments: &arguments,
    })
}

/// Rows `first_row..first_row + rows` of the scores of groups `first..first + groups`.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub first: usize,
    pub groups: usize,
    pub first_row: usize,
    pub rows: usize,
}

/// All scores in chunks of at most `bound` (and at least a row): several groups, or a part of one.
fn chunks(s: Sizes, rule: &Rule, bound: usize) -> Vec<Chunk> {
    if let Some(tables) = &rule.positions {
        return positions::chunks(s, tables, bound);
    }
    let group_rows = s.group_rows();
    let groups = (bound / (group_rows * s.keys).max(1)).clamp(1, s.groups().max(1));
    let rows = if groups > 1 { group_rows } else { (bound / s.keys.max(1)).clamp(1, group_rows.max(1)) };
    let of_groups = |first: usize| {
        let groups = groups.min(s.groups() - first);
        (0..group_rows).step_by(rows).map(move |first_row| {
            let rows = rows.min(group_rows - first_row);
            Chunk { first, groups, first_row, rows }
        })
    };
    (0..s.groups()).step_by(groups).flat_map(of_groups).collect()
}

/// One call on packed heads.
struct Call<'a, Q: Queue> {
    queue: &'a Q,
    s: Sizes,
    rule: &'a Rule,
    positions: Option<positions::Products<Q::Room>>,
}

impl<Q: Queue> Call<'_, Q> {
    /// The rows of queries, or of what lies as they do, of a chunk: (rows, width) each.
    fn of_queries(&self, operand: Operand, chunk: Chunk) -> Factor {
        let (rows, d) = (self.s.group_rows(), self.s.width);
        Factor::rows(operand.skip((chunk.first * rows + chunk.first_row) * d), d).every(rows * d)
    }

    /// The keys, or what lies as they do: (keys, width) each.
    fn of_keys(&self, operand: Operand, chunk: Chunk) -> Factor {
        let (keys, d) = (self.s.keys, self.s.width);
        Factor::rows(operand.skip(chunk.first * keys * d), d).every(keys * d)
    }

    /// Scores (rows, keys) each.
    fn square(&self, operand: Operand, chunk: Chunk) -> Factor {
        Factor::rows(operand, self.s.keys).every(chunk.rows * self.s.keys)
    }

    fn multiply(
        &self,
        sizes: (usize, usize, usize),
        chunk: Chunk,
        (scale, onto): (f64, Onto),
        [a, b, out]: [Factor; 3],
    ) -> Result<(), Q::Error> {
        Product { sizes, batch: chunk.groups, scale, a, b, out, onto }.run(self.queue)
    }

    fn counts(&self, chunk: Chunk) -> [Argument; 9] {
        let (s, Chunk { first, groups, first_row, rows }) = (self.s, chunk);
        let batch = if s.heads_first { s.batch } else { 0 };
        [first, first_row, rows, groups, s.queries, s.keys, s.heads / s.kv_heads, s.kv_heads, batch].map(Count)
    }

    /// A warp for each row of scores.
    fn by_rows(&self, kernel: &str, kind: Kind, chunk: Chunk, arguments: &[Argument]) -> Result<(), Q::Error> {
        let kernel = format!("{kernel}_{}", kind.name());
        warps(self.queue, ("softmax", kernel), chunk.groups * chunk.rows, arguments)
    }

    /// Probabilities of a chunk in `scores`. With `kept`, they are left whole there and `kept` gets them after dropout;
    /// without, they are dropped where they are. `passed` is for the slope of the cap.
    fn probabilities(
        &self,
        q: Operand,
        k: Operand,
        scores: Operand,
        (is_kept, dropped, passed): (bool, Option<Operand>, Option<Operand>),
        chunk: Chunk,
    ) -> Result<(), Q::Error> {
        let (s, rule) = (self.s, self.rule);
        let factors = [self.of_queries(q, chunk), self.of_keys(k, chunk).transposed(), self.square(scores, chunk)];
        self.multiply((chunk.rows, s.keys, s.width), chunk, (rule.scale, Onto::Overwrite), factors)?;
        if let (Some(products), Some(tables)) = (&self.positions, &rule.positions) {
            products.add(self.queue, s, tables, rule.scale, (q, k), scores, chunk)?;
        }
        let address = |operand: Option<Operand>| operand.map_or(0, |operand| operand.address);
        let addresses =
            [scores.address, address(dropped), address(passed), rule.mask.unwrap_or(0), rule.first.unwrap_or(0)];
        let mut arguments: Vec<Argument> = addresses.map(Address).into_iter().chain(self.counts(chunk)).collect();
        let window = rule.window.unwrap_or(usize::MAX).min(u32::MAX as usize);
        arguments.extend([Count(window), Real(rule.cap.unwrap_or(0.0)), Long(rule.dropout.key)]);
        arguments.extend([Count(rule.dropout.limit as usize), Real(rule.dropout.scale), Count(is_kept.into())]);
        self.by_rows("attention_softmax", scores.kind, chunk, &arguments)
    }
}

/// y (batch, queries, heads x width) = softmax(rule(q k^T)) v. At most `bound` scores are alive at once, or one row. A
/// launch to gather the heads and one to bring them back, and three for each chunk.
pub fn forward<Q: Queue>(
    queue: &Q,
    s: Sizes,
    rows: Rows,
    rule: &Rule,
    y: Operand,
    bound: usize,
) -> Result<(), Q::Error> {
    let kind = y.kind.working();
    let packed = Packed::new(queue, s, kind)?;
    move_heads(queue, "split_heads", s, rows, [packed.q, packed.k, packed.v], (rule.rope, 3))?;
    let chunks = chunks(s, rule, bound);
    let largest = chunks.iter().map(|chunk| chunk.groups * chunk.rows).max().unwrap_or(0);
    let call = Call { queue, s, rule, positions: positions::Products::new(queue, rule, kind, largest)? };
    let (_scores, scores) = scratch(queue, kind, largest * s.keys)?;
    let (_mixed, mixed) = scratch(queue, kind, s.batch * s.heads * s.queries * s.width)?;
    for chunk in chunks {
        call.probabilities(packed.q, packed.k, scores, (false, None, None), chunk)?;
        let factors = [call.square(scores, chunk), call.of_keys(packed.v, chunk), call.of_queries(mixed, chunk)];
        call.multiply((chunk.rows, s.width, s.keys), chunk, (1.0, Onto::Overwrite), factors)?;
    }
    let into = Rows { q: y, query_row: s.heads * s.width, ..rows };
    move_heads(queue, "merge_heads", s, into, [mixed, packed.k, packed.v], (None, 1))
}

/// Gradients of queries, keys and values from `grad`, which lies as the result does. With P the probabilities, R the
/// dropout factors and G the gradient: dV = (P R)^T G, dP = (G V^T) R, dS = P (dP - rowsum(dP P)), dQ = c dS K,
/// dK = c dS^T Q, c the factor of the scores. Half of `bound` scores at once, and as many slopes (a third where there is a
/// cap). Three launches, and seven for each chunk. `by_table` gets the gradients of the position tables, where they are
/// asked for.
pub fn back<Q: Queue>(
    queue: &Q,
    s: Sizes,
    (rows, grad): (Rows, Operand),
    rule: &Rule,
    (into, by_table): (Rows, Option<positions::Slopes>),
    bound: usize,
) -> Result<(), Q::Error> {
    let kind = grad.kind.working();
    let packed = Packed::new(queue, s, kind)?;
    let slopes = Packed::new(queue, s, kind)?;
    move_heads(queue, "split_heads", s, rows, [packed.q, packed.k, packed.v], (rule.rope, 3))?;
    let (_g, g) = scratch(queue, kind, s.batch * s.heads * s.queries * s.width)?;
    let of_grad = Rows { q: grad, query_row: s.heads * s.width, ..rows };
    move_heads(queue, "split_heads", s, of_grad, [g, packed.k, packed.v], (None, 1))?;
    let bound = bound / if rule.cap.is_some() { 3 } else { 2 };
    let chunks = chunks(s, rule, bound);
    let most = chunks.iter().map(|chunk| chunk.groups * chunk.rows).max().unwrap_or(0);
    let call = Call { queue, s, rule, positions: positions::Products::new(queue, rule, kind, most)? };
    let largest = most * s.keys;
    let (_scores, scores) = scratch(queue, kind, largest)?;
    let (_by_score, by_score) = scratch(queue, kind, largest)?;
    let (_passed, passed) = scratch(queue, kind, if rule.cap.is_some() { largest } else { 0 })?;
    let passed = rule.cap.map(|_| passed);
    let drops = rule.dropout.limit > 0;
    for chunk in chunks {
        let (m, n, d) = (chunk.rows, s.keys, s.width);
        // Later rows of a group add to what its first ones gave.
        let onto = if chunk.first_row > 0 { Onto::Add } else { Onto::Overwrite };
        // Dropped probabilities are used before the slopes take their place.
        call.probabilities(packed.q, packed.k, scores, (true, drops.then_some(by_score), passed), chunk)?;
        let dropped = call.square(if drops { by_score } else { scores }, chunk);
        let g = call.of_queries(g, chunk);
        call.multiply((n, d, m), chunk, (1.0, onto), [dropped.transposed(), g, call.of_keys(slopes.v, chunk)])?;
        let square = call.square(by_score, chunk);
        let v = call.of_keys(packed.v, chunk).transposed();
        call.multiply((m, n, d), chunk, (1.0, Onto::Overwrite), [g, v, square])?;
        let addresses = [scores.address, by_score.address, passed.map_or(0, |passed| passed.address)];
        let mut arguments: Vec<Argument> = addresses.map(Address).into_iter().chain(call.counts(chunk)).collect();
        let Dropout { key, limit, scale } = rule.dropout;
        arguments.extend([Long(key), Count(limit as usize), Real(scale)]);
        call.by_rows("attention_slopes", kind, chunk, &arguments)?;
        let (k, q) = (call.of_keys(packed.k, chunk), call.of_queries(packed.q, chunk));
        let dq = call.of_queries(slopes.q, chunk);
        call.multiply((m, d, n), chunk, (rule.scale, Onto::Overwrite), [square, k, dq])?;
        let dk = call.of_keys(slopes.k, chunk);
        call.multiply((n, d, m), chunk, (rule.scale, onto), [square.transposed(), q, dk])?;
        if let (Some(products), Some(tables)) = (&call.positions, &rule.positions) {
            let heads = [(packed.q, slopes.q), (packed.k, slopes.k)];
            products.back(queue, s, tables, (rule.scale, by_score), heads, by_table, chunk)?;
        }
    }
    move_heads(queue, "merge_heads", s, into, [slopes.q, slopes.k, slopes.v], (rule.rope, 3))
}
