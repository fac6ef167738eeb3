//! `autolora export RUN`

use super::CliError;
use super::base::open_base;
use super::out::{Json, bytes, find, say, table};
use crate::data::hub::Hub;
use crate::run::directory::RunDir;
use crate::run::export::{self, ExportError, Exported, Learned, Scale, passport};
use crate::run::view::State;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Write what a run learned: an adapter for PEFT, a merged model, or the ranks alone
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    #[arg(long, value_enum)]
    format: Format,
    /// The folder to write; an earlier export there is replaced. Without it, NAME-FORMAT in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Of an adapter: where the scale of a module stands
    #[arg(long, value_enum)]
    scale: Option<ScaleArg>,
    /// One JSON object: folder, files, differences, passport
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An adapter that PEFT loads, with a model card
    Peft,
    /// A model with the adapter merged into its weights, which transformers loads
    Merged,
    /// PEFT's LoraConfig with its rank_pattern, and the ranks as JSON, without weights
    Config,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScaleArg {
    /// lora_alpha / rank, by the configuration; the default
    Native,
    /// In B: lora_alpha is the rank of every module
    Folded,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Peft => "peft",
            Format::Merged => "merged",
            Format::Config => "config",
        }
    }
}

pub fn run(args: &ExportArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let scale = scale(args)?;
    let run = find(&args.run)?;
    let learned = Learned::of_run(&run)?;
    let folder = folder(args, &run);
    let exported = match args.format {
        Format::Peft => export::peft(&learned, scale, &folder)?,
        Format::Config => {
            if learned.modules.iter().any(|module| module.joined) {
                say(
                    "the run trained parts of c_attn; PEFT has the whole layer alone, so that a training from this configuration \
                     is another one: it adapts all parts, at the parts' ranks added",
                );
            }
            export::config(&learned, &folder)?
        }
        Format::Merged => {
            let model = &learned.facts.experiment.model;
            let base = open_base(&model.id, model.revision.as_deref())?;
            export::merged(&learned, &base, &Hub::from_env(), &folder)?
        }
    };
    if args.json {
        writeln!(out, "{}", Json(as_json(args, &run, &exported)))?;
    } else {
        write_text(&exported, out)?;
    }
    Ok(0)
}

/// `--scale`, which only an adapter has.
fn scale(args: &ExportArgs) -> Result<Scale, CliError> {
    match (args.format, args.scale) {
        (Format::Peft, Some(ScaleArg::Folded)) => Ok(Scale::Folded),
        (Format::Peft, _) | (_, None) => Ok(Scale::Native),
        (format, Some(_)) => {
            let message =
                format!("--scale is for --format peft: --format {} has no B to fold a scale into", format.name());
            Err(CliError::new(2, message, None))
        }
    }
}

fn folder(args: &ExportArgs, run: &RunDir) -> PathBuf {
    let folded = if args.scale == Some(ScaleArg::Folded) { "-folded" } else { "" };
    let name = || format!("{}-{}{folded}", run.info().name, args.format.name());
    args.out.clone().unwrap_or_else(|| PathBuf::from(name()))
}

fn as_json(args: &ExportArgs, run: &RunDir, exported: &Exported) -> serde_json::Value {
    json!({
        "run": run.id(),
        "format": args.format.name(),
        "out": exported.folder,
        "files": exported.files,
        "readback": exported.readback.as_ref().map(export::Readback::to_json),
        "passport": passport::to_json(&exported.passport)["runtimes"],
    })
}

fn write_text(exported: &Exported, out: &mut impl Write) -> Result<(), CliError> {
    let size: u64 =
        exported.files.iter().filter_map(|name| exported.folder.join(name).metadata().ok()).map(|m| m.len()).sum();
    let folder = std::path::absolute(&exported.folder).unwrap_or_else(|_| exported.folder.clone());
    writeln!(out, "written  {} ({} files, {})", folder.display(), exported.files.len(), bytes(size))?;
    if let Some(readback) = &exported.readback {
        writeln!(out, "checked  {readback}")?;
    }
    if !exported.passport.is_empty() {
        let mut rows = vec![["program", "logits", "why"].map(String::from).to_vec()];
        let row = |entry: &export::Entry| vec![entry.runtime.into(), entry.verdict.name().into(), entry.why.clone()];
        rows.extend(exported.passport.iter().map(row));
        table(out, &rows)?;
        writeln!(out, "by the rules of these programs, not by running them; passport.json says whose")?;
    }
    Ok(())
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        let (code, advice) = match &error {
            ExportError::NotYet { run, state } => (1, Some(next_step(run, *state))),
            ExportError::Occupied { .. } => (2, Some("give another folder with --out, or empty this one".into())),
            ExportError::IsFile(_) => (2, Some("give a folder with --out".into())),
            ExportError::Mismatch { .. } => (1, Some("do not use it; autolora.json in it has all differences".into())),
            _ => (1, None),
        };
        CliError::new(code, error, advice)
    }
}

/// What brings a run to its adapter.
fn next_step(run: &str, state: State) -> String {
    match state {
        State::Queued | State::Running | State::Stalled => {
            format!("the adapter is there when the run is finished; autolora watch {run} shows how far it is")
        }
        State::Finished => "its folder `adapter` is gone; run its preset again".into(),
        _ => format!("autolora resume {run} goes on from its last checkpoint"),
    }
}
