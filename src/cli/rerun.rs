//! `autolora rerun RUN`

use super::CliError;
use super::out::{called, find, say};
use super::run::{Going, create_from, go, started_once};
use crate::run::rerun;
use crate::run::store::Store;
use clap::Args;
use std::io::Write;

/// Start a new run from what a run's preset says, with changes
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Change a setting of the preset; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What to call the new run; without it, as the old one with the next number
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    going: Going,
}

pub fn run(args: &RerunArgs, out: &mut impl Write) -> Result<u8, CliError> {
    started_once()?;
    let old = find(&args.run)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => rerun::name(&old.info().name, &Store::of_user()?)?,
    };
    let new = create_from(&rerun::preset(&old)?, &args.set, &name, Some(old.id()))?;
    say(format!("run {} is made from {}", called(&new), called(&old)));
    go(new, &args.going, out)
}
