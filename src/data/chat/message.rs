//! One turn of a conversation: as rows write it, and as templates read it.

use crate::data::error::{kind, nearest, shown};
use serde_json::{Map, Value};

/// Names under which reasoning is given, as transformers has them. The first is the one that templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Roles of ShareGPT, and the usual ones that they stand for.
const SHAREGPT: [(&str, &str); 9] = [
    ("human", "user"),
    ("gpt", "assistant"),
    ("system", "system"),
    ("user", "user"),
    ("assistant", "assistant"),
    ("chatgpt", "assistant"),
    ("model", "assistant"),
    ("tool", "tool"),
    ("observation", "tool"),
];

/// A message: a role, its content, and whatever else the row gives it, such as `reasoning_content` or `tool_calls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    fields: Map<String, Value>,
    learnt: bool,
}

impl Message {
    /// A message of text. It is learnt if its role is `assistant`.
    pub fn new(role: &str, content: &str) -> Message {
        let fields = [("role", role), ("content", content)];
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        Message { fields, learnt: role == "assistant" }
    }

    pub fn role(&self) -> &str {
        self.fields.get("role").and_then(Value::as_str).unwrap_or_default()
    }

    /// The content where it is one text; none where it is missing or in parts.
    pub fn content(&self) -> Option<&str> {
        self.fields.get("content").and_then(Value::as_str)
    }

    /// Whether it is the model's own turn.
    pub fn is_reply(&self) -> bool {
        self.role() == "assistant"
    }

    /// Whether it is a reply that the loss counts.
    pub fn is_learnt(&self) -> bool {
        self.learnt
    }

    /// The message as context only: the loss leaves it out.
    pub fn unlearnt(mut self) -> Message {
        self.learnt = false;
        self
    }

    /// One element of `messages` or `conversations`: `role` and `content`, or ShareGPT's `from` and `value`. A `weight` of 0, as
    /// OpenAI's files have it, takes a reply out of the loss. `place` is for errors, e.g. `messages[2]`.
    ///
    /// # Errors
    /// What is wrong, with what was seen and what is allowed.
    pub(super) fn parse(value: &Value, place: &str) -> Result<Message, String> {
        let Value::Object(object) = value else {
            return Err(format!("{place} is {}; it must be an object with `role` and `content`", kind(value)));
        };
        // Absent and null are the same, as transformers has it.
        let given = |key: &str| object.get(key).filter(|value| !value.is_null());
        let sharegpt = given("role").is_none() && given("from").is_some();
        let (role_key, content_key) = if sharegpt { ("from", "value") } else { ("role", "content") };
        let role = match given(role_key) {
            Some(Value::String(role)) => role.as_str(),
            Some(other) => return Err(format!("{place}.{role_key} is {}; it must be a text", kind(other))),
            None => return Err(missing(place, "role", object)),
        };
        let mut message = if sharegpt {
            let known = SHAREGPT.iter().find(|(name, _)| *name == role).map(|(_, role)| *role);
            let role = known.ok_or_else(|| {
                let names: Vec<&str> = SHAREGPT.iter().map(|(name, _)| *name).collect();
                format!("{place}.from is \"{}\"; it can be {}", shown(role), names.join(", "))
            })?;
            let mut message = Message::new(role, "");
            match given("value") {
                Some(value) => message.fields.insert("content".into(), value.clone()),
                None => return Err(missing(place, "value", object)),
            };
            message
        } else {
            let fields = object.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(key, value)| (key.clone(), value.clone())).collect();
            Message { fields, learnt: role == "assistant" }
        };
        match message.fields.get("content") {
            Some(Value::String(_)) => {}
            Some(Value::Array(parts)) => {
                if let Some(part) = parts.iter().position(|part| part["type"] != "text" || !part["text"].is_string()) {
                    return Err(format!(
                        "{place}.{content_key}[{part}] is no text; of a content in parts, only \
                         {{\"type\": \"text\", \"text\": ...}} can be learnt"
                    ));
                }
            }
            Some(other) => return Err(format!("{place}.{content_key} is {}; it must be a text", kind(other))),
            // A call of a tool, or reasoning, stands without content.
            None if given("tool_calls").is_some() || REASONING.iter().any(|key| given(key).is_some()) => {}
            None => return Err(missing(place, content_key, object)),
        }
        if given("weight").and_then(Value::as_f64) == Some(0.0) {
            message.learnt = false;
        }
        Ok(message)
    }

    /// What the template sees: the row's fields, and reasoning under each of the names that templates know it by.
    pub(super) fn seen(&self) -> Map<String, Value> {
        let Some(reasoning) = REASONING.iter().find_map(|key| self.fields.get(*key)).cloned() else {
            return self.fields.clone();
        };
        // The order of the keys is that of transformers: a template may print the whole message.
        let mut seen = Map::from_iter([("thinking".to_owned(), reasoning.clone())]);
        seen.extend(self.fields.clone());
        seen.insert("reasoning_content".into(), reasoning);
        seen
    }
}

fn missing(place: &str, key: &str, object: &Map<String, Value>) -> String {
    let keys: Vec<String> = object.keys().map(|key| format!("`{}`", shown(key))).collect();
    let hint = nearest(key, object.keys().map(String::as_str)).filter(|name| name != key);
    let hint = hint.map_or(String::new(), |name| format!("; is `{name}` meant to be it?"));
    let has = if keys.is_empty() { "is empty".into() } else { format!("has {}", keys.join(", ")) };
    format!("{place} has no `{key}`: it {has}{hint}")
}
