//! A model's chat template: messages in, text out.

use super::error::{ChatError, Raised};
use super::files;
use super::generation::{self, Counted, Marks};
use super::message::Message;
use super::{python, source};
use jiff::civil::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use std::ops::Range;
use std::sync::Arc;

/// Name of the one template in the environment.
const TEMPLATE: &str = "chat_template";

/// A compiled chat template with the special tokens of its tokenizer.
///
/// ```
/// # use autolora::data::chat::{ChatTemplate, Message};
/// let jinja = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{{ eos_token }}\n{% endfor %}";
/// let config = br#"{"eos_token": {"content": "</s>"}}"#;
/// let template = ChatTemplate::from_files(Some(config), Some(jinja), None)?.ok_or("no template")?;
/// assert_eq!(template.render(&[Message::new("user", " hi ")], false)?, "<user>hi</s>\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Special tokens by name, and other variables.
    variables: serde_json::Map<String, serde_json::Value>,
    /// Whether it has `{% generation %}` blocks.
    marked: bool,
}

/// What a rendering puts out.
pub(super) struct Output {
    pub text: String,
    /// Byte ranges of the generation blocks, where the template has such blocks and their place is known.
    pub marks: Option<Vec<Range<usize>>>,
}

impl ChatTemplate {
    /// The template of a tokenizer, out of the files beside it: `chat_template.jinja`, else `chat_template` in
    /// `tokenizer_config.json`, where one of several must be named `default`. None if there is none. A template that asks for
    /// the time is told that of this call.
    ///
    /// # Errors
    /// A file that is no JSON object, several templates without a default, or a template with an error of syntax.
    pub fn from_files(
        tokenizer_config: Option<&[u8]>,
        chat_template_jinja: Option<&str>,
        special_tokens_map: Option<&[u8]>,
    ) -> Result<Option<ChatTemplate>, ChatError> {
        let config = tokenizer_config.map(|bytes| files::object("tokenizer_config.json", bytes)).transpose()?;
        let config = config.unwrap_or_default();
        let map = special_tokens_map.map(|bytes| files::object("special_tokens_map.json", bytes)).transpose()?;
        let Some(source) = files::source(&config, chat_template_jinja)? else { return Ok(None) };
        // Jinja reads every end of line as \n.
        let (source, marked) = source::prepared(&source.replace("\r\n", "\n").replace('\r', "\n"));
        let mut environment = environment().map_err(|error| ChatError::of(error, ""))?;
        environment.add_template_owned(TEMPLATE, source.clone()).map_err(|error| ChatError::of(error, &source))?;
        let variables = files::special_tokens(&config, map.as_ref());
        Ok(Some(ChatTemplate { environment, variables, marked }.at(jiff::ZonedDateTime::now().datetime())))
    }

    /// The template at a given time, which `strftime_now` tells: for output that does not depend on the day.
    pub fn at(mut self, now: DateTime) -> ChatTemplate {
        let strftime = move |format: &str| {
            let time = jiff::fmt::strtime::format(format, now);
            time.map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}")))
        };
        self.environment.add_function("strftime_now", strftime);
        self
    }

    /// The template with a variable more, such as `enable_thinking` or `tools`; it comes before a special token of that name.
    pub fn with(mut self, name: &str, value: serde_json::Value) -> ChatTemplate {
        self.variables.insert(name.to_owned(), value);
        self
    }

    /// Whether the template itself marks what is to be learnt, with `{% generation %}`.
    pub fn marks_replies(&self) -> bool {
        self.marked
    }

    /// The text of a conversation; with `add_generation_prompt`, up to where the next reply begins.
    ///
    /// # Errors
    /// No message, a template that refuses these messages, or one that fails, with the line of the template.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        Ok(self.output(messages, add_generation_prompt)?.text)
    }

    /// The text with its marks.
    pub(super) fn output(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Output, ChatError> {
        if messages.is_empty() {
            return Err(ChatError::Empty);
        }
        let template = self.environment.get_template(TEMPLATE).map_err(|error| ChatError::of(error, ""))?;
        let marks = Arc::new(Marks::default());
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value_of(value)));
        // Known, and none: a template asks `tools is not none` as well as `tools is defined`.
        let absent = [("tools", Value::from(())), ("documents", Value::from(()))];
        let given = [
            ("messages", messages.iter().map(|message| object_of(&message.seen())).collect()),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            (generation::NAME, Value::from_dyn_object(marks.clone())),
        ];
        let context = Value::from_pairs(absent.into_iter().chain(variables).chain(given));
        let mut bytes = Vec::new();
        let counted = Counted { bytes: &mut bytes, marks: marks.clone() };
        template.render_captured_to(context, counted).map_err(|error| ChatError::of(error, template.source()))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let marks = if self.marked { marks.ranges(&text) } else { None };
        Ok(Output { text, marks })
    }
}

/// Steps that a template may take for one conversation: templates of models take some tens a message.
const FUEL: u64 = 5_000_000;

/// Jinja as transformers sets it up.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    // Errors then know the place in the template.
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message.to_string())))
    });
    python::extend(&mut environment);
    Ok(environment)
}

/// A value of JSON as the template sees it.
fn value_of(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(value_of).collect(),
        serde_json::Value::Object(fields) => object_of(fields),
    }
}

fn object_of(fields: &serde_json::Map<String, serde_json::Value>) -> Value {
    Value::from_pairs(fields.iter().map(|(key, value)| (key.as_str(), value_of(value))))
}
