//! Rows of JSON and of parquet that hold triples and texts: the forms that datasets write them in.

use super::{Record, Text, Triple, linearised};
use crate::data::error::{kind, shown};
use serde_json::{Map, Value};

/// Keys that together make a form: of the facts, then of the texts.
struct Shape {
    facts: &'static str,
    /// All are there; the first that says something counts.
    texts: &'static [&'static str],
    /// DART's properties, `LEADER_NAME`, are in lower case in the prompt.
    lower_case: bool,
}

const SHAPES: [Shape; 5] = [
    // WebNLG on the hub: `{"mtriple_set": [["s | p | o", ...]]}` and `{"text": [...], "lang": [...], "comment": [...]}`.
    Shape { facts: "modified_triple_sets", texts: &["lex"], lower_case: false },
    // An entry of WebNLG's own JSON: triples as objects, and `[{"lex": ..., "comment": ...}]`.
    Shape { facts: "modifiedtripleset", texts: &["lexicalisations"], lower_case: false },
    // DART, its own JSON and on the hub: `[[s, p, o], ...]`, and annotations as objects or as an object of lists.
    Shape { facts: "tripleset", texts: &["annotations"], lower_case: true },
    // GEM's DART and WebNLG: `target` is one text, and held-out rows have all of them as `references`.
    Shape { facts: "tripleset", texts: &["references", "target"], lower_case: true },
    Shape { facts: "input", texts: &["references", "target"], lower_case: false },
];

/// The form of rows with these keys, as its keys with ` and ` between; none where they are of no form.
pub fn form(keys: &[String]) -> Option<String> {
    let has = |key: &str| keys.iter().any(|known| known == key);
    let shape = SHAPES.iter().find(|shape| has(shape.facts) && shape.texts.iter().all(|key| has(key)))?;
    Some([&[shape.facts], shape.texts].concat().join(" and "))
}

/// Whether a column of this name is read in any form.
pub fn reads(column: &str) -> bool {
    SHAPES.iter().any(|shape| shape.facts == column || shape.texts.contains(&column))
}

impl Record {
    /// A record out of a row. Other keys than those of its form are left alone; null is as good as absent.
    ///
    /// # Errors
    /// What is wrong: the key, what was seen, what is needed.
    pub fn parse(row: &Map<String, Value>) -> Result<Record, String> {
        let given = |key: &str| row.get(key).filter(|value| !value.is_null());
        let shape =
            SHAPES.iter().find(|shape| given(shape.facts).is_some() && shape.texts.iter().any(|t| given(t).is_some()));
        let Some(shape) = shape else {
            let keys: Vec<String> = row.keys().take(12).map(|key| format!("`{}`", shown(key))).collect();
            return Err(format!("no triples with texts in this row; it has {}", keys.join(", ")));
        };
        let mut texts = Vec::new();
        for key in shape.texts {
            if let (true, Some(value)) = (texts.is_empty(), given(key)) {
                texts = self::texts(key, value)?;
            }
        }
        let facts = given(shape.facts).unwrap_or(&Value::Null);
        // GEM's other sets have texts where WebNLG has triples: they are prompts as they are.
        let prompt = match facts {
            Value::String(prompt) => prompt.clone(),
            facts => {
                let mut triples = triples(shape.facts, facts)?;
                if shape.lower_case {
                    triples.iter_mut().for_each(|triple| triple.0[1] = triple.0[1].to_lowercase());
                }
                linearised(&triples)
            }
        };
        if prompt.trim().is_empty() {
            return Err(format!("`{}` is empty", shape.facts));
        }
        Ok(Record { prompt, texts })
    }
}

/// The triples of a row. Of WebNLG's several sets, which say the same, the first counts.
fn triples(key: &str, value: &Value) -> Result<Vec<Triple>, String> {
    let sets = match value {
        Value::Array(items) => items.first().and_then(|first| first.get("mtriple_set")),
        value => value.get("mtriple_set"),
    };
    let list = match sets {
        Some(sets) => sets.get(0).unwrap_or(&Value::Null),
        None => value,
    };
    let wrong = |what: &str| format!("`{key}` is {what}; it must be a list of triples");
    let Value::Array(items) = list else { return Err(wrong(kind(list))) };
    let triple = |(place, item): (usize, &Value)| match item {
        Value::String(text) => Triple::parse(text),
        Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            let texts = texts.and_then(|texts| <[&str; 3]>::try_from(texts).ok());
            let three = || format!("`{key}[{place}]` is a list of {}; a triple is three texts", parts.len());
            Ok(Triple(texts.ok_or_else(three)?.map(str::to_owned)))
        }
        Value::Object(parts) => {
            let part = |name: &str| {
                let text = parts.get(name).and_then(Value::as_str).map(str::to_owned);
                text.ok_or_else(|| format!("`{key}[{place}]` has no text `{name}`"))
            };
            Ok(Triple([part("subject")?, part("property")?, part("object")?]))
        }
        other => Err(format!("`{key}[{place}]` is {}; a triple is three texts", kind(other))),
    };
    items.iter().enumerate().map(triple).collect()
}

/// The texts of a row: a text, a list of texts, a list of objects, or an object of lists.
fn texts(key: &str, value: &Value) -> Result<Vec<Text>, String> {
    let plain = |text: &str| Text { text: text.to_owned(), ..Text::default() };
    let named = |object: &Map<String, Value>, name: &str| {
        object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match value {
        Value::String(text) => Ok(vec![plain(text)]),
        Value::Array(items) => {
            let text = |(place, item): (usize, &Value)| match item {
                Value::String(text) => Ok(plain(text)),
                Value::Object(object) => {
                    let text = object.get("text").or(object.get("lex")).and_then(Value::as_str);
                    let text = text.ok_or_else(|| format!("`{key}[{place}]` has no text `text`"))?;
                    Ok(Text { language: named(object, "lang"), mark: named(object, "comment"), ..plain(text) })
                }
                other => Err(format!("`{key}[{place}]` is {}; it must be a text", kind(other))),
            };
            items.iter().enumerate().map(text).collect()
        }
        Value::Object(lists) => {
            let list = |name: &str| lists.get(name).and_then(Value::as_array);
            let all = list("text").ok_or_else(|| format!("`{key}` has no list `text`"))?;
            let at = |name: &str, place: usize| {
                list(name).and_then(|list| list.get(place)?.as_str()).unwrap_or_default().to_owned()
            };
            let text = |(place, item): (usize, &Value)| {
                let text = item.as_str();
                let text = text.ok_or_else(|| format!("`{key}.text[{place}]` is {}; it must be a text", kind(item)))?;
                Ok(Text { language: at("lang", place), mark: at("comment", place), ..plain(text) })
            };
            all.iter().enumerate().map(text).collect()
        }
        other => Err(format!("`{key}` is {}; it must be a text or a list of them", kind(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::triples::LeftOut;
    use serde_json::json;

    /// Prompt and learnt texts of a row, and what is left out.
    fn read(row: Value) -> Result<(String, Vec<String>, String), String> {
        let Value::Object(row) = row else { return Err("no object".into()) };
        let keys: Vec<String> = row.keys().cloned().collect();
        assert!(form(&keys).is_some(), "{keys:?}");
        let record = Record::parse(&row)?;
        let (prompt, mut left_out) = (record.prompt.clone(), LeftOut::default());
        let rows = record.rows(&mut left_out).into_iter().map(|(_, text)| text).collect();
        Ok((prompt, rows, left_out.to_string()))
    }

    fn found(prompt: &str, texts: &[&str], left_out: &str) -> Result<(String, Vec<String>, String), String> {
        Ok((prompt.into(), texts.iter().map(|text| text.to_string()).collect(), left_out.into()))
    }

    #[test]
    fn webnlg_of_the_hub() {
        let lex = json!({"comment": ["good", "", "good", "toFix"], "lid": ["Id1", "Id2", "Id3", "Id4"],
            "text": ["One.", " Two  words. ", "Раз.", "Bad."], "lang": ["en", "", "ru", "en"]});
        let sets = json!({"mtriple_set": [["A_b | p | \"C, d\"", "A_b | q | E"], ["never | read | this"]]});
        let expected = found(
            "A b : p : C, d | A b : q : E",
            &["One.", "Two words."],
            "1 text in ru, not en; 1 text marked toFix, not good",
        );
        assert_eq!(read(json!({"category": "X", "modified_triple_sets": sets, "lex": lex})), expected);
        let none = json!({"modified_triple_sets": sets, "lex": {"text": [], "lang": []}});
        assert_eq!(read(none), found("A b : p : C, d | A b : q : E", &[], "1 entry without a text"));
        let own = json!({"modifiedtripleset": [{"subject": "A_b", "property": "p", "object": "C"}],
            "lexicalisations": [{"comment": "good", "lang": "", "lex": "One.", "xml_id": "Id1"}]});
        assert_eq!(read(own), found("A b : p : C", &["One."], ""));
    }

    #[test]
    fn dart_in_its_forms() {
        let tripleset = json!([["Mars_Hill", "LEADER_NAME", "Ann"], ["[TABLECONTEXT]", "[TITLE]", "X"]]);
        let prompt = "Mars Hill : leader name : Ann | [TABLECONTEXT] : [title] : X";
        let own = json!([{"source": "WikiSQL", "text": "One."}, {"source": "e2e", "text": "Two."}]);
        let hub = json!({"source": ["WikiSQL", "e2e"], "text": ["One.", "Two."]});
        for annotations in [own, hub] {
            let row = json!({"tripleset": tripleset, "subtree_was_extended": false, "annotations": annotations});
            assert_eq!(read(row), found(prompt, &["One.", "Two."], ""));
        }
        let gem = |references: Value| json!({"tripleset": tripleset, "target": "One.", "references": references});
        assert_eq!(read(gem(json!([]))), found(prompt, &["One."], ""));
        assert_eq!(read(gem(json!(["One.", "Two."]))), found(prompt, &["One.", "Two."], ""));
    }

    #[test]
    fn gem_has_triples_as_texts_or_the_prompt_itself() {
        let row = |input: Value| json!({"input": input, "target": "One.", "references": []});
        assert_eq!(read(row(json!(["A_b | p | C"]))), found("A b : p : C", &["One."], ""));
        assert_eq!(read(row(json!("tell A_b"))), found("tell A_b", &["One."], ""));
    }

    #[test]
    fn what_is_no_such_row_says_what_was_seen() {
        let dart = |tripleset: Value, annotations: Value| {
            read(json!({"tripleset": tripleset, "annotations": annotations})).unwrap_err()
        };
        let text = || json!([{"text": "a"}]);
        assert_eq!(dart(json!(7), text()), "`tripleset` is a number; it must be a list of triples");
        assert_eq!(dart(json!([]), text()), "`tripleset` is empty");
        assert_eq!(dart(json!([["a", "b"]]), text()), "`tripleset[0]` is a list of 2; a triple is three texts");
        assert_eq!(dart(json!(["a | b"]), text()).split(" has ").next(), Some("the triple \"a | b\""));
        assert_eq!(dart(json!([["a", "b", "c"]]), json!([{"x": 1}])), "`annotations[0]` has no text `text`");
        let gone = read(json!({"tripleset": null, "annotations": []})).unwrap_err();
        assert_eq!(gone, "no triples with texts in this row; it has `tripleset`, `annotations`");
    }
}
