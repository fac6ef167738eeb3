//! What people read of a run: the messages of its workers, and a line for each turn that it took, from its events alone.

use super::event::{Event, Metrics, Phase, Ranks, Record, SCHEMA};
use super::fold::evaluated_words;
use super::outlook::{duration, figure, grouped};
use super::retrain::words;
use super::scan::mean_rank;
use super::view::{ModuleView, RunView};
use crate::experiment::AllocationSettings;

/// Log lines that a view keeps: the newest ones.
const LOG_LINES: usize = 1000;
/// Of these, lines about changes of rank at most: a restless search must not push out what else happened.
const RANK_LINES: usize = 200;
/// Modules that a line about changes of rank names.
const NAMED: usize = 8;
/// Figures of an evaluation that its line names.
const FIGURES: usize = 3;

/// The levels of lines that give way to newer ones of their kind: of checkpoints, the newest alone is told.
const RANKS: &str = "ranks";
pub const CHECKPOINT: &str = "checkpoint";

/// Ranks that a step of the search changed.
#[derive(Debug)]
pub struct Changes {
    step: usize,
    count: usize,
    /// The first modules in the order of the model, the rank of each before and after.
    first: Vec<(String, Option<usize>, usize)>,
}

impl Changes {
    /// The modules whose rank differs from what `ranks` says; none where none does.
    pub fn of(step: usize, modules: &[ModuleView], ranks: &Ranks) -> Option<Changes> {
        let change = |module: &ModuleView| {
            let now = *ranks.get(&module.path)?;
            (module.rank != Some(now)).then(|| (tail(&module.path), module.rank, now))
        };
        let mut changes = modules.iter().filter_map(change);
        let first: Vec<_> = changes.by_ref().take(NAMED).collect();
        (!first.is_empty()).then(|| Changes { step, count: first.len() + changes.count(), first })
    }

    fn words(&self) -> String {
        let known = |rank: &Option<usize>| rank.map_or("-".into(), |rank| rank.to_string());
        if let ([(path, before, now)], 1) = (&self.first[..], self.count) {
            return format!("step {}: the rank of {path} changes from {} to {now}", self.step, known(before));
        }
        let named = self.first.iter().map(|(path, before, now)| format!("{path} {} to {now}", known(before)));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!(", {more} more"),
        };
        format!("step {}: {} ranks change: {named}{more}", self.step, self.count)
    }
}

/// The end of a module's path: from its layer on.
pub fn tail(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let layer = parts.iter().position(|part| part.parse::<usize>().is_ok()).unwrap_or(0);
    parts[layer..].join(".")
}

impl RunView {
    /// Keeps the line of a record, where it has one. `before`: the phase before it; `changes`: the ranks that it changed.
    pub(super) fn tell(&mut self, record: &Record, before: Option<Phase>, changes: Option<Changes>) {
        let told = match &record.event {
            Event::Schema { version, .. } if *version > SCHEMA => {
                let message = "is of a later program, and what this one does not know in it is not shown";
                Some(("warning", format!("this log, of version {version} where {SCHEMA} is known, {message}")))
            }
            Event::Log { level, message, .. } => Some((level.as_str(), message.clone())),
            Event::Selection(_) => changes.map(|changes| (RANKS, changes.words())),
            Event::Checkpoint { phase, step } => Some((CHECKPOINT, self.checkpoint_words(*phase, *step))),
            event => self.turn(event, before).map(|message| ("info", message)),
        };
        let Some((level, message)) = told else { return };
        let of_level = |(_, known, _): &(String, String, String)| known == level;
        match level {
            // The newest stands for all.
            CHECKPOINT => drop(self.log.iter().rposition(of_level).map(|at| self.log.remove(at))),
            RANKS if self.rank_lines >= RANK_LINES => {
                drop(self.log.iter().position(of_level).map(|at| self.log.remove(at)));
            }
            RANKS => self.rank_lines += 1,
            _ => {}
        }
        if self.log.len() >= LOG_LINES && self.log.remove(0).1 == RANKS {
            self.rank_lines -= 1;
        }
        self.log.push((record.time.clone(), level.to_owned(), message));
    }

    fn checkpoint_words(&self, phase: Phase, step: usize) -> String {
        let best = self.validation.best();
        let best = best.map(|(at, loss)| format!("; best validation loss {} at step {at}", figure(loss)));
        format!("checkpoint in {}, step {step}{}", phase.name(), best.unwrap_or_default())
    }

    /// What an event means for the run, where it is a turn.
    fn turn(&self, event: &Event, before: Option<Phase>) -> Option<String> {
        let at = |phase: &Phase, step: &usize| match step {
            0 => phase.name().to_owned(),
            step => format!("{}, step {step}", phase.name()),
        };
        Some(match event {
            Event::Queued { device, place, .. } => format!("waits for {device}, place {place} in the queue"),
            Event::Started { pid, host, device, .. } => format!("a worker starts on {host}: {device}, pid {pid}"),
            Event::Resumed { phase, step } => format!("goes on from {}", at(phase, step)),
            Event::Phase { phase, total, .. } if before != Some(*phase) => self.phase_words(*phase, *total, before),
            Event::Inherited { run, .. } => format!("the search up to here is that of run {run}"),
            &Event::Allocation { rule, threshold, budget, .. } => {
                let choice = AllocationSettings { rule, threshold, budget };
                format!("another rule holds from here on: {}", words(&choice))
            }
            Event::Allocated { ranks, parameters, rule, .. } => {
                let mean = mean_rank(ranks.values().copied()).unwrap_or(0.0);
                format!("ranks are allocated by {rule}: {mean:.2} on average, {} parameters", grouped(*parameters))
            }
            Event::Evaluated { what, metrics, .. } => self.scores_words(what, metrics),
            Event::Paused { phase, step } => format!("paused in {}", at(phase, step)),
            Event::Stopped { phase, step, reason } => format!("stopped in {}: {reason}", at(phase, step)),
            Event::Failed { phase, step, error, .. } => format!("failed in {}: {error}", at(phase, step)),
            Event::Finished { .. } => "finished".into(),
            _ => return None,
        })
    }

    fn phase_words(&self, phase: Phase, total: usize, before: Option<Phase>) -> String {
        let unit = if phase == Phase::Prepare { "rows" } else { "steps" };
        let steps = if total > 0 { format!(", {total} {unit}") } else { String::new() };
        // A worker that goes on prepares again: that ends nothing.
        let ended = before.filter(|before| *before < phase).map(|before| {
            let spent = self.spent[before as usize];
            let took = if spent >= 0.5 { format!(" after {}", duration(spent)) } else { String::new() };
            let best = self.validation.best().filter(|_| before == Phase::Search);
            let best = best.map(|(at, loss)| format!(", best validation loss {loss:.4} at step {at}"));
            format!("{} ends{took}{}; ", before.name(), best.unwrap_or_default())
        });
        format!("{}{} begins{steps}", ended.unwrap_or_default(), phase.name())
    }

    fn scores_words(&self, what: &str, metrics: &Metrics) -> String {
        let figures = self.score_first(metrics.keys()).into_iter().take(FIGURES);
        let figures: Vec<String> =
            figures.filter_map(|name| Some(format!("{name} {:.4}", metrics.get(name)?))).collect();
        format!("scores of {}: {}", evaluated_words(what), figures.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Rule;
    use crate::run::event::{ModuleShape, Selected, Selection, Step};

    fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
        let record = |(seq, event): (usize, Event)| {
            let time = format!("2026-11-23T{:02}:{:02}:{:02}.000Z", seq / 3600, seq / 60 % 60, seq % 60);
            Record { seq: seq as u64, time, event }
        };
        events.into_iter().enumerate().map(record).collect()
    }

    fn selection(step: usize, ranks: [usize; 2]) -> Event {
        let paths = ["h.0.q", "h.1.q"].map(str::to_owned);
        let modules = Selection::from(paths.clone().map(|path| (path, vec![0.5, 0.5])));
        let ranks = paths.into_iter().zip(ranks).collect();
        Event::Selection(Selected { phase: Phase::Search, step, modules, ranks, energy: Default::default() })
    }

    fn phase(phase: Phase, total: usize) -> Event {
        Event::Phase { phase, total, epochs: None }
    }

    fn lines(view: &RunView) -> Vec<&str> {
        view.log.iter().map(|(_, _, message)| message.as_str()).collect()
    }

    #[test]
    fn every_turn_of_a_run_has_a_line() {
        let started = |pid| Event::Started {
            pid,
            host: "turing".into(),
            device: "cpu".into(),
            threads: 2,
            version: "0.1.0".into(),
        };
        let step =
            |step, loss| Event::Step(Step { validation_loss: Some(loss), ..Step::new(Phase::Search, step, 1.0, 0.1) });
        let checkpoint = |step| Event::Checkpoint { phase: Phase::Search, step };
        let view = RunView::of(&records([
            started(7),
            phase(Phase::Prepare, 0),
            phase(Phase::Search, 300),
            step(1, 0.5),
            selection(1, [2, 2]),
            checkpoint(1),
            step(2, 0.4),
            selection(2, [1, 2]),
            checkpoint(2),
            Event::Stopped { phase: Phase::Search, step: 2, reason: "asked".into() },
            started(8),
            phase(Phase::Prepare, 0),
            Event::Resumed { phase: Phase::Search, step: 2 },
            phase(Phase::Search, 300),
            Event::Allocation { phase: Phase::Search, rule: Rule::Energy, threshold: Some(0.2), budget: None },
            selection(3, [2, 1]),
            phase(Phase::Allocate, 0),
            Event::Evaluated { phase: Phase::Evaluate, what: "run".into(), metrics: [("accuracy".into(), 0.9)].into() },
        ]));
        assert_eq!(
            lines(&view),
            [
                "a worker starts on turing: cpu, pid 7",
                "prepare begins",
                "prepare ends after 2 s; search begins, 300 steps",
                "step 2: the rank of 0.q changes from 2 to 1",
                "checkpoint in search, step 2; best validation loss 0.4000 at step 2",
                "stopped in search, step 2: asked",
                "a worker starts on turing: cpu, pid 8",
                "prepare begins",
                "goes on from search, step 2",
                "another rule holds from here on: energy, threshold 0.2",
                "step 3: 2 ranks change: 0.q 1 to 2, 1.q 2 to 1",
                "search ends after 12 s, best validation loss 0.4000 at step 2; allocate begins",
                "scores of this run: accuracy 0.9000",
            ]
        );
    }

    #[test]
    fn a_log_of_a_later_program_is_said_to_be_one() {
        let schema = |version| Event::Schema { version, program: "autolora 9.0.0".into() };
        assert!(RunView::of(&records([schema(SCHEMA)])).log.is_empty());
        let view = RunView::of(&records([schema(99)]));
        assert!(view.log[0].1 == "warning" && view.log[0].2.contains("version 99 where 1 is known"), "{:?}", view.log);
    }

    #[test]
    fn a_restless_search_pushes_out_nothing_else() {
        let warning = Event::Log { phase: Phase::Search, level: "warning".into(), message: "hm".into() };
        let restless = (0..5000).map(|step| selection(step + 1, [step % 2, 1]));
        let view = RunView::of(&records([warning].into_iter().chain(restless)));
        assert_eq!((view.log.len(), view.log[0].2.as_str()), (1 + RANK_LINES, "hm"));
        assert!(view.log[RANK_LINES].2.starts_with("step 5000: "), "{:?}", view.log[RANK_LINES]);
        let note = |n: usize| Event::Log { phase: Phase::Search, level: "info".into(), message: n.to_string() };
        let mut view = view;
        let later: Vec<Record> = records((0..LOG_LINES + 50).map(note));
        later.iter().for_each(|record| view.apply(record));
        assert_eq!((view.log.len(), view.rank_lines), (LOG_LINES, 0));
        let before = ModuleView::new("h.0.q", &ModuleShape { inputs: 1, outputs: 1 });
        assert!(Changes::of(1, &[before], &Ranks::new()).is_none(), "nothing is said of its rank");
    }
}
