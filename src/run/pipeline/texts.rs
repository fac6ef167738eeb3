//! Rows of generation: which prompts there are, what is written after each, and what it is compared with.

use crate::data::{DataError, DialogueEncoder, Encoded, IGNORED, Rows, Target};
use crate::run::event::{Event, Metrics, Phase};
use crate::train::metrics::text::{self, Case};
use std::collections::HashMap;

/// The tokens of a row before the first that counts.
fn prompt(row: &Encoded) -> &[u32] {
    let next = if let Target::Tags(next) = &row.target { next.as_slice() } else { &[] };
    let before = next.iter().position(|next| *next != IGNORED).map_or(row.ids.len(), |at| at + 1);
    &row.ids[..before.min(row.ids.len())]
}

/// The prompt of every row that is the first with it; none where an earlier row has it, which is then one more reference.
pub fn new_prompts(rows: &Rows) -> Result<Vec<Option<Vec<u32>>>, DataError> {
    let mut seen = std::collections::HashSet::new();
    let new = |row: Result<Encoded, DataError>| {
        let row = row?;
        let prompt = prompt(&row).to_vec();
        Ok(seen.insert(prompt.clone()).then_some(prompt))
    };
    rows.iter().map(new).collect()
}

/// A row with what was written for it, for people.
pub fn sample(phase: Phase, row: &Encoded, written: &[u32], encoder: &DialogueEncoder) -> Result<Event, DataError> {
    let reference: Vec<u32> = row.target.tags().collect();
    Ok(Event::Sample {
        phase,
        input: encoder.decode(prompt(row))?,
        reference: encoder.decode(&reference)?.trim().to_owned(),
        output: encoder.decode(written)?.trim().to_owned(),
    })
}

/// What was written after every prompt, in the order in which the prompts first come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    pub prompts: Vec<String>,
    /// One or more a prompt.
    pub references: Vec<Vec<String>>,
    pub written: Vec<String>,
}

impl Texts {
    /// From the rows of a set and what was written for each: of rows with one prompt, the first row's.
    pub fn of(
        rows: &Rows,
        written: impl IntoIterator<Item = Vec<u32>>,
        encoder: &DialogueEncoder,
    ) -> Result<Texts, DataError> {
        let mut texts = Texts::default();
        let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
        for (row, written) in rows.iter().zip(written) {
            let row = row?;
            let reply: Vec<u32> = row.target.tags().collect();
            let reference = encoder.decode(&reply)?.trim().to_owned();
            match places.get(prompt(&row)) {
                Some(place) => texts.references[*place].push(reference),
                None => {
                    places.insert(prompt(&row).to_vec(), texts.prompts.len());
                    texts.prompts.push(encoder.decode(prompt(&row))?);
                    texts.references.push(vec![reference]);
                    texts.written.push(encoder.decode(&written)?.trim().to_owned());
                }
            }
        }
        Ok(texts)
    }

    /// Every figure that compares what was written with the references.
    pub fn figures(&self) -> Metrics {
        let (written, references) = (&self.written, &self.references);
        let figures = [
            ("bleu", text::bleu(written, references, Case::Mixed)),
            ("chrf", text::chrf(written, references)),
            ("ter", text::ter(written, references)),
            ("e2e_bleu", text::e2e_bleu(written, references)),
            ("nist", text::nist(written, references, 5)),
            ("meteor", text::meteor(written, references)),
            ("rouge_l", text::rouge_l(written, references)),
            ("cider", text::cider(written, references)),
        ];
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
