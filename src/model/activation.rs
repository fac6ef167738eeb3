//! Non-linearities by their names in Hugging Face's configurations.

use crate::ops::{Curve, curve};
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

    /// As a function that the fused operations have, alone and gated.
    pub fn curve(self) -> Option<Curve> {
        match self {
            Activation::Gelu => Some(Curve::Gelu),
            Activation::GeluTanh => Some(Curve::GeluTanh),
            Activation::Silu => Some(Curve::Silu),
            Activation::Relu | Activation::Tanh => None,
        }
    }

    /// Element by element.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Gelu => curve(x, Curve::Gelu),
            Activation::GeluTanh => curve(x, Curve::GeluTanh),
            Activation::Silu => curve(x, Curve::Silu),
            Activation::Relu => x.relu(),
            Activation::Tanh => x.tanh(),
        }
    }
}
