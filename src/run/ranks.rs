//! What another choice of `[allocation]` would give, from what a log says of a search.

use super::event::{Ranks, Terms};
use super::view::{ModuleView, RunView};
use crate::experiment::{AllocationSettings, Rule};
use crate::search::allocation::{Module, allocate};

impl RunView {
    /// The ranks that a choice gives: those of the end of the search where that is known, else of its last step; modules
    /// whose values never moved are left out. `None` where there are no values yet, or not those that the rule looks at.
    pub fn ranks_by(&self, choice: &AllocationSettings) -> Option<Ranks> {
        let of = |module: &ModuleView| {
            // The one rule that looks at logits, `mean`, goes with `free` selection alone: there they are the values.
            let logits = |values: &[f32]| wide(values);
            terms_of(module, self.terms.get(&module.path), (&module.alpha, &module.energy), logits)
        };
        let modules: Vec<Module> = self.modules.iter().map(of).collect();
        if modules.iter().any(|module| module.alpha.is_empty()) {
            return None;
        }
        let by_energy = matches!(choice.rule, Rule::Energy | Rule::Budget);
        if modules.is_empty() || by_energy && modules.iter().any(|module| module.energy.is_empty()) {
            return None;
        }
        let ranks = allocate(choice.rule, choice.threshold, choice.budget, &modules);
        let decided = modules.into_iter().zip(ranks).filter(|(module, _)| !module.undecided());
        Some(decided.map(|(module, rank)| (module.path, rank)).collect())
    }
}

/// A module's terms as the rules look at them: the exact ones where they are known, else values and energies of a step, with
/// the logits that go with them.
pub fn terms_of(
    module: &ModuleView,
    exact: Option<&Terms>,
    (values, energy): (&[f32], &[f32]),
    logits: impl FnOnce(&[f32]) -> Vec<f64>,
) -> Module {
    let (path, inputs, outputs) = (module.path.clone(), module.shape.inputs, module.shape.outputs);
    let Terms { alpha, beta, energy } = match exact {
        Some(exact) => exact.clone(),
        None => Terms { alpha: wide(values), beta: logits(values), energy: wide(energy) },
    };
    Module { path, inputs, outputs, alpha, beta, energy }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Budget;
    use crate::run::event::ModuleShape;

    fn view() -> RunView {
        let module = |path: &str, alpha: &[f32], energy: &[f32]| ModuleView {
            path: path.into(),
            shape: ModuleShape { inputs: 4, outputs: 6 },
            alpha: alpha.into(),
            energy: energy.into(),
            rank: None,
        };
        let modules = vec![
            module("a", &[0.5, 0.3, 0.2], &[4.0, 2.0, 1.0]),
            module("b", &[0.4, 0.35, 0.25], &[3.0, 0.1, 0.1]),
            module("still", &[0.25, 0.25, 0.25], &[0.5, 0.5, 0.5]),
        ];
        RunView { modules, ..RunView::default() }
    }

    fn ranks(view: &RunView, rule: Rule, threshold: Option<f64>, budget: Option<Budget>) -> Option<Vec<usize>> {
        Some(view.ranks_by(&AllocationSettings { rule, threshold, budget })?.into_values().collect())
    }

    #[test]
    fn every_rule_is_told_from_the_last_step_and_what_never_moved_has_no_rank() {
        assert_eq!(ranks(&view(), Rule::Threshold, None, None), Some(vec![1, 2]));
        assert_eq!(ranks(&view(), Rule::Threshold, Some(0.3), None), Some(vec![2, 2]));
        assert_eq!(ranks(&view(), Rule::Energy, Some(0.25), None), Some(vec![3, 1]));
        assert_eq!(ranks(&view(), Rule::Budget, None, Some(Budget::Parameters(30))), Some(vec![2, 1]));
    }

    #[test]
    fn the_exact_terms_of_the_end_win_and_what_is_missing_is_not_made_up() {
        let mut view = view();
        let terms = Terms { alpha: vec![1.0, 1.0, 0.9], beta: vec![3.0, 3.0, 1.0], energy: vec![1.0; 3] };
        view.terms.insert("a".into(), terms);
        assert_eq!(ranks(&view, Rule::Threshold, None, None), Some(vec![3, 2]));
        view.modules[1].energy.clear();
        assert_eq!(ranks(&view, Rule::Energy, None, None), None, "an early log has no energies");
        view.modules[1].alpha.clear();
        assert_eq!(ranks(&view, Rule::Threshold, None, None), None);
        assert_eq!(ranks(&RunView::default(), Rule::Threshold, None, None), None);
    }
}
