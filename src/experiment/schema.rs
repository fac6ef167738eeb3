//! The registry for machines: a JSON schema of presets, for editors and for whoever writes presets by program.

use super::SETTINGS;
use super::setting::{Kind, Setting};
use serde_json::{Map, Value, json};

/// JSON Schema (2020-12) of a preset: every setting with its type, range, default and help; no other keys.
pub fn json_schema() -> Value {
    let mut root = table();
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!("AutoLoRA preset"));
    for setting in SETTINGS {
        put(&mut root, setting.key, schema_of(setting));
    }
    Value::Object(root)
}

/// A setting as one JSON object: key, type, default (null: unset), unit, help.
pub fn setting_json(setting: &Setting) -> Value {
    json!({
        "key": setting.key,
        "allowed": setting.kind.allowed(),
        "default": (setting.default)(),
        "unit": setting.unit,
        "help": setting.help,
    })
}

fn table() -> Map<String, Value> {
    let mut table = Map::new();
    table.insert("type".into(), json!("object"));
    table.insert("additionalProperties".into(), json!(false));
    table.insert("properties".into(), json!({}));
    table
}

/// Puts a setting's schema under its dotted key, with the tables on the way.
fn put(at: &mut Map<String, Value>, key: &str, schema: Value) {
    let Some(properties) = at.get_mut("properties").and_then(Value::as_object_mut) else { return };
    match key.split_once('.') {
        None => {
            properties.insert(key.into(), schema);
        }
        Some((group, rest)) => {
            let inner = properties.entry(group).or_insert_with(|| Value::Object(table()));
            if let Value::Object(inner) = inner {
                put(inner, rest, schema);
            }
        }
    }
}

fn schema_of(setting: &Setting) -> Value {
    let mut schema = kind_schema(setting.kind);
    if let Value::Object(schema) = &mut schema {
        let unit = if setting.unit.is_empty() { String::new() } else { format!(" [{}]", setting.unit) };
        schema.insert("description".into(), json!(format!("{}{unit}", setting.help)));
        if let Some(default) = (setting.default)() {
            schema.insert("default".into(), json!(default));
        }
    }
    schema
}

fn kind_schema(kind: Kind) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    match kind {
        Kind::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Float { min, max, exclusive: true } => json!({"type": "number", "exclusiveMinimum": min, "maximum": max}),
        Kind::Float { min, max, exclusive: false } => json!({"type": "number", "minimum": min, "maximum": max}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Text | Kind::Path => text(),
        Kind::Choice(names) => json!({"enum": names}),
        Kind::Texts => json!({"anyOf": [text(), {"type": "array", "items": text(), "minItems": 1}]}),
        Kind::Betas => json!({
            "type": "array", "minItems": 2, "maxItems": 2,
            "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        }),
        Kind::Ints { min, max } => {
            json!({"type": "array", "items": {"type": "integer", "minimum": min, "maximum": max}})
        }
        Kind::IntOrFloat { min, max } => json!({"type": "number", "exclusiveMinimum": min, "maximum": max}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_place_with_help_and_default() {
        let schema = json_schema();
        for setting in SETTINGS {
            let path = format!("/properties/{}", setting.key.replace('.', "/properties/"));
            let found = schema.pointer(&path).unwrap_or_else(|| panic!("{path}"));
            assert!(found["description"].as_str().is_some_and(|text| text.starts_with(setting.help)), "{path}");
            assert_eq!(found.get("default").cloned(), (setting.default)().map(|value| json!(value)), "{path}");
        }
        assert_eq!(schema["properties"]["search"]["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["lora"]["properties"]["rank"]["minimum"], json!(1));
    }
}
