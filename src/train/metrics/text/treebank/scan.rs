//! Where the tokens of the Treebank end. Each function takes where a token starts and returns where it would end, which is where it
//! starts if it is not of that kind.

use super::super::tokenize::is_space;
use super::words::{is_abbreviation, is_numbered};

/// Past the last of the characters from `at` on that are all as wanted.
pub(super) fn run(text: &[char], at: usize, wanted: impl Fn(char) -> bool) -> usize {
    at + text[at.min(text.len())..].iter().take_while(|c| wanted(**c)).count()
}

/// Of the longest token that starts at `at`.
pub(super) fn longest(text: &[char], at: usize) -> usize {
    if let Some(end) = before_contraction(text, at) {
        return end;
    }
    let kinds =
        [address, mail, number, fraction, word, compound, with_apostrophe, initials, abbreviation, company, currency];
    kinds.iter().map(|kind| kind(text, at)).max().unwrap_or(at)
}

/// Of what follows an apostrophe and makes one token with it: `'s`, `'90s`, `'em`, `'n'`, the `'t` of `'tis`. `at` is past it.
pub(super) fn after_apostrophe(text: &[char], at: usize) -> usize {
    let letters = run(text, at, is_letter);
    let word: String = text[at..letters].iter().collect::<String>().to_lowercase();
    let ends = !text.get(letters).is_some_and(|c| is_word(*c));
    match word.as_str() {
        "n" if text.get(letters) == Some(&'\'') => letters + 1,
        "s" | "m" | "d" | "re" | "ve" | "ll" | "em" | "n" | "t" | "cause" | "til" | "till" if ends => letters,
        "tis" | "twas" if ends => at + 1,
        _ => match text.get(at..at + 3) {
            Some([tens, '0', 's' | 'S']) if ('2'..='9').contains(tens) => at + 3,
            _ => at,
        },
    }
}

/// Characters of an entity that starts at `at`, and the token that it is, unless it is punctuation or space.
pub(super) fn entity(text: &[char], at: usize) -> Option<(usize, Option<&'static str>)> {
    let known = [
        ("&amp;", Some("&")),
        ("&lt;", Some("<")),
        ("&gt;", Some(">")),
        ("&quot;", None),
        ("&apos;", None),
        ("&nbsp;", None),
    ];
    let starts = |entity: &str| entity.chars().eq(text[at..].iter().copied().take(entity.len()));
    known.into_iter().find(|(entity, _)| starts(entity)).map(|(entity, token)| (entity.len(), token))
}

/// Of a tag of SGML, which starts with `<`.
pub(super) fn tag(text: &[char], at: usize) -> Option<usize> {
    let end = run(text, at + 1, |c| c != '<' && c != '>');
    (text.get(end) == Some(&'>')).then_some(end + 1)
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic()
}

fn is_word(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

/// Of a word before `n't` or before an apostrophe and one of the endings of [`after_apostrophe`], which are tokens of their own.
fn before_contraction(text: &[char], at: usize) -> Option<usize> {
    let end = hyphenated(text, run(text, at, is_word), at);
    if end == at || text.get(end) != Some(&'\'') {
        return None;
    }
    let letters = run(text, end + 1, is_letter);
    let ending: String = text[end + 1..letters].iter().collect::<String>().to_lowercase();
    let ends = !text.get(letters).is_some_and(|c| is_word(*c));
    let n = matches!(text[end - 1], 'n' | 'N');
    match ending.as_str() {
        // `n't` alone is one token.
        "t" if ends && n && end - 1 == at => Some(letters),
        "t" if ends && n => Some(end - 1),
        "s" | "m" | "d" | "re" | "ve" | "ll" if ends => Some(end),
        _ => None,
    }
}

/// A URL with its scheme.
fn address(text: &[char], at: usize) -> usize {
    let scheme = run(text, at, |c| c.is_ascii_alphabetic());
    if scheme == at || text.get(scheme..scheme + 3) != Some(&[':', '/', '/']) {
        return at;
    }
    let inside = |c: char| !is_space(c) && !matches!(c, '"' | '<' | '>' | '|' | '(' | ')');
    let mut end = run(text, scheme, inside);
    while matches!(text[end - 1], '.' | '!' | '?' | ',' | '{' | '}' | '-') {
        end -= 1;
    }
    end
}

fn mail(text: &[char], at: usize) -> usize {
    let name = run(text, at, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'));
    if name == at || text.get(name) != Some(&'@') {
        return at;
    }
    let mut end = run(text, name + 1, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    while matches!(text[end - 1], '.' | '-') {
        end -= 1;
    }
    if end > name + 1 { end } else { at }
}

/// `1,000.5`, `-3`, `.5`, `10:30`.
fn number(text: &[char], at: usize) -> usize {
    let digits = |at| run(text, at, |c| c.is_ascii_digit());
    let sign = usize::from(matches!(text[at], '-' | '+'));
    let mut end = digits(at + sign);
    while matches!(text.get(end), Some('.' | ',' | ':')) && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if end > at + sign { end } else { at }
}

/// `1/2`, `3-1/2`, `12/25/99`.
fn fraction(text: &[char], at: usize) -> usize {
    let mut end = run(text, at, |c| c.is_ascii_digit());
    let mut slashes = 0;
    while end > at && slashes < 2 {
        let slash = match text.get(end) {
            Some('/') => 1,
            Some('-') if slashes == 0 => 0,
            _ => break,
        };
        let next = run(text, end + 1, |c| c.is_ascii_digit());
        if next == end + 1 {
            break;
        }
        (end, slashes) = (next, slashes + slash);
    }
    if slashes > 0 { end } else { at }
}

/// Letters and digits from a letter on, with points between them before a letter: `example.com`.
fn word(text: &[char], at: usize) -> usize {
    let part = |at: usize| {
        if text.get(at).is_some_and(|c| is_letter(*c)) { run(text, at, is_word) } else { at }
    };
    let mut end = part(at);
    while end > at && matches!(text.get(end), Some('.' | '!' | '?')) && part(end + 1) > end + 1 {
        end = part(end + 1);
    }
    end
}

/// Words and numbers joined by hyphens, and up to three such by slashes: `kid-friendly`, `and/or`.
fn compound(text: &[char], at: usize) -> usize {
    let mut end = hyphenated(text, run(text, at, is_word), at);
    for _ in 0..2 {
        let letters = run(text, end + 1, is_letter);
        if end == at || text.get(end) != Some(&'/') || letters == end + 1 || text[end - 1].is_ascii_digit() {
            break;
        }
        end = hyphenated(text, run(text, end + 1, is_word), end + 1);
    }
    end
}

/// `end` of a word that starts at `at`, and past the words that hyphens or underscores join to it.
fn hyphenated(text: &[char], mut end: usize, at: usize) -> usize {
    while end > at && matches!(text.get(end), Some('-' | '_')) {
        let next = run(text, end + 1, is_word);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    end
}

/// `o'clock`, `d'Angelo`, `M'Baye`, `ma'am`, `Hawai'i`.
fn with_apostrophe(text: &[char], at: usize) -> usize {
    let mark = run(text, at, is_letter);
    let end = run(text, mark + 1, is_letter);
    let (Some('\''), Some(first)) = (text.get(mark), text.get(mark + 1)) else { return at };
    let joins = match &text[at..mark] {
        ['d' | 'D' | 'o' | 'O' | 'l' | 'L'] => end > mark + 1,
        [letter] if *letter == 'n' || letter.is_ascii_uppercase() && !matches!(letter, 'I' | 'Y') => end > mark + 2,
        [.., 'a' | 'e' | 'i' | 'o' | 'u' | 'y'] => {
            matches!(first, 'a' | 'e' | 'i' | 'o' | 'u') || first.is_ascii_uppercase()
        }
        _ => false,
    };
    // An ending that is a token of its own, as in `y'all`, needs the apostrophe on the word before it.
    match &text[at..mark] {
        ['y' | 'Y'] if text[mark + 1..end] == ['a', 'l', 'l'] => mark + 1,
        _ if joins => hyphenated(text, end, at),
        _ => at,
    }
}

/// Letters with a point each: `U.S.`, `J.`, and what hyphens join to them.
fn initials(text: &[char], at: usize) -> usize {
    let mut end = at;
    while text.get(end).is_some_and(|c| c.is_ascii_alphabetic()) && text.get(end + 1) == Some(&'.') {
        end += 2;
    }
    // A capital that ends the text is a word that ends a sentence.
    let ends = text[end..].iter().all(|c| is_space(*c));
    if end == at + 2 && ends && text[at].is_ascii_uppercase() { at } else { hyphenated(text, end, at) }
}

fn abbreviation(text: &[char], at: usize) -> usize {
    let end = run(text, at, is_letter);
    let name: String = text[at..end].iter().collect();
    if text.get(end) != Some(&'.') {
        return at;
    }
    if matches!(text[at..].get(..5), Some(['P' | 'p', 'h', '.', 'D' | 'd', '.'])) {
        return at + 5;
    }
    let next = run(text, end + 1, is_space);
    let numbered = || text.get(next).is_some_and(char::is_ascii_digit) && is_numbered(&name);
    if is_abbreviation(&name) || numbered() { end + 1 } else { at }
}

/// Capitals joined by ampersands, which may be entities: `AT&T`.
fn company(text: &[char], at: usize) -> usize {
    let capitals = |at| run(text, at, |c: char| c.is_ascii_uppercase());
    let mut end = capitals(at);
    while end > at && text.get(end) == Some(&'&') {
        let next = end + if let Some((entity, Some("&"))) = entity(text, end) { entity } else { 1 };
        if capitals(next) == next {
            break;
        }
        end = capitals(next);
    }
    end
}

/// `US$`.
fn currency(text: &[char], at: usize) -> usize {
    let end = run(text, at, |c| c.is_ascii_uppercase());
    let country: String = text[at..end].iter().collect();
    let known = matches!(country.as_str(), "US" | "C" | "A" | "HK" | "NZ" | "S" | "M");
    if known && text.get(end) == Some(&'$') { end + 1 } else { at }
}
