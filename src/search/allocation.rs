//! From selection values to one rank per module (method.md, "From selection values to ranks").

use crate::experiment::{AllocationSettings, Budget, Rule};
use crate::model::Weights;
use crate::model::lora::{a_name, b_name};
use candle_core::{D, DType, Result, Tensor};

/// Values that are equal in exact arithmetic must compare equal: an f32 softmax of equal logits falls below 1/k for
/// k = 25, 29, 31, and equal logits below their own mean at k = 8.
const TOLERANCE: f64 = 1e-6;

/// A module's rank-1 terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    pub path: String,
    pub inputs: usize,
    pub outputs: usize,
    /// k selection values.
    pub alpha: Vec<f64>,
    /// k selection logits.
    pub beta: Vec<f64>,
    /// Frobenius norm of each term: s |alpha_j| |b_j| |a_j|.
    pub energy: Vec<f64>,
}

impl Module {
    /// Parameters of a term of rank 1.
    pub fn cost(&self) -> usize {
        self.inputs.saturating_add(self.outputs)
    }

    /// Whether no selection value stands out: beta never moved, so that no rule can decide.
    pub fn undecided(&self) -> bool {
        self.beta.iter().all(|beta| *beta == self.beta[0])
    }
}

/// The terms of every module, from the tensors of a search. `shapes`: path, inputs, outputs in the order of beta's rows.
pub fn modules(
    shapes: &[(String, usize, usize)],
    weights: &Weights,
    alpha: &Tensor,
    beta: &Tensor,
    scale: f64,
) -> Result<Vec<Module>> {
    let squares = |name: String, dim: D| -> Result<Tensor> {
        match weights.get(&name) {
            Some(factor) => factor.to_dtype(DType::F64)?.sqr()?.sum(dim),
            None => candle_core::bail!("allocation: `{name}` is missing"),
        }
    };
    let of_a = shapes.iter().map(|(path, ..)| squares(a_name(path), D::Minus1)).collect::<Result<Vec<_>>>()?;
    let of_b = shapes.iter().map(|(path, ..)| squares(b_name(path), D::Minus2)).collect::<Result<Vec<_>>>()?;
    // All in one table, which is read at once: a GPU is waited for once.
    let table = match shapes.is_empty() {
        true => Vec::new(),
        false => {
            let norms = Tensor::stack(&[of_a, of_b].concat(), 0)?.sqrt()?;
            Tensor::cat(&[norms, alpha.to_dtype(DType::F64)?, beta.to_dtype(DType::F64)?], 0)?.to_vec2::<f64>()?
        }
    };
    let mut rows = table.chunks(shapes.len().max(1));
    let mut next = || rows.next().unwrap_or_default();
    let (a, b, alphas, betas) = (next(), next(), next(), next());
    let mut modules = Vec::with_capacity(shapes.len());
    for (((path, inputs, outputs), (a, b)), (alpha, beta)) in
        shapes.iter().zip(a.iter().zip(b)).zip(alphas.iter().zip(betas))
    {
        let (alpha, beta) = (alpha.clone(), beta.clone());
        let energy = alpha.iter().zip(a.iter().zip(b)).map(|(alpha, (a, b))| scale * alpha.abs() * a * b).collect();
        modules.push(Module { path: path.clone(), inputs: *inputs, outputs: *outputs, alpha, beta, energy });
    }
    Ok(modules)
}

/// The threshold of a rule where the user set none; `mean` and `budget` have none.
pub fn default_threshold(rule: Rule, k: usize) -> Option<f64> {
    match rule {
        Rule::Threshold => Some(1.0 / k.max(1) as f64),
        Rule::Sigmoid => Some(0.5),
        Rule::Energy => Some(0.15),
        Rule::Mean | Rule::Budget => None,
    }
}

/// A choice with the threshold that holds where none is said.
pub fn resolved(choice: &AllocationSettings, k: usize) -> AllocationSettings {
    AllocationSettings { threshold: choice.threshold.or(default_threshold(choice.rule, k)), ..choice.clone() }
}

/// What a selection value must reach for its term to be kept, where the rule looks at one value at a time.
pub fn line_of(choice: &AllocationSettings, k: usize) -> Option<f64> {
    match choice.rule {
        Rule::Threshold | Rule::Sigmoid => choice.threshold.or(default_threshold(choice.rule, k)),
        Rule::Mean | Rule::Energy | Rule::Budget => None,
    }
}

/// Whether a value is at least `limit`, up to rounding.
pub fn reaches(value: f64, limit: f64) -> bool {
    value >= limit - TOLERANCE * limit.abs()
}

/// One rank per module.
pub fn allocate(rule: Rule, threshold: Option<f64>, budget: Option<Budget>, modules: &[Module]) -> Vec<usize> {
    let count = |values: &[f64], limit: f64| values.iter().filter(|value| reaches(**value, limit)).count();
    let k = modules.first().map_or(0, |module| module.alpha.len());
    let threshold = threshold.or(default_threshold(rule, k)).unwrap_or(0.0);
    match rule {
        Rule::Threshold | Rule::Sigmoid => modules.iter().map(|m| count(&m.alpha, threshold)).collect(),
        Rule::Mean => modules.iter().map(|m| at_least_mean(&m.beta)).collect(),
        Rule::Energy => {
            let largest = modules.iter().flat_map(|m| &m.energy).fold(0.0, |a: f64, b| a.max(*b));
            modules.iter().map(|m| if largest > 0.0 { count(&m.energy, threshold * largest) } else { 0 }).collect()
        }
        Rule::Budget => within(budget, modules),
    }
}

/// Number of logits at or above their mean.
fn at_least_mean(beta: &[f64]) -> usize {
    let mean = beta.iter().sum::<f64>() / beta.len().max(1) as f64;
    let largest = beta.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    beta.iter().filter(|beta| **beta >= mean - TOLERANCE * largest).count()
}

/// The terms of highest energy until the budget is spent; a term of rank 1 costs inputs + outputs parameters.
fn within(budget: Option<Budget>, modules: &[Module]) -> Vec<usize> {
    let mut terms: Vec<(f64, usize)> = Vec::new();
    for (index, module) in modules.iter().enumerate() {
        terms.extend(module.energy.iter().map(|energy| (*energy, index)));
    }
    terms.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut left, by_rank) = match budget {
        Some(Budget::Parameters(parameters)) => (parameters as f64, false),
        Some(Budget::MeanRank(mean)) => (mean * modules.len() as f64 + TOLERANCE, true),
        None => (0.0, false),
    };
    let mut ranks = vec![0; modules.len()];
    for (_, index) in terms {
        let cost = if by_rank { 1.0 } else { modules[index].cost() as f64 };
        if cost <= left {
            left -= cost;
            ranks[index] += 1;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::SelectionKind;
    use candle_core::Device;

    fn module(alpha: &[f64], beta: &[f64], energy: &[f64]) -> Module {
        let (alpha, beta, energy) = (alpha.to_vec(), beta.to_vec(), energy.to_vec());
        Module { path: "m".into(), inputs: 4, outputs: 6, alpha, beta, energy }
    }

    #[test]
    fn equal_values_in_f32_count_as_equal() {
        for k in 1..=64 {
            let beta = Tensor::full(0.37f32, (1, k), &Device::Cpu).unwrap();
            let alpha = crate::search::selection::values(SelectionKind::Softmax, &beta).unwrap();
            let f64s = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let module = module(&f64s(&alpha), &f64s(&beta), &vec![1.0; k]);
            assert!(module.undecided());
            for rule in [Rule::Threshold, Rule::Mean, Rule::Energy] {
                assert_eq!(allocate(rule, None, None, std::slice::from_ref(&module)), [k], "{rule} at k = {k}");
            }
        }
    }

    #[test]
    fn each_rule_counts_what_it_says() {
        let m = [
            module(&[0.5, 0.3, 0.15, 0.05], &[2.0, 1.0, -1.0, -3.0], &[8.0, 2.0, 1.0, 0.5]),
            module(&[0.26, 0.26, 0.24, 0.24], &[-1.0, -1.0, -2.0, -9.0], &[1.3, 0.1, 0.0, 0.0]),
        ];
        assert!(!m[0].undecided());
        assert_eq!(allocate(Rule::Threshold, None, None, &m), [2, 2]);
        assert_eq!(allocate(Rule::Threshold, Some(0.2), None, &m), [2, 4]);
        assert_eq!(allocate(Rule::Mean, None, None, &m), [2, 3]);
        assert_eq!(allocate(Rule::Sigmoid, None, None, &m), [1, 0]);
        assert_eq!(allocate(Rule::Energy, None, None, &m), [2, 1]);
        assert_eq!(allocate(Rule::Budget, None, Some(Budget::Parameters(39)), &m), [2, 1]);
        assert_eq!(allocate(Rule::Budget, None, Some(Budget::MeanRank(2.0)), &m), [3, 1]);
    }
}
