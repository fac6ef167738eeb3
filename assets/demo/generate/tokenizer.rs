//! The demo's tokenizer: BERT's, over the words of the grammar, with single letters for every other word.

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

const SPECIALS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The tokenizer.json.
pub fn json(words: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let mut tokens: Vec<String> = SPECIALS.iter().chain(words).map(|token| token.to_string()).collect();
    for symbol in ('a'..='z').chain('0'..='9') {
        for token in [symbol.to_string(), format!("##{symbol}")] {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
    }
    let vocabulary: Map<String, Value> = tokens.iter().cloned().zip((0..).map(|id: u32| Value::from(id))).collect();
    let special = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let sequence = |id: &str, segment: u8| json!({"Sequence": {"id": id, "type_id": segment}});
    let token = |id: &str, segment: u8| json!({"SpecialToken": {"id": id, "type_id": segment}});
    let specials: Map<String, Value> = [("[CLS]", 2), ("[SEP]", 3)]
        .into_iter()
        .map(|(name, id)| (name.to_owned(), json!({"id": name, "ids": [id], "tokens": [name]})))
        .collect();
    let source = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIALS.iter().enumerate().map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0), sequence("B", 1), token("[SEP]", 1)],
            "special_tokens": specials,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    let tokenizer = Tokenizer::from_bytes(serde_json::to_vec(&source)?).map_err(|e| e.to_string())?;
    Ok(tokenizer.to_string(true).map_err(|e| e.to_string())?)
}
