//! The kernels of `src/ops/cuda` and what the operations launch of them, proven without a GPU: a host compiler compiles
//! the very same sources (see `host.hpp`), a queue of this test runs the same launches with the same arguments, and every
//! result and gradient is compared with those of the CPU's operations in f64.
//!
//! Not proven here: the queue of a real device, the products of cuBLAS, and what the device's own compiler makes of the
//! kernels.

mod activation;
mod attention;
mod elementwise;
mod host;
mod launches;
mod linear;
mod loss;
mod norm;
// What is launched knows of no device: the test takes it as it is.
#[path = "../../src/ops/cuda/recipe/mod.rs"]
mod recipe;

use candle_core::{Device, Tensor, Var};
use host::{Held, Host};
use recipe::Kind;

/// Kinds of activations, and how far a result may be from f64's, relative to its largest element (and at least 1).
const KINDS: [(Kind, f64); 3] = [(Kind::F64, 1e-12), (Kind::F32, 1e-5), (Kind::Bf16, 1e-2)];

/// Numbers between -1 and 1 that `kind` holds exactly.
fn values(count: usize, salt: u64, kind: Kind) -> Vec<f64> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| host::rounded(next(), kind)).collect()
}

fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn variable(values: &[f64], shape: &[usize]) -> Var {
    Var::from_tensor(&tensor(values, shape)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Gradients of `operands` from that of y.
fn gradients(y: &Tensor, dy: &[f64], operands: &[&Var]) -> Vec<Vec<f64>> {
    let store = (y * tensor(dy, y.dims())).unwrap().sum_all().unwrap().backward().unwrap();
    operands.iter().map(|operand| flat(store.get(operand).unwrap())).collect()
}

/// What `f` gives, which must be the same to the bit in whatever order threads take their turns.
fn run(f: impl Fn(&Host) -> Vec<Held>) -> Vec<Vec<f64>> {
    let [forwards, backwards] = [false, true].map(|backwards| {
        let host = Host::new(backwards);
        f(&host).iter().map(Held::values).collect::<Vec<_>>()
    });
    let bits = |all: &[Vec<f64>]| all.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&forwards), bits(&backwards), "the order of threads changes the result");
    forwards
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1f64, |largest, x| largest.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * largest, "{what}: element {i} is {found}, not {expected}");
    }
}
