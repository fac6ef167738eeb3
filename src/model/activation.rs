//! Non-linearities by their names in Hugging Face's configurations.

use crate::ops::gelu;
use candle_core::{Result, Tensor};

/// A non-linearity; any shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x Phi(x).
    Gelu,
    /// GELU by its tanh formula.
    GeluTanh,
    Relu,
    Silu,
    Tanh,
}

impl Activation {
    /// What [`Activation::parse`] knows, for messages.
    pub const NAMES: &str = "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, swish, tanh";

    /// The non-linearity of this name.
    pub fn parse(name: &str) -> Option<Activation> {
        Some(match name {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_accurate" => {
                Activation::GeluTanh
            }
            "relu" => Activation::Relu,
            "silu" | "swish" => Activation::Silu,
            "tanh" => Activation::Tanh,
            _ => return None,
        })
    }

    /// Element by element.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => x.gelu(),
            Activation::Relu => x.relu(),
            Activation::Silu => x.silu(),
            Activation::Tanh => x.tanh(),
        }
    }
}
