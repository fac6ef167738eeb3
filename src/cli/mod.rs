//! One file per verb of the command line; here what they are, and how their errors end the program.

mod allocation;
mod answer;
mod base;
mod bench;
mod compare;
mod completions;
mod datasets;
mod doctor;
mod error;
mod evaluate;
mod export;
mod follow;
mod frame;
mod ls;
mod man;
mod models;
mod notes;
mod notifier;
mod out;
mod pause;
mod predict;
mod preflight;
pub mod preset;
mod progress;
mod queue;
mod rerun;
mod resume;
mod retrain;
mod rm;
mod run;
mod samples;
mod show;
mod stop;
mod theatre;
mod watch;
mod worker;

pub use error::CliError;

use crate::experiment::Presets;
use crate::tui::{self, Start};
use answer::Answer;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Learn the rank of every LoRA matrix: a bilevel search, retraining with the ranks that it found, and an adapter for PEFT
#[derive(Debug, Parser)]
#[command(name = "autolora", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// Take clicks and the wheel on the screens; the terminal then selects text only with Shift held
    #[arg(long)]
    mouse: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

const AFTER_HELP: &str = "\
PRESET is a file or the name of a shipped or saved preset. RUN is an id, a unique beginning of one, a name, or `last`.
Exit codes: 0 done, 1 failed, 2 bad usage or preset, 3 not found, 4 busy, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Rerun(rerun::RerunArgs),
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    #[command(hide = true)]
    Notifier(notifier::NotifierArgs),
    Watch(watch::WatchArgs),
    Ls(ls::LsArgs),
    Show(show::ShowArgs),
    Compare(compare::CompareArgs),
    Star(notes::StarArgs),
    Tag(notes::TagArgs),
    Note(notes::NoteArgs),
    Pause(pause::PauseArgs),
    Resume(resume::ResumeArgs),
    Stop(stop::StopArgs),
    Allocation(allocation::AllocationArgs),
    Retrain(retrain::RetrainArgs),
    Queue(queue::QueueArgs),
    Rm(rm::RmArgs),
    Export(export::ExportArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Preflight(preflight::PreflightArgs),
    /// List, show, check and save presets
    Preset(preset::PresetArgs),
    Datasets(datasets::DatasetsArgs),
    Bench(bench::BenchArgs),
    Models(models::ModelsArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    report_whole_words();
    let mut out = Answer::open();
    let result = dispatch(cli, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    ExitCode::from(result.unwrap_or_else(|error| error.report()))
}

/// Reports break lines at blanks alone: an id or a path in two parts cannot be copied.
fn report_whole_words() {
    let hook: miette::ErrorHook = Box::new(|_| {
        let options = miette::MietteHandlerOpts::new()
            .break_words(false)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .show_related_errors_as_nested();
        Box::new(options.build())
    });
    // Only a second hook would be refused.
    let _ = miette::set_hook(hook);
}

fn dispatch(cli: Cli, out: &mut impl Write) -> Result<u8, CliError> {
    let Some(verb) = cli.verb else {
        if tui::has_terminal() {
            return Ok(tui::run(Start::Runs, cli.mouse)?);
        }
        out::say(Cli::command().render_help());
        return Ok(2);
    };
    match verb {
        Verb::Run(args) => run::run(&args, out),
        Verb::Rerun(args) => rerun::run(&args, out),
        Verb::Worker(args) => worker::run(&args),
        Verb::Notifier(args) => notifier::run(&args),
        Verb::Watch(args) => watch::run(&args, out),
        Verb::Ls(args) => ls::run(&args, out),
        Verb::Show(args) => show::run(&args, out),
        Verb::Compare(args) => compare::run(&args, out),
        Verb::Star(args) => notes::star(&args),
        Verb::Tag(args) => notes::tag(&args, out),
        Verb::Note(args) => notes::note(&args, out),
        Verb::Pause(args) => pause::run(&args),
        Verb::Resume(args) => resume::run(&args),
        Verb::Stop(args) => stop::run(&args),
        Verb::Allocation(args) => allocation::run(&args, out),
        Verb::Retrain(args) => retrain::run(&args, out),
        Verb::Queue(args) => queue::run(&args, out),
        Verb::Rm(args) => rm::run(&args, out),
        Verb::Export(args) => export::run(&args, out),
        Verb::Evaluate(args) => evaluate::run(&args, out),
        Verb::Predict(args) => predict::run(&args, out),
        Verb::Preflight(args) => preflight::run(&args, out),
        Verb::Preset(args) => Ok(preset::run(&args, &Presets::open(), out, &mut io::stderr()).map(|()| 0)?),
        Verb::Datasets(args) => datasets::run(&args, out),
        Verb::Models(args) => models::run(&args, out),
        Verb::Bench(args) => bench::run(&args, out),
        Verb::Doctor(args) => doctor::run(&args, out),
        Verb::Completions(args) => completions::run(&args, out),
        Verb::Man(args) => man::run(&args, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_hides_what_the_program_starts() {
        Cli::command().debug_assert();
        let hidden: Vec<String> =
            Cli::command().get_subcommands().filter(|c| c.is_hide_set()).map(|c| c.get_name().to_string()).collect();
        assert_eq!(hidden, ["worker", "notifier"]);
    }
}
