//! `autolora predict`

use super::CliError;
use super::base::open_base;
use super::out::{find, say};
use super::progress::Progress;
use crate::data::dataset::Example;
use crate::data::error::nearest_sibling;
use crate::data::hub::Hub;
use crate::experiment::Task;
use crate::run::adapter::Adapter;
use crate::run::export::Learned;
use crate::run::predict::rows::{RowError, Rows};
use crate::run::predict::{PredictError, Predictor};
use crate::run::{device, threads};
use clap::{ArgGroup, Args, ValueEnum};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Answer rows of text with a run, a model, or a model and an adapter: one JSON line a row, in order
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("with").required(true), after_help = AFTER_HELP)]
pub struct PredictArgs {
    /// Id, unique beginning of one, name, or `last`: its model and adapter, its labels, its length
    #[arg(long, group = "with", conflicts_with = "task")]
    run: Option<String>,
    /// A model with a head: a folder, or an id of the hub
    #[arg(long, group = "with", value_name = "DIR|ID", requires = "task")]
    model: Option<String>,
    /// An adapter of PEFT's for the model, with its head
    #[arg(long, value_name = "DIR", requires = "model", conflicts_with = "run")]
    adapter: Option<PathBuf>,
    #[arg(long, value_enum)]
    task: Option<TaskArg>,
    /// JSON Lines with `text` (and `text_pair`) or `words`; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Answers are JSON lines with and without it
    #[arg(long)]
    json: bool,
    /// Rows that are computed at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_size: u32,
    /// auto, cpu, or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

const AFTER_HELP: &str = "\
Answers: {\"label\", \"logits\"} of a classification, {\"score\"} of a regression, {\"tags\"} of a tagging, one tag a word.
Texts are cut to the length of the run or the limit of the tokenizer, the longer of a pair first; a sentence of words is
answered in pieces where it is longer, so that no word is lost.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TaskArg {
    Classification,
    Regression,
    Tagging,
}

/// Rows that are read before the first of them is answered: enough to sort by length.
const ROWS_AHEAD: usize = 32;
/// Time before a word about progress.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn run(args: &PredictArgs, out: &mut impl Write) -> Result<u8, CliError> {
    // SAFETY: no other thread runs yet.
    unsafe { threads::tell_candle(None) };
    let pool = threads::pool(None).map_err(|e| CliError::new(1, format!("cannot start threads: {e}"), None))?;
    let input = open(&args.input)?;
    let predictor = pool.install(|| predictor(args))?;
    let file = if is_stdin(&args.input) { "standard input".into() } else { args.input.display().to_string() };
    let mut rows = Rows::new(input, file, predictor.task());
    let batch_size = args.batch_size as usize;
    let (mut progress, started, mut done) = (Progress::new(), Instant::now(), 0);
    loop {
        let (examples, end) = read(&mut rows, batch_size * ROWS_AHEAD);
        for answer in pool.install(|| predictor.answer(&examples, batch_size))? {
            let line = serde_json::to_string(&answer).map_err(io::Error::from)?;
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        done += examples.len();
        if started.elapsed() > PATIENCE {
            let rate = done as f64 / started.elapsed().as_secs_f64();
            progress.show_line(format!("{done} rows, {rate:.1} rows/s"), None);
        }
        match end {
            None => {}
            Some(Ok(())) => break,
            Some(Err(error)) => {
                progress.clear();
                let advice = (done > 0).then(|| format!("the {done} rows before it are answered"));
                return Err(CliError::new(1, error, advice));
            }
        }
    }
    progress.clear();
    Ok(0)
}

/// At most `most` rows, and how the input ended, if it did.
fn read(rows: &mut Rows<impl BufRead>, most: usize) -> (Vec<Example>, Option<Result<(), RowError>>) {
    let mut examples = Vec::new();
    while examples.len() < most {
        match rows.next() {
            Ok(Some(example)) => examples.push(example),
            Ok(None) => return (examples, Some(Ok(()))),
            Err(error) => return (examples, Some(Err(error))),
        }
    }
    (examples, None)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if is_stdin(path) {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    match File::open(path) {
        Ok(_) if path.is_dir() => Err(CliError::new(2, format!("--input: {} is a folder", path.display()), None)),
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let advice = nearest_sibling(path).map(|near| format!("did you mean {near}?"));
            Err(CliError::new(3, format!("--input: no such file {}", path.display()), advice))
        }
        Err(error) => Err(CliError::new(1, format!("cannot read {}: {error}", path.display()), None)),
    }
}

fn predictor(args: &PredictArgs) -> Result<Predictor, CliError> {
    let device = device::open(&args.device).map_err(|error| CliError::new(2, error, None))?;
    let task = match args.task {
        Some(TaskArg::Regression) => Task::Regression,
        Some(TaskArg::Tagging) => Task::Tagging,
        _ => Task::Classification,
    };
    if let Some(run) = &args.run {
        let learned = Learned::of_run(&find(run)?)?;
        let model = &learned.facts.experiment.model;
        let base = open_base(&model.id, model.revision.as_deref())?;
        return Ok(Predictor::of_run(&learned, base, &device)?);
    }
    let base = open_base(args.model.as_deref().unwrap_or_default(), None)?;
    let adapter = args.adapter.as_deref().map(Adapter::read).transpose().map_err(PredictError::from)?;
    let predictor = Predictor::of_model(base, adapter, task, &Hub::from_env(), &device)?;
    if predictor.invented_labels {
        say("the model does not name its classes: they are LABEL_0, LABEL_1, ...");
    }
    Ok(predictor)
}

impl From<PredictError> for CliError {
    fn from(error: PredictError) -> Self {
        let advice = match &error {
            PredictError::NoHead { .. } | PredictError::OtherHead { .. } => Some(
                "give a model that was trained for the task, an adapter with its head (--adapter), or a run (--run)"
                    .into(),
            ),
            _ => None,
        };
        CliError::new(1, error, advice)
    }
}
