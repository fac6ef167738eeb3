//! Facts and the texts that tell them - WebNLG, DART - as prompts and replies.
//!
//! The prompt is every triple as `subject : property : object`, with ` | ` between them, which is how the GPT-2 experiments of
//! LoRA (Hu et al. 2021) write them. Those leave WebNLG's underscores and quotes as they are; here underscores are spaces, and the
//! quotes around an object go, with the type or language behind them (`"507.0"^^xsd:double`). Runs of white space are one space. The
//! property of a DART triple is in lower case, as there. The reply is one text; nothing stands between the two.

mod rows;

use std::collections::BTreeMap;
use std::fmt;

pub use rows::{form, reads};

/// One fact: subject, property, object, as the dataset writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple(pub [String; 3]);

/// A text that tells a record's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    /// `en`, `ru`; empty where the dataset does not say.
    pub language: String,
    /// What its makers think of it: `good`, `toFix`; empty where they do not say.
    pub mark: String,
    /// Line of the file, where it is known.
    pub line: Option<usize>,
}

/// Facts and the texts that tell them: one prompt, several rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub prompt: String,
    pub texts: Vec<Text>,
}

/// What a dataset has and a run does not read, for people: neither rows nor broken ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Texts by their language, which is not English.
    pub languages: BTreeMap<String, usize>,
    /// Texts by the mark of their makers, which is not `good`.
    pub marks: BTreeMap<String, usize>,
    pub empty: usize,
    /// Records without any text, as test sets without references have them.
    pub textless: usize,
}

impl Triple {
    /// WebNLG's form, `subject | property | object`.
    ///
    /// # Errors
    /// Fewer than three parts.
    pub fn parse(text: &str) -> Result<Triple, String> {
        let parts: Vec<&str> = text.splitn(3, '|').map(str::trim).collect();
        match parts.as_slice() {
            [subject, property, object] => Ok(Triple([subject, property, object].map(|part| part.to_string()))),
            parts => Err(format!(
                "the triple \"{}\" has {} where `subject | property | object` is needed",
                crate::data::error::shown(text.trim()),
                if parts.len() == 1 { "1 part".into() } else { format!("{} parts", parts.len()) },
            )),
        }
    }
}

/// The prompt that triples are.
///
/// ```
/// # use autolora::data::triples::{Triple, linearised};
/// let triples = [r#"Aarhus_Airport | cityServed | "Aarhus, Denmark""#, "Aarhus | leader | Jacob_Bundsgaard"];
/// let triples = triples.map(|text| Triple::parse(text).unwrap_or(Triple(Default::default())));
/// let prompt = "Aarhus Airport : cityServed : Aarhus, Denmark | Aarhus : leader : Jacob Bundsgaard";
/// assert_eq!(linearised(&triples), prompt);
/// ```
pub fn linearised(triples: &[Triple]) -> String {
    let triple = |Triple([subject, property, object]): &Triple| {
        [plain(subject), plain(property), plain(unquoted(object.trim()))].join(" : ")
    };
    triples.iter().map(triple).collect::<Vec<_>>().join(" | ")
}

/// Words with one space between them.
fn plain(text: &str) -> String {
    text.replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands in the quotes of a literal; a text that is none as it is.
fn unquoted(text: &str) -> &str {
    let inside = text.strip_prefix('"').and_then(|rest| rest.rsplit_once('"'));
    match inside {
        Some((inside, after)) if after.is_empty() || after.starts_with("^^") || after.starts_with('@') => inside,
        _ => text,
    }
}

impl Record {
    /// The texts that are learnt, each with its line; the others are counted. English ones alone are, and of those the ones that
    /// their makers find good or say nothing of, as in the GPT-2 experiments of LoRA.
    pub fn rows(self, left_out: &mut LeftOut) -> Vec<(Option<usize>, String)> {
        left_out.textless += usize::from(self.texts.is_empty());
        let mut rows = Vec::with_capacity(self.texts.len());
        for Text { text, language, mark, line } in self.texts {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if !(language.is_empty() || language.eq_ignore_ascii_case("en")) {
                *left_out.languages.entry(language).or_default() += 1;
            } else if !(mark.is_empty() || mark == "good") {
                *left_out.marks.entry(mark).or_default() += 1;
            } else if text.is_empty() {
                left_out.empty += 1;
            } else {
                rows.push((line, text));
            }
        }
        rows
    }
}

impl LeftOut {
    pub fn is_empty(&self) -> bool {
        *self == LeftOut::default()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = crate::data::error::shown;
        let texts = |count: &usize| if *count == 1 { "1 text".into() } else { format!("{count} texts") };
        let mut parts: Vec<String> = self
            .languages
            .iter()
            .map(|(language, count)| format!("{} in {}, not en", texts(count), shown(language)))
            .collect();
        parts.extend(
            self.marks.iter().map(|(mark, count)| format!("{} marked {}, not good", texts(count), shown(mark))),
        );
        if self.empty > 0 {
            parts.push(format!("{} that {} empty", texts(&self.empty), if self.empty == 1 { "is" } else { "are" }));
        }
        match self.textless {
            0 => {}
            1 => parts.push("1 entry without a text".into()),
            count => parts.push(format!("{count} entries without a text")),
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_from_objects_alone_and_only_as_a_pair() {
        let of = |object: &str| linearised(&[Triple(["a_b".into(), "p_(in_m)".into(), object.into()])]);
        for (object, expected) in [
            ("\"14L/32R\"", "14L/32R"),
            ("\"507.0\"^^xsd:double", "507.0"),
            ("\"Aarhus\"@da", "Aarhus"),
            ("\"a\" and \"b\"", "a\" and \"b"),
            ("12\" record", "12\" record"),
            ("\"open", "\"open"),
            ("\"", "\""),
            ("  two\n   lines ", "two lines"),
        ] {
            assert_eq!(of(object), format!("a b : p (in m) : {expected}"));
        }
    }

    #[test]
    fn a_triple_has_three_parts_and_its_object_may_have_bars() {
        assert_eq!(Triple::parse("a|b | c | d").map(|triple| triple.0[2].clone()), Ok("c | d".into()));
        let error = Triple::parse("a | b").unwrap_err();
        assert_eq!(error, "the triple \"a | b\" has 2 parts where `subject | property | object` is needed");
    }

    #[test]
    fn what_is_left_out_is_said_in_words() {
        let mut left_out = LeftOut { empty: 1, textless: 2, ..LeftOut::default() };
        left_out.languages.insert("ru".into(), 3);
        left_out.marks.insert("toFix".into(), 1);
        let expected =
            "3 texts in ru, not en; 1 text marked toFix, not good; 1 text that is empty; 2 entries without a text";
        assert_eq!(left_out.to_string(), expected);
    }
}
