//! What the files beside a vocabulary say: `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`.

use super::super::source::{NamedBytes, SourceError};
use super::{Files, MOST_TOKENS};
use crate::data::error::shown;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// The keys of named special tokens, in the order in which transformers adds those that a vocabulary lacks.
pub const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token that is found in a text before it is tokenised, as tokenizer.json has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    pub normalized: bool,
    pub special: bool,
}

impl Token {
    pub fn special(content: &str) -> Self {
        let content = content.to_owned();
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    }
}

/// The settings, as transformers merges the files.
#[derive(Debug, Default)]
pub struct Settings {
    /// By key, with the name of the file that says it.
    values: BTreeMap<String, (Value, String)>,
    /// Added tokens in the order of their ids.
    pub added: Vec<Token>,
}

impl Settings {
    /// # Errors
    /// [`SourceError::Vocabulary`] on a file that is not an object of the right form.
    pub fn read(files: &mut Files) -> Result<Self, SourceError> {
        let mut settings = Self::default();
        let mut take = |settings: &mut Self, name: &str| -> Result<(), SourceError> {
            let Some(file) = files(name)? else { return Ok(()) };
            let map = object(&file)?.into_iter().map(|(key, value)| (key, (value, file.name.clone())));
            settings.values.extend(map);
            Ok(())
        };
        take(&mut settings, CONFIG)?;
        let mut by_id = BTreeMap::new();
        if let Some((decoder, file)) = settings.values.get("added_tokens_decoder") {
            let wrong = |id: &str| wrong(file, &format!("added_tokens_decoder.{}", shown(id)), "an id and a token");
            for (id, value) in decoder.as_object().into_iter().flatten() {
                let token = value.as_object().and_then(|value| token(value, false)).ok_or_else(|| wrong(id))?;
                by_id.insert(id.parse::<u32>().map_err(|_| wrong(id))?, token);
            }
        } else {
            take(&mut settings, SPECIAL)?;
            if let Some(file) = files(ADDED)? {
                let special = settings.said_special()?;
                for (content, id) in object(&file)? {
                    let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                    let id = id.ok_or_else(|| wrong(&file.name, &shown(&content), "the id of a token"))?;
                    let is_special = special.contains(&content);
                    let plain = Token { normalized: !is_special, special: is_special, ..Token::special(&content) };
                    by_id.insert(id, plain);
                }
            }
        }
        if by_id.len() > MOST_TOKENS {
            let problem = format!("{} added tokens; at most {MOST_TOKENS} are read", by_id.len());
            return Err(SourceError::Vocabulary { file: ADDED.into(), problem });
        }
        settings.added = by_id.into_values().collect();
        Ok(settings)
    }

    /// A setting that is true or false; `None` where it is not said.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, SourceError> {
        match self.values.get(key) {
            None | Some((Value::Null, _)) => Ok(None),
            Some((Value::Bool(value), _)) => Ok(Some(*value)),
            Some((_, file)) => Err(wrong(file, key, "true or false")),
        }
    }

    /// A setting that is a text; `None` where it is not said.
    pub fn text(&self, key: &str) -> Result<Option<String>, SourceError> {
        match self.values.get(key) {
            None | Some((Value::Null, _)) => Ok(None),
            Some((Value::String(value), _)) => Ok(Some(value.clone())),
            Some((_, file)) => Err(wrong(file, key, "a text")),
        }
    }

    /// The named special tokens in the order of [`NAMED`]: as said, else of `defaults` by key. None where null is said.
    pub fn named(&self, defaults: &[(&'static str, &str)]) -> Result<Vec<(&'static str, Token)>, SourceError> {
        let default = |key: &str| defaults.iter().find(|(name, _)| *name == key).map(|(_, text)| Token::special(text));
        let mut named = Vec::new();
        for key in NAMED {
            let found = match self.values.get(key) {
                None => default(key),
                Some((Value::Null, _)) => None,
                Some((value, file)) => Some(any_token(value).ok_or_else(|| wrong(file, key, "a token"))?),
            };
            named.extend(found.map(|token| (key, Token { special: true, ..token })));
        }
        Ok(named)
    }

    /// Special tokens without a name of their own.
    pub fn extra(&self) -> Result<Vec<Token>, SourceError> {
        let mut extra = Vec::new();
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            let Some((value, file)) = self.values.get(key) else { continue };
            for value in value.as_array().into_iter().flatten() {
                let token = any_token(value).ok_or_else(|| wrong(file, key, "a list of tokens"))?;
                extra.push(Token { special: true, ..token });
            }
        }
        Ok(extra)
    }

    /// The special tokens that the files say.
    fn said_special(&self) -> Result<Vec<String>, SourceError> {
        let named = self.named(&[])?.into_iter().map(|(_, token)| token);
        Ok(named.chain(self.extra()?).map(|token| token.content).collect())
    }
}

fn object(file: &NamedBytes) -> Result<Map<String, Value>, SourceError> {
    let broken = |problem: String| SourceError::Vocabulary { file: file.name.clone(), problem };
    match serde_json::from_slice(&file.bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(broken("it is not a JSON object".into())),
        Err(error) => Err(broken(format!("not valid JSON: {error}"))),
    }
}

fn wrong(file: &str, key: &str, allowed: &str) -> SourceError {
    SourceError::Vocabulary { file: file.to_owned(), problem: format!("`{key}` is not {allowed}") }
}

/// A token as a text, or with its rules.
fn any_token(value: &Value) -> Option<Token> {
    match value {
        Value::String(content) => Some(Token::special(content)),
        Value::Object(map) => token(map, true),
        _ => None,
    }
}

fn token(map: &Map<String, Value>, special: bool) -> Option<Token> {
    let flag = |key: &str, default: bool| match map.get(key) {
        None => Some(default),
        Some(value) => value.as_bool(),
    };
    let special = flag("special", special)?;
    Some(Token {
        content: map.get("content")?.as_str()?.to_owned(),
        single_word: flag("single_word", false)?,
        lstrip: flag("lstrip", false)?,
        rstrip: flag("rstrip", false)?,
        normalized: flag("normalized", !special)?,
        special,
    })
}
