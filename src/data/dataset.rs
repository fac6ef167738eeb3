//! A dataset before tokens: what `[data]` names, checked once from end to end, then read as often as needed. Rows are never
//! all in memory.

use super::chat::Row as Instruction;
use super::columns::Columns;
use super::dialogue::Dialogue;
use super::error::DataError;
use super::input::Input;
use super::labels::{Answer, Labels, Learning};
use super::reader::{BadRows, Column, Field, ReadOptions, Row, Summary, Verdict, read};
use super::sources::{Source, Sources};
use super::target::{Target, TargetKind};
use super::triples::LeftOut;
use crate::experiment::{DataSettings, Task};

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text {
        text: String,
        pair: Option<String>,
    },
    /// The words of a tagged sentence.
    Words(Vec<String>),
    /// A text to learn to write.
    Dialogue(Dialogue),
    /// Instruction data, whose text the model's template makes.
    Instruction(Instruction),
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub content: Content,
    /// Tags are one a word.
    pub target: Target,
}

impl Example {
    /// A text with a class.
    pub fn text(text: impl Into<String>, class: u32) -> Example {
        Example { content: Content::Text { text: text.into(), pair: None }, target: Target::Class(class) }
    }

    /// The first text, or the words with spaces between.
    pub fn shown_text(&self) -> String {
        match &self.content {
            Content::Text { text, .. } => text.clone(),
            Content::Words(words) => words.join(" "),
            Content::Dialogue(dialogue) => dialogue.text.clone(),
            Content::Instruction(row) => row.render(None).map_or(String::new(), |rendered| rendered.text),
        }
    }
}

/// The rows of one part, in one file or more.
#[derive(Clone, Debug)]
pub struct Part {
    /// As the user wrote it, or `builtin:demo/train.tsv`; the first of several.
    pub file: String,
    /// SHA-256 of the file, hexadecimal: what a run records to be reproducible.
    pub sha256: String,
    /// Number of examples.
    pub examples: usize,
    /// Rows that are left out.
    pub bad: BadRows,
    /// What is no row, such as texts in another language.
    pub left_out: LeftOut,
    reader: Reader,
    labels: Labels,
    /// What to call the training file where a label is unknown.
    train_file: String,
}

/// A dataset before it is split.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub task: Task,
    pub columns: Columns,
    pub train: Part,
    /// D_val, where it has a file of its own.
    pub validation: Option<Part>,
    /// The held-out rows, for evaluation alone.
    pub test: Option<Part>,
    /// Further held-out rows by name, e.g. MNLI's `mismatched`.
    pub extra: Vec<(String, Part)>,
    /// The classes; none in a regression.
    pub labels: Labels,
}

impl Dataset {
    /// Reads the rows of `sources`, to the end of every file. `model_labels` are the model's class names by id, if it has any.
    /// The labels are those that the dataset declares, else those of the whole training part.
    pub fn load(settings: &DataSettings, sources: Sources, model_labels: Option<&[String]>) -> Result<Self, DataError> {
        let columns = sources.columns;
        let reader = |source, max_rows| Reader {
            source,
            task: settings.task,
            columns: columns.clone(),
            header: settings.header,
            quote: settings.quote.clone(),
            max_rows,
            max_bad_share: settings.max_bad_share,
        };
        let train = reader(sources.train, settings.max_train_rows);
        let mut learning = Learning::new(settings.task);
        let seen = train.scan(|_, _, _, answer| {
            learning.see(&answer);
            Ok(())
        })?;
        let train_file = train.file();
        let labels = learning.finish(&train_file, columns.label.classes.as_deref(), model_labels)?;
        let part = |reader: Reader, Summary { sha256, rows, bad, left_out }| Part {
            file: reader.file(),
            sha256,
            examples: rows,
            bad,
            left_out,
            reader,
            labels: labels.clone(),
            train_file: train_file.clone(),
        };
        let check = |source, max_rows| {
            let reader = reader(source, max_rows);
            let known = |input: &Input, line, _, answer| labels.target(answer, input, line, &train_file).map(drop);
            let seen = reader.scan(known)?;
            Ok::<Part, DataError>(part(reader, seen))
        };
        Ok(Self {
            task: settings.task,
            validation: sources.validation.map(|source| check(source, None)).transpose()?,
            test: sources.test.map(|source| check(source, settings.max_test_rows)).transpose()?,
            extra: sources
                .extra
                .into_iter()
                .map(|(name, source)| Ok((name, check(source, settings.max_test_rows)?)))
                .collect::<Result<_, DataError>>()?,
            train: part(train, seen),
            columns: columns.clone(),
            labels,
        })
    }

    /// Every part with the setting that names it.
    pub fn parts(&self) -> impl Iterator<Item = (String, &Part)> {
        let own = [
            ("data.train", Some(&self.train)),
            ("data.validation", self.validation.as_ref()),
            ("data.test", self.test.as_ref()),
        ];
        let own = own.into_iter().filter_map(|(setting, part)| Some((setting.to_owned(), part?)));
        own.chain(self.extra.iter().map(|(name, part)| (format!("data.test/{name}"), part)))
    }

    /// What looks like a mistake, though it can be read.
    pub fn doubts(&self) -> Vec<String> {
        let tags = if self.task == Task::Tagging { self.labels.doubt() } else { None };
        self.columns.doubts.iter().cloned().chain(tags).collect()
    }

    /// What people should know of it: columns that were guessed, rows that are left out.
    pub fn notices(&self) -> Vec<String> {
        let bad = self.parts().map(|(_, part)| part).filter(|part| part.bad.count > 0).map(|part| {
            let first: Vec<String> = part.bad.first.iter().map(|row| format!("\n  {row}")).collect();
            let (count, all) = (part.bad.count, part.bad.count + part.examples);
            format!("{count} of {all} rows of {} are broken and left out; the first:{}", part.file, first.concat())
        });
        let left_out = self.parts().filter(|(_, part)| !part.left_out.is_empty());
        let left_out = left_out.map(|(setting, part)| format!("{setting}: left out: {}", part.left_out));
        self.columns.notice().into_iter().chain(left_out).chain(bad).collect()
    }
}

impl Part {
    /// Every example, in the order of the file, to `each`; gives the SHA-256 of what was read.
    pub fn each(&self, mut each: impl FnMut(Example) -> Result<(), DataError>) -> Result<String, DataError> {
        let example = |input: &Input, line, content, answer| {
            each(Example { content, target: self.labels.target(answer, input, line, &self.train_file)? })
        };
        Ok(self.reader.scan(example)?.sha256)
    }

    /// The first example that is not broken.
    pub fn first(&self) -> Result<Option<Example>, DataError> {
        let reader = Reader { max_rows: Some(1), max_bad_share: 1.0, ..self.reader.clone() };
        let mut first = None;
        Part { reader, ..self.clone() }.each(|example| {
            first.get_or_insert(example);
            Ok(())
        })?;
        Ok(first)
    }

    /// The number of its files.
    pub fn files(&self) -> usize {
        self.reader.source.files.len()
    }

    /// All examples in memory: for small sets.
    pub fn examples(&self) -> Result<Vec<Example>, DataError> {
        let mut all = Vec::with_capacity(self.examples);
        self.each(|example| {
            all.push(example);
            Ok(())
        })?;
        Ok(all)
    }

    /// The kind of the targets.
    pub fn targets(&self) -> TargetKind {
        match self.reader.task {
            Task::Regression => TargetKind::Score,
            Task::Tagging | Task::Generation => TargetKind::Tags,
            Task::Classification => TargetKind::Class,
        }
    }

    /// What decides the examples: the content of the files, how they are read, and the classes. For keys of caches.
    pub fn fingerprint(&self) -> String {
        let Reader { source, task, columns, header, quote, max_rows, max_bad_share: _ } = &self.reader;
        format!("{:?}", (&self.sha256, source.format, task, columns, header, quote, max_rows, &self.labels.names))
    }
}

/// Places of the columns in [`Row::fields`], the order of [`Columns::list`].
const TEXT: usize = 0;
const LABEL: usize = 1;
const PAIR: usize = 2;

/// The files of a part and how to read them.
#[derive(Clone, Debug)]
struct Reader {
    source: Source,
    task: Task,
    columns: Columns,
    header: Option<bool>,
    quote: Option<String>,
    max_rows: Option<usize>,
    max_bad_share: f64,
}

impl Reader {
    /// Gives every row that is not broken to `each`, with its file and line.
    fn scan(
        &self,
        mut each: impl FnMut(&Input, usize, Content, Answer) -> Result<(), DataError>,
    ) -> Result<Summary, DataError> {
        let columns = self.columns.list();
        let options = ReadOptions {
            columns: &columns,
            form: self.columns.form.as_ref(),
            format: Some(self.source.format),
            header: self.header,
            quote: self.quote.as_deref(),
            max_rows: self.max_rows,
            max_bad_share: self.max_bad_share,
        };
        read(&self.source.files, &options, &mut |input, row| {
            let line = row.line;
            Ok(match self.row(row, &columns) {
                Ok((content, answer)) => {
                    each(input, line, content, answer)?;
                    Verdict::Taken
                }
                Err(why) => Verdict::Broken(why),
            })
        })
    }

    /// What a row says, else why it is broken.
    fn row(&self, row: Row, columns: &[Column]) -> Result<(Content, Answer), String> {
        if let Some(Field::Object(map)) = row.fields.first() {
            return Ok((Content::Instruction(Instruction::parse(map)?), Answer::Tags(Vec::new())));
        }
        if let (Some(_), [Field::Text(prompt), Field::Text(text)]) = (&self.columns.form, row.fields.as_slice()) {
            return Ok((Content::Dialogue(Dialogue::plain(prompt, text)), Answer::Tags(Vec::new())));
        }
        if self.columns.form.is_some() {
            return Err("it is not in the form of data.train; all files of a run have one form".into());
        }
        let (text, label) = (&row.fields[TEXT], &row.fields[LABEL]);
        let (text_column, label_column) = (&columns[TEXT], &columns[LABEL]);
        if self.task == Task::Tagging {
            let (words, tags) = (text.list(text_column)?, label.list(label_column)?);
            if words.len() != tags.len() {
                return Err(format!("{} words and {} tags", words.len(), tags.len()));
            }
            if tags.iter().any(|tag| tag.trim().is_empty()) {
                return Err("a tag is empty".into());
            }
            return Ok((Content::Words(words.to_vec()), Answer::Tags(tags.to_vec())));
        }
        if self.task == Task::Generation {
            let dialogue = Dialogue::plain(text.text(text_column)?, label.text(label_column)?);
            return Ok((Content::Dialogue(dialogue), Answer::Tags(Vec::new())));
        }
        let pair = columns.get(PAIR).map(|column| row.fields[PAIR].text(column).map(str::to_owned)).transpose()?;
        let content = Content::Text { text: text.text(text_column)?.to_owned(), pair };
        let label = label.text(label_column)?;
        Ok((content, Answer::of(self.task, label)?))
    }

    /// The first file, as the user wrote it.
    fn file(&self) -> String {
        self.source.files.first().map_or(String::new(), |input| input.name.clone())
    }
}
