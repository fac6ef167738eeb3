//! What a decoder writes after prompts: a model alone, with an adapter, or a run.

use super::{Answer, Place, PredictError};
use crate::data::dataset::{Content, Example};
use crate::data::error::shown;
use crate::data::hub::Hub;
use crate::data::{Counted, DialogueEncoder};
use crate::experiment::Task;
use crate::model::generate::{Decoding, Generator, Method};
use crate::model::lora::{a_name, b_name};
use crate::model::{Decoder, Pass, Weights, kept_in};
use crate::run::adapter::Adapter;
use crate::run::base::Base;
use crate::run::export::Learned;
use candle_core::Tensor;

/// How to write; what is unset is the run's, or greedy and 64 tokens.
#[derive(Clone, Debug, Default)]
pub struct Style {
    pub max_new_tokens: Option<usize>,
    pub method: Option<Method>,
    pub no_repeat_ngram_size: Option<usize>,
    /// A text ends before any of these.
    pub stop: Vec<String>,
    /// Also the logits of the prompt's last position.
    pub logits: bool,
}

/// A decoder ready to write.
pub struct Writer {
    decoder: Decoder,
    weights: Weights,
    scales: Vec<f64>,
    dialogues: DialogueEncoder,
    how: Decoding,
    stop: Vec<String>,
    logits: bool,
}

/// Path, A, B and scale of a module.
type Factor = (String, Tensor, Tensor, f64);

impl Writer {
    /// The model that a run trained, which writes as its evaluation did unless `style` says otherwise.
    ///
    /// # Errors
    /// A base that is not the run's any more.
    pub fn of_run(
        learned: &Learned,
        base: &Base,
        hub: &Hub,
        style: Style,
        place: &Place,
    ) -> Result<Writer, PredictError> {
        if !base.is_recorded_in(&learned.facts.sha256)? {
            return Err(PredictError::OtherBase { model: shown(&base.files.id), run: learned.facts.id.clone() });
        }
        let factors = learned.present().filter_map(|module| {
            let (a, b) = learned.factors(module)?;
            Some((module.path.clone(), a.clone(), b.clone(), module.scale))
        });
        let (factors, settings) = (factors.collect(), &learned.facts.experiment.evaluate);
        let style = Style {
            max_new_tokens: style.max_new_tokens.or(Some(settings.max_new_tokens)),
            method: style.method.or(Some(Method::of(settings))),
            no_repeat_ngram_size: style.no_repeat_ngram_size.or(Some(settings.no_repeat_ngram_size)),
            ..style
        };
        let file = format!("the adapter of run {}", learned.facts.id);
        Writer::new(base, factors, &file, (learned.facts.experiment.data.max_length, hub), style, place)
    }

    /// A model, and an adapter where given.
    ///
    /// # Errors
    /// An adapter that is of another task or model.
    pub fn of_model(
        base: &Base,
        adapter: Option<&Adapter>,
        hub: &Hub,
        style: Style,
        place: &Place,
    ) -> Result<Writer, PredictError> {
        let (mut factors, mut file) = (Vec::new(), String::new());
        if let Some(adapter) = adapter {
            super::check_task(adapter, Task::Generation)?;
            if let Some((name, _)) = adapter.saved().next() {
                let problem = format!("it has {}, which is no LoRA factor", shown(name));
                return Err(PredictError::Unfit { file: adapter.file.clone(), problem });
            }
            let factor = |path: &str| {
                let (a, b, scale) = adapter.factors(path)?;
                Some((path.to_owned(), a.clone(), b.clone(), scale))
            };
            factors = adapter.modules().filter_map(factor).collect();
            file.clone_from(&adapter.file);
        }
        Writer::new(base, factors, &file, (usize::MAX, hub), style, place)
    }

    fn new(
        base: &Base,
        factors: Vec<Factor>,
        file: &str,
        (max_length, hub): (usize, &Hub),
        style: Style,
        place: &Place,
    ) -> Result<Writer, PredictError> {
        let (device, dtype) = (&place.device, kept_in(place.precision));
        let mut decoder = Decoder::load(base.decoder()?, &base.checkpoint, dtype, device)?;
        let unfit = |problem: String| PredictError::Unfit { file: file.to_owned(), problem };
        let targets: Vec<String> = factors.iter().map(|(path, ..)| path.clone()).collect();
        let modules = match targets.as_slice() {
            [] => Vec::new(),
            targets => decoder.attach(targets).map_err(|error| unfit(format!("it is of another model: {error}")))?,
        };
        let (mut weights, mut scales) = (Weights::new(), Vec::new());
        for (path, inputs, outputs) in &modules {
            let Some((_, a, b, scale)) = factors.iter().find(|(other, ..)| other == path) else { continue };
            let (found_in, found_out) = (a.dims().get(1).copied(), b.dims().first().copied());
            if (found_in, found_out) != (Some(*inputs), Some(*outputs)) {
                let (found_in, found_out) = (found_in.unwrap_or(0), found_out.unwrap_or(0));
                return Err(unfit(format!(
                    "{} has {found_in} inputs and {found_out} outputs here, {inputs} and {outputs} in {}",
                    shown(path),
                    shown(&base.files.id)
                )));
            }
            weights.insert(a_name(path), a.to_device(device)?);
            weights.insert(b_name(path), b.to_device(device)?);
            scales.push(*scale);
        }
        let how = Decoding {
            method: style.method.unwrap_or(Method::Greedy),
            max_new_tokens: style.max_new_tokens.unwrap_or(64),
            no_repeat_ngram_size: style.no_repeat_ngram_size.unwrap_or(0),
            eos_token_ids: base.ends(hub)?,
        };
        let dialogues = base.dialogues(max_length, Counted::Reply)?;
        Ok(Writer { decoder, weights, scales, dialogues, how, stop: style.stop, logits: style.logits })
    }

    /// What is written after each prompt, in order.
    ///
    /// # Errors
    /// Prompts that cannot be tokenised, or have no token at all; a device that fails.
    pub fn answer(&self, examples: &[Example], batch_size: usize) -> Result<Vec<Answer>, PredictError> {
        let mut prompts = Vec::with_capacity(examples.len());
        for example in examples {
            let text = if let Content::Dialogue(dialogue) = &example.content { &*dialogue.text } else { "" };
            prompts.push(self.dialogues.prompt(text)?);
        }
        // Prompts of like length share a batch.
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|place| prompts[*place].len());
        let mut answers: Vec<Option<Answer>> = vec![None; prompts.len()];
        for places in order.chunks(batch_size.max(1)) {
            let batch: Vec<Vec<u32>> = places.iter().map(|place| prompts[*place].clone()).collect();
            for (place, answer) in places.iter().zip(self.write(&batch)?) {
                answers[*place] = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn write(&self, prompts: &[Vec<u32>]) -> Result<Vec<Answer>, PredictError> {
        let pass = Pass { weights: &self.weights, scales: &self.scales, alpha: None, dropout: None };
        let generator = Generator { decoder: &self.decoder, pass: &pass };
        let stops = |new: &[u32]| {
            let text = || self.dialogues.decode(new).unwrap_or_default();
            !self.stop.is_empty() && self.cut(&text()).is_some()
        };
        let written = generator.generate(prompts, &self.how, &stops)?;
        let logits = match self.logits {
            true => Some(generator.prompt_logits(prompts)?.to_vec2::<f32>()?),
            false => None,
        };
        let answer = |(row, ids): (usize, Vec<u32>)| {
            let mut text = self.dialogues.decode(&ids)?;
            if let Some(end) = self.cut(&text) {
                text.truncate(end);
            }
            Ok(Answer::Text { text, logits: logits.as_ref().map(|logits| logits[row].clone()) })
        };
        written.into_iter().enumerate().map(answer).collect()
    }

    /// Where the first stop string begins.
    fn cut(&self, text: &str) -> Option<usize> {
        self.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
    }
}
