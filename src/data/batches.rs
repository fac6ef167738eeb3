//! Rows padded to one length.

use super::error::DataError;
use super::rows::Rows;
use super::target::{IGNORED, Target};

/// What the rows of a batch are answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// Class ids, one a row.
    Classes(Vec<u32>),
    /// Numbers, one a row.
    Scores(Vec<f32>),
    /// Class ids (rows, length), [`IGNORED`] where none counts.
    Tags(Vec<u32>),
}

/// Rows of equal length, row-major: `ids`, `type_ids` and `mask` are (rows, length).
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Places in their set of what the rows hold.
    pub rows: Vec<usize>,
    /// Tokens of each text, by row: one text a row, unless they are packed.
    pub texts: Vec<Vec<usize>>,
    /// Tokens of the longest row.
    pub length: usize,
    pub ids: Vec<u32>,
    /// Segments; 0 where padded.
    pub type_ids: Vec<u32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<u8>,
    pub answers: Answers,
}

impl Batch {
    /// The rows `rows` of `set`, padded with `pad_id` to the longest of them. All have targets of one kind.
    pub fn collate(set: &Rows, rows: &[usize], pad_id: u32) -> Result<Self, DataError> {
        Self::lay_out(set, rows.iter().map(|row| vec![*row]).collect(), pad_id)
    }

    /// The rows `rows` of `set`, several texts one after the other in a row where they fit into `capacity` tokens.
    ///
    /// The longest text goes first, each into the first row with room for it. A row holds one text at least.
    pub fn pack(set: &Rows, rows: &[usize], pad_id: u32, capacity: usize) -> Result<Self, DataError> {
        let mut order = rows.to_vec();
        order.sort_by_key(|row| std::cmp::Reverse(set.length(*row)));
        let mut packed: Vec<(usize, Vec<usize>)> = Vec::new();
        for row in order {
            let length = set.length(row);
            match packed.iter_mut().find(|(filled, _)| filled.saturating_add(length) <= capacity) {
                Some((filled, texts)) => {
                    *filled += length;
                    texts.push(row);
                }
                None => packed.push((length, vec![row])),
            }
        }
        Self::lay_out(set, packed.into_iter().map(|(_, texts)| texts).collect(), pad_id)
    }

    /// Rows of texts, padded to the longest.
    fn lay_out(set: &Rows, layout: Vec<Vec<usize>>, pad_id: u32) -> Result<Self, DataError> {
        let texts: Vec<Vec<usize>> =
            layout.iter().map(|row| row.iter().map(|text| set.length(*text)).collect()).collect();
        let length = texts.iter().map(|row| row.iter().sum()).max().unwrap_or(0);
        let cells = layout.len() * length;
        let (mut ids, mut type_ids, mut mask) = (vec![pad_id; cells], vec![0; cells], vec![0; cells]);
        let (mut classes, mut scores, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in layout.iter().enumerate() {
            let mut from = place * length;
            for text in row {
                let text = set.get(*text)?;
                let cells = from..from + text.ids.len();
                from = cells.end;
                ids[cells.clone()].copy_from_slice(&text.ids);
                type_ids[cells.clone()].copy_from_slice(&text.type_ids);
                mask[cells.clone()].fill(1);
                match text.target {
                    Target::Class(class) => classes.push(class),
                    Target::Score(score) => scores.push(score),
                    Target::Tags(text) => {
                        tags.resize(cells.start, IGNORED);
                        tags.extend_from_slice(&text);
                    }
                }
            }
        }
        if !tags.is_empty() {
            tags.resize(cells, IGNORED);
        }
        let answers = if !tags.is_empty() {
            Answers::Tags(tags)
        } else if !scores.is_empty() {
            Answers::Scores(scores)
        } else {
            Answers::Classes(classes)
        };
        Ok(Self { rows: layout.concat(), texts, length, ids, type_ids, mask, answers })
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no text.
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
pub fn evaluation_batches(set: &Rows, batch_size: usize, by_length: bool) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..set.len()).collect();
    if by_length {
        order.sort_by_key(|row| set.length(*row));
    }
    order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tokens::Encoded;
    use super::*;

    fn encoded(ids: &[u32], target: Target) -> Encoded {
        Encoded { ids: ids.to_vec(), type_ids: vec![1; ids.len()], target, example: 0 }
    }

    #[test]
    fn a_batch_is_padded_to_its_longest_row() {
        let ids: [&[u32]; 3] = [&[5, 6, 7, 8], &[5], &[5, 6]];
        let set = |target: fn(u32) -> Target| -> Rows {
            ids.iter().zip(0..).map(|(ids, n)| encoded(ids, target(n))).collect::<Vec<_>>().into()
        };
        let batch = Batch::collate(&set(Target::Class), &[2, 1], 9).unwrap();
        assert_eq!((batch.length, batch.len(), batch.tokens()), (2, 2, 3));
        assert_eq!(batch.ids, [5, 6, 5, 9]);
        assert_eq!(batch.type_ids, [1, 1, 1, 0]);
        assert_eq!(batch.mask, [1, 1, 1, 0]);
        assert_eq!((batch.answers, batch.rows), (Answers::Classes(vec![2, 1]), vec![2, 1]));
        let batch = Batch::collate(&set(|n| Target::Score(n as f32 / 2.0)), &[2, 1], 9).unwrap();
        assert_eq!(batch.answers, Answers::Scores(vec![1.0, 0.5]));
    }

    #[test]
    fn padding_has_no_tag() {
        let row = |ids: &[u32], tags: &[u32]| encoded(ids, Target::Tags(tags.to_vec()));
        let set = Rows::from(vec![row(&[5, 6, 7], &[IGNORED, 2, 0]), row(&[5], &[1])]);
        let batch = Batch::collate(&set, &[1, 0], 9).unwrap();
        assert_eq!(batch.answers, Answers::Tags(vec![1, IGNORED, IGNORED, IGNORED, 2, 0]));
    }

    #[test]
    fn packed_texts_follow_each_other_and_fill_rows_first_fit() {
        let row = |ids: &[u32]| encoded(ids, Target::Tags(ids.iter().map(|id| id + 10).collect()));
        let set = Rows::from(vec![row(&[1, 2]), row(&[3, 4, 5, 6]), row(&[7]), row(&[8, 9, 0])]);
        let batch = Batch::pack(&set, &[0, 1, 2, 3], 99, 5).unwrap();
        assert_eq!((&batch.rows[..], batch.len(), batch.length), (&[1, 2, 3, 0][..], 4, 5));
        assert_eq!(batch.texts, [[4, 1], [3, 2]]);
        assert_eq!(batch.ids, [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
        let Answers::Tags(tags) = batch.answers else { panic!() };
        assert_eq!(tags, [13, 14, 15, 16, 17, 18, 19, 10, 11, 12]);
        // Without room for two, it is a padded batch, and a text longer than the capacity has its row too.
        let batch = Batch::pack(&set, &[0, 1], 99, 3).unwrap();
        assert_eq!((batch.ids, batch.mask), (vec![3, 4, 5, 6, 1, 2, 99, 99], vec![1, 1, 1, 1, 1, 1, 0, 0]));
        assert_eq!(batch.answers, Answers::Tags(vec![13, 14, 15, 16, 11, 12, IGNORED, IGNORED]));
    }

    #[test]
    fn an_evaluation_covers_every_row() {
        let ids: [&[u32]; 3] = [&[5, 6, 7], &[5], &[5, 6]];
        let set: Rows = ids.iter().map(|ids| encoded(ids, Target::Class(0))).collect::<Vec<_>>().into();
        assert_eq!(evaluation_batches(&set, 2, false), [vec![0, 1], vec![2]]);
        assert_eq!(evaluation_batches(&set, 2, true), [vec![1, 2], vec![0]]);
        assert!(evaluation_batches(&Rows::default(), 2, true).is_empty());
    }
}
