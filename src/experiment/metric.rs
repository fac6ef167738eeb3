//! Which figures a task has, and which one is the run's score.

use super::{MetricKind, Task};

impl MetricKind {
    /// The figures of a task, its usual one first.
    pub fn of(task: Task) -> &'static [MetricKind] {
        use MetricKind::*;
        match task {
            Task::Classification => &[Accuracy, Matthews, F1, F1Micro, F1Macro],
            Task::Regression => &[Spearman, Pearson],
            Task::Tagging => &[EntityF1, EntityPrecision, EntityRecall, EntityF1Strict, Accuracy],
            Task::Generation => &[Bleu, Chrf, Ter, E2eBleu, Nist, Meteor, RougeL, Cider, Perplexity],
        }
    }

    /// This figure, or for `auto` the task's usual one: accuracy, Spearman's correlation (the paper's for STS-B), entity
    /// F1, BLEU.
    pub fn resolve(self, task: Task) -> MetricKind {
        match self {
            MetricKind::Auto => MetricKind::of(task).first().copied().unwrap_or(MetricKind::Auto),
            other => other,
        }
    }
}
