//! The tokens of a model and those added to it, with their ids.

use super::super::source::SourceError;
use super::settings::{Settings, Token};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Ids by token.
#[derive(Debug)]
pub struct Vocabulary {
    ids: HashMap<String, u32>,
    added: Vec<(u32, Token)>,
    /// Of the special tokens with a name.
    named: Vec<(&'static str, Token)>,
}

impl Vocabulary {
    /// The `ids` of a model that counts `size` tokens, and the added tokens of transformers in its order: those that the
    /// files list, those with a name, the further special ones, and the model's `own`. One that the model lacks gets the
    /// next id.
    pub fn new(
        ids: HashMap<String, u32>,
        size: usize,
        settings: &Settings,
        defaults: &[(&'static str, &str)],
        own: Vec<Token>,
    ) -> Result<Self, SourceError> {
        let named = settings.named(defaults)?;
        let mut vocabulary = Self { ids, added: Vec::new(), named };
        let has_name = |content: &str| vocabulary.named.iter().any(|(_, token)| token.content == content);
        let listed = settings.added.iter().cloned();
        let mut tokens: Vec<Token> =
            listed.map(|token| Token { special: token.special || has_name(&token.content), ..token }).collect();
        tokens.extend(vocabulary.named.iter().map(|(_, token)| token.clone()));
        tokens.extend(settings.extra()?);
        tokens.extend(own);
        let mut next = u32::try_from(size).unwrap_or(u32::MAX);
        let mut seen = std::collections::HashSet::new();
        for token in tokens {
            if token.content.is_empty() || !seen.insert(token.content.clone()) {
                continue;
            }
            let id = *vocabulary.ids.entry(token.content.clone()).or_insert_with(|| {
                next = next.saturating_add(1);
                next - 1
            });
            vocabulary.added.push((id, token));
        }
        vocabulary.added.sort_by_key(|(id, _)| *id);
        Ok(vocabulary)
    }

    /// The id of a token; that of added and model's tokens alike.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The special token of this name, else `default`.
    pub fn name<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.named.iter().find(|(name, _)| *name == key).map_or(default, |(_, token)| &token.content)
    }

    /// `added_tokens` of a tokenizer.json.
    pub fn added(&self) -> Value {
        let token = |(id, token): &(u32, Token)| {
            let Token { content, single_word, lstrip, rstrip, normalized, special } = token;
            json!({
                "id": id, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
                "normalized": normalized, "special": special,
            })
        };
        self.added.iter().map(token).collect()
    }
}

/// A vocabulary as a tokenizer.json has it: by id.
pub fn in_order(ids: &HashMap<String, u32>) -> Map<String, Value> {
    let mut tokens: Vec<(&String, &u32)> = ids.iter().collect();
    tokens.sort_unstable_by_key(|(token, id)| (**id, *token));
    tokens.into_iter().map(|(token, id)| (token.clone(), json!(id))).collect()
}
