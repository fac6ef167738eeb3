//! How much memory a run will take at most, from sizes alone.
//!
//! The frozen model, plus what is trained with everything that an optimiser and a hypergradient hold beside it, plus what
//! one pass keeps for its way back:
//!
//! ```text
//! peak = frozen + 4 copies trained + 4 tokens (kept + output) + 4 max(tokens back, logits)
//! kept = layers layer - spared + lora         every intermediate result, or, where layers are computed again,
//!      = layers hidden + (layer + lora + 6 hidden of one layer)
//! ```
//!
//! in bytes; `layer`, `lora`, `back` are f32 numbers a token, `output` is 4 hidden of a decoder, and `logits` are those of a
//! chunk of places: the loss is never over all of them at once. `tests/memory.rs` holds it against measured peaks.

/// Bytes of an f32.
const F32: u64 = 4;
/// f32 numbers that a trained number costs in the search: itself, two moments, the look-ahead, v, one perturbed copy, the
/// tracked copy with its gradient.
const COPIES_SEARCH: u64 = 8;
/// And in plain training: itself, two moments, the tracked copy, its gradient, the updated one.
const COPIES_TRAINING: u64 = 6;
/// Logits of a chunk of places, of which a chunk has this many at least.
const LOGITS: u64 = 1 << 23;
const LEAST_PLACES: u64 = 16;

/// Sizes of a model, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelSizes {
    /// Bytes of the frozen tensors, as they are kept.
    pub frozen_bytes: u64,
    pub layers: u64,
    /// Width of the states between layers.
    pub hidden: u64,
    /// Numbers a token that a layer keeps for its way back, without LoRA.
    pub layer: u64,
    /// Numbers a token that the last layer keeps less than the others.
    pub spared: u64,
    /// Numbers a token that are in memory beside these while a layer goes back.
    pub back: u64,
    /// Of a decoder; 0 where there is no output over a vocabulary.
    pub vocabulary: u64,
    /// Widths of keys and values of all heads together, of a decoder.
    pub keys_and_values: u64,
}

/// What LoRA adds, over all modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoraSizes {
    /// Numbers of A, B and head.
    pub trained: u64,
    /// Numbers a token that all modules keep.
    pub kept: u64,
    /// Numbers a token that the widest module has in memory while it goes back.
    pub back: u64,
}

/// A training phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// Tokens of the largest part of a batch, padding included.
    pub tokens: u64,
    /// Whether the batch has several parts: their gradients are summed.
    pub in_parts: bool,
    /// Whether layers are computed again on the way back.
    pub recompute: bool,
    /// The search, or plain training.
    pub search: bool,
}

/// A batch of texts that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Rows times beams.
    pub rows: u64,
    /// Tokens of the longest prompt with what is written.
    pub places: u64,
}

/// Bytes of a run in a training phase.
pub fn training(model: &ModelSizes, lora: &LoraSizes, phase: &Training) -> u64 {
    let layers = model.layers.max(1);
    let kept = match phase.recompute {
        false => layers * model.layer - model.spared + lora.kept,
        // Of the layer that goes back: its operands anew, its result, and that times the gradient.
        // Where the last one is small, the one before it takes most: when that goes back, the last one's input and the
        // gradient of its result are gone.
        true => {
            let gone = if model.spared > 0 { 2 * model.hidden } else { 0 };
            layers * model.hidden + model.layer + lora.kept / layers + 6 * model.hidden - gone
        }
    };
    let copies = if phase.search { COPIES_SEARCH } else { COPIES_TRAINING } + u64::from(phase.in_parts);
    // The states that the loss reads, their gradient in chunks and whole, and the product that stands for it.
    let output = if model.vocabulary > 0 { 4 * model.hidden } else { 0 };
    let logits = LOGITS.max(LEAST_PLACES * model.vocabulary).min(phase.tokens * model.vocabulary);
    let passing = (phase.tokens * (model.back + lora.back)).max(logits);
    model.frozen_bytes + F32 * (copies * lora.trained + phase.tokens * (kept + output) + passing)
}

/// Resident bytes of a worker on the CPU whose tensors are `bytes`, of them `frozen` for good: what its allocator holds
/// beside those that come and go, and the program itself. Measured: within 13 % of the peaks of twelve runs of GPT-2, a Llama and
/// a Qwen3 of 124 to 492 million parameters, in f32 and bf16, with and without parts and layers computed again.
pub fn on_host(bytes: u64, frozen: u64) -> u64 {
    const PROGRAM: u64 = 100_000_000;
    PROGRAM + frozen + bytes.saturating_sub(frozen) * 7 / 5
}

/// Bytes of a run while it writes.
pub fn writing(model: &ModelSizes, lora: &LoraSizes, batch: &Writing) -> u64 {
    // A layer's keys and values are copied when a place is added.
    let cache = batch.rows * batch.places * model.keys_and_values * (model.layers + 1);
    let prompts = batch.rows * batch.places * (model.layer + model.hidden);
    model.frozen_bytes + F32 * (lora.trained + cache + prompts + 3 * batch.rows * model.vocabulary)
}
