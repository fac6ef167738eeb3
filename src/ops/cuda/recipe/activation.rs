//! Non-linearities, alone and with a gate: one launch forward, one backward. `curve` numbers them as the kernels do.

use super::Argument::{Address, Count, Long};
use super::{Kind, Operand, Queue, elements, rows};

/// y = curve(x), element by element.
pub fn curve<Q: Queue>(queue: &Q, x: Operand, y: Operand, count: usize, curve: usize) -> Result<(), Q::Error> {
    let kernel = format!("curve_forward_{}", x.kind.name());
    let arguments = [Address(x.address), Address(y.address), Long(count as u64), Count(curve)];
    elements(queue, ("activation", kernel), count, &arguments)
}

/// dx = dy curve'(x); dx may be in 16 bits where x is in f32, and may be in the place of dy where it is not.
pub fn curve_back<Q: Queue>(
    queue: &Q,
    (x, dy): (Operand, Operand),
    dx: Operand,
    count: usize,
    curve: usize,
) -> Result<(), Q::Error> {
    let kernel = between("curve_backward", x.kind, dx.kind);
    let arguments = [Address(x.address), Address(dy.address), Address(dx.address), Long(count as u64), Count(curve)];
    elements(queue, ("activation", kernel), count, &arguments)
}

/// units (rows, n) += bias, in place, and values = curve(units), which may be in 16 bits where the units are in f32.
pub fn biased_curve<Q: Queue>(
    queue: &Q,
    units: Operand,
    bias: Option<Operand>,
    values: Operand,
    (count, n): (usize, usize),
    curve: usize,
) -> Result<(), Q::Error> {
    let kernel = between("biased_curve", units.kind, values.kind);
    let bias = Address(bias.map_or(0, |bias| bias.address));
    let arguments = [Address(units.address), bias, Address(values.address), Count(n), Count(curve)];
    rows(queue, ("activation", kernel), (count, n), &arguments)
}

fn between(kernel: &str, from: Kind, to: Kind) -> String {
    format!("{kernel}_{}_{}", from.name(), to.name())
}

/// Rows of units and gates, `n` of each, that begin `stride` elements apart.
#[derive(Clone, Copy)]
pub struct Gated {
    pub units: Operand,
    pub gates: Operand,
    pub rows: usize,
    pub n: usize,
    pub stride: usize,
    pub curve: usize,
}

/// y (rows, n) = curve(units) gates.
pub fn gate<Q: Queue>(queue: &Q, of: Gated, y: Operand) -> Result<(), Q::Error> {
    let kernel = format!("gate_forward_{}", of.units.kind.name());
    let [units, gates, y] = [of.units, of.gates, y].map(|operand| Address(operand.address));
    let arguments = [units, gates, y, Count(of.n), Count(of.stride), Count(of.curve)];
    rows(queue, ("activation", kernel), (of.rows, of.n), &arguments)
}

/// Gradients of units and gates, which lie as these do, from dy (rows, n).
pub fn gate_back<Q: Queue>(
    queue: &Q,
    of: Gated,
    dy: Operand,
    (d_units, d_gates): (Operand, Operand),
) -> Result<(), Q::Error> {
    let kernel = format!("gate_backward_{}", of.units.kind.name());
    let [units, gates, dy, d_units, d_gates] =
        [of.units, of.gates, dy, d_units, d_gates].map(|operand| Address(operand.address));
    let arguments = [units, gates, dy, d_units, d_gates, Count(of.n), Count(of.stride), Count(of.curve)];
    rows(queue, ("activation", kernel), (of.rows, of.n), &arguments)
}
