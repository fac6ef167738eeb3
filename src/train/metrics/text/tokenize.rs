//! The tokens of NIST's `mteval-v13a.pl`, in the two ports that are in use, and what Python takes for whitespace.

/// Whitespace to Python: Unicode's, and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Words between whitespace.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Tokens of `text` as sacreBLEU's tokenizer `13a` makes them. None of an empty text.
pub(super) fn tokens_13a(text: &str) -> Vec<String> {
    // sacreBLEU cuts the end before it looks for a hyphen at the end of a line.
    words(&separate(text.trim_end_matches(is_space))).map(str::to_owned).collect()
}

/// Tokens of `text` as the E2E challenge's port of mteval makes them, in lowercase. A text without words is one empty token, which
/// counts as a word.
pub(super) fn tokens_mteval(text: &str) -> Vec<String> {
    let tokens: Vec<String> = words(&separate(text)).map(str::to_lowercase).collect();
    if tokens.is_empty() { vec![String::new()] } else { tokens }
}

/// `text` with spaces between the tokens of mteval's rules for Western languages.
fn separate(text: &str) -> String {
    let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(entity, character);
    }
    let mut spaced = String::with_capacity(2 * text.len());
    spaced.push(' ');
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.') {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');
    let digit = |c: char| c.is_ascii_digit();
    let point = |c: char| c == '.' || c == ',';
    // A point is a token unless it stands between digits; a hyphen is one after a digit.
    let spaced = split_pairs(&spaced, |a, b| !digit(a) && point(b), |a, b| [a, ' ', b, ' ']);
    let spaced = split_pairs(&spaced, |a, b| point(a) && !digit(b), |a, b| [' ', a, ' ', b]);
    split_pairs(&spaced, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' '])
}

/// `text` with each pair of neighbours that `matches` replaced by `spaced`, from left to right: no character is in two pairs.
fn split_pairs(text: &str, matches: impl Fn(char, char) -> bool, spaced: impl Fn(char, char) -> [char; 4]) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match rest.next_if(|second| matches(first, *second)) {
            Some(second) => out.extend(spaced(first, second)),
            None => out.push(first),
        }
    }
    out
}
