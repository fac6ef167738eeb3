//! Words as METEOR 1.5 normalises them for English, which follows the tokenizer of Moses.

/// METEOR's function words of English: those with a relative frequency above 1/1000 in its corpora. Typographic quotes and dashes,
/// which do not come this far, are left out.
const FUNCTION_WORDS: [&str; 88] = [
    "the", ",", ".", "to", "of", "and", "a", "in", "that", "for", "is", "on", "'s", "it", "with", "was", "as", "said",
    "at", "he", "by", "be", "from", "have", "has", "are", "his", "but", "an", "this", "not", "i", "will", "they", ")",
    "-rrb-", "(", "-lrb-", "who", "their", "had", "we", "which", "were", "been", "more", "or", "s", "its", "would",
    "about", "new", "one", "after", "you", ":", "also", "up", "when", "there", "than", "$", "all", "out", "her",
    "people", "she", "year", "two", "-", "can", "if", "last", "first", "over", "other", "into", "some", "what", "so",
    "--", "no", "time", "years", "could", "?", "'t", "'",
];

pub(super) fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// `tokens`, lowercase, with words joined by hyphens apart, apostrophes at the start of words, and abbreviations without points.
pub(super) fn normalised(tokens: &[String]) -> Vec<String> {
    let mut text = vec![' '];
    for token in tokens {
        text.extend(token.chars());
        text.push(' ');
    }
    let text = separated(&text);
    let text = without_hyphens(&text);
    let text: String = with_apostrophes(&text).into_iter().collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut normalised = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).and_then(|next| next.chars().next());
        let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty() && !stem.ends_with('.')) else {
            normalised.push((*word).to_owned());
            continue;
        };
        if stem.contains('.') && stem.chars().any(is_letter) {
            normalised.push(word.replace('.', ""));
        } else if next.is_some_and(|c| c.is_ascii_lowercase()) || matches!(stem, "v" | "vs" | "rev") {
            normalised.push((*word).to_owned());
        } else {
            normalised.extend([stem.to_owned(), ".".to_owned()]);
        }
    }
    normalised
}

/// Of Latin and Cyrillic, which are the scripts that METEOR joins to words.
fn is_letter(c: char) -> bool {
    match c {
        '×' | '÷' => false,
        'À'..='ž' | '\u{400}'..='\u{527}' | '\u{1d00}'..='\u{1d7f}' | '\u{a640}'..='\u{a697}' => true,
        c => c.is_ascii_alphabetic(),
    }
}

fn is_word(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

/// `text` with spaces around signs, runs of points, and commas that are not within numbers.
fn separated(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(2 * text.len());
    let is = |at: usize, wanted: fn(&char) -> bool| text.get(at).is_some_and(wanted);
    for (at, c) in text.iter().enumerate() {
        let before = |wanted: fn(&char) -> bool| at.checked_sub(1).is_some_and(|before| is(before, wanted));
        match c {
            '.' => {
                let (follows, continues) = (before(|c| *c == '.'), is(at + 1, |c| *c == '.'));
                if continues && !follows {
                    out.push(' ');
                }
                out.push('.');
                if follows && !continues {
                    out.push(' ');
                }
            }
            ',' if !(before(char::is_ascii_digit) && is(at + 1, char::is_ascii_digit)) => out.extend([' ', ',', ' ']),
            '`' | '‘' | '’' => out.push('\''),
            ',' | '\'' | '-' => out.push(*c),
            c if is_word(*c) || c.is_whitespace() => out.push(*c),
            c => out.extend([' ', *c, ' ']),
        }
    }
    out
}

/// A space for each hyphen between words. As in the program, a letter is next to one such hyphen only: `a-b-c` keeps its second.
fn without_hyphens(text: &[char]) -> Vec<char> {
    let mut out = text.to_vec();
    let mut taken = 0;
    for at in 1..text.len().saturating_sub(1) {
        let joins = text[at] == '-' && (is_word(text[at - 1]) || text[at - 1] == '.') && is_word(text[at + 1]);
        if joins && at > taken + 1 {
            out[at] = ' ';
            taken = at + 1;
        }
    }
    out
}

/// `text` with each apostrophe before letters at the start of a word (`do n't` is `do n 't`), and others as words.
fn with_apostrophes(text: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut taken = 0;
    for (at, c) in text.iter().enumerate() {
        if *c != '\'' || at == 0 || at + 1 >= text.len() {
            out.push(*c);
            continue;
        }
        let (before, after) = (text[at - 1], text[at + 1]);
        match (is_letter(before), is_letter(after)) {
            // A letter between two apostrophes is taken by the first.
            (true, true) if at > taken + 1 => {
                out.extend([' ', '\'']);
                taken = at + 1;
            }
            (true, true) => out.push('\''),
            (false, true) if before.is_ascii_digit() && after == 's' => out.extend([' ', '\'']),
            (false, true) if before.is_ascii_digit() => out.push('\''),
            _ => out.extend([' ', '\'', ' ']),
        }
    }
    out
}
