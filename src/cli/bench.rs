//! `autolora bench`

use super::CliError;
use super::base::{open_base, word_of};
use super::out::{Json, bytes, say};
use crate::experiment::{Hypergradient, Precision};
use crate::run::bench::{BenchError, Found, Kind, Mode, Plan, Shape, Subject, bench};
use crate::run::{device, threads};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{self, Write};
use std::sync::mpsc;

/// Time one training step of a shape or a model on random token ids, with its peak memory
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct BenchArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Rows of a batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = size(65_536))]
    batch: u32,
    /// Tokens of each row
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = size(1 << 20))]
    seq: u32,
    /// Rank of every module
    #[arg(long, value_name = "K", default_value_t = 8, value_parser = size(1024))]
    rank: u32,
    /// Layers that carry LoRA, by suffix or path; all-linear is all. Unset: query and value
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    targets: Vec<String>,
    /// What a step is
    #[arg(long, value_enum, default_value = "search")]
    mode: ModeArg,
    /// Rule of a search step: unrolled and implicit take five passes, first-order two
    #[arg(long, default_value = "unrolled", value_parser = word_of::<Hypergradient>())]
    hypergradient: Hypergradient,
    /// Steps that are timed, after 2 that are not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = size(1_000_000))]
    steps: u32,
    /// Rows that are passed forward and back at once
    #[arg(long, value_name = "N", value_parser = size(65_536))]
    micro_batch: Option<u32>,
    /// auto, cpu, or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// In which the frozen matrices are kept
    #[arg(long, default_value = "f32", value_parser = word_of::<Precision>())]
    precision: Precision,
    /// Threads of the CPU; unset: the cores
    #[arg(long, value_name = "N", value_parser = size(4096))]
    threads: Option<u32>,
    /// A line a step, and a last one with median_s, min_s, max_s, tokens_per_s, peak_bytes
    #[arg(long)]
    json: bool,
}

/// What is timed
#[derive(Debug, Args)]
struct SubjectArgs {
    /// A model in the place of a shape: a folder, or an id of the hub
    #[arg(long, value_name = "DIR|ID", conflicts_with_all = ["family", "layers", "hidden", "heads"])]
    model: Option<String>,
    /// Family of the shape
    #[arg(long, value_enum, default_value = "roberta")]
    family: FamilyArg,
    /// Layers of the shape
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = size(1024))]
    layers: u32,
    /// Width of its states; its feed-forward is four times as wide
    #[arg(long, value_name = "N", default_value_t = 768, value_parser = size(65_536))]
    hidden: u32,
    /// Its heads of attention
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = size(1024))]
    heads: u32,
}

fn size(most: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

const AFTER_HELP: &str = "\
The shape is RoBERTa-base unless said, its weights are random, and no row is padded: what a step takes does not depend on them.
A step is what a run does in one, without dropout: padding the rows, all passes, the optimisers, reading the loss.
peak_bytes is the most that the process had resident, or what the GPU had in use beyond what it had at the beginning.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Search,
    Lora,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FamilyArg {
    Roberta,
    Gpt2,
}

pub fn run(args: &BenchArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let threads = args.threads.map(|threads| threads as usize);
    // SAFETY: no other thread runs yet.
    unsafe { threads::tell_candle(threads) };
    let pool = threads::pool(threads).map_err(|e| CliError::new(1, format!("cannot start threads: {e}"), None))?;
    let plan = plan(args)?;
    if !args.json {
        say(format!("{}: building it, then {} steps after 2 that warm up", what(args), args.steps));
    }
    let (to, steps) = mpsc::channel();
    // The answer's place is this thread's alone, so that the steps are told here while they are taken in the pool.
    let found = std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            // Who has no more place for an answer does not hear of further steps.
            let mut tell = move |step, seconds| {
                let _ = to.send((step, seconds));
            };
            pool.install(|| bench(&plan, &mut tell))
        });
        for (step, seconds) in steps {
            if args.json {
                writeln!(out, "{}", Json(json!({"type": "step", "step": step, "seconds": seconds})))?;
                out.flush()?;
            } else {
                say(format!("step {step}: {seconds:.3} s"));
            }
        }
        Ok::<_, CliError>(taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    })?;
    if args.json {
        writeln!(out, "{}", Json(line(args, &found, pool.current_num_threads())))?;
    } else {
        write(args, &found, pool.current_num_threads(), out)?;
    }
    Ok(0)
}

fn plan(args: &BenchArgs) -> Result<Plan, CliError> {
    let of = &args.subject;
    let subject = match &of.model {
        Some(id) => Subject::Model(Box::new(open_base(id, None)?)),
        None => Subject::Shape(Shape {
            kind: if of.family == FamilyArg::Gpt2 { Kind::Gpt2 } else { Kind::Roberta },
            layers: of.layers as usize,
            hidden: of.hidden as usize,
            heads: of.heads as usize,
        }),
    };
    Ok(Plan {
        subject,
        mode: if args.mode == ModeArg::Lora { Mode::Lora } else { Mode::Search(args.hypergradient) },
        batch: args.batch as usize,
        length: args.seq as usize,
        rank: args.rank as usize,
        targets: (!args.targets.is_empty()).then(|| args.targets.clone()),
        micro_batch: args.micro_batch.map(|rows| rows as usize),
        steps: args.steps as usize,
        precision: args.precision,
        device: device::open(&args.device).map_err(|error| CliError::new(2, error, None))?,
    })
}

/// The words for what is timed.
fn what(args: &BenchArgs) -> String {
    let of = &args.subject;
    let subject = match &of.model {
        Some(id) => id.clone(),
        None => {
            let family = if of.family == FamilyArg::Gpt2 { "gpt2" } else { "roberta" };
            format!("{family}, {} layers of {} with {} heads", of.layers, of.hidden, of.heads)
        }
    };
    format!("{subject}, {} x {} tokens, rank {}", args.batch, args.seq, args.rank)
}

/// `search, unrolled` or `lora`.
fn mode(args: &BenchArgs) -> (&'static str, Option<String>) {
    match args.mode {
        ModeArg::Search => ("search", Some(args.hypergradient.to_string())),
        ModeArg::Lora => ("lora", None),
    }
}

fn line(args: &BenchArgs, found: &Found, threads: usize) -> serde_json::Value {
    let (mode, rule) = mode(args);
    let extreme = |pick: fn(f64, f64) -> f64| found.seconds.iter().copied().reduce(pick);
    json!({
        "type": "finished", "mode": mode, "hypergradient": rule, "batch": args.batch, "seq": args.seq, "rank": args.rank,
        "precision": args.precision.to_string(), "device": found.device, "threads": threads,
        "modules": found.modules, "frozen_parameters": found.frozen_parameters, "passes": found.passes,
        "steps": found.seconds.len(), "median_s": found.median_s(), "min_s": extreme(f64::min), "max_s": extreme(f64::max),
        "tokens_per_s": tokens_per_s(found), "peak_bytes": found.peak_bytes, "train_loss": found.loss,
    })
}

/// Tokens of the training batch by the second.
fn tokens_per_s(found: &Found) -> f64 {
    found.tokens as f64 / found.median_s()
}

fn write(args: &BenchArgs, found: &Found, threads: usize, out: &mut impl Write) -> io::Result<()> {
    let (mode, rule) = mode(args);
    let rule = rule.map(|rule| format!(", {rule}")).unwrap_or_default();
    let passes = if found.passes == 1 { "1 pass".into() } else { format!("{} passes", found.passes) };
    let on = if found.device == "cpu" { format!("cpu, {threads} threads") } else { found.device.clone() };
    let (least, most) = found.seconds.iter().fold((f64::INFINITY, 0f64), |(a, b), s| (a.min(*s), b.max(*s)));
    writeln!(out, "what     {}", what(args))?;
    writeln!(out, "step     {mode}{rule}: {passes}; {} modules", found.modules)?;
    writeln!(out, "device   {on}; {}", args.precision)?;
    writeln!(out, "time     {:.3} s median of {}; {least:.3} to {most:.3}", found.median_s(), found.seconds.len())?;
    writeln!(out, "rate     {:.1} tokens/s of the training batch", tokens_per_s(found))?;
    match found.peak_bytes {
        Some(peak) => writeln!(out, "memory   {} at the peak", bytes(peak)),
        None => writeln!(out, "memory   the driver does not tell"),
    }
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        let code = match &error {
            BenchError::TooLong { .. } | BenchError::Model(_) => 2,
            BenchError::Data(_) | BenchError::Candle(_) => 1,
        };
        CliError::new(code, error, None)
    }
}
