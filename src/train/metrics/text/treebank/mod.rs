//! Tokens of the Penn Treebank, as the caption evaluation of MS COCO has them.
//!
//! That program runs the `PTBTokenizer` of Stanford CoreNLP 3.4.1 and then drops punctuation. This is a tokenizer of its own after
//! the Treebank's conventions and that program's behaviour, so what it does with rare input (telephone numbers with spaces,
//! emoticons, addresses without a scheme but with a path) may differ.

mod scan;
mod words;

use super::tokenize::is_space;

/// Tokens of `text`, in lowercase and without punctuation. None where there is nothing else.
///
/// Brackets stay, as `-lrb-` and so on: the program drops them only in capitals, and lowercases first.
pub(super) fn caption_tokens(text: &str) -> Vec<String> {
    let text = plain(text);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = token(&text, at, &mut tokens);
        at = end.max(at + 1);
    }
    tokens.into_iter().map(|token| token.to_lowercase()).collect()
}

/// `text` with typographic signs in the Treebank's spelling.
fn plain(text: &str) -> Vec<char> {
    let spelled = |c: char| match c {
        '’' | '‘' | '‛' => "'".to_owned(),
        '“' | '”' | '„' | '«' | '»' => "\"".to_owned(),
        '–' | '—' | '―' => " -- ".to_owned(),
        '…' => "...".to_owned(),
        '½' => " 1/2 ".to_owned(),
        '¼' => " 1/4 ".to_owned(),
        '¾' => " 3/4 ".to_owned(),
        '⅓' => " 1/3 ".to_owned(),
        '⅔' => " 2/3 ".to_owned(),
        c => c.to_string(),
    };
    text.chars().flat_map(|c| spelled(c).chars().collect::<Vec<_>>()).collect()
}

/// Adds the token that starts at `at`, unless it is punctuation or space. Returns where it ends.
fn token(text: &[char], at: usize, tokens: &mut Vec<String>) -> usize {
    if let Some((characters, token)) = scan::entity(text, at) {
        tokens.extend(token.map(str::to_owned));
        return at + characters;
    }
    let mut add = |from: usize, to: usize| {
        tokens.push(text[from..to].iter().collect());
        to
    };
    let next = text.get(at + 1).copied();
    match text[at] {
        c if is_space(c) => at + 1,
        '\'' => match scan::after_apostrophe(text, at + 1) {
            end if end > at + 1 => add(at, end),
            end => end,
        },
        '!' | '?' => match scan::run(text, at, |c| matches!(c, '!' | '?')) {
            end if end > at + 1 => add(at, end),
            end => end,
        },
        // The program drops them, among them all emoji.
        c if u32::from(c) > 0xffff && !c.is_alphabetic() => at + 1,
        '£' => named("#", at, tokens),
        '€' => named("$", at, tokens),
        '¢' => named("cents", at, tokens),
        '(' => named("-lrb-", at, tokens),
        ')' => named("-rrb-", at, tokens),
        '[' => named("-lsb-", at, tokens),
        ']' => named("-rsb-", at, tokens),
        '{' => named("-lcb-", at, tokens),
        '}' => named("-rcb-", at, tokens),
        '<' if next.is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '!') => {
            add(at, scan::tag(text, at).unwrap_or(at + 1))
        }
        '@' | '#' if next.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') => {
            add(at, scan::run(text, at + 1, |c| c.is_ascii_alphanumeric() || c == '_'))
        }
        '*' | '_' | '#' => add(at, scan::run(text, at, |c| c == text[at])),
        c => match scan::longest(text, at) {
            end if end > at => {
                tokens.extend(words::parts(&text[at..end]));
                end
            }
            end if matches!(c, '.' | ',' | ':' | ';' | '-' | '"' | '`') => end + 1,
            _ => add(at, at + 1),
        },
    }
}

fn named(name: &str, at: usize, tokens: &mut Vec<String>) -> usize {
    tokens.push(name.to_owned());
    at + 1
}
