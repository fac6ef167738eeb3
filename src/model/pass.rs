//! What one forward pass computes with, beside the frozen weights: the trainable tensors, selection values, dropout.

use crate::ops::Mask;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Trainable tensors by their name in PEFT's files without `base_model.model.`: `<module>.lora_A.weight` (r, in),
/// `<module>.lora_B.weight` (out, r), `classifier.weight`, ... Ordered, so that norms and files do not depend on
/// hashing.
pub type Weights = BTreeMap<String, Tensor>;

/// Dropout probabilities by site; 0 where a family has no dropout there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutRates {
    /// Of the input of a LoRA path.
    pub lora: f64,
    pub embeddings: f64,
    /// Of DeBERTa's relative position embeddings.
    pub positions: f64,
    /// Of attention probabilities.
    pub attention: f64,
    pub attention_output: f64,
    /// Of the feed-forward's result, or of its inner states (ModernBERT).
    pub feed_forward: f64,
    /// Of the input of the dense layer before the output layer.
    pub pooler: f64,
    /// Of the input of the output layer.
    pub head: f64,
}

impl DropoutRates {
    /// `p` at every site of the backbone and the head.
    pub fn everywhere(lora: f64, p: f64) -> DropoutRates {
        DropoutRates {
            lora,
            embeddings: p,
            positions: p,
            attention: p,
            attention_output: p,
            feed_forward: p,
            pooler: p,
            head: p,
        }
    }

    /// Whether anything is dropped at all.
    pub fn any(&self) -> bool {
        *self != DropoutRates::default()
    }

    /// The dropout of a pass with this key.
    pub fn keyed(self, key: u64) -> Dropout {
        Dropout { key, rates: self }
    }
}

/// Dropout of one pass: the same key draws the same masks, whatever is computed between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    pub key: u64,
    pub rates: DropoutRates,
}

/// Where in a model a mask is drawn: a layer, or a LoRA module, by its index.
#[derive(Clone, Copy, Debug)]
pub enum Site {
    Embeddings,
    Positions(usize),
    Attention(usize),
    AttentionOutput(usize),
    FeedForward(usize),
    Pooler,
    Head,
    Lora(usize),
}

impl Dropout {
    /// The mask of a site, `None` where its probability is 0.
    pub fn mask(&self, site: Site) -> Option<Mask> {
        let rates = &self.rates;
        let (p, kind, index) = match site {
            Site::Embeddings => (rates.embeddings, 1, 0),
            Site::Attention(layer) => (rates.attention, 2, layer),
            Site::AttentionOutput(layer) => (rates.attention_output, 3, layer),
            Site::FeedForward(layer) => (rates.feed_forward, 4, layer),
            Site::Head => (rates.head, 5, 0),
            Site::Lora(module) => (rates.lora, 6, module),
            Site::Positions(layer) => (rates.positions, 7, layer),
            Site::Pooler => (rates.pooler, 8, 0),
        };
        let site = (kind << 40) | index as u64;
        (p > 0.0).then(|| Mask::new(p, splitmix(self.key ^ splitmix(site))))
    }
}

/// One step of SplitMix64: spreads a key over all 64 bits.
fn splitmix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One forward pass.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub weights: &'a Weights,
    /// Scale of each LoRA module, by module index.
    pub scales: &'a [f64],
    /// Selection values (modules, k) in the search; none in retraining.
    pub alpha: Option<&'a Tensor>,
    pub dropout: Option<Dropout>,
}

impl Pass<'_> {
    /// The mask of a site in this pass.
    pub fn mask(&self, site: Site) -> Option<Mask> {
        self.dropout.as_ref().and_then(|dropout| dropout.mask(site))
    }

    /// `x` after the dropout of a site.
    pub fn drop(&self, x: Tensor, site: Site) -> candle_core::Result<Tensor> {
        match self.mask(site) {
            Some(mask) => crate::ops::dropout(&x, mask),
            None => Ok(x),
        }
    }
}
