//! Runs side by side: what differs in their settings, their ranks, their figures. Pure: it reads no file.

use super::fold::metric_key;
use super::history::{Curves, Metric};
use super::view::{RunView, is_better_less};
use crate::experiment::{Experiment, differing};
use crate::search::allocation::resolved;

/// How many runs can stand side by side.
pub const FEWEST: usize = 2;
/// The most: as many as there are colours that can be told apart.
pub const MOST: usize = 8;

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    #[error("{count} run{} cannot be compared: from {FEWEST} to {MOST} can", if *count == 1 { "" } else { "s" })]
    Count { count: usize },
    #[error("run {run} is given twice")]
    Twice { run: String },
}

/// Whether these runs, by their ids, can be compared.
///
/// # Errors
/// [`CompareError`].
pub fn check(ids: &[&str]) -> Result<(), CompareError> {
    if !(FEWEST..=MOST).contains(&ids.len()) {
        return Err(CompareError::Count { count: ids.len() });
    }
    match ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
        Some((_, run)) => Err(CompareError::Twice { run: (*run).to_owned() }),
        None => Ok(()),
    }
}

/// A run as the comparison takes it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// `None` where the settings cannot be read.
    pub experiment: Option<&'a Experiment>,
    pub view: &'a RunView,
}

/// A setting that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    /// As TOML, one for each run; `None` where its settings cannot be read, or it is still to be found out.
    pub values: Vec<Option<String>>,
}

/// The ranks of a module in each run; `None` where a run has no such module or knows no rank of it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: String,
    pub ranks: Vec<Option<usize>>,
}

impl Module {
    /// The rank in a run less that in the first, where both are known.
    pub fn difference(&self, run: usize) -> Option<i64> {
        let known = |at: usize| self.ranks.get(at).copied().flatten().and_then(|rank| i64::try_from(rank).ok());
        Some(known(run)? - known(0)?)
    }
}

/// The sums over all modules of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// Parameters of A and B at the present ranks.
    pub parameters: usize,
    /// `None` where no rank is known.
    pub mean_rank: Option<f64>,
    /// Whether the ranks are allocated, not only emerging.
    pub allocated: bool,
}

/// A figure in each run.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// As in `metrics`: `accuracy`, or `majority_accuracy` of what the run is compared with.
    pub name: String,
    pub values: Vec<Option<f64>>,
    /// The runs with the best value, where one can be told: several runs have it, on the same rows, and not all alike.
    pub best: Vec<usize>,
    pub less_is_better: bool,
}

/// The settings that differ, in the order of the registry.
pub fn settings(sides: &[Side]) -> Vec<Setting> {
    let known: Vec<&Experiment> = sides.iter().filter_map(|side| side.experiment).collect();
    let spread = |values: Vec<String>| {
        let mut values = values.into_iter();
        sides.iter().map(|side| side.experiment.and_then(|_| values.next())).collect()
    };
    let holding = |key: &str, values: Vec<String>| -> Vec<String> {
        values.into_iter().zip(&known).map(|(value, experiment)| holding(key, value, experiment)).collect()
    };
    let mut settings: Vec<Setting> = differing(&known)
        .into_iter()
        .map(|(key, values)| Setting { key, values: spread(holding(key, values)) })
        .collect();
    for setting in &mut settings {
        let of_runs = setting.values.iter_mut().zip(sides);
        of_runs.filter(|(_, side)| is_found_out_later(setting.key, side.view)).for_each(|(value, _)| {
            value.take_if(|value| value == "unset");
        });
    }
    let differs = |setting: &Setting| {
        let mut known = setting.values.iter().flatten();
        let first = known.next();
        known.any(|value| Some(value) != first)
    };
    settings.retain(differs);
    settings
}

/// What a worker finds out and writes into the settings, where nobody said it.
const FOUND_OUT: [&str; 6] =
    ["model.revision", "data.revision", "data.text", "data.text_pair", "data.label", "lora.targets"];

/// Whether a worker will find a setting out, and has not yet.
fn is_found_out_later(key: &str, view: &RunView) -> bool {
    view.train_rows == 0 && FOUND_OUT.contains(&key)
}

/// A value as it works: a threshold that nobody said is the rule's own.
fn holding(key: &str, value: String, experiment: &Experiment) -> String {
    if key != "allocation.threshold" || value != "unset" {
        return value;
    }
    match resolved(&experiment.allocation, experiment.lora.rank).threshold {
        Some(threshold) => format!("{:?}", (threshold * 1e4).round() / 1e4),
        None => "none".into(),
    }
}

/// The ranks of all modules, those of the first run first, in the order of the models.
pub fn ranks(sides: &[Side]) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (run, side) in sides.iter().enumerate() {
        for module in &side.view.modules {
            let at = *places.entry(module.path.as_str()).or_insert_with(|| {
                modules.push(Module { path: module.path.clone(), ranks: vec![None; sides.len()] });
                modules.len() - 1
            });
            modules[at].ranks[run] = module.rank;
        }
    }
    modules
}

/// Parameters and mean rank of each run.
pub fn totals(sides: &[Side]) -> Vec<Total> {
    let total = |side: &Side| {
        let ranks: Vec<usize> = side.view.modules.iter().filter_map(|module| module.rank).collect();
        Total {
            parameters: side.view.lora_parameters(),
            mean_rank: (!ranks.is_empty()).then(|| ranks.iter().sum::<usize>() as f64 / ranks.len() as f64),
            allocated: side.view.allocated,
        }
    };
    sides.iter().map(total).collect()
}

/// Settings that say which rows a run is scored on.
const SCORED_ROWS: [&str; 8] = [
    "data.id",
    "data.config",
    "data.revision",
    "data.task",
    "data.test",
    "data.test_split",
    "data.max_test_rows",
    "data.label",
];

/// The settings that differ and say that the runs are scored on other rows: their figures do not compare.
pub fn other_rows(settings: &[Setting]) -> Vec<&'static str> {
    settings.iter().map(|setting| setting.key).filter(|key| SCORED_ROWS.contains(key)).collect()
}

/// Every figure of the runs, their scores first, then their other figures, then those of what they are compared with.
/// `same_rows`: whether they are of the same rows ([`other_rows`]); else none is best.
pub fn scores(sides: &[Side], same_rows: bool) -> Vec<Score> {
    let evaluations = || sides.iter().flat_map(|side| &side.view.evaluations);
    let own = evaluations().filter(|(_, what, _)| what == "run").flat_map(|(.., metrics)| metrics.keys());
    let own: Vec<&String> = own.collect();
    let is_score = |name: &str| sides.iter().any(|side| side.view.metric == name);
    let mut names: Vec<&str> = own.iter().map(|name| name.as_str()).filter(|name| is_score(name)).collect();
    names.extend(sides.first().map(|side| side.view.score_first(own.iter().copied())).unwrap_or_default());
    let mut rows: Vec<(&str, &str)> = names.into_iter().map(|name| ("run", name)).collect();
    for (_, what, metrics) in evaluations().filter(|(_, what, _)| what != "run") {
        rows.extend(metrics.keys().map(|name| (what.as_str(), name.as_str())));
    }
    let mut seen = std::collections::HashSet::new();
    rows.retain(|row| seen.insert(*row));
    let score = |(what, name): (&str, &str)| {
        let values: Vec<Option<f64>> = sides.iter().map(|side| value(side.view, what, name)).collect();
        let less_is_better = is_better_less(name);
        let best = if what == "run" && same_rows { best(&values, less_is_better) } else { Vec::new() };
        Score { name: metric_key(what, name), values, best, less_is_better }
    };
    rows.into_iter().map(score).collect()
}

/// The latest figure of what was evaluated.
fn value(view: &RunView, evaluated: &str, name: &str) -> Option<f64> {
    view.evaluations.iter().rev().filter(|(_, what, _)| what == evaluated).find_map(|(.., all)| all.get(name).copied())
}

/// The places of the best value; none where fewer than two are known or all are the same.
fn best(values: &[Option<f64>], less: bool) -> Vec<usize> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| Some((at, value.filter(|value| !value.is_nan())?)))
        .collect();
    let better = |a: f64, b: f64| if less { a < b } else { a > b };
    let top = known.iter().map(|(_, value)| *value).reduce(|a, b| if better(b, a) { b } else { a });
    let at_top: Vec<usize> = known.iter().filter(|(_, value)| Some(*value) == top).map(|(at, _)| *at).collect();
    if at_top.len() == known.len() { Vec::new() } else { at_top }
}

/// Which losses of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Losses {
    /// Of the search, on D_val.
    #[default]
    Validation,
    /// Of the search, on D_tr.
    Train,
    Retrain,
}

impl Losses {
    /// All, in the order in which they are shown.
    pub const ALL: [Losses; 3] = [Losses::Validation, Losses::Train, Losses::Retrain];

    /// What they are called.
    pub fn title(self) -> &'static str {
        match self {
            Losses::Validation => "validation loss of the search",
            Losses::Train => "training loss of the search",
            Losses::Retrain => "training loss of retraining",
        }
    }

    /// The same in few columns.
    pub fn short(self) -> &'static str {
        match self {
            Losses::Validation => "validation loss",
            Losses::Train => "training loss",
            Losses::Retrain => "retraining loss",
        }
    }

    /// The figures of the steps that they are among, and which of these they are.
    pub fn source(self, view: &RunView) -> (&Curves, Metric) {
        match self {
            Losses::Validation => (&view.search, Metric::ValidationLoss),
            Losses::Train => (&view.search, Metric::TrainLoss),
            Losses::Retrain => (&view.retrain, Metric::TrainLoss),
        }
    }

    /// The word in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Losses::Validation => "validation",
            Losses::Train => "train",
            Losses::Retrain => "retrain",
        }
    }

    /// The figures of the steps that they are among.
    pub fn curves(self, view: &RunView) -> &Curves {
        self.source(view).0
    }

    /// The latest of them, and its step.
    pub fn last(self, view: &RunView) -> Option<(usize, f64)> {
        let (curves, metric) = self.source(view);
        curves.last(metric)
    }

    /// The one of a step, or the last one logged before it; none beyond the end.
    pub fn at(self, view: &RunView, step: usize) -> Option<(usize, f64)> {
        let (curves, metric) = self.source(view);
        let reached = curves.steps().last().is_some_and(|last| step <= *last as usize);
        let count = curves.steps().partition_point(|known| *known as usize <= step);
        let known = curves.column(metric).get(..count).filter(|_| reached)?;
        let found = known.iter().rposition(|value| !value.is_nan())?;
        Some((curves.steps()[found] as usize, known[found]))
    }

    /// The lowest of them, and its first step.
    pub fn best(self, view: &RunView) -> Option<(usize, f64)> {
        let (curves, metric) = self.source(view);
        curves.least(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Metrics, ModuleShape, Phase};
    use super::super::view::ModuleView;
    use super::*;

    fn view(ranks: &[(&str, Option<usize>)], figures: &[(&str, &str, f64)]) -> RunView {
        let shape = ModuleShape { inputs: 3, outputs: 5 };
        let module = |(path, rank): &(&str, Option<usize>)| ModuleView {
            path: (*path).into(),
            shape: shape.clone(),
            alpha: vec![],
            energy: vec![],
            rank: *rank,
        };
        let mut view =
            RunView { metric: "accuracy".into(), modules: ranks.iter().map(module).collect(), ..RunView::default() };
        for (what, name, value) in figures {
            view.evaluations.push((Phase::Evaluate, (*what).into(), Metrics::from([((*name).into(), *value)])));
        }
        view
    }

    fn sides<'a>(views: &'a [RunView], experiments: &'a [Experiment]) -> Vec<Side<'a>> {
        let experiment = |at: usize| experiments.get(at);
        views.iter().enumerate().map(|(at, view)| Side { experiment: experiment(at), view }).collect()
    }

    #[test]
    fn from_two_to_eight_different_runs_are_compared() {
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        let ids: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(check(&ids[..8]), Ok(()));
        assert_eq!(check(&ids), Err(CompareError::Count { count: 9 }));
        assert_eq!(check(&ids[..1]), Err(CompareError::Count { count: 1 }));
        assert_eq!(check(&["a", "b", "a"]), Err(CompareError::Twice { run: "a".into() }));
    }

    #[test]
    fn only_settings_that_differ_are_named_and_one_that_cannot_be_read_is_no_difference() {
        let mut experiments = vec![Experiment::default(); 3];
        experiments[2].lora.rank = 5;
        experiments[1].search.clip_norm = Some(1.0);
        let views = vec![RunView::default(); 3];
        let found = settings(&sides(&views, &experiments));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found.iter().map(|setting| setting.key).collect::<Vec<_>>(), ["lora.rank", "search.clip_norm"]);
        assert_eq!(found[0].values, [some("8"), some("8"), some("5")]);
        assert_eq!(found[1].values, [some("unset"), some("1.0"), some("unset")]);
        let mut said = vec![Experiment::default(); 3];
        said[1].allocation.threshold = Some(0.2);
        said[2].allocation.rule = crate::experiment::Rule::Budget;
        let found = settings(&sides(&views, &said));
        let threshold = found.iter().find(|setting| setting.key == "allocation.threshold");
        let values = threshold.map(|setting| setting.values.clone());
        assert_eq!(values, Some(vec![some("0.125"), some("0.2"), some("none")]), "1/8, which nobody said");
        let found = settings(&sides(&views, &experiments[..2]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].values, [some("unset"), some("1.0"), None]);
    }

    #[test]
    fn what_is_still_to_be_found_out_is_no_difference() {
        let mut experiments = vec![Experiment::default(); 3];
        experiments[0].data.text = Some("sentence".into());
        let prepared = RunView { train_rows: 7, ..RunView::default() };
        let views = [prepared.clone(), RunView::default(), prepared];
        assert_eq!(settings(&sides(&views[..2], &experiments[..2])), [], "one waits in the queue");
        let found = settings(&sides(&views, &experiments));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!((found.len(), &found[0].values), (1, &vec![some("\"sentence\""), None, some("unset")]));
    }

    #[test]
    fn every_setting_that_is_found_out_exists() {
        for key in FOUND_OUT {
            assert!(crate::experiment::setting(key).is_some(), "{key}");
        }
    }

    #[test]
    fn every_setting_that_says_which_rows_are_scored_exists() {
        for key in SCORED_ROWS {
            assert!(crate::experiment::setting(key).is_some(), "{key}");
        }
    }

    #[test]
    fn ranks_stand_side_by_side_with_their_difference_to_the_first() {
        let views = [view(&[("a", Some(3)), ("b", Some(1))], &[]), view(&[("c", None), ("b", Some(4))], &[])];
        let sides = sides(&views, &[]);
        let modules = ranks(&sides);
        let rows: Vec<_> = modules.iter().map(|m| (m.path.as_str(), m.ranks.clone(), m.difference(1))).collect();
        assert_eq!(
            rows,
            [("a", vec![Some(3), None], None), ("b", vec![Some(1), Some(4)], Some(3)), ("c", vec![None, None], None)]
        );
        let totals = totals(&sides);
        assert_eq!(totals.iter().map(|total| total.parameters).collect::<Vec<_>>(), [32, 32]);
        assert_eq!(totals.iter().map(|total| total.mean_rank).collect::<Vec<_>>(), [Some(2.0), Some(4.0)]);
    }

    #[test]
    fn the_best_is_the_least_of_a_loss_and_the_most_of_a_score() {
        let figures = |accuracy, loss| {
            view(&[], &[("run", "accuracy", accuracy), ("run", "test_loss", loss), ("majority", "accuracy", 0.5)])
        };
        let views = [figures(0.9, 0.3), figures(0.8, 0.2), view(&[], &[]), figures(0.9, 0.4)];
        let experiments = vec![Experiment::default(); 4];
        let found = scores(&sides(&views, &experiments), true);
        let best: Vec<_> = found.iter().map(|score| (score.name.as_str(), score.best.as_slice())).collect();
        assert_eq!(best, [("accuracy", &[0, 3][..]), ("test_loss", &[1]), ("majority_accuracy", &[])]);
        assert_eq!(found[0].values, [Some(0.9), Some(0.8), None, Some(0.9)]);
    }

    #[test]
    fn scores_on_other_rows_have_no_best() {
        let views = [view(&[], &[("run", "accuracy", 0.9)]), view(&[], &[("run", "accuracy", 0.8)])];
        let mut experiments = vec![Experiment::default(); 2];
        experiments[1].data.test = Some("/other.tsv".into());
        let sides = sides(&views, &experiments);
        assert_eq!(other_rows(&settings(&sides)), ["data.test"]);
        assert!(scores(&sides, false)[0].best.is_empty());
    }

    #[test]
    fn a_value_that_is_no_number_is_never_the_best() {
        assert_eq!(best(&[Some(f64::NAN), Some(1.0), Some(2.0)], true), [1]);
        assert!(best(&[Some(1.0), None], true).is_empty());
        assert!(best(&[Some(1.0), Some(1.0)], false).is_empty());
    }
}
