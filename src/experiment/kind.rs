//! What a value of a setting may be: the check, and the words that say what is allowed.

use super::nearest::nearest;
use super::setting::Kind;
use toml::Value;

/// Why a value does not fit its [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong, to follow the key: "must be ..., not ...".
    pub message: String,
    /// What to write instead, where that can be known.
    pub help: Option<String>,
}

/// Bounds from here on exist to keep arithmetic finite; nobody needs to read them.
const UNBOUNDED: f64 = 1e9;

impl Kind {
    /// What is allowed, in words that follow "must be".
    pub fn allowed(&self) -> String {
        match self {
            Kind::Int { min, max } => format!("a whole number {}", range(*min as f64, *max as f64, false)),
            Kind::Float { min, max, exclusive } => format!("a number {}", range(*min, *max, *exclusive)),
            Kind::Bool => "true or false".into(),
            Kind::Text => "a text".into(),
            Kind::Path => "a path".into(),
            Kind::Choice(names) => format!("one of {}", names.join(", ")),
            Kind::Texts => "a text or a list of at least one".into(),
            Kind::Betas => "two numbers [b1, b2], each at least 0 and below 1".into(),
            Kind::Ints { min, max } => {
                format!("a list of whole numbers, each {}", range(*min as f64, *max as f64, false))
            }
            Kind::IntOrFloat { min, max } => format!("a whole number or a decimal, {}", range(*min, *max, true)),
        }
    }

    /// The value in the form in which the typed settings read it (a whole number becomes a decimal where one is due).
    ///
    /// # Errors
    /// [`Misfit`] where type or range is wrong.
    pub fn fit(&self, value: &Value) -> Result<Value, Misfit> {
        self.fitted(value).ok_or_else(|| self.misfit(value))
    }

    fn fitted(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Kind::Int { min, max }, Value::Integer(n)) if (min..=max).contains(&n) => Some(value.clone()),
            (Kind::Float { min, max, exclusive }, Value::Integer(_) | Value::Float(_)) => {
                number(value).filter(|x| within(*x, *min, *max, *exclusive)).map(Value::Float)
            }
            (Kind::Bool, Value::Boolean(_)) => Some(value.clone()),
            (Kind::Text | Kind::Path, Value::String(text)) if !text.trim().is_empty() => Some(value.clone()),
            (Kind::Choice(names), Value::String(word)) if names.contains(&word.as_str()) => Some(value.clone()),
            (Kind::Texts, Value::String(text)) if !text.trim().is_empty() => Some(value.clone()),
            (Kind::Texts, Value::Array(texts)) if is_list_of_texts(texts) => Some(value.clone()),
            (Kind::Betas, Value::Array(pair)) => betas(pair),
            (Kind::Ints { min, max }, Value::Array(list)) => {
                let all = list.iter().all(|n| n.as_integer().is_some_and(|n| (min..=max).contains(&&n)));
                all.then(|| value.clone())
            }
            (Kind::IntOrFloat { min, max }, Value::Integer(_) | Value::Float(_)) => {
                number(value).filter(|x| within(*x, *min, *max, true)).map(|_| value.clone())
            }
            _ => None,
        }
    }

    fn misfit(&self, value: &Value) -> Misfit {
        let help = match (self, value) {
            (Kind::Choice(names), Value::String(word)) => {
                nearest(word, names.iter().copied()).map(|name| format!("did you mean \"{name}\"?"))
            }
            (Kind::Text | Kind::Path | Kind::Texts, Value::String(_)) => {
                Some("leave the setting out to unset it".into())
            }
            (Kind::Text | Kind::Path, Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) => {
                Some(format!("write it in quotes: \"{value}\""))
            }
            (Kind::Int { .. } | Kind::Float { .. } | Kind::Bool | Kind::IntOrFloat { .. }, Value::String(text)) => {
                self.fitted(&bare(text)).map(|_| format!("write it without quotes: {}", text.trim()))
            }
            // A bound that nobody meets is not said with every field.
            (Kind::Float { max, .. } | Kind::IntOrFloat { max, .. }, _)
                if *max >= UNBOUNDED && number(value).is_some_and(|x| x > *max) =>
            {
                Some(format!("the largest is {max:e}"))
            }
            _ => None,
        };
        Misfit { message: format!("must be {}, not {}", self.allowed(), seen(value)), help }
    }
}

/// A text as the TOML value that it spells, else as a text: how `--set` and the form read what a person typed.
pub fn bare(text: &str) -> Value {
    let spelled = toml::de::ValueDeserializer::parse(text.trim());
    spelled
        .ok()
        .and_then(|value| serde::Deserialize::deserialize(value).ok())
        .unwrap_or_else(|| Value::String(text.into()))
}

/// What a person typed for a setting of this kind: a text needs no quotes, a list no brackets (`query,value`).
pub fn typed(kind: Kind, text: &str) -> Value {
    let value = bare(text);
    let list = |items: &str| Value::Array(items.split(',').map(|item| bare(item.trim())).collect());
    match (kind, &value) {
        (Kind::Text | Kind::Path | Kind::Choice(_), Value::String(_)) => value,
        // `--set data.text=4` names the column "4", and a folder may be called `true`.
        (Kind::Text | Kind::Path | Kind::Choice(_), _) => Value::String(text.into()),
        (Kind::Texts, Value::String(text)) if text.contains(',') => {
            Value::Array(text.split(',').map(|item| Value::String(item.trim().into())).collect())
        }
        (Kind::Betas | Kind::Ints { .. }, Value::String(text)) if text.contains(',') => list(text),
        _ => value,
    }
}

/// A value as an error shows it: its TOML form, shortened.
pub fn seen(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::String(text) if text.trim().is_empty() => return "an empty text".into(),
        Value::Table(_) => return "a table".into(),
        value => value.to_string(),
    };
    // TOML's form escapes the old control characters; those from U+0080 on are for us.
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

fn within(x: f64, min: f64, max: f64, exclusive: bool) -> bool {
    (if exclusive { x > min } else { x >= min }) && x <= max
}

fn is_list_of_texts(texts: &[Value]) -> bool {
    !texts.is_empty() && texts.iter().all(|text| text.as_str().is_some_and(|text| !text.trim().is_empty()))
}

fn betas(pair: &[Value]) -> Option<Value> {
    let valid = |value: &Value| number(value).filter(|x| (0.0..1.0).contains(x)).map(Value::Float);
    match pair {
        [first, second] => Some(Value::Array(vec![valid(first)?, valid(second)?])),
        _ => None,
    }
}

fn range(min: f64, max: f64, exclusive: bool) -> String {
    match (exclusive, max >= UNBOUNDED) {
        (true, true) => format!("above {min}"),
        (true, false) => format!("above {min} and at most {max}"),
        (false, true) => format!("from {min} up"),
        (false, false) => format!("from {min} to {max}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0, exclusive: true };

    #[test]
    fn bounds_are_kept() {
        assert_eq!(SHARE.fit(&Value::Float(0.5)), Ok(Value::Float(0.5)));
        assert_eq!(SHARE.fit(&Value::Integer(1)), Ok(Value::Float(1.0)));
        for outside in [0.0, 1.1, -1.0, f64::NAN, f64::INFINITY] {
            assert!(SHARE.fit(&Value::Float(outside)).is_err(), "{outside}");
        }
        let rank = Kind::Int { min: 1, max: 1024 };
        assert!(rank.fit(&Value::Integer(1024)).is_ok());
        assert!(rank.fit(&Value::Integer(1025)).is_err());
        assert!(rank.fit(&Value::Float(8.0)).is_err());
    }

    #[test]
    fn betas_are_two_numbers_below_one() {
        let pair = |a: f64, b: f64| Value::Array(vec![Value::Float(a), Value::Float(b)]);
        assert!(Kind::Betas.fit(&pair(0.9, 0.999)).is_ok());
        assert!(Kind::Betas.fit(&pair(0.9, 1.0)).is_err());
        assert!(Kind::Betas.fit(&Value::Array(vec![Value::Integer(0)])).is_err());
    }

    #[test]
    fn what_is_typed_needs_no_quotes_where_a_text_is_due() {
        assert_eq!(typed(Kind::Text, "4"), Value::String("4".into()));
        assert_eq!(typed(Kind::Text, "\"4\""), Value::String("4".into()));
        assert_eq!(typed(Kind::Text, "foo/bar"), Value::String("foo/bar".into()));
        assert_eq!(typed(Kind::Path, "/x/y.tsv"), Value::String("/x/y.tsv".into()));
        let both: Value = Value::Array(vec!["query".into(), "value".into()]);
        assert_eq!(typed(Kind::Texts, "query,value"), both);
        assert_eq!(typed(Kind::Texts, r#"["query","value"]"#), both);
        assert_eq!(typed(Kind::Betas, "0.5, 0.999"), Value::Array(vec![Value::Float(0.5), Value::Float(0.999)]));
        assert_eq!(typed(SHARE, "1e-3"), Value::Float(1e-3));
        assert_eq!(typed(SHARE, "half"), Value::String("half".into()));
    }

    #[test]
    fn the_help_says_what_was_meant() {
        let misfit = Kind::Choice(&["softmax", "free"]).fit(&"sofmax".into()).unwrap_err();
        assert_eq!(misfit.message, "must be one of softmax, free, not \"sofmax\"");
        assert_eq!(misfit.help.as_deref(), Some("did you mean \"softmax\"?"));
        let quoted = SHARE.fit(&"0.5".into()).unwrap_err();
        assert_eq!(quoted.help.as_deref(), Some("write it without quotes: 0.5"));
    }

    #[test]
    fn a_value_is_shown_short_and_without_control_characters() {
        assert_eq!(seen(&Value::String("a\u{1b}[31m\u{9b}".into())), "\"a\\u001B[31m\u{fffd}\"");
        assert!(seen(&Value::String("x".repeat(500))).chars().count() < 70);
    }
}
