//! Attention with padding, windows and ropes, and causal attention.

use super::elementwise::{counts, dropout_of, turn};
use super::operand::{Output, of_one_kind, operand, operand_of};
use super::recipe::Operand;
use super::recipe::attention::{self, Rows, Rule, Sizes};
use super::recipe::elementwise::Turn;
use super::resident::Residents;
use crate::ops::{Attention, Causal};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// Scores, slopes and what goes with them that are in memory at once: 256 MB of f32.
pub(super) const SCORES: usize = 1 << 26;

/// Tables on the device, kept while launches are made with them.
pub(super) struct Tables {
    mask: Option<Arc<CudaSlice<u8>>>,
    first: Option<(Arc<CudaSlice<u32>>, u64)>,
    rope: Option<(Arc<CudaSlice<f32>>, Turn)>,
}

impl Tables {
    pub(super) fn of(device: &CudaDevice, with: &Attention) -> Result<Tables> {
        static MASKS: Residents<[u8], u8> = Residents::new();
        let mask = Some(MASKS.get(device, &with.mask, <[u8]>::to_vec)?);
        let rope = with.rope.as_ref().map(|rope| turn(device, rope)).transpose()?;
        Ok(Tables { mask, first: None, rope })
    }

    fn of_causal(device: &CudaDevice, with: &Causal) -> Result<Tables> {
        Ok(Tables { mask: None, first: Some(counts(device, &with.first)?), rope: None })
    }

    fn rule(&self) -> Rule {
        Rule {
            scale: 1.0,
            mask: self.mask.as_ref().map(|mask| mask.device_ptr(mask.stream()).0),
            first: self.first.as_ref().map(|(_, address)| *address),
            window: None,
            cap: None,
            dropout: dropout_of(None),
            rope: self.rope.as_ref().map(|(_, turn)| *turn),
            positions: None,
        }
    }
}

pub(super) fn rule_of(tables: &Tables, with: &Attention, s: Sizes) -> Rule {
    let scale = 1.0 / (s.width as f64).sqrt();
    Rule { scale, window: with.window, dropout: dropout_of(with.dropout), ..tables.rule() }
}

fn rule_of_causal(tables: &Tables, with: &Causal) -> Rule {
    Rule { scale: with.scale, cap: with.cap, dropout: dropout_of(with.dropout), ..tables.rule() }
}

/// `parts`: how many of queries, keys and values lie in each row of a tensor of this shape.
pub(super) fn sizes(dims: &[usize], parts: usize, heads: usize) -> Result<Sizes> {
    let &[batch, length, packed] = dims else { bail!("attention: operand of {dims:?}") };
    let width = packed / parts / heads;
    Ok(Sizes { batch, queries: length, keys: length, heads, kv_heads: heads, width, heads_first: false })
}

fn sizes_of_causal(q: &[usize], k: &[usize], with: &Causal) -> Result<Sizes> {
    let (&[batch, queries, width], &[_, keys, _]) = (q, k) else { bail!("attention: operands of {q:?}, {k:?}") };
    let (heads, kv_heads) = (with.heads, with.kv_heads);
    Ok(Sizes { batch, queries, keys, heads, kv_heads, width: width / heads, heads_first: false })
}

/// Of operands in three tensors.
fn separate(s: Sizes, [q, k, v]: [Operand; 3]) -> Result<Rows> {
    of_one_kind("attention", &[q, k, v])?;
    let key_row = s.kv_heads * s.width;
    Ok(Rows { q, k, v, query_row: s.heads * s.width, key_row, value_row: key_row })
}

/// Of operands one after the other in each row of one tensor.
fn packed(s: Sizes, qkv: Operand) -> Rows {
    let row = s.heads * s.width;
    let [q, k, v] = [0, 1, 2].map(|part| qkv.skip(part * row));
    Rows { q, k, v, query_row: 3 * row, key_row: 3 * row, value_row: 3 * row }
}

pub(super) fn run(device: &CudaDevice, s: Sizes, rows: Rows, rule: &Rule) -> Result<(CudaStorage, Shape)> {
    let row = s.heads * s.width;
    let y = Output::new(device, rows.q.kind, s.batch * s.queries * row)?;
    attention::forward(device, s, rows, rule, y.operand, SCORES)?;
    Ok((y.storage(), (s.batch, s.queries, row).into()))
}

fn run_back(s: Sizes, rows: Rows, grad: &Tensor, rule: &Rule, into: Rows) -> Result<()> {
    let grad = grad.contiguous()?;
    let dy = operand_of(&grad)?;
    of_one_kind("attention", &[rows.q, dy])?;
    attention::back(grad.device().as_cuda_device()?, s, (rows, dy), rule, (into, None), SCORES)
}

/// Storages and layouts of queries, keys and values.
type Operands<'a> = [(&'a CudaStorage, &'a Layout); 3];

fn operands([q, k, v]: Operands) -> Result<[Operand; 3]> {
    Ok([operand(q.0, q.1)?, operand(k.0, k.1)?, operand(v.0, v.1)?])
}

/// Gradients of tensors like these three.
fn back_into(s: Sizes, [q, k, v]: [&Tensor; 3], grad: &Tensor, rule: &Rule) -> Result<[Tensor; 3]> {
    let rows = separate(s, [operand_of(q)?, operand_of(k)?, operand_of(v)?])?;
    let by = [Output::like(q)?, Output::like(k)?, Output::like(v)?];
    let into = separate(s, by.each_ref().map(|output| output.operand))?;
    run_back(s, rows, grad, rule, into)?;
    let [dq, dk, dv] = by;
    Ok([dq.tensor(q.shape()), dk.tensor(k.shape()), dv.tensor(v.shape())])
}

/// See [`crate::ops::attention`].
pub fn forward(qkv: Operands, with: &Attention) -> Result<(CudaStorage, Shape)> {
    let (device, s) = (&qkv[0].0.device, sizes(qkv[0].1.dims(), 1, with.heads)?);
    let tables = Tables::of(device, with)?;
    run(device, s, separate(s, operands(qkv)?)?, &rule_of(&tables, with, s))
}

/// Gradients of queries, keys and values.
pub fn back(qkv: [&Tensor; 3], grad: &Tensor, with: &Attention) -> Result<[Tensor; 3]> {
    let s = sizes(qkv[0].dims(), 1, with.heads)?;
    let tables = Tables::of(qkv[0].device().as_cuda_device()?, with)?;
    back_into(s, qkv, grad, &rule_of(&tables, with, s))
}

/// See [`crate::ops::packed_attention`].
pub fn packed_forward((qkv, layout): (&CudaStorage, &Layout), with: &Attention) -> Result<(CudaStorage, Shape)> {
    let s = sizes(layout.dims(), 3, with.heads)?;
    let tables = Tables::of(&qkv.device, with)?;
    run(&qkv.device, s, packed(s, operand(qkv, layout)?), &rule_of(&tables, with, s))
}

/// The gradient of queries, keys and values, as they lie.
pub fn packed_back(qkv: &Tensor, grad: &Tensor, with: &Attention) -> Result<Tensor> {
    let s = sizes(qkv.dims(), 3, with.heads)?;
    let tables = Tables::of(qkv.device().as_cuda_device()?, with)?;
    let by = Output::like(qkv)?;
    run_back(s, packed(s, operand_of(qkv)?), grad, &rule_of(&tables, with, s), packed(s, by.operand))?;
    Ok(by.tensor(qkv.shape()))
}

/// See [`crate::ops::causal_attention`].
pub fn causal_forward(qkv: Operands, with: &Causal) -> Result<(CudaStorage, Shape)> {
    let (device, s) = (&qkv[0].0.device, sizes_of_causal(qkv[0].1.dims(), qkv[1].1.dims(), with)?);
    let tables = Tables::of_causal(device, with)?;
    run(device, s, separate(s, operands(qkv)?)?, &rule_of_causal(&tables, with))
}

/// Gradients of queries, keys and values.
pub fn causal_back(qkv: [&Tensor; 3], grad: &Tensor, with: &Causal) -> Result<[Tensor; 3]> {
    let s = sizes_of_causal(qkv[0].dims(), qkv[1].dims(), with)?;
    let tables = Tables::of_causal(qkv[0].device().as_cuda_device()?, with)?;
    back_into(s, qkv, grad, &rule_of_causal(&tables, with))
}
