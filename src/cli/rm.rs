//! `autolora rm RUN`

use super::CliError;
use super::out::{bytes, called, find, say};
use crate::run::lifecycle;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// Delete a run with its checkpoints and its adapter
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Stop it first where it is at work
    #[arg(long)]
    force: bool,
    /// One JSON object: id, dir, freed_bytes
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RmArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    let freed = lifecycle::remove(&run, args.force)?;
    if args.json {
        writeln!(out, "{}", json!({"id": run.id(), "dir": run.path(), "freed_bytes": freed}))?;
    } else {
        say(format!("run {} is deleted: {} freed", called(&run), bytes(freed)));
    }
    Ok(0)
}
