use crate::host::Held;
use crate::recipe::Kind;
use crate::recipe::activation::{Gated, biased_curve, curve, curve_back, gate, gate_back};
use crate::{KINDS, close, flat, gradients, run, tensor, values, variable};
use autolora::ops::{self, Curve};

const CURVES: [Curve; 3] = [Curve::Gelu, Curve::GeluTanh, Curve::Silu];

/// Wide enough that the curves bend.
fn wide(count: usize, salt: u64, kind: Kind) -> Vec<f64> {
    values(count, salt, kind).iter().map(|x| 8.0 * x).collect()
}

#[test]
fn curves_and_their_slopes_are_the_cpus() {
    for (kind, tolerance) in KINDS {
        for (count, (number, of)) in [1, 33, 5000].into_iter().zip(CURVES.into_iter().enumerate()) {
            let (x, dy) = (wide(count, 1, kind), values(count, 2, kind));
            let found = run(|host| {
                let (x, dy) = (Held::of(&x, kind), Held::of(&dy, kind));
                let [y, dx] = [(); 2].map(|()| Held::empty(count, kind));
                curve(host, x.operand(), y.operand(), count, number).unwrap();
                curve_back(host, (x.operand(), dy.operand()), dx.operand(), count, number).unwrap();
                vec![y, dx]
            });
            let x = variable(&x, &[count]);
            let y = ops::curve(&x, of).unwrap();
            close(&found[0], &flat(&y), tolerance, &format!("{kind:?} {of:?}"));
            close(&found[1], &gradients(&y, &dy, &[&x])[0], tolerance, &format!("{kind:?} {of:?}, slope"));
        }
    }
}

#[test]
fn gates_in_both_layouts_are_the_cpus() {
    for (kind, tolerance) in KINDS {
        for (n, (number, of)) in [1, 7, 33].into_iter().zip(CURVES.into_iter().enumerate()) {
            let rows = 3;
            let (packed, dy) = (wide(rows * 2 * n, 1, kind), values(rows * n, 2, kind));
            let found = run(|host| {
                let (x, dy) = (Held::of(&packed, kind), Held::of(&dy, kind));
                let (y, dx) = (Held::empty(rows * n, kind), Held::empty(rows * 2 * n, kind));
                let gates = x.operand().skip(n);
                let gated = Gated { units: x.operand(), gates, rows, n, stride: 2 * n, curve: number };
                gate(host, gated, y.operand()).unwrap();
                gate_back(host, gated, dy.operand(), (dx.operand(), dx.operand().skip(n))).unwrap();
                vec![y, dx]
            });
            let x = variable(&packed, &[rows, 2 * n]);
            let y = ops::packed_gate(&x, of).unwrap();
            close(&found[0], &flat(&y), tolerance, &format!("{kind:?} {of:?}"));
            close(&found[1], &gradients(&y, &dy, &[&x])[0], tolerance, &format!("{kind:?} {of:?}, gradient"));

            let (units, gates) = packed.split_at(rows * n);
            let found = run(|host| {
                let [units, gates, dy] = [units, gates, &dy].map(|values| Held::of(values, kind));
                let [y, d_units, d_gates] = [(); 3].map(|()| Held::empty(rows * n, kind));
                let (units, gates) = (units.operand(), gates.operand());
                let gated = Gated { units, gates, rows, n, stride: n, curve: number };
                gate(host, gated, y.operand()).unwrap();
                gate_back(host, gated, dy.operand(), (d_units.operand(), d_gates.operand())).unwrap();
                vec![y, d_units, d_gates]
            });
            let (units, gates) = (variable(units, &[rows, n]), variable(gates, &[rows, n]));
            let y = ops::gate(&units, &gates, of).unwrap();
            let by = gradients(&y, &dy, &[&units, &gates]);
            for (found, expected) in found.iter().zip([&flat(&y), &by[0], &by[1]]) {
                close(found, expected, tolerance, &format!("{kind:?} {of:?}, apart"));
            }
        }
    }
}

/// The units get their bias, the values are rounded for a product in 16 bits, and so are the slopes.
#[test]
fn a_curve_behind_a_bias_gives_what_the_next_product_takes() {
    let (rows, n) = (3, 33);
    for (into, tolerance) in [(Kind::F32, 1e-5), (Kind::Bf16, 1e-2)] {
        let (x, bias, dy) = (wide(rows * n, 1, Kind::F32), values(n, 2, Kind::F32), values(rows * n, 3, Kind::F32));
        let found = run(|host| {
            let [units, bias, dy] = [&x, &bias, &dy].map(|values| Held::of(values, Kind::F32));
            let [values, dx] = [(); 2].map(|()| Held::empty(rows * n, into));
            biased_curve(host, units.operand(), Some(bias.operand()), values.operand(), (rows, n), 0).unwrap();
            curve_back(host, (units.operand(), dy.operand()), dx.operand(), rows * n, 0).unwrap();
            vec![units, values, dx]
        });
        let units = tensor(&x, &[rows, n]).broadcast_add(&tensor(&bias, &[n])).unwrap();
        close(&found[0], &flat(&units), 1e-6, "units");
        let units = candle_core::Var::from_tensor(&units).unwrap();
        let y = ops::curve(&units, Curve::Gelu).unwrap();
        close(&found[1], &flat(&y), tolerance, "values");
        close(&found[2], &gradients(&y, &dy, &[&units])[0], tolerance, "slopes");
    }
}
