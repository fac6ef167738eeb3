//! Dropout, rotary positions, roundings, rows of a bias.

use super::Argument::{Address, Count, Long, Real};
use super::{Kind, Operand, Queue, elements, rows, scratch};

/// A dropout mask as kernels take it.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    pub key: u64,
    /// An element is dropped when its 32 random bits are below this.
    pub limit: u32,
    /// What is left is multiplied by this.
    pub scale: f64,
}

impl Dropout {
    /// Drops nothing.
    pub const NONE: Dropout = Dropout { key: 0, limit: 0, scale: 1.0 };
}

/// y = x with elements dropped: a pass forward, and the gradient's pass back.
pub fn dropout<Q: Queue>(queue: &Q, x: Operand, y: Operand, count: usize, with: Dropout) -> Result<(), Q::Error> {
    let kernel = format!("dropout_{}", x.kind.name());
    let (key, limit) = (Long(with.key), Count(with.limit as usize));
    let arguments = [Address(x.address), Address(y.address), Long(count as u64), key, limit, Real(with.scale)];
    elements(queue, ("elementwise", kernel), count, &arguments)
}

/// Cosines and sines of all places (places, half), in the kind in which a kernel computes.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub cosines: Operand,
    pub sines: Operand,
    pub half: usize,
}

/// Rows of heads: `n` elements in a row, `width` in a head.
#[derive(Clone, Copy, Debug)]
pub struct HeadRows {
    pub rows: usize,
    pub n: usize,
    pub width: usize,
}

/// Turns every head of each row by the row's place in `places` (rows, u32); `direction` 1 or, back, -1.
pub fn rotate<Q: Queue>(
    queue: &Q,
    (x, y): (Operand, Operand),
    of: HeadRows,
    places: u64,
    turn: Turn,
    direction: f64,
) -> Result<(), Q::Error> {
    let kernel = format!("rotate_{}", x.kind.name());
    let tables = (Address(turn.cosines.address), Address(turn.sines.address));
    let (places, counts) = (Address(places), (Count(of.n), Count(of.width), Count(turn.half)));
    let operands = (Address(x.address), Address(y.address));
    let arguments = [operands.0, operands.1, places, tables.0, tables.1, counts.0, counts.1, counts.2, Real(direction)];
    rows(queue, ("elementwise", kernel), (of.rows, of.n), &arguments)
}

/// `x` in this kind: itself where it is of it, else rounded into new room, which must be kept.
pub fn converted<Q: Queue>(
    queue: &Q,
    x: Operand,
    kind: Kind,
    count: usize,
) -> Result<(Option<Q::Room>, Operand), Q::Error> {
    if x.kind == kind {
        return Ok((None, x));
    }
    let (room, y) = scratch(queue, kind, count)?;
    let kernel = format!("convert_{}_{}", x.kind.name(), kind.name());
    let arguments = [Address(x.address), Address(y.address), Long(count as u64)];
    elements(queue, ("elementwise", kernel), count, &arguments)?;
    Ok((Some(room), y))
}

/// Rows in f16, each times a power of two that keeps it in range, and what a row of a product is to be multiplied by.
pub struct ScaledRows<R> {
    _rooms: [R; 2],
    pub values: Operand,
    pub scales: Operand,
}

impl<R> ScaledRows<R> {
    /// Of x (rows, n) in f32; for [`finish_rows`].
    pub fn of<Q: Queue<Room = R>>(queue: &Q, x: Operand, (count, n): (usize, usize)) -> Result<Self, Q::Error> {
        let (values_room, values) = scratch(queue, Kind::F16, count * n)?;
        let (scales_room, scales) = scratch(queue, Kind::F32, count)?;
        let arguments = [Address(x.address), Address(values.address), Address(scales.address), Count(n)];
        rows(queue, ("elementwise", "convert_rows_f32_f16".into()), (count, n), &arguments)?;
        Ok(ScaledRows { _rooms: [values_room, scales_room], values, scales })
    }
}

/// y (rows, n), in f32, times the scale of each row, plus the bias (n) where there is one.
pub fn finish_rows<Q: Queue>(
    queue: &Q,
    y: Operand,
    scales: Operand,
    bias: Option<Operand>,
    (count, n): (usize, usize),
) -> Result<(), Q::Error> {
    let kernel = format!("finish_rows_{}", bias.map_or(Kind::F32, |bias| bias.kind).name());
    let bias = Address(bias.map_or(0, |bias| bias.address));
    let arguments = [Address(y.address), Address(scales.address), bias, Count(n)];
    rows(queue, ("elementwise", kernel), (count, n), &arguments)
}

/// Every row of y (rows, n) becomes the bias (n).
pub fn repeat_rows<Q: Queue>(queue: &Q, bias: Operand, y: Operand, (count, n): (usize, usize)) -> Result<(), Q::Error> {
    let kernel = format!("repeat_rows_{}_{}", bias.kind.name(), y.kind.name());
    rows(queue, ("elementwise", kernel), (count, n), &[Address(bias.address), Address(y.address), Count(n)])
}
