//! What can be wrong with a chat template or with what it is given.

use crate::data::error::shown;
use std::borrow::Cow;

/// An error of a chat template. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("{file} is no JSON object: {message}")]
    Json { file: &'static str, message: String },
    #[error(
        "chat_template in tokenizer_config.json is {seen}; it must be a text, or a list of {{\"name\": ..., \"template\": ...}}"
    )]
    Shape { seen: &'static str },
    #[error(
        "tokenizer_config.json has no chat template named \"default\", but {}; name one of them so, or put the one to use \
         into chat_template.jinja",
        names.join(", ")
    )]
    NoDefault { names: Vec<String> },
    #[error("line {line} of the chat template cannot be read: {message}")]
    Syntax { line: usize, message: String },
    #[error("the chat template refuses these messages: {message}")]
    Raised { message: String },
    #[error("the chat template fails at line {line}{}: {message}", at(excerpt))]
    Render { line: usize, excerpt: String, message: String, source: Box<minijinja::Error> },
    #[error("a conversation without a message cannot be rendered")]
    Empty,
    #[error(
        "it cannot be told which part of the text is the reply: {why}; a template with {{% generation %}} around the replies \
         tells it"
    )]
    NoReply { why: String },
    #[error(
        "the row is a conversation, but the model has no chat template; take an instruction-tuned model, put a \
         chat_template.jinja beside its tokenizer, or give rows of prompt and completion"
    )]
    NoTemplate,
}

fn at(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!(" (`{excerpt}`)") }
}

/// A template's own `raise_exception`, on its way through the engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub String);

impl ChatError {
    /// The engine's error in the program's words. `source` is the template it ran.
    pub(super) fn of(error: minijinja::Error, source: &str) -> ChatError {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(Raised(message)) = inner.downcast_ref() {
                return ChatError::Raised { message: message.clone() };
            }
            cause = inner.source();
        }
        // An error inside a macro or a block comes wrapped in those of its callers; the innermost knows the place best.
        let mut innermost = &error;
        while let Some(inner) = std::error::Error::source(innermost).and_then(|inner| inner.downcast_ref()) {
            innermost = inner;
        }
        let line = innermost.line().unwrap_or(0);
        let detail = innermost.detail().map(Cow::Borrowed);
        let message = match detail {
            Some(detail) if innermost.kind() == minijinja::ErrorKind::SyntaxError => detail.into_owned(),
            Some(detail) => format!("{}: {detail}", innermost.kind()),
            None => innermost.kind().to_string(),
        };
        if error.kind() == minijinja::ErrorKind::SyntaxError {
            return ChatError::Syntax { line, message };
        }
        let excerpt = innermost.range().and_then(|range| source.get(range)).map(shown).unwrap_or_default();
        ChatError::Render { line, excerpt, message, source: Box::new(error) }
    }
}
