//! Layer norm and root-mean-square norm: one launch forward, one backward.

use super::Argument::{Address, Count, Real};
use super::{Operand, Queue, rows};

/// What is normalised: x, or the sum of two, (rows, n) each.
#[derive(Clone, Copy)]
pub struct Input {
    pub x: Operand,
    pub added: Option<Operand>,
    pub rows: usize,
    pub n: usize,
    pub epsilon: f64,
}

fn address(operand: Option<Operand>) -> super::Argument {
    Address(operand.map_or(0, |operand| operand.address))
}

/// y = (x - mean) / sqrt(var + epsilon) weight + bias.
pub fn layer_norm<Q: Queue>(
    queue: &Q,
    input: Input,
    weight: Operand,
    bias: Operand,
    y: Operand,
) -> Result<(), Q::Error> {
    let Input { x, added, rows: count, n, epsilon } = input;
    let kernel = format!("layer_norm_forward_{}", x.kind.name());
    let operands = [Address(x.address), address(added), Address(weight.address), Address(bias.address)];
    let [a, b, weight, bias] = operands;
    rows(queue, ("norm", kernel), (count, n), &[a, b, weight, bias, Address(y.address), Count(n), Real(epsilon)])
}

/// The gradient of x, and of what is added to it, from that of y.
pub fn layer_norm_back<Q: Queue>(
    queue: &Q,
    input: Input,
    weight: Operand,
    dy: Operand,
    dx: Operand,
) -> Result<(), Q::Error> {
    let Input { x, added, rows: count, n, epsilon } = input;
    let kernel = format!("layer_norm_backward_{}", x.kind.name());
    let operands = [Address(x.address), address(added), Address(weight.address), Address(dy.address)];
    let [a, b, weight, dy] = operands;
    rows(queue, ("norm", kernel), (count, n), &[a, b, weight, dy, Address(dx.address), Count(n), Real(epsilon)])
}

/// y = x / sqrt(mean(x^2) + epsilon) weight; nothing is added to x.
pub fn rms_norm<Q: Queue>(queue: &Q, input: Input, weight: Operand, y: Operand) -> Result<(), Q::Error> {
    let Input { x, rows: count, n, epsilon, .. } = input;
    let kernel = format!("rms_norm_forward_{}", x.kind.name());
    let operands = [x, weight, y].map(|operand| Address(operand.address));
    let [x, weight, y] = operands;
    rows(queue, ("norm", kernel), (count, n), &[x, weight, y, Count(n), Real(epsilon)])
}

/// The gradient of x from that of y.
pub fn rms_norm_back<Q: Queue>(
    queue: &Q,
    input: Input,
    weight: Operand,
    dy: Operand,
    dx: Operand,
) -> Result<(), Q::Error> {
    let Input { x, rows: count, n, epsilon, .. } = input;
    let kernel = format!("rms_norm_backward_{}", x.kind.name());
    let [x, weight, dy, dx] = [x, weight, dy, dx].map(|operand| Address(operand.address));
    rows(queue, ("norm", kernel), (count, n), &[x, weight, dy, dx, Count(n), Real(epsilon)])
}
