//! Which column is the text, its pair, the label: as the settings say, else by the usual names.

use super::error::{DataError, shown};
use super::formats::Look;
use super::reader::Column;
use crate::experiment::{DataSettings, Task};

/// Columns of two texts that belong together, in the order in which the model reads them.
const PAIRS: &[(&str, &str)] = &[
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("query", "document"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("s1", "s2"),
    ("text", "text_pair"),
];
const TEXTS: &[&str] = &[
    "text", "sentence", "content", "review", "document", "question", "query", "tweet", "comment", "abstract", "title",
];
const WORDS: &[&str] = &["tokens", "words", "token", "word", "sentence"];
const TAGS: &[&str] =
    &["ner_tags", "tags", "labels", "ner", "bio_tags", "ner_labels", "label", "pos_tags", "chunk_tags"];
const CLASSES: &[&str] = &[
    "label",
    "labels",
    "class",
    "target",
    "category",
    "sentiment",
    "intent",
    "gold_label",
    "label_text",
    "stars",
    "answer",
    "coarse_label",
];
const SCORES: &[&str] =
    &["score", "similarity", "similarity_score", "label", "labels", "target", "rating", "relatedness_score", "stars"];

/// A column to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Key of the setting that names it, or would.
    pub setting: &'static str,
    pub name: String,
    /// Found by its usual name, since no setting says it.
    pub guessed: bool,
    /// Names of the values 0, 1, ..., where the dataset has some.
    pub classes: Option<Vec<String>>,
}

impl Chosen {
    pub fn column(&self) -> Column<'_> {
        Column { setting: self.setting, name: &self.name, classes: self.classes.as_deref() }
    }
}

/// The columns of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub text: Chosen,
    pub pair: Option<Chosen>,
    pub label: Chosen,
}

impl Columns {
    /// The columns that the settings name in a file that looks so; those that they do not name by their usual names.
    /// `file` is for errors.
    pub fn choose(settings: &DataSettings, look: &Look, file: &str) -> Result<Columns, DataError> {
        let known = |name: &str| look.columns.iter().find(|column| column.eq_ignore_ascii_case(name)).cloned();
        let first = |names: &[&str], taken: &[&String]| {
            names.iter().filter_map(|name| known(name)).find(|name| !taken.contains(&name))
        };
        let said = |setting, name: &Option<String>| {
            name.clone().map(|name| Chosen { setting, name, guessed: false, classes: None })
        };
        let guess = |setting, name| Chosen { setting, name, guessed: true, classes: None };
        let none = |setting, what| DataError::NoGuess {
            setting,
            what,
            file: file.to_owned(),
            present: look.columns.iter().map(|column| shown(column)).collect(),
        };
        let tagging = settings.task == Task::Tagging;
        let mut pair = said("data.text_pair", &settings.text_pair);
        let text = match said("data.text", &settings.text) {
            Some(text) => text,
            None => {
                let both = PAIRS.iter().filter(|_| !tagging).find_map(|(a, b)| Some((known(a)?, known(b)?)));
                let (name, second) = match (both, &pair) {
                    (Some((first, second)), None) => (Some(first), Some(second)),
                    // The text that belongs to the pair that is named, else any text but that.
                    (_, Some(pair)) => {
                        let with = PAIRS.iter().filter(|(_, b)| b.eq_ignore_ascii_case(&pair.name));
                        let partner = with.clone().find_map(|(a, _)| known(a));
                        (partner.or_else(|| first(TEXTS, &[&pair.name])), None)
                    }
                    (None, None) => (first(if tagging { WORDS } else { TEXTS }, &[]), None),
                };
                let what = if tagging { "words of a sentence" } else { "text" };
                let name = name.ok_or_else(|| none("data.text", what))?;
                pair = pair.or(second.map(|name| guess("data.text_pair", name)));
                guess("data.text", name)
            }
        };
        let (names, what) = match settings.task {
            Task::Tagging => (TAGS, "tags"),
            Task::Regression => (SCORES, "score"),
            Task::Classification | Task::Generation => (CLASSES, "label"),
        };
        let mut label = match said("data.label", &settings.label) {
            Some(label) => label,
            None => {
                let taken: Vec<&String> =
                    [Some(&text.name), pair.as_ref().map(|pair| &pair.name)].into_iter().flatten().collect();
                guess("data.label", first(names, &taken).ok_or_else(|| none("data.label", what))?)
            }
        };
        if settings.task != Task::Regression {
            label.classes = look.classes.get(&label.name).cloned();
        }
        Ok(Columns { text, pair, label })
    }

    /// Text, label, pair: the order in which the rows are read.
    pub fn list(&self) -> Vec<Column<'_>> {
        [Some(&self.text), Some(&self.label), self.pair.as_ref()].into_iter().flatten().map(Chosen::column).collect()
    }

    /// What was guessed, for people; none where the settings say all.
    pub fn notice(&self) -> Option<String> {
        let all = [Some(&self.text), self.pair.as_ref(), Some(&self.label)];
        let guessed: Vec<String> = all
            .into_iter()
            .flatten()
            .filter(|column| column.guessed)
            .map(|column| format!("{} = \"{}\"", column.setting, shown(&column.name)))
            .collect();
        (!guessed.is_empty()).then(|| format!("columns taken by their names: {}", guessed.join(", ")))
    }
}
