//! A batch as a decoder reads it: ids, the place of each, and the first place that each sees.

use candle_core::{Device, Result, Tensor, bail};
use std::sync::Arc;

/// Rows of tokens of one length, which follow what a cache holds, if there is one.
#[derive(Clone)]
pub struct Tokens {
    /// (batch, length), u32.
    pub(super) ids: Tensor,
    /// Position of each token in its text, batch x length.
    pub(super) positions: Arc<[u32]>,
    /// Key place of the first token of its text, batch x length.
    pub(super) starts: Arc<[u32]>,
    /// Key places before these tokens.
    pub(super) past: usize,
}

impl Tokens {
    /// Rows of texts, padded on the left to the longest with `pad`.
    pub fn padded(rows: &[impl AsRef<[u32]>], pad: u32, device: &Device) -> Result<Tokens> {
        let length = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
        let (mut ids, mut positions, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows.iter().map(AsRef::as_ref) {
            let padding = length - row.len();
            ids.extend(std::iter::repeat_n(pad, padding).chain(row.iter().copied()));
            positions.extend(std::iter::repeat_n(0, padding).chain(0..row.len() as u32));
            // Padding sees itself alone, and nothing sees it.
            starts.extend((0..padding as u32).chain(std::iter::repeat_n(padding as u32, row.len())));
        }
        Tokens::new(ids, positions, starts, (rows.len(), length), device)
    }

    /// Rows of one text each, padded on the right to `length`: `texts` are their lengths.
    pub fn rows(ids: Vec<u32>, texts: &[usize], length: usize, device: &Device) -> Result<Tokens> {
        let texts: Vec<Vec<usize>> = texts.iter().map(|text| vec![*text]).collect();
        Tokens::packed(ids, &texts, length, device)
    }

    /// Rows that each hold several texts one after the other, padded on the right: `texts` are their lengths.
    pub fn packed(ids: Vec<u32>, texts: &[Vec<usize>], length: usize, device: &Device) -> Result<Tokens> {
        let (mut positions, mut starts) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for row in texts {
            let mut start = 0;
            for &text in row {
                positions.extend(0..text as u32);
                starts.extend(std::iter::repeat_n(start, text));
                start += text as u32;
            }
            let padding = start..length.max(start as usize) as u32;
            positions.extend(padding.clone().map(|_| 0));
            starts.extend(padding);
        }
        Tokens::new(ids, positions, starts, (texts.len(), length), device)
    }

    fn new(
        ids: Vec<u32>,
        positions: Vec<u32>,
        starts: Vec<u32>,
        (batch, length): (usize, usize),
        device: &Device,
    ) -> Result<Tokens> {
        if length == 0 || [ids.len(), positions.len(), starts.len()] != [batch * length; 3] {
            bail!("tokens: {} ids, {} positions for {batch} rows of {length}", ids.len(), positions.len());
        }
        let ids = Tensor::from_vec(ids, (batch, length), device)?;
        Ok(Tokens { ids, positions: positions.into(), starts: starts.into(), past: 0 })
    }

    /// One more token for each row, after these and all before them.
    pub fn next(&self, ids: &[u32]) -> Result<Tokens> {
        let (batch, length) = self.ids.dims2()?;
        if ids.len() != batch {
            bail!("tokens: {} next ids for {batch} rows", ids.len());
        }
        let last = |values: &[u32]| (1..=batch).map(|row| values[row * length - 1]).collect::<Vec<_>>();
        Ok(Tokens {
            ids: Tensor::from_slice(ids, (batch, 1), self.ids.device())?,
            positions: last(&self.positions).iter().map(|position| position + 1).collect(),
            starts: last(&self.starts).into(),
            past: self.past + length,
        })
    }

    /// These rows, in this order; a row may come several times.
    pub fn select(&self, rows: &[u32]) -> Result<Tokens> {
        let (_, length) = self.ids.dims2()?;
        let of = |values: &[u32]| {
            rows.iter().flat_map(|&row| values[row as usize * length..][..length].iter().copied()).collect()
        };
        let index = Tensor::from_slice(rows, rows.len(), self.ids.device())?;
        let (positions, starts) = (of(&self.positions), of(&self.starts));
        Ok(Tokens { ids: self.ids.index_select(&index, 0)?, positions, starts, past: self.past })
    }

    /// Rows.
    pub fn batch(&self) -> usize {
        self.ids.dims().first().copied().unwrap_or(0)
    }

    /// Tokens of a row.
    pub fn length(&self) -> usize {
        self.ids.dims().get(1).copied().unwrap_or(0)
    }

    /// Position behind the last one.
    pub(super) fn furthest(&self) -> usize {
        self.positions.iter().max().map_or(0, |&position| position as usize + 1)
    }

    /// First key place that each token sees, in a window of `window` tokens or without one.
    pub(super) fn first_seen(&self, window: Option<usize>) -> Arc<[u32]> {
        let Some(window) = window else { return self.starts.clone() };
        let length = self.length().max(1);
        let own = |i: usize| self.past + i % length;
        let first = |(i, &start): (usize, &u32)| start.max((own(i) + 1).saturating_sub(window) as u32);
        self.starts.iter().enumerate().map(first).collect()
    }
}
