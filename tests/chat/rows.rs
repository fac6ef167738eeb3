//! Rows of instruction data: what forms are read, what text they become, and what the errors say.

use autolora::data::chat::{ChatTemplate, Message, Row};
use serde_json::{Value, json};

fn parse(row: Value) -> Result<Row, String> {
    Row::parse(row.as_object().unwrap())
}

fn chat(row: Value) -> Vec<Message> {
    match parse(row) {
        Ok(Row::Chat(messages)) => messages,
        other => panic!("{other:?}"),
    }
}

const LINES: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

fn template(jinja: &str) -> ChatTemplate {
    ChatTemplate::from_files(None, Some(jinja), None).unwrap().unwrap()
}

#[test]
fn every_form_of_row_is_read() {
    let expected = [Message::new("user", "a"), Message::new("assistant", "b")];
    let turns = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    let sharegpt = json!([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]);
    assert_eq!(chat(json!({"id": 1, "messages": turns})), expected);
    assert_eq!(chat(json!({"messages": null, "conversations": sharegpt})), expected);
    assert_eq!(chat(json!({"conversations": turns, "system": ""})), expected);
    let with_system = chat(json!({"conversations": sharegpt, "system": "s"}));
    assert_eq!((with_system.len(), &with_system[0]), (3, &Message::new("system", "s")));
    assert_eq!(chat(json!({"prompt": [turns[0]], "completion": [turns[1]]})), expected);
    // Replies in the prompt, and those of weight 0, are context.
    let learnt = |row: Value| chat(row).iter().map(Message::is_learnt).collect::<Vec<_>>();
    assert_eq!(learnt(json!({"prompt": turns, "completion": turns})), [false, false, false, true]);
    let weighted = json!({"role": "assistant", "content": "b", "weight": 0});
    assert_eq!(learnt(json!({"messages": [turns[0], weighted, turns[0], turns[1]]})), [false, false, false, true]);

    assert_eq!(
        parse(json!({"prompt": "a", "completion": " b"})),
        Ok(Row::Plain { prompt: "a".into(), completion: " b".into() })
    );
    let row = |input: &str| Row::Instruction { instruction: "a".into(), input: input.into(), output: "b".into() };
    assert_eq!(parse(json!({"instruction": "a", "input": "i", "output": "b"})), Ok(row("i")));
    assert_eq!(parse(json!({"instruction": "a", "input": null, "output": "b", "prompt": null})), Ok(row("")));
}

#[test]
fn rows_become_text() {
    let cases = [
        (json!({"prompt": "é ", "completion": "b"}), None, "é b", "b"),
        (json!({"prompt": "é ", "completion": "b"}), Some(LINES), "é b", "b"),
        (
            json!({"instruction": "a", "output": "b"}),
            None,
            "Here is an instruction for a task. Write a response that carries it out.\n\n\
             ### Instruction:\na\n\n### Response:\nb",
            "b",
        ),
        (
            json!({"instruction": "a", "input": "i", "output": "b"}),
            None,
            "Here is an instruction for a task, and an input that it is about. Write a response that carries it out.\n\n\
             ### Instruction:\na\n\n### Input:\ni\n\n### Response:\nb",
            "b",
        ),
        (json!({"instruction": "a", "input": "i", "output": "b"}), Some(LINES), "user: a\n\ni\nassistant: b\n", "b\n"),
        (
            json!({"messages": [{"role": "assistant", "content": "b"}, {"role": "user", "content": "a"}]}),
            Some("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}!"),
            "b!",
            "b",
        ),
    ];
    for (row, jinja, text, reply) in cases {
        let rendered = parse(row).unwrap().render(jinja.map(template).as_ref()).unwrap();
        assert_eq!(rendered.text, text);
        assert_eq!(rendered.replies.iter().map(|range| &text[range.clone()]).collect::<Vec<_>>(), [reply]);
    }
    let row = parse(json!({"messages": [{"role": "assistant", "content": "b"}]})).unwrap();
    assert!(row.render(None).unwrap_err().to_string().contains("no chat template; take an instruction-tuned model"));
}

#[test]
fn a_row_of_no_form_teaches() {
    let told = |row: Value| parse(row).unwrap_err();
    let error = told(json!({"id": 1, "mesages": []}));
    assert!(error.starts_with("the row is in no known form: it has `id`, `mesages`; did you mean `messages` for `mesages`?; the forms are `messages` ("), "{error}");
    let error = told(json!({"prompt": "a", "chosen": "b"}));
    assert!(error.contains("`prompt` is there without `completion`"), "{error}");
    let error = told(json!({"instruction": "a", "ouput": "b"}));
    assert!(error.contains("did you mean `output` for `ouput`?"), "{error}");
    assert!(told(json!({})).contains("it has no keys; the forms"));
    let cases = [
        (json!({"messages": "a"}), "`messages` is a text; it must be a list of messages"),
        (json!({"messages": []}), "`messages` is an empty list"),
        (json!({"messages": ["a"]}), "messages[0] is a text; it must be an object with `role` and `content`"),
        (
            json!({"messages": [{"role": "user", "contents": "x"}]}),
            "messages[0] has no `content`: it has `role`, `contents`; is `contents` meant to be it?",
        ),
        (json!({"messages": [{"role": "user", "content": 3}]}), "messages[0].content is a number; it must be a text"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]}),
            "messages[0].content[1] is no text; of a content in parts, only {\"type\": \"text\", \"text\": ...} can be learnt",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]}),
            "no message has the role \"assistant\" (\"gpt\" in ShareGPT), so there is nothing to learn; roles: \"user\", \"bot\"",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": "a", "weight": 0}]}),
            "every reply of the conversation is left out of the loss, so there is nothing to learn",
        ),
        (
            json!({"conversations": [{"from": "bing", "value": "a"}]}),
            "conversations[0].from is \"bing\"; it can be human, gpt, system, user, assistant, chatgpt, model, tool, observation",
        ),
        (
            json!({"prompt": "a", "completion": []}),
            "`prompt` is a text and `completion` a list; both must be texts, or both lists of messages",
        ),
        (json!({"instruction": "a", "output": 3}), "`output` is a number; it must be a text"),
    ];
    for (row, expected) in cases {
        assert_eq!(told(row), expected);
    }
}
