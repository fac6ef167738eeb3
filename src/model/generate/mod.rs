//! Continues prompts with a decoder: greedily, by sampling, or by beam search, batched, with a key-value cache. The
//! tokens are those of transformers' `generate` with the same settings, but for the random draws of sampling.

mod beam;
mod choose;

use super::decoder::{Cache, Decoder, Tokens};
use super::pass::Pass;
use crate::experiment::EvaluateSettings;
use candle_core::{DType, Result, Tensor};

/// How to continue; names as in transformers' `GenerationConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    pub method: Method,
    pub max_new_tokens: usize,
    /// No sequence of this many tokens comes twice, the prompt's included; 0: they may.
    pub no_repeat_ngram_size: usize,
    /// Any of these ends a text, and is not part of it.
    pub eos_token_ids: Vec<u32>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The likeliest token.
    Greedy,
    /// The text of the highest score among those that `num_beams` beams find: the log-probabilities' sum over
    /// length^length_penalty.
    Beam { num_beams: usize, length_penalty: f64, early_stopping: bool },
    /// A token drawn from the `top_k` likeliest (0: all) that make up `top_p` of the probability, at a temperature.
    Sample { temperature: f64, top_k: usize, top_p: f64, seed: u64 },
}

impl Method {
    /// As `[evaluate]` says.
    pub fn of(settings: &EvaluateSettings) -> Method {
        match settings.num_beams {
            0 | 1 => Method::Greedy,
            num_beams => Method::Beam { num_beams, length_penalty: settings.length_penalty, early_stopping: false },
        }
    }
}

impl Decoding {
    /// The likeliest tokens, up to this many.
    pub fn greedy(max_new_tokens: usize, eos_token_ids: Vec<u32>) -> Decoding {
        Decoding { method: Method::Greedy, max_new_tokens, no_repeat_ngram_size: 0, eos_token_ids }
    }

    /// The sequence so far ends here: at a token, or where `stop` says so.
    fn ends(&self, new: &[u32], stop: Stop) -> bool {
        new.last().is_some_and(|last| self.eos_token_ids.contains(last)) || stop(new)
    }
}

/// Says of the new tokens of a text whether it ends with them (a stop string was met).
pub type Stop<'a> = &'a dyn Fn(&[u32]) -> bool;

/// A decoder with what a pass needs.
#[derive(Clone, Copy)]
pub struct Generator<'a> {
    pub decoder: &'a Decoder,
    /// Without dropout.
    pub pass: &'a Pass<'a>,
}

impl Generator<'_> {
    /// New tokens after each prompt, without the one that ended it. A prompt has a token at least.
    pub fn generate(&self, prompts: &[Vec<u32>], how: &Decoding, stop: Stop) -> Result<Vec<Vec<u32>>> {
        if prompts.iter().any(Vec::is_empty) {
            candle_core::bail!("a prompt without a token cannot be continued");
        }
        if prompts.is_empty() || how.max_new_tokens == 0 {
            return Ok(vec![Vec::new(); prompts.len()]);
        }
        let mut texts = match how.method {
            Method::Beam { num_beams, length_penalty, early_stopping } => {
                let beams = beam::Beams { num_beams: num_beams.max(1), length_penalty, early_stopping };
                beam::search(self, prompts, how, &beams, stop)?
            }
            _ => self.step_by_step(prompts, how, stop)?,
        };
        for text in &mut texts {
            if text.last().is_some_and(|last| how.eos_token_ids.contains(last)) {
                text.pop();
            }
        }
        Ok(texts)
    }

    /// New tokens that there is room for after the longest prompt.
    fn room(&self, prompts: &[Vec<u32>], how: &Decoding) -> usize {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let config = &self.decoder.config;
        match config.learned_positions() {
            true => how.max_new_tokens.min((config.max_position_embeddings + 1).saturating_sub(longest)),
            false => how.max_new_tokens,
        }
    }

    /// A padded batch of prompts.
    fn tokens(&self, prompts: &[Vec<u32>]) -> Result<Tokens> {
        let pad = self.decoder.config.pad_token_id.unwrap_or(0);
        Tokens::padded(prompts, pad, self.decoder.embeddings().device())
    }

    /// Logits of the last place of every row, f32.
    fn logits(&self, tokens: &Tokens, cache: &mut Cache) -> Result<Vec<Vec<f32>>> {
        self.last_logits(tokens, Some(cache))?.to_vec2()
    }

    fn last_logits(&self, tokens: &Tokens, cache: Option<&mut Cache>) -> Result<Tensor> {
        let states = self.decoder.states(tokens, self.pass, cache)?;
        let last = states.narrow(1, tokens.length() - 1, 1)?.squeeze(1)?.contiguous()?;
        self.decoder.logits(&last)?.to_dtype(DType::F32)
    }

    /// Logits of the last position of each prompt, (prompts, vocabulary), f32.
    pub fn prompt_logits(&self, prompts: &[Vec<u32>]) -> Result<Tensor> {
        self.last_logits(&self.tokens(prompts)?, None)
    }

    fn step_by_step(&self, prompts: &[Vec<u32>], how: &Decoding, stop: Stop) -> Result<Vec<Vec<u32>>> {
        let mut texts = vec![Vec::new(); prompts.len()];
        let mut running: Vec<usize> = (0..prompts.len()).collect();
        let mut tokens = self.tokens(prompts)?;
        let mut cache = Cache::new(self.decoder.config.layers.len());
        for step in 0..self.room(prompts, how) {
            let logits = self.logits(&tokens, &mut cache)?;
            let mut kept = Vec::with_capacity(running.len());
            let mut next = Vec::with_capacity(running.len());
            for (place, (&row, mut logits)) in running.iter().zip(logits).enumerate() {
                choose::forbid_repeats(&mut logits, &prompts[row], &texts[row], how.no_repeat_ngram_size);
                let token = match how.method {
                    Method::Sample { temperature, top_k, top_p, seed } => {
                        choose::draw(&logits, (temperature, top_k, top_p), (seed, row, step))
                    }
                    _ => choose::highest(&logits),
                };
                texts[row].push(token);
                if !how.ends(&texts[row], stop) {
                    kept.push(place as u32);
                    next.push(token);
                }
            }
            if kept.is_empty() {
                break;
            }
            if kept.len() < running.len() {
                running = kept.iter().map(|&place| running[place as usize]).collect();
                tokens = tokens.select(&kept)?;
                cache.select(&kept)?;
            }
            tokens = tokens.next(&next)?;
        }
        Ok(texts)
    }
}

/// log softmax of a row, in place.
fn log_probabilities(logits: &mut [f32]) {
    let highest = logits.iter().copied().fold(f32::MIN, f32::max);
    let total: f64 = logits.iter().map(|&x| f64::from(x - highest).exp()).sum();
    let shift = highest + total.ln() as f32;
    for x in logits {
        *x -= shift;
    }
}
