//! `autolora predict`

use super::CliError;
use super::base::{open_base, word_of};
use super::out::{Json, find, say};
use super::progress::Progress;
use crate::data::dataset::Example;
use crate::data::error::nearest_sibling;
use crate::data::hub::Hub;
use crate::experiment::{Precision, Task, regular};
use crate::model::generate::Method;
use crate::run::adapter::Adapter;
use crate::run::export::Learned;
use crate::run::predict::rows::{RowError, Rows};
use crate::run::predict::writer::{Style, Writer};
use crate::run::predict::{Answer, Place, PredictError, Predictor};
use crate::run::{device, threads};
use clap::{ArgGroup, Args, ValueEnum};
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
    /// JSON Lines with `text` (and `text_pair`), `words` or `prompt`; `-` reads standard input
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
    /// In which the frozen matrices are kept; unset: the run's, else f32
    #[arg(long, value_parser = word_of::<Precision>())]
    precision: Option<Precision>,
    #[command(flatten)]
    writing: Writing,
}

/// How prompts are continued
#[derive(Debug, Args)]
#[command(next_help_heading = "Generation")]
struct Writing {
    /// Tokens that are written at most; unset: the run's, else 64
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_new_tokens: Option<u32>,
    /// Also the logits of the prompt's last position
    #[arg(long)]
    logits: bool,
    /// Beams of the search; 1 is greedy
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    num_beams: Option<u32>,
    /// A beam's score is divided by its length to this power
    #[arg(long, value_name = "X", requires = "num_beams", default_value_t = 1.0, value_parser = finite, allow_negative_numbers = true)]
    length_penalty: f64,
    /// No sequence of so many tokens comes twice
    #[arg(long, value_name = "N")]
    no_repeat_ngram_size: Option<usize>,
    /// Draw tokens at this temperature
    #[arg(long, value_name = "X", conflicts_with = "num_beams", value_parser = positive, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Draw from the likeliest so many tokens; 0: all
    #[arg(long, value_name = "N", conflicts_with = "num_beams")]
    top_k: Option<usize>,
    /// Draw from the likeliest tokens that have this share of the probability
    #[arg(long, value_name = "P", conflicts_with = "num_beams", value_parser = share, allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Of the draws
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The text ends before this; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| "a number is needed".into())
}

fn positive(text: &str) -> Result<f64, String> {
    finite(text)
        .ok()
        .filter(|x| *x > 0.0)
        .ok_or_else(|| "a number above 0 is needed; without it, the likeliest is taken".into())
}

fn share(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|x| *x > 0.0 && *x <= 1.0).ok_or_else(|| "a number above 0, at most 1, is needed".into())
}

impl Writing {
    fn style(&self) -> Style {
        let draws = self.temperature.is_some() || self.top_k.is_some() || self.top_p.is_some();
        let sample = Method::Sample {
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: self.top_p.unwrap_or(1.0),
            seed: self.seed,
        };
        let method = match self.num_beams {
            Some(1) => Some(Method::Greedy),
            Some(num_beams) => Some(Method::Beam {
                num_beams: num_beams as usize,
                length_penalty: self.length_penalty,
                early_stopping: false,
            }),
            None => draws.then_some(sample),
        };
        Style {
            max_new_tokens: self.max_new_tokens.map(|count| count as usize),
            method,
            no_repeat_ngram_size: self.no_repeat_ngram_size,
            stop: self.stop.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            logits: self.logits,
        }
    }
}

/// What answers rows.
enum Answerer {
    Head(Box<Predictor>),
    Writer(Box<Writer>),
}

impl Answerer {
    fn task(&self) -> Task {
        match self {
            Answerer::Head(predictor) => predictor.task(),
            Answerer::Writer(_) => Task::Generation,
        }
    }

    fn answer(&self, examples: &[Example], batch_size: usize) -> Result<Vec<Answer>, PredictError> {
        match self {
            Answerer::Head(predictor) => predictor.answer(examples, batch_size),
            Answerer::Writer(writer) => writer.answer(examples, batch_size),
        }
    }
}

const AFTER_HELP: &str = "\
Answers: {\"label\", \"logits\"} of a classification, {\"score\"} of a regression, {\"tags\"} of a tagging, one tag a word, {\"text\"} of a
generation: the continuation alone.
Texts are cut to the length of the run or the limit of the tokenizer, the longer of a pair first; a sentence of words is
answered in pieces where it is longer, so that no word is lost.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TaskArg {
    Classification,
    Regression,
    Tagging,
    Generation,
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
            writeln!(out, "{}", Json(line))?;
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
        match rows.next_row() {
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
    match regular::open(path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(CliError::new(2, format!("--input: {} is a folder", path.display()), None))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let advice = format!("--input - < {} takes what comes out of it", path.display());
            Err(CliError::new(2, format!("--input: {}: {error}", path.display()), Some(advice)))
        }
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let advice = nearest_sibling(path).map(|near| format!("did you mean {near}?"));
            Err(CliError::new(3, format!("--input: no such file {}", path.display()), advice))
        }
        Err(error) => Err(CliError::new(1, format!("cannot read {}: {error}", path.display()), None)),
    }
}

fn predictor(args: &PredictArgs) -> Result<Answerer, CliError> {
    let device = device::open(&args.device).map_err(|error| CliError::new(2, error, None))?;
    let task = match args.task {
        Some(TaskArg::Regression) => Task::Regression,
        Some(TaskArg::Tagging) => Task::Tagging,
        Some(TaskArg::Generation) => Task::Generation,
        _ => Task::Classification,
    };
    if let Some(run) = &args.run {
        let learned = Learned::of_run(&find(run)?)?;
        let experiment = &learned.facts.experiment;
        let base = open_base(&experiment.model.id, experiment.model.revision.as_deref())?;
        let place = Place { device, precision: args.precision.unwrap_or(experiment.runtime.precision) };
        if experiment.data.task == Task::Generation {
            let writer = Writer::of_run(&learned, &base, &Hub::from_env(), args.writing.style(), &place)?;
            return Ok(Answerer::Writer(Box::new(writer)));
        }
        return Ok(Answerer::Head(Box::new(Predictor::of_run(&learned, base, &place)?)));
    }
    let place = Place { device, precision: args.precision.unwrap_or(Precision::F32) };
    let base = open_base(args.model.as_deref().unwrap_or_default(), None)?;
    let adapter = args.adapter.as_deref().map(Adapter::read).transpose().map_err(PredictError::from)?;
    if task == Task::Generation {
        let writer = Writer::of_model(&base, adapter.as_ref(), &Hub::from_env(), args.writing.style(), &place)?;
        return Ok(Answerer::Writer(Box::new(writer)));
    }
    let predictor = Predictor::of_model(base, adapter, task, &Hub::from_env(), &place)?;
    if predictor.invented_labels {
        say("the model does not name its classes: they are LABEL_0, LABEL_1, ...");
    }
    Ok(Answerer::Head(Box::new(predictor)))
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
