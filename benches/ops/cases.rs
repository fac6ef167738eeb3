//! What is timed: each operation with operands, and candle's way to the same result.

use autolora::ops::{
    Attention, Causal, Curve, LossRule, add_layer_norm, attention, causal_attention, curve, dropout, feed_forward,
    frozen_linear, lora_linear, packed_gate, rms_norm, vocabulary_loss,
};
use autolora::ops::{Mask, layer_norm};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops::{layer_norm_slow, rms_norm_slow, softmax};

const ROWS: usize = 16;
const LENGTH: usize = 64;
const WIDTH: usize = 768;
const HEADS: usize = 12;
const UNITS: usize = 4 * WIDTH;
const RANK: usize = 8;
const PLACES: usize = ROWS * LENGTH;

/// Whose operations.
#[derive(Clone, Copy)]
pub enum Way {
    Ours,
    Candle,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Way::Ours => "ours",
            Way::Candle => "candle",
        }
    }
}

type Run = Box<dyn Fn(&[Tensor], &[Tensor]) -> Result<Tensor>>;

/// An operation with its operands.
pub struct Case {
    pub name: &'static str,
    /// Floating-point operations of the way forward, or elements where there is no product.
    pub operations: u64,
    tracked: Vec<Var>,
    frozen: Vec<Tensor>,
    /// What the result is multiplied by before it is summed.
    pub slopes: Tensor,
    ours: Run,
    candle: Run,
}

impl Case {
    /// The result; `back`: differentiable.
    pub fn run(&self, way: Way, back: bool) -> Result<Tensor> {
        let operand = |var: &Var| if back { var.as_tensor().clone() } else { var.as_detached_tensor() };
        let tracked: Vec<Tensor> = self.tracked.iter().map(operand).collect();
        match way {
            Way::Ours => (self.ours)(&tracked, &self.frozen),
            Way::Candle => (self.candle)(&tracked, &self.frozen),
        }
    }
}

struct Maker<'a> {
    device: &'a Device,
    cases: Vec<Case>,
}

impl Maker<'_> {
    fn tensor(&self, shape: &[usize], salt: f32) -> Result<Tensor> {
        let count = shape.iter().product();
        let values = (0..count).map(|i| (i as f32 * 0.37 + salt).sin() * 0.5).collect();
        Tensor::from_vec::<_, f32>(values, shape, self.device)
    }

    fn add(
        &mut self,
        (name, operations): (&'static str, usize),
        tracked: &[&[usize]],
        frozen: &[&[usize]],
        ours: impl Fn(&[Tensor], &[Tensor]) -> Result<Tensor> + 'static,
        candle: impl Fn(&[Tensor], &[Tensor]) -> Result<Tensor> + 'static,
    ) -> Result<()> {
        let tracked =
            tracked.iter().map(|shape| Var::from_tensor(&self.tensor(shape, 0.1)?)).collect::<Result<Vec<_>>>()?;
        let frozen = frozen.iter().map(|shape| self.tensor(shape, 0.7)).collect::<Result<Vec<_>>>()?;
        let operands: Vec<Tensor> = tracked.iter().map(Var::as_detached_tensor).collect();
        let slopes = self.tensor(ours(&operands, &frozen)?.dims(), 0.3)?;
        let (ours, candle) = (Box::new(ours), Box::new(candle));
        self.cases.push(Case { name, operations: operations as u64, tracked, frozen, slopes, ours, candle });
        Ok(())
    }
}

fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.broadcast_matmul(&weight.t()?)?;
    bias.map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
}

/// All cases, on a device.
pub fn cases(device: &Device) -> Result<Vec<Case>> {
    let mut maker = Maker { device, cases: Vec::new() };
    let states: &[usize] = &[ROWS, LENGTH, WIDTH];
    let units: &[usize] = &[ROWS, LENGTH, UNITS];
    products(&mut maker, states)?;
    let elements = PLACES * WIDTH;
    maker.add(
        ("layer norm", elements),
        &[states],
        &[&[WIDTH], &[WIDTH]],
        |x, w| layer_norm(&x[0], &w[0], &w[1], 1e-5),
        |x, w| layer_norm_slow(&x[0], &w[0], &w[1], 1e-5),
    )?;
    maker.add(
        ("norm of a sum", elements),
        &[states, states],
        &[&[WIDTH], &[WIDTH]],
        |x, w| add_layer_norm(&x[0], &x[1], &w[0], &w[1], 1e-5),
        |x, w| layer_norm_slow(&(&x[0] + &x[1])?, &w[0], &w[1], 1e-5),
    )?;
    maker.add(
        ("RMS norm", elements),
        &[states],
        &[&[WIDTH]],
        |x, w| rms_norm(&x[0], &w[0], 1e-6),
        |x, w| rms_norm_slow(&x[0], &w[0], 1e-6),
    )?;
    maker.add(("GELU", PLACES * UNITS), &[units], &[], |x, _| curve(&x[0], Curve::Gelu), |x, _| x[0].gelu_erf())?;
    maker.add(
        ("packed SiLU gate", PLACES * UNITS),
        &[&[ROWS, LENGTH, 2 * UNITS]],
        &[],
        |x, _| packed_gate(&x[0], Curve::Silu),
        |x, _| x[0].narrow(D::Minus1, 0, UNITS)?.silu()? * x[0].narrow(D::Minus1, UNITS, UNITS)?,
    )?;
    maker.add(
        ("dropout", elements),
        &[states],
        &[],
        |x, _| dropout(&x[0], Mask::new(0.1, 1)),
        |x, _| candle_nn::ops::dropout(&x[0], 0.1),
    )?;
    attentions(&mut maker)?;
    maker.add(
        ("cross-entropy of a vocabulary", 2 * 256 * WIDTH * 50_257),
        &[&[256, WIDTH]],
        &[&[50_257, WIDTH]],
        |x, w| vocabulary_loss(&x[0], &w[0], &targets(), LossRule::default()),
        |x, w| {
            let logits = x[0].matmul(&w[0].t()?)?;
            candle_nn::loss::cross_entropy(&logits, &Tensor::new(targets(), x[0].device())?)
        },
    )?;
    Ok(maker.cases)
}

fn targets() -> Vec<u32> {
    (0..256).map(|place| place * 191).collect()
}

fn products(maker: &mut Maker, states: &[usize]) -> Result<()> {
    maker.add(
        ("frozen linear", 2 * PLACES * WIDTH * WIDTH),
        &[states],
        &[&[WIDTH, WIDTH], &[WIDTH]],
        |x, w| frozen_linear(&x[0], &w[0], Some(&w[1])),
        |x, w| linear(&x[0], &w[0], Some(&w[1])),
    )?;
    maker.add(
        ("LoRA linear", 2 * PLACES * WIDTH * (WIDTH + 2 * RANK)),
        &[states, &[RANK, WIDTH], &[WIDTH, RANK]],
        &[&[WIDTH, WIDTH], &[WIDTH]],
        |x, w| lora_linear(&x[0], (&w[0], Some(&w[1])), &x[1], &x[2]),
        |x, w| linear(&x[0], &w[0], Some(&w[1]))? + linear(&linear(&x[0], &x[1], None)?, &x[2], None)?,
    )?;
    maker.add(
        ("feed-forward", 4 * PLACES * WIDTH * UNITS),
        &[states],
        &[&[UNITS, WIDTH], &[UNITS], &[WIDTH, UNITS], &[WIDTH]],
        |x, w| feed_forward(&x[0], (&w[0], Some(&w[1])), Curve::Gelu, (&w[2], Some(&w[3]))),
        |x, w| linear(&linear(&x[0], &w[0], Some(&w[1]))?.gelu_erf()?, &w[2], Some(&w[3])),
    )
}

/// Both kinds at 16 x 64, and one of long rows: 2 x 512 tokens have as many.
fn attentions(maker: &mut Maker) -> Result<()> {
    for (name, rows, length) in [("attention, 16 x 64", ROWS, LENGTH), ("attention, 2 x 512", 2, 512)] {
        let shape: &[usize] = &[rows, length, WIDTH];
        let mask: std::sync::Arc<[u8]> = vec![1; rows * length].into();
        maker.add(
            (name, 4 * rows * length * length * WIDTH),
            &[shape, shape, shape],
            &[],
            move |x, _| attention(&x[0], &x[1], &x[2], &Attention::full(HEADS, mask.clone(), None)),
            move |x, _| composed(x, None),
        )?;
    }
    let (rows, length) = (ROWS, LENGTH);
    let shape: &[usize] = &[rows, length, WIDTH];
    let first: std::sync::Arc<[u32]> = vec![0; rows * length].into();
    let unseen = (0..length * length).map(|place| if place % length > place / length { f32::MIN } else { 0.0 });
    let unseen = Tensor::from_vec(unseen.collect(), (length, length), maker.device)?.to_dtype(DType::F32)?;
    maker.add(
        ("causal attention, 16 x 64", 4 * rows * length * length * WIDTH),
        &[shape, shape, shape],
        &[],
        move |x, _| {
            let (cap, scale) = (None, 1.0 / ((WIDTH / HEADS) as f64).sqrt());
            let with = Causal { heads: HEADS, kv_heads: HEADS, scale, cap, first: first.clone(), dropout: None };
            causal_attention(&x[0], &x[1], &x[2], &with)
        },
        move |x, _| composed(x, Some(&unseen)),
    )
}

/// softmax(q k^T / sqrt(d) + mask) v of candle's operations.
fn composed(x: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let (rows, length, _) = x[0].dims3()?;
    let width = WIDTH / HEADS;
    let heads = |x: &Tensor| x.reshape((rows, length, HEADS, width))?.transpose(1, 2)?.contiguous();
    let [q, k, v] = [heads(&x[0])?, heads(&x[1])?, heads(&x[2])?];
    let scores = (q.matmul(&k.t()?)? / (width as f64).sqrt())?;
    let scores = mask.map_or(Ok(scores.clone()), |mask| scores.broadcast_add(mask))?;
    softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(1, 2)?.reshape((rows, length, WIDTH))
}
