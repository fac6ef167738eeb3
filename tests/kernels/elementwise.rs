use crate::host::{Held, rounded, table};
use crate::recipe::elementwise::{Dropout, HeadRows, Turn, converted, dropout, repeat_rows, rotate};
use crate::recipe::{Kind, Room};
use crate::{KINDS, close, flat, gradients, run, tensor, values, variable};
use autolora::ops::{self, Mask, Rope};
use candle_core::DType;
use std::sync::Arc;

/// What kernels are told of a mask that drops `p`, as ops/dropout.rs derives it.
pub fn mask(p: f64, key: u64) -> (Mask, Dropout) {
    let limit = (p * f64::from(u32::MAX)) as u32;
    let scale = 1.0 / (1.0 - f64::from(limit) / f64::from(u32::MAX));
    (Mask::new(p, key), Dropout { key, limit, scale })
}

/// To the bit, in f32 and f64.
#[test]
fn dropout_masks_are_those_of_the_cpu_to_the_bit() {
    for (kind, dtype) in [(Kind::F32, DType::F32), (Kind::F64, DType::F64)] {
        for (p, key, count) in [(0.1, 7, 5000), (0.5, 1 << 40, 33), (0.0, 3, 7), (0.9, u64::MAX, 1030)] {
            let x = values(count, 1, kind);
            let (mask, with) = mask(p, key);
            let found = run(|host| {
                let (x, y) = (Held::of(&x, kind), Held::empty(count, kind));
                dropout(host, x.operand(), y.operand(), count, with).unwrap();
                vec![y]
            });
            let y = ops::dropout(&tensor(&x, &[count]).to_dtype(dtype).unwrap(), mask).unwrap();
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found[0]), bits(&flat(&y.to_dtype(DType::F64).unwrap())), "{kind:?} {p}");
        }
    }
    // The mask of 16 bits drops the same elements.
    let (x, (_, with)) = (vec![1.0; 1000], mask(0.3, 5));
    let [narrow, wide] = [Kind::Bf16, Kind::F32].map(|kind| {
        let found = run(|host| {
            let (x, y) = (Held::of(&x, kind), Held::empty(1000, kind));
            dropout(host, x.operand(), y.operand(), 1000, with).unwrap();
            vec![y]
        });
        found[0].iter().map(|y| rounded(*y, Kind::Bf16)).collect::<Vec<_>>()
    });
    assert_eq!(narrow, wide);
}

/// Cosines and sines, as kernels take them, of a rope of these places.
pub fn turn(angles: &[(f64, f64)], half: usize, kind: Kind) -> ([Held; 2], Turn) {
    let held = [|a: &(f64, f64)| a.0, |a: &(f64, f64)| a.1]
        .map(|part| Held::of(&angles.iter().map(part).collect::<Vec<_>>(), kind));
    let turn = Turn { cosines: held[0].operand(), sines: held[1].operand(), half };
    (held, turn)
}

/// Cosine and sine of each place and pair, by the formula of `Rope::of`.
pub fn angles(length: usize, frequencies: &[f64], factor: f64) -> Vec<(f64, f64)> {
    let angle = |place: usize, frequency: f64| f64::from(place as f32 * frequency as f32);
    let places = (0..length).flat_map(|place| frequencies.iter().map(move |&frequency| angle(place, frequency)));
    places.map(|angle| (angle.cos() * factor, angle.sin() * factor)).collect()
}

#[test]
fn heads_are_turned_at_their_places_and_gradients_turned_back() {
    let (batch, length, width) = (2, 3, 12);
    let places = [0u32, 1, 8, 2, 0, 5];
    for (kind, tolerance) in KINDS {
        // Of two heads of 6 with 4 turned, and of one of 12.
        for (head_width, turned) in [(6, 4), (12, 12)] {
            let frequencies = Rope::frequencies(turned, 100.0);
            let (x, dy) = (values(batch * length * width, 1, kind), values(batch * length * width, 2, kind));
            let found = run(|host| {
                let (x, dy, places) = (Held::of(&x, kind), Held::of(&dy, kind), table(&places));
                let [y, dx] = [(); 2].map(|()| Held::empty(batch * length * width, kind));
                let (_tables, turn) = turn(&angles(9, &frequencies, 1.3), turned / 2, kind.working());
                let of = HeadRows { rows: batch * length, n: width, width: head_width };
                rotate(host, (x.operand(), y.operand()), of, places.address(), turn, 1.0).unwrap();
                rotate(host, (dy.operand(), dx.operand()), of, places.address(), turn, -1.0).unwrap();
                vec![y, dx]
            });
            let x = variable(&x, &[batch, length, width]);
            let rope = Arc::new(Rope::of(9, &frequencies, 1.3));
            let y = ops::rotate(&x, &rope, &places.into(), head_width).unwrap();
            close(&found[0], &flat(&y), tolerance, &format!("{kind:?}"));
            close(&found[1], &gradients(&y, &dy, &[&x])[0], tolerance, &format!("{kind:?}, back"));
        }
    }
}

#[test]
fn roundings_are_to_the_nearest_and_biases_fill_rows() {
    let x: Vec<f64> = values(1030, 1, Kind::F32).iter().map(|x| rounded(x * 100.0, Kind::F32)).collect();
    let bias = values(33, 2, Kind::Bf16);
    for (from, to) in [(Kind::F32, Kind::Bf16), (Kind::Bf16, Kind::F32), (Kind::F16, Kind::F32)] {
        let found = run(|host| {
            let (x, bias, rows) = (Held::of(&x, from), Held::of(&bias, from), Held::empty(3 * 33, to));
            let (room, y) = converted(host, x.operand(), to, 1030).unwrap();
            // What is of the kind already stays where it is.
            let (none, same) = converted(host, y, to, 1030).unwrap();
            assert!(none.is_none() && same.address == y.address);
            repeat_rows(host, bias.operand(), rows.operand(), (3, 33)).unwrap();
            vec![Held::in_room(room.unwrap(), to), rows]
        });
        let expected: Vec<f64> = x.iter().map(|&x| rounded(rounded(x, from), to)).collect();
        assert_eq!(found[0], expected, "{from:?} to {to:?}");
        let bias: Vec<f64> = bias.iter().map(|&b| rounded(rounded(b, from), to)).collect();
        assert_eq!(found[1], bias.repeat(3), "{from:?} to {to:?}");
    }
}
