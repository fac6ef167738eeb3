//! Which column is the text, its pair, the label: as the settings say, else by the usual names.

use super::error::{DataError, shown};
use super::form::Form;
use super::formats::{Format, Look};
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

const PROMPTS: &[&str] =
    &["prompt", "mr", "meaning_representation", "instruction", "input", "source", "question", "text"];
const REPLIES: &[&str] =
    &["completion", "ref", "human_reference", "reference", "response", "output", "target", "answer", "summary"];

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
    /// Rows are read whole: then the columns are the keys of their form.
    pub form: Option<Form>,
    /// What looks like a mistake, for people.
    pub doubts: Vec<String>,
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
            advice: advice(settings, look),
        };
        let (tagging, writing) = (settings.task == Task::Tagging, settings.task == Task::Generation);
        let usual = match settings.task {
            Task::Tagging => WORDS,
            Task::Generation => PROMPTS,
            Task::Classification | Task::Regression => TEXTS,
        };
        let said_columns = [("data.text", &settings.text), ("data.label", &settings.label)];
        let said_column = said_columns.into_iter().find_map(|(setting, name)| Some((setting, name.as_ref()?)));
        if look.format == Format::WebNlg {
            if !writing {
                return Err(DataError::OnlyWritten { file: file.to_owned(), task: settings.task });
            }
            if let Some((setting, name)) = said_column {
                return Err(DataError::NoColumns { setting, column: shown(name), file: file.to_owned() });
            }
        }
        let form = match look.format {
            Format::WebNlg => Some(Form::Triples(look.columns.join(" and "))),
            Format::JsonLines | Format::Parquet if writing && said_column.is_none() => Form::of(&look.columns),
            _ => None,
        };
        if let Some(form) = form {
            let column = |setting| Chosen { setting, name: form.keys().to_owned(), guessed: true, classes: None };
            let (text, label) = (column("data.text"), column("data.label"));
            return Ok(Columns { text, pair: None, label, form: Some(form), doubts: Vec::new() });
        }
        let mut pair = said("data.text_pair", &settings.text_pair);
        let text = match said("data.text", &settings.text) {
            Some(text) => text,
            None => {
                let both =
                    PAIRS.iter().filter(|_| !tagging && !writing).find_map(|(a, b)| Some((known(a)?, known(b)?)));
                let (name, second) = match (both, &pair) {
                    (Some((first, second)), None) => (Some(first), Some(second)),
                    // The text that belongs to the pair that is named, else any text but that.
                    (_, Some(pair)) => {
                        let with = PAIRS.iter().filter(|(_, b)| b.eq_ignore_ascii_case(&pair.name));
                        let partner = with.clone().find_map(|(a, _)| known(a));
                        (partner.or_else(|| first(TEXTS, &[&pair.name])), None)
                    }
                    (None, None) => (first(usual, &[]), None),
                };
                let what = match settings.task {
                    Task::Tagging => "words of a sentence",
                    Task::Generation => "prompt",
                    Task::Classification | Task::Regression => "text",
                };
                let name = name.ok_or_else(|| none("data.text", what))?;
                pair = pair.or(second.map(|name| guess("data.text_pair", name)));
                guess("data.text", name)
            }
        };
        let (names, what) = match settings.task {
            Task::Tagging => (TAGS, "tags"),
            Task::Regression => (SCORES, "score"),
            Task::Classification => (CLASSES, "label"),
            Task::Generation => (REPLIES, "reply"),
        };
        let mut label = match said("data.label", &settings.label) {
            Some(label) => label,
            None => {
                let taken: Vec<&String> =
                    [Some(&text.name), pair.as_ref().map(|pair| &pair.name)].into_iter().flatten().collect();
                guess("data.label", first(names, &taken).ok_or_else(|| none("data.label", what))?)
            }
        };
        if matches!(settings.task, Task::Classification | Task::Tagging) {
            label.classes = look.classes.get(&label.name).cloned();
        }
        let doubts = doubts(settings, look, &text, pair.is_some());
        Ok(Columns { text, pair, label, form: None, doubts })
    }

    /// Text, label, pair: the order in which the rows are read.
    pub fn list(&self) -> Vec<Column<'_>> {
        let all = [Some(&self.text), Some(&self.label), self.pair.as_ref()].into_iter().flatten();
        all.filter(|_| self.form.is_none()).map(Chosen::column).collect()
    }

    /// The settings with these columns named in them.
    pub fn named_in(&self, settings: &DataSettings) -> DataSettings {
        let mut settings = settings.clone();
        if self.form.is_some() {
            return settings;
        }
        settings.text.get_or_insert_with(|| self.text.name.clone());
        settings.label.get_or_insert_with(|| self.label.name.clone());
        settings.text_pair = settings.text_pair.or_else(|| self.pair.as_ref().map(|pair| pair.name.clone()));
        settings
    }

    /// What was guessed, for people; none where the settings say all.
    pub fn notice(&self) -> Option<String> {
        if let Some(form) = &self.form {
            return Some(form.notice());
        }
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

/// Whether the first line of a file is a row, by the looks of it: no header has a sentence, a number or nothing as a name.
fn looks_like_a_row(columns: &[String]) -> bool {
    columns.iter().any(|name| name.split_whitespace().count() > 4 || name.is_empty() || name.parse::<f64>().is_ok())
}

/// Whether columns are called as those of datasets usually are.
fn looks_like_a_header(columns: &[String]) -> bool {
    let usual = |name: &&String| {
        let known = [TEXTS, WORDS, TAGS, CLASSES, SCORES].concat();
        let paired = PAIRS.iter().any(|(a, b)| a.eq_ignore_ascii_case(name) || b.eq_ignore_ascii_case(name));
        paired || known.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    columns.iter().filter(usual).count() > 1
}

/// What may help where no column can be told by its name; empty, or begins with "; ".
fn advice(settings: &DataSettings, look: &Look) -> String {
    let has = |names: &[&str]| look.columns.iter().any(|name| names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    let count = look.columns.len();
    if let [only] = look.columns.as_slice()
        && let Some(separator) = [';', '|', '\t'].into_iter().find(|separator| only.contains(*separator))
    {
        let named = if separator == '\t' { "a tab".into() } else { format!("`{separator}`") };
        return format!("; its first line has {named}: columns are separated by `,` in CSV and by tabs in TSV");
    }
    if settings.header != Some(true) && looks_like_a_row(&look.columns) {
        return format!(
            "; its first line looks like a row: without a header the columns are {}, so say e.g. data.text = \"{count}\" \
             and data.label = \"1\", each by its number",
            (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    if settings.task != Task::Generation && Form::of(&look.columns).is_some() {
        return "; for texts to learn to write: data.task = \"generation\"".into();
    }
    match settings.task {
        Task::Classification if has(&["ner_tags", "tags", "tokens", "words"]) => {
            "; for tags: data.task = \"tagging\"".into()
        }
        Task::Classification if has(SCORES) => "; for a number: data.task = \"regression\"".into(),
        Task::Regression | Task::Tagging if has(CLASSES) => "; for classes: data.task = \"classification\"".into(),
        _ => String::new(),
    }
}

/// What is read as the settings say, but hardly as they mean.
fn doubts(settings: &DataSettings, look: &Look, text: &Chosen, has_pair: bool) -> Vec<String> {
    let mut doubts = Vec::new();
    let names = [Some(&text.name), settings.label.as_ref()];
    let numbers = names.into_iter().flatten().all(|name| name.parse::<usize>().is_ok());
    if numbers && settings.header.is_none() && looks_like_a_header(&look.columns) {
        let line: Vec<String> = look.columns.iter().map(|name| shown(name)).collect();
        doubts.push(format!(
            "columns are given by number, so the first line is read as a row, but it looks like a header ({}): name \
             the columns, or set data.header = true",
            line.join(", ")
        ));
    }
    let partner = PAIRS.iter().filter(|(first, _)| first.eq_ignore_ascii_case(&text.name));
    let partner = partner.filter_map(|(_, b)| look.columns.iter().find(|name| name.eq_ignore_ascii_case(b))).next();
    if let (Some(partner), false, false, false) = (partner, has_pair, text.guessed, settings.task == Task::Tagging) {
        let (text, partner) = (shown(&text.name), shown(partner));
        doubts.push(format!(
            "only `{text}` is read, though `{partner}` usually belongs to it: data.text_pair = \"{partner}\" reads both"
        ));
    }
    doubts
}
