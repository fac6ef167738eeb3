//! `autolora allocation RUN`

use super::CliError;
use super::out::{Json, called, find, say, table};
use super::run::preset_error;
use crate::experiment::problem::printable;
use crate::experiment::{AllocationSettings, Source, parse, regular};
use crate::run::directory::RunDir;
use crate::run::event::Ranks;
use crate::run::event::sum_of;
use crate::run::file::FileError;
use crate::run::follow::Follower;
use crate::run::lifecycle;
use crate::run::retrain::words;
use crate::run::view::RunView;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// Show how a run's ranks will be made from its search and which they would be now; or choose another way
#[derive(Debug, Args)]
pub struct AllocationArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Change a setting of allocation, which the run then keeps; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Show what the settings would give, and keep nothing
    #[arg(long, requires = "set")]
    dry_run: bool,
    /// One JSON object: run, rule, threshold, budget, allocated, ranks, parameters
    #[arg(long)]
    json: bool,
}

pub fn run(args: &AllocationArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    let choice = choice(&run, &args.set)?;
    if !args.set.is_empty() && !args.dry_run {
        let state = lifecycle::choose_allocation(&run, &choice)?;
        say(format!("run {} ({}) allocates by {}", called(&run), state.name(), words(&choice)));
    }
    let view = RunView::of(&Follower::new(&run.events_path()).read_all()?);
    let ranks = view.ranks_by(&choice);
    let cost = |path: &str| {
        view.modules.iter().find(|module| module.path == path).map_or(0, |module| module.shape.parameters(1))
    };
    let parameters =
        ranks.as_ref().map(|ranks| sum_of(ranks.iter().map(|(path, rank)| rank.saturating_mul(cost(path)))));
    if args.json {
        let json = json!({
            "run": run.id(),
            "rule": choice.rule,
            "threshold": choice.threshold,
            "budget": choice.budget,
            "allocated": view.allocated,
            "step": view.snapshots.len().checked_sub(1).and_then(|last| view.snapshots.step(last)),
            "ranks": ranks,
            "parameters": parameters,
        });
        writeln!(out, "{}", Json(json))?;
        return Ok(0);
    }
    write_text(&view, &choice, ranks.as_ref(), parameters, out)
}

/// The run's choice, with what is said.
fn choice(run: &RunDir, sets: &[String]) -> Result<AllocationSettings, CliError> {
    let key = |set: &String| set.split_once('=').map_or(set.as_str(), |(key, _)| key).trim().to_owned();
    if let Some(other) = sets.iter().map(key).find(|key| !key.starts_with("allocation.")) {
        let message = format!("allocation changes allocation.* alone, not {other}");
        return Err(CliError::new(2, message, Some("autolora retrain changes what comes after the search".into())));
    }
    let path = run.experiment_path();
    let text = regular::read_to_string(&path).map_err(FileError::at("cannot read", &path))?;
    let source = Source { name: path.display().to_string(), text, folder: Some(run.path().into()) };
    Ok(parse(&source, sets).map_err(preset_error)?.allocation)
}

fn write_text(
    view: &RunView,
    choice: &AllocationSettings,
    ranks: Option<&Ranks>,
    parameters: Option<usize>,
    out: &mut impl Write,
) -> Result<u8, CliError> {
    writeln!(out, "rule     {}", words(choice))?;
    let (Some(ranks), Some(parameters)) = (ranks, parameters) else {
        writeln!(out, "ranks    not known yet: the log has no values that this rule looks at")?;
        return Ok(0);
    };
    let mut rows = vec![["module", "rank"].map(String::from).to_vec()];
    for module in &view.modules {
        let rank = ranks.get(&module.path).map_or("-".into(), |rank| format!("{rank} of {}", view.rank));
        rows.push(vec![printable(&module.path), rank]);
    }
    table(out, &rows)?;
    let step = view.snapshots.len().checked_sub(1).and_then(|last| view.snapshots.step(last)).unwrap_or(0);
    let when = if view.terms.is_empty() { format!("after step {step}") } else { "at the end of the search".into() };
    writeln!(out, "ranks    {parameters} LoRA parameters, by the values {when}")?;
    Ok(0)
}
