//! The operations on a GPU, in f32 and bf16: kernels of ours, products of cuBLAS, and no waiting for either. candle
//! queues the work of a device on the stream of the calling thread: it is done in the order in which one thread queues it,
//! and memory goes back in that order too. Two threads that share tensors would have to wait for each other, as with all of
//! candle's operations.
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
