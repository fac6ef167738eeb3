//! How many launches an operation costs: on a GPU a small training step is bound by them.

use crate::host::{Held, Host, table};
use crate::recipe::activation::{Gated, gate, gate_back};
use crate::recipe::attention::{Rows, Rule, Sizes, back, forward};
use crate::recipe::elementwise::Dropout;
use crate::recipe::linear::{self, FeedForward, Gradients, Update, Weight};
use crate::recipe::loss::{Loss, loss_and_slopes};
use crate::recipe::norm::{Input, layer_norm, layer_norm_back};
use crate::recipe::{Kind, Operand, Room};

/// Elements of whatever size a test needs, all of them 0.
fn zeros(kind: Kind) -> Held {
    Held::of(&[0.0; 4096], kind)
}

#[test]
fn a_norm_of_a_sum_and_a_gate_are_one_launch_each_way() {
    let (host, x) = (Host::new(false), zeros(Kind::F32));
    let x = x.operand();
    let input = Input { x, added: Some(x), rows: 2, n: 8, epsilon: 1e-5 };
    layer_norm(&host, input, x, x, x).unwrap();
    assert_eq!(host.launches(), 1);
    layer_norm_back(&host, input, x, x, x).unwrap();
    assert_eq!(host.launches(), 1);
    let gated = Gated { units: x, gates: x.skip(8), rows: 2, n: 8, stride: 16, curve: 0 };
    gate(&host, gated, x).unwrap();
    assert_eq!(host.launches(), 1);
    gate_back(&host, gated, x, (x, x.skip(8))).unwrap();
    assert_eq!(host.launches(), 1);
}

/// Launches forward and back of a layer, of one with an update, of two with a non-linearity between them.
fn of_layers(stored: Kind) -> [(usize, usize); 3] {
    let host = Host::new(false);
    let (x, w, out) = (zeros(Kind::F32), zeros(stored), zeros(Kind::F32));
    let (x, y) = (x.operand(), out.operand());
    let weight = Weight { operand: w.operand(), outputs: 8, inputs: 8, is_transposed: false };
    let update = Update { a: x, b: x, rank: 2 };
    let layers = FeedForward { inner: &weight, inner_bias: Some(x), outer: &weight, outer_bias: Some(x), curve: 0 };
    linear::forward(&host, x, &weight, Some(x), y, 4).unwrap();
    let there = [host.launches(), {
        linear::lora_forward(&host, x, (&weight, Some(x)), update, y, 4).unwrap();
        host.launches()
    }];
    linear::feed_forward(&host, x, layers, (y, y), 4).unwrap();
    let there = [there[0], there[1], host.launches()];
    linear::back(&host, x, &weight, y, 4).unwrap();
    let layer = host.launches();
    let into = Gradients { x: Some(y), a: Some(y), b: Some(y) };
    linear::lora_back(&host, (x, x), &weight, update, into, 4).unwrap();
    let updated = host.launches();
    linear::feed_forward_back(&host, (x, x), layers, y, 4).unwrap();
    let back = [layer, updated, host.launches()];
    [0, 1, 2].map(|i| (there[i], back[i]))
}

#[test]
fn layers_cost_their_products_a_bias_and_a_rounding() {
    assert_eq!(of_layers(Kind::F32), [(2, 1), (4, 6), (4, 3)]);
    assert_eq!(of_layers(Kind::Bf16), [(3, 2), (5, 7), (5, 4)]);
    // A rounding before each product and a scaling after it.
    assert_eq!(of_layers(Kind::F16), [(3, 3), (5, 8), (7, 7)]);
}

#[test]
fn attention_is_ten_launches_back_and_five_forward() {
    let (host, x, mask) = (Host::new(false), zeros(Kind::F32), table(&[1u8; 64]));
    let x = x.operand();
    let s = Sizes { batch: 2, queries: 8, keys: 8, heads: 2, kv_heads: 2, width: 4, heads_first: false };
    let rows = Rows { q: x, k: x, v: x, query_row: 8, key_row: 8, value_row: 8 };
    let dropout = Dropout { key: 3, limit: 1 << 30, scale: 1.3 };
    let mask = Some(mask.address());
    let rule = Rule { scale: 0.5, mask, first: None, window: None, cap: None, dropout, rope: None, positions: None };
    forward(&host, s, rows, &rule, x, 1 << 20).unwrap();
    assert_eq!(host.launches(), 5);
    back(&host, s, (rows, x), &rule, (rows, None), 1 << 20).unwrap();
    assert_eq!(host.launches(), 10);
}

#[test]
fn a_loss_is_three_launches_for_each_chunk_and_two() {
    let host = Host::new(false);
    let (x, w, targets) = (zeros(Kind::F32), zeros(Kind::Bf16), table(&[0u32; 8]));
    let x: Operand = x.operand();
    let weight = Weight { operand: w.operand(), outputs: 32, inputs: 8, is_transposed: false };
    let of = Loss { x, targets: targets.address(), places: 8, cap: 0.0, smoothing: 0.0 };
    loss_and_slopes(&host, of, &weight, (x, x), 4).unwrap();
    // Logits, slopes, and their product, twice; the states' rounding and the sum.
    assert_eq!(host.launches(), 2 * 3 + 2);
}
