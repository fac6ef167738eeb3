//! A run as text and as JSON: what `show`, `watch --once` and the end of `run` print.

use super::CliError;
use super::out::{bytes, called, duration, say, table};
use super::samples::write_samples;
use super::theatre;
use crate::experiment::Experiment;
use crate::experiment::problem::printable;
use crate::run::best::At;
use crate::run::directory::RunDir;
use crate::run::event::{Phase, Selection};
use crate::run::fold::evaluated_words;
use crate::run::follow::Follower;
use crate::run::history::{Curves, Metric};
use crate::run::lock::Holder;
use crate::run::notes::Notes;
use crate::run::outlook::{Left, percent};
use crate::run::queue::Queue;
use crate::run::state::{Status, status};
use crate::run::store::Store;
use crate::run::view::{RunView, State};
use crate::tui::text::{figure, moment, rough_duration};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Everything that there is to know of a run at one moment.
pub struct Snapshot {
    pub run: RunDir,
    pub status: Status,
    pub view: RunView,
    /// What the user keeps about it.
    pub notes: Notes,
}

impl Snapshot {
    /// Looks at a run.
    pub fn of(run: RunDir) -> Result<Snapshot, CliError> {
        let status = status(&run)?;
        let mut view = RunView::of(&Follower::new(&run.events_path()).read_all()?);
        if !status.state.is_active() {
            // Whoever died has no time left.
            (view.rate, view.left_s) = (None, None);
        }
        let notes = Notes::read(&run).unwrap_or_else(|error| {
            say(format!("warning: {error}"));
            Notes::default()
        });
        Ok(Snapshot { run, status, view, notes })
    }

    /// The best validation loss of the search, and its step.
    pub fn best(&self) -> Option<At> {
        self.view.search.least(Metric::ValidationLoss)
    }

    /// The latest one.
    fn last(&self) -> Option<At> {
        self.view.search.last(Metric::ValidationLoss)
    }

    fn validation_json(&self) -> Value {
        let at = |at: Option<At>| at.map(|(step, loss)| json!({"step": step, "loss": loss}));
        json!({"best": at(self.best()), "last": at(self.last())})
    }

    /// The worker's process, while one works.
    fn pid(&self) -> Option<u32> {
        self.status.holder.as_ref().map(|holder| holder.pid)
    }

    /// Its place in the queue, from 1, while its worker waits.
    pub fn queue_place(&self) -> Option<usize> {
        let holder = self.status.holder.as_ref().filter(|_| self.status.state == State::Queued)?;
        let home = crate::experiment::home().ok()?;
        Queue::new(&home, &holder.host).look().ok()?.place(self.run.id())
    }

    /// The line of `ls --json`.
    pub fn short_json(&self) -> Value {
        let (info, view) = (self.run.info(), &self.view);
        json!({
            "id": info.id,
            "name": info.name,
            "state": self.status.state,
            "place": self.queue_place(),
            "phase": view.phase,
            "step": view.step,
            "total": view.total,
            "took_s": view.took(),
            "pid": self.pid(),
            "dir": self.run.path(),
            "parent": info.parent,
            "created": info.created,
            "metrics": view.metrics,
            "validation": self.validation_json(),
            "star": self.notes.star,
            "tags": self.notes.tags,
            "note": self.notes.note,
        })
    }

    /// The object of `show --json`.
    pub fn json(&self) -> Value {
        let (info, view) = (self.run.info(), &self.view);
        let selection: Selection = view
            .modules
            .iter()
            .filter(|module| !module.alpha.is_empty())
            .map(|module| (module.path.clone(), module.alpha.clone()))
            .collect();
        let last = |curves: &Curves, metric| curves.last(metric).map(|(_, value)| value);
        let experiment = self.run.experiment().ok();
        let durations: BTreeMap<&str, f64> =
            view.durations().into_iter().map(|(phase, seconds)| (phase.name(), seconds)).collect();
        let mut object = json!({
            "id": info.id,
            "name": info.name,
            "state": self.status.state,
            "place": self.queue_place(),
            "phase": view.phase,
            "step": view.step,
            "total": view.total,
            "rate": view.rate,
            "left_s": view.left_s,
            "left_in_all": self.left_in_all(experiment.as_ref()).map(|left| json!({"seconds": left.seconds, "at_least": left.at_least})),
            "took_s": view.took(),
            "durations_s": durations,
            "pid": self.pid(),
            "host": self.status.holder.as_ref().map(|holder| &holder.host),
            "device": view.device,
            "dir": self.run.path(),
            "parent": info.parent,
            "created": info.created,
            "version": info.version,
            "losses": {
                "search_train": last(&view.search, Metric::TrainLoss),
                "search_validation": last(&view.search, Metric::ValidationLoss),
                "retrain": last(&view.retrain, Metric::TrainLoss),
            },
            "validation": self.validation_json(),
            "star": self.notes.star,
            "tags": self.notes.tags,
            "note": self.notes.note,
            "allocated": view.allocated,
            "ranks": view.ranks(),
            "parameters": view.lora_parameters(),
            "selection": selection,
            "metrics": view.metrics,
            "samples": view.samples,
            "timing": view.timing,
            "error": view.error.as_ref().map(|(error, _)| error),
            "advice": view.error.as_ref().map(|(_, advice)| advice),
        });
        if let Some(object) = object.as_object_mut() {
            object.extend(theatre::fields(view, experiment.as_ref()));
            object.insert("experiment".into(), json!(experiment));
        }
        object
    }

    /// One frame of text.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let view = &self.view;
        writeln!(out, "run      {}", called(&self.run))?;
        let since = |holder: &Holder| moment(&holder.since, &zone());
        let worker = |holder: &Holder| {
            format!(", process {} on {} since {}", holder.pid, printable(&holder.host), since(holder))
        };
        let worker = self.status.holder.as_ref().map_or(String::new(), worker);
        writeln!(out, "state    {}{worker}", self.status.state.name())?;
        self.write_origin(out)?;
        if let Some(place) = self.queue_place() {
            writeln!(out, "queue    place {place}, waits for {}", printable(&view.device))?;
        }
        let experiment = self.run.experiment().ok();
        if let Some(place) = place(view) {
            let all = self
                .left_in_all(experiment.as_ref())
                .map_or(String::new(), |left| format!(", all phases {}", left.words(rough_duration)));
            writeln!(out, "phase    {place}{all}")?;
        }
        write_durations(view, out)?;
        if !view.model.is_empty() {
            let task = if view.task.is_empty() { String::new() } else { format!("{}, ", view.task) };
            writeln!(out, "model    {}, {task}{}", printable(&view.model), printable(&view.device))?;
        }
        let memory: Vec<String> = [("resident", view.rss_bytes), ("device", view.device_bytes)]
            .into_iter()
            .filter_map(|(what, amount)| amount.map(|amount| format!("{} {what}", bytes(amount))))
            .collect();
        if !memory.is_empty() && self.status.state.is_active() {
            writeln!(out, "memory   {}", memory.join(", "))?;
        }
        if let Some(losses) = losses(view) {
            writeln!(out, "loss     {losses}")?;
        }
        if let (Some((best_step, best)), Some((step, last))) = (self.best(), self.last()) {
            writeln!(out, "validate best {} at step {best_step}, last {} at step {step}", figure(best), figure(last))?;
        }
        self.write_notes(out)?;
        theatre::write(view, experiment.as_ref(), self.status.state.is_active(), out)?;
        self.write_error(out)?;
        write_modules(view, theatre::line(view, experiment.as_ref()), out)?;
        write_metrics(view, out)?;
        write_samples(&view.samples, out)?;
        theatre::write_log(view, out)?;
        if self.status.state == State::Finished {
            writeln!(out, "adapter  {}", self.run.adapter_path().display())?;
        }
        Ok(())
    }

    /// When it was made, and from which run.
    fn write_origin(&self, out: &mut impl Write) -> io::Result<()> {
        let info = self.run.info();
        if !info.created.is_empty() {
            writeln!(out, "started  {}", moment(&info.created, &zone()))?;
        }
        let Some(parent) = &info.parent else { return Ok(()) };
        let found = Store::of_user().ok().and_then(|store| store.find(parent).ok());
        let name = match found.filter(|found| found.run.id() == parent) {
            Some(found) => printable(&found.run.info().name),
            None => "not there any more".into(),
        };
        let how = if self.view.inherited.is_some() { "retrained from" } else { "made from" };
        writeln!(out, "parent   {how} {} ({name})", printable(parent))
    }

    /// Time left of the run in all, while a worker is at it.
    fn left_in_all(&self, experiment: Option<&Experiment>) -> Option<Left> {
        self.view.left_in_all(experiment?)
    }

    fn write_notes(&self, out: &mut impl Write) -> io::Result<()> {
        let star = self.notes.star.then(|| "starred".to_owned());
        let tags: Vec<String> = star.into_iter().chain(self.notes.tags.iter().map(|tag| printable(tag))).collect();
        if !tags.is_empty() {
            writeln!(out, "tags     {}", tags.join(", "))?;
        }
        if !self.notes.note.is_empty() {
            writeln!(out, "note     {}", printable(&self.notes.note))?;
        }
        Ok(())
    }

    fn write_error(&self, out: &mut impl Write) -> io::Result<()> {
        if self.status.state == State::Crashed {
            writeln!(out, "error    the worker died in {}", self.view.place())?;
            writeln!(out, "advice   {}", self.view.how_to_resume(self.run.id()))?;
        }
        if let Some((error, advice)) = &self.view.error {
            writeln!(out, "error    {}", printable(error))?;
            if !advice.is_empty() {
                writeln!(out, "advice   {}", printable(advice))?;
            }
        }
        Ok(())
    }

    /// What a finished run came to: ranks, scores, adapter, time.
    pub fn write_result(&self, out: &mut impl Write) -> io::Result<()> {
        write_modules(&self.view, theatre::line(&self.view, self.run.experiment().ok().as_ref()), out)?;
        write_metrics(&self.view, out)?;
        writeln!(out, "adapter  {}", self.run.adapter_path().display())?;
        write_durations(&self.view, out)?;
        writeln!(out, "run      {}", called(&self.run))
    }
}

/// What the run took so far, in all and by phase.
fn write_durations(view: &RunView, out: &mut impl Write) -> io::Result<()> {
    let Some(took) = view.took() else { return Ok(()) };
    let of = |(phase, seconds): &(Phase, f64)| format!("{} {}", phase.name(), duration(*seconds));
    let phases: Vec<String> = view.durations().iter().filter(|(_, seconds)| *seconds >= 0.5).map(of).collect();
    let phases = if phases.is_empty() { String::new() } else { format!(": {}", phases.join(", ")) };
    writeln!(out, "time     {}{phases}", duration(took))
}

/// Where a run is and how fast: `search 120/300, 40 %, 12.3 steps/s, 15 s left`.
pub fn place(view: &RunView) -> Option<String> {
    let mut parts = vec![view.phase?.name().to_string()];
    match (view.warmup, view.total) {
        (Some((step, total)), _) => parts.push(format!("warm-up {step}/{total}")),
        (None, 0) if view.step == 0 => {}
        (None, 0) => parts.push(view.step.to_string()),
        (None, total) => parts.push(format!("{}/{total}, {} %", view.step, percent(view.step, total))),
    }
    let mut text = parts.join(" ");
    if let Some(rate) = view.rate.filter(|rate| *rate > 0.0) {
        let unit = if view.phase == Some(Phase::Prepare) { "rows" } else { "steps" };
        text += &format!(", {rate:.1} {unit}/s");
    }
    if let Some(left) = view.left_s {
        text += &format!(", {} left", duration(left));
    }
    Some(text)
}

/// The latest losses of the training that goes on, if one does.
pub fn losses(view: &RunView) -> Option<String> {
    let last = |curves: &Curves, metric| curves.last(metric).map(|(_, value)| figure(value));
    match view.phase? {
        Phase::Search => {
            let validation =
                last(&view.search, Metric::ValidationLoss).map_or(String::new(), |loss| format!(", validation {loss}"));
            Some(format!("{}{validation}", last(&view.search, Metric::TrainLoss)?))
        }
        Phase::Retrain => last(&view.retrain, Metric::TrainLoss),
        Phase::Baseline => last(&view.baseline, Metric::TrainLoss),
        _ => None,
    }
}

/// Darker for larger, half-way at the line that a kept term must exceed; without one, the largest value is darkest.
const RAMP: &[u8] = b" .:-=+*#%@";

fn write_modules(view: &RunView, line: Option<f64>, out: &mut impl Write) -> io::Result<()> {
    if view.modules.is_empty() {
        return Ok(());
    }
    let shares = theatre::energy_shares(view);
    let mut heading = ["module", "rank", "selection values"].map(String::from).to_vec();
    heading.extend(shares.as_ref().map(|_| "energy".to_owned()));
    let mut rows = vec![heading];
    for (index, module) in view.modules.iter().enumerate() {
        let rank = module.rank.map_or("-".to_string(), |rank| format!("{rank} of {}", view.rank));
        let largest = line.map_or(module.alpha.iter().copied().fold(0.0, f32::max), |line| 2.0 * line as f32);
        let glyph = |alpha: &f32| {
            let share = if largest > 0.0 { (alpha / largest).clamp(0.0, 1.0) } else { 0.0 };
            char::from(RAMP[(share * (RAMP.len() - 1) as f32).round() as usize])
        };
        let map: String = module.alpha.iter().map(glyph).collect();
        let mut row = vec![printable(&module.path), rank, format!("[{map}]")];
        row.extend(shares.as_ref().map(|shares| format!("{:.1} %", 100.0 * shares[index])));
        rows.push(row);
    }
    table(out, &rows)?;
    let kind = match (view.allocated, view.undecided) {
        (true, true) => "allocated, undecided: the values did not leave their start",
        (true, false) => "allocated",
        (false, _) => "emerging",
    };
    let full = view.uniform_parameters(view.rank);
    let at_4 = view.uniform_parameters(4);
    let at_4 = if view.rank == 4 { String::new() } else { format!(", {at_4} at rank 4") };
    writeln!(out, "ranks    {kind}; {} LoRA parameters, {full} at rank {}{at_4}", view.lora_parameters(), view.rank)
}

/// Figures a line, the score first, the run's beside what it is compared with.
pub fn write_metrics(view: &RunView, out: &mut impl Write) -> io::Result<()> {
    let baselines = || view.evaluations.iter().filter(|(_, what, _)| what != "run");
    let of_baseline = |name: &str| baselines().any(|(_, what, _)| name.starts_with(&format!("{what}_")));
    if view.metrics.is_empty() {
        return Ok(());
    }
    let heading = ["figure".into(), evaluated_words("run")].into_iter();
    let mut rows =
        vec![heading.chain(baselines().map(|(_, what, _)| printable(&evaluated_words(what)))).collect::<Vec<_>>()];
    // `score` is the first figure again.
    let repeated = view.metrics.contains_key(&view.metric);
    for name in view.score_first(view.metrics.keys().filter(|name| !of_baseline(name))) {
        let Some(value) = view.metrics.get(name).filter(|_| name != "score" || !repeated) else { continue };
        let beside = baselines()
            .map(|(_, _, metrics)| metrics.get(name).map_or(String::new(), |value| named_figure(name, *value)));
        rows.push([printable(name), named_figure(name, *value)].into_iter().chain(beside).collect());
    }
    table(out, &rows)
}

/// A figure as the screens tell it; a count as it is.
fn named_figure(name: &str, value: f64) -> String {
    if name.ends_with("_rows") { format!("{value}") } else { figure(value) }
}

/// The zone in which times are told to people.
pub fn zone() -> TimeZone {
    TimeZone::system()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{Metrics, ModuleShape};
    use crate::run::view::ModuleView;

    fn view() -> RunView {
        let shape = ModuleShape { inputs: 4, outputs: 6 };
        let module = |path: &str, alpha: &[f32], rank| ModuleView {
            path: path.into(),
            shape: shape.clone(),
            alpha: alpha.into(),
            energy: Vec::new(),
            rank,
        };
        RunView {
            phase: Some(Phase::Search),
            step: 30,
            total: 120,
            rate: Some(12.34),
            left_s: Some(75.0),
            rank: 3,
            modules: vec![module("a.query", &[0.5, 0.25, 0.0], Some(2)), module("b\u{1b}.value", &[], None)],
            metrics: Metrics::from([("accuracy".into(), 0.9), ("uniform_4_accuracy".into(), 0.75)]),
            evaluations: [("run", 0.9), ("majority", 0.5), ("uniform_4", 0.75)]
                .map(|(what, value)| (Phase::Evaluate, what.to_string(), Metrics::from([("accuracy".into(), value)])))
                .to_vec(),
            ..RunView::default()
        }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_place_says_step_share_rate_and_time_left() {
        assert_eq!(place(&view()).unwrap(), "search 30/120, 25 %, 12.3 steps/s, 1 min 15 s left");
        let warm = RunView { warmup: Some((3, 20)), rate: None, left_s: None, ..view() };
        assert_eq!(place(&warm).unwrap(), "search warm-up 3/20");
        assert_eq!(place(&RunView::default()), None);
    }

    #[test]
    fn modules_show_their_rank_and_a_map_of_their_values() {
        let text = text(|out| write_modules(&view(), None, out));
        assert_eq!(
            text,
            "module    rank    selection values\n\
             a.query   2 of 3  [@+ ]\n\
             b?.value  -       []\n\
             ranks    emerging; 20 LoRA parameters, 60 at rank 3, 80 at rank 4\n"
        );
    }

    #[test]
    fn losses_are_those_of_the_training_that_goes_on() {
        let mut searched = view();
        searched.search.push(1, 0.0, None, [Some(0.7), Some(0.6), None, None, None, None, None]);
        assert_eq!(losses(&searched).unwrap(), "0.7000, validation 0.6000");
        let retraining = RunView { phase: Some(Phase::Retrain), ..searched };
        assert_eq!(losses(&retraining), None);
    }

    #[test]
    fn a_time_without_phases_has_no_colon() {
        let took = |timing: &[(&str, f64)]| {
            let timing = timing.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect();
            text(|out| write_durations(&RunView { timing, ..RunView::default() }, out))
        };
        assert_eq!(took(&[("total_s", 0.4)]), "time     0 s\n");
        assert_eq!(took(&[("total_s", 9.0), ("search_s", 9.0)]), "time     9 s: search 9 s\n");
        assert_eq!(took(&[]), "");
    }

    #[test]
    fn counts_have_no_decimals() {
        assert_eq!(named_figure("test_rows", 64.0), "64");
        assert_eq!(
            [0.5, 1.0, 12.0, 1.5e-7].map(|value| named_figure("ter", value)),
            ["0.5000", "1.0000", "12.00", "1.5e-7"]
        );
    }

    #[test]
    fn a_score_stands_beside_its_baselines() {
        let text = text(|out| write_metrics(&view(), out));
        assert_eq!(text, "figure    this run  majority  rank 4\naccuracy  0.9000    0.5000    0.7500\n");
    }
}
