//! Tokenizers of models without a tokenizer.json: the ids are those of transformers (tests/fixtures/vocabularies.py).

use super::shared;
use autolora::data::hub::Hub;
use autolora::data::{Content, Encode, Example, Target, TextEncoder};
use autolora::model::source::{NamedBytes, tokenizer};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Model {
    name: String,
    /// Files of the fixture by the name that the model has for them.
    files: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: Option<String>,
    pair: Option<String>,
    words: Option<Vec<String>>,
    ids: Vec<u32>,
    /// Left out where all are 0.
    type_ids: Option<Vec<u32>>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vocabularies")
}

/// What is found in a folder: the tokenizer and its notice, or the error, in which DIR is the folder.
fn find(folder: &Path) -> Result<(NamedBytes, Option<String>), String> {
    let hub = Hub { endpoint: String::new(), cache: folder.into(), token: None, offline: true };
    let id = folder.display().to_string();
    tokenizer(&id, None, &hub, &mut autolora::data::hub::unwatched)
        .map_err(|error| error.to_string().replace(&id, "DIR"))
}

fn ids(encoder: &TextEncoder, content: Content) -> (Vec<u32>, Vec<u32>) {
    let target = match &content {
        Content::Dialogue(_) | Content::Instruction(_) => Target::Tags(Vec::new()),
        Content::Words(words) => Target::Tags(vec![0; words.len()]),
        Content::Text { .. } => Target::Class(0),
    };
    let (rows, _) = encoder.encode(&[Example { content, target }], 0).unwrap();
    assert_eq!(rows.len(), 1);
    (rows[0].ids.clone(), rows[0].type_ids.clone())
}

#[test]
fn built_tokenizers_give_the_ids_of_transformers() {
    let models: Vec<Model> = serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap();
    assert_eq!(models.len(), 15);
    let mut wrong = Vec::new();
    for Model { name, files, texts, cases } in models {
        let folder = tempfile::tempdir().unwrap();
        for (file, source) in &files {
            std::fs::copy(fixtures().join(source), folder.path().join(file)).unwrap();
        }
        for (file, text) in &texts {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let (file, notice) = find(folder.path()).unwrap();
        assert!(notice.unwrap().starts_with("no tokenizer.json: the tokenizer is built from "));
        assert_eq!(find(folder.path()).unwrap().0, file, "{name}: the same bytes each time");
        let encoder = TextEncoder::new(&file.name, &file.bytes, 512).unwrap();
        for Case { text, pair, words, ids: expected, type_ids } in cases {
            let content = match (text, words) {
                (_, Some(words)) => Content::Words(words),
                (text, None) => Content::Text { text: text.unwrap(), pair },
            };
            let shown = format!("{name}: {content:?}");
            let type_ids = type_ids.unwrap_or_else(|| vec![0; expected.len()]);
            let (seen, segments) = ids(&encoder, content);
            if (&seen, &segments) != (&expected, &type_ids) {
                wrong.push(format!("{shown}\n  seen {seen:?} {segments:?}\n  not  {expected:?} {type_ids:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_real_vocabulary_gives_the_ids_of_its_tokenizer_json() {
    let Some(model) = shared("models/all-MiniLM-L6-v2") else { return };
    let Some(glue) = shared("data/glue") else { return };
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"] {
        std::fs::copy(model.join(file), folder.path().join(file)).unwrap();
    }
    let (file, _) = find(folder.path()).unwrap();
    let built = TextEncoder::new(&file.name, &file.bytes, 512).unwrap();
    let whole = std::fs::read(model.join("tokenizer.json")).unwrap();
    let whole = TextEncoder::new("tokenizer.json", &whole, 512).unwrap();
    assert_eq!((built.vocabulary(), built.pad_id()), (whole.vocabulary(), whole.pad_id()));
    let text = std::fs::read_to_string(glue.join("SST-2/dev.tsv")).unwrap()
        + &std::fs::read_to_string(model.join("README.md")).unwrap();
    assert!(text.lines().count() > 500);
    for line in text.lines() {
        let content = |line: &str| Content::Text { text: line.to_owned(), pair: None };
        assert_eq!(ids(&built, content(line)), ids(&whole, content(line)), "{line}");
    }
}

/// The error of a model of this type with these files.
fn error(model_type: &str, files: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), format!("{{\"model_type\": \"{model_type}\"}}")).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    match find(folder.path()) {
        Err(error) => error,
        Ok((file, _)) => TextEncoder::new(&file.name, &file.bytes, 64).err().map(|e| e.to_string()).unwrap_or_default(),
    }
}

#[test]
fn broken_vocabularies_say_what_is_wrong() {
    let bert = |text: &[u8]| error("bert", &[("vocab.txt", text)]);
    assert_eq!(bert(b"[UNK]\n[CLS]\n\xff\n"), "DIR/vocab.txt: line 3 is not UTF-8 text");
    assert_eq!(bert(b"the 1\n"), "DIR/vocab.txt: it has no line [UNK]: it is not the vocabulary of a BERT");
    assert!(bert(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n").contains("git lfs pull"));
    let said = |name: &str, text: &str| error("bert", &[("vocab.txt", b"[UNK]\n"), (name, text.as_bytes())]);
    assert_eq!(
        said("tokenizer_config.json", "{\"do_lower_case\": 1}"),
        "DIR/tokenizer_config.json: `do_lower_case` is not true or false"
    );
    assert!(said("tokenizer_config.json", "{").starts_with("DIR/tokenizer_config.json: not valid JSON: "));
    assert_eq!(said("special_tokens_map.json", "[]"), "DIR/special_tokens_map.json: it is not a JSON object");
    assert_eq!(said("added_tokens.json", "{\"a\": -1}"), "DIR/added_tokens.json: `a` is not the id of a token");
    assert_eq!(
        said("special_tokens_map.json", "{\"cls_token\": 5}"),
        "DIR/special_tokens_map.json: `cls_token` is not a token"
    );
    let other = said("tokenizer_config.json", "{\"tokenizer_class\": \"BertweetTokenizer\"}");
    assert!(other.contains("tokenizer_class BertweetTokenizer, which is not built here"), "{other}");

    let roberta = |vocab: &str, merges: &str| {
        error("roberta", &[("vocab.json", vocab.as_bytes()), ("merges.txt", merges.as_bytes())])
    };
    assert!(roberta("[1]", "").starts_with("DIR/vocab.json: it is not one JSON object of tokens and ids: "));
    assert_eq!(roberta("{}", ""), "DIR/vocab.json: it has no tokens");
    assert_eq!(roberta("{\"a\": 4294967295}", ""), "DIR/vocab.json: a has the id 4294967295; at most 4000000 are read");
    let vocab = "{\"a\": 0, \"b\": 1}";
    assert_eq!(
        roberta(vocab, "#version: 0.2\na b c\n"),
        "DIR/merges.txt: line 2 is not two tokens with a space between: a b c"
    );
    assert_eq!(
        roberta(vocab, "a b\n"),
        "DIR/merges.txt: line 1: vocab.json has no ab; the two files do not belong together"
    );
    let lone = error("roberta", &[("vocab.json", vocab.as_bytes())]);
    assert!(lone.starts_with("DIR has no tokenizer.json; make one with transformers"), "{lone}");
}

/// A field of a protobuf message: of bytes, or of a number below 128.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8][..], bytes].concat()
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
    field(1, &[field(1, text.as_bytes()), score, vec![3 << 3, kind]].concat())
}

#[test]
fn broken_sentencepiece_models_say_what_is_wrong() {
    let deberta = |bytes: &[u8]| error("deberta-v2", &[("spm.model", bytes)]);
    let whole = std::fs::read(fixtures().join("spm.model")).unwrap();
    assert_eq!(deberta(&whole), "");
    let cut = deberta(&whole[..whole.len() - 1]);
    let end = "it ends within a field; the download may be incomplete";
    assert_eq!(cut, format!("DIR/spm.model: it is no SentencePiece model: {end}"));
    assert!(deberta(b"").contains("its unknown piece is number 0, and it has 0 pieces"));
    assert!(deberta(b"<html>").contains("it is no SentencePiece model: "), "{}", deberta(b"<html>"));
    // A length of 2^63 is never allocated.
    assert!(deberta(&[10, 255, 255, 255, 255, 255, 255, 255, 255, 127]).contains("it ends within a field"));
    assert!(deberta(&[10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]).contains("more than 64 bits"));
    assert!(deberta(&piece("", 0.0, 1)).contains("piece 0: it is empty"));
    assert!(deberta(&piece("a", f32::NAN, 1)).contains("piece 0: its score is not a number"));
    assert!(
        deberta(&[piece("a", 0.0, 1), field(2, &[3 << 3, 2])].concat())
            .contains("a SentencePiece model of the BPE kind")
    );
    assert!(deberta(&[piece("a", 0.0, 2), field(2, &[0xc0, 2, 9])].concat()).contains("its unknown piece is number 9"));

    let map = |bytes: &[u8]| deberta(&[piece("[UNK]", 0.0, 2), field(3, &field(2, bytes))].concat());
    let broken = "its normaliser (precompiled_charsmap) cannot be used: ";
    for (bytes, problem) in [
        (&b"ab"[..], "it is cut"),
        (&[255, 255, 255, 127, 0], "its array is cut"),
        (&[0, 0, 0, 0, 65], "its array has no whole units"),
        (&[4, 0, 0, 0, 0, 4, 0, 0, 65, 0], "unit 0 leads out of its array"),
        (&[0, 0, 0, 0, 0xff], "its replacements are not UTF-8 text"),
    ] {
        let seen = map(bytes);
        assert_eq!(seen, format!("DIR/spm.model: {broken}{problem}"), "{bytes:?}");
    }

    let roberta = error("xlm-roberta", &[("sentencepiece.bpe.model", &whole)]);
    assert!(roberta.contains("its first pieces are not <unk>, <s> and </s>"), "{roberta}");
}

#[test]
fn no_damage_to_a_sentencepiece_model_ends_the_program() {
    let whole = std::fs::read(fixtures().join("spm.model")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "deberta-v2"}"#).unwrap();
    let text = "ﬁne … e\u{301} \u{3000}ＦＵＬＬ Café 他说 🎉";
    let mut read = 0;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= [0xff, 1, 0x80, 0x10][place % 4];
        std::fs::write(folder.path().join("spm.model"), bytes).unwrap();
        let Ok((file, _)) = find(folder.path()) else { continue };
        let Ok(encoder) = TextEncoder::new(&file.name, &file.bytes, 64) else { continue };
        let content = Content::Text { text: text.into(), pair: None };
        let _ = encoder.encode(&[Example { content, target: Target::Class(0) }], 0);
        read += 1;
    }
    assert!(read > 100, "most damage to pieces is not to be seen, so {read} models were read");
}
