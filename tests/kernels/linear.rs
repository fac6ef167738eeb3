use crate::host::Held;
use crate::recipe::Kind;
use crate::recipe::linear::{
    FeedForward, Gradients, Update, Weight, back, feed_forward, feed_forward_back, forward, lora_back, lora_forward,
};
use crate::{close, flat, gradients, run, tensor, values, variable};
use autolora::ops::{self, Curve};

/// Kinds of activations and weights, and the tolerance: what a weight's 16 bits round is the activations alone.
const PAIRS: [(Kind, Kind, f64); 5] = [
    (Kind::F64, Kind::F64, 1e-12),
    (Kind::F32, Kind::F32, 1e-5),
    (Kind::F32, Kind::Bf16, 1e-2),
    (Kind::F32, Kind::F16, 1e-3),
    (Kind::Bf16, Kind::Bf16, 1e-2),
];

const M: usize = 5;
const N: usize = 7;
const K: usize = 33;

/// W^T of the values of W (n, k).
fn transposed(values: &[f64], n: usize, k: usize) -> Vec<f64> {
    (0..k).flat_map(|j| (0..n).map(move |i| values[i * k + j])).collect()
}

#[test]
fn frozen_layers_are_the_cpus_whichever_way_a_weight_lies() {
    for (kind, stored, tolerance) in PAIRS {
        for (is_transposed, has_bias) in [(false, true), (true, false)] {
            let (x, dy) = (values(M * K, 1, kind), values(M * N, 2, kind));
            let (w, b) = (values(N * K, 3, stored), values(N, 4, kind));
            let found = run(|host| {
                let (x, dy, b) = (Held::of(&x, kind), Held::of(&dy, kind), Held::of(&b, kind));
                let w = Held::of(&if is_transposed { transposed(&w, N, K) } else { w.clone() }, stored);
                let (y, dx) = (Held::empty(M * N, kind), Held::empty(M * K, kind));
                let weight = Weight { operand: w.operand(), outputs: N, inputs: K, is_transposed };
                forward(host, x.operand(), &weight, has_bias.then(|| b.operand()), y.operand(), M).unwrap();
                back(host, dy.operand(), &weight, dx.operand(), M).unwrap();
                vec![y, dx]
            });
            let (x, b) = (variable(&x, &[M, K]), tensor(&b, &[N]));
            let y = ops::frozen_linear(&x, &tensor(&w, &[N, K]), has_bias.then_some(&b)).unwrap();
            close(&found[0], &flat(&y), tolerance, &format!("{kind:?} by {stored:?}"));
            close(&found[1], &gradients(&y, &dy, &[&x])[0], tolerance, &format!("{kind:?} by {stored:?}, gradient"));
        }
    }
}

#[test]
fn an_update_and_its_gradients_are_the_cpus() {
    const R: usize = 3;
    for (kind, stored, tolerance) in &PAIRS[..4] {
        let (kind, stored) = (*kind, *stored);
        let [x, dy, a, b] = [M * K, M * N, R * K, N * R].map(|count| values(count, count as u64, kind));
        let (w, bias) = (values(N * K, 3, stored), values(N, 4, kind));
        for asked in [[true; 3], [false, true, false], [false, false, true], [true, false, false]] {
            let found = run(|host| {
                let [x, dy, a, b, bias] = [&x, &dy, &a, &b, &bias].map(|values| Held::of(values, kind));
                let w = Held::of(&w, stored);
                let weight = Weight { operand: w.operand(), outputs: N, inputs: K, is_transposed: false };
                let update = Update { a: a.operand(), b: b.operand(), rank: R };
                let y = Held::empty(M * N, kind);
                let bias = Some(bias.operand());
                lora_forward(host, x.operand(), (&weight, bias), update, y.operand(), M).unwrap();
                let by = [M * K, R * K, N * R].map(|count| Held::empty(count, kind));
                let into = |i: usize| asked[i].then(|| by[i].operand());
                let into = Gradients { x: into(0), a: into(1), b: into(2) };
                lora_back(host, (x.operand(), dy.operand()), &weight, update, into, M).unwrap();
                [y].into_iter().chain(by).collect()
            });
            let (x, a, b) = (variable(&x, &[M, K]), variable(&a, &[R, K]), variable(&b, &[N, R]));
            let (w, bias) = (tensor(&w, &[N, K]), tensor(&bias, &[N]));
            let y = ops::lora_linear(&x, (&w, Some(&bias)), &a, &b).unwrap();
            close(&found[0], &flat(&y), *tolerance, &format!("{kind:?} by {stored:?}"));
            for (i, expected) in gradients(&y, &dy, &[&x, &a, &b]).iter().enumerate() {
                if asked[i] {
                    // A and B are in full precision whatever the weight is in.
                    let tolerance = if i == 0 { *tolerance } else { tolerance.min(1e-5) };
                    close(&found[i + 1], expected, tolerance, &format!("{kind:?} by {stored:?}, gradient {i}"));
                }
            }
        }
    }
}

/// What a perturbation of B of one part in 10^5 changes survives weights of 16 bits, as the mixed derivative needs it.
#[test]
fn a_small_change_of_a_factor_is_not_rounded_away() {
    let (kind, stored) = (Kind::F32, Kind::Bf16);
    let [x, a, b] = [M * K, K, N].map(|count| values(count, count as u64, kind));
    let w = values(N * K, 3, stored);
    let of = |by: f64| {
        let moved: Vec<f64> = b.iter().map(|b| crate::host::rounded(b + by, kind)).collect();
        let found = run(|host| {
            let [x, a, b] = [&x, &a, &moved].map(|values| Held::of(values, kind));
            let (w, y) = (Held::of(&w, stored), Held::empty(M * N, kind));
            let weight = Weight { operand: w.operand(), outputs: N, inputs: K, is_transposed: false };
            let update = Update { a: a.operand(), b: b.operand(), rank: 1 };
            lora_forward(host, x.operand(), (&weight, None), update, y.operand(), M).unwrap();
            vec![y]
        });
        found[0].clone()
    };
    let (up, down) = (of(1e-3), of(-1e-3));
    for (i, (up, down)) in up.iter().zip(&down).enumerate() {
        let inner: f64 = (0..K).map(|j| x[i / N * K + j] * a[j]).sum();
        assert!(((up - down) / 2e-3 - inner).abs() < 2e-3 * inner.abs().max(1.0), "{i}: {up} {down} {inner}");
    }
}

#[test]
fn a_feed_forward_and_its_gradient_are_the_cpus() {
    const WIDTH: usize = 34;
    for (kind, stored, tolerance) in &PAIRS[..4] {
        let (kind, stored) = (*kind, *stored);
        for (biases, (number, curve)) in
            [true, false, true].into_iter().zip([Curve::Gelu, Curve::GeluTanh, Curve::Silu].into_iter().enumerate())
        {
            let [x, dy, b1, b2] = [M * K, M * N, WIDTH, N].map(|count| values(count, count as u64, kind));
            let [w1, w2] = [WIDTH * K, N * WIDTH].map(|count| values(count, count as u64, stored));
            let found = run(|host| {
                let [x, dy, b1, b2] = [&x, &dy, &b1, &b2].map(|values| Held::of(values, kind));
                let (w1, w2) = (Held::of(&w1, stored), Held::of(&w2, stored));
                let inner = Weight { operand: w1.operand(), outputs: WIDTH, inputs: K, is_transposed: false };
                let outer = Weight { operand: w2.operand(), outputs: N, inputs: WIDTH, is_transposed: false };
                let of = FeedForward {
                    inner: &inner,
                    inner_bias: biases.then(|| b1.operand()),
                    outer: &outer,
                    outer_bias: biases.then(|| b2.operand()),
                    curve: number,
                };
                let [units, y, dx] = [M * WIDTH, M * N, M * K].map(|count| Held::empty(count, kind));
                feed_forward(host, x.operand(), of, (units.operand(), y.operand()), M).unwrap();
                feed_forward_back(host, (units.operand(), dy.operand()), of, dx.operand(), M).unwrap();
                vec![y, dx]
            });
            let x = variable(&x, &[M, K]);
            let (b1, b2) = (tensor(&b1, &[WIDTH]), tensor(&b2, &[N]));
            let (w1, w2) = (tensor(&w1, &[WIDTH, K]), tensor(&w2, &[N, WIDTH]));
            let inner = (&w1, biases.then_some(&b1));
            let y = ops::feed_forward(&x, inner, curve, (&w2, biases.then_some(&b2))).unwrap();
            close(&found[0], &flat(&y), *tolerance, &format!("{kind:?} by {stored:?} {curve:?}"));
            let by_x = &gradients(&y, &dy, &[&x])[0];
            close(&found[1], by_x, *tolerance, &format!("{kind:?} by {stored:?} {curve:?}, gradient"));
        }
    }
}

/// Gradients far below what f16 holds, and activations far above it, in one row or the other.
#[test]
fn the_range_of_a_weight_in_f16_is_not_that_of_its_operands() {
    let (kind, stored) = (Kind::F32, Kind::F16);
    let w = values(N * K, 3, stored);
    let sizes = [1e-12, 1e9, 1.0, 0.0, 3e-30];
    let of_sizes = |count: usize, salt| -> Vec<f64> {
        let scaled = |(i, x): (usize, f64)| f64::from((x * sizes[i / (count / M)]) as f32);
        values(count, salt, kind).into_iter().enumerate().map(scaled).collect()
    };
    let (x, g) = (of_sizes(M * K, 1), of_sizes(M * N, 2));
    let found = run(|host| {
        let (x, g, w) = (Held::of(&x, kind), Held::of(&g, kind), Held::of(&w, stored));
        let (y, dx) = (Held::empty(M * N, kind), Held::empty(M * K, kind));
        let weight = Weight { operand: w.operand(), outputs: N, inputs: K, is_transposed: false };
        forward(host, x.operand(), &weight, None, y.operand(), M).unwrap();
        back(host, g.operand(), &weight, dx.operand(), M).unwrap();
        vec![y, dx]
    });
    let w = tensor(&w, &[N, K]);
    let expected = [tensor(&x, &[M, K]).matmul(&w.t().unwrap()).unwrap(), tensor(&g, &[M, N]).matmul(&w).unwrap()];
    for (found, expected) in found.iter().zip(&expected) {
        let (row, expected) = (expected.dims()[1], flat(expected));
        for (i, (found, expected)) in found.chunks(row).zip(expected.chunks(row)).enumerate() {
            let by = if sizes[i] == 0.0 { 1.0 } else { sizes[i] };
            let scaled = |row: &[f64]| row.iter().map(|x| x / by).collect::<Vec<_>>();
            close(&scaled(found), &scaled(expected), 2e-3, &format!("row {i}"));
        }
    }
}
