//! Rows that are read whole, because one column alone says nothing of them.

use super::{chat, triples};

/// What such rows are; each with the keys that told it, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Conversations, prompts with completions, instructions with outputs.
    Instruction(String),
    /// Triples and the texts that tell them.
    Triples(String),
}

impl Form {
    /// The form of rows with these keys; none where they are rows of columns.
    pub fn of(keys: &[String]) -> Option<Form> {
        chat::form(keys).map(Form::Instruction).or_else(|| triples::form(keys).map(Form::Triples))
    }

    /// Whether a column of this name says something in this form.
    pub fn reads(&self, column: &str) -> bool {
        match self {
            Form::Instruction(_) => chat::reads(column),
            Form::Triples(_) => triples::reads(column),
        }
    }

    /// The keys that told it.
    pub fn keys(&self) -> &str {
        match self {
            Form::Instruction(keys) | Form::Triples(keys) => keys,
        }
    }

    /// What is read, for people.
    pub fn notice(&self) -> String {
        match self {
            Form::Instruction(keys) => format!("rows are read as instruction data, by {keys}"),
            Form::Triples(keys) => format!("rows are read as triples and the texts that tell them, by {keys}"),
        }
    }
}
