use crate::check;
use autolora::ops::{self, Attention, Causal, Mask, Positions, Rope};
use candle_core::{DType, Result, Tensor};
use std::sync::Arc;

/// Two rows, the second padded behind two thirds.
fn with(length: usize, heads: usize, window: Option<usize>, theta: Option<f64>) -> Attention {
    let mask = (0..2 * length).map(|i| u8::from(i < length + length.div_ceil(3) * 2)).collect();
    let rope = theta.map(|theta| Arc::new(Rope::new(length, 8, theta)));
    Attention { heads, mask, dropout: Some(Mask::new(0.2, 5)), window, rope }
}

/// What padding gets means nothing: only tokens are compared.
fn of_tokens(y: Tensor, with: &Attention) -> Result<Tensor> {
    let (batch, length, _) = y.dims3()?;
    let tokens: Vec<f32> = with.mask.iter().map(|&keep| keep.into()).collect();
    let tokens = Tensor::from_vec(tokens, (batch, length, 1), y.device())?.to_dtype(y.dtype())?;
    y.broadcast_mul(&tokens)
}

#[test]
fn of_tokens_with_padding_windows_and_ropes() {
    for (length, window, theta) in
        [(1, None, None), (7, None, None), (130, Some(9), Some(30.0)), (256, None, Some(30.0))]
    {
        let with = with(length, 3, window, theta);
        let shape = [2, length, 24];
        check(&format!("attention {length}"), 5e-5, &[&shape, &shape, &shape], |_, x| {
            of_tokens(ops::attention(&x[0], &x[1], &x[2], &with)?, &with)
        });
        check(&format!("packed attention {length}"), 5e-5, &[&[2, length, 72]], |_, x| {
            of_tokens(ops::packed_attention(&x[0], &with)?, &with)
        });
    }
}

#[test]
fn causal_with_shared_heads_caps_and_first_keys() {
    for (queries, keys, heads, kv_heads, cap) in
        [(1, 7, 4, 1, None), (3, 11, 6, 2, Some(0.8)), (200, 200, 4, 2, None), (64, 64, 2, 2, Some(2.0))]
    {
        let first = (0..2 * queries).map(|i| (i % queries / 4 * 3) as u32).collect();
        let dropout = Some(Mask::new(0.2, 5));
        let with = Causal { heads, kv_heads, scale: 0.31, cap, first, dropout };
        let (q, k) = ([2, queries, heads * 8], [2, keys, kv_heads * 8]);
        check(&format!("causal attention {queries} of {keys}"), 5e-5, &[&q, &k, &k], |_, x| {
            ops::causal_attention(&x[0], &x[1], &x[2], &with)
        });
    }
}

/// Distances beyond 2 share a row.
fn attend(x: &[Tensor], keys: Option<&Tensor>, queries: Option<&Tensor>) -> Result<Tensor> {
    let with = with(9, 3, None, None);
    let index: Arc<[u32]> = (-8i32..=8).map(|by| (by.clamp(-2, 2) + 2) as u32).collect();
    let positions = Positions { keys, queries, index, scale: 0.3 };
    of_tokens(ops::disentangled_attention(&x[0], &x[1], &x[2], &positions, &with)?, &with)
}

#[test]
fn with_relative_positions() {
    let (shape, table) = ([2, 9, 24], [5, 24]);
    check("disentangled attention", 5e-5, &[&shape, &shape, &shape], |side, x| {
        let [keys, queries] = [7, 8].map(|salt| side.frozen(&table, salt, DType::F32));
        attend(x, Some(&keys), Some(&queries))
    });
    check("tables are tracked", 5e-5, &[&shape, &shape, &shape, &table, &table], |_, x| {
        attend(x, Some(&x[3]), Some(&x[4]))
    });
    check("position keys alone", 5e-5, &[&shape, &shape, &shape, &table], |_, x| attend(x, Some(&x[3]), None));
    check("position queries alone", 5e-5, &[&shape, &shape, &shape, &table], |_, x| attend(x, None, Some(&x[3])));
}
