//! The elements of a JSON array, cut out of its lines: an array of any size is read element by element.

/// Where in the array the next sign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the bracket that opens it.
    Start,
    /// Between elements; `done`: one has ended, so that a comma has to come.
    Between { done: bool },
    /// In an element.
    Element,
    /// Behind the bracket that closes it.
    End,
}

/// Takes lines, gives elements.
#[derive(Debug)]
pub(super) struct Elements {
    at: At,
    /// What there is of the element, and the line on which it begins.
    element: String,
    line: usize,
    /// Brackets that are open in the element.
    depth: usize,
    /// In a text of the element; whether a backslash was just there.
    text: Option<bool>,
}

impl Elements {
    pub fn new() -> Elements {
        Elements { at: At::Start, element: String::new(), line: 0, depth: 0, text: None }
    }

    /// Reads a line; every element that ends on it goes to `found`, with the line on which it begins.
    ///
    /// # Errors
    /// What stands where an element, a comma or a bracket has to.
    pub fn read(&mut self, number: usize, line: &str, mut found: impl FnMut(usize, String)) -> Result<(), String> {
        let mut start = 0;
        for (place, sign) in line.char_indices() {
            match self.at {
                _ if self.text.is_some() => {}
                At::Start | At::Between { .. } | At::End if sign.is_whitespace() => continue,
                At::Start if sign == '[' => {
                    self.at = At::Between { done: false };
                    continue;
                }
                At::Between { .. } if sign == ']' => {
                    self.at = At::End;
                    continue;
                }
                At::Between { done: true } if sign == ',' => {
                    self.at = At::Between { done: false };
                    continue;
                }
                At::Between { done: false } if sign != ',' => {
                    (self.at, self.line, start) = (At::Element, number, place);
                }
                At::Between { done: true } => return Err(format!("`{sign}` where a comma or `]` is needed")),
                At::Start | At::Between { .. } => return Err(format!("`{sign}` where an element is needed")),
                At::End => return Err(format!("`{sign}` behind the end of the array")),
                At::Element => {}
            }
            let mut end = None;
            match (self.text, sign) {
                (Some(true), _) => self.text = Some(false),
                (Some(false), '\\') => self.text = Some(true),
                (Some(false), '"') => self.text = None,
                (Some(false), _) => {}
                (None, '"') => self.text = Some(false),
                (None, '{' | '[') => self.depth += 1,
                (None, '}' | ']') if self.depth > 0 => {
                    self.depth -= 1;
                    end = (self.depth == 0).then_some((place + 1, At::Between { done: true }));
                }
                // A number, a word or a text ends where the next sign of the array is.
                (None, ']') => end = Some((place, At::End)),
                (None, ',') if self.depth == 0 => end = Some((place, At::Between { done: false })),
                (None, _) => {}
            }
            if let Some((end, at)) = end {
                self.element.push_str(&line[start..end]);
                found(self.line, std::mem::take(&mut self.element));
                self.at = at;
            }
        }
        if self.at == At::Element {
            self.element.push_str(&line[start..]);
        }
        Ok(())
    }

    /// Whether the bracket that closes the array was there.
    pub fn is_closed(&self) -> bool {
        self.at == At::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements of an array with their lines, or the first error; whether the array was closed.
    fn elements(text: &str) -> Result<(Vec<(usize, String)>, bool), String> {
        let (mut elements, mut all) = (Elements::new(), Vec::new());
        for (number, line) in text.split_inclusive('\n').enumerate() {
            elements.read(number + 1, line, |line, element| all.push((line, element)))?;
        }
        Ok((all, elements.is_closed()))
    }

    #[test]
    fn elements_end_where_their_brackets_do() {
        let text = "[{\"a\": \"]},{\\\"\"}, {\n \"b\": [1, {}]\n}\n,\n7, \"x,]\"\n]\n";
        let (all, closed) = elements(text).unwrap();
        let expected = [(1, "{\"a\": \"]},{\\\"\"}"), (1, "{\n \"b\": [1, {}]\n}"), (5, "7"), (5, "\"x,]\"\n")];
        assert_eq!(all.iter().map(|(line, text)| (*line, text.as_str())).collect::<Vec<_>>(), expected);
        assert!(closed);
        assert_eq!(elements("[]").unwrap(), (vec![], true));
        assert_eq!(elements("[{\"a\": 1}, {").unwrap(), (vec![(1, "{\"a\": 1}".into())], false));
    }

    #[test]
    fn what_stands_in_a_wrong_place_is_said() {
        assert_eq!(elements("[{} {}]").unwrap_err(), "`{` where a comma or `]` is needed");
        assert_eq!(elements("[{},,{}]").unwrap_err(), "`,` where an element is needed");
        assert_eq!(elements("[{}]\n\n{}").unwrap_err(), "`{` behind the end of the array");
    }
}
