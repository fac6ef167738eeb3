//! The fold: one record after another into a [`RunView`].

use super::chronicle::Changes;
use super::event::{Event, Metrics, ModuleShape, Phase, Ranks, Record, Selected, Step};
use super::history::{Metric, Snapshots};
use super::state::ended;
use super::view::{By, ModuleView, RunView, SampleView};
use crate::experiment::AllocationSettings;
use jiff::Timestamp;

/// Samples that a view keeps: the newest ones.
const SAMPLES: usize = 100;

/// The key in `metrics` of a figure of what was evaluated: `accuracy` of the run itself, else e.g. `majority_accuracy`,
/// and `head_only_loss` for `test_loss`.
pub fn metric_key(what: &str, name: &str) -> String {
    if what == "run" { name.into() } else { format!("{what}_{}", name.trim_start_matches("test_")) }
}

/// What was evaluated, in words.
pub fn evaluated_words(what: &str) -> String {
    match (what, what.strip_prefix("uniform_")) {
        ("run", _) => "this run".into(),
        ("head_only", _) => "head alone".into(),
        // The commonest class or tag, of a regression `mean`: an answer that looks at no text.
        ("majority", _) => "majority".into(),
        (_, Some(rank)) => format!("rank {rank}"),
        (other, None) => other.into(),
    }
}

impl RunView {
    /// A view of all records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> RunView {
        let mut view = RunView::default();
        records.into_iter().for_each(|record| view.apply(record));
        view
    }

    /// Takes in the next record of the log.
    pub fn apply(&mut self, record: &Record) {
        self.apply_at(record, None);
    }

    /// Takes in the next record, `place` being the bytes of the log before its line.
    pub fn apply_at(&mut self, record: &Record, place: Option<u64>) {
        self.last_seq = Some(record.seq);
        self.advance_clock(record);
        self.last_time = Some(record.time.clone());
        let event = &record.event;
        let before = self.phase;
        let mut changes = None;
        if !matches!(event, Event::Unknown) && !event.is_aside() {
            self.ended = ended(Some(event));
        }
        match event {
            Event::Schema { .. } | Event::Inputs { .. } | Event::Memory { .. } | Event::Log { .. } | Event::Unknown => {
            }
            Event::Checkpoint { .. } => {
                self.has_checkpoint = true;
                self.validation.checkpoint();
            }
            Event::Inherited { run, .. } => {
                // Another run spent the time so far, and what it chose later is not what this one allocates by; what it
                // came to is the checkpoint of this one.
                (self.spent, self.has_checkpoint, self.allocation) = (Default::default(), true, None);
                self.inherited = Some(run.clone());
            }
            Event::Queued { pid, host, device, .. } => {
                (self.pid, self.host, self.device) = (Some(*pid), host.clone(), device.clone());
                (self.error, self.waits) = (None, true);
                self.forget_pace();
            }
            Event::Started { pid, host, device, .. } => {
                self.started.get_or_insert_with(|| record.time.clone());
                (self.pid, self.host, self.device) = (Some(*pid), host.clone(), device.clone());
                (self.error, self.waits) = (None, false);
                self.forget_pace();
            }
            Event::Resumed { phase, step } => self.void_after(*phase, *step),
            Event::Phase { phase, total, epochs } => {
                self.enter(*phase);
                self.total = *total;
                match phase {
                    Phase::Search => self.search.plan(*total, *epochs),
                    Phase::Retrain => self.retrain.plan(*total, *epochs),
                    Phase::Baseline => self.baseline.plan(*total, *epochs),
                    _ => {}
                }
            }
            Event::Machine { machine, .. } => {
                self.looks.take(self.active_s, &record.time, machine);
                self.machine = Some(machine.clone());
            }
            Event::Stable { reason, .. } => self.stable = Some(reason.clone()),
            Event::Prepared { .. } => self.prepared(event),
            Event::Progress { phase, step, total, rate, left_s, rss_bytes, device_bytes } => {
                self.enter(*phase);
                (self.step, self.total) = (*step, *total);
                // No pace yet, and so no time left.
                let is_known = *rate > 0.0;
                (self.rate, self.left_s) = (is_known.then_some(*rate), is_known.then_some(*left_s));
                (self.rss_bytes, self.device_bytes) = (Some(*rss_bytes), *device_bytes);
                self.peak_rss_bytes = self.peak_rss_bytes.max(Some(*rss_bytes));
            }
            Event::Step(step) => self.stepped(step),
            Event::Warmup { phase, step, total, train_loss } => {
                self.enter(*phase);
                self.warmup = Some((*step, *total));
                let loss = Metric::ALL.map(|metric| (metric == Metric::TrainLoss).then_some(*train_loss));
                self.warming.push(*step, self.active_s, None, loss);
            }
            Event::Selection(selected) => {
                self.reach(selected.phase, selected.step);
                self.warmup = None;
                changes = self.selected(place, selected);
            }
            &Event::Allocation { rule, threshold, budget, .. } => {
                let choice = AllocationSettings { rule, threshold, budget };
                self.hold(By::Choice(choice.clone()));
                self.allocation = Some(choice);
            }
            Event::Allocated { phase, ranks, undecided, terms, .. } => {
                self.enter(*phase);
                (self.allocated, self.undecided) = (true, *undecided);
                self.terms.clone_from(terms);
                self.set_ranks(ranks);
            }
            Event::Evaluated { phase, what, metrics } => {
                self.evaluations.retain(|(known_phase, known, _)| (known_phase, known) != (phase, what));
                self.evaluations.push((*phase, what.clone(), metrics.clone()));
                self.collect_metrics();
            }
            Event::Sample { input, reference, output, .. } => {
                self.sampled(SampleView { input: input.clone(), reference: reference.clone(), output: output.clone() });
            }
            Event::Paused { phase, step } | Event::Stopped { phase, step, .. } => {
                self.reach(*phase, *step);
                self.forget_pace();
            }
            Event::Failed { phase, step, error, advice, ranks, metrics, timing, .. } => {
                self.reach(*phase, *step);
                self.forget_pace();
                self.error = Some((error.clone(), advice.clone()));
                self.set_ranks(ranks);
                self.metrics.extend(metrics.clone());
                self.timing = timing.clone();
            }
            Event::Finished { phase, ranks, metrics, timing, .. } => {
                self.enter(*phase);
                self.forget_pace();
                self.set_ranks(ranks);
                (self.metrics, self.timing) = (metrics.clone(), timing.clone());
            }
        }
        self.tell(record, before, changes);
    }

    /// Takes `phase` as the present one; in a new one nothing is done yet.
    fn enter(&mut self, phase: Phase) {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            (self.step, self.total, self.warmup) = (0, 0, None);
            self.forget_pace();
        }
    }

    /// Counts the time that workers were at it: not the time between two workers, nor that in the queue.
    fn advance_clock(&mut self, record: &Record) {
        let stamp = record.time.parse::<Timestamp>().ok().map(|stamp| stamp.as_millisecond() as f64 / 1000.0);
        let counts = !self.waits && !matches!(record.event, Event::Started { .. } | Event::Queued { .. });
        if let (Some(before), Some(now), true) = (self.last_stamp, stamp, counts) {
            let worked = (now - before).max(0.0);
            self.active_s += worked;
            self.spent[self.phase.unwrap_or(Phase::Prepare) as usize] += worked;
        }
        self.last_stamp = stamp.or(self.last_stamp);
    }

    fn stepped(&mut self, step: &Step) {
        self.reach(step.phase, step.step);
        self.warmup = None;
        if let (Phase::Search, Some(loss)) = (step.phase, step.validation_loss) {
            self.validation.step(step.step, loss);
        }
        let value = |metric: Metric| match metric {
            Metric::TrainLoss => Some(step.train_loss),
            Metric::ValidationLoss => step.validation_loss,
            Metric::GradNorm => step.grad_norm,
            Metric::DirectNorm => step.direct_norm,
            Metric::MixedNorm => step.mixed_norm,
            Metric::Lr => Some(step.lr),
            Metric::SelectionLr => step.selection_lr,
        };
        let curves = match step.phase {
            Phase::Search => &mut self.search,
            Phase::Baseline => &mut self.baseline,
            _ => &mut self.retrain,
        };
        curves.push(step.step, self.active_s, step.tokens, Metric::ALL.map(value));
    }

    fn reach(&mut self, phase: Phase, step: usize) {
        self.enter(phase);
        self.step = step;
    }

    fn forget_pace(&mut self) {
        (self.rate, self.left_s) = (None, None);
    }

    fn prepared(&mut self, event: &Event) {
        let Event::Prepared {
            phase,
            model,
            train_rows,
            validation_rows,
            test_rows,
            rank,
            threshold,
            trainable_parameters,
            frozen_parameters,
            head_parameters,
            modules,
            task,
            metric,
            ..
        } = event
        else {
            return;
        };
        // A worker that goes on with a later phase prepares again: that does not lead the run back.
        if self.phase.is_none_or(|present| present <= *phase) {
            self.enter(*phase);
        }
        (self.model, self.task, self.metric) = (model.clone(), task.clone(), metric.clone());
        (self.train_rows, self.validation_rows, self.test_rows) = (*train_rows, *validation_rows, *test_rows);
        (self.rank, self.threshold) = (*rank, *threshold);
        (self.trainable_parameters, self.frozen_parameters) = (*trainable_parameters, *frozen_parameters);
        self.head_parameters = *head_parameters;
        if !self.modules.iter().map(|m| &m.path).eq(modules.iter().map(|(path, _)| path)) {
            self.snapshots = Snapshots::default();
            self.held.clear();
            self.modules = modules.iter().map(|(path, shape)| ModuleView::new(path, shape)).collect();
        }
        // A worker that goes on says it again, by what holds by then.
        if self.held.is_empty() {
            self.hold(By::Line(*threshold));
        }
    }

    /// Keeps a sample; a worker that went on from a checkpoint may write one again.
    fn sampled(&mut self, sample: SampleView) {
        self.samples.retain(|known| (&known.input, &known.reference) != (&sample.input, &sample.reference));
        if self.samples.len() >= SAMPLES {
            self.samples.remove(0);
        }
        self.samples.push(sample);
    }

    /// Gives the ranks that are others than before.
    fn selected(&mut self, place: Option<u64>, selected: &Selected) -> Option<Changes> {
        let Selected { step, modules: selection, ranks, energy, .. } = selected;
        if self.modules.is_empty() {
            // The line that names the modules is lost: their order is, too, and their shapes.
            let shape = ModuleShape { inputs: 0, outputs: 0 };
            self.modules = selection.keys().map(|path| ModuleView::new(path, &shape)).collect();
        }
        for module in &mut self.modules {
            if let Some(alpha) = selection.get(&module.path) {
                module.alpha.clone_from(alpha);
            }
            if let Some(energy) = energy.get(&module.path) {
                module.energy.clone_from(energy);
            }
        }
        let values: Vec<&[f32]> = self.modules.iter().map(|module| &module.alpha[..]).collect();
        let energy: Vec<&[f32]> =
            if energy.is_empty() { Vec::new() } else { self.modules.iter().map(|module| &module.energy[..]).collect() };
        let emerging: Vec<Option<usize>> = self.modules.iter().map(|module| ranks.get(&module.path).copied()).collect();
        let is_first = self.snapshots.is_empty();
        self.snapshots.push(*step, place, &values, &energy, &emerging);
        if self.allocated {
            return None;
        }
        // All ranks are new at first: that is no change.
        let changes = if is_first { None } else { Changes::of(*step, &self.modules, ranks) };
        self.set_ranks(ranks);
        changes
    }

    fn set_ranks(&mut self, ranks: &Ranks) {
        for module in &mut self.modules {
            if let Some(rank) = ranks.get(&module.path) {
                module.rank = Some(*rank);
            }
        }
    }

    fn collect_metrics(&mut self) {
        self.metrics = Metrics::new();
        for (_, what, figures) in &self.evaluations {
            self.metrics.extend(figures.iter().map(|(name, value)| (metric_key(what, name), *value)));
        }
    }

    /// Drops what a worker logged of `phase` after `step` and of later phases: the next one does that again.
    fn void_after(&mut self, phase: Phase, step: usize) {
        let kept = |of: Phase| match of.cmp(&phase) {
            std::cmp::Ordering::Less => usize::MAX,
            std::cmp::Ordering::Equal => step,
            std::cmp::Ordering::Greater => 0,
        };
        self.search.truncate_after(kept(Phase::Search));
        self.retrain.truncate_after(kept(Phase::Retrain));
        self.baseline.truncate_after(kept(Phase::Baseline));
        self.snapshots.truncate_after(kept(Phase::Search));
        self.validation.resumed(phase, step);
        // The newest choice holds for what is done again, too.
        let count = self.snapshots.len();
        if let Some(newest) = self.held.last().filter(|held| held.from > count).cloned() {
            self.hold(newest.by);
        }
        let stays_allocated = self.allocated && phase >= Phase::Allocate;
        let newest = self.snapshots.len().checked_sub(1);
        let ranks = newest.map(|index| self.snapshots.ranks_at(index)).unwrap_or_default();
        let values = newest.and_then(|index| self.snapshots.at(index));
        for (index, module) in self.modules.iter_mut().enumerate() {
            module.alpha = values.map(|values| values.values(index).to_vec()).unwrap_or_default();
            module.energy = values.map(|values| values.energy(index).to_vec()).unwrap_or_default();
            if !stays_allocated {
                module.rank = ranks.get(index).copied().flatten();
            }
        }
        if !stays_allocated {
            (self.allocated, self.undecided, self.stable) = (false, false, None);
            self.terms.clear();
        }
        self.evaluations.retain(|(of, ..)| *of <= phase);
        if phase < Phase::Evaluate {
            self.samples.clear();
        }
        self.collect_metrics();
        self.timing.clear();
        self.enter(phase);
        (self.step, self.warmup) = (step, None);
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
