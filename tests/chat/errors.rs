//! What is said of templates that cannot be read or that fail.

use autolora::data::chat::{ChatTemplate, Message};
use serde_json::{Value, json};

#[test]
fn errors_say_where_and_what() {
    let error = |jinja: &str| match ChatTemplate::from_files(None, Some(jinja), None) {
        Ok(made) => made.unwrap().render(&[Message::new("user", "x")], false).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        error("a\n{{ foo.bar }}"),
        "the chat template fails at line 2 (`foo.bar`): undefined value: `foo` is undefined"
    );
    let deep = "{% macro m(x) %}\n\n{{ x.y.z }}{% endmacro %}\n\n{{ m(messages[0]) }}";
    assert_eq!(error(deep), "the chat template fails at line 3 (`.y.z`): undefined value: `x.y` is undefined");
    assert_eq!(
        error("\n{% generation %}"),
        "line 2 of the chat template cannot be read: unexpected end of input, expected end of block"
    );
    let raised = "{% macro m() %}{{ raise_exception('not ' ~ messages[0].role) }}{% endmacro %}{{ m() }}";
    assert_eq!(error(raised), "the chat template refuses these messages: not user");

    let config = |config: Value| ChatTemplate::from_files(Some(config.to_string().as_bytes()), None, None);
    assert!(config(json!({})).unwrap().is_none() && config(json!({"chat_template": null})).unwrap().is_none());
    assert!(ChatTemplate::from_files(None, None, None).unwrap().is_none());
    let error = config(json!({"chat_template": [{"name": "rag", "template": ""}]})).unwrap_err().to_string();
    assert!(error.contains("\"default\", but \"rag\""), "{error}");
    let error = config(json!({"chat_template": 3})).unwrap_err().to_string();
    assert!(error.contains("chat_template in tokenizer_config.json is a number"), "{error}");
    let error = ChatTemplate::from_files(Some(b"[1]"), None, None).unwrap_err().to_string();
    assert!(error.starts_with("tokenizer_config.json is no JSON object: invalid type: sequence"), "{error}");
}

/// Whatever a template is made of, reading and rendering it ends in text or in an error.
#[test]
fn broken_templates_do_not_panic() {
    let pieces = [
        "{%",
        "%}",
        "{{",
        "}}",
        "{#",
        "#}",
        "-",
        "+",
        " ",
        "\n",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "é",
        "=",
        ".",
        ",",
        "|",
        "set x",
        "macro m(a)",
        "endmacro",
        "call m()",
        "call(a) m()",
        "endcall",
        "generation",
        "endgeneration",
        "raw",
        "endraw",
        "if x",
        "endif",
        "for m in messages",
        "endfor",
        "{% set x = 1 %}",
        "{% macro m(é %}",
        "{% macro m(é] %}",
        "x",
    ];
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            source.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        if let Ok(Some(template)) = ChatTemplate::from_files(None, Some(&source), None) {
            let _ = template.conversation(&[Message::new("user", "x")]);
        }
    }
}
