//! `autolora watch RUN`

use super::CliError;
use super::follow::{End, Watched};
use super::frame::Snapshot;
use super::out::{Json, find};
use crate::tui::{self, Start};
use clap::Args;
use std::io::Write;

/// Watch a run, from any terminal; --once prints one frame, --json its events until it ends
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Print one frame of text and leave; with --json one object
    #[arg(long)]
    once: bool,
    /// Print the events as they come, one JSON object a line, until no worker is left
    #[arg(long)]
    json: bool,
    /// Take clicks and the wheel; the terminal then selects text only with Shift held
    #[arg(long)]
    mouse: bool,
}

pub fn run(args: &WatchArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    if args.json && !args.once {
        let mut watched = Watched::new(&run);
        while watched.look()? == End::NotYet {
            watched.print_new(out)?;
            watched.wait();
        }
        watched.print_new(out)?;
        return Ok(0);
    }
    if !args.once && tui::has_terminal() {
        return Ok(tui::run(Start::Monitor(run.id().to_owned()), args.mouse)?);
    }
    let snapshot = Snapshot::of(run)?;
    if args.json {
        writeln!(out, "{}", Json(snapshot.json()))?;
    } else {
        snapshot.write(out)?;
    }
    Ok(0)
}
