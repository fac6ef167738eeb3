//! The operations on a GPU, in f32 and bf16: kernels of ours, products of cuBLAS, and no waiting for either. A device has
//! one stream, so that work is done in the order in which it is queued, and memory goes back in that order too.
//!
//! `kernels` are compiled by build.rs, `recipe` says what is launched, and the rest brings candle's tensors to it.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod linear;
pub mod loss;
pub mod norm;
mod operand;
pub mod positions;
mod queue;
mod recipe;
mod resident;
