//! Selection variables: logits beta (modules, k) and the values alpha that scale each rank-1 term.

use crate::experiment::SelectionKind;
use candle_core::{D, Result, Tensor};
use candle_nn::ops::{sigmoid, softmax};

/// alpha of beta, both (modules, k); differentiable (method.md, "From selection values to ranks").
pub fn values(kind: SelectionKind, beta: &Tensor) -> Result<Tensor> {
    match kind {
        SelectionKind::Softmax => softmax(beta, D::Minus1),
        SelectionKind::Global => {
            let (modules, _) = beta.dims2()?;
            softmax(&beta.reshape((1, beta.elem_count()))?, D::Minus1)?.reshape(beta.shape())? * modules as f64
        }
        SelectionKind::Sigmoid => sigmoid(beta),
        SelectionKind::Free => beta + 1.0,
    }
}

/// Logits beta of one module that have these values, up to a number that is added to all of them, which no rule looks at: for
/// readers of a log, which holds alpha.
pub fn logits(kind: SelectionKind, alpha: &[f32]) -> Vec<f64> {
    let of = |alpha: f64| match kind {
        SelectionKind::Softmax | SelectionKind::Global => alpha.max(f64::MIN_POSITIVE).ln(),
        SelectionKind::Sigmoid => {
            let alpha = alpha.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            (alpha / (1.0 - alpha)).ln()
        }
        SelectionKind::Free => alpha - 1.0,
    };
    alpha.iter().map(|alpha| of(f64::from(*alpha))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn rows(kind: SelectionKind, beta: &[[f64; 2]]) -> Vec<Vec<f64>> {
        let flat: Vec<f64> = beta.concat();
        let beta = Tensor::from_vec(flat, (beta.len(), 2), &Device::Cpu).unwrap();
        values(kind, &beta).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn start_at_equal_shares_of_the_module_or_the_model() {
        let zero = [[0.0; 2]; 3];
        assert_eq!(rows(SelectionKind::Softmax, &zero), vec![vec![0.5; 2]; 3]);
        assert_eq!(rows(SelectionKind::Sigmoid, &zero), vec![vec![0.5; 2]; 3]);
        assert_eq!(rows(SelectionKind::Free, &zero), vec![vec![1.0; 2]; 3]);
        for row in rows(SelectionKind::Global, &zero) {
            assert!(row.iter().all(|alpha| (alpha - 0.5).abs() < 1e-12), "mean 1/k: {row:?}");
        }
    }

    #[test]
    fn logits_of_values_are_those_that_made_them() {
        let beta = [[1.5, -0.25], [0.5, 0.25]];
        for kind in [SelectionKind::Softmax, SelectionKind::Global, SelectionKind::Sigmoid, SelectionKind::Free] {
            for (row, beta) in rows(kind, &beta).iter().zip(beta) {
                let alpha: Vec<f32> = row.iter().map(|alpha| *alpha as f32).collect();
                let found = logits(kind, &alpha);
                assert!((found[0] - found[1] - (beta[0] - beta[1])).abs() < 1e-5, "{kind}: {found:?}");
            }
        }
    }

    #[test]
    fn softmax_is_within_a_module_and_global_over_all() {
        let beta = [[1.0, 0.0], [3.0, 0.0]];
        for row in rows(SelectionKind::Softmax, &beta) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let all = rows(SelectionKind::Global, &beta);
        assert!((all.concat().iter().sum::<f64>() - 2.0).abs() < 1e-12);
        assert!(all[1].iter().sum::<f64>() > all[0].iter().sum::<f64>(), "global compares modules");
    }
}
