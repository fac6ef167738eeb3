use crate::host::Held;
use crate::recipe::norm::{Input, layer_norm, layer_norm_back, rms_norm, rms_norm_back};
use crate::{KINDS, close, flat, gradients, run, tensor, values, variable};
use autolora::ops;

const SHAPES: [(usize, usize); 5] = [(1, 1), (3, 7), (3, 33), (2, 128), (3, 1030)];

#[test]
fn layer_norms_and_those_of_sums_are_the_cpus() {
    for ((kind, tolerance), (rows, n)) in KINDS.into_iter().flat_map(|kind| SHAPES.map(|shape| (kind, shape))) {
        for adds in [false, true] {
            let what = format!("{kind:?} {rows} x {n}, adds: {adds}");
            let [a, b, dy] = [1, 2, 3].map(|salt| values(rows * n, salt, kind));
            let [weight, bias] = [4, 5].map(|salt| values(n, salt, kind));
            let found = run(|host| {
                let [a, b, dy, weight, bias] = [&a, &b, &dy, &weight, &bias].map(|values| Held::of(values, kind));
                let [y, dx] = [(); 2].map(|()| Held::empty(rows * n, kind));
                let added = adds.then(|| b.operand());
                let input = Input { x: a.operand(), added, rows, n, epsilon: 1e-3 };
                layer_norm(host, input, weight.operand(), bias.operand(), y.operand()).unwrap();
                layer_norm_back(host, input, weight.operand(), dy.operand(), dx.operand()).unwrap();
                vec![y, dx]
            });
            let (a, b) = (variable(&a, &[rows, n]), variable(&b, &[rows, n]));
            let (weight, bias) = (tensor(&weight, &[n]), tensor(&bias, &[n]));
            let y = match adds {
                true => ops::add_layer_norm(&a, &b, &weight, &bias, 1e-3).unwrap(),
                false => ops::layer_norm(&a, &weight, &bias, 1e-3).unwrap(),
            };
            close(&found[0], &flat(&y), tolerance, &what);
            let operands: &[_] = if adds { &[&a, &b] } else { &[&a] };
            for expected in gradients(&y, &dy, operands) {
                close(&found[1], &expected, 4.0 * tolerance, &what);
            }
        }
    }
}

#[test]
fn root_mean_square_norms_are_the_cpus() {
    for ((kind, tolerance), (rows, n)) in KINDS.into_iter().flat_map(|kind| SHAPES.map(|shape| (kind, shape))) {
        let [x, dy] = [1, 2].map(|salt| values(rows * n, salt, kind));
        let weight = values(n, 3, kind);
        let found = run(|host| {
            let [x, dy, weight] = [&x, &dy, &weight].map(|values| Held::of(values, kind));
            let [y, dx] = [(); 2].map(|()| Held::empty(rows * n, kind));
            let input = Input { x: x.operand(), added: None, rows, n, epsilon: 1e-3 };
            rms_norm(host, input, weight.operand(), y.operand()).unwrap();
            rms_norm_back(host, input, weight.operand(), dy.operand(), dx.operand()).unwrap();
            vec![y, dx]
        });
        let x = variable(&x, &[rows, n]);
        let y = ops::rms_norm(&x, &tensor(&weight, &[n]), 1e-3).unwrap();
        close(&found[0], &flat(&y), tolerance, &format!("{kind:?} {rows} x {n}"));
        close(&found[1], &gradients(&y, &dy, &[&x])[0], 4.0 * tolerance, &format!("{kind:?} {rows} x {n}, gradient"));
    }
}

/// Far from 0 a variance of E[x^2] - E[x]^2 would be noise.
#[test]
fn a_norm_far_from_zero_keeps_its_digits() {
    let (n, kind) = (64, crate::recipe::Kind::F32);
    let x: Vec<f64> = values(n, 1, kind).iter().map(|x| f64::from((x + 1000.0) as f32)).collect();
    let (weight, bias) = (vec![1.0; n], vec![0.0; n]);
    let found = run(|host| {
        let [x, weight, bias] = [&x, &weight, &bias].map(|values| Held::of(values, kind));
        let y = Held::empty(n, kind);
        let input = Input { x: x.operand(), added: None, rows: 1, n, epsilon: 1e-5 };
        layer_norm(host, input, weight.operand(), bias.operand(), y.operand()).unwrap();
        vec![y]
    });
    let y = ops::layer_norm(&tensor(&x, &[1, n]), &tensor(&weight, &[n]), &tensor(&bias, &[n]), 1e-5).unwrap();
    close(&found[0], &flat(&y), 1e-3, "x + 1000");
}
