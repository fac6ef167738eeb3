//! Linear layers with frozen weights: products with a weight of 16 bits take activations and gradients of f32 in its 16
//! bits, and add up and answer in f32; products with the factors of an update are in f32. The range of f16 is small: rows
//! go into it scaled.

use super::elementwise::{ScaledRows, converted, finish_rows, repeat_rows};
use super::product::{Factor, Onto, multiply};
use super::{Kind, Operand, Queue, activation, scratch};

/// A frozen weight W (outputs, inputs).
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub operand: Operand,
    pub outputs: usize,
    pub inputs: usize,
    /// Whether W^T is what is contiguous.
    pub is_transposed: bool,
}

impl Weight {
    fn factor(&self) -> Factor {
        match self.is_transposed {
            true => Factor::rows(self.operand, self.outputs).transposed(),
            false => Factor::rows(self.operand, self.inputs),
        }
    }
}

/// y (m, outputs) = x W^T + b: x (m, inputs). Up to three launches.
pub fn forward<Q: Queue>(
    queue: &Q,
    x: Operand,
    weight: &Weight,
    bias: Option<Operand>,
    y: Operand,
    m: usize,
) -> Result<(), Q::Error> {
    let (n, k, w) = (weight.outputs, weight.inputs, weight.factor().transposed());
    if (x.kind, weight.operand.kind) == (Kind::F32, Kind::F16) {
        let x = ScaledRows::of(queue, x, (m, k))?;
        multiply(queue, (m, n, k), (Factor::rows(x.values, k), w), y, Onto::Overwrite)?;
        return finish_rows(queue, y, x.scales, bias, (m, n));
    }
    let (_room, x) = converted(queue, x, weight.operand.kind, m * k)?;
    if let Some(bias) = bias {
        repeat_rows(queue, bias, y, (m, n))?;
    }
    let onto = if bias.is_some() { Onto::Add } else { Onto::Overwrite };
    multiply(queue, (m, n, k), (Factor::rows(x, k), w), y, onto)
}

/// dx (m, inputs) = g W: g (m, outputs). Up to three launches.
pub fn back<Q: Queue>(queue: &Q, g: Operand, weight: &Weight, dx: Operand, m: usize) -> Result<(), Q::Error> {
    let (n, k, w) = (weight.outputs, weight.inputs, weight.factor());
    if (g.kind, weight.operand.kind) == (Kind::F32, Kind::F16) {
        let g = ScaledRows::of(queue, g, (m, n))?;
        multiply(queue, (m, k, n), (Factor::rows(g.values, n), w), dx, Onto::Overwrite)?;
        return finish_rows(queue, dx, g.scales, None, (m, k));
    }
    let (_room, g) = converted(queue, g, weight.operand.kind, m * n)?;
    multiply(queue, (m, k, n), (Factor::rows(g, n), w), dx, Onto::Overwrite)
}

/// Factors A (r, inputs) and B (outputs, r) of a weight's update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub a: Operand,
    pub b: Operand,
    pub rank: usize,
}

/// y = x W^T + b + (x A^T) B^T. Up to five launches.
pub fn lora_forward<Q: Queue>(
    queue: &Q,
    x: Operand,
    (weight, bias): (&Weight, Option<Operand>),
    update: Update,
    y: Operand,
    m: usize,
) -> Result<(), Q::Error> {
    let (n, k, r) = (weight.outputs, weight.inputs, update.rank);
    let (_room, inner) = scratch(queue, x.kind, m * r)?;
    multiply(queue, (m, r, k), (Factor::rows(x, k), Factor::rows(update.a, k).transposed()), inner, Onto::Overwrite)?;
    forward(queue, x, weight, bias, y, m)?;
    multiply(queue, (m, n, r), (Factor::rows(inner, r), Factor::rows(update.b, r).transposed()), y, Onto::Add)
}

/// Where the gradients of x, A and B go, each where it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Gradients {
    pub x: Option<Operand>,
    pub a: Option<Operand>,
    pub b: Option<Operand>,
}

/// Of x, A and B from g (m, outputs): dx = g W + (g B) A, dA = (g B)^T x, dB = g^T (x A^T). Up to eight launches.
pub fn lora_back<Q: Queue>(
    queue: &Q,
    (x, g): (Operand, Operand),
    weight: &Weight,
    update: Update,
    into: Gradients,
    m: usize,
) -> Result<(), Q::Error> {
    let (n, k, r) = (weight.outputs, weight.inputs, update.rank);
    let (a, b) = (Factor::rows(update.a, k), Factor::rows(update.b, r));
    let (_room, by_inner) = scratch(queue, x.kind, m * r)?;
    if into.x.is_some() || into.a.is_some() {
        multiply(queue, (m, r, n), (Factor::rows(g, n), b), by_inner, Onto::Overwrite)?;
    }
    let by_inner = Factor::rows(by_inner, r);
    if let Some(dx) = into.x {
        back(queue, g, weight, dx, m)?;
        multiply(queue, (m, k, r), (by_inner, a), dx, Onto::Add)?;
    }
    if let Some(da) = into.a {
        multiply(queue, (r, k, m), (by_inner.transposed(), Factor::rows(x, k)), da, Onto::Overwrite)?;
    }
    if let Some(db) = into.b {
        let (_room, inner) = scratch(queue, x.kind, m * r)?;
        multiply(queue, (m, r, k), (Factor::rows(x, k), a.transposed()), inner, Onto::Overwrite)?;
        let factors = (Factor::rows(g, n).transposed(), Factor::rows(inner, r));
        multiply(queue, (n, r, m), factors, db, Onto::Overwrite)?;
    }
    Ok(())
}

/// Two frozen layers with a non-linearity between them.
#[derive(Clone, Copy)]
pub struct FeedForward<'a> {
    pub inner: &'a Weight,
    pub inner_bias: Option<Operand>,
    pub outer: &'a Weight,
    pub outer_bias: Option<Operand>,
    pub curve: usize,
}

/// y = curve(x W1^T + b1) W2^T + b2. `units` (m, width) gets what is before the non-linearity. Five launches, or with
/// weights of f16 seven: the non-linearity's adds the bias and, to bf16, rounds what it gives for the next product.
pub fn feed_forward<Q: Queue>(
    queue: &Q,
    x: Operand,
    of: FeedForward,
    (units, y): (Operand, Operand),
    m: usize,
) -> Result<(), Q::Error> {
    let width = of.inner.outputs;
    forward(queue, x, of.inner, None, units, m)?;
    let (_room, values) = scratch(queue, of.outer.operand.kind.written(), m * width)?;
    activation::biased_curve(queue, units, of.inner_bias, values, (m, width), of.curve)?;
    forward(queue, values, of.outer, of.outer_bias, y, m)
}

/// dx from g (m, outputs) and the kept units. Four launches, or with weights of f16 seven.
pub fn feed_forward_back<Q: Queue>(
    queue: &Q,
    (units, g): (Operand, Operand),
    of: FeedForward,
    dx: Operand,
    m: usize,
) -> Result<(), Q::Error> {
    let width = of.inner.outputs;
    let (_by_value, by_value) = scratch(queue, units.kind, m * width)?;
    back(queue, g, of.outer, by_value, m)?;
    let kind = of.inner.operand.kind.written();
    let is_one_kind = kind == units.kind;
    let (_by_unit, by_unit) = scratch(queue, kind, if is_one_kind { 0 } else { m * width })?;
    let by_unit = if is_one_kind { by_value } else { by_unit };
    activation::curve_back(queue, (units, by_value), by_unit, m * width, of.curve)?;
    back(queue, by_unit, of.inner, dx, m)
}
