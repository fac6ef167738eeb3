//! `autolora show RUN`

use super::CliError;
use super::frame::Snapshot;
use super::out::{Json, find};
use clap::Args;
use std::io::Write;

/// Show where a run stands: state, ranks, selection values, scores
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// One JSON object, with the settings of the run
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ShowArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let snapshot = Snapshot::of(find(&args.run)?)?;
    if args.json {
        writeln!(out, "{}", Json(snapshot.json()))?;
    } else {
        snapshot.write(out)?;
        writeln!(out, "dir      {}", snapshot.run.path().display())?;
    }
    Ok(0)
}
