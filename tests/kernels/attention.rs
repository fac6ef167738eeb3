use crate::elementwise::{angles, mask, turn};
use crate::host::{Held, table};
use crate::recipe::Room;
use crate::recipe::attention::{Rows, Rule, Sizes, back, forward};
use crate::recipe::elementwise::Dropout;
use crate::recipe::positions::{Slopes, Tables};
use crate::{KINDS, close, flat, gradients, run, values, variable};
use autolora::ops::{self, Attention, Causal, Rope};
use candle_core::Tensor;
use std::sync::Arc;

const RULE: Rule = Rule {
    scale: 0.5,
    mask: None,
    first: None,
    window: None,
    cap: None,
    dropout: Dropout::NONE,
    rope: None,
    positions: None,
};

/// Two rows, the second of which has nothing but one key.
fn padding(length: usize) -> Vec<u8> {
    (0..2 * length).map(|i| u8::from(i <= length)).collect()
}

/// Elements of tokens alone: what padding gets means nothing.
fn of_tokens(mut values: Vec<f64>, mask: &[u8], width: usize) -> Vec<f64> {
    for (row, &keep) in values.chunks_mut(width).zip(mask) {
        row.iter_mut().for_each(|x| *x *= f64::from(keep));
    }
    values
}

/// Every bound of scores: all groups at once, one group, a few rows of one.
fn bounds(s: Sizes) -> [usize; 3] {
    [1 << 20, s.heads / s.kv_heads * s.queries * s.keys + 1, 5 * s.keys]
}

#[test]
fn attention_of_tokens_with_padding_window_rope_and_dropout_is_the_cpus() {
    let (batch, heads, d) = (2, 3, 4);
    let width = heads * d;
    for (kind, tolerance) in KINDS {
        for (length, window, p, theta) in [
            (1, None, 0.0, None),
            (7, None, 0.2, None),
            (33, Some(5), 0.0, Some(30.0)),
            (40, Some(40), 0.3, Some(30.0)),
        ] {
            let s =
                Sizes { batch, queries: length, keys: length, heads, kv_heads: heads, width: d, heads_first: false };
            let tokens = padding(length);
            let qkv = values(batch * length * 3 * width, 1, kind);
            // What padding gives back means nothing.
            let dy = of_tokens(values(batch * length * width, 2, kind), &tokens, width);
            let (drop, dropout) = mask(p, 11);
            let frequencies = Rope::frequencies(d, theta.unwrap_or(1.0));
            for bound in bounds(s) {
                let found = run(|host| {
                    let (qkv, dy, tokens) = (Held::of(&qkv, kind), Held::of(&dy, kind), table(&tokens));
                    let (y, d_qkv) =
                        (Held::empty(batch * length * width, kind), Held::empty(3 * batch * length * width, kind));
                    let (_tables, turn) = turn(&angles(length, &frequencies, 1.0), d / 2, kind.working());
                    let rows = |x: &Held| {
                        let [q, k, v] = [0, 1, 2].map(|n| x.operand().skip(n * width));
                        Rows { q, k, v, query_row: 3 * width, key_row: 3 * width, value_row: 3 * width }
                    };
                    let mask = Some(tokens.address());
                    let rule = Rule { mask, window, dropout, rope: theta.map(|_| turn), ..RULE };
                    forward(host, s, rows(&qkv), &rule, y.operand(), bound).unwrap();
                    back(host, s, (rows(&qkv), dy.operand()), &rule, (rows(&d_qkv), None), bound).unwrap();
                    vec![y, d_qkv]
                });
                let qkv = variable(&qkv, &[batch, length, 3 * width]);
                let with = Attention {
                    heads,
                    mask: tokens.clone().into(),
                    dropout: (p > 0.0).then_some(drop),
                    window,
                    rope: theta.map(|theta| Arc::new(Rope::new(length, d, theta))),
                };
                let y = ops::packed_attention(&qkv, &with).unwrap();
                let what = format!("{kind:?} length {length}, bound {bound}");
                let found_y = of_tokens(found[0].clone(), &tokens, width);
                close(&found_y, &of_tokens(flat(&y), &tokens, width), tolerance, &what);
                close(&found[1], &gradients(&y, &dy, &[&qkv])[0], 4.0 * tolerance, &format!("{what}: gradient"));
            }
        }
    }
}

#[test]
fn causal_attention_with_shared_heads_cap_and_first_keys_is_the_cpus() {
    let (batch, d) = (2, 6);
    for (kind, tolerance) in KINDS {
        for (queries, keys, heads, kv_heads, cap, p) in
            [(1, 7, 4, 1, None, 0.0), (3, 11, 6, 2, Some(0.8), 0.2), (9, 9, 2, 1, None, 0.3), (33, 33, 4, 2, None, 0.0)]
        {
            let s = Sizes { batch, queries, keys, heads, kv_heads, width: d, heads_first: false };
            // Left padding, packed texts, and for some a place after the query's own.
            let first: Vec<u32> =
                (0..batch * queries).map(|i| (i % queries / 4 * 3 + i / queries * 9) as u32).collect();
            let [q, dy] = [1, 2].map(|salt| values(batch * queries * heads * d, salt, kind));
            let [k, v] = [3, 4].map(|salt| values(batch * keys * kv_heads * d, salt, kind));
            let (drop, dropout) = mask(p, 13);
            for bound in bounds(s) {
                let found = run(|host| {
                    let [q, k, v, dy] = [&q, &k, &v, &dy].map(|values| Held::of(values, kind));
                    let first = table(&first);
                    let rows = |q: &Held, k: &Held, v: &Held| {
                        let [q, k, v] = [q, k, v].map(Held::operand);
                        Rows { q, k, v, query_row: heads * d, key_row: kv_heads * d, value_row: kv_heads * d }
                    };
                    let rule = Rule { scale: 0.31, first: Some(first.address()), cap, dropout, ..RULE };
                    let y = Held::empty(batch * queries * heads * d, kind);
                    forward(host, s, rows(&q, &k, &v), &rule, y.operand(), bound).unwrap();
                    let dq = Held::empty(batch * queries * heads * d, kind);
                    let [dk, dv] = [(); 2].map(|()| Held::empty(batch * keys * kv_heads * d, kind));
                    let into = rows(&dq, &dk, &dv);
                    back(host, s, (rows(&q, &k, &v), dy.operand()), &rule, (into, None), bound).unwrap();
                    vec![y, dq, dk, dv]
                });
                let (q, dims) = (variable(&q, &[batch, queries, heads * d]), [batch, keys, kv_heads * d]);
                let (k, v) = (variable(&k, &dims), variable(&v, &dims));
                let dropout = (p > 0.0).then_some(drop);
                let with = Causal { heads, kv_heads, scale: 0.31, cap, first: first.clone().into(), dropout };
                let y: Tensor = ops::causal_attention(&q, &k, &v, &with).unwrap();
                let what = format!("{kind:?} {queries} of {keys}, bound {bound}");
                close(&found[0], &flat(&y), tolerance, &what);
                for (i, expected) in gradients(&y, &dy, &[&q, &k, &v]).iter().enumerate() {
                    close(&found[i + 1], expected, 4.0 * tolerance, &format!("{what}: gradient {i}"));
                }
            }
        }
    }
}

#[test]
fn attention_with_relative_positions_is_the_cpus() {
    let (batch, heads, d, length, rows) = (3, 2, 4, 9, 6);
    let width = heads * d;
    // Distances beyond 2 share a row, and nothing has the last one.
    let index: Vec<u32> = (-8i32..=8).map(|by| (by.clamp(-2, 2) + 2) as u32).collect();
    let mut places: Vec<u32> = (0..index.len() as u32).collect();
    places.sort_by_key(|&place| index[place as usize]);
    let starts: Vec<u32> = (0..=5).map(|row| index.iter().filter(|&&of| of < row).count() as u32).collect();
    let tokens: Vec<u8> = (0..batch * length).map(|i| u8::from(i <= 2 * length)).collect();
    let (drop, dropout) = mask(0.2, 17);
    for (kind, tolerance) in &KINDS[..2] {
        let (kind, tolerance) = (*kind, *tolerance);
        for (by_key, by_query) in [(true, true), (true, false), (false, true)] {
            let s = Sizes { batch, queries: length, keys: length, heads, kv_heads: heads, width: d, heads_first: true };
            let (qk, v) = (values(batch * length * 2 * width, 1, kind), values(batch * length * width, 2, kind));
            let dy = of_tokens(values(batch * length * width, 3, kind), &tokens, width);
            let (keys, queries) = (values(rows * width, 4, kind), values(rows * width, 5, kind));
            let cost = length * (length + rows * (usize::from(by_key) + usize::from(by_query)));
            // All at once; a head with all rows of the batch; two of the three rows; one.
            for bound in [1 << 20, 4 * cost * batch / 2, 4 * cost, 1] {
                let found = run(|host| {
                    let [qk, v, dy, keys, queries] = [&qk, &v, &dy, &keys, &queries].map(|x| Held::of(x, kind));
                    let (tokens, index) = (table(&tokens), table(&index));
                    let (starts, places) = (table(&starts), table(&places));
                    let [d_qk, d_v, d_keys, d_queries] =
                        [2 * batch * length, batch * length, rows, rows].map(|count| Held::empty(count * width, kind));
                    let lie = |qk: &Held, v: &Held| {
                        let (q, k, v) = (qk.operand(), qk.operand().skip(width), v.operand());
                        Rows { q, k, v, query_row: 2 * width, key_row: 2 * width, value_row: width }
                    };
                    let tables = Tables {
                        keys: by_key.then(|| keys.operand()),
                        queries: by_query.then(|| queries.operand()),
                        row: width,
                        rows,
                        index: index.address(),
                        starts: starts.address(),
                        places: places.address(),
                        known: 5,
                    };
                    let mask = Some(tokens.address());
                    let rule = Rule { scale: 0.3, mask, dropout, positions: Some(tables), ..RULE };
                    let y = Held::empty(batch * length * width, kind);
                    forward(host, s, lie(&qk, &v), &rule, y.operand(), bound).unwrap();
                    let by_table = Slopes { keys: Some(d_keys.operand()), queries: Some(d_queries.operand()) };
                    let into = (lie(&d_qk, &d_v), Some(by_table));
                    back(host, s, (lie(&qk, &v), dy.operand()), &rule, into, bound).unwrap();
                    let mut found = vec![y, d_qk, d_v];
                    found.extend(by_key.then_some(d_keys).into_iter().chain(by_query.then_some(d_queries)));
                    found
                });
                let (qk, v) = (variable(&qk, &[batch, length, 2 * width]), variable(&v, &[batch, length, width]));
                let (keys, queries) = (variable(&keys, &[rows, width]), variable(&queries, &[rows, width]));
                let with = Attention::full(heads, tokens.clone().into(), Some(drop));
                let positions = ops::Positions {
                    keys: by_key.then_some(keys.as_tensor()),
                    queries: by_query.then_some(queries.as_tensor()),
                    index: index.clone().into(),
                    scale: 0.3,
                };
                let (q, k) = (qk.narrow(2, 0, width).unwrap(), qk.narrow(2, width, width).unwrap());
                let y = ops::disentangled_attention(&q, &k, &v, &positions, &with).unwrap();
                let what = format!("{kind:?} by key {by_key}, by query {by_query}, bound {bound}");
                let found_y = of_tokens(found[0].clone(), &tokens, width);
                close(&found_y, &of_tokens(flat(&y), &tokens, width), tolerance, &what);
                let mut operands = vec![&qk, &v];
                operands.extend(by_key.then_some(&keys).into_iter().chain(by_query.then_some(&queries)));
                for (i, expected) in gradients(&y, &dy, &operands).iter().enumerate() {
                    close(&found[i + 1], expected, 4.0 * tolerance, &format!("{what}: gradient {i}"));
                }
            }
        }
    }
}
