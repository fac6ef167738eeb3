//! Differentiable operations that training a LoRA needs and candle does not have: frozen operands get no gradient, the
//! backward passes are written by hand, and little is kept for them. On the CPU in f32 and f64, and with the feature `cuda`
//! on a GPU in f32 and, of activations, bf16; otherwise the same functions compose candle's own differentiable operations.

mod activation;
mod attention;
#[cfg(feature = "cuda")]
mod cuda;
mod dropout;
mod feed_forward;
mod float;
mod half;
mod kernel;
mod linear;
mod lora_linear;
mod memory;
mod norm;
mod product;
mod recompute;
mod rms_norm;
mod rotary;
mod sum;
mod vocabulary;

pub use activation::{Curve, curve, gate, packed_gate};
pub use attention::{
    Attention, Causal, Positions, Rope, attention, causal_attention, disentangled_attention, packed_attention,
};
pub use dropout::{Mask, dropout};
pub use feed_forward::feed_forward;
pub use half::{computed_in, rounds_operands, widened};
pub use linear::frozen_linear;
pub use lora_linear::lora_linear;
pub use memory::is_out_of_memory;
pub use norm::{add_layer_norm, layer_norm};
pub use recompute::{nothing, recomputed};
pub use rms_norm::rms_norm;
pub use rotary::rotate;
pub use vocabulary::{LossRule, capped, smoothed_losses, vocabulary_loss};
