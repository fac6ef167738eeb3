//! `rank_pattern` and `alpha_pattern`: values by a pattern of the module's path, as PEFT matches them.

use regex::Regex;
use serde_json::{Map, Value};

/// Values by pattern, in the order of the file. The first pattern that matches a path wins.
#[derive(Clone, Debug, Default)]
pub struct Pattern<T> {
    entries: Vec<(String, Regex, T)>,
}

impl<T: Copy> Pattern<T> {
    /// The value of a module, `None` where no pattern matches.
    ///
    /// PEFT's rule (0.21, `get_pattern_key`): `re.match(rf"(.*\.)?({key})$", path)`, so that a key is a regular expression
    /// over the end of the path, from a dot or the start.
    pub fn get(&self, path: &str) -> Option<T> {
        self.entries.iter().find(|(_, regex, _)| regex.is_match(path)).map(|(.., value)| *value)
    }

    /// Whether no module has a value of its own.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a key as a file has it.
    ///
    /// # Errors
    /// What is wrong with a key that is no regular expression here: no look-around, no back-references. In return no key
    /// takes more than linear time, whoever wrote the file.
    pub fn push(&mut self, key: &str, value: T) -> Result<(), String> {
        // Python's `$` also matches before a last newline, which no module's path has.
        let regex = Regex::new(&format!(r"^(.*\.)?({key})$")).map_err(|error| {
            let text = error.to_string();
            text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_string()
        })?;
        self.entries.push((key.into(), regex, value));
        Ok(())
    }

    /// The values of modules by full path, those that differ from `common` as keys of their own.
    pub fn of_modules(values: &[(&str, T)], common: T) -> Pattern<T>
    where
        T: PartialEq,
    {
        let mut own: Vec<(&str, T)> = values.iter().filter(|(_, value)| *value != common).copied().collect();
        loop {
            let pattern = Pattern::of_paths(&own);
            // A key may match more than the path that it was made of: a module that another's key takes gets its own.
            let taken = |(path, value): &&(&str, T)| {
                pattern.get(path).unwrap_or(common) != *value && !own.iter().any(|(known, _)| known == path)
            };
            let taken: Vec<(&str, T)> = values.iter().filter(taken).copied().collect();
            if taken.is_empty() {
                return pattern;
            }
            own.extend(taken);
        }
    }

    /// Full paths as keys that find them in every version of PEFT. Longer paths come first: the end of one may be the
    /// whole of another.
    fn of_paths(values: &[(&str, T)]) -> Pattern<T> {
        let mut values = values.to_vec();
        values.sort_by_key(|(path, _)| std::cmp::Reverse(path.chars().count()));
        let mut pattern = Pattern { entries: Vec::with_capacity(values.len()) };
        for (path, value) in values {
            // An escaped path is a pattern; where it is too long for one, the read-back of an export finds it missing.
            let _ = pattern.push(&key_of(path), value);
        }
        pattern
    }

    /// As a JSON object in the order of the entries.
    pub fn to_json(&self, number: impl Fn(T) -> Value) -> Value {
        Value::Object(self.entries.iter().map(|(key, _, value)| (key.clone(), number(*value))).collect::<Map<_, _>>())
    }
}

/// A module's path as a pattern: dots stay as they are (a dot matches a dot, and old versions of PEFT compare keys as
/// texts), what else means something in a regular expression is escaped.
fn key_of(path: &str) -> String {
    path.split('.').map(regex::escape).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pattern(keys: &[&str]) -> Pattern<usize> {
        let mut pattern = Pattern::default();
        keys.iter().zip(1..).for_each(|(key, n)| pattern.push(key, n).unwrap());
        pattern
    }

    #[test]
    fn a_key_matches_the_end_of_a_path_from_a_dot() {
        let q = pattern(&["query"]);
        assert_eq!(q.get("bert.layer.0.query"), Some(1));
        assert_eq!(q.get("query"), Some(1));
        assert_eq!(q.get("bert.subquery"), None);
        assert_eq!(q.get("bert.query.dense"), None);
    }

    #[test]
    fn the_first_key_wins_and_keys_are_regular_expressions() {
        let both = pattern(&[r"layer\.\d+\.query", "query"]);
        assert_eq!((both.get("b.layer.11.query"), both.get("b.pooler.query")), (Some(1), Some(2)));
        assert_eq!(pattern(&["query", r"layer\.1\.query"]).get("layer.1.query"), Some(1));
        // Python groups what `|` divides, and so do we: `(a|b)$`, not `(a)|(b$)`.
        assert_eq!(pattern(&["query|value"]).get("query.dense"), None);
    }

    #[test]
    fn what_is_no_regular_expression_is_said() {
        let mut pattern = Pattern::default();
        assert!(pattern.push("layer.(", 1).unwrap_err().contains("unclosed group"));
        assert!(pattern.push("(?=x)query", 1).unwrap_err().contains("look-around"));
    }

    #[test]
    fn names_with_the_signs_of_regular_expressions_are_escaped_and_dots_are_not() {
        let pattern = Pattern::of_modules(&[("a.b+c.(d)", 3), ("e", 1)], 1);
        assert_eq!(pattern.to_json(|n| json!(n)), json!({r"a.b\+c.\(d\)": 3}));
    }

    #[test]
    fn a_module_that_the_key_of_another_takes_gets_its_own() {
        let values = [("b.query", 2), ("a.b.query", 1), ("c.query", 1)];
        let pattern = Pattern::of_modules(&values, 1);
        assert_eq!(pattern.to_json(|n| json!(n)), json!({"a.b.query": 1, "b.query": 2}));
        assert!(values.iter().all(|(path, value)| pattern.get(path).unwrap_or(1) == *value));
    }

    proptest! {
        /// What is written under full paths is read back by the rule of PEFT, whatever the names.
        #[test]
        fn paths_find_their_own_value(
            modules in proptest::collection::btree_map(r"[a-z+*?()\[\]|^$\\-]{1,4}(\.[0-9]{1,2}){0,2}\.[a-z+{}]{1,4}", 0..3, 1..9),
        ) {
            // A dot matches any character: of paths that only such a match tells apart, one is left out.
            let blurred = |path: &str| path.chars().map(|c| if c.is_alphanumeric() { c } else { '.' }).collect::<String>();
            let mut seen = std::collections::BTreeSet::new();
            let values: Vec<(&str, i32)> =
                modules.iter().filter(|(path, _)| seen.insert(blurred(path))).map(|(path, n)| (path.as_str(), *n)).collect();
            let mut read = Pattern::default();
            let json = Pattern::of_modules(&values, 0).to_json(|n| json!(n));
            for (key, value) in json.as_object().unwrap() {
                read.push(key, value.as_i64().unwrap() as i32).unwrap();
            }
            for (path, value) in values {
                prop_assert_eq!(read.get(path).unwrap_or(0), value, "{}", path);
            }
        }
    }
}
