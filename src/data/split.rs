//! D_tr, D_val and the held-out rows.

use super::dataset::{Dataset, Example};
use super::error::DataError;
use super::random::permutation;

/// The rows of a run. `train` and `validation` together are what retraining uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits<T> {
    /// D_tr: the lower level's rows.
    pub train: Vec<T>,
    /// D_val: the upper level's rows.
    pub validation: Vec<T>,
    /// For evaluation alone: no choice is made on it.
    pub test: Option<Vec<T>>,
}

/// With a validation file, it is D_val and all of train is D_tr; else D_tr is the first floor((1 - share) n) rows of the
/// training file after the seeded shuffle (none without `shuffle`), D_val the rest.
pub fn split(dataset: Dataset, validation_share: f64, shuffle: bool, seed: u64) -> Result<Splits<Example>, DataError> {
    let test = dataset.test.map(|part| part.examples);
    if let Some(validation) = dataset.validation {
        return Ok(Splits { train: dataset.train.examples, validation: validation.examples, test });
    }
    let rows = dataset.train.examples.len();
    let (first, second) = places(rows, validation_share, shuffle, seed);
    let empty = |side| DataError::EmptySplit { file: dataset.train.file.clone(), rows, share: validation_share, side };
    if first.is_empty() {
        return Err(empty("D_tr"));
    }
    if second.is_empty() {
        return Err(empty("D_val"));
    }
    let take = |places: Vec<usize>| places.into_iter().map(|place| dataset.train.examples[place].clone()).collect();
    Ok(Splits { train: take(first), validation: take(second), test })
}

/// Which of `rows` rows go to D_tr and which to D_val, in order.
pub fn places(rows: usize, validation_share: f64, shuffle: bool, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order = if shuffle { permutation(seed, "split", 0, rows) } else { (0..rows).collect() };
    // A share such as 0.9 is a little below or above itself in binary: (1 - 0.9) * 10 must give 1.
    let kept = ((1.0 - validation_share) * rows as f64 + 1e-9).floor() as usize;
    let validation = order.split_off(kept.min(rows));
    (order, validation)
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn the_share_is_floored() {
        for (rows, share, kept) in [(10, 0.5, 5), (11, 0.5, 5), (10, 0.9, 1), (10, 0.3, 7), (3, 0.99, 0), (1, 0.01, 0)]
        {
            let (train, validation) = places(rows, share, false, 0);
            assert_eq!((train.len(), validation.len()), (kept, rows - kept), "{rows} rows, share {share}");
        }
    }

    #[test]
    fn without_shuffle_the_file_order_stays() {
        assert_eq!(places(5, 0.4, false, 9), (vec![0, 1, 2], vec![3, 4]));
    }

    #[test]
    fn the_shuffle_is_seeded_and_loses_nothing() {
        let (train, validation) = places(100, 0.5, true, 1);
        assert_eq!((train.clone(), validation.clone()), places(100, 0.5, true, 1));
        assert_ne!(train, places(100, 0.5, true, 2).0);
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
