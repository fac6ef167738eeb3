use crate::check;
use autolora::ops::{self, Curve, LossRule, Mask, Rope};
use candle_core::{DType, Tensor};
use std::sync::Arc;

const CURVES: [Curve; 3] = [Curve::Gelu, Curve::GeluTanh, Curve::Silu];
/// Types of weights, and what the rounding of activations to them costs.
const WEIGHTS: [(DType, f64); 3] = [(DType::F32, 1e-5), (DType::BF16, 1e-2), (DType::F16, 2e-3)];

#[test]
fn norms() {
    for (rows, n) in [(1, 1), (3, 33), (5, 768), (2, 4100)] {
        check(&format!("layer norm {n}"), 5e-5, &[&[rows, n]], |side, x| {
            let [weight, bias] = [7, 8].map(|salt| side.frozen(&[n], salt, DType::F32));
            ops::layer_norm(&x[0], &weight, &bias, 1e-3)
        });
        check(&format!("norm of a sum {n}"), 5e-5, &[&[rows, n], &[rows, n]], |side, x| {
            let [weight, bias] = [7, 8].map(|salt| side.frozen(&[n], salt, DType::F32));
            ops::add_layer_norm(&x[0], &x[1], &weight, &bias, 1e-3)
        });
        check(&format!("root-mean-square norm {n}"), 5e-5, &[&[rows, n]], |side, x| {
            ops::rms_norm(&x[0], &side.frozen(&[n], 7, DType::F32), 1e-3)
        });
    }
}

/// Trained ones are composed, and must stay right.
#[test]
fn trained_norms() {
    check("layer norm", 5e-5, &[&[3, 33], &[33], &[33]], |_, x| ops::layer_norm(&x[0], &x[1], &x[2], 1e-3));
    check("root-mean-square norm", 5e-5, &[&[3, 33], &[33]], |_, x| ops::rms_norm(&x[0], &x[1], 1e-3));
}

#[test]
fn curves_and_gates() {
    for curve in CURVES {
        let wide = |x: &Tensor| x * 6.0;
        check(&format!("{curve:?}"), 1e-5, &[&[3, 1030]], |_, x| ops::curve(&wide(&x[0])?, curve));
        check(&format!("gate of {curve:?}"), 2e-5, &[&[3, 33], &[3, 33]], |_, x| {
            ops::gate(&wide(&x[0])?, &x[1], curve)
        });
        check(&format!("packed gate of {curve:?}"), 2e-5, &[&[2, 3, 66]], |_, x| {
            ops::packed_gate(&wide(&x[0])?, curve)
        });
    }
}

#[test]
fn linear_layers() {
    for (stored, tolerance) in WEIGHTS {
        check(&format!("linear {stored:?}"), tolerance, &[&[2, 5, 64]], |side, x| {
            let (weight, bias) = (side.frozen(&[40, 64], 7, stored), side.frozen(&[40], 8, DType::F32));
            ops::frozen_linear(&x[0], &weight, Some(&bias))
        });
        check(&format!("linear {stored:?}, by columns"), tolerance, &[&[5, 64]], |side, x| {
            ops::frozen_linear(&x[0], &side.frozen(&[64, 40], 7, stored).t()?, None)
        });
        check(&format!("update of {stored:?}"), tolerance, &[&[2, 5, 64], &[4, 64], &[40, 4]], |side, x| {
            let (weight, bias) = (side.frozen(&[40, 64], 7, stored), side.frozen(&[40], 8, DType::F32));
            ops::lora_linear(&x[0], (&weight, Some(&bias)), &x[1], &x[2])
        });
        for curve in CURVES {
            check(&format!("feed-forward {stored:?} {curve:?}"), tolerance, &[&[5, 64]], |side, x| {
                let (w1, b1) = (side.frozen(&[96, 64], 7, stored), side.frozen(&[96], 8, DType::F32));
                let (w2, b2) = (side.frozen(&[40, 96], 9, stored), side.frozen(&[40], 10, DType::F32));
                ops::feed_forward(&x[0], (&w1, Some(&b1)), curve, (&w2, Some(&b2)))
            });
        }
    }
}

/// A weight of an odd width has rows that no vector load fits.
#[test]
fn linear_layers_of_odd_sizes() {
    for (stored, tolerance) in WEIGHTS {
        check(&format!("linear {stored:?}"), tolerance, &[&[3, 33]], |side, x| {
            ops::frozen_linear(&x[0], &side.frozen(&[7, 33], 7, stored), None)
        });
        check(&format!("update of {stored:?}"), tolerance, &[&[3, 33], &[1, 33], &[7, 1]], |side, x| {
            ops::lora_linear(&x[0], (&side.frozen(&[7, 33], 7, stored), None), &x[1], &x[2])
        });
    }
}

#[test]
fn dropout() {
    check("dropout", 1e-6, &[&[3, 1030]], |_, x| ops::dropout(&x[0], Mask::new(0.3, 5)));
}

#[test]
fn rotary_positions() {
    let rope = Arc::new(Rope::of(9, &Rope::frequencies(4, 100.0), 1.3));
    let places: Arc<[u32]> = [0u32, 1, 8, 2, 0, 5].into();
    check("rotary", 1e-5, &[&[2, 3, 12]], |_, x| ops::rotate(&x[0], &rope, &places, 6));
}

#[test]
fn losses_over_a_vocabulary() {
    for (stored, tolerance) in WEIGHTS {
        for (cap, smoothing) in [(None, 0.0), (Some(0.9), 0.0), (None, 0.2), (Some(2.0), 0.1)] {
            let rule = LossRule { cap, smoothing };
            let targets: Vec<u32> = (0..40).map(|i| i * 31 % 1030).collect();
            check(&format!("loss {stored:?} {rule:?}"), tolerance, &[&[40, 24]], |side, x| {
                ops::vocabulary_loss(&x[0], &side.frozen(&[1030, 24], 7, stored), &targets, rule)
            });
        }
    }
}
