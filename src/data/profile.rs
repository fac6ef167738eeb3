//! What a dataset is like: rows, lengths in tokens, labels, entities.

use super::chat::Row;
use super::dataset::{Content, Dataset, Example, Part};
use super::error::DataError;
use super::labels::Labels;
use super::target::Target;
use super::tokens::{Cuts, Encode};
use std::collections::BTreeMap;

/// Examples that are tokenised at a time.
const CHUNK: usize = 1024;
/// More tokens than any row has.
pub const UNCUT: usize = 1 << 30;

/// Lengths in tokens, special tokens included, of whole rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// In rising order.
    sorted: Vec<u32>,
}

impl Lengths {
    /// Those of some rows, in any order.
    pub fn of(mut lengths: Vec<u32>) -> Lengths {
        lengths.sort_unstable();
        Lengths { sorted: lengths }
    }

    /// The length that a share of the rows does not exceed; 0 without rows.
    pub fn quantile(&self, share: f64) -> u32 {
        let last = self.sorted.len().saturating_sub(1);
        let place = ((share * self.sorted.len() as f64).ceil() as usize).saturating_sub(1);
        self.sorted.get(place.min(last)).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub fn min(&self) -> u32 {
        self.quantile(0.0)
    }

    pub fn max(&self) -> u32 {
        self.quantile(1.0)
    }

    /// Rows of more than `length` tokens.
    pub fn longer_than(&self, length: usize) -> usize {
        self.sorted.len() - self.sorted.partition_point(|l| *l as usize <= length)
    }

    /// Rows by length: the upper end of each of at most `most` bins of equal, round width, and its count.
    pub fn histogram(&self, most: usize) -> Vec<(u32, usize)> {
        let max = self.max().max(1);
        let fits = |width: &u32| max.div_ceil(*width) as usize <= most;
        let widths = (0..9).flat_map(|power| [1, 2, 4, 8].map(|n| n * 10_u32.pow(power)));
        let width = widths.into_iter().find(fits).unwrap_or(max);
        let ends = (1..=max.div_ceil(width)).map(|bin| bin * width);
        let mut before = 0;
        let bin = |end: u32| {
            let up_to = self.sorted.partition_point(|l| *l <= end);
            let count = up_to - std::mem::replace(&mut before, up_to);
            (end, count)
        };
        ends.map(bin).collect()
    }
}

/// What a part is like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub rows: usize,
    pub lengths: Lengths,
    /// What cutting to the maximum length does.
    pub cuts: Cuts,
    /// Rows of each class in the order of the classes; tags of each kind where the rows are sentences.
    pub labels: Vec<(String, usize)>,
    /// Entities by kind, as seqeval counts them by default.
    pub entities: BTreeMap<String, usize>,
    pub words: usize,
    /// Messages of conversations by role.
    pub messages: BTreeMap<String, usize>,
    /// Smallest, mean and largest score of a regression.
    pub scores: Option<(f32, f64, f32)>,
}

/// Reads a part. `encoders` are the tokenizer without a limit ([`UNCUT`]) and that with the run's, if tokens are to be counted;
/// `entities` finds the kinds of the entities of a sentence's tags.
pub fn profile(
    part: &Part,
    labels: &Labels,
    encoders: Option<(&dyn Encode, &dyn Encode)>,
    max_length: usize,
    entities: impl Fn(&[&str]) -> Vec<String>,
) -> Result<Profile, DataError> {
    let mut profile = Profile::default();
    let mut counts = vec![0_usize; labels.names.len()];
    let mut scores: Option<(f32, f64, f32)> = None;
    let mut chunk: Vec<Example> = Vec::with_capacity(CHUNK);
    let flush = |chunk: &mut Vec<Example>, lengths: &mut Vec<u32>, cuts: &mut Cuts| -> Result<(), DataError> {
        let Some((whole, cut)) = encoders else {
            chunk.clear();
            return Ok(());
        };
        let (rows, _) = whole.encode(chunk, 0)?;
        let mut long = Vec::new();
        for row in rows {
            lengths.push(row.ids.len() as u32);
            if row.ids.len() > max_length
                && let Some(example) = chunk.get(row.example as usize)
            {
                long.push(example.clone());
            }
        }
        *cuts += cut.encode(&long, 0)?.1;
        chunk.clear();
        Ok(())
    };
    let (mut lengths, mut cuts) = (Vec::new(), Cuts::default());
    part.each(|example| {
        profile.rows += 1;
        match &example.target {
            Target::Class(class) => count(&mut counts, *class),
            Target::Score(score) => {
                let (min, sum, max) = scores.unwrap_or((*score, 0.0, *score));
                scores = Some((min.min(*score), sum + f64::from(*score), max.max(*score)));
            }
            Target::Tags(tags) => {
                tags.iter().for_each(|tag| count(&mut counts, *tag));
                let names: Vec<&str> =
                    tags.iter().map(|tag| labels.names.get(*tag as usize).map_or("", String::as_str)).collect();
                for kind in entities(&names) {
                    *profile.entities.entry(kind).or_default() += 1;
                }
            }
        }
        match &example.content {
            Content::Words(words) => profile.words += words.len(),
            Content::Instruction(Row::Chat(messages)) => {
                for message in messages {
                    *profile.messages.entry(message.role().to_owned()).or_default() += 1;
                }
            }
            _ => {}
        }
        chunk.push(example);
        if chunk.len() == CHUNK { flush(&mut chunk, &mut lengths, &mut cuts) } else { Ok(()) }
    })?;
    flush(&mut chunk, &mut lengths, &mut cuts)?;
    profile.lengths = Lengths::of(lengths);
    profile.cuts = cuts;
    profile.labels = labels.names.iter().cloned().zip(counts).collect();
    profile.scores = scores.map(|(min, sum, max)| (min, sum / profile.rows.max(1) as f64, max));
    Ok(profile)
}

fn count(counts: &mut [usize], class: u32) {
    if let Some(count) = counts.get_mut(class as usize) {
        *count += 1;
    }
}

/// The parts of a dataset with the words that people use for them.
pub fn parts(dataset: &Dataset) -> Vec<(String, &Part)> {
    let own =
        [("train", Some(&dataset.train)), ("validation", dataset.validation.as_ref()), ("test", dataset.test.as_ref())];
    let own = own.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?)));
    own.chain(dataset.extra.iter().map(|(name, part)| (name.clone(), part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_lengths_that_occur() {
        let lengths = Lengths { sorted: (1..=100).collect() };
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|share| lengths.quantile(share)), [1, 50, 95, 100]);
        assert_eq!((lengths.longer_than(90), lengths.longer_than(100)), (10, 0));
        assert_eq!(lengths.histogram(5), [(20, 20), (40, 20), (60, 20), (80, 20), (100, 20)]);
        assert_eq!(Lengths::default().quantile(0.5), 0);
        assert_eq!(Lengths { sorted: vec![3] }.histogram(8), [(1, 0), (2, 0), (3, 1)]);
    }
}
