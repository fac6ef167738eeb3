//! From what a model said of every held-out row to figures, and to the file of predictions.

use super::job::Fault;
use super::texts::Texts;
use crate::data::{DialogueEncoder, Held, Labels, Rows, Target};
use crate::experiment::{MetricKind, Task};
use crate::run::event::Metrics;
use crate::train::metrics::{self, Scheme};
use serde_json::json;
use std::io::Write;

/// What a model said of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// Logits by class; of a regression, the one number.
    Row(Vec<f32>),
    /// The class of every tagged word; of a text, the ids that were written.
    Tags(Vec<u32>),
}

/// True answers and predictions of a whole set, in its order.
pub enum Answered {
    Classes {
        truth: Vec<u32>,
        predicted: Vec<u32>,
        logits: Vec<Vec<f32>>,
    },
    Scores {
        truth: Vec<f64>,
        predicted: Vec<f64>,
    },
    /// One list of tags a sentence: its pieces are joined again.
    Tags {
        truth: Vec<Vec<u32>>,
        predicted: Vec<Vec<u32>>,
    },
    /// What was written after prompts.
    Texts(Texts),
}

impl Answered {
    /// Joins `predictions`, one a row of `rows` in their order, with what is true.
    ///
    /// `texts`: of generation, the rows as they are scored, and what decodes ids.
    pub fn join(
        task: Task,
        rows: &Rows,
        predictions: Vec<Prediction>,
        texts: Option<(&[Held], &DialogueEncoder)>,
    ) -> Result<Answered, Fault> {
        if let Some((held, encoder)) = texts {
            let written = predictions.into_iter().map(|prediction| match prediction {
                Prediction::Tags(ids) => ids,
                Prediction::Row(_) => Vec::new(),
            });
            return Ok(Answered::Texts(Texts::of(held, written, encoder)?));
        }
        let (mut classes, mut scores, mut tags) = (Vec::new(), Vec::new(), Vec::<Vec<u32>>::new());
        let (mut logits, mut tagged) = (Vec::new(), Vec::<Vec<u32>>::new());
        let mut before = None;
        for (row, prediction) in rows.iter().zip(predictions) {
            let row = row?;
            let goes_on = before.replace(row.example) == Some(row.example);
            match (row.target, prediction) {
                (Target::Class(class), Prediction::Row(row)) => {
                    classes.push(class);
                    logits.push(row);
                }
                (Target::Score(score), Prediction::Row(row)) => {
                    scores.push(f64::from(score));
                    logits.push(row);
                }
                (target, Prediction::Tags(said)) => {
                    if !goes_on {
                        tags.push(Vec::new());
                        tagged.push(Vec::new());
                    }
                    if let (Some(truth), Some(predicted)) = (tags.last_mut(), tagged.last_mut()) {
                        truth.extend(target.tags());
                        predicted.extend(said);
                    }
                }
                _ => {}
            }
        }
        Ok(match task {
            Task::Regression => {
                let predicted = logits.iter().map(|row| f64::from(row.first().copied().unwrap_or(f32::NAN)));
                Answered::Scores { predicted: predicted.collect(), truth: scores }
            }
            Task::Tagging => Answered::Tags { truth: tags, predicted: tagged },
            Task::Classification | Task::Generation => {
                let predicted = logits.iter().map(|row| argmax(row)).collect();
                Answered::Classes { truth: classes, predicted, logits }
            }
        })
    }

    /// Number of examples; a sentence in pieces is one.
    pub fn examples(&self) -> usize {
        match self {
            Answered::Classes { truth, .. } => truth.len(),
            Answered::Scores { truth, .. } => truth.len(),
            Answered::Tags { truth, .. } => truth.len(),
            Answered::Texts(texts) => texts.prompts.len(),
        }
    }

    /// Every figure of the task. One that is not defined on these rows is left out.
    pub fn figures(&self, labels: &Labels) -> Metrics {
        let named = |name: MetricKind, value: f64| (name.to_string(), value);
        match self {
            Answered::Classes { truth, predicted, .. } => {
                let mut all = Metrics::from([
                    named(MetricKind::Accuracy, metrics::accuracy(predicted, truth)),
                    named(MetricKind::Matthews, metrics::matthews_correlation(predicted, truth)),
                    named(MetricKind::F1Micro, metrics::f1_micro(predicted, truth)),
                    named(MetricKind::F1Macro, metrics::f1_macro(predicted, truth)),
                ]);
                if labels.names.len() == 2 {
                    all.extend([named(MetricKind::F1, metrics::f1_binary(predicted, truth))]);
                }
                all
            }
            Answered::Scores { truth, predicted } => {
                let pearson = metrics::pearson(predicted, truth).map(|value| named(MetricKind::Pearson, value));
                let spearman = metrics::spearman(predicted, truth).map(|value| named(MetricKind::Spearman, value));
                pearson.into_iter().chain(spearman).collect()
            }
            Answered::Texts(texts) => texts.figures(),
            Answered::Tags { truth, predicted } => {
                let (truth_names, predicted_names) = (names(labels, truth), names(labels, predicted));
                let (all, kinds) = metrics::entity_scores(&predicted_names, &truth_names, Scheme::Default);
                let (strict, _) = metrics::entity_scores(&predicted_names, &truth_names, Scheme::StrictIob2);
                let words = named(MetricKind::Accuracy, metrics::accuracy(&predicted.concat(), &truth.concat()));
                if !labels.has_entities() {
                    return Metrics::from([words]);
                }
                let mut figures = Metrics::from([
                    words,
                    named(MetricKind::EntityF1, all.f1),
                    named(MetricKind::EntityPrecision, all.precision),
                    named(MetricKind::EntityRecall, all.recall),
                    named(MetricKind::EntityF1Strict, strict.f1),
                ]);
                if kinds.len() > 1 {
                    figures.extend(kinds.into_iter().map(|(kind, score)| (format!("entity_f1.{kind}"), score.f1)));
                }
                figures
            }
        }
    }

    /// One JSON object a line: `row` counts the examples from 1, then what is true and what was predicted.
    pub fn write(&self, labels: &Labels, to: &mut impl Write) -> std::io::Result<()> {
        let name = |id: &u32| labels.names.get(*id as usize).map_or("", String::as_str);
        let tags = |row: &Vec<u32>| row.iter().map(|id| name(id).to_owned()).collect::<Vec<_>>();
        match self {
            Answered::Classes { truth, predicted, logits } => {
                for (row, ((truth, predicted), logits)) in truth.iter().zip(predicted).zip(logits).enumerate() {
                    let line =
                        json!({"row": row + 1, "label": name(truth), "prediction": name(predicted), "logits": logits});
                    writeln!(to, "{line}")?;
                }
            }
            Answered::Scores { truth, predicted } => {
                for (row, (truth, predicted)) in truth.iter().zip(predicted).enumerate() {
                    let line = json!({"row": row + 1, "score": *truth as f32, "prediction": *predicted as f32});
                    writeln!(to, "{line}")?;
                }
            }
            Answered::Texts(texts) => {
                let all = texts.prompts.iter().zip(&texts.references).zip(&texts.written);
                for (row, ((prompt, references), written)) in all.enumerate() {
                    let line =
                        json!({"row": row + 1, "prompt": prompt, "references": references, "prediction": written});
                    writeln!(to, "{line}")?;
                }
            }
            Answered::Tags { truth, predicted } => {
                for (row, (truth, predicted)) in truth.iter().zip(predicted).enumerate() {
                    let line = json!({"row": row + 1, "tags": tags(truth), "predictions": tags(predicted)});
                    writeln!(to, "{line}")?;
                }
            }
        }
        Ok(())
    }

    /// The figures of an answer that looks at no text: the commonest class, tag, or the mean of the training rows.
    pub fn blind(&self, training: &Rows, labels: &Labels) -> Result<Metrics, Fault> {
        let (mut classes, mut sum) = (Vec::new(), 0.0);
        for row in training.iter() {
            match row?.target {
                Target::Class(class) => classes.push(class),
                Target::Score(score) => sum += f64::from(score),
                target @ Target::Tags(_) => classes.extend(target.tags()),
            }
        }
        let (commonest, _) = metrics::majority(&classes, &[]);
        Ok(match self {
            Answered::Classes { truth, logits, .. } => {
                let predicted = vec![commonest; truth.len()];
                Answered::Classes { truth: truth.clone(), predicted, logits: logits.clone() }.figures(labels)
            }
            Answered::Scores { truth, .. } => {
                let mean = sum / training.len().max(1) as f64;
                let squares: f64 = truth.iter().map(|score| (score - mean).powi(2)).sum();
                Metrics::from([("test_loss".into(), squares / truth.len().max(1) as f64)])
            }
            Answered::Texts(_) => Metrics::new(),
            Answered::Tags { truth, .. } => {
                let predicted = truth.iter().map(|tags| vec![commonest; tags.len()]).collect();
                Answered::Tags { truth: truth.clone(), predicted }.figures(labels)
            }
        })
    }
}

fn names<'a>(labels: &'a Labels, sentences: &[Vec<u32>]) -> Vec<Vec<&'a str>> {
    let name = |id: &u32| labels.names.get(*id as usize).map_or("O", String::as_str);
    sentences.iter().map(|sentence| sentence.iter().map(name).collect()).collect()
}

/// The class of the highest logit, the first where several are equal.
pub fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (class, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = class;
        }
    }
    best as u32
}
