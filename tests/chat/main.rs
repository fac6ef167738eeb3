//! Chat templates, replies and rows. `fixtures/chat.py` writes what transformers makes of the same templates.

mod errors;
mod rows;

use autolora::data::chat::{ChatError, ChatTemplate, Message, Rendered, Row};
use serde_json::{Value, json};
use std::sync::LazyLock;

fn fixture() -> &'static Value {
    static FIXTURE: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/chat.json")).unwrap());
    &FIXTURE
}

fn conversation(case: &Value) -> Vec<Message> {
    let list = &fixture()["conversations"][case["conversation"].as_str().unwrap()];
    list.as_array().unwrap().iter().map(message).collect()
}

/// Through a row, since that is how messages come; rows without a reply get one that is dropped again.
fn message(value: &Value) -> Message {
    let list = json!([value, {"role": "assistant", "content": "."}]);
    match Row::parse(json!({ "messages": list }).as_object().unwrap()).unwrap() {
        Row::Chat(messages) => messages[0].clone(),
        row => panic!("{row:?}"),
    }
}

fn template(jinja: &str) -> ChatTemplate {
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "add_bos_token": true});
    let config = config.to_string();
    let template = ChatTemplate::from_files(Some(config.as_bytes()), Some(jinja), None).unwrap().unwrap();
    template.at(fixture()["now"].as_str().unwrap().parse().unwrap())
}

/// Rows are rendered by several threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<ChatTemplate>();
};

#[test]
fn templates_render_as_in_transformers() {
    let fixture = fixture();
    assert_eq!(fixture["tokens"], json!({"bos_token": "<s>", "eos_token": "</s>"}));
    let mut wrong = Vec::new();
    for case in fixture["cases"].as_array().unwrap() {
        let template = template(fixture["templates"][case["template"].as_str().unwrap()].as_str().unwrap());
        let prompt = case["add_generation_prompt"].as_bool().unwrap();
        let messages = conversation(case);
        let place = format!("{}, {}, {prompt}", case["template"], case["conversation"]);
        match (template.render(&messages, prompt), case["text"].as_str()) {
            (Ok(text), Some(expected)) if text == expected => {}
            (Ok(text), Some(expected)) => wrong.push(format!("{place}:\n  {text:?}\n  {expected:?}")),
            (Err(ChatError::Raised { message }), None) if case["kind"] == "TemplateError" => {
                assert_eq!(case["error"], message, "{place}")
            }
            (Err(error), None) if case["kind"] != "TemplateError" => {
                assert!(matches!(error, ChatError::Render { .. }), "{place}: {error}")
            }
            (ours, theirs) => wrong.push(format!("{place}: {ours:?} against {theirs:?} {}", case["error"])),
        }
        if let Some(marks) = case.get("marks") {
            let rendered = template.conversation(&messages).unwrap();
            let ranges: Vec<[usize; 2]> = rendered.replies.iter().map(|range| [range.start, range.end]).collect();
            assert_eq!(*marks, json!(ranges), "{place}");
        }
    }
    assert!(wrong.is_empty(), "{} of the cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where Python shows: operators on its strings, floats of more than 16 digits, how it quotes signs that are not printable in the
/// text of a list or mapping, rare methods and filters, arguments that a macro does not name.
const KNOWN: [&str; 19] = [
    "{{ people|selectattr('v', 'gt', 1)|list|length }}",
    "{{ 'abc'.index('c') }}",
    "{{ 'ab'.zfill(4) }}",
    "{{ 'ab'.center(6) }}",
    "{{ 'ab'.ljust(4) ~ '|' }}",
    "{{ 'aB'.swapcase() }}",
    "{{ \"they're\".title() }}",
    "{{ self is defined }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{{ words.split(None, 1) }}",
    "{{ lines.splitlines(true) }}",
    "{{ dict }}",
    "{{ dict.items()|list }}",
    "{{ dict|items|list }}",
    "{{ dict|dictsort }}",
    "{{ numbers|sum }}",
    "{{ '%s' % 'x' }}",
    "{{ 'a b'|wordcount }}",
    "{{ +1 }}",
];

#[test]
fn expressions_and_statements_are_jinja() {
    let fixture = fixture();
    let mut wrong = Vec::new();
    for snippet in fixture["snippets"].as_array().unwrap() {
        let source = snippet["source"].as_str().unwrap();
        let config = json!({ "chat_template": source }).to_string();
        let made = ChatTemplate::from_files(Some(config.as_bytes()), None, None).and_then(|made| {
            let made = made.unwrap().at(fixture["now"].as_str().unwrap().parse().unwrap());
            let data = fixture["data"].as_object().unwrap();
            let made = data.iter().fold(made, |made, (name, value)| made.with(name, value.clone()));
            made.render(&[Message::new("user", "x")], false)
        });
        let known = KNOWN.contains(&source);
        match (made, snippet["text"].as_str()) {
            (Ok(text), Some(expected)) if text == expected => assert!(!known, "{source} is as in Jinja now"),
            _ if known => {}
            (Err(_), None) => {}
            (Ok(text), Some(expected)) => wrong.push(format!("{source}\n    {text:?}\n    {expected:?}")),
            (ours, theirs) => wrong.push(format!("{source}\n    {ours:?}\n    {theirs:?} {}", snippet["error"])),
        }
    }
    assert!(wrong.is_empty(), "{} of the snippets differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn replies_are_those_of_prefixes() {
    let fixture = fixture();
    let (mut all, mut last, mut none) = (0, 0, 0);
    for case in fixture["cases"].as_array().unwrap().iter().filter(|case| case.get("replies").is_some()) {
        let template = template(fixture["templates"][case["template"].as_str().unwrap()].as_str().unwrap());
        let place = format!("{}, {}", case["template"], case["conversation"]);
        match template.conversation(&conversation(case)) {
            Ok(rendered) => {
                assert_eq!(case["text"], rendered.text, "{place}");
                let ranges: Vec<[usize; 2]> = rendered.replies.iter().map(|range| [range.start, range.end]).collect();
                assert_eq!(
                    case["replies"],
                    json!({"ranges": ranges, "left_out": rendered.left_out.is_some()}),
                    "{place}"
                );
                if rendered.left_out.is_some() { last += 1 } else { all += 1 }
            }
            Err(error) => {
                assert!(case["replies"].is_null() && matches!(error, ChatError::NoReply { .. }), "{place}: {error}");
                none += 1;
            }
        }
    }
    assert!(all > 20 && last > 3 && none > 3, "{all} {last} {none}");
}

#[test]
fn files_give_template_and_tokens() {
    for files in fixture()["files"].as_array().unwrap() {
        let [config, map] = ["config", "map"].map(|key| files.get(key).map(|value| value.to_string().into_bytes()));
        let jinja = files.get("jinja").and_then(Value::as_str);
        let made = ChatTemplate::from_files(config.as_deref(), jinja, map.as_deref()).unwrap().unwrap();
        assert_eq!(files["text"], made.render(&[Message::new("user", "x")], false).unwrap(), "{files}");
    }
}

const LINES: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

#[test]
fn variables_reach_the_template() {
    let messages = [Message::new("user", "x")];
    let made = template("{{ bos_token }}{{ tools }}{{ tools | tojson }}{{ enable_thinking is false }}");
    assert_eq!(made.render(&messages, false).unwrap(), "<s>NonenullFalse");
    let made =
        made.with("tools", json!([{"a": 1.0}])).with("bos_token", json!("B")).with("enable_thinking", json!(false));
    assert_eq!(made.render(&messages, false).unwrap(), "B[{'a': 1.0}][{\"a\": 1.0}]True");
}

fn replies(rendered: &Rendered) -> Vec<&str> {
    rendered.replies.iter().map(|range| &rendered.text[range.clone()]).collect()
}

#[test]
fn replies_end_with_their_turn() {
    let messages = [("user", "é?"), ("assistant", "ü!"), ("user", "b"), ("assistant", "")];
    let messages = messages.map(|(role, content)| Message::new(role, content));
    let rendered = template(LINES).conversation(&messages).unwrap();
    assert_eq!((replies(&rendered), &rendered.left_out), (vec!["ü!\n", "\n"], &None));
    let context =
        messages.clone().map(|message| if message.content() == Some("ü!") { message.unlearnt() } else { message });
    let rendered = template(LINES).conversation(&context).unwrap();
    assert_eq!(replies(&rendered), ["\n"]);
    assert_eq!(rendered.replies[0].end, rendered.text.len());
    // A conversation without a reply is only text.
    assert!(template(LINES).conversation(&messages[..1]).unwrap().replies.is_empty());
    assert!(matches!(template(LINES).conversation(&[]), Err(ChatError::Empty)));
}

#[test]
fn marks_count_before_prefixes() {
    let jinja = "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %};\
                 {% else %}{{ m.content }}>{% endif %}{% endfor %}";
    let messages = ["é", "b", "c", "dd"].map(|c| Message::new(if "bdd".contains(c) { "assistant" } else { "user" }, c));
    let rendered = template(jinja).conversation(&messages).unwrap();
    assert_eq!((rendered.text.as_str(), rendered.replies), ("é>b;c>dd;", vec![3..4, 7..9]));
    // One mark for each reply: those of the context are left out.
    let [a, b, c, d] = messages.clone();
    assert_eq!(replies(&template(jinja).conversation(&[a, b.unlearnt(), c, d]).unwrap()), ["dd"]);
    // Marks inside a macro do not tell their place: prefixes do.
    let jinja = format!("{{% macro turns(messages) %}}{jinja}{{% endmacro %}}>{{{{ turns(messages) }}}}");
    let rendered = template(&jinja).conversation(&messages).unwrap();
    assert_eq!((rendered.text.as_str(), rendered.replies), (">é>b;c>dd;", vec![4..6, 8..11]));
    assert!(template(&jinja).marks_replies() && !template("{# {% generation %} #}").marks_replies());
}

#[test]
fn a_template_that_hides_the_reply_says_why() {
    let fixture = fixture();
    let messages = ["a", "b"].map(|c| Message::new(if c == "b" { "assistant" } else { "user" }, c));
    let error = template(fixture["templates"]["opens"].as_str().unwrap()).conversation(&messages).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it cannot be told which part of the text is the reply: before message 2 the chat template's generation prompt is not \
         what the reply's text begins with: \"<think>\\n\" against \"b\"; a template with {% generation %} around the replies tells it"
    );
    let thoughts = [("user", "1"), ("assistant", "<think>x</think>2"), ("user", "3"), ("assistant", "4")];
    let thoughts = thoughts.map(|(role, content)| Message::new(role, content));
    let rendered = template(fixture["templates"]["thinking"].as_str().unwrap()).conversation(&thoughts).unwrap();
    assert_eq!(&rendered.text[rendered.replies[0].clone()], "<think>\n\n</think>\n\n4</s>\n");
    assert_eq!(
        rendered.left_out.unwrap(),
        "only the last reply of a conversation is learnt: the chat template writes message 2 otherwise when others follow: \
         \"<think>\\nx\\n</think>\\n\\n2</s>\\n\" against \"2</s>\\n<s:user>3</s>\\n<s:assista\""
    );
}
