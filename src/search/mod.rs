//! The method: selection variables, the bilevel step, allocation. Reads like method.md: first [`selection`], then
//! [`hypergradient`], the [`step`] that uses it, and [`allocation`] of ranks; [`stability`] tells when they have settled.

pub mod allocation;
pub mod hypergradient;
pub mod lower;
pub mod selection;
pub mod stability;
pub mod step;

use crate::model::Weights;
use candle_core::{Result, Tensor};

/// A lower-level problem: a model with LoRA modules and a loss.
pub trait Objective {
    /// A part of a batch: the losses of the parts of a batch add up to its mean loss.
    type Part;

    /// The loss of a part, a scalar, differentiable by whatever is tracked of `weights` and `alpha`.
    ///
    /// `alpha`: selection values (modules, k). `dropout`: key of the masks, none in validation; the same key must draw
    /// the same masks (method.md, "Two traps").
    fn loss(&self, weights: &Weights, alpha: &Tensor, part: &Self::Part, dropout: Option<u64>) -> Result<Tensor>;
}
