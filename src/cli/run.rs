//! `autolora run PRESET`

use super::CliError;
use super::follow::{End, Watched};
use super::frame::Snapshot;
use super::out::{Json, called, say};
use super::progress::Progress;
use crate::experiment::{Origin, PresetDoc, Presets, Source, parse_with_files};
use crate::run::directory::RunDir;
use crate::run::event::{DOWNLOADING, Event, Phase, Record};
use crate::run::file::timestamp;
use crate::run::follow::Follower;
use crate::run::lifecycle::{START_LIMIT, When, ask_to_stop, early_end, log_tail, start};
use crate::run::preflight::Scratch;
use crate::run::queue::{Crowd, Queue};
use crate::run::state::status;
use crate::run::store::{NewRun, Store};
use crate::run::view::{RunView, State};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a run that is left in the background is looked at first: what it needs may not be there.
const FIRST_MOMENT: Duration = Duration::from_millis(300);

/// Search ranks, retrain with them, evaluate, and write the adapter
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A file, or the name of a shipped or saved preset
    preset: String,
    /// Change a setting of the preset; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What to call the run; without it, as the preset is called
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    going: Going,
}

pub fn run(args: &RunArgs, out: &mut impl Write) -> Result<u8, CliError> {
    started_once()?;
    Scratch::clear_abandoned();
    let run = create(args)?;
    go(run, &args.going, out)
}

/// How a new run is started and shown: what every verb that makes one takes.
#[derive(Debug, Args)]
pub(super) struct Going {
    /// Leave once the run is at work in the background; prints its id
    #[arg(long)]
    pub detach: bool,
    /// Wait until a slot of its device is free; autolora queue shows who waits
    #[arg(long)]
    pub queue: bool,
    /// Print the events as they come, one JSON object a line; with --detach one object
    #[arg(long)]
    pub json: bool,
}

/// Starts a new run, and follows it unless it is to be left.
pub(super) fn go(run: RunDir, going: &Going, out: &mut impl Write) -> Result<u8, CliError> {
    let interrupted = if going.detach { None } else { Some(heed_interrupts()?) };
    let when = if going.queue { When::InTurn } else { When::Now };
    if let Some(crowd) = crowd(&run, when) {
        say(format!("{crowd}; --queue waits for a free slot"));
    }
    start(&run, when, START_LIMIT)?;
    match interrupted {
        None => detached(going.json, run, out),
        Some(interrupted) => foreground(going.json, run, &interrupted, out),
    }
}

/// Who uses the device that a run would go to, where it does not wait for them.
pub(super) fn crowd(run: &RunDir, when: When) -> Option<Crowd> {
    let device = run.experiment().ok().filter(|_| when == When::Now)?.runtime.device;
    Crowd::at(&device)
}

/// What a run that was just started does: `otherwise`, or waits at its place.
pub(super) fn began(run: &RunDir, otherwise: &str) -> Result<String, CliError> {
    if status(run)?.state != State::Queued {
        return Ok(otherwise.into());
    }
    let place = Queue::of_user().ok().and_then(|queue| queue.look().ok()?.place(run.id()));
    Ok(place.map_or("waits in the queue".into(), |place| format!("waits in the queue, place {place}")))
}

/// A launcher of distributed training (torchrun, accelerate) would start as many runs as there are devices.
pub(super) fn started_once() -> Result<(), CliError> {
    one_process(|name| std::env::var(name).ok())
}

fn one_process(variable: impl Fn(&str) -> Option<String>) -> Result<(), CliError> {
    let size = variable("WORLD_SIZE").and_then(|size| size.trim().parse::<u64>().ok()).unwrap_or(1);
    if size < 2 || variable("RANK").is_none() {
        return Ok(());
    }
    let message = format!("started as one of {size} processes (WORLD_SIZE, RANK): a run does not use several GPUs");
    let advice =
        "start autolora once, without torchrun or accelerate launch; runtime.device = \"cuda:N\" chooses the GPU";
    Err(CliError::new(2, message, Some(advice.into())))
}

fn create(args: &RunArgs) -> Result<RunDir, CliError> {
    let found = Presets::open().find(&args.preset)?;
    if found.shadows_shipped {
        say(format!("{} is your saved preset, not the one of the program", args.preset));
    }
    let file_name = match &found.origin {
        Origin::File(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
        _ => None,
    };
    let name = args.name.clone().or(file_name).unwrap_or_else(|| args.preset.clone());
    create_from(&found.source, &args.set, &name, None)
}

/// Makes a run from the text of a preset with settings changed.
pub(super) fn create_from(
    source: &Source,
    sets: &[String],
    name: &str,
    parent: Option<&str>,
) -> Result<RunDir, CliError> {
    let experiment = parse_with_files(source, sets).map_err(preset_error)?;
    let mut said = PresetDoc::open(source).map_err(preset_error)?;
    said.apply(sets).map_err(preset_error)?;
    // In the folder of the run, relative paths would mean something else.
    said.anchor();
    Ok(Store::of_user()?.create(NewRun { name, parent, experiment, preset: &said.text() })?)
}

pub(super) fn preset_error(problems: crate::experiment::Problems) -> CliError {
    crate::experiment::PresetError::from(problems).into()
}

fn detached(json: bool, run: RunDir, out: &mut impl Write) -> Result<u8, CliError> {
    let lasts = lasts(&run);
    if json {
        writeln!(out, "{}", Json(Snapshot::of(run.clone())?.json()))?;
    } else {
        writeln!(out, "{}", run.id())?;
    }
    lasts?;
    if !json {
        say(format!("run {} {}; autolora watch {} shows it", called(&run), began(&run, "is at work")?, run.id()));
    }
    Ok(0)
}

/// Whether a run that was just started is still at work, or done, a moment later.
///
/// # Errors
/// What it failed of.
pub(super) fn lasts(run: &RunDir) -> Result<(), CliError> {
    match early_end(run, FIRST_MOMENT)? {
        Some(State::Failed) => {
            let view = RunView::of(&Follower::new(&run.events_path()).read_all()?);
            let (error, advice) = view.error.unwrap_or_default();
            let message = format!("run {} failed at once: {error}", called(run));
            Err(CliError::new(1, message, Some(advice).filter(|advice| !advice.is_empty())))
        }
        Some(State::Crashed) => Err(dead(run)),
        _ => Ok(()),
    }
}

/// The error of a worker that is gone without a word.
fn dead(run: &RunDir) -> CliError {
    let log = log_tail(run, 5);
    let log = if log.is_empty() { log } else { format!("; the end of its log:\n{log}") };
    let view = RunView::of(&Follower::new(&run.events_path()).read_all().unwrap_or_default());
    let message = format!("the worker of run {} died in {}{log}", called(run), view.place());
    CliError::new(1, message, Some(view.how_to_resume(run.id())))
}

/// A flag that the first Ctrl-C or SIGTERM raises; the second ends this process, not the worker.
fn heed_interrupts() -> Result<Arc<AtomicBool>, CliError> {
    let raised = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&raised))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&raised)))
            .map_err(|error| CliError::new(1, format!("cannot listen to signals: {error}"), None))?;
    }
    Ok(raised)
}

/// Follows the run to its end and tells what came of it.
fn foreground(json: bool, run: RunDir, interrupted: &AtomicBool, out: &mut impl Write) -> Result<u8, CliError> {
    let mut progress = Progress::new();
    let mut watched = Watched::new(&run);
    let mut asked = false;
    if !json {
        progress.say(&format!("run {}; Ctrl-C stops it, with a checkpoint", called(&run)));
        if status(&run)?.state == State::Queued {
            progress.say(&format!("it {}; Ctrl-C takes it out", began(&run, "is at work")?));
        }
    }
    let state = loop {
        let end = watched.look()?;
        if json {
            watched.print_new(out)?;
        } else {
            for message in watched.take_messages() {
                match message.starts_with(DOWNLOADING) {
                    true => progress.show_line(message, Some(Phase::Prepare)),
                    false => progress.say(&message),
                }
            }
            progress.show(&watched.view);
        }
        if let End::As(state) = end {
            break state;
        }
        if interrupted.load(Ordering::Relaxed) && !asked {
            asked = true;
            progress
                .say("stopping after a checkpoint; Ctrl-C once more leaves at once, and it stops in the background");
            ask_to_stop(&run, "interrupted")?;
        }
        watched.wait();
    };
    progress.clear();
    match state {
        State::Finished if json => Ok(0),
        State::Finished => Snapshot::of(run)?.write_result(out).map(|()| 0).map_err(CliError::from),
        State::Failed => {
            let (error, advice) = watched.view.error.unwrap_or_default();
            Err(CliError::new(1, error, Some(advice).filter(|advice| !advice.is_empty())))
        }
        State::Stopped | State::Paused => {
            say(format!("run {} is {}; {}", called(&run), state.name(), watched.view.how_to_resume(run.id())));
            Ok(if asked { 130 } else { 1 })
        }
        _ => {
            if json {
                writeln!(out, "{}", died(&run, watched.view)?)?;
            }
            Err(dead(&run))
        }
    }
}

/// The last line for a reader of `--json` where the worker could not write one itself.
fn died(run: &RunDir, view: RunView) -> Result<String, CliError> {
    let event = Event::Failed {
        phase: view.phase.unwrap_or(crate::run::event::Phase::Prepare),
        step: view.step,
        run: run.id().into(),
        dir: run.path().display().to_string(),
        error: format!("the worker died in {}", view.place()),
        advice: format!("autolora resume {}", run.id()),
        ranks: view.ranks(),
        metrics: view.metrics,
        timing: view.timing,
    };
    let record = Record { seq: view.last_seq.map_or(0, |seq| seq + 1), time: timestamp(), event };
    Ok(serde_json::to_string(&record).map_err(std::io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_of_several_processes_is_refused() {
        let with = |set: &'static [(&str, &str)]| {
            one_process(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[]).is_ok() && with(&[("WORLD_SIZE", "1"), ("RANK", "0")]).is_ok());
        // A scheduler may set the size for the script that it starts once.
        assert!(with(&[("WORLD_SIZE", "8")]).is_ok());
        let Err(CliError::Told { code, report }) = with(&[("WORLD_SIZE", "8"), ("RANK", "3")]) else { panic!() };
        assert!(code == 2 && report.to_string().contains("one of 8 processes"), "{report:?}");
    }
}
