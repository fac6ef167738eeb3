use crate::host::{Held, table};
use crate::recipe::linear::Weight;
use crate::recipe::loss::{Loss, loss_and_slopes};
use crate::recipe::{Kind, Room};
use crate::{close, flat, run, tensor, values, variable};
use autolora::ops::{LossRule, vocabulary_loss};

#[test]
fn the_loss_in_chunks_and_its_slopes_are_the_cpus() {
    for (kind, stored, tolerance) in [
        (Kind::F64, Kind::F64, 1e-12),
        (Kind::F32, Kind::F32, 1e-5),
        (Kind::F32, Kind::Bf16, 1e-2),
        (Kind::F32, Kind::F16, 2e-3),
    ] {
        for (places, hidden, vocabulary, cap, smoothing) in
            [(1, 3, 7, None, 0.0), (5, 9, 33, Some(0.9), 0.0), (5, 9, 33, None, 0.2), (7, 5, 1030, Some(2.0), 0.1)]
        {
            let (x, w) = (values(places * hidden, 1, kind), values(vocabulary * hidden, 2, stored));
            let targets: Vec<u32> = (0..places).map(|i| ((i * 31 + 2) % vocabulary) as u32).collect();
            let found = run(|host| {
                let (x, w, targets) = (Held::of(&x, kind), Held::of(&w, stored), table(&targets));
                let (sum, slopes) = (Held::empty(1, kind), Held::empty(places * hidden, kind));
                let weight = Weight { operand: w.operand(), outputs: vocabulary, inputs: hidden, is_transposed: false };
                let of =
                    Loss { x: x.operand(), targets: targets.address(), places, cap: cap.unwrap_or(0.0), smoothing };
                // The last chunk is not whole.
                loss_and_slopes(host, of, &weight, (sum.operand(), slopes.operand()), 2).unwrap();
                vec![sum, slopes]
            });
            let x = variable(&x, &[places, hidden]);
            let rule = LossRule { cap, smoothing };
            let loss = vocabulary_loss(&x, &tensor(&w, &[vocabulary, hidden]), &targets, rule).unwrap();
            let what = format!("{kind:?} by {stored:?}, {places} places, cap {cap:?}, smoothing {smoothing}");
            close(&found[0], &flat(&loss), tolerance, &what);
            let by_x = loss.backward().unwrap();
            close(&found[1], &flat(by_x.get(&x).unwrap()), tolerance, &format!("{what}: slopes"));
        }
    }
}
