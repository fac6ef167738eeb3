//! Texts of which parts are to be learnt - a prompt and its reply, a conversation - and their token ids.

use super::chat::{ChatTemplate, Rendered, Row};
use super::dataset::{Content, Example};
use super::error::{DataError, shown};
use super::input::hex;
use super::target::{IGNORED, Target};
use super::tokens::{Cuts, Encode, Encoded};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::ops::Range;
use tokenizers::Tokenizer;

/// A text and what of it is to be learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogue {
    pub text: String,
    /// Byte ranges of `text`, in order, without overlap.
    pub replies: Vec<Range<usize>>,
    /// Without a template: the tokenizer's own special tokens begin it, and the end of text closes it.
    pub plain: bool,
}

impl Dialogue {
    /// A prompt and how it goes on.
    pub fn plain(prompt: &str, reply: &str) -> Dialogue {
        let text = format!("{prompt}{reply}");
        let reply = prompt.len()..text.len();
        Dialogue { text, replies: Vec::from([reply]), plain: true }
    }

    /// The parts of the text in order, each with whether it is to be learnt; a part may be empty.
    pub fn parts(&self) -> Vec<(&str, bool)> {
        let (mut parts, mut at) = (Vec::new(), 0);
        for reply in &self.replies {
            parts.push((self.text.get(at..reply.start).unwrap_or(""), false));
            parts.push((self.text.get(reply.clone()).unwrap_or(""), true));
            at = reply.end;
        }
        if at < self.text.len() {
            parts.push((&self.text[at..], false));
        }
        parts
    }
}

impl From<Rendered> for Dialogue {
    fn from(rendered: Rendered) -> Dialogue {
        Dialogue { text: rendered.text, replies: rendered.replies, plain: false }
    }
}

/// What of a text the loss counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Reply,
    All,
}

/// A held-out text as it is scored: what the model is asked, and what people would say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What is before the first reply.
    pub prompt: String,
    /// Its ids, as a prompt to continue is encoded: the last `max_length` of them.
    pub prompt_ids: Vec<u32>,
    /// The first reply, whole.
    pub reference: String,
    /// Whether the tokenizer has signs for all of the reference.
    pub writable: bool,
}

/// A decoder's tokenizer with a length of ours.
pub struct DialogueEncoder {
    tokenizer: Tokenizer,
    file: String,
    /// Closes a plain text.
    eos: Option<u32>,
    max_length: usize,
    counted: Counted,
    template: Option<ChatTemplate>,
    sha256: String,
}

impl DialogueEncoder {
    /// Reads a tokenizer.json; `file` is its name for messages. Rows are cut to `max_length` tokens so that replies stay:
    /// what is before them goes first.
    pub fn new(
        file: &str,
        bytes: &[u8],
        (eos, max_length, counted): (Option<u32>, usize, Counted),
    ) -> Result<DialogueEncoder, DataError> {
        let failed =
            |e: tokenizers::Error| DataError::Tokenizer { file: file.to_owned(), message: shown(&e.to_string()) };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
        if max_length < 2 {
            return Err(DataError::TooShort { max_length, added: 1 });
        }
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(failed)?;
        let sha256 = hex(&Sha256::digest(bytes));
        let file = file.to_owned();
        Ok(DialogueEncoder { tokenizer, file, eos, max_length, counted, template: None, sha256 })
    }

    /// With a model's template for conversations; `sha256` is that of the files that it is from.
    pub fn with_template(self, template: ChatTemplate, sha256: &str) -> DialogueEncoder {
        DialogueEncoder { template: Some(template), sha256: format!("{} {sha256}", self.sha256), ..self }
    }

    /// The text of an example, where it has one to write.
    fn dialogue<'a>(&self, example: &'a Example) -> Option<Result<Cow<'a, Dialogue>, String>> {
        match &example.content {
            Content::Dialogue(dialogue) => Some(Ok(Cow::Borrowed(dialogue))),
            Content::Instruction(row) => {
                let plain = matches!(row, Row::Plain { .. }) || self.template.is_none();
                let rendered = row.render(self.template.as_ref()).map_err(|error| error.to_string());
                Some(rendered.map(|rendered| Cow::Owned(Dialogue { plain, ..rendered.into() })))
            }
            Content::Text { .. } | Content::Words(_) => None,
        }
    }

    /// Number of ids, added tokens included.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// A prompt as the tokenizer encodes it by default, its last `max_length` tokens; the end of text where it has none, as
    /// transformers begins a text from nothing where beginning and end are one sign.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, DataError> {
        Ok(self.cut_prompt(&self.ids(text, true, 0)?))
    }

    /// The ids of a text, whole; with `special`, the tokenizer's own special tokens among them.
    fn ids(&self, text: &str, special: bool, row: usize) -> Result<Vec<u32>, DataError> {
        let encoding = self.tokenizer.encode_fast(text, special).map_err(|e| self.failed(row, &e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn cut_prompt(&self, ids: &[u32]) -> Vec<u32> {
        let kept = &ids[ids.len().saturating_sub(self.max_length)..];
        if kept.is_empty() { self.eos.into_iter().collect() } else { kept.to_vec() }
    }

    /// An example as it is scored; `row` is its place in its file. None where it has no text to write.
    ///
    /// # Errors
    /// A conversation that the template refuses; a text that cannot be encoded.
    pub fn held(&self, example: &Example, row: usize) -> Result<Option<Held>, DataError> {
        let Some(dialogue) = self.dialogue(example) else { return Ok(None) };
        let failed = |message| DataError::Encode { file: self.file.clone(), row: row + 1, message };
        let dialogue = dialogue.map_err(failed)?;
        let reply = dialogue.replies.first().cloned().unwrap_or(dialogue.text.len()..dialogue.text.len());
        let prompt = dialogue.text.get(..reply.start).unwrap_or_default().to_owned();
        let reply = dialogue.text.get(reply).unwrap_or_default();
        let prompt_ids = self.cut_prompt(&self.ids(&prompt, dialogue.plain, row)?);
        let again = self.decode(&self.ids(reply, false, row)?)?;
        let signs = |text: &str| text.split_whitespace().collect::<String>();
        let writable = !dialogue.plain || signs(&again) == signs(reply);
        // The signs of a template are none of a reply's words.
        let reference = if dialogue.plain { reply.trim().to_owned() } else { again.trim().to_owned() };
        Ok(Some(Held { prompt, prompt_ids, reference, writable }))
    }

    /// The text of ids, special tokens skipped.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.tokenizer.decode(ids, true).map_err(|e| self.failed(0, &e))
    }

    fn failed(&self, first: usize, error: &tokenizers::Error) -> DataError {
        DataError::Encode { file: self.file.clone(), row: first + 1, message: shown(&error.to_string()) }
    }

    /// One row out of the ids of its parts.
    fn row(&self, parts: &[(Vec<u32>, bool)], plain: bool, example: u32, cuts: &mut Cuts) -> Encoded {
        let mut ids: Vec<(u32, bool)> =
            parts.iter().flat_map(|(ids, learnt)| ids.iter().map(move |id| (*id, *learnt))).collect();
        if let (true, Some(eos)) = (plain, self.eos) {
            ids.push((eos, true));
        }
        if ids.len() > self.max_length {
            cuts.truncated += 1;
            // What is before the first reply gives way; then the end of what is left.
            let before = ids.iter().position(|(_, learnt)| *learnt).unwrap_or(0);
            let gone = (ids.len() - self.max_length).min(before.saturating_sub(1));
            ids.drain(..gone);
            ids.truncate(self.max_length);
        }
        let counts = |learnt: bool| learnt || self.counted == Counted::All;
        let next = ids.iter().skip(1).map(|(id, learnt)| if counts(*learnt) { *id } else { IGNORED });
        let target = Target::Tags(next.chain([IGNORED]).take(ids.len()).collect());
        let ids: Vec<u32> = ids.into_iter().map(|(id, _)| id).collect();
        Encoded { type_ids: vec![0; ids.len()], ids, target, example }
    }
}

impl Encode for DialogueEncoder {
    fn fingerprint(&self) -> String {
        format!("{} {} {:?} {:?}", self.sha256, self.max_length, self.eos, self.counted)
    }

    /// Each text is one row, each part of it encoded alone, so that a prompt has the ids that it has when it is to be
    /// continued. The target of a token is the next one, where that counts.
    fn encode(&self, examples: &[Example], first: usize) -> Result<(Vec<Encoded>, Cuts), DataError> {
        let dialogues = examples.iter().enumerate().filter_map(|(place, example)| {
            let failed = |message| DataError::Encode { file: self.file.clone(), row: first + place + 1, message };
            self.dialogue(example).map(|dialogue| dialogue.map_err(failed))
        });
        let dialogues: Vec<Cow<Dialogue>> = dialogues.collect::<Result<_, _>>()?;
        let parts: Vec<Vec<(&str, bool)>> = dialogues.iter().map(|dialogue| dialogue.parts()).collect();
        let encode = |texts: Vec<&str>, special: bool| {
            self.tokenizer.encode_batch_fast(texts, special).map_err(|e| self.failed(first, &e))
        };
        // The first part of a plain text has the tokenizer's special tokens.
        let is_first = |dialogue: usize, part: usize| part == 0 && dialogues[dialogue].plain;
        let chosen = |special: bool| {
            let all = parts
                .iter()
                .enumerate()
                .flat_map(|(d, parts)| parts.iter().enumerate().map(move |(p, part)| (d, p, part.0)));
            all.filter(|(d, p, _)| is_first(*d, *p) == special).map(|(.., text)| text).collect::<Vec<_>>()
        };
        let mut with = encode(chosen(true), true)?.into_iter();
        let mut without = encode(chosen(false), false)?.into_iter();
        let (mut rows, mut cuts) = (Vec::with_capacity(examples.len()), Cuts::default());
        for (d, parts) in parts.iter().enumerate() {
            let ids = parts.iter().enumerate().map(|(p, (_, learnt))| {
                let encoding = if is_first(d, p) { with.next() } else { without.next() };
                (encoding.map_or(Vec::new(), |encoding| encoding.get_ids().to_vec()), *learnt)
            });
            let row = self.row(&ids.collect::<Vec<_>>(), dialogues[d].plain, (first + d) as u32, &mut cuts);
            if row.ids.is_empty() {
                let message = "its text has no token: does the model's chat template show the messages?".into();
                return Err(DataError::Encode { file: self.file.clone(), row: first + d + 1, message });
            }
            rows.push(row);
        }
        Ok((rows, cuts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token a letter; `<s>` before what is encoded with special tokens.
    fn encoder(max_length: usize, counted: Counted) -> DialogueEncoder {
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            ["<s>", "</s>", "a", "b", "c", "d"].into_iter().zip(0..).map(|(t, i)| (t.into(), i.into())).collect();
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": {"type": "Fuse"},
            "added_tokens": [{"id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false}, {"id": 1, "content": "</s>", "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false}],
            "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": false},
            "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [0],
                "tokens": ["<s>"]}}},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": null},
        });
        DialogueEncoder::new("tokenizer.json", json.to_string().as_bytes(), (Some(1), max_length, counted)).unwrap()
    }

    /// Ids of a row, and the ids that are to come next.
    type Row = (Vec<u32>, Vec<u32>);

    fn rows(encoder: &DialogueEncoder, dialogues: Vec<Dialogue>) -> (Vec<Row>, usize) {
        let examples: Vec<Example> = dialogues
            .into_iter()
            .map(|dialogue| Example { content: Content::Dialogue(dialogue), target: Target::Tags(Vec::new()) })
            .collect();
        let (rows, cuts) = encoder.encode(&examples, 0).unwrap();
        let shown = |row: Encoded| match row.target {
            Target::Tags(next) => (row.ids, next),
            other => panic!("{other:?}"),
        };
        (rows.into_iter().map(shown).collect(), cuts.truncated)
    }

    const NO: u32 = IGNORED;

    #[test]
    fn the_loss_counts_what_the_reply_has_to_say_and_its_end() {
        let plain = || vec![Dialogue::plain("ab", "cd")];
        let (found, cut) = rows(&encoder(9, Counted::Reply), plain());
        assert_eq!((found, cut), (vec![(vec![0, 2, 3, 4, 5, 1], vec![NO, NO, 4, 5, 1, NO])], 0));
        let (found, _) = rows(&encoder(9, Counted::All), plain());
        assert_eq!(found[0].1, [2, 3, 4, 5, 1, NO]);
        // A conversation has its own signs, and two replies.
        let chat = Dialogue { text: "abcdab".into(), replies: vec![1..2, 4..6], plain: false };
        let (found, _) = rows(&encoder(9, Counted::Reply), vec![chat]);
        assert_eq!(found[0], (vec![2, 3, 4, 5, 2, 3], vec![3, NO, NO, 2, 3, NO]));
    }

    #[test]
    fn what_is_too_long_loses_its_beginning_and_keeps_its_reply() {
        let long = || vec![Dialogue::plain("abab", "cd")];
        let (found, cut) = rows(&encoder(5, Counted::Reply), long());
        assert_eq!((found, cut), (vec![(vec![2, 3, 4, 5, 1], vec![NO, 4, 5, 1, NO])], 1));
        // A reply that is too long alone loses its end.
        let (found, cut) = rows(&encoder(3, Counted::Reply), long());
        assert_eq!((found, cut), (vec![(vec![3, 4, 5], vec![4, 5, NO])], 1));
    }

    #[test]
    fn what_is_scored_is_the_text_as_it_is_written_not_what_a_row_has_room_for() {
        let example = |prompt: &str, reply: &str| Example {
            content: Content::Dialogue(Dialogue::plain(prompt, reply)),
            target: Target::Tags(Vec::new()),
        };
        let held = encoder(4, Counted::Reply).held(&example("abab", " cdcdcd"), 0).unwrap().unwrap();
        let expected =
            Held { prompt: "abab".into(), prompt_ids: vec![2, 3, 2, 3], reference: "cdcdcd".into(), writable: true };
        assert_eq!(held, expected);
        let held = encoder(9, Counted::Reply).held(&example("a", "cxd"), 0).unwrap().unwrap();
        assert!(!held.writable && held.reference == "cxd");
        // A conversation is asked for its first reply.
        let chat = Dialogue { text: "abcdab".into(), replies: vec![1..2, 4..6], plain: false };
        let chat = Example { content: Content::Dialogue(chat), target: Target::Tags(Vec::new()) };
        let held = encoder(9, Counted::Reply).held(&chat, 0).unwrap().unwrap();
        assert_eq!((held.prompt.as_str(), held.prompt_ids, held.reference.as_str()), ("a", vec![2], "b"));
    }

    #[test]
    fn a_prompt_has_the_ids_that_it_has_in_training() {
        let encoder = encoder(9, Counted::Reply);
        assert_eq!(encoder.prompt("ab").unwrap(), [0, 2, 3]);
        assert_eq!(encoder.prompt(&"ab".repeat(9)).unwrap().len(), 9);
        assert_eq!(encoder.decode(&[0, 4, 5, 1]).unwrap(), "cd");
    }
}
