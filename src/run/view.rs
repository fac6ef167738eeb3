//! A run as a reader sees it: a fold over its events. Screens, `show`, `watch` and reports all read this.

use super::best::Validation;
use super::event::{AllTerms, Metrics, ModuleShape, Phase, Ranks, Timing};
use super::history::{Curves, Looks, Snapshots};
use super::machine::Machine;
use crate::experiment::{AllocationSettings, Choice, MetricKind};
use crate::run::event::sum_of;
use crate::search::allocation::line_of;

/// What a run is doing, derived from its lock, heartbeat and last event; never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Running,
    Paused,
    Stalled,
    Crashed,
    Stopped,
    Failed,
    Finished,
}

impl State {
    /// All states.
    pub const ALL: [State; 8] = [
        State::Queued,
        State::Running,
        State::Paused,
        State::Stalled,
        State::Crashed,
        State::Stopped,
        State::Failed,
        State::Finished,
    ];

    /// The word in `ls`, `show` and on screens.
    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Paused => "paused",
            State::Stalled => "stalled",
            State::Crashed => "crashed",
            State::Stopped => "stopped",
            State::Failed => "failed",
            State::Finished => "finished",
        }
    }

    /// Whether a worker is at work.
    pub fn is_active(self) -> bool {
        matches!(self, State::Running | State::Stalled)
    }
}

/// A LoRA module of the run and what is known of its selection.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleView {
    /// Path in the Hugging Face model.
    pub path: String,
    pub shape: ModuleShape,
    /// Latest selection values, k of them; empty before the first.
    pub alpha: Vec<f32>,
    /// Latest energies of its terms; empty where the log has none.
    pub energy: Vec<f32>,
    /// Latest rank: emerging in the search, final after allocation.
    pub rank: Option<usize>,
}

impl ModuleView {
    /// A module of which nothing was selected yet.
    pub fn new(path: &str, shape: &ModuleShape) -> ModuleView {
        ModuleView { path: path.to_owned(), shape: shape.clone(), alpha: Vec::new(), energy: Vec::new(), rank: None }
    }
}

/// What a stretch of the search allocated by, from a snapshot on.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The first snapshot that it holds for.
    pub from: usize,
    pub by: By,
}

/// What ranks are allocated by, as far as a log tells.
#[derive(Clone, Debug, PartialEq)]
pub enum By {
    /// What the search began with: what a selection value had to reach, where its rule has such a line.
    Line(Option<f64>),
    /// What was chosen later.
    Choice(AllocationSettings),
}

/// What was written after a held-out prompt.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SampleView {
    pub input: String,
    /// One of those that there are.
    pub reference: String,
    pub output: String,
}

/// The fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    pub phase: Option<Phase>,
    /// Step of the phase and its total (0: unknown).
    pub step: usize,
    pub total: usize,
    /// (step, total) of the warm-up while it goes on.
    pub warmup: Option<(usize, usize)>,
    /// The training loss of the warm-up, whose steps count by themselves.
    pub warming: Curves,
    pub rate: Option<f64>,
    pub left_s: Option<f64>,
    pub rss_bytes: Option<u64>,
    /// The most that was seen.
    pub peak_rss_bytes: Option<u64>,
    pub device_bytes: Option<u64>,
    pub device: String,
    pub host: String,
    pub pid: Option<u32>,
    pub model: String,
    /// `data.task`, and the name of the figure that is the run's score.
    pub task: String,
    pub metric: String,
    pub rank: usize,
    /// The line of the rule that the run began with; [`RunView::line`] is the one that holds.
    pub threshold: Option<f64>,
    pub train_rows: usize,
    pub validation_rows: usize,
    pub test_rows: usize,
    pub trainable_parameters: usize,
    pub head_parameters: usize,
    pub frozen_parameters: usize,
    pub modules: Vec<ModuleView>,
    /// Whether the ranks of `modules` are allocated, not only emerging.
    pub allocated: bool,
    pub undecided: bool,
    /// The choice of `[allocation]` that was made after the start, if one was.
    pub allocation: Option<AllocationSettings>,
    /// What the ranks of the snapshots were allocated by, oldest first.
    pub held: Vec<Held>,
    /// The run whose search this one took.
    pub inherited: Option<String>,
    /// What the rules look at, at the end of the search.
    pub terms: AllTerms,
    /// Why the search ended before its last step, if it did.
    pub stable: Option<String>,
    /// Figures of the training steps of the phases that have such.
    pub search: Curves,
    /// The best and the latest validation loss of the search.
    pub validation: Validation,
    pub retrain: Curves,
    pub baseline: Curves,
    /// Selection values and emerging ranks over the search, modules in the order of `modules`.
    pub snapshots: Snapshots,
    /// Whether its last worker waits in the queue, or ended there.
    pub waits: bool,
    /// The machine at the last look.
    pub machine: Option<Machine>,
    /// All looks at it, in short.
    pub looks: Looks,
    /// Seconds of work by phase, in the order of [`Phase::ALL`].
    pub spent: [f64; Phase::ALL.len()],
    /// Seconds that workers have been at it, and the time of the last event, in Unix seconds.
    pub active_s: f64,
    pub last_stamp: Option<f64>,
    /// What was evaluated, in the order of the phases: (phase, what, figures); `metrics` is made of these.
    pub evaluations: Vec<(Phase, String, Metrics)>,
    pub metrics: Metrics,
    pub timing: Timing,
    /// Samples of the held-out rows, the newest last.
    pub samples: Vec<SampleView>,
    /// Log lines for people: (time, level, message). Messages of the worker, and the turns that the run took.
    pub log: Vec<(String, String, String)>,
    /// Of these, lines about changes of rank.
    pub rank_lines: usize,
    /// Error and advice of a failed run.
    pub error: Option<(String, String)>,
    /// Whether there was ever a checkpoint to go on from.
    pub has_checkpoint: bool,
    pub last_seq: Option<u64>,
    pub last_time: Option<String>,
    pub started: Option<String>,
    /// Whether the last event is one that a worker ends with, and the state that it names.
    pub ended: Option<State>,
}

impl RunView {
    /// Ranks by module path, where known.
    pub fn ranks(&self) -> Ranks {
        self.modules.iter().filter_map(|m| m.rank.map(|rank| (m.path.clone(), rank))).collect()
    }

    /// Names of figures: the run's score first, then those that can be one in their usual order, then the others.
    pub fn score_first<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
        let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        let usual = |name: &str| MetricKind::NAMES.iter().position(|known| *known == name).unwrap_or(usize::MAX);
        names.sort_by_key(|name| (*name != self.metric, usual(name), *name));
        names.dedup();
        names
    }

    /// What was evaluated that learned nothing and is no worse than the run, if so: `majority`, `mean`, `untuned`.
    pub fn no_better_than(&self) -> Option<&str> {
        let of = |wanted: &str| self.evaluations.iter().rev().find(|(_, what, _)| what == wanted).map(|(.., all)| all);
        let run = of("run")?;
        let blind = ["majority", "mean", "untuned"].into_iter().find_map(|what| Some((what, of(what)?)))?;
        no_better(run, blind.1, &self.metric).map(|_| blind.0)
    }

    /// The figures of a phase's steps; of a phase without such, those of retraining; of a search that has not begun, those
    /// of its warm-up.
    pub fn curves(&self, phase: Phase) -> &Curves {
        match phase {
            Phase::Prepare | Phase::Search | Phase::Allocate if self.has_warmup_alone() => &self.warming,
            Phase::Prepare | Phase::Search | Phase::Allocate => &self.search,
            Phase::Baseline => &self.baseline,
            _ => &self.retrain,
        }
    }

    /// Whether all steps of the search so far are of its warm-up.
    pub fn has_warmup_alone(&self) -> bool {
        self.search.is_empty() && !self.warming.is_empty()
    }

    /// What a selection value must reach to be kept, where the rule that holds has such a line; `said`: the run's settings,
    /// where they can be read.
    pub fn line(&self, said: Option<&AllocationSettings>) -> Option<f64> {
        match self.allocation.as_ref().or(said) {
            Some(choice) => line_of(choice, self.rank),
            None => self.threshold,
        }
    }

    /// What the ranks of a snapshot were allocated by; none where the log does not tell.
    pub fn by(&self, index: usize) -> Option<&By> {
        self.held.iter().rev().find(|held| held.from <= index).map(|held| &held.by)
    }

    /// [`RunView::line`] as it was at a snapshot.
    pub fn line_at(&self, index: usize, said: Option<&AllocationSettings>) -> Option<f64> {
        match self.by(index) {
            Some(By::Choice(choice)) => line_of(choice, self.rank),
            Some(By::Line(line)) => *line,
            None => self.line(said),
        }
    }

    /// Notes what holds from the next snapshot on.
    pub(super) fn hold(&mut self, by: By) {
        let from = self.snapshots.len();
        self.held.retain(|held| held.from < from);
        self.held.push(Held { from, by });
    }

    /// Where the run is, in words: `search, step 120 of 300`, `search, warm-up 3/20`, `export`.
    pub fn place(&self) -> String {
        let phase = self.phase.unwrap_or(Phase::Prepare).name();
        match (self.warmup, self.step, self.total) {
            (Some((step, total)), ..) => format!("{phase}, warm-up {step}/{total}"),
            (None, 0, 0) => phase.into(),
            (None, step, 0) => format!("{phase}, step {step}"),
            (None, step, total) => format!("{phase}, step {step} of {total}"),
        }
    }

    /// What resuming does: a run that never came to a checkpoint has nothing to go on from.
    pub fn resumes(&self) -> &'static str {
        if self.has_checkpoint { "goes on from the last checkpoint" } else { "starts it again, no checkpoint yet" }
    }

    /// The same, with the verb that does it.
    pub fn how_to_resume(&self, run: &str) -> String {
        format!("autolora resume {run} {}", self.resumes())
    }

    /// LoRA parameters with one rank in every module.
    pub fn uniform_parameters(&self, rank: usize) -> usize {
        sum_of(self.modules.iter().map(|module| module.shape.parameters(rank)))
    }

    /// LoRA parameters at the present ranks: sum of r (in + out).
    pub fn lora_parameters(&self) -> usize {
        sum_of(self.modules.iter().map(|module| module.shape.parameters(module.rank.unwrap_or(0))))
    }
}

/// Share of each module in the energy of all, from the energies of its terms; none where nothing is known of them.
pub fn shares_of_energy<'a>(modules: impl Iterator<Item = &'a [f32]>) -> Option<Vec<f64>> {
    let sum = |energy: &[f32]| energy.iter().map(|energy| f64::from(*energy)).filter(|energy| energy.is_finite()).sum();
    let sums: Vec<f64> = modules.map(sum).collect();
    let all: f64 = sums.iter().sum();
    (all > 0.0).then(|| sums.iter().map(|sum| sum / all).collect())
}

/// Whether a figure is better where it is less: errors and losses, of texts also perplexity.
pub fn is_better_less(name: &str) -> bool {
    matches!(name, "ter" | "perplexity") || name == "loss" || name.ends_with("_loss")
}

/// The figure by which a run is no better than an answer that learned nothing, and both values: its score, where both
/// have that, else the loss.
pub fn no_better<'a>(run: &Metrics, blind: &Metrics, score: &'a str) -> Option<(&'a str, f64, f64)> {
    let both = |name: &str| Some((*run.get(name)?, *blind.get(name)?));
    match (both(score), both("test_loss")) {
        (Some((ours, theirs)), _) => no_better_by(score, ours, theirs),
        (None, Some((ours, theirs))) => no_better_by("test_loss", ours, theirs),
        _ => None,
    }
}

fn no_better_by(name: &str, ours: f64, theirs: f64) -> Option<(&str, f64, f64)> {
    let beaten = if is_better_less(name) { ours >= theirs } else { ours <= theirs };
    beaten.then_some((name, ours, theirs))
}
