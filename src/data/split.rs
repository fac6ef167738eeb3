//! D_tr and D_val.

use super::error::DataError;
use super::random::permutation;
use super::rows::Rows;
use std::collections::BTreeMap;
use std::ops::Range;

/// How training rows become D_tr and D_val.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitRule {
    /// `search.validation_share`.
    pub validation_share: f64,
    pub shuffle: bool,
    /// Both sides have the classes in the proportion of the whole; only with `shuffle`, only of classes.
    pub stratify: bool,
    pub seed: u64,
}

/// D_tr and D_val of one training file: D_tr is the first floor((1 - share) n) examples after the seeded shuffle (none without
/// `shuffle`), D_val the rest. Pieces of one sentence stay together. `file` names the file in errors.
pub fn split(rows: &Rows, rule: SplitRule, file: &str) -> Result<(Rows, Rows), DataError> {
    let pieces = pieces(rows);
    let classes = if rule.stratify && rule.shuffle { Some(classes(rows, &pieces)?) } else { None };
    let (first, second) = places(pieces.len(), rule, classes.as_deref());
    let empty =
        |side| DataError::EmptySplit { file: file.to_owned(), rows: pieces.len(), share: rule.validation_share, side };
    if first.is_empty() {
        return Err(empty("training"));
    }
    if second.is_empty() {
        return Err(empty("validation"));
    }
    let take = |examples: Vec<usize>| rows.select(examples.into_iter().flat_map(|example| pieces[example].clone()));
    Ok((take(first), take(second)))
}

/// The rows of each example, in order.
fn pieces(rows: &Rows) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for row in 0..rows.len() {
        match pieces.last_mut() {
            Some(last) if rows.example(last.start) == rows.example(row) => last.end = row + 1,
            _ => pieces.push(row..row + 1),
        }
    }
    pieces
}

fn classes(rows: &Rows, pieces: &[Range<usize>]) -> Result<Vec<u32>, DataError> {
    pieces.iter().map(|piece| Ok(rows.get(piece.start)?.target.class().unwrap_or(0))).collect()
}

/// Which of `examples` go to D_tr and which to D_val, in order. `classes`, where given, has the class of each.
pub fn places(examples: usize, rule: SplitRule, classes: Option<&[u32]>) -> (Vec<usize>, Vec<usize>) {
    let mut order = if rule.shuffle { permutation(rule.seed, "split", 0, examples) } else { (0..examples).collect() };
    // A share such as 0.9 is a little below or above itself in binary: (1 - 0.9) * 10 must give 1.
    let kept = (((1.0 - rule.validation_share) * examples as f64 + 1e-9).floor() as usize).min(examples);
    if let Some(classes) = classes {
        let mut quotas = quotas(classes, kept);
        return order.into_iter().partition(|place| {
            let quota = quotas.entry(classes[*place]).or_default();
            let takes = *quota > 0;
            *quota -= usize::from(takes);
            takes
        });
    }
    let validation = order.split_off(kept);
    (order, validation)
}

/// How many examples of each class make `kept` in all: the exact shares rounded down, then one more for the largest rests.
fn quotas(classes: &[u32], kept: usize) -> BTreeMap<u32, usize> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for class in classes {
        *counts.entry(*class).or_default() += 1;
    }
    let all = classes.len().max(1);
    let mut rests: Vec<(usize, u32)> = counts.iter().map(|(class, count)| (count * kept % all, *class)).collect();
    rests.sort_by_key(|(rest, class)| (std::cmp::Reverse(*rest), *class));
    let mut quotas: BTreeMap<u32, usize> =
        counts.into_iter().map(|(class, count)| (class, count * kept / all)).collect();
    let missing = kept - quotas.values().sum::<usize>();
    for (_, class) in rests.into_iter().take(missing) {
        *quotas.entry(class).or_default() += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::super::target::Target;
    use super::super::tokens::Encoded;
    use super::*;

    fn rule(validation_share: f64, shuffle: bool, seed: u64) -> SplitRule {
        SplitRule { validation_share, shuffle, stratify: false, seed }
    }

    #[test]
    fn the_share_is_floored() {
        for (rows, share, kept) in [(10, 0.5, 5), (11, 0.5, 5), (10, 0.9, 1), (10, 0.3, 7), (3, 0.99, 0), (1, 0.01, 0)]
        {
            let (train, validation) = places(rows, rule(share, false, 0), None);
            assert_eq!((train.len(), validation.len()), (kept, rows - kept), "{rows} rows, share {share}");
        }
    }

    #[test]
    fn without_shuffle_the_file_order_stays() {
        assert_eq!(places(5, rule(0.4, false, 9), None), (vec![0, 1, 2], vec![3, 4]));
    }

    #[test]
    fn the_shuffle_is_seeded_and_loses_nothing() {
        let (train, validation) = places(100, rule(0.5, true, 1), None);
        assert_eq!((train.clone(), validation.clone()), places(100, rule(0.5, true, 1), None));
        assert_ne!(train, places(100, rule(0.5, true, 2), None).0);
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn strata_keep_their_proportion_and_the_sizes_stay() {
        // 100 rows: 70 of class 0, 23 of class 1, 7 of class 2.
        let classes: Vec<u32> = (0..100).map(|row| u32::from(row >= 70) + u32::from(row >= 93)).collect();
        for (share, expected) in [(0.5, [35, 12, 3]), (0.3, [49, 16, 5])] {
            let (train, validation) = places(100, rule(share, true, 3), Some(&classes));
            let count = |places: &[usize], class| places.iter().filter(|place| classes[**place] == class).count();
            assert_eq!([0, 1, 2].map(|class| count(&train, class)), expected, "share {share}");
            assert_eq!(train.len() + validation.len(), 100);
            assert_eq!(train.len(), places(100, rule(share, true, 3), None).0.len());
            assert!(!train.is_sorted(), "the order is the shuffle's");
        }
    }

    #[test]
    fn pieces_of_a_sentence_stay_together() {
        let row = |example| Encoded { ids: vec![1], type_ids: vec![0], target: Target::Class(0), example };
        let rows = Rows::from([0, 1, 1, 1, 2, 3, 3].map(row).to_vec());
        let (train, validation) = split(&rows, rule(0.5, true, 4), "a.tsv").unwrap();
        let examples = |rows: &Rows| (0..rows.len()).map(|row| rows.example(row)).collect::<Vec<_>>();
        let (train, validation) = (examples(&train), examples(&validation));
        assert!(train.iter().all(|example| !validation.contains(example)), "{train:?} {validation:?}");
        assert_eq!(train.len() + validation.len(), 7);
        assert!(split(&rows, rule(0.99, true, 4), "a.tsv").is_err());
    }
}
