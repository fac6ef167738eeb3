//! A row of instruction data: the forms that data sets write it in, and its text.

use super::error::ChatError;
use super::message::Message;
use super::replies::Rendered;
use super::template::ChatTemplate;
use crate::data::error::{kind, nearest, shown};
use serde_json::{Map, Value};

/// Keys that tell the form of a row.
const KEYS: [&str; 7] = ["messages", "conversations", "prompt", "completion", "instruction", "input", "output"];
/// Keys that together make a row of a form.
const WHOLE: [&[&str]; 4] = [&["messages"], &["conversations"], &["prompt", "completion"], &["instruction", "output"]];

/// The form of rows with these keys, as its keys with ` and ` between; none where they are of no form.
pub fn form(keys: &[String]) -> Option<String> {
    let has = |key: &&str| keys.iter().any(|known| known == key);
    WHOLE.iter().find(|form| form.iter().all(has)).map(|form| form.join(" and "))
}

/// Whether a column of this name is read in any form.
pub fn reads(column: &str) -> bool {
    KEYS.contains(&column) || column == "system"
}

const FORMS: &str = "`messages` ([{\"role\": ..., \"content\": ...}]), `conversations` ([{\"from\": ..., \"value\": ...}]), \
                     `prompt` with `completion` (texts, or lists of messages), or `instruction` with `output` (and `input`)";

/// What one row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Text to go on from, and how it goes on; no template applies.
    Plain { prompt: String, completion: String },
    /// A conversation.
    Chat(Vec<Message>),
    /// Alpaca: a task, maybe what it is about, and its answer. `input` can be empty.
    Instruction { instruction: String, input: String, output: String },
}

impl Row {
    /// A row out of a JSON object. Other keys than those of its form are left alone; null is as good as absent.
    ///
    /// # Errors
    /// What is wrong: the keys or the value that was seen, the forms there are, and the key that may be meant.
    pub fn parse(row: &Map<String, Value>) -> Result<Row, String> {
        let given = |key: &str| row.get(key).filter(|value| !value.is_null());
        if let Some(messages) = given("messages") {
            return chat(self::messages("messages", messages)?);
        }
        if let Some(turns) = given("conversations") {
            let mut messages = messages("conversations", turns)?;
            // Beside ShareGPT's turns, a system message often has a column of its own.
            if let Some(Value::String(system)) = given("system")
                && !system.is_empty()
                && messages.first().is_none_or(|message| message.role() != "system")
            {
                messages.insert(0, Message::new("system", system));
            }
            return chat(messages);
        }
        match (given("prompt"), given("completion")) {
            (Some(Value::String(prompt)), Some(Value::String(completion))) => {
                return Ok(Row::Plain { prompt: prompt.clone(), completion: completion.clone() });
            }
            (Some(prompt @ Value::Array(_)), Some(completion @ Value::Array(_))) => {
                let prompt = messages("prompt", prompt)?;
                // As in TRL, replies in the prompt are context.
                let prompt = prompt.into_iter().map(Message::unlearnt);
                return chat(prompt.chain(messages("completion", completion)?).collect());
            }
            (Some(prompt), Some(completion)) => {
                return Err(format!(
                    "`prompt` is {} and `completion` {}; both must be texts, or both lists of messages",
                    kind(prompt),
                    kind(completion)
                ));
            }
            _ => {}
        }
        if given("instruction").is_some() && given("output").is_some() {
            let text = |key: &str| match given(key) {
                None => Ok(String::new()),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(other) => Err(format!("`{key}` is {}; it must be a text", kind(other))),
            };
            let (instruction, input) = (text("instruction")?, text("input")?);
            return Ok(Row::Instruction { instruction, input, output: text("output")? });
        }
        Err(unknown(row))
    }

    /// The row's text and what of it is to be learnt, for a model with this chat template or without one.
    ///
    /// Prompt and completion are joined as they are. An instruction is the user's message, with its input after an empty line;
    /// without a template a sentence says what follows, then come Alpaca's sections, `### Instruction:`, `### Input:` where there is
    /// one, and `### Response:`, after which the output goes on. No token that ends the text is added.
    ///
    /// # Errors
    /// A conversation without a template, and those of [`ChatTemplate::conversation`].
    pub fn render(&self, template: Option<&ChatTemplate>) -> Result<Rendered, ChatError> {
        let (prompt, reply) = match (self, template) {
            (Row::Plain { prompt, completion }, _) => (prompt.clone(), completion),
            (Row::Chat(messages), Some(template)) => return template.conversation(messages),
            (Row::Chat(_), None) => return Err(ChatError::NoTemplate),
            (Row::Instruction { instruction, input, output }, Some(template)) => {
                let task = if input.is_empty() { instruction.clone() } else { format!("{instruction}\n\n{input}") };
                return template.conversation(&[Message::new("user", &task), Message::new("assistant", output)]);
            }
            (Row::Instruction { instruction, input, output }, None) => (alpaca(instruction, input), output),
        };
        let text = format!("{prompt}{reply}");
        let reply = prompt.len()..text.len();
        Ok(Rendered { text, replies: vec![reply], left_out: None })
    }
}

/// The wording of an instruction for a model without a chat template, up to the output. The sentences are the program's own.
fn alpaca(instruction: &str, input: &str) -> String {
    if input.is_empty() {
        format!(
            "Here is an instruction for a task. Write a response that carries it out.\n\n\
             ### Instruction:\n{instruction}\n\n### Response:\n"
        )
    } else {
        format!(
            "Here is an instruction for a task, and an input that it is about. Write a response that carries it out.\n\n\
             ### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
        )
    }
}

/// The messages under a key.
fn messages(key: &str, value: &Value) -> Result<Vec<Message>, String> {
    let Value::Array(turns) = value else {
        return Err(format!("`{key}` is {}; it must be a list of messages", kind(value)));
    };
    if turns.is_empty() {
        return Err(format!("`{key}` is an empty list"));
    }
    turns.iter().enumerate().map(|(place, turn)| Message::parse(turn, &format!("{key}[{place}]"))).collect()
}

/// A conversation has something to learn.
fn chat(messages: Vec<Message>) -> Result<Row, String> {
    if messages.iter().any(Message::is_learnt) {
        return Ok(Row::Chat(messages));
    }
    if messages.iter().any(Message::is_reply) {
        return Err("every reply of the conversation is left out of the loss, so there is nothing to learn".into());
    }
    let mut roles: Vec<String> = messages.iter().map(|message| format!("\"{}\"", shown(message.role()))).collect();
    roles.dedup();
    Err(format!(
        "no message has the role \"assistant\" (\"gpt\" in ShareGPT), so there is nothing to learn; roles: {}",
        roles.join(", ")
    ))
}

fn unknown(row: &Map<String, Value>) -> String {
    const MOST: usize = 12;
    let mut keys: Vec<String> = row.keys().take(MOST).map(|key| format!("`{}`", shown(key))).collect();
    if row.len() > MOST {
        keys.push("...".into());
    }
    let seen = if keys.is_empty() { "no keys".into() } else { keys.join(", ") };
    let partner = |key: &str| match key {
        "prompt" => Some("completion"),
        "completion" => Some("prompt"),
        "instruction" => Some("output"),
        "output" => Some("instruction"),
        _ => None,
    };
    let given = |key: &str| row.get(key).is_some_and(|value| !value.is_null());
    let lonely = KEYS.iter().filter(|key| given(key)).find_map(|key| Some((*key, partner(key)?)));
    let slip = row
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .find_map(|key| Some((key, nearest(key, KEYS.into_iter().filter(|known| !given(known)))?)));
    let hint = match (lonely, slip) {
        (Some((key, partner)), None) => format!("; `{key}` is there without `{partner}`"),
        (_, Some((key, known))) => format!("; did you mean `{known}` for `{}`?", shown(key)),
        (None, None) => String::new(),
    };
    format!("the row is in no known form: it has {seen}{hint}; the forms are {FORMS}")
}
