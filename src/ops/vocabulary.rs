//! Cross-entropy over a vocabulary, without ever holding all logits: places are taken in chunks, and the gradient of
//! the hidden states is made with the loss.

use super::float::Float;
use super::kernel::{is_fused_on_cpu, on_gpu, vectorised};
use super::linear::{frozen_linear, is_served_on_gpu, times_frozen};
use super::sum::sum;
use candle_core::{CpuStorage, D, DType, InplaceOp1, Layout, Result, Tensor, bail};
use candle_nn::ops::log_softmax;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Logits in memory at once, about: 32 MB of f32.
const CHUNK_LOGITS: usize = 1 << 23;

/// What a loss over a vocabulary is besides its operands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossRule {
    /// Logits become cap tanh(logit / cap).
    pub cap: Option<f64>,
    /// Share of the target's weight that is spread evenly over all ids (PyTorch's `label_smoothing`).
    pub smoothing: f64,
}

/// The sum over places of -log p(target), p = softmax(cap(x W^T)), a scalar in f32 or, of f64 states, f64.
///
/// x (places, hidden), W (vocabulary, hidden), `targets` one id a place. A frozen W gets no gradient. On a GPU states in
/// another type than f32 are served by candle's own operations, with all logits at once.
pub fn vocabulary_loss(x: &Tensor, weight: &Tensor, targets: &[u32], rule: LossRule) -> Result<Tensor> {
    let (places, _) = x.dims2()?;
    let is_ours = is_fused_on_cpu(x) || x.dtype() == DType::F32 && is_served_on_gpu(x, weight, None);
    if !is_ours || weight.track_op() {
        let logits = capped(frozen_linear(x, weight, None)?, rule.cap)?;
        let logits = if logits.dtype() == DType::F64 { logits } else { logits.to_dtype(DType::F32)? };
        let targets = Tensor::from_slice(targets, places, x.device())?;
        return smoothed_losses(&logits, &targets, rule.smoothing)?.sum_all();
    }
    let (loss, slopes) = loss_and_slopes(&x.detach().contiguous()?, weight, targets, rule, x.track_op())?;
    let Some(slopes) = slopes else { return Ok(loss) };
    // x * slopes has the gradient; taken from itself without one it is exactly 0, so that the loss keeps its value.
    let linear = (x * slopes)?.sum_all()?;
    (&linear - linear.detach())? + loss
}

/// -(1 - s) log p(target) - s mean(log p) of each place: logits (places, classes), targets (places) -> (places).
pub fn smoothed_losses(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<Tensor> {
    let log_p = log_softmax(logits, D::Minus1)?;
    let of_target = log_p.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?;
    if smoothing == 0.0 {
        return of_target.neg();
    }
    (of_target * (smoothing - 1.0))? - (log_p.mean(D::Minus1)? * smoothing)?
}

/// cap tanh(x / cap).
pub fn capped(x: Tensor, cap: Option<f64>) -> Result<Tensor> {
    match cap {
        Some(cap) => (x / cap)?.tanh()? * cap,
        None => Ok(x),
    }
}

/// The loss, and where asked its gradient by x.
fn loss_and_slopes(
    x: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    rule: LossRule,
    wants_slopes: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let ((places, hidden), (vocabulary, _)) = (x.dims2()?, weight.dims2()?);
    if targets.len() != places {
        bail!("cross-entropy: {} targets for {places} places", targets.len());
    }
    if let Some(&target) = targets.iter().find(|&&target| target as usize >= vocabulary) {
        bail!("cross-entropy: target {target} is outside of the vocabulary of {vocabulary}");
    }
    on_gpu!(x => super::cuda::loss::loss_and_slopes(x, weight, targets, rule, wants_slopes));
    let step = (CHUNK_LOGITS / vocabulary.max(1)).max(16);
    let (mut loss, mut slopes) = (0.0, vec![Tensor::zeros((0, hidden), x.dtype(), x.device())?]);
    for from in (0..places).step_by(step) {
        let targets = &targets[from..(from + step).min(places)];
        let logits = frozen_linear(&x.narrow(0, from, targets.len())?, weight, None)?;
        let losses = Mutex::new(0.0);
        logits.inplace_op1(&LogitSlopes { targets, rule, loss: &losses })?;
        loss += losses.into_inner().unwrap_or_else(PoisonError::into_inner);
        if wants_slopes {
            slopes.push(times_frozen(&logits, weight)?);
        }
    }
    let loss = Tensor::new(loss, x.device())?.to_dtype(x.dtype())?;
    Ok((loss, wants_slopes.then(|| Tensor::cat(&slopes, 0)).transpose()?))
}

/// Turns rows of logits into the gradient of their cross-entropy, in place, and adds the losses up.
struct LogitSlopes<'a> {
    targets: &'a [u32],
    rule: LossRule,
    loss: &'a Mutex<f64>,
}

impl LogitSlopes<'_> {
    fn run<T: Float>(&self, logits: &mut [T]) {
        let n = logits.len() / self.targets.len().max(1);
        let mut losses = vec![0.0; self.targets.len()];
        let rows = logits.par_chunks_mut(n.max(1)).zip(&mut losses).zip(self.targets);
        rows.for_each(|((row, loss), &target)| {
            *loss = vectorised(
                #[inline(always)]
                || slopes_of_row(row, target as usize, self.rule),
            )
            .into();
        });
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = losses.iter().sum();
    }
}

/// softmax - target distribution in place of the logits, through the cap where there is one; returns the loss.
#[inline(always)]
fn slopes_of_row<T: Float>(row: &mut [T], target: usize, rule: LossRule) -> T {
    let cap = rule.cap.map(T::of);
    // What the target distribution has everywhere, and at the target besides.
    let everywhere = T::of(rule.smoothing / row.len() as f64);
    let besides = T::of(1.0 - rule.smoothing);
    if let Some(cap) = cap {
        let inverse = T::ONE / cap;
        for x in row.iter_mut() {
            *x = cap * (*x * inverse).hyperbolic_tangent();
        }
    }
    let highest = row.iter().fold(T::LOWEST, |highest, &x| if x > highest { x } else { highest });
    let total = sum(row, |x| (x - highest).exponential());
    let of_target = row[target];
    let mut expected = besides * of_target;
    if rule.smoothing > 0.0 {
        expected += everywhere * sum(row, |x| x);
    }
    let loss = total.logarithm() + highest - expected;
    let inverse = T::ONE / total;
    match cap {
        None => {
            for x in row.iter_mut() {
                *x = (*x - highest).exponential() * inverse - everywhere;
            }
            row[target] += -besides;
        }
        Some(cap) => {
            let scale = T::ONE / cap;
            let passed = |x: T| T::ONE - x * scale * (x * scale);
            for x in row.iter_mut() {
                *x = ((*x - highest).exponential() * inverse - everywhere) * passed(*x);
            }
            row[target] += -(besides * passed(of_target));
        }
    }
    loss
}

impl InplaceOp1 for LogitSlopes<'_> {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else { bail!("cross-entropy: logits must be contiguous") };
        match storage {
            CpuStorage::F32(logits) => self.run(&mut logits[start..end]),
            CpuStorage::F64(logits) => self.run(&mut logits[start..end]),
            _ => bail!("cross-entropy has a CPU kernel for f32 and f64 alone"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn values(shape: (usize, usize), by: f64) -> Tensor {
        let values = (0..shape.0 * shape.1).map(|i| (i as f64 * by).sin()).collect::<Vec<_>>();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// The chunked loss and its gradient are those of all logits at once, with a tracked weight and without.
    #[test]
    fn the_loss_in_chunks_is_the_loss_of_all_logits() {
        // Three chunks of 16 places.
        let (places, hidden, vocabulary) = (40, 5, CHUNK_LOGITS / 16);
        let x = Var::from_tensor(&values((places, hidden), 0.37)).unwrap();
        let small = values((7, hidden), 0.7);
        let large = values((vocabulary, hidden), 0.011);
        let rule = |cap, smoothing| LossRule { cap, smoothing };
        for (weight, rule) in [
            (&small, rule(None, 0.0)),
            (&small, rule(Some(0.9), 0.0)),
            (&small, rule(None, 0.2)),
            (&small, rule(Some(0.9), 0.2)),
            (&large, rule(None, 0.0)),
        ] {
            let targets: Vec<u32> = (0..places).map(|i| (i * 5 % weight.dim(0).unwrap()) as u32).collect();
            let tracked = Var::from_tensor(weight).unwrap();
            let ways = [weight, tracked.as_tensor()].map(|weight| {
                let loss = (vocabulary_loss(&x, weight, &targets, rule).unwrap() * 0.5).unwrap();
                let gradient = loss.backward().unwrap().get(&x).unwrap().clone();
                (loss.to_scalar::<f64>().unwrap(), gradient)
            });
            let [(ours, by_ours), (all, by_all)] = ways;
            assert!((ours - all).abs() < 1e-9 * all, "{ours} {all}");
            let difference = (by_ours - by_all).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(difference < 1e-11, "{difference}");
        }
    }

    /// `cross_entropy(z, y, label_smoothing=0.1, reduction="sum")` of PyTorch, z = x W^T or 0.9 tanh(x W^T / 0.9).
    #[test]
    fn smoothing_is_that_of_pytorch() {
        let x = Var::new(&[[0.3, -1.2, 0.7], [1.1, 0.4, -0.5]], &Device::Cpu).unwrap();
        let weight = [[0.5, 0.1, -0.3], [0.9, -0.2, 0.4], [-0.7, 0.6, 0.2], [0.05, 1.3, -0.8]];
        let weight = Tensor::new(&weight, &Device::Cpu).unwrap();
        let expected = [
            (None, 3.3319113575304926, [1.1892484529418574, 0.032338916624767344]),
            (Some(0.9), 3.150995921703608, [0.5937746313915828, 0.08236201781701535]),
        ];
        for (cap, value, [first, last]) in expected {
            let loss = vocabulary_loss(&x, &weight, &[2, 0], LossRule { cap, smoothing: 0.1 }).unwrap();
            let by_x = loss.backward().unwrap().get(&x).unwrap().to_vec2::<f64>().unwrap();
            let found = [loss.to_scalar::<f64>().unwrap(), by_x[0][0], by_x[1][2]];
            for (found, expected) in found.iter().zip([value, first, last]) {
                assert!((found - expected).abs() < 1e-12, "{cap:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_target_outside_of_the_vocabulary_is_refused() {
        assert!(vocabulary_loss(&values((1, 3), 0.3), &values((4, 3), 0.2), &[4], LossRule::default()).is_err());
    }
}
