//! Whether the ranks of a search have settled: the meter on the screen, and what `search.stop_when_stable` acts on.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Steps over which flips are counted.
pub const FLIP_WINDOW: usize = 100;

/// What a verdict is made from, at one step of a search.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    pub step: usize,
    /// Steps of the whole search.
    pub total: usize,
    /// Steps without a change after which ranks count as settled: `search.stable_steps`.
    pub patience: usize,
    /// The step of the last change of any module's rank; its first rank counts as one. None while nothing is decided.
    pub last_change: Option<usize>,
    /// Changes of a rank in the last [`FLIP_WINDOW`] steps.
    pub flips: usize,
    /// Modules whose selection variables have not moved.
    pub undecided: usize,
    /// What a value must reach for its term to be kept, where the rule has such a line.
    pub line: Option<f64>,
    /// Selection values now, [module][k].
    pub now: &'a [Vec<f32>],
    /// The same about `patience` steps ago, and the step.
    pub before: Option<(usize, &'a [Vec<f32>])>,
}

/// What can be said of a search at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// Steps since the last change of a rank.
    pub since_change: Option<usize>,
    pub flips: usize,
    /// Mean over modules of the entropy of their values' shares, over that of equal ones: 1 undecided, 0 one term each.
    pub entropy: Option<f64>,
    pub verdict: Verdict,
}

/// Whether the search could stop here, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No module has a rank yet.
    Undecided { modules: usize },
    /// A rank changed a moment ago; so many steps without a change are missing.
    Moving { missing: usize },
    /// At its present pace a value crosses its threshold before the search ends.
    Crossing { module: usize, term: usize, in_steps: usize },
    /// Nothing moved, and nothing is about to.
    Safe { since: usize, left: usize },
}

impl Verdict {
    /// Whether it is safe to stop.
    pub fn is_safe(&self) -> bool {
        matches!(self, Verdict::Safe { .. })
    }

    /// The reason in a few words; `path` names a module.
    pub fn brief(&self, path: impl Fn(usize) -> String) -> String {
        match self {
            Verdict::Undecided { modules } => format!("{modules} modules undecided"),
            Verdict::Moving { missing } => format!("{missing} more steps without a change are needed"),
            Verdict::Crossing { module, term, in_steps } => {
                format!("value {} of {} may cross in {in_steps} steps", term + 1, path(*module))
            }
            Verdict::Safe { left: 1, .. } => "1 step is left".into(),
            Verdict::Safe { left, .. } => format!("{left} steps are left"),
        }
    }

    /// The reason in words; `path` names a module.
    pub fn reason(&self, path: impl Fn(usize) -> String) -> String {
        match self {
            Verdict::Undecided { modules } => {
                format!("the selection variables of {modules} modules have not moved yet")
            }
            Verdict::Moving { missing } => format!("{missing} more steps without a change of rank are needed"),
            Verdict::Crossing { module, term, in_steps } => {
                format!("value {} of {} would cross its threshold in about {in_steps} steps", term + 1, path(*module))
            }
            Verdict::Safe { since, left } => {
                format!("no rank changed for {since} steps, and no value would cross its threshold in the {left} left")
            }
        }
    }
}

/// How long no rank has changed, and how long none has to.
pub fn no_change(steps: usize, patience: usize) -> String {
    match steps < patience {
        true => format!("no change for {steps} of {patience} steps"),
        false => format!("no change for {steps} steps, {patience} needed"),
    }
}

/// The verdict on a search at one step.
pub fn assess(evidence: &Evidence) -> Stability {
    let since_change = evidence.last_change.map(|step| evidence.step.saturating_sub(step));
    let left = evidence.total.saturating_sub(evidence.step);
    let verdict = match since_change {
        _ if evidence.undecided > 0 => Verdict::Undecided { modules: evidence.undecided },
        None => Verdict::Undecided { modules: evidence.now.len() },
        Some(since) if since < evidence.patience => Verdict::Moving { missing: evidence.patience - since },
        Some(since) => match next_crossing(evidence) {
            Some((module, term, in_steps)) if in_steps <= left => Verdict::Crossing { module, term, in_steps },
            _ => Verdict::Safe { since, left },
        },
    };
    Stability { since_change, flips: evidence.flips, entropy: entropy(evidence.now), verdict }
}

/// The value that first crosses its line if all go on as they went since `before`: module, term, steps from now.
fn next_crossing(evidence: &Evidence) -> Option<(usize, usize, usize)> {
    let (line, (then, before)) = (evidence.line?, evidence.before?);
    let steps = evidence.step.checked_sub(then).filter(|steps| *steps > 0)? as f64;
    let mut first: Option<(usize, usize, usize)> = None;
    for (module, (now, before)) in evidence.now.iter().zip(before).enumerate() {
        for (term, (now, before)) in now.iter().zip(before).enumerate() {
            let (now, before) = (f64::from(*now), f64::from(*before));
            let pace = (now - before) / steps;
            let in_steps = (line - now) / pace;
            // A value on its line has crossed it; one that moves away, or not at all, never will.
            if in_steps.is_finite() && in_steps > 0.0 {
                let in_steps = in_steps.ceil().min(1e12) as usize;
                if first.is_none_or(|(.., known)| in_steps < known) {
                    first = Some((module, term, in_steps));
                }
            }
        }
    }
    first
}

/// Mean of the modules' normalised entropies; none where there are no values.
pub fn entropy(values: &[Vec<f32>]) -> Option<f64> {
    let of_module = |values: &Vec<f32>| {
        let sizes = values.iter().map(|value| f64::from(value.abs()));
        let sum: f64 = sizes.clone().sum();
        if values.len() < 2 || sum <= 0.0 || !sum.is_finite() {
            return None;
        }
        let nats: f64 =
            sizes.map(|size| size / sum).filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum();
        Some(nats / (values.len() as f64).ln())
    };
    let all: Vec<f64> = values.iter().filter_map(of_module).collect();
    if all.is_empty() { None } else { Some(all.iter().sum::<f64>() / all.len() as f64) }
}

/// What a worker keeps of its search to judge it; goes into every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settling {
    ranks: Vec<Option<usize>>,
    last_change: Option<usize>,
    /// The steps of the last flips, one entry a flip.
    flips: VecDeque<usize>,
    /// Values at a few steps of the last while, oldest first.
    past: VecDeque<(usize, Vec<Vec<f32>>)>,
}

impl Settling {
    /// Takes in the ranks (none: undecided) and values after `step`, and judges.
    pub fn observe(
        &mut self,
        (step, total): (usize, usize),
        patience: usize,
        ranks: &[Option<usize>],
        values: &[Vec<f32>],
        line: Option<f64>,
    ) -> Stability {
        let flipped = if self.ranks.is_empty() {
            ranks.iter().filter(|rank| rank.is_some()).count()
        } else {
            self.ranks.iter().zip(ranks).filter(|(before, now)| before != now).count()
        };
        if flipped > 0 {
            self.last_change = Some(step);
        }
        self.ranks = ranks.to_vec();
        self.flips.extend(std::iter::repeat_n(step, flipped));
        while self.flips.front().is_some_and(|at| at + FLIP_WINDOW <= step) {
            self.flips.pop_front();
        }
        // A quarter of the patience apart: the oldest that is kept is as old as that, or a little more.
        let apart = (patience / 4).max(1);
        while self.past.get(1).is_some_and(|(at, _)| at + patience <= step) {
            self.past.pop_front();
        }
        let stability = assess(&Evidence {
            step,
            total,
            patience,
            last_change: self.last_change,
            flips: self.flips.len(),
            undecided: ranks.iter().filter(|rank| rank.is_none()).count(),
            line,
            now: values,
            before: self.past.front().map(|(at, values)| (*at, values.as_slice())),
        });
        if self.past.back().is_none_or(|(at, _)| at + apart <= step) {
            self.past.push_back((step, values.to_vec()));
        }
        stability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One module of two values that part until they are where they stay.
    fn search(steps: usize, patience: usize, value: impl Fn(usize) -> f32) -> (Settling, Vec<Stability>) {
        let mut settling = Settling::default();
        let seen = (1..=steps).map(|step| {
            let first = value(step);
            let values = vec![vec![first, 1.0 - first]];
            let rank = values[0].iter().filter(|value| **value >= 0.5).count();
            settling.observe((step, 1000), patience, &[Some(rank)], &values, Some(0.5))
        });
        let seen = seen.collect();
        (settling, seen)
    }

    #[test]
    fn how_long_there_was_no_change_is_told_against_how_long_there_has_to_be_none() {
        assert_eq!(no_change(99, 100), "no change for 99 of 100 steps");
        assert_eq!(no_change(100, 100), "no change for 100 steps, 100 needed");
    }

    #[test]
    fn ranks_that_stay_are_safe_after_the_patience_and_not_before() {
        let (_, seen) = search(40, 20, |step| if step < 10 { 0.5 } else { 0.7 });
        assert_eq!(seen[9].since_change, Some(0), "the rank falls from 2 to 1");
        assert_eq!(seen[9].flips, 2, "the first rank, and the fall");
        assert_eq!(seen[28].verdict, Verdict::Moving { missing: 1 });
        assert!(seen[29].verdict.is_safe());
        assert_eq!(seen[29].since_change, Some(20));
    }

    #[test]
    fn a_value_on_its_way_across_the_threshold_is_not_safe() {
        // From 0.9 down by 0.001 a step: at 0.5 after 400 steps.
        let (_, seen) = search(100, 20, |step| 0.9 - 0.001 * step as f32);
        let Verdict::Crossing { module: 0, in_steps, .. } = seen[99].verdict else { panic!("{:?}", seen[99]) };
        assert!((298..=302).contains(&in_steps), "{in_steps}");
        let words = seen[99].verdict.reason(|_| "layer.0.query".into());
        assert!(words.contains("of layer.0.query would cross"), "{words}");
        // Away from it, as fast as one likes.
        let (_, seen) = search(100, 20, |step| 0.6 + 0.003 * step as f32);
        assert!(seen[99].verdict.is_safe());
        // Too slowly to arrive before the end.
        let (_, seen) = search(100, 20, |step| 0.9 - 0.0001 * step as f32);
        assert!(seen[99].verdict.is_safe());
    }

    #[test]
    fn what_never_moved_is_never_safe() {
        let mut settling = Settling::default();
        for step in 1..300 {
            let seen = settling.observe((step, 1000), 20, &[None, None], &[vec![0.5; 2], vec![0.5; 2]], Some(0.5));
            assert_eq!(seen.verdict, Verdict::Undecided { modules: 2 });
            assert!((seen.entropy.unwrap() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_state_that_was_saved_judges_as_if_it_had_gone_on() {
        let value = |step: usize| 0.5 + 0.4 * (step as f32 / 17.0).sin().abs();
        let (_, straight) = search(200, 25, value);
        let (settling, _) = search(120, 25, value);
        let mut resumed: Settling = serde_json::from_str(&serde_json::to_string(&settling).unwrap()).unwrap();
        for step in 121..=200 {
            let values = vec![vec![value(step), 1.0 - value(step)]];
            let rank = values[0].iter().filter(|value| **value >= 0.5).count();
            assert_eq!(resumed.observe((step, 1000), 25, &[Some(rank)], &values, Some(0.5)), straight[step - 1]);
        }
        assert!(resumed.past.len() <= 7, "{} snapshots are kept", resumed.past.len());
    }

    #[test]
    fn entropy_is_one_for_equal_values_and_nothing_for_one() {
        assert_eq!(entropy(&[vec![0.25; 4]]).map(|x| (x * 1e9).round()), Some(1e9));
        assert_eq!(entropy(&[vec![1.0, 0.0, 0.0]]), Some(0.0));
        assert_eq!(entropy(&[vec![0.0, 0.0]]), None);
        assert_eq!(entropy(&[]), None);
    }
}
