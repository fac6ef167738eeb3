//! Attention with DeBERTa's relative positions.

use super::attention::{SCORES, Tables, rule_of, run};
use super::operand::{Output, of_one_kind, operand, operand_of};
use super::recipe::attention::{self, Rows, Rule, Sizes};
use super::recipe::{self, Operand};
use super::resident::Residents;
use crate::ops::Attention;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// How is attended, and which tables of positions there are, one after the other in a row.
pub struct Positions<'a> {
    pub with: &'a Attention,
    pub has_keys: bool,
    pub has_queries: bool,
    /// The row of i - j at `length - 1 + i - j`.
    pub index: &'a Arc<[u32]>,
    pub scale: f64,
}

/// The index, then where the places of each row start, then the places by row.
fn by_row(index: &[u32]) -> Vec<u32> {
    let known = known(index);
    let mut places: Vec<u32> = (0..index.len() as u32).collect();
    // Stable: the places of a row stay in their order.
    places.sort_by_key(|&place| index[place as usize]);
    let starts = (0..=known as u32).map(|row| places.partition_point(|&place| index[place as usize] < row) as u32);
    index.iter().copied().chain(starts).chain(places.iter().copied()).collect()
}

/// Rows of the tables that the index may name.
fn known(index: &[u32]) -> usize {
    index.iter().max().map_or(0, |&row| row as usize + 1)
}

impl Positions<'_> {
    /// Of queries and keys (batch, length, 2 width).
    fn sizes(&self, dims: &[usize]) -> Result<Sizes> {
        Ok(Sizes { heads_first: true, ..super::attention::sizes(dims, 2, self.with.heads)? })
    }

    /// Parts of a tensor of tables, (rows, width) each.
    fn parts(&self, tables: Operand, width: usize) -> (Option<Operand>, Option<Operand>) {
        let queries = if self.has_keys { tables.skip(width) } else { tables };
        (self.has_keys.then_some(tables), self.has_queries.then_some(queries))
    }

    /// `tables` has rows of `row` elements. What the addresses are of must be kept.
    fn rule(
        &self,
        device: &CudaDevice,
        s: Sizes,
        kept: &Tables,
        (tables, row, rows): (Operand, usize, usize),
    ) -> Result<(Arc<CudaSlice<u32>>, Rule)> {
        static INDEXES: Residents<[u32], u32> = Residents::new();
        let index = INDEXES.get(device, self.index, by_row)?;
        let start = index.device_ptr(index.stream()).0;
        let known = known(self.index);
        let starts = start + 4 * self.index.len() as u64;
        let (keys, queries) = self.parts(tables, s.heads * s.width);
        let places = starts + 4 * (known as u64 + 1);
        let positions = recipe::positions::Tables { keys, queries, row, rows, index: start, starts, places, known };
        Ok((index, Rule { scale: self.scale, positions: Some(positions), ..rule_of(kept, self.with, s) }))
    }
}

/// Queries and keys in one tensor, values in another.
fn rows(s: Sizes, qk: Operand, v: Operand) -> Rows {
    let row = s.heads * s.width;
    Rows { q: qk, k: qk.skip(row), v, query_row: 2 * row, key_row: 2 * row, value_row: row }
}

/// See [`crate::ops::disentangled_attention`]; of queries with keys, values, and tables.
pub fn forward(
    [(qk, qk_layout), (v, v_layout), (tables, tables_layout)]: [(&CudaStorage, &Layout); 3],
    with: &Positions,
) -> Result<(CudaStorage, Shape)> {
    let (s, device) = (with.sizes(qk_layout.dims())?, &qk.device);
    let (table_rows, row) = tables_layout.shape().dims2()?;
    let (qk, v, tables) = (operand(qk, qk_layout)?, operand(v, v_layout)?, operand(tables, tables_layout)?);
    of_one_kind("attention", &[qk, v, tables])?;
    let kept = Tables::of(device, with.with)?;
    let (_index, rule) = with.rule(device, s, &kept, (tables, row, table_rows))?;
    run(device, s, rows(s, qk, v), &rule)
}

/// Gradients of queries with keys, of values, and of tables where these are tracked.
pub fn back(
    [qk, v, tables]: [&Tensor; 3],
    grad: &Tensor,
    with: &Positions,
) -> Result<(Tensor, Tensor, Option<Tensor>)> {
    let (s, device, grad) = (with.sizes(qk.dims())?, qk.device().as_cuda_device()?, grad.contiguous()?);
    let (table_rows, row) = tables.dims2()?;
    let operands = [operand_of(qk)?, operand_of(v)?, operand_of(tables)?, operand_of(&grad)?];
    of_one_kind("attention", &operands)?;
    let [of_qk, of_v, of_tables, dy] = operands;
    let kept = Tables::of(device, with.with)?;
    let (_index, rule) = with.rule(device, s, &kept, (of_tables, row, table_rows))?;
    let (by_qk, by_v) = (Output::like(qk)?, Output::like(v)?);
    let is_asked = tables.track_op() && (with.has_keys || with.has_queries);
    let by_table = is_asked.then(|| Output::like(tables)).transpose()?;
    let slopes = by_table.as_ref().map(|output| {
        let (keys, queries) = with.parts(output.operand, s.heads * s.width);
        recipe::positions::Slopes { keys, queries }
    });
    let into = (rows(s, by_qk.operand, by_v.operand), slopes);
    attention::back(device, s, (rows(s, of_qk, of_v), dy), &rule, into, SCORES)?;
    let by_table = by_table.map(|output| output.tensor(tables.shape()));
    Ok((by_qk.tensor(qk.shape()), by_v.tensor(v.shape()), by_table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_their_row() {
        // Places 0..5 in rows 2, 0, 2, 3, 0; row 1 has none.
        let index = [2, 0, 2, 3, 0];
        let expected = [index.as_slice(), &[0, 2, 2, 4, 5], &[1, 4, 0, 2, 3]].concat();
        assert_eq!((by_row(&index), known(&index)), (expected, 4));
    }
}
