//! The first row of data to learn to write, as a model reads it, or as the row says it.

use crate::data::chat::{ChatTemplate, Row};
use crate::data::{Content, Dialogue, Example};
use crate::experiment::problem::printable;
use serde_json::{Value, json};
use std::io::Write;

/// Signs of a text that are shown.
const MOST: usize = 2000;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Its text in parts, each with whether it is learnt.
    Text(Vec<(String, bool)>),
    /// A conversation that no template makes a text of: role and content of each message.
    Messages(Vec<(String, String)>),
    /// Why it has no text.
    Refused(String),
}

/// The row of an example; none where it is not one to learn to write.
pub(super) fn of(example: &Example, template: Option<&ChatTemplate>) -> Option<Shown> {
    match &example.content {
        Content::Dialogue(dialogue) => Some(Shown::text(dialogue)),
        Content::Instruction(Row::Chat(messages)) if template.is_none() => {
            let message = |message: &crate::data::chat::Message| {
                (message.role().to_owned(), message.content().unwrap_or("(not one text)").to_owned())
            };
            Some(Shown::Messages(messages.iter().map(message).collect()))
        }
        Content::Instruction(row) => Some(match row.render(template) {
            Ok(rendered) => Shown::text(&rendered.into()),
            Err(error) => Shown::Refused(error.to_string()),
        }),
        Content::Text { .. } | Content::Words(_) => None,
    }
}

impl Shown {
    fn text(dialogue: &Dialogue) -> Shown {
        let parts = dialogue.parts().into_iter().filter(|(part, _)| !part.is_empty());
        Shown::Text(parts.map(|(part, learnt)| (part.to_owned(), learnt)).collect())
    }

    /// For people: lines of what is learnt begin with `>`, others with `|`.
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Shown::Refused(why) => writeln!(out, "the first row has no text: {}", printable(why)),
            Shown::Text(parts) => {
                writeln!(out, "the first row (> is learnt):")?;
                for (text, learnt) in parts {
                    let sign = if *learnt { '>' } else { '|' };
                    for line in printable(&cut(text)).split_inclusive('\n') {
                        writeln!(out, "  {sign} {}", line.trim_end_matches('\n'))?;
                    }
                }
                Ok(())
            }
            Shown::Messages(messages) => {
                writeln!(out, "the first row:")?;
                let wide = messages.iter().map(|(role, _)| role.chars().count()).max().unwrap_or(0);
                for (role, content) in messages {
                    let mut name = printable(role);
                    for line in printable(&cut(content)).split('\n') {
                        writeln!(out, "  {name:wide$}  {line}")?;
                        name.clear();
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Shown::Text(parts) => {
                json!({"text": parts.iter().map(|(text, learnt)| json!({"part": text, "learnt": learnt})).collect::<Vec<_>>()})
            }
            Shown::Messages(messages) => {
                let message = |(role, content): &(String, String)| json!({"role": role, "content": content});
                json!({"messages": messages.iter().map(message).collect::<Vec<_>>()})
            }
            Shown::Refused(why) => json!({"error": why}),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
