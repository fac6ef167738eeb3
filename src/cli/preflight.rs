//! `autolora preflight PRESET`

use super::CliError;
use super::out::{Json, say, table};
use crate::data::hub::Hub;
use crate::experiment::problem::printable;
use crate::experiment::{Experiment, Presets, Source, parse_with_files};
use crate::run::preflight::{Card, Doomed, PreflightError, Verdict, begin, complete};
use crate::run::threads;
use crate::tui::preflight::words;
use clap::Args;
use std::io::{Read, Write};

/// The largest preset that is read from standard input.
const LARGEST: u64 = 1 << 20;

/// Say what a run would take before it is started: parameters, memory, time, disk, lengths
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PreflightArgs {
    /// A file, the name of a shipped or saved preset, or - for standard input
    preset: String,
    /// Change a setting of the preset; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Model and data are read and a few real steps are done on the run's device; no run is made, and nothing is downloaded.
Exit codes: 0 the run would start, perhaps with warnings; 1 it would not start or not fit; 2 bad preset.";

pub fn run(args: &PreflightArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let experiment = resolve(args)?;
    let hub = Hub::from_env();
    let (card, is_here) = begin(&args.preset, &experiment, &hub);
    let card = if is_here { measured(card, &experiment)? } else { card };
    if args.json {
        writeln!(out, "{}", Json(card.json()))?;
    } else {
        write(&card, out)?;
    }
    Ok(if card.verdict() == Verdict::Refused { 1 } else { 0 })
}

fn resolve(args: &PreflightArgs) -> Result<Experiment, CliError> {
    let source = if args.preset == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(LARGEST).read_to_string(&mut text);
        read.map_err(|error| CliError::new(1, format!("cannot read the preset from standard input: {error}"), None))?;
        Source { name: "standard input".into(), text, folder: None }
    } else {
        Presets::open().find(&args.preset)?.source
    };
    Ok(parse_with_files(&source, &args.set).map_err(crate::experiment::PresetError::from)?)
}

fn measured(card: Card, experiment: &Experiment) -> Result<Card, CliError> {
    // Everything is in the cache: what the hub has beyond it is for the run to ask, and to fetch.
    // SAFETY: no other thread of this process runs yet.
    unsafe {
        std::env::set_var("HF_HUB_OFFLINE", "1");
        threads::tell_candle(experiment.runtime.threads);
    }
    let folder = Doomed::make()?;
    let mut talk = |text: &str| say(text);
    Ok(folder.result(complete(card, experiment, &folder.scratch, &mut talk))?)
}

impl From<PreflightError> for CliError {
    fn from(error: PreflightError) -> Self {
        match error {
            PreflightError::Store(error) => error.into(),
            PreflightError::Interrupted => CliError::new(130, error, None),
            error => CliError::new(1, error, None),
        }
    }
}

fn write(card: &Card, out: &mut impl Write) -> std::io::Result<()> {
    let device = if card.device.is_empty() { String::new() } else { format!(", on {}", card.device) };
    let of = format!("{}: {} with {}{device}", card.preset, card.model, card.data);
    writeln!(out, "{}\n{}", printable(&of), words::verdict(card))?;
    for remark in &card.remarks {
        let mark = if remark.refuses() { "error" } else { "warning" };
        writeln!(out, "{mark}: {}", printable(&remark.message))?;
        if !remark.help.is_empty() {
            writeln!(out, "  help: {}", printable(&remark.help))?;
        }
    }
    let facts = words::facts(card);
    if !facts.is_empty() {
        writeln!(out)?;
    }
    for (label, text) in facts {
        writeln!(out, "{label:9} {}", printable(&text))?;
    }
    let times = words::times(card);
    if !times.is_empty() {
        let head = ["phase", "steps", "a step", "in all"].map(String::from).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(times.into_iter().map(Vec::from)).collect();
        writeln!(out)?;
        table(out, &rows)?;
    }
    let bars = words::bars(card);
    if !bars.is_empty() {
        writeln!(out, "\ntokens  rows")?;
    }
    for (end, rows, share) in bars {
        let bar = "#".repeat((share * 40.0).ceil() as usize);
        writeln!(out, "{end:>6}  {bar:40} {rows}")?;
    }
    Ok(())
}
