//! Rows padded to one length.

use super::tokens::Encoded;

/// Rows of equal length, row-major: `ids`, `type_ids` and `mask` are (rows, length).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Places of the rows in their set.
    pub rows: Vec<usize>,
    /// Tokens of the longest row.
    pub length: usize,
    pub ids: Vec<u32>,
    /// Segments; 0 where padded.
    pub type_ids: Vec<u32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<u8>,
    /// Class ids, one a row.
    pub labels: Vec<u32>,
}

impl Batch {
    /// The rows `rows` of `set`, padded with `pad_id` to the longest of them.
    pub fn collate(set: &[Encoded], rows: &[usize], pad_id: u32) -> Self {
        let length = rows.iter().map(|row| set[*row].ids.len()).max().unwrap_or(0);
        let cells = rows.len() * length;
        let mut batch = Self {
            rows: rows.to_vec(),
            length,
            ids: vec![pad_id; cells],
            type_ids: vec![0; cells],
            mask: vec![0; cells],
            labels: rows.iter().map(|row| set[*row].label).collect(),
        };
        for (place, row) in rows.iter().map(|row| &set[*row]).enumerate() {
            let cells = place * length..place * length + row.ids.len();
            batch.ids[cells.clone()].copy_from_slice(&row.ids);
            batch.type_ids[cells.clone()].copy_from_slice(&row.type_ids);
            batch.mask[cells].fill(1);
        }
        batch
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of tokens that are not padding.
    pub fn tokens(&self) -> usize {
        self.mask.iter().filter(|m| **m == 1).count()
    }
}

/// The rows of each batch of an evaluation; every row once. With `by_length`, rows of like length share a batch, which
/// saves padding: put results back by [`Batch::rows`]. Else in the order of the set.
pub fn evaluation_batches(set: &[Encoded], batch_size: usize, by_length: bool) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    if by_length {
        order.sort_by_key(|row| set[*row].ids.len());
    }
    order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(ids: &[u32], label: u32) -> Encoded {
        Encoded { ids: ids.to_vec(), type_ids: vec![1; ids.len()], label }
    }

    #[test]
    fn a_batch_is_padded_to_its_longest_row() {
        let set = [encoded(&[5, 6, 7, 8], 0), encoded(&[5], 1), encoded(&[5, 6], 2)];
        let batch = Batch::collate(&set, &[2, 1], 9);
        assert_eq!((batch.length, batch.len(), batch.tokens()), (2, 2, 3));
        assert_eq!(batch.ids, [5, 6, 5, 9]);
        assert_eq!(batch.type_ids, [1, 1, 1, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 0]);
        assert_eq!((batch.labels, batch.rows), (vec![2, 1], vec![2, 1]));
    }

    #[test]
    fn an_evaluation_covers_every_row() {
        let set = [encoded(&[5, 6, 7], 0), encoded(&[5], 1), encoded(&[5, 6], 2)];
        assert_eq!(evaluation_batches(&set, 2, false), [vec![0, 1], vec![2]]);
        assert_eq!(evaluation_batches(&set, 2, true), [vec![1, 2], vec![0]]);
        assert!(evaluation_batches(&[], 2, true).is_empty());
    }
}
