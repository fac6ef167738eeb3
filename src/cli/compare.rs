//! `autolora compare RUN RUN...`

use super::CliError;
use super::frame::Snapshot;
use super::out::{Json, find, table};
use crate::experiment::Experiment;
use crate::experiment::problem::printable;
use crate::run::compare::{self, Losses, Module, Score, Setting, Side, Total};
use crate::run::view::is_better_less;
use crate::tui::text::{figure, grouped};
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Compare 2 to 8 runs: losses, the settings that differ, ranks, scores
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Ids, unique beginnings of them, names, or `last`; the others are compared with the first
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Losses at this step, and not the latest ones
    #[arg(long, value_name = "STEP")]
    at: Option<usize>,
    /// One JSON object: runs, losses, settings, ranks, scores
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CompareArgs, out: &mut impl Write) -> Result<u8, CliError> {
    if args.runs.len() > compare::MOST {
        return Err(compare::CompareError::Count { count: args.runs.len() }.into());
    }
    let runs: Vec<_> = args.runs.iter().map(|run| find(run)).collect::<Result<_, _>>()?;
    compare::check(&runs.iter().map(|run| run.id()).collect::<Vec<_>>())?;
    let snapshots: Vec<Snapshot> = runs.into_iter().map(Snapshot::of).collect::<Result<_, _>>()?;
    let experiments: Vec<Option<Experiment>> =
        snapshots.iter().map(|snapshot| snapshot.run.experiment().ok()).collect();
    let sides: Vec<Side> = snapshots
        .iter()
        .zip(&experiments)
        .map(|(snapshot, experiment)| Side { experiment: experiment.as_ref(), view: &snapshot.view })
        .collect();
    let found = Comparison::of(&snapshots, &sides, args.at);
    if args.json {
        writeln!(out, "{}", Json(found.json()))?;
    } else {
        found.write(out)?;
    }
    Ok(0)
}

/// A loss and its step.
type Found = Option<(usize, f64)>;

/// Everything that is said of the runs.
struct Comparison<'a> {
    snapshots: &'a [Snapshot],
    /// The step that losses are told of; none: the latest.
    at: Option<usize>,
    settings: Vec<Setting>,
    modules: Vec<Module>,
    totals: Vec<Total>,
    scores: Vec<Score>,
}

impl<'a> Comparison<'a> {
    fn of(snapshots: &'a [Snapshot], sides: &[Side], at: Option<usize>) -> Comparison<'a> {
        let settings = compare::settings(sides);
        let scores = compare::scores(sides, compare::other_rows(&settings).is_empty());
        Comparison { snapshots, at, settings, modules: compare::ranks(sides), totals: compare::totals(sides), scores }
    }

    /// Each kind of losses that a run has: the best of every run, and the latest or that at the step.
    fn losses(&self) -> impl Iterator<Item = (Losses, Vec<Found>, Vec<Found>)> {
        let of = |losses: Losses| {
            let all = |find: &dyn Fn(&Snapshot) -> Found| self.snapshots.iter().map(find).collect::<Vec<Found>>();
            let best = all(&|snapshot| losses.best(&snapshot.view));
            let here = all(&|snapshot| match self.at {
                Some(step) => losses.at(&snapshot.view, step),
                None => losses.last(&snapshot.view),
            });
            (losses, best, here)
        };
        Losses::ALL.into_iter().map(of).filter(|(_, best, _)| best.iter().any(Option::is_some))
    }

    fn json(&self) -> Value {
        let ids: Vec<&str> = self.snapshots.iter().map(|snapshot| snapshot.run.id()).collect();
        let module = |module: &Module| {
            let differences: Vec<_> = (0..ids.len()).map(|run| module.difference(run)).collect();
            json!({"module": module.path, "ranks": module.ranks, "differences": differences})
        };
        let total = |total: &Total| json!({"parameters": total.parameters, "mean_rank": total.mean_rank, "allocated": total.allocated});
        let score = |score: &Score| json!({"name": score.name, "values": score.values, "best": score.best, "less_is_better": score.less_is_better});
        let found = |all: &[Found]| -> Vec<Value> {
            all.iter()
                .map(|found| found.map_or(Value::Null, |(step, loss)| json!({"step": step, "loss": loss})))
                .collect()
        };
        let here = if self.at.is_some() { "at" } else { "last" };
        let losses = self
            .losses()
            .map(|(losses, best, now)| (losses.key().to_owned(), json!({"best": found(&best), here: found(&now)})));
        let losses: Value = Value::Object(losses.collect());
        let setting = |setting: &Setting| json!({"key": setting.key, "values": setting.values});
        json!({
            "runs": self.snapshots.iter().map(Snapshot::short_json).collect::<Vec<_>>(),
            "losses": losses,
            "settings": self.settings.iter().map(setting).collect::<Vec<_>>(),
            "ranks": self.modules.iter().map(module).collect::<Vec<_>>(),
            "totals": self.totals.iter().map(total).collect::<Vec<_>>(),
            "scores": self.scores.iter().map(score).collect::<Vec<_>>(),
            "other_rows": compare::other_rows(&self.settings),
        })
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rows = vec![["run", "id", "name", "state"].map(String::from).to_vec()];
        for (place, snapshot) in self.snapshots.iter().enumerate() {
            rows.push(vec![
                (place + 1).to_string(),
                snapshot.run.id().into(),
                printable(&snapshot.run.info().name),
                snapshot.status.state.name().into(),
            ]);
        }
        table(out, &rows)?;
        writeln!(out)?;
        self.write_losses(out)?;
        self.write_settings(out)?;
        self.write_ranks(out)?;
        self.write_scores(out)
    }

    /// A heading over a column for each run.
    fn heading(&self, what: &str) -> Vec<String> {
        let run = |place: usize| format!("run {}", place + 1);
        std::iter::once(what.to_owned()).chain((0..self.snapshots.len()).map(run)).collect()
    }

    fn write_losses(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rows = vec![self.heading("loss")];
        let cell = |found: &Found| found.map_or("-".into(), |(step, loss)| format!("{} at {step}", figure(loss)));
        let here = self.at.map_or("last".to_owned(), |step| format!("at step {step}"));
        for (losses, best, now) in self.losses() {
            for (word, values) in [("best", best), (here.as_str(), now)] {
                let label = format!("{}, {word}", losses.title());
                rows.push(std::iter::once(label).chain(values.iter().map(cell)).collect());
            }
        }
        if rows.len() > 1 {
            table(out, &rows)?;
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_settings(&self, out: &mut impl Write) -> io::Result<()> {
        if self.settings.is_empty() {
            return writeln!(out, "no setting differs");
        }
        let mut rows = vec![self.heading("setting")];
        for setting in &self.settings {
            let values = setting.values.iter().map(|value| value.as_deref().map_or("?".into(), printable));
            rows.push(std::iter::once(setting.key.to_owned()).chain(values).collect());
        }
        table(out, &rows)
    }

    fn write_ranks(&self, out: &mut impl Write) -> io::Result<()> {
        if self.modules.is_empty() {
            return Ok(());
        }
        let mut rows = vec![self.heading("module")];
        for module in &self.modules {
            let rank = |(run, rank): (usize, &Option<usize>)| match (rank, module.difference(run)) {
                (None, _) => "-".to_owned(),
                (Some(rank), Some(difference)) if run > 0 && difference != 0 => format!("{rank} ({difference:+})"),
                (Some(rank), _) => rank.to_string(),
            };
            rows.push(
                std::iter::once(printable(&module.path)).chain(module.ranks.iter().enumerate().map(rank)).collect(),
            );
        }
        let mean = |total: &Total| total.mean_rank.map_or("-".into(), |rank| format!("{rank:.2}"));
        rows.push(std::iter::once("mean rank".into()).chain(self.totals.iter().map(mean)).collect());
        let parameters = self.totals.iter().map(|total| grouped(total.parameters));
        rows.push(std::iter::once("LoRA parameters".into()).chain(parameters).collect());
        writeln!(out)?;
        table(out, &rows)
    }

    fn write_scores(&self, out: &mut impl Write) -> io::Result<()> {
        if self.scores.is_empty() {
            return Ok(());
        }
        let mut rows = vec![self.heading("figure")];
        for score in &self.scores {
            let value = |(run, value): (usize, &Option<f64>)| match value {
                None => "-".to_owned(),
                Some(value) => format!("{}{}", figure(*value), if score.best.contains(&run) { " *" } else { "" }),
            };
            rows.push(
                std::iter::once(printable(&score.name)).chain(score.values.iter().enumerate().map(value)).collect(),
            );
        }
        writeln!(out)?;
        table(out, &rows)?;
        let other = compare::other_rows(&self.settings);
        if !other.is_empty() {
            return writeln!(out, "the figures are of other rows, none is best: {} differ", other.join(", "));
        }
        let less = if self.scores.iter().any(|score| is_better_less(&score.name)) {
            "; of losses and errors the least"
        } else {
            ""
        };
        writeln!(out, "* best{less}")
    }
}
