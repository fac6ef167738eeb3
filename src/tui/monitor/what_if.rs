//! What if: other rules, thresholds and budgets on the values of the moment that is shown; ranks change at once.

use super::Monitor;
use super::scene::Scene;
use crate::experiment::{AllocationSettings, Budget, Choice, LARGEST_BUDGET, Rule, SelectionKind, rules_for};
use crate::run::event::sum_of;
use crate::run::ranks::terms_of;
use crate::search::allocation::{Module, allocate, default_threshold};
use crate::search::selection::logits;
use crate::tui::draw::{plain, put, rule, span};
use crate::tui::look::Look;
use crate::tui::text::{bytes, figure, grouped};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// Lines of the panel: rule, the choice, its scale, modules, size; mean rank and parameters stand above, below the map.
pub const LINES: u16 = 5;
/// Bytes of a parameter in an adapter file.
const PARAMETER_BYTES: usize = 4;

const RULES: [Rule; 5] = [Rule::Threshold, Rule::Mean, Rule::Sigmoid, Rule::Energy, Rule::Budget];

/// A choice that is being tried.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    pub rule: Rule,
    /// The rules that go with the run's selection values.
    rules: Vec<Rule>,
    /// By the rules' places in [`RULES`], so that going through the rules loses nothing.
    thresholds: [f64; RULES.len()],
    pub budget: Budget,
}

/// What a choice comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub ranks: Vec<usize>,
    /// LoRA parameters.
    pub parameters: usize,
    pub mean_rank: f64,
}

impl WhatIf {
    /// Begins with the choice that holds; `k` is the rank of the search.
    pub fn new(choice: &AllocationSettings, selection: SelectionKind, k: usize) -> WhatIf {
        let usual = |rule: Rule| default_threshold(rule, k).unwrap_or(0.0);
        let threshold = |rule: Rule| choice.threshold.filter(|_| rule == choice.rule).unwrap_or(usual(rule));
        WhatIf {
            rule: choice.rule,
            rules: rules_for(selection),
            thresholds: RULES.map(threshold),
            budget: choice.budget.unwrap_or(Budget::MeanRank((k as f64 / 2.0).max(1.0))),
        }
    }

    fn place(&self) -> usize {
        RULES.iter().position(|rule| *rule == self.rule).unwrap_or(0)
    }

    /// The threshold, where the rule has one.
    pub fn threshold(&self) -> Option<f64> {
        matches!(self.rule, Rule::Threshold | Rule::Sigmoid | Rule::Energy).then(|| self.thresholds[self.place()])
    }

    /// As settings: what retraining uses where it is kept.
    pub fn choice(&self) -> AllocationSettings {
        AllocationSettings {
            rule: self.rule,
            threshold: self.threshold(),
            budget: (self.rule == Rule::Budget).then_some(self.budget),
        }
    }

    /// The next rule, or the one before.
    pub fn turn(&mut self, forward: bool) {
        let count = self.rules.len().max(1);
        let at = self.rules.iter().position(|rule| *rule == self.rule).unwrap_or(0);
        let step = if forward { 1 } else { count - 1 };
        self.rule = self.rules.get((at + step) % count).copied().unwrap_or(self.rule);
    }

    /// Moves the threshold or the budget by so many small strides; `cost` is that of the cheapest term in parameters.
    pub fn shift(&mut self, strides: f64, k: usize, cost: usize) {
        let place = self.place();
        let stride = match self.rule {
            Rule::Threshold => 0.02 / k.max(1) as f64,
            Rule::Sigmoid => 0.01,
            Rule::Energy => 0.005,
            Rule::Mean => return,
            Rule::Budget => {
                self.budget = match self.budget {
                    Budget::Parameters(all) => {
                        let all = all as f64 + strides * cost.max(1) as f64;
                        Budget::Parameters(all.clamp(1.0, LARGEST_BUDGET) as i64)
                    }
                    Budget::MeanRank(rank) => Budget::MeanRank(tidy(rank + 0.05 * strides).clamp(0.05, LARGEST_BUDGET)),
                };
                return;
            }
        };
        self.thresholds[place] = tidy(self.thresholds[place] + stride * strides).clamp(0.0, 1.0);
    }

    /// Takes a value that was typed: a threshold, or a budget, of which a whole number is parameters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn say(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        match self.rule {
            Rule::Mean => Err("the rule mean has no threshold: it compares with the mean of each module".into()),
            Rule::Budget => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(all), _) if all > 0 && all as f64 <= LARGEST_BUDGET => {
                    self.budget = Budget::Parameters(all);
                    Ok(())
                }
                (Err(_), Ok(rank)) if rank > 0.0 && rank <= LARGEST_BUDGET => {
                    self.budget = Budget::MeanRank(rank);
                    Ok(())
                }
                _ => Err(format!(
                    "a budget is a whole number of parameters or a decimal mean rank, up to {LARGEST_BUDGET:e}, not {text:?}"
                )),
            },
            _ => match text.parse::<f64>() {
                Ok(value) if (0.0..=1.0).contains(&value) => {
                    let place = self.place();
                    self.thresholds[place] = value;
                    Ok(())
                }
                _ => Err(format!("a threshold is a number from 0 to 1, not {text:?}")),
            },
        }
    }

    /// The value as it would be typed; empty where the rule has none.
    pub fn typed(&self) -> String {
        match (self.rule, self.budget) {
            (Rule::Mean, _) => String::new(),
            (Rule::Budget, Budget::Parameters(all)) => all.to_string(),
            (Rule::Budget, Budget::MeanRank(rank)) => format!("{rank:?}"),
            _ => self.threshold().unwrap_or(0.0).to_string(),
        }
    }

    /// Ranks and parameters that the choice gives.
    pub fn outcome(&self, modules: &[Module]) -> Outcome {
        let choice = self.choice();
        let ranks = allocate(choice.rule, choice.threshold, choice.budget, modules);
        let parameters = sum_of(ranks.iter().zip(modules).map(|(rank, module)| rank.saturating_mul(module.cost())));
        let mean_rank = ranks.iter().sum::<usize>() as f64 / ranks.len().max(1) as f64;
        Outcome { ranks, parameters, mean_rank }
    }
}

/// Without the dust that adding strides leaves.
fn tidy(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

impl Monitor {
    /// How the run's logits become selection values.
    pub fn selection_kind(&self) -> SelectionKind {
        self.settings().map_or(SelectionKind::Softmax, |settings| settings.search.selection)
    }

    /// The modules' terms at the moment that is shown, as the rules look at them: the exact ones at the end of the search.
    pub fn terms(&self) -> Vec<Module> {
        let kind = self.selection_kind();
        let modules = self.view.modules.iter().enumerate();
        modules
            .map(|(index, module)| {
                let exact = self.view.terms.get(&module.path).filter(|_| !self.is_past());
                terms_of(module, exact, (self.values(index), self.energy(index)), |values| logits(kind, values))
            })
            .collect()
    }

    /// What the choice that is tried comes to; none where none is, or where there are no values yet.
    pub fn tried(&self) -> Option<Outcome> {
        let what_if = self.what_if.as_ref()?;
        let terms = self.terms();
        if terms.iter().all(|module| module.alpha.is_empty()) {
            return None;
        }
        Some(what_if.outcome(&terms))
    }

    /// Parameters of the cheapest term.
    pub fn cheapest(&self) -> usize {
        self.view.modules.iter().map(|module| module.shape.parameters(1)).min().unwrap_or(1)
    }
}

/// Draws the panel.
pub fn draw(buf: &mut Buffer, area: Rect, monitor: &Monitor, scene: &Scene, look: Look) {
    let Some(what_if) = &monitor.what_if else { return };
    let glyphs = look.glyphs();
    rule(buf, area, 0, "what if", vec![span("nothing is changed before you keep it", look.faint())], look);
    let mut rules: Vec<Span> = vec![span(format!("rule {} ", glyphs.up_down), look.faint())];
    for candidate in &what_if.rules {
        let style = if *candidate == what_if.rule { look.selected().patch(look.strong()) } else { look.faint() };
        rules.push(span(format!(" {} ", candidate.name()), style));
    }
    put(buf, area, 1, rules);
    let value = match (what_if.rule, what_if.budget) {
        (Rule::Mean, _) => "each module against the mean of its own logits".to_owned(),
        (Rule::Budget, Budget::Parameters(all)) => format!("at most {} parameters", grouped(all.max(0) as usize)),
        (Rule::Budget, Budget::MeanRank(rank)) => format!("mean rank at most {rank:.2}"),
        (Rule::Energy, _) => format!("energy at least {} of the largest", figure(what_if.threshold().unwrap_or(0.0))),
        _ => format!("selection value at least {}", figure(what_if.threshold().unwrap_or(0.0))),
    };
    put(buf, area, 2, vec![span(format!("value {} ", glyphs.left_right), look.faint()), span(value, look.strong())]);
    let needs_energy = matches!(what_if.rule, Rule::Energy | Rule::Budget);
    if needs_energy && (0..monitor.view.modules.len()).all(|module| monitor.energy(module).is_empty()) {
        put(buf, area, 3, vec![span("this log holds no energies: an early version wrote it", look.warning())]);
        return;
    }
    let Some(outcome) = &scene.tried else {
        put(buf, area, 3, vec![span("no selection values yet", look.faint())]);
        return;
    };
    let changed = scene.changes();
    let empty = outcome.ranks.iter().filter(|rank| **rank == 0).count();
    let than = if monitor.is_past() { "then" } else { "now" };
    let ranks = format!("{changed} of {} modules differ from {than}, {empty} without a term", outcome.ranks.len());
    put(buf, area, 3, vec![plain(ranks)]);
    let size = outcome.parameters.saturating_add(monitor.view.head_parameters).saturating_mul(PARAMETER_BYTES);
    put(buf, area, 4, vec![plain(format!("adapter {} with its head", bytes(size as u64)))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(alpha: &[f64], energy: &[f64]) -> Module {
        let beta = alpha.iter().map(|alpha| alpha.ln()).collect();
        Module { path: "m".into(), inputs: 3, outputs: 5, alpha: alpha.to_vec(), beta, energy: energy.to_vec() }
    }

    #[test]
    fn a_choice_begins_as_what_holds_and_moves_by_strides() {
        let holds = AllocationSettings { rule: Rule::Energy, threshold: Some(0.3), budget: None };
        let mut what_if = WhatIf::new(&holds, SelectionKind::Softmax, 4);
        assert_eq!(what_if.choice(), holds);
        what_if.shift(2.0, 4, 8);
        assert_eq!(what_if.threshold(), Some(0.31));
        what_if.turn(true);
        assert_eq!((what_if.rule, what_if.threshold()), (Rule::Budget, None));
        what_if.shift(-1.0, 4, 8);
        assert_eq!(what_if.choice().budget, Some(Budget::MeanRank(1.95)));
        what_if.turn(true);
        assert_eq!((what_if.rule, what_if.threshold()), (Rule::Threshold, Some(0.25)));
        what_if.turn(false);
        what_if.turn(false);
        assert_eq!(what_if.threshold(), Some(0.31), "it is remembered");
        assert_eq!(what_if.rules, [Rule::Threshold, Rule::Energy, Rule::Budget]);
        what_if.shift(-1000.0, 4, 8);
        assert_eq!(what_if.threshold(), Some(0.0));
    }

    #[test]
    fn ranks_and_parameters_follow_the_choice() {
        let modules = [module(&[0.6, 0.4], &[3.0, 1.0]), module(&[0.9, 0.1], &[0.5, 0.1])];
        let mut what_if = WhatIf::new(&AllocationSettings::default(), SelectionKind::Softmax, 2);
        assert_eq!(what_if.outcome(&modules), Outcome { ranks: vec![1, 1], parameters: 16, mean_rank: 1.0 });
        what_if.say("0.4").unwrap();
        assert_eq!(what_if.outcome(&modules).ranks, [2, 1]);
        what_if.turn(false);
        assert_eq!(what_if.rule, Rule::Budget);
        what_if.say("24").unwrap();
        assert_eq!(what_if.outcome(&modules).ranks, [2, 1]);
        what_if.say("0.5").unwrap();
        assert_eq!(what_if.outcome(&modules).ranks, [1, 0]);
        assert_eq!(what_if.typed(), "0.5");
        for far in ["1e18", "1000000000000000000", "1e308"] {
            assert!(what_if.say(far).is_err(), "{far}: no preset may say so");
        }
        what_if.say("1000000000000000").unwrap();
        what_if.shift(10.0, 4, usize::MAX);
        assert_eq!(what_if.typed(), "1000000000000000");
        what_if.turn(true);
        assert!(what_if.say("1e18").is_err() && what_if.say("1.5").is_err());
        let huge = Module { inputs: 1 << 63, outputs: 1 << 63, ..module(&[0.6, 0.4], &[3.0, 1.0]) };
        assert_eq!(what_if.outcome(&[huge.clone(), huge]).parameters, usize::MAX);
        what_if.turn(false);
        assert!(what_if.say("-3").is_err() && what_if.say("x").is_err() && what_if.say("nan").is_err());
    }
}
