//! `autolora evaluate RUN`

use super::CliError;
use super::frame::{Snapshot, write_metrics};
use super::out::{Json, called, find, say};
use crate::experiment::problem::printable;
use crate::run::again::{self, AgainError};
use crate::run::event::Metrics;
use crate::run::lifecycle::LifecycleError;
use crate::run::preflight::Doomed;
use crate::run::{device, threads};
use clap::Args;
use serde_json::json;
use std::io::Write;

/// Score a run's adapter again on its held-out rows; the run stays as it is
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct EvaluateArgs {
    /// Id, unique beginning of one, name, or `last`: one that is finished, or was left after its retraining
    run: String,
    /// auto, cpu, or cuda:N; without it, the run's
    #[arg(long)]
    device: Option<String>,
    /// One JSON object: run, device, metrics, and whether they are the run's own
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Model and data must be what they were when the run began. On the same device the figures are the run's own to the last digit.
Exit codes: 0 scored; 1 nothing is trained yet, or model or data changed; 3 not found; 4 a worker is at work on the run.";

pub fn run(args: &EvaluateArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let snapshot = Snapshot::of(find(&args.run)?)?;
    let (run, status) = (&snapshot.run, &snapshot.status);
    if status.has_worker() {
        let holder = status.holder.clone();
        return Err(LifecycleError::Busy {
            id: run.id().into(),
            waits: false,
            holder,
            advice: "it scores when it has trained",
        }
        .into());
    }
    if let Some(said) = &args.device {
        device::open(said).map_err(|error| CliError::new(2, error, None))?;
    }
    let trained = again::trained(run)?;
    // SAFETY: no other thread of this process runs yet.
    unsafe { threads::tell_candle(run.experiment()?.runtime.threads) };
    let folder = Doomed::make()?;
    say(format!("scoring {} on its held-out rows", called(run)));
    let scored = again::evaluate(run, &trained, args.device.as_deref(), &folder.scratch);
    let view = folder.result(scored.map_err(CliError::from))?;
    let differing = differing(&view.metrics, &snapshot.view.metrics);
    // A run that was left before it scored has nothing to agree with.
    let agrees = (!snapshot.view.metrics.is_empty()).then_some(differing.is_empty());
    if args.json {
        let info = run.info();
        let object = json!({
            "run": info.id,
            "name": info.name,
            "device": view.device,
            "metrics": view.metrics,
            "agrees": agrees,
            "differs": differing,
        });
        writeln!(out, "{}", Json(object))?;
        return Ok(0);
    }
    write_metrics(&view, out)?;
    writeln!(out, "device   {}", printable(&view.device))?;
    match agrees {
        None => {}
        Some(true) => writeln!(out, "agrees   with the run's own figures to the last digit")?,
        Some(false) => {
            let then = |name: &String| format!("{} was {}", printable(name), snapshot.view.metrics[name]);
            writeln!(out, "differs  {}", differing.iter().map(then).collect::<Vec<_>>().join(", "))?;
        }
    }
    Ok(0)
}

/// Figures that both have and that are not the same.
fn differing(now: &Metrics, then: &Metrics) -> Vec<String> {
    let is_other =
        |(name, value): &(&String, &f64)| then.get(*name).is_some_and(|before| before.to_bits() != value.to_bits());
    now.iter().filter(is_other).map(|(name, _)| name.clone()).collect()
}

impl From<AgainError> for CliError {
    fn from(error: AgainError) -> Self {
        match error {
            AgainError::Export(error) => (*error).into(),
            AgainError::Store(error) => error.into(),
            AgainError::Dir(error) => error.into(),
            AgainError::Failed { message, advice } => {
                CliError::new(1, message, Some(advice).filter(|advice| !advice.is_empty()))
            }
            error => CliError::new(1, error, None),
        }
    }
}
