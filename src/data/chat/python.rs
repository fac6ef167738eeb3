//! What templates expect of Python: methods of strings, and tests and filters that minijinja has otherwise.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use minijinja_contrib::pycompat;

/// Adds them to an environment.
pub(super) fn extend(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", super::json::tojson);
    environment.add_filter("trim", |value: &Value, chars: Option<&str>| strip(&value.to_string(), chars, true, true));
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    // A string and a mapping have a length and elements too, so Jinja counts them as sequences.
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined)
    });
}

/// `int`: Jinja gives the default, 0, for what is no number.
fn int(
    state: &State,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| Value::from(0));
    filters::int(state, value, Some(default), base, kwargs)
}

/// `float`, likewise.
fn float(state: &State, value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| Value::from(0.0));
    filters::float(state, value, Some(default), kwargs)
}

/// Python's `str.isspace`: Unicode's white space, and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str, chars: Option<&str>, start: bool, end: bool) -> String {
    let strips = |c: char| chars.map_or(is_space(c), |chars| chars.contains(c));
    let text = if start { text.trim_start_matches(strips) } else { text };
    let text = if end { text.trim_end_matches(strips) } else { text };
    text.to_owned()
}

/// A method that the engine does not know: first what is written here, then what minijinja-contrib has.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return pycompat::unknown_method_callback(state, value, name, args);
    };
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            Ok(strip(text, chars, name != "rstrip", name != "lstrip").into())
        }
        "split" | "rsplit" => {
            let (separator, most, kwargs): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
            let separator = separator.or(kwargs.get("sep")?);
            // A negative number is no limit.
            let most = most.or(kwargs.get("maxsplit")?).and_then(|most| usize::try_from(most).ok());
            kwargs.assert_all_used()?;
            let parts = match separator {
                Some("") => return Err(Error::new(ErrorKind::InvalidOperation, format!("{name}: empty separator"))),
                Some(separator) => split(text, separator, most, name == "rsplit"),
                None => words(text, most, name == "rsplit"),
            };
            Ok(Value::from_iter(parts))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let parts = match name {
                "partition" => text.split_once(separator).map_or([text, "", ""], |(a, b)| [a, separator, b]),
                _ => text.rsplit_once(separator).map_or(["", "", text], |(a, b)| [a, separator, b]),
            };
            Ok(Value::from(Tuple::from(parts.map(Value::from))))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "splitlines" => {
            let (keep, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(kwargs.get("keepends")?).unwrap_or(false);
            kwargs.assert_all_used()?;
            Ok(Value::from_iter(lines(text, keep)))
        }
        "isspace" => {
            let () = from_args(args)?;
            Ok((!text.is_empty() && text.chars().all(is_space)).into())
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn split<'a>(text: &'a str, separator: &str, most: Option<usize>, from_end: bool) -> Vec<&'a str> {
    match (most.map(|most| most.saturating_add(1)), from_end) {
        (None, _) => text.split(separator).collect(),
        (Some(count), false) => text.splitn(count, separator).collect(),
        (Some(count), true) => {
            let mut parts: Vec<&str> = text.rsplitn(count, separator).collect();
            parts.reverse();
            parts
        }
    }
}

/// `split` without a separator: runs of white space separate, and none is left at the ends but that of a rest.
fn words(text: &str, most: Option<usize>, from_end: bool) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    let trim = |rest: &'_ str| -> usize {
        if from_end { rest.trim_end_matches(is_space).len() } else { rest.trim_start_matches(is_space).len() }
    };
    loop {
        let length = trim(rest);
        rest = if from_end { &rest[..length] } else { &rest[rest.len() - length..] };
        if rest.is_empty() {
            break;
        }
        if most.is_some_and(|most| parts.len() == most) {
            parts.push(rest);
            break;
        }
        let (word, after) = if from_end {
            let start = rest.char_indices().rev().find(|(_, c)| is_space(*c)).map_or(0, |(at, c)| at + c.len_utf8());
            (&rest[start..], &rest[..start])
        } else {
            rest.split_at(rest.find(is_space).unwrap_or(rest.len()))
        };
        parts.push(word);
        rest = after;
    }
    if from_end {
        parts.reverse();
    }
    parts
}

/// `splitlines`: at every sign that Python takes for the end of a line.
fn lines(text: &str, keep: bool) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text);
    let ends = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    while let Some((at, end)) = rest.char_indices().find(|(_, c)| ends(*c)) {
        let length = if rest[at..].starts_with("\r\n") { 2 } else { end.len_utf8() };
        lines.push(&rest[..if keep { at + length } else { at }]);
        rest = &rest[at + length..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
