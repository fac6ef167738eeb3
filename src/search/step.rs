//! One step of the bilevel search, and the warm-up step before it.

use super::Objective;
use super::hypergradient::{At, Parts, hypergradient};
use super::selection::values;
use crate::experiment::{Hypergradient, SelectionKind};
use crate::model::Weights;
use crate::train::gradient::{clip, gradients_of_parts, scalars, squared_norm, track};
use crate::train::optimizer::Adam;
use candle_core::{Result, Tensor};

/// Constants of a search.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub hypergradient: Hypergradient,
    pub selection: SelectionKind,
    /// Learning rates of W (eta) and of beta, constant.
    pub weights_lr: f64,
    pub selection_lr: f64,
    pub epsilon: f64,
    pub clip_norm: Option<f64>,
}

/// Everything that a search changes. A checkpoint holds just this and the step.
#[derive(Clone)]
pub struct SearchState {
    /// A, B and head.
    pub weights: Weights,
    /// Selection logits (modules, k).
    pub beta: Tensor,
    pub weights_optimizer: Adam,
    pub selection_optimizer: Adam,
}

/// Name of beta in its optimiser's state.
const BETA: &str = "beta";

/// Keys of the dropout masks of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct DropoutKeys {
    /// Replayed in the look-ahead and both perturbed passes.
    pub hypergradient: Option<u64>,
    /// Of the real step.
    pub weights: Option<u64>,
}

/// What a step saw.
#[derive(Clone)]
pub struct Report {
    /// Training loss at the old W and the new beta.
    pub train_loss: f64,
    /// Norm of grad_W of it, before clipping.
    pub grad_norm: f64,
    /// What moved beta; none in warm-up.
    pub selection: Option<Moved>,
}

/// What the hypergradient of a step was.
#[derive(Clone)]
pub struct Moved {
    /// L_val(W', beta).
    pub validation_loss: f64,
    /// |d|, and c |m| where there is a mixed term.
    pub direct_norm: f64,
    pub mixed_norm: Option<f64>,
    /// Whether beta stayed because h was not finite.
    pub skipped: bool,
    pub parts: Parts,
}

/// A step of the weights as the device has it, and what the host wants to know of it: (training loss, norm), scalars in f64.
struct Taken {
    weights: Weights,
    optimizer: Adam,
    scalars: [Tensor; 2],
}

impl SearchState {
    /// One search step: hypergradient at the old beta, a step of beta, then a real step of W with the new beta.
    pub fn step<O: Objective>(
        &mut self,
        rules: &Rules,
        objective: &O,
        train: &[O::Part],
        validation: &[O::Part],
        keys: DropoutKeys,
    ) -> Result<Report> {
        let parts = hypergradient(
            rules.hypergradient,
            &At {
                objective,
                weights: &self.weights,
                beta: &self.beta,
                selection: rules.selection,
                optimizer: &self.weights_optimizer,
                lr: rules.weights_lr,
                epsilon: rules.epsilon,
                clip_norm: rules.clip_norm,
                train,
                validation,
                dropout: keys.hypergradient,
            },
        )?;
        let mut optimizer = self.selection_optimizer.clone();
        let named = |tensor: &Tensor| Weights::from([(BETA.to_string(), tensor.clone())]);
        let mut moved = optimizer.step(&named(&self.beta), &named(&parts.h), rules.selection_lr)?;
        // 0 where all of h is finite. The device decides: to ask it here would be to wait for it.
        let not_finite = (&parts.h * 0.0)?.sum_all()?;
        let beta = match moved.remove(BETA) {
            Some(moved) => {
                let is_finite = not_finite.eq(0f64)?.broadcast_as(moved.shape())?.contiguous()?;
                is_finite.where_cond(&moved, &self.beta.detach())?
            }
            None => self.beta.clone(),
        };
        let taken = self.weights_taken(rules, objective, train, keys.weights, &beta)?;
        let direct = squared_norm(&parts.direct)?;
        let mixed = parts.mixed.as_ref().map_or_else(|| direct.zeros_like(), squared_norm)?;
        let [loss, norm] = &taken.scalars;
        // The only numbers that are read, and so the only time that a GPU is waited for.
        let read = scalars(&[loss, norm, &parts.validation_loss, &direct, &mixed, &not_finite])?;
        let skipped = read[5] != 0.0;
        if !skipped {
            self.selection_optimizer = optimizer;
        }
        (self.beta, self.weights, self.weights_optimizer) = (beta, taken.weights, taken.optimizer);
        let moved = Moved {
            validation_loss: read[2],
            direct_norm: read[3].sqrt(),
            mixed_norm: parts.mixed.as_ref().map(|_| read[4].sqrt() * parts.coefficient),
            skipped,
            parts,
        };
        Ok(Report { train_loss: read[0], grad_norm: read[1], selection: Some(moved) })
    }

    /// A step of W alone on a train batch: the warm-up (with B = 0 nothing else moves), and step 5 of the search.
    pub fn weights_step<O: Objective>(
        &mut self,
        rules: &Rules,
        objective: &O,
        train: &[O::Part],
        dropout: Option<u64>,
    ) -> Result<Report> {
        let taken = self.weights_taken(rules, objective, train, dropout, &self.beta)?;
        let [loss, norm] = &taken.scalars;
        let read = scalars(&[loss, norm])?;
        (self.weights, self.weights_optimizer) = (taken.weights, taken.optimizer);
        Ok(Report { train_loss: read[0], grad_norm: read[1], selection: None })
    }

    /// What a step of W at `beta` comes to.
    fn weights_taken<O: Objective>(
        &self,
        rules: &Rules,
        objective: &O,
        train: &[O::Part],
        dropout: Option<u64>,
        beta: &Tensor,
    ) -> Result<Taken> {
        let tracked = track(&self.weights)?;
        let alpha = values(rules.selection, beta)?;
        let loss = |part: &O::Part, key| objective.loss(&tracked, &alpha, part, key);
        let (loss, mut gradient, _) = gradients_of_parts(train, dropout, &tracked, None, loss)?;
        let norm = clip(&mut gradient, rules.clip_norm)?;
        let mut optimizer = self.weights_optimizer.clone();
        let weights = optimizer.step(&self.weights, &gradient, rules.weights_lr)?;
        Ok(Taken { weights, optimizer, scalars: [loss, norm] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::OptimizerKind;
    use crate::train::optimizer::AdamConfig;
    use candle_core::Device;

    /// (w - x)^2 summed with alpha as weights; a part is (x, a factor of the loss).
    struct Squares;

    impl Objective for Squares {
        type Part = (f64, f64);

        fn loss(&self, weights: &Weights, alpha: &Tensor, (x, factor): &(f64, f64), _: Option<u64>) -> Result<Tensor> {
            (((&weights["w"] - *x)?.sqr()? * alpha)?.sum_all()? * *factor)?.affine(1.0, 0.0)
        }
    }

    fn state() -> SearchState {
        let adam = || Adam::new(AdamConfig::new(OptimizerKind::AdamW, [0.9, 0.999], 0.0));
        let w = Tensor::new(&[[1f64, 2.0, 4.0]], &Device::Cpu).unwrap();
        SearchState {
            weights: Weights::from([("w".to_owned(), w)]),
            beta: Tensor::new(&[[0.1f64, 0.2, 0.3]], &Device::Cpu).unwrap(),
            weights_optimizer: adam(),
            selection_optimizer: adam(),
        }
    }

    fn rules(clip_norm: Option<f64>) -> Rules {
        Rules {
            hypergradient: Hypergradient::Unrolled,
            selection: SelectionKind::Softmax,
            weights_lr: 0.1,
            selection_lr: 0.1,
            epsilon: 0.01,
            clip_norm,
        }
    }

    #[test]
    fn a_hypergradient_that_is_not_finite_moves_the_weights_alone() {
        for (factor, skipped) in [(1.0, false), (f64::NAN, true), (f64::INFINITY, true)] {
            let (mut state, before) = (state(), state());
            let report = state.step(&rules(None), &Squares, &[(0.5, 1.0)], &[(0.7, factor)], DropoutKeys::default());
            let report = report.unwrap();
            let moved = report.selection.unwrap();
            let same = |a: &Tensor, b: &Tensor| a.to_vec2::<f64>().unwrap() == b.to_vec2::<f64>().unwrap();
            assert_eq!((moved.skipped, same(&state.beta, &before.beta)), (skipped, skipped), "{factor}");
            assert_eq!(state.selection_optimizer.steps, u64::from(!skipped), "{factor}");
            assert!(!same(&state.weights["w"], &before.weights["w"]) && report.train_loss.is_finite(), "{factor}");
            assert_eq!(moved.validation_loss.is_finite(), !skipped);
        }
    }

    #[test]
    fn gradients_above_the_limit_are_scaled_as_pytorch_does_and_the_norm_is_that_before() {
        let gradients = || Weights::from([("w".to_owned(), Tensor::new(&[3f64, 4.0], &Device::Cpu).unwrap())]);
        for (limit, factor) in [(None, 1.0), (Some(10.0), 1.0), (Some(2.0), 2.0 / (5.0 + 1e-6))] {
            let mut clipped = gradients();
            let norm = clip(&mut clipped, limit).unwrap().to_scalar::<f64>().unwrap();
            assert_eq!(norm, 5.0, "{limit:?}");
            let values = clipped["w"].to_vec1::<f64>().unwrap();
            for (value, before) in values.iter().zip([3.0, 4.0]) {
                assert!((value - before * factor).abs() < 1e-12, "{limit:?}: {values:?}");
            }
        }
    }
}
