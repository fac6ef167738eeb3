//! How long a run took, by phase, and how long it has to go, to the end of its phase and in all.

use super::event::Phase;
use super::view::RunView;
use crate::data::sampler::steps_of;
use crate::experiment::{Experiment, Task};
use crate::search::hypergradient::passes;

/// What a pass forward costs of one forward and back.
const FORWARD: f64 = 1.0 / 3.0;

/// Time left of all phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    pub seconds: f64,
    /// Whether there is something to come of which nothing is known yet: texts that are written.
    pub at_least: bool,
}

impl Left {
    /// `about 6 min 10 s`, `at least 6 min 10 s`; `say` puts seconds into words.
    pub fn words(&self, say: impl Fn(f64) -> String) -> String {
        format!("{} {}", if self.at_least { "at least" } else { "about" }, say(self.seconds))
    }
}

impl RunView {
    /// Seconds that each phase took so far, in their order: those that count in the result once the run has ended by itself,
    /// before that all that workers have spent.
    pub fn durations(&self) -> Vec<(Phase, f64)> {
        let of = |phase: Phase| match self.timing.is_empty() {
            true => self.spent[phase as usize],
            false => self.timing.get(&format!("{}_s", phase.name())).copied().unwrap_or(0.0),
        };
        Phase::ALL.into_iter().map(|phase| (phase, of(phase))).filter(|(_, seconds)| *seconds > 0.0).collect()
    }

    /// Seconds of work on the run; none before anything was done.
    pub fn took(&self) -> Option<f64> {
        let sum = || self.durations().iter().map(|(_, seconds)| seconds).sum();
        let took = self.timing.get("total_s").copied().unwrap_or_else(sum);
        (took > 0.0).then_some(took)
    }

    /// The most resident memory that its workers had; bytes.
    pub fn peak_memory(&self) -> Option<u64> {
        self.timing.get("peak_rss_bytes").map(|bytes| *bytes as u64).max(self.peak_rss_bytes)
    }

    /// Time left of the run in all, from the pace of its phase; of phases that have not begun by the passes that their steps
    /// are made of. None where there is no pace, or where no other phase is to come that takes its time.
    pub fn left_in_all(&self, settings: &Experiment) -> Option<Left> {
        let (phase, of_phase) = (self.phase?, self.left_s?);
        let fit_s = self.fit_step(settings)?;
        let rows = self.train_rows + self.validation_rows;
        let fit = &settings.retrain;
        let fit_steps = steps_of(fit.epochs, rows, fit.batch_size).max(1) as f64;
        let mut to_come = 0.0;
        if phase < Phase::Retrain {
            to_come += fit_steps * fit_s;
        }
        // A row costs as much forward as in training.
        let scoring = self.test_rows as f64 / fit.batch_size.max(1) as f64 * fit_s * FORWARD;
        let writes = settings.data.task == Task::Generation && self.test_rows > 0;
        let mut at_least = false;
        if phase < Phase::Evaluate {
            to_come += scoring;
            at_least = writes;
        }
        if phase < Phase::Baseline && self.test_rows > 0 {
            let controls = &settings.baseline;
            if controls.uniform.is_some() {
                to_come += fit_steps * fit_s + scoring;
                at_least |= writes;
            }
            if controls.head_only {
                // Nothing goes back through the frozen model.
                to_come += fit_steps * fit_s * FORWARD + scoring;
                at_least |= writes;
            }
        }
        (to_come > 0.0 || at_least).then_some(Left { seconds: of_phase + to_come, at_least })
    }

    /// Seconds of a step of retraining: measured, once there are such, else from the passes of a step of the search.
    fn fit_step(&self, settings: &Experiment) -> Option<f64> {
        let pace = self.rate.filter(|rate| *rate > 0.0).map(|rate| 1.0 / rate);
        match self.phase? {
            Phase::Search => {
                let passes = if self.warmup.is_some() { 1 } else { passes(settings.search.hypergradient) };
                let rows = settings.retrain.batch_size as f64 / settings.search.batch_size.max(1) as f64;
                Some(pace? * rows / passes as f64)
            }
            Phase::Retrain => pace,
            Phase::Evaluate => {
                let steps = self.retrain.total();
                (steps > 0).then(|| self.spent[Phase::Retrain as usize] / steps as f64)
            }
            _ => None,
        }
    }
}

/// A length of time as people say it: `8 s`, `2 min 05 s`, `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h", whole / 86400, whole % 86400 / 3600),
    }
}

/// How much of something is done, in whole percent: all of it is 100 and nothing less is.
pub fn percent(step: usize, total: usize) -> usize {
    (100.0 * step as f64 / total.max(1) as f64) as usize
}

/// A figure in about five characters: `0.3421`, `12.30`, `1.2e-7`, `nan`.
pub fn figure(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if value.is_nan() => "nan".into(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.into(),
        _ if value == 0.0 => "0.0000".into(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ if size < 10.0 => format!("{value:.4}"),
        _ if size < 1000.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// A whole number with thousands separated: `33,792`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::Timing;

    /// In the search, at 10 steps a second with 30 s left.
    fn searching() -> (RunView, Experiment) {
        let mut settings = Experiment::default();
        settings.retrain.epochs = 2.0;
        let view = RunView {
            phase: Some(Phase::Search),
            rate: Some(10.0),
            left_s: Some(30.0),
            train_rows: 800,
            validation_rows: 800,
            ..RunView::default()
        };
        (view, settings)
    }

    #[test]
    fn retraining_is_estimated_from_the_search_before_it_began() {
        let (view, mut settings) = searching();
        // 200 steps of one pass, where a step of the search has five and takes 0.1 s.
        assert_eq!(view.left_in_all(&settings), Some(Left { seconds: 34.0, at_least: false }));
        settings.retrain.batch_size = 32;
        assert_eq!(view.left_in_all(&settings).map(|left| left.seconds), Some(34.0), "half the steps, twice the rows");
        settings.baseline.uniform = Some(4);
        assert_eq!(view.left_in_all(&settings).map(|left| left.seconds), Some(34.0), "nothing is held out");
        let view = RunView { test_rows: 960, ..view };
        assert_eq!(view.left_in_all(&settings).map(|left| left.seconds.round()), Some(39.0));
        let unknown = RunView { rate: None, ..view };
        assert_eq!(unknown.left_in_all(&settings), None);
    }

    #[test]
    fn texts_to_be_written_make_it_a_lower_bound_and_the_last_phase_has_no_other() {
        let (view, mut settings) = searching();
        settings.data.task = Task::Generation;
        let view = RunView { test_rows: 96, ..view };
        assert!(view.left_in_all(&settings).unwrap().at_least);
        let words = view.left_in_all(&settings).unwrap().words(|seconds| format!("{seconds:.0} s"));
        assert_eq!(words, "at least 34 s");
        let retraining = RunView { phase: Some(Phase::Retrain), test_rows: 0, ..view };
        assert_eq!(retraining.left_in_all(&settings), None, "its own time is all");
    }

    #[test]
    fn what_a_worker_booked_wins_over_what_was_seen() {
        let mut view = RunView { spent: [1.0, 20.0, 0.0, 4.0, 0.0, 0.0, 0.0], ..RunView::default() };
        assert_eq!((view.took(), view.durations().len()), (Some(25.0), 3));
        view.timing = Timing::from([("search_s".into(), 18.0), ("total_s".into(), 21.5)]);
        assert_eq!((view.took(), view.durations()), (Some(21.5), vec![(Phase::Search, 18.0)]));
        assert_eq!(RunView::default().took(), None);
    }
}
