//! Rows of generation: which prompts there are, what is written after each, and what it is compared with.

use crate::data::{DataError, DialogueEncoder, Held};
use crate::run::event::{Event, Metrics, Phase};
use crate::train::metrics::text::{self, Case};
use std::collections::{HashMap, HashSet};

/// The prompt of every row that is the first with it; none where an earlier row has it, which is then one more reference.
pub fn new_prompts(held: &[Held]) -> Vec<Option<Vec<u32>>> {
    let mut seen = HashSet::new();
    held.iter().map(|held| seen.insert(held.prompt.as_str()).then(|| held.prompt_ids.clone())).collect()
}

/// A row with what was written for it, for people.
pub fn sample(phase: Phase, held: &Held, written: &[u32], encoder: &DialogueEncoder) -> Result<Event, DataError> {
    let output = encoder.decode(written)?.trim().to_owned();
    Ok(Event::Sample { phase, input: held.prompt.clone(), reference: held.reference.clone(), output })
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
        held: &[Held],
        written: impl IntoIterator<Item = Vec<u32>>,
        encoder: &DialogueEncoder,
    ) -> Result<Texts, DataError> {
        let mut texts = Texts::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (held, written) in held.iter().zip(written) {
            match places.get(held.prompt.as_str()) {
                Some(place) => texts.references[*place].push(held.reference.clone()),
                None => {
                    places.insert(&held.prompt, texts.prompts.len());
                    texts.prompts.push(held.prompt.clone());
                    texts.references.push(vec![held.reference.clone()]);
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
