//! Beam search as transformers 5 does it: every step takes the best continuations of all beams of a prompt; those of
//! the first `num_beams` that end are kept as finished, the best that go on are the next beams.

use super::{Decoding, Generator, Stop, choose, log_probabilities};
use crate::model::decoder::Cache;
use candle_core::Result;

/// Settings of the search.
pub struct Beams {
    pub num_beams: usize,
    pub length_penalty: f64,
    /// Stop as soon as `num_beams` texts are finished; else when no beam can be expected to beat them.
    pub early_stopping: bool,
}

/// What a score that is none is.
const NONE: f32 = -1e9;

/// The beams of one prompt.
struct Hypotheses {
    /// Tokens and the sum of their log-probabilities.
    running: Vec<(Vec<u32>, f32)>,
    /// Finished texts and their scores, the best first.
    finished: Vec<(Vec<u32>, f32)>,
    done: bool,
}

/// A beam's continuation by one token.
struct Candidate {
    beam: usize,
    token: u32,
    score: f32,
}

/// New tokens of the best text of each prompt, with the token that ended it.
pub fn search(
    generator: &Generator,
    prompts: &[Vec<u32>],
    how: &Decoding,
    beams: &Beams,
    stop: Stop,
) -> Result<Vec<Vec<u32>>> {
    let start = || Hypotheses { running: vec![(Vec::new(), 0.0)], finished: Vec::new(), done: false };
    let mut all: Vec<Hypotheses> = prompts.iter().map(|_| start()).collect();
    let mut tokens = generator.tokens(prompts)?;
    let mut cache = Cache::new(generator.decoder.config.layers.len());
    // The prompts whose beams are in the batch, one after the other.
    let mut open: Vec<usize> = (0..prompts.len()).collect();
    let room = generator.room(prompts, how);
    for step in 1..=room {
        let mut logits = generator.logits(&tokens, &mut cache)?.into_iter();
        let (mut rows, mut next, mut still_open) = (Vec::new(), Vec::new(), Vec::new());
        let mut first_row = 0;
        for &prompt in &open {
            let hypotheses = &mut all[prompt];
            let of_prompt: Vec<Vec<f32>> = logits.by_ref().take(hypotheses.running.len()).collect();
            let came_from = hypotheses.step(&of_prompt, &prompts[prompt], how, beams, stop, (step, room));
            if !hypotheses.done {
                rows.extend(came_from.iter().map(|beam| (first_row + beam) as u32));
                next.extend(hypotheses.running.iter().filter_map(|(text, _)| text.last().copied()));
                still_open.push(prompt);
            }
            first_row += of_prompt.len();
        }
        open = still_open;
        if open.is_empty() || step == room {
            break;
        }
        cache.select(&rows)?;
        tokens = tokens.select(&rows)?.next(&next)?;
    }
    Ok(all.into_iter().map(Hypotheses::best).collect())
}

impl Hypotheses {
    /// One more token; returns the beam that each of the next beams continues.
    fn step(
        &mut self,
        logits: &[Vec<f32>],
        prompt: &[u32],
        how: &Decoding,
        beams: &Beams,
        stop: Stop,
        (step, room): (usize, usize),
    ) -> Vec<usize> {
        let keep = (1 + how.eos_token_ids.len()).max(2) * beams.num_beams;
        let candidates = self.candidates(logits, prompt, how, keep);
        let penalty = (step as f32).powf(beams.length_penalty as f32);
        let (mut next, mut came_from) = (Vec::new(), Vec::new());
        let mut ended = Vec::new();
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let mut text = self.running[candidate.beam].0.clone();
            text.push(candidate.token);
            if step == room || how.ends(&text, stop) {
                // Candidates behind the first num_beams only serve to go on.
                if rank < beams.num_beams {
                    ended.push((text, candidate.score / penalty));
                }
            } else if next.len() < beams.num_beams {
                next.push((text, candidate.score));
                came_from.push(candidate.beam);
            }
        }
        if !(beams.early_stopping && self.finished.len() == beams.num_beams) {
            self.finished.extend(ended);
            self.finished.sort_by(|a, b| b.1.total_cmp(&a.1));
            self.finished.truncate(beams.num_beams);
        }
        let full = self.finished.len() == beams.num_beams;
        let worst = if full { self.finished.last().map_or(NONE, |last| last.1) } else { NONE };
        let hope = next.first().map_or(NONE, |best: &(Vec<u32>, f32)| best.1 / penalty);
        self.done = next.is_empty() || hope <= worst || (full && beams.early_stopping);
        self.running = next;
        came_from
    }

    /// The `keep` best continuations of all beams, the best first.
    fn candidates(&self, logits: &[Vec<f32>], prompt: &[u32], how: &Decoding, keep: usize) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for (beam, ((text, score), logits)) in self.running.iter().zip(logits).enumerate() {
            let mut scores = logits.clone();
            log_probabilities(&mut scores);
            choose::forbid_repeats(&mut scores, prompt, text, how.no_repeat_ngram_size);
            let mut order: Vec<u32> = (0..scores.len() as u32).collect();
            let better = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
            if order.len() > keep {
                order.select_nth_unstable_by(keep, better);
                order.truncate(keep);
            }
            candidates.extend(order.into_iter().map(|token| Candidate {
                beam,
                token,
                score: score + scores[token as usize],
            }));
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.beam.cmp(&b.beam)).then(a.token.cmp(&b.token)));
        candidates.truncate(keep);
        candidates
    }

    fn best(self) -> Vec<u32> {
        let finished = self.finished.into_iter().next();
        finished.or_else(|| self.running.into_iter().next()).map(|(text, _)| text).unwrap_or_default()
    }
}
