//! Rows on their way to the model: padded or packed, on the device, with what answers them.

use super::problem::Problem;
use crate::data::batches::{Answers, Batch};
use crate::data::{IGNORED, Rows};
use crate::model::decoder::Tokens;
use crate::model::{Input, Network};
use crate::ops::smoothed_losses;
use candle_core::{Error, Result, Tensor};
use candle_nn::loss::mse;

/// How the rows of a batch are laid out; nothing of what is computed depends on it but the order of sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Rows that are passed forward and back at once in training; all of a batch where none.
    pub micro_batch: Option<usize>,
    /// Tokens, padding counted, that are passed forward and back at once; a row at least. No bound where none.
    pub micro_tokens: Option<usize>,
    /// Texts of a decoder share rows of so many tokens, where they fit.
    pub pack_to: Option<usize>,
}

impl Layout {
    /// A batch in parts that keep to the bounds and to `at_most` rows: in the order of their lengths, so that rows of like
    /// length share a part and little is padding; as it is where all of it may be passed at once.
    fn parts(&self, set: &Rows, rows: &[usize], at_most: Option<usize>) -> Vec<Vec<usize>> {
        let most = self.micro_batch.into_iter().chain(at_most).min().unwrap_or(rows.len()).max(1);
        let tokens = self.micro_tokens.unwrap_or(usize::MAX);
        let mut sorted = rows.to_vec();
        sorted.sort_by_key(|row| set.length(*row));
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for row in sorted {
            // The longest of its part.
            let length = set.length(row);
            match parts.last_mut() {
                Some(part) if part.len() < most && (part.len() + 1).saturating_mul(length) <= tokens => part.push(row),
                _ => parts.push(vec![row]),
            }
        }
        if parts.len() > 1 { parts } else { vec![rows.to_vec()] }
    }
}

/// A batch on the device.
pub struct DeviceBatch {
    pub(super) input: DeviceInput,
    pub(super) answers: DeviceAnswers,
    /// Of the rows, words or tokens that count in the batch that this is a part of.
    pub(super) share: f64,
}

/// A batch as the network reads it.
pub(super) enum DeviceInput {
    Encoder(Input),
    Decoder(Tokens),
}

/// What the rows of a batch are answered with, on the device.
pub(super) enum DeviceAnswers {
    /// Class ids (rows), u32.
    Classes(Tensor),
    /// Numbers (rows), f32.
    Scores(Tensor),
    /// Class ids (rows * length), u32, 0 where none counts; `kept` is 1 where one counts, else 0.
    Tags { ids: Tensor, kept: Tensor, count: usize, host: Vec<u32> },
    /// The ids that are to come after these places of the batch, rows x length.
    Next { places: Vec<u32>, ids: Vec<u32> },
}

impl Problem {
    /// The rows of a training batch in parts, whose losses add up to the batch's mean loss: as the layout says, and of no
    /// more rows than `at_most`.
    pub fn parts(&self, set: &Rows, rows: &[usize], at_most: Option<usize>) -> Result<Vec<DeviceBatch>> {
        let parts = self.layout.parts(set, rows, at_most);
        if let [whole] = &parts[..] {
            return Ok(vec![self.batch(set, whole)?]);
        }
        let mut parts = parts.iter().map(|rows| self.batch(set, rows)).collect::<Result<Vec<_>>>()?;
        let all = parts.iter().map(|part| part.answers.count()).sum::<usize>().max(1);
        // What counts nothing adds nothing.
        if parts.iter().any(|part| part.answers.count() > 0) {
            parts.retain(|part| part.answers.count() > 0);
        }
        for part in &mut parts {
            part.share = part.answers.count() as f64 / all as f64;
        }
        Ok(parts)
    }

    /// The rows `rows` of `set`, padded to the longest of them, on the device. Those of a decoder are packed where
    /// that is asked for.
    pub fn batch(&self, set: &Rows, rows: &[usize]) -> Result<DeviceBatch> {
        let batch = match (&self.model, self.layout.pack_to) {
            (Network::Causal(_), Some(capacity)) => Batch::pack(set, rows, self.pad_id, capacity),
            _ => Batch::collate(set, rows, self.pad_id),
        };
        let batch = batch.map_err(Error::wrap)?;
        let input = match &self.model {
            Network::Task(model) => {
                let Batch { ids, type_ids, mask, length, .. } = &batch;
                let config = &model.encoder.config;
                DeviceInput::Encoder(Input::new(config, ids, type_ids, mask, *length, &self.device)?)
            }
            Network::Causal(_) => {
                let length = batch.length.max(1);
                DeviceInput::Decoder(Tokens::packed(batch.ids.clone(), &batch.texts, length, &self.device)?)
            }
        };
        let count = batch.len();
        let answers = match batch.answers {
            Answers::Classes(ids) => DeviceAnswers::Classes(Tensor::from_vec(ids, count, &self.device)?),
            Answers::Scores(scores) => DeviceAnswers::Scores(Tensor::from_vec(scores, count, &self.device)?),
            Answers::Tags(tags) if matches!(self.model, Network::Causal(_)) => {
                let counted = (0u32..).zip(tags).filter(|(_, next)| *next != IGNORED);
                let (places, ids) = counted.unzip();
                DeviceAnswers::Next { places, ids }
            }
            Answers::Tags(tags) => {
                let kept: Vec<f32> = tags.iter().map(|tag| if *tag == IGNORED { 0.0 } else { 1.0 }).collect();
                let ids: Vec<u32> = tags.iter().map(|tag| if *tag == IGNORED { 0 } else { *tag }).collect();
                DeviceAnswers::Tags {
                    count: kept.iter().filter(|kept| **kept > 0.0).count(),
                    ids: Tensor::from_vec(ids, tags.len(), &self.device)?,
                    kept: Tensor::from_vec(kept, tags.len(), &self.device)?,
                    host: tags,
                }
            }
        };
        Ok(DeviceBatch { input, answers, share: 1.0 })
    }
}

impl DeviceAnswers {
    /// Rows, words or tokens that the loss is a mean over.
    fn count(&self) -> usize {
        match self {
            DeviceAnswers::Classes(ids) => ids.elem_count(),
            DeviceAnswers::Scores(scores) => scores.elem_count(),
            DeviceAnswers::Tags { count, .. } => *count,
            DeviceAnswers::Next { ids, .. } => ids.len(),
        }
    }

    /// Mean loss of logits (rows, outputs) or (rows, length, classes), a scalar; `smoothing` is of labels.
    pub(super) fn loss(&self, logits: &Tensor, smoothing: f64) -> Result<Tensor> {
        match self {
            DeviceAnswers::Classes(ids) => smoothed_losses(logits, ids, smoothing)?.mean_all(),
            DeviceAnswers::Scores(scores) => mse(&logits.squeeze(1)?, scores),
            DeviceAnswers::Next { .. } => candle_core::bail!("tokens have a loss of their own"),
            DeviceAnswers::Tags { ids, kept, count, .. } => {
                // candle's cross-entropy has no ignore index.
                let logits = logits.flatten(0, 1)?;
                (smoothed_losses(&logits, ids, smoothing)? * kept)?.sum_all()? / (*count).max(1) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Encoded, Target};

    fn rows(lengths: &[usize]) -> Rows {
        let row = |length: &usize| Encoded {
            ids: vec![1; *length],
            type_ids: vec![0; *length],
            target: Target::Class(0),
            example: 0,
        };
        lengths.iter().map(row).collect::<Vec<_>>().into()
    }

    #[test]
    fn a_part_keeps_to_the_rows_and_the_tokens_that_are_allowed() {
        let set = rows(&[5, 2, 9, 3, 3]);
        let parts = |micro_batch, micro_tokens, at_most| {
            Layout { micro_batch, micro_tokens, pack_to: None }.parts(&set, &[0, 1, 2, 3, 4], at_most)
        };
        let whole = [vec![0, 1, 2, 3, 4]];
        assert_eq!(parts(None, None, None), whole);
        assert_eq!(parts(Some(5), Some(45), Some(5)), whole, "a batch that may be passed at once keeps its order");
        assert_eq!(parts(Some(2), None, None), [vec![1, 3], vec![4, 0], vec![2]]);
        assert_eq!(parts(Some(4), None, Some(2)), parts(Some(2), None, None), "the lower bound counts");
        // 2 + 3 + 3 are padded to 9 tokens; a fourth of 5 would make 20.
        assert_eq!(parts(None, Some(10), None), [vec![1, 3, 4], vec![0], vec![2]]);
        assert_eq!(parts(None, Some(44), None), [vec![1, 3, 4, 0], vec![2]]);
        assert_eq!(parts(Some(2), Some(10), None), [vec![1, 3], vec![4, 0], vec![2]]);
        assert_eq!(parts(None, Some(1), None).concat(), [1, 3, 4, 0, 2], "a row at least, and every row once");
    }
}
