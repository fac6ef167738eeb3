//! The operations of `crate::ops` as checks see them: what they are given, and what they give.

use crate::data::random::{stream, uniform};
use crate::ops::{
    Attention, Causal, Curve, LossRule, Mask, Positions, Rope, add_layer_norm, attention, causal_attention, curve,
    disentangled_attention, dropout, feed_forward, frozen_linear, gate, layer_norm, lora_linear, packed_attention,
    packed_gate, rms_norm, rotate, vocabulary_loss,
};
use candle_core::{DType, Device, Result, Tensor, Var};
use std::sync::Arc;

type Run = Box<dyn Fn(&[Tensor], &[Tensor]) -> Result<Tensor>>;

/// One operation on operands of fixed shapes, drawn from its name.
pub struct Operation {
    pub name: &'static str,
    /// Shapes of what it is differentiated by, and of what is frozen.
    tracked: Vec<Vec<usize>>,
    frozen: Vec<Vec<usize>>,
    /// Whether the frozen matrices are kept in 16 bits.
    pub half: bool,
    run: Run,
}

const BATCH: usize = 2;
const LENGTH: usize = 9;
const WIDTH: usize = 24;
const HEADS: usize = 3;

/// The rows of all cases: 2 of 9 tokens, of which the second row has 5.
fn mask() -> Arc<[u8]> {
    (0..BATCH * LENGTH).map(|place| u8::from(place < LENGTH + 5)).collect()
}

fn attending() -> Attention {
    Attention::full(HEADS, mask(), Some(Mask::new(0.1, 7)))
}

/// Every operation that a model is made of, each with its gradients.
pub fn all() -> Vec<Operation> {
    let states = || vec![BATCH, LENGTH, WIDTH];
    let of = |name, tracked: Vec<Vec<usize>>, frozen: Vec<Vec<usize>>, run: Run| Operation {
        name,
        tracked,
        frozen,
        half: false,
        run,
    };
    let linear = |name, half| Operation {
        half,
        ..of(
            name,
            vec![states(), vec![4, WIDTH], vec![10, 4]],
            vec![vec![10, WIDTH], vec![10]],
            Box::new(|x, w| lora_linear(&x[0], (&w[0], Some(&w[1])), &x[1], &x[2])),
        )
    };
    let feeding = |name, half| Operation {
        half,
        ..of(
            name,
            vec![states()],
            vec![vec![40, WIDTH], vec![40], vec![WIDTH, 40], vec![WIDTH]],
            Box::new(|x, w| feed_forward(&x[0], (&w[0], Some(&w[1])), Curve::Gelu, (&w[2], Some(&w[3])))),
        )
    };
    let mut all = vec![
        of(
            "frozen linear",
            vec![states()],
            vec![vec![10, WIDTH], vec![10]],
            Box::new(|x, w| frozen_linear(&x[0], &w[0], Some(&w[1]))),
        ),
        linear("LoRA linear", false),
        linear("LoRA linear, bf16", true),
        feeding("feed-forward", false),
        feeding("feed-forward, bf16", true),
        of(
            "layer norm",
            vec![states()],
            vec![vec![WIDTH], vec![WIDTH]],
            Box::new(|x, w| layer_norm(&x[0], &w[0], &w[1], 1e-5)),
        ),
        of(
            "norm of a sum",
            vec![states(), states()],
            vec![vec![WIDTH], vec![WIDTH]],
            Box::new(|x, w| add_layer_norm(&x[0], &x[1], &w[0], &w[1], 1e-5)),
        ),
        of("RMS norm", vec![states()], vec![vec![WIDTH]], Box::new(|x, w| rms_norm(&x[0], &w[0], 1e-6))),
        of("dropout", vec![states()], vec![], Box::new(|x, _| dropout(&x[0], Mask::new(0.3, 5)))),
    ];
    for (kind, alone, gated, packed) in [
        (Curve::Gelu, "GELU", "GELU gate", "packed GELU gate"),
        (Curve::GeluTanh, "GELU (tanh)", "GELU (tanh) gate", "packed GELU (tanh) gate"),
        (Curve::Silu, "SiLU", "SiLU gate", "packed SiLU gate"),
    ] {
        all.push(of(alone, vec![states()], vec![], Box::new(move |x, _| curve(&x[0], kind))));
        all.push(of(gated, vec![states(), states()], vec![], Box::new(move |x, _| gate(&x[0], &x[1], kind))));
        all.push(of(packed, vec![states()], vec![], Box::new(move |x, _| packed_gate(&x[0], kind))));
    }
    all.extend(attentions());
    all.push(of(
        "cross-entropy",
        vec![vec![6, WIDTH]],
        vec![vec![50, WIDTH]],
        Box::new(|x, w| {
            let rule = LossRule { cap: Some(3.0), smoothing: 0.1 };
            vocabulary_loss(&x[0], &w[0], &[3, 49, 0, 7, 7, 20], rule)
        }),
    ));
    all
}

fn attentions() -> Vec<Operation> {
    let states = || vec![BATCH, LENGTH, WIDTH];
    let of = |name, tracked: Vec<Vec<usize>>, run: Run| Operation { name, tracked, frozen: vec![], half: false, run };
    let rope = || Arc::new(Rope::new(LENGTH, WIDTH / HEADS, 10_000.0));
    vec![
        of(
            "attention",
            vec![states(), states(), states()],
            Box::new(|x, _| attention(&x[0], &x[1], &x[2], &attending())),
        ),
        of(
            "attention in a window",
            vec![vec![BATCH, LENGTH, 3 * WIDTH]],
            Box::new(move |x, _| {
                packed_attention(&x[0], &Attention { window: Some(2), rope: Some(rope()), ..attending() })
            }),
        ),
        of(
            "attention with positions",
            vec![states(), states(), states(), vec![6, WIDTH], vec![6, WIDTH]],
            Box::new(|x, _| {
                let index: Arc<[u32]> = (0..2 * LENGTH as u32 - 1).map(|place| place / 3).collect();
                let positions = Positions { keys: Some(&x[3]), queries: Some(&x[4]), index, scale: 0.2 };
                disentangled_attention(&x[0], &x[1], &x[2], &positions, &attending())
            }),
        ),
        of(
            "causal attention",
            vec![vec![BATCH, LENGTH, 2 * WIDTH], states(), states()],
            Box::new(|x, _| {
                // The second row begins behind two places of padding.
                let first = (0..BATCH * LENGTH).map(|place| if place < LENGTH { 0 } else { 2 }).collect();
                let (heads, dropout) = (2 * HEADS, Some(Mask::new(0.1, 3)));
                let with = Causal { heads, kv_heads: HEADS, scale: 0.3, cap: Some(5.0), first, dropout };
                causal_attention(&x[0], &x[1], &x[2], &with)
            }),
        ),
        of(
            "rotary positions",
            vec![states()],
            Box::new(|x, _| {
                let places: Arc<[u32]> = (0..(BATCH * LENGTH) as u32).map(|place| place / 2).collect();
                rotate(&x[0], &Arc::new(Rope::new(LENGTH, WIDTH / HEADS, 10_000.0)), &places, WIDTH / HEADS)
            }),
        ),
    ]
}

impl Operation {
    /// The result and the gradients of all that is tracked, in f64 on the CPU: computed on `device`, in f32, or in f64 where
    /// `exact`.
    ///
    /// # Errors
    /// What the operation fails with; an operand without a gradient.
    pub fn results(&self, device: &Device, exact: bool) -> Result<Vec<Tensor>> {
        let draw = |shape: &Vec<usize>, salt: u64| {
            let count = shape.iter().product();
            let values = uniform(&mut stream(salt, self.name, 0), count, 1.0);
            Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)
        };
        let there = |tensor: Tensor| tensor.to_dtype(if exact { DType::F64 } else { DType::F32 })?.to_device(device);
        let tracked = (0..).zip(&self.tracked);
        let tracked = tracked.map(|(salt, shape)| Ok(Var::from_tensor(&there(draw(shape, salt)?)?)?.into_inner()));
        let tracked = tracked.collect::<Result<Vec<Tensor>>>()?;
        let frozen = (100..).zip(&self.frozen).map(|(salt, shape)| {
            let tensor = draw(shape, salt)?;
            match (self.half && shape.len() == 2, exact) {
                (true, true) => there(tensor.to_dtype(DType::BF16)?.to_dtype(DType::F32)?),
                (true, false) => tensor.to_dtype(DType::BF16)?.to_device(device),
                (false, _) => there(tensor),
            }
        });
        let y = (self.run)(&tracked, &frozen.collect::<Result<Vec<Tensor>>>()?)?;
        let weight = there(draw(&y.dims().to_vec(), 200)?)?;
        let gradients = (&y * weight)?.sum_all()?.backward()?;
        let mut results = vec![y.detach()];
        for (place, operand) in tracked.iter().enumerate() {
            let gradient = gradients.get(operand).cloned();
            let none = || candle_core::Error::Msg(format!("{}: no gradient of operand {place}", self.name)).bt();
            results.push(gradient.ok_or_else(none)?);
        }
        results.iter().map(|result| result.to_device(&Device::Cpu)?.to_dtype(DType::F64)).collect()
    }
}
