//! Which part of a rendered conversation is the reply, so that the loss can count that part alone.

use super::error::ChatError;
use super::message::Message;
use super::template::{ChatTemplate, Output};
use crate::data::error::shown;
use std::ops::Range;

/// A conversation as text, and what of it is to be learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// Byte ranges of `text`, in order: each reply with the sign that ends its turn.
    pub replies: Vec<Range<usize>>,
    /// Why replies before the last are left out, for people; none where all are there.
    pub left_out: Option<String>,
}

impl ChatTemplate {
    /// The text of a conversation with its replies.
    ///
    /// A template with `{% generation %}` blocks says itself what they are. Otherwise, as TRL has it: the text up to a message,
    /// with the generation prompt, is the beginning of the text up to and with it, and the rest is the reply. Where a
    /// template writes earlier turns otherwise than the last (Qwen3 strips their thinking), only the last reply is learnt.
    ///
    /// # Errors
    /// Those of [`ChatTemplate::render`], and a conversation of which not even the last reply can be told.
    pub fn conversation(&self, messages: &[Message]) -> Result<Rendered, ChatError> {
        let Output { text, marks } = self.output(messages, false)?;
        let replies: Vec<usize> = (0..messages.len()).filter(|place| messages[*place].is_reply()).collect();
        let learnt: Vec<usize> = replies.iter().copied().filter(|place| messages[*place].is_learnt()).collect();
        if let Some(ranges) = marks {
            if learnt == replies {
                return Ok(Rendered { text, replies: ranges, left_out: None });
            }
            // Blocks do not say whose they are; one for each reply is as good.
            if ranges.len() == replies.len() {
                let ranges = ranges.into_iter().zip(&replies);
                let ranges = ranges.filter(|(_, place)| learnt.contains(place)).map(|(range, _)| range).collect();
                return Ok(Rendered { text, replies: ranges, left_out: None });
            }
        }
        let mut ranges = Vec::with_capacity(learnt.len());
        for place in &learnt {
            match self.reply(messages, *place, &text) {
                Ok(range) => ranges.push(range),
                Err(why) => return self.last_only(messages, learnt.last().copied(), text, why),
            }
        }
        Ok(Rendered { text, replies: ranges, left_out: None })
    }

    fn last_only(
        &self,
        messages: &[Message],
        last: Option<usize>,
        text: String,
        why: String,
    ) -> Result<Rendered, ChatError> {
        let last = last.ok_or_else(|| ChatError::NoReply { why: why.clone() })?;
        let range = self.reply(messages, last, &text).map_err(|why| ChatError::NoReply { why })?;
        let left_out = Some(format!("only the last reply of a conversation is learnt: {why}"));
        Ok(Rendered { text, replies: vec![range], left_out })
    }

    /// The range of the message at `place` in the text of all, or why there is none.
    fn reply(&self, messages: &[Message], place: usize, text: &str) -> Result<Range<usize>, String> {
        let failed = |what: &str, error: ChatError| format!("the messages {what} message {} alone: {error}", place + 1);
        let before = self.render(&messages[..place], true).map_err(|error| failed("before", error))?;
        let whole = if place + 1 == messages.len() {
            text.to_owned()
        } else {
            self.render(&messages[..=place], false).map_err(|error| failed("up to", error))?
        };
        if let Some(difference) = difference(&before, &whole) {
            return Err(format!(
                "before message {} the chat template's generation prompt is not what the reply's text begins with: {difference}",
                place + 1
            ));
        }
        if let Some(difference) = difference(&whole, text) {
            return Err(format!(
                "the chat template writes message {} otherwise when others follow: {difference}",
                place + 1
            ));
        }
        Ok(before.len()..whole.len())
    }
}

/// Where `text` does not begin with `start`, what each has from there on.
fn difference(start: &str, text: &str) -> Option<String> {
    if text.starts_with(start) {
        return None;
    }
    let same: usize = start.chars().zip(text.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let after = |text: &str| match text.get(same..) {
        None | Some("") => "nothing".to_owned(),
        Some(rest) => format!("\"{}\"", shown(&rest.chars().take(30).collect::<String>())),
    };
    Some(format!("{} against {}", after(start), after(text)))
}
